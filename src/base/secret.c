/* Remembered credentials: see secret.h. A ring of values under a lock; the oldest is forgotten first. */
#include "base/secret.h"
#include "base/json.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { KEPT = 512, SHORTEST = 4 };

struct secret {
    char *text;
    size_t length;
};

static struct {
    pthread_mutex_t lock;
    struct secret ring[KEPT];
    size_t next;
    struct buffer last; /* the JSON seen last: the same credentials come with every request */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static atomic_bool any;

static void remember(const char *text, size_t length)
{
    if (length < SHORTEST)
        return;
    for (size_t i = 0; i < KEPT; i++)
        if (state.ring[i].length == length && memcmp(state.ring[i].text, text, length) == 0)
            return;
    char *copy = malloc(length);
    if (copy == NULL)
        return;
    memcpy(copy, text, length);
    struct secret *slot = &state.ring[state.next];
    state.next = (state.next + 1) % KEPT;
    free(slot->text);
    *slot = (struct secret){copy, length};
    atomic_store(&any, true);
}

static void remember_both(const char *text, size_t length)
{
    struct buffer escaped = {0};
    remember(text, length);
    if (json_write_lenient(&escaped, text, length) && escaped.length > 2 && (escaped.length - 2 != length || memcmp(escaped.data + 1, text, length) != 0))
        remember(escaped.data + 1, escaped.length - 2);
    buffer_free(&escaped);
}

void secret_remember_json(const char *json, size_t length)
{
    pthread_mutex_lock(&state.lock);
    if (length == state.last.length && length > 0 && memcmp(json, state.last.data, length) == 0) {
        pthread_mutex_unlock(&state.lock);
        return;
    }
    struct json_reader reader;
    struct json_event event;
    bool type = false; /* is the next value the object's own type? */
    json_reader_init(&reader, json, length);
    while (json_next(&reader, &event, NULL) && event.kind != JSON_END) {
        if (event.kind == JSON_STRING && !type)
            remember_both(event.text, event.length);
        type = event.kind == JSON_KEY && reader.depth == 1 && event.length == 4 && memcmp(event.text, "type", 4) == 0;
    }
    json_reader_free(&reader);
    buffer_clear(&state.last);
    (void)buffer_append(&state.last, json, length);
    pthread_mutex_unlock(&state.lock);
}

bool secret_any(void) { return atomic_load(&any); }

/* The longest remembered value that begins at `text`, or NULL. The lock is held. */
static const struct secret *match(const char *text, size_t length)
{
    const struct secret *longest = NULL;
    for (size_t i = 0; i < KEPT && state.ring[i].text != NULL; i++) {
        const struct secret *secret = &state.ring[i];
        if (secret->length <= length && secret->text[0] == text[0] && (longest == NULL || secret->length > longest->length) && memcmp(secret->text, text, secret->length) == 0)
            longest = secret;
    }
    return longest;
}

static bool redact(struct buffer *out, const char *text, size_t length, bool json)
{
    if (!secret_any())
        return buffer_append(out, text, length);
    size_t before = out->length;
    bool ok = true, inside = !json;
    pthread_mutex_lock(&state.lock);
    for (size_t at = 0; ok && at < length;) {
        const struct secret *secret = inside ? match(text + at, length - at) : NULL;
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
