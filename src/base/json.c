/* JSON text: see json.h; numbers are in json_number.c.
 *
 * The reader is a state machine: `state` says what may come next, and one bit a level in `nesting` whether an object or
 * an array is open there, so that nothing is allocated but the scratch of strings with escapes.  Strings are scanned 16
 * or 8 bytes at a time for what isn't plain ASCII. */
#include "base/json.h"

#include "base/json_number.h"

#include <errno.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum state { START, ARRAY_FIRST, ARRAY_NEXT, OBJECT_FIRST, OBJECT_NEXT, MEMBER_VALUE, END, FAILED };

/* ---- text ---- */

/* The first byte that a string can't simply contain: '"', '\\', a control character, or the start of a longer sequence. */
static const char *skip_plain(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        /* compared as signed, the bytes from 0x80 are below the space, too */
        __m128i special = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
                                       _mm_cmplt_epi8(bytes, space));
        int mask = _mm_movemask_epi8(special);
        if (mask != 0)
            return at + __builtin_ctz((unsigned)mask);
    }
#endif
    const uint64_t ones = UINT64_MAX / 255, highs = ones * 128;
    for (; end - at >= 8; at += 8) {
        uint64_t bytes;
        memcpy(&bytes, at, 8);
        uint64_t quotes = bytes ^ (ones * '"'), backslashes = bytes ^ (ones * '\\'); /* 0 where they are */
        uint64_t special = (quotes - ones) | (backslashes - ones) | (bytes - ones * ' ') | bytes;
        if ((special & highs) != 0)
            break;
    }
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < ' ' || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return at;
}

/* How many bytes the UTF-8 sequence at `text` has (RFC 3629); 0 where there is none. */
static size_t utf8_sequence(const char *text, const char *end)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t left = (size_t)(end - text), length;
    unsigned char low = 0x80, high = 0xBF; /* what the second byte may be: no overlongs, surrogates, more than U+10FFFF */
    if (left == 0)
        return 0;
    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xC2 && at[0] <= 0xDF) {
        length = 2;
    } else if (at[0] >= 0xE0 && at[0] <= 0xEF) {
        length = 3;
        if (at[0] == 0xE0)
            low = 0xA0;
        else if (at[0] == 0xED)
            high = 0x9F;
    } else if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        length = 4;
        if (at[0] == 0xF0)
            low = 0x90;
        else if (at[0] == 0xF4)
            high = 0x8F;
    } else {
        return 0;
    }
    if (left < length || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

static bool utf8_append(struct buffer *out, unsigned code)
{
    char bytes[4];
    size_t length;
    if (code < 0x80) {
        bytes[0] = (char)code;
        length = 1;
    } else if (code < 0x800) {
        bytes[0] = (char)(0xC0 | code >> 6);
        bytes[1] = (char)(0x80 | (code & 0x3F));
        length = 2;
    } else if (code < 0x10000) {
        bytes[0] = (char)(0xE0 | code >> 12);
        bytes[1] = (char)(0x80 | (code >> 6 & 0x3F));
        bytes[2] = (char)(0x80 | (code & 0x3F));
        length = 3;
    } else {
        bytes[0] = (char)(0xF0 | code >> 18);
        bytes[1] = (char)(0x80 | (code >> 12 & 0x3F));
        bytes[2] = (char)(0x80 | (code >> 6 & 0x3F));
        bytes[3] = (char)(0x80 | (code & 0x3F));
        length = 4;
    }
    return buffer_append(out, bytes, length);
}

static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* ---- reader ---- */

void json_reader_init(struct json_reader *r, const char *text, size_t length)
{
    r->start = r->at = text;
    r->end = length == 0 ? text : text + length;
    r->scratch = &r->own;
    r->own = (struct buffer){0};
    r->depth = 0;
    r->state = START; /* the bits of `nesting` are set as levels are opened */
}

void json_reader_free(struct json_reader *r) { buffer_free(&r->own); }

static bool fail(struct json_reader *r, const char *at, struct error *e, const char *expected)
{
    size_t line = 1, column = 1;
    for (const char *p = r->start; p < at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*p & 0xC0) != 0x80) { /* characters are counted, not bytes */
            column++;
        }
    }
    r->state = FAILED;
    return error_set(e, EINVAL, "line %zu, column %zu: expected %s%s", line, column, expected,
                     at == r->end ? ", not the end of the text" : "");
}

static bool out_of_memory(struct error *e) { return error_set(e, ENOMEM, "out of memory"); }

static inline void skip_space(struct json_reader *r)
{
    const char *at = r->at;
    while (at < r->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    r->at = at;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four digits after \u, which *at is moved behind. */
static bool read_hex(struct json_reader *r, const char **at, unsigned *code, struct error *e)
{
    *code = 0;
    for (int i = 0; i < 4; i++, (*at)++) {
        int digit = *at < r->end ? hex_digit(**at) : -1;
        if (digit < 0)
            return fail(r, *at, e, "four hexadecimal digits");
        *code = *code << 4 | (unsigned)digit;
    }
    return true;
}

/* Appends to the scratch what the escape at *at, behind its backslash, stands for. */
static bool read_escape(struct json_reader *r, const char **at, struct error *e)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    const char *escape = *at;
    unsigned code, low;
    if (escape < r->end && *escape == 'u') {
        ++*at;
        if (!read_hex(r, at, &code, e))
            return false;
        if (code >= 0xDC00 && code <= 0xDFFF)
            return fail(r, escape - 1, e, "the first half of a surrogate pair before its second");
        if (code >= 0xD800 && code <= 0xDBFF) {
            const char *second = *at;
            if (r->end - second < 2 || second[0] != '\\' || second[1] != 'u')
                return fail(r, second, e, "the second half of a surrogate pair");
            *at += 2;
            if (!read_hex(r, at, &low, e))
                return false;
            if (low < 0xDC00 || low > 0xDFFF)
                return fail(r, second, e, "the second half of a surrogate pair");
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        return utf8_append(r->scratch, code) || out_of_memory(e);
    }
    const char *name = escape < r->end ? memchr(names, *escape, sizeof names - 1) : NULL;
    if (name == NULL)
        return fail(r, escape, e, "one of \"\\/bfnrtu behind a backslash");
    ++*at;
    return buffer_add(r->scratch, bytes[name - names]) || out_of_memory(e);
}

/* The string whose opening quote is at r->at. */
static bool read_string(struct json_reader *r, struct json_event *event, struct error *e)
{
    const char *run = r->at + 1, *at = run; /* `run` is the part that is not in the scratch yet */
    bool escaped = false;
    for (;;) {
        at = skip_plain(at, r->end);
        if (at == r->end)
            return fail(r, at, e, "'\"'");
        if (*at == '"')
            break;
        if (*at == '\\') {
            if (!escaped)
                buffer_clear(r->scratch);
            escaped = true;
            if (!buffer_append(r->scratch, run, (size_t)(at - run)))
                return out_of_memory(e);
            at++;
            if (!read_escape(r, &at, e))
                return false;
            run = at;
        } else if ((unsigned char)*at < ' ') {
            return fail(r, at, e, "an escape in place of a control character");
        } else {
            size_t length = utf8_sequence(at, r->end);
            if (length == 0)
                return fail(r, at, e, "valid UTF-8");
            at += length;
        }
    }
    r->at = at + 1;
    event->text = run;
    event->length = (size_t)(at - run);
    if (escaped) {
        if (!buffer_append(r->scratch, run, event->length))
            return out_of_memory(e);
        event->text = r->scratch->data;
        event->length = r->scratch->length;
    }
    return true;
}

static bool read_number(struct json_reader *r, struct json_event *event, struct error *e)
{
    /* most are short whole numbers */
    const char *first = r->at + (*r->at == '-'), *at = first;
    uint64_t magnitude = 0;
    for (; at < r->end && at - first < 18 && is_digit(*at); at++)
        magnitude = magnitude * 10 + (uint64_t)(*at - '0');
    if (at > first && *first != '0' && (at == r->end || (!is_digit(*at) && *at != '.' && *at != 'e' && *at != 'E'))) {
        event->kind = JSON_INTEGER;
        event->integer = first > r->at ? -(int64_t)magnitude : (int64_t)magnitude;
        r->at = at;
        return true;
    }
    struct number n;
    const char *wrong = r->at, *end = number_scan(&wrong, r->end, &n);
    if (end == NULL)
        return fail(r, wrong, e, "a digit");
    event->text = r->at;
    event->length = (size_t)(end - r->at);
    r->at = end;
    event->kind = number_to_integer(&n, &event->integer)  ? JSON_INTEGER
                  : number_to_double(&n, &event->number) ? JSON_DOUBLE
                                                         : JSON_NUMBER;
    return true;
}

static bool read_literal(struct json_reader *r, struct json_event *event, struct error *e, const char *text, enum json_kind kind)
{
    size_t length = strlen(text);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, text, length) != 0)
        return fail(r, r->at, e, "a value");
    r->at += length;
    event->kind = kind;
    return true;
}

static bool open_level(struct json_reader *r, struct json_event *event, struct error *e, bool object)
{
    if (r->depth == JSON_DEPTH_LIMIT)
        return fail(r, r->at, e, "no more than 512 arrays and objects within one another");
    unsigned char bit = (unsigned char)(1U << (r->depth % 8)), *bits = &r->nesting[r->depth / 8];
    *bits = (unsigned char)(object ? *bits | bit : *bits & ~bit);
    r->depth++;
    r->at++;
    r->state = object ? OBJECT_FIRST : ARRAY_FIRST;
    event->kind = object ? JSON_OBJECT : JSON_ARRAY;
    return true;
}

static bool close_level(struct json_reader *r, struct json_event *event, enum json_kind kind)
{
    r->depth--;
    r->at++;
    event->kind = kind;
    if (r->depth == 0)
        r->state = END;
    else
        r->state = (r->nesting[(r->depth - 1) / 8] >> ((r->depth - 1) % 8) & 1) != 0 ? OBJECT_NEXT : ARRAY_NEXT;
    return true;
}

static bool read_value(struct json_reader *r, struct json_event *event, struct error *e)
{
    if (r->at == r->end)
        return fail(r, r->at, e, "a value");
    switch (*r->at) {
    case '"':
        event->kind = JSON_STRING;
        return read_string(r, event, e);
    case '{':
        return open_level(r, event, e, true);
    case '[':
        return open_level(r, event, e, false);
    case 't':
        return read_literal(r, event, e, "true", JSON_TRUE);
    case 'f':
        return read_literal(r, event, e, "false", JSON_FALSE);
    case 'n':
        return read_literal(r, event, e, "null", JSON_NULL);
    case '-':
    case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return read_number(r, event, e);
    default:
        return fail(r, r->at, e, "a value");
    }
}

static bool read_key(struct json_reader *r, struct json_event *event, struct error *e, const char *expected)
{
    if (r->at == r->end || *r->at != '"')
        return fail(r, r->at, e, expected);
    event->kind = JSON_KEY;
    if (!read_string(r, event, e))
        return false;
    skip_space(r);
    if (r->at == r->end || *r->at != ':')
        return fail(r, r->at, e, "':'");
    r->at++;
    r->state = MEMBER_VALUE;
    return true;
}

bool json_next(struct json_reader *r, struct json_event *event, struct error *e)
{
    skip_space(r);
    char c = r->at < r->end ? *r->at : '\0';
    switch ((enum state)r->state) {
    case START:
        r->state = END;
        return read_value(r, event, e);
    case ARRAY_FIRST:
        if (c == ']')
            return close_level(r, event, JSON_ARRAY_END);
        r->state = ARRAY_NEXT;
        return read_value(r, event, e);
    case ARRAY_NEXT:
        if (c == ']')
            return close_level(r, event, JSON_ARRAY_END);
        if (c != ',')
            return fail(r, r->at, e, "',' or ']'");
        r->at++;
        skip_space(r);
        return read_value(r, event, e);
    case OBJECT_FIRST:
        if (c == '}')
            return close_level(r, event, JSON_OBJECT_END);
        return read_key(r, event, e, "a name in quotes or '}'");
    case OBJECT_NEXT:
        if (c == '}')
            return close_level(r, event, JSON_OBJECT_END);
        if (c != ',')
            return fail(r, r->at, e, "',' or '}'");
        r->at++;
        skip_space(r);
        return read_key(r, event, e, "a name in quotes");
    case MEMBER_VALUE:
        r->state = OBJECT_NEXT;
        return read_value(r, event, e);
    case END:
        if (r->at < r->end)
            return fail(r, r->at, e, "nothing behind the value");
        event->kind = JSON_END;
        return true;
    case FAILED:
        break;
    }
    return error_set(e, EINVAL, "reading had failed before");
}

bool json_skip(struct json_reader *r, const struct json_event *event, struct error *e)
{
    struct json_event next = *event;
    if (next.kind == JSON_KEY && !json_next(r, &next, e))
        return false;
    if (next.kind != JSON_ARRAY && next.kind != JSON_OBJECT)
        return true;
    for (unsigned outside = r->depth - 1; r->depth > outside;)
        if (!json_next(r, &next, e))
            return false;
    return true;
}

/* ---- writer ---- */

static bool write_escape(struct buffer *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef", names[] = "\"\\bfnrt", bytes[] = "\"\\\b\f\n\r\t";
    const char *byte = memchr(bytes, c, sizeof bytes - 1);
    if (byte != NULL)
        return buffer_append(out, (const char[2]){'\\', names[byte - bytes]}, 2);
    return buffer_append(out, (const char[6]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

/* False with *bad at the first byte that isn't UTF-8 (not if lenient), or NULL when memory runs out. */
static bool write_text(struct buffer *out, const char *text, size_t length, bool lenient, const char **bad)
{
    size_t before = out->length;
    const char *run = text, *at = text, *end = length == 0 ? text : text + length;
    *bad = NULL;
    if (length > SIZE_MAX - 2 || !buffer_reserve(out, length + 2))
        return false;
    buffer_add(out, '"');
    while ((at = skip_plain(at, end)) < end) {
        size_t sequence = (unsigned char)*at < 0x80 ? 0 : utf8_sequence(at, end);
        if (sequence > 0) {
            at += sequence;
            continue;
        }
        if ((unsigned char)*at >= 0x80 && !lenient) {
            *bad = at;
            goto failed;
        }
        if (!buffer_append(out, run, (size_t)(at - run)) ||
            !((unsigned char)*at < 0x80 ? write_escape(out, (unsigned char)*at) : buffer_append(out, "\xEF\xBF\xBD", 3)))
            goto failed;
        run = ++at;
    }
    if (buffer_append(out, run, (size_t)(at - run)) && buffer_add(out, '"'))
        return true;
failed:
    out->length = before;
    return false;
}

bool json_write_string(struct buffer *out, const char *text, size_t length, struct error *e)
{
    const char *bad;
    if (write_text(out, text, length, false, &bad))
        return true;
    return bad == NULL ? out_of_memory(e) : error_set(e, EILSEQ, "a string that is not UTF-8, at byte %zu", (size_t)(bad - text) + 1);
}

bool json_write_lenient(struct buffer *out, const char *text, size_t length)
{
    const char *bad;
    return write_text(out, text, length, true, &bad);
}
