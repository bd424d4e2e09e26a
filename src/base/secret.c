/* Remembered credentials: see secret.h.
 *
 * A ring of values under a lock, the oldest forgotten first, and a hash of their first four bytes, so that looking for
 * them costs one look-up for each byte of text.  Escaped text is compared as what it stands for: where there is a
 * backslash, as if it had been escaped once, twice and so on; each of these has first four bytes of its own. */
#include "base/secret.h"
#include "base/json.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    KEPT = 4096,
    KEPT_BYTES = 16 * 1024 * 1024,
    SHORTEST = 4,
    SHORTEST_LINE = 8,
    LINES_MOST = 1024, /* of one value */
    BUCKETS = 4096,
    LEVELS = 4, /* of escaping */
};

struct secret {
    char *text;
    size_t length;
    struct secret *next; /* in its bucket */
};

static struct {
    pthread_mutex_t lock;
    struct secret ring[KEPT];
    struct secret *buckets[BUCKETS];
    size_t next, oldest, bytes;
    struct buffer last; /* the text seen last: the same credentials come with every request */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static atomic_bool any;

/* ---- remembering ---- */

static struct secret **bucket_of(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    uint32_t hash = (((c[0] * 31u + c[1]) * 31u + c[2]) * 31u + c[3]) * 2654435761u;
    return &state.buckets[(hash >> 16) % BUCKETS];
}

static void forget(struct secret *slot)
{
    if (slot->text == NULL)
        return;
    struct secret **at = bucket_of(slot->text);
    while (*at != slot)
        at = &(*at)->next;
    *at = slot->next;
    state.bytes -= slot->length;
    free(slot->text);
    *slot = (struct secret){0};
}

static void forget_oldest(void)
{
    forget(&state.ring[state.oldest]);
    state.oldest = (state.oldest + 1) % KEPT;
}

/* Whether it is remembered, exactly. */
static bool known(const char *text, size_t length)
{
    if (length < SHORTEST)
        return false;
    for (const struct secret *secret = *bucket_of(text); secret != NULL; secret = secret->next)
        if (secret->length == length && memcmp(secret->text, text, length) == 0)
            return true;
    return false;
}

/* False: there was no memory. The lock is held, as for all below. */
static bool remember(const char *text, size_t length)
{
    if (length < SHORTEST || known(text, length))
        return true;
    char *copy = malloc(length);
    if (copy == NULL)
        return false;
    memcpy(copy, text, length);
    if (state.ring[state.next].text != NULL)
        forget_oldest(); /* the ring is full, so that is it */
    while (state.bytes > 0 && state.bytes + length > KEPT_BYTES)
        forget_oldest();
    struct secret *slot = &state.ring[state.next];
    state.next = (state.next + 1) % KEPT;
    state.bytes += length;
    *slot = (struct secret){copy, length, *bucket_of(copy)};
    *bucket_of(copy) = slot;
    atomic_store(&any, true);
    return true;
}

/* The lines of a value that has several, since a key may be written line by line; then the whole of it, which is forgotten last. */
static bool remember_value(const char *text, size_t length)
{
    bool ok = true;
    const char *at = text, *end = text + length, *newline = memchr(text, '\n', length);
    for (size_t lines = newline != NULL ? LINES_MOST : 0; lines > 0 && at < end; lines--) {
        newline = memchr(at, '\n', (size_t)(end - at));
        size_t line = (size_t)((newline != NULL ? newline : end) - at);
        size_t visible = line > 0 && at[line - 1] == '\r' ? line - 1 : line;
        if (visible >= SHORTEST_LINE)
            ok &= remember(at, visible);
        at += newline != NULL ? line + 1 : line;
    }
    return remember(text, length) && ok;
}

static bool remember_double(double number)
{
    struct buffer text = {0};
    bool ok = json_write_double(&text, number, NULL) && remember(text.data, text.length);
    buffer_free(&text);
    return ok;
}

/* Whether a member of that name has the path of a file: no secret, and wanted in errors. */
static bool names_file(const char *name, size_t length)
{
    return (length >= 4 && memcmp(name + length - 4, "File", 4) == 0) || (length >= 5 && memcmp(name + length - 5, "_file", 5) == 0);
}

/* Every string and number in it, but for the object's own type and paths. *whole: it was JSON to its end. */
static bool remember_json(const char *json, size_t length, bool *whole)
{
    struct json_reader reader;
    struct json_event event = {0};
    bool ok = true, type = false, file = false; /* is the next value the object's own type, a path? */
    json_reader_init(&reader, json, length);
    struct error e = {0};
    while (json_next(&reader, &event, &e) && event.kind != JSON_END) {
        char digits[24];
        bool is_path = file && event.kind == JSON_STRING && memchr(event.text, '\n', event.length) == NULL; /* not the file's text, put there by mistake */
        if (event.kind == JSON_STRING && !type && !is_path)
            ok &= remember_value(event.text, event.length);
        else if (event.kind == JSON_DOUBLE)
            ok &= remember_double(event.number);
        else if (event.kind == JSON_NUMBER)
            ok &= remember(event.text, event.length);
        else if (event.kind == JSON_INTEGER && snprintf(digits, sizeof digits, "%" PRId64, event.integer) > 0)
            ok &= remember(digits, strlen(digits));
        type = event.kind == JSON_KEY && reader.depth == 1 && event.length == 4 && memcmp(event.text, "type", 4) == 0;
        file = event.kind == JSON_KEY && names_file(event.text, event.length);
    }
    json_reader_free(&reader);
    *whole = e.code == 0;
    return ok && e.code != ENOMEM;
}

/* As it is, and as a log line has it, if it is not UTF-8. */
static bool remember_bytes(const char *text, size_t length)
{
    struct buffer quoted = {0};
    bool whole, ok = json_write_lenient(&quoted, text, length) && remember_json(quoted.data, quoted.length, &whole);
    buffer_free(&quoted);
    return remember_value(text, length) && ok;
}

/* Text without a form that is known; or JSON that is broken, perhaps in the middle of a string. */
static bool remember_opaque(const char *text, size_t length)
{
    bool ok = true;
    const char *space = memchr(text, ' ', length), *quote = memrchr(text, '"', length);
    if (space != NULL)
        ok &= remember_bytes(space + 1, length - (size_t)(space + 1 - text));
    if (quote != NULL)
        ok &= remember_bytes(quote + 1, length - (size_t)(quote + 1 - text));
    return remember_bytes(text, length) && ok;
}

bool secret_remember(const char *text, size_t length)
{
    bool ok = true;
    pthread_mutex_lock(&state.lock);
    if (length != state.last.length || length == 0 || memcmp(text, state.last.data, length) != 0) {
        size_t start = 0;
        bool whole = false;
        while (start < length && isspace((unsigned char)text[start]))
            start++;
        if (start < length && strchr("{[\"", text[start]) != NULL)
            ok = remember_json(text, length, &whole);
        if (!whole)
            ok &= remember_opaque(text, length);
        buffer_clear(&state.last);
        if (ok)
            (void)buffer_append(&state.last, text, length);
    }
    pthread_mutex_unlock(&state.lock);
    return ok;
}

bool secret_any(void) { return atomic_load(&any); }

/* ---- finding ---- */

/* The text that is looked through. */
struct scan {
    const char *at, *end;   /* what is left of it; of JSON: to the end of the string */
    const char *escape;     /* the first backslash in that, or its end */
    bool json;              /* a backslash always escapes */
    bool open;              /* the end came where a secret may have begun */
    uint64_t work, most;    /* steps taken, and when it is enough: text and secrets can be such that looking would take for ever */
};

enum { WORK = 4000000, WORK_A_BYTE = 32 };

static void find_escape(struct scan *scan)
{
    const char *escape = memchr(scan->at, '\\', (size_t)(scan->end - scan->at));
    scan->escape = escape != NULL ? escape : scan->end;
}

static struct scan scan_of(const char *text, size_t length, bool json)
{
    struct scan scan = {.at = text, .end = text + length, .json = json, .most = WORK + (uint64_t)WORK_A_BYTE * length};
    find_escape(&scan);
    return scan;
}

static int hex_digit(char c) { return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1; }

static size_t unescape(const char **at, const char *end, int level, char out[4]);

/* Four hexadecimal digits; -1: the end, or something else. */
static int32_t unescape_hex(const char **at, const char *end, int level)
{
    int32_t code = 0;
    for (int i = 0; i < 4; i++) {
        char c[4];
        int digit = unescape(at, end, level, c) == 1 ? hex_digit(c[0]) : -1;
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

static size_t unescape_unicode(const char **at, const char *end, int level, char out[4])
{
    int32_t code = unescape_hex(at, end, level);
    if (code < 0)
        return 0;
    if (code >= 0xD800 && code < 0xDC00) {
        char c[4];
        bool low = unescape(at, end, level, c) == 1 && c[0] == '\\' && unescape(at, end, level, c) == 1 && c[0] == 'u';
        int32_t second = low ? unescape_hex(at, end, level) : -1;
        if (second < 0)
            return 0;
        code = 0x10000 + ((code - 0xD800) << 10) + ((second - 0xDC00) & 0x3FF);
    }
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(leads[length] | code);
    return length;
}

/* The decimal digits of a byte, as string.format's %q writes it, the first of which is in out. */
static size_t unescape_decimal(const char **at, const char *end, int level, char out[4])
{
    int code = out[0] - '0';
    for (int i = 0; i < 2; i++) {
        const char *next = *at;
        char c[4];
        if (unescape(&next, end, level, c) != 1 || !isdigit((unsigned char)c[0]))
            break;
        code = code * 10 + c[0] - '0';
        *at = next;
    }
    out[0] = (char)code;
    return 1;
}

/* Reads the character that stands at *at in text that was escaped `level` times, as UTF-8; its length, or 0: the text ends in it, or
 * it is none. */
static size_t unescape(const char **at, const char *end, int level, char out[4])
{
    if (*at == end)
        return 0;
    if (level == 0 || **at != '\\') {
        out[0] = *(*at)++;
        return 1;
    }
    size_t length = unescape(at, end, level - 1, out);
    if (length != 1 || out[0] != '\\')
        return length;
    if (unescape(at, end, level - 1, out) != 1)
        return 0;
    static const char names[] = "ntrbf", meant[] = "\n\t\r\b\f";
    const char *name = out[0] != '\0' ? strchr(names, out[0]) : NULL;
    if (out[0] == 'u')
        return unescape_unicode(at, end, level - 1, out);
    if (isdigit((unsigned char)out[0]))
        return unescape_decimal(at, end, level - 1, out);
    if (name != NULL)
        out[0] = meant[name - names];
    return 1;
}

/* The length of the secret where the text stands, escaped `level` times; up to the first backslash they are the same. */
static size_t compare_escaped(struct scan *scan, const struct secret *secret, int level)
{
    const char *at = scan->escape;
    size_t done = (size_t)(scan->escape - scan->at);
    while (done < secret->length) {
        char c[4];
        scan->work += 1u << level;
        if (scan->work > scan->most)
            return 0;
        size_t length = unescape(&at, scan->end, level, c);
        scan->open |= length == 0 && at == scan->end;
        if (length == 0 || length > secret->length - done || memcmp(c, secret->text + done, length) != 0)
            return 0;
        done += length;
    }
    return (size_t)(at - scan->at);
}

/* The length of the secret where the text stands; 0: it is not there. */
static size_t compare(struct scan *scan, const struct secret *secret)
{
    size_t left = (size_t)(scan->end - scan->at), plain = (size_t)(scan->escape - scan->at);
    size_t most = secret->length < left ? secret->length : left;
    scan->work += 1 + most / 256;
    if ((plain >= most || !scan->json) && memcmp(scan->at, secret->text, most) == 0) {
        if (most == secret->length)
            return most;
        scan->open = true;
    }
    if (plain >= most || memcmp(scan->at, secret->text, plain) != 0)
        return 0;
    size_t longest = 0;
    for (int level = 1; level <= LEVELS; level++) {
        size_t length = compare_escaped(scan, secret, level);
        if (length > longest)
            longest = length;
    }
    return longest;
}

static size_t longest_in(struct scan *scan, const struct secret *bucket)
{
    size_t longest = 0;
    for (; bucket != NULL; bucket = bucket->next) {
        size_t length = compare(scan, bucket);
        if (length > longest)
            longest = length;
    }
    return longest;
}

/* The length of the longest secret where the text stands; 0: there is none. */
static size_t find(struct scan *scan)
{
    if (scan->escape < scan->at)
        find_escape(scan);
    scan->open = scan->end - scan->at < SHORTEST;
    size_t longest = scan->open ? 0 : longest_in(scan, *bucket_of(scan->at));
    if (scan->escape - scan->at >= SHORTEST || scan->escape == scan->end)
        return longest;
    for (int level = 1; level <= LEVELS; level++) {
        char first[SHORTEST + 4];
        const char *at = scan->at;
        size_t length = 0, more = 1;
        scan->work += (uint64_t)SHORTEST << level;
        for (; length < SHORTEST && more > 0; length += more)
            more = unescape(&at, scan->end, level, first + length);
        scan->open |= more == 0 && at == scan->end;
        size_t found = more > 0 ? longest_in(scan, *bucket_of(first)) : 0;
        if (found > longest)
            longest = found;
    }
    return longest;
}

/* ---- hiding ---- */

/* Redacts what is left of the scan's text, or, if it goes on, what is certain. */
static bool redact(struct buffer *out, struct scan *scan, bool goes_on)
{
    const char *run = scan->at; /* what is copied as it is */
    bool ok = true;
    while (ok && scan->at < scan->end) {
        size_t length = find(scan);
        if (scan->work > scan->most)
            length = (size_t)(scan->end - scan->at); /* nobody knows what is in the rest */
        else if (goes_on && scan->open)
            break;
        if (length == 0) { /* an escape of JSON is one character */
            size_t left = (size_t)(scan->end - scan->at);
            size_t step = !scan->json || *scan->at != '\\' ? 1 : left > 1 && scan->at[1] == 'u' ? 6 : 2;
            scan->at += step < left ? step : left;
            continue;
        }
        ok = buffer_append(out, run, (size_t)(scan->at - run)) && buffer_puts(out, "***");
        scan->at += length;
        run = scan->at;
    }
    return ok && buffer_append(out, run, (size_t)(scan->at - run));
}

static bool redact_text(struct buffer *out, const char *text, size_t length, bool goes_on, size_t *used)
{
    *used = length;
    if (length == 0 || !secret_any())
        return buffer_append(out, text, length);
    size_t before = out->length;
    struct scan scan = scan_of(text, length, false);
    pthread_mutex_lock(&state.lock);
    bool ok = redact(out, &scan, goes_on);
    pthread_mutex_unlock(&state.lock);
    *used = (size_t)(scan.at - text);
    if (!ok)
        out->length = before;
    return ok;
}

bool secret_redact(struct buffer *out, const char *text, size_t length)
{
    size_t used;
    return redact_text(out, text, length, false, &used);
}

bool secret_redact_start(struct buffer *out, const char *text, size_t length, size_t *used) { return redact_text(out, text, length, true, used); }

/* The length of the string's content that begins here, and of the number, outside of strings; 0: none does. */
static size_t string_length(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length && text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
    return at < length ? at : length;
}

static size_t number_length(const char *text, size_t length)
{
    size_t used = 0;
    if (*text != '-' && !isdigit((unsigned char)*text))
        return 0;
    while (used < length && (isalnum((unsigned char)text[used]) || text[used] == '.' || text[used] == '-' || text[used] == '+'))
        used++;
    return used;
}

static bool redact_string(struct buffer *out, const char *text, size_t length)
{
    struct scan scan = scan_of(text, length, true);
    return redact(out, &scan, false);
}

bool secret_redact_json(struct buffer *out, const char *json, size_t length)
{
    if (length == 0 || !secret_any())
        return buffer_append(out, json, length);
    size_t before = out->length, used;
    bool ok = true;
    pthread_mutex_lock(&state.lock);
    for (size_t at = 0; ok && at < length; at += used) {
        const char *text = json + at;
        if (*text == '"') {
            used = string_length(text + 1, length - at - 1) + 1;
            ok = buffer_add(out, '"') && redact_string(out, text + 1, used - 1);
            if (ok && at + used < length) {
                ok = buffer_add(out, '"');
                used++;
            }
        } else if ((used = number_length(text, length - at)) > 0) {
            ok = known(text, used) ? buffer_puts(out, "\"***\"") : buffer_append(out, text, used);
        } else {
            used = 1;
            ok = buffer_add(out, *text);
        }
    }
    pthread_mutex_unlock(&state.lock);
    if (!ok)
        out->length = before;
    return ok;
}
