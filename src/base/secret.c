/* Remembered credentials: see secret.h.
 *
 * A ring of values under a lock, the oldest forgotten first, and a hash of their first four bytes, so that looking for
 * them costs one look-up for each byte of text.  A value is kept as it is and, where that differs, as it looks inside of
 * a JSON string: in JSON, which has to stay JSON, only the latter is looked for. */
#include "base/secret.h"
#include "base/json.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEPT = 4096, SHORTEST = 4, BUCKETS = 1024, SHORTEST_LINE = 8 };

struct secret {
    char *text;
    size_t length;
    bool plain, escaped; /* where it is looked for: in text, in JSON strings */
    struct secret *next; /* in its bucket */
};

static struct {
    pthread_mutex_t lock;
    struct secret ring[KEPT];
    struct secret *buckets[BUCKETS];
    size_t next;
    struct buffer last; /* the text seen last: the same credentials come with every request */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static atomic_bool any;

static struct secret **bucket_of(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    return &state.buckets[(c[0] * 31u + c[1] * 37u + c[2] * 41u + c[3] * 43u) % BUCKETS];
}

static void forget(struct secret *slot)
{
    if (slot->text == NULL)
        return;
    struct secret **at = bucket_of(slot->text);
    while (*at != slot)
        at = &(*at)->next;
    *at = slot->next;
    free(slot->text);
    *slot = (struct secret){0};
}

/* False: there was no memory. The lock is held, as for all below. */
static bool remember(const char *text, size_t length, bool plain, bool escaped)
{
    if (length < SHORTEST)
        return true;
    for (struct secret *known = *bucket_of(text); known != NULL; known = known->next)
        if (known->length == length && memcmp(known->text, text, length) == 0) {
            known->plain |= plain;
            known->escaped |= escaped;
            return true;
        }
    char *copy = malloc(length);
    if (copy == NULL)
        return false;
    memcpy(copy, text, length);
    struct secret *slot = &state.ring[state.next];
    state.next = (state.next + 1) % KEPT;
    forget(slot);
    *slot = (struct secret){copy, length, plain, escaped, *bucket_of(copy)};
    *bucket_of(copy) = slot;
    atomic_store(&any, true);
    return true;
}

/* As it is, and as it looks in a JSON string. */
static bool remember_forms(const char *text, size_t length)
{
    struct buffer escaped = {0};
    bool ok = json_write_lenient(&escaped, text, length);
    if (ok && escaped.length - 2 == length && memcmp(escaped.data + 1, text, length) == 0)
        ok = remember(text, length, true, true);
    else if (ok)
        ok = remember(text, length, true, false) && remember(escaped.data + 1, escaped.length - 2, true, true);
    buffer_free(&escaped);
    return ok;
}

/* The whole value, and the lines of one that has several: a key may be written line by line. */
static bool remember_value(const char *text, size_t length)
{
    bool ok = remember_forms(text, length);
    if (memchr(text, '\n', length) == NULL)
        return ok;
    while (ok && length > 0) {
        const char *newline = memchr(text, '\n', length);
        size_t line = newline != NULL ? (size_t)(newline - text) : length;
        if (line >= SHORTEST_LINE)
            ok = remember_forms(text, line);
        size_t used = newline != NULL ? line + 1 : line;
        text += used;
        length -= used;
    }
    return ok;
}

static bool remember_double(double number)
{
    struct buffer text = {0};
    bool ok = json_write_double(&text, number, NULL) && remember(text.data, text.length, true, true);
    buffer_free(&text);
    return ok;
}

/* Every string and number in it, but for the object's own type. */
static bool remember_json(const char *json, size_t length)
{
    struct json_reader reader;
    struct json_event event;
    bool ok = true, type = false; /* type: is the next value the object's own type? */
    json_reader_init(&reader, json, length);
    struct error e = {0};
    while (json_next(&reader, &event, &e) && event.kind != JSON_END) {
        char digits[24];
        if (event.kind == JSON_STRING && !type)
            ok &= remember_value(event.text, event.length);
        else if (event.kind == JSON_DOUBLE)
            ok &= remember_double(event.number);
        else if (event.kind == JSON_NUMBER)
            ok &= remember(event.text, event.length, true, true);
        else if (event.kind == JSON_INTEGER && snprintf(digits, sizeof digits, "%" PRId64, event.integer) > 0)
            ok &= remember(digits, strlen(digits), true, true);
        type = event.kind == JSON_KEY && reader.depth == 1 && event.length == 4 && memcmp(event.text, "type", 4) == 0;
    }
    json_reader_free(&reader);
    return ok && e.code != ENOMEM;
}

void secret_remember(const char *text, size_t length)
{
    pthread_mutex_lock(&state.lock);
    if (length != state.last.length || length == 0 || memcmp(text, state.last.data, length) != 0) {
        size_t start = 0;
        while (start < length && isspace((unsigned char)text[start]))
            start++;
        bool ok;
        if (start < length && strchr("{[\"", text[start]) != NULL) {
            ok = remember_json(text, length);
        } else { /* "Bearer …" */
            const char *space = memchr(text, ' ', length);
            ok = remember_value(text, length);
            if (space != NULL)
                ok &= remember_value(space + 1, length - (size_t)(space + 1 - text));
        }
        buffer_clear(&state.last);
        if (ok)
            (void)buffer_append(&state.last, text, length);
    }
    pthread_mutex_unlock(&state.lock);
}

bool secret_any(void) { return atomic_load(&any); }

/* The longest remembered value that begins at `text`, or NULL. */
static const struct secret *match(const char *text, size_t length, bool json)
{
    const struct secret *longest = NULL;
    if (length < SHORTEST)
        return NULL;
    for (const struct secret *secret = *bucket_of(text); secret != NULL; secret = secret->next)
        if ((json ? secret->escaped : secret->plain) && secret->length <= length && (longest == NULL || secret->length > longest->length) &&
            memcmp(secret->text, text, secret->length) == 0)
            longest = secret;
    return longest;
}

/* The length of the number that begins here, outside of strings; 0: none does. */
static size_t number(const char *text, size_t length)
{
    size_t used = 0;
    if (*text != '-' && !isdigit((unsigned char)*text))
        return 0;
    while (used < length && (isalnum((unsigned char)text[used]) || text[used] == '.' || text[used] == '-' || text[used] == '+'))
        used++;
    return used;
}

static bool redact(struct buffer *out, const char *text, size_t length, bool json)
{
    if (!secret_any())
        return buffer_append(out, text, length);
    size_t before = out->length;
    bool ok = true, inside = !json;
    pthread_mutex_lock(&state.lock);
    for (size_t at = 0; ok && at < length;) {
        size_t digits = json && !inside ? number(text + at, length - at) : 0;
        if (digits > 0) {
            const struct secret *secret = match(text + at, digits, true);
            bool hide = secret != NULL && secret->length == digits;
            ok = hide ? buffer_puts(out, "\"***\"") : buffer_append(out, text + at, digits);
            at += digits;
            continue;
        }
        const struct secret *secret = inside ? match(text + at, length - at, json) : NULL;
        if (secret != NULL) {
            ok = buffer_puts(out, "***");
            at += secret->length;
            continue;
        }
        if (json && inside && text[at] == '\\' && at + 1 < length) {
            ok = buffer_append(out, text + at, 2);
            at += 2;
            continue;
        }
        if (json && text[at] == '"')
            inside = !inside;
        ok = buffer_add(out, text[at++]);
    }
    pthread_mutex_unlock(&state.lock);
    if (!ok)
        out->length = before;
    return ok;
}

bool secret_redact(struct buffer *out, const char *text, size_t length) { return redact(out, text, length, false); }

bool secret_redact_json(struct buffer *out, const char *json, size_t length) { return redact(out, json, length, true); }
