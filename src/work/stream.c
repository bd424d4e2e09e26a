/* What all streams and sinks have in common: see stream.h. Worker threads. */
#include "work/stream.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const uint64_t SECOND = 1000000000;

const char *count_text(uint64_t count, char out[COUNT_SIZE])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *end = out;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *end++ = ',';
        *end++ = digits[i];
    }
    *end = '\0';
    return out;
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* Once a second, from the thread that reads the source. */
static void report(const struct stream *source)
{
    struct flow *flow = source->flow;
    uint64_t time = now();
    if (flow->started == 0)
        flow->started = flow->reported = time;
    if (time - flow->reported < SECOND)
        return;
    flow->reported = time;
    char bytes[24], rate[32];
    (void)snprintf(bytes, sizeof bytes, "%" PRIu64, source->passed);
    (void)snprintf(rate, sizeof rate, "%.1f MB/s", (double)source->passed * 1e3 / (double)(time - flow->started));
    log_event(LEVEL_DEBUG, "bytes are moving", "source", stream_subject(source), "bytes", bytes, "rate", rate, NULL);
}

/* A read or lend is to come: false when there is nothing to ask for, *ok says whether that is the end. */
static bool goes_on(struct stream *s, size_t *got, bool *ok, struct error *e)
{
    *got = 0;
    *ok = s->ended || !flow_over(s->flow) || error_set(e, ECANCELED, "cancelled");
    return *ok && !s->ended;
}

static void count(struct stream *s, size_t got)
{
    s->passed += got;
    s->ended = got == 0;
    if (s == s->flow->source)
        report(s);
}

bool stream_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    bool ok;
    if (!goes_on(s, got, &ok, e))
        return ok;
    if (!s->type->read(s, data, size, got, e))
        return false;
    count(s, *got);
    return true;
}

bool stream_next(struct stream *s, char *chunk, char **data, size_t *got, struct error *e)
{
    bool ok;
    *data = chunk;
    if (s->type->lend == NULL)
        return stream_read(s, chunk, STREAM_CHUNK, got, e);
    if (!goes_on(s, got, &ok, e))
        return ok;
    if (!s->type->lend(s, data, got, e))
        return false;
    count(s, *got);
    return true;
}

bool stream_read_full(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    size_t more = 0;
    for (*got = 0; *got < size; *got += more) {
        if (!stream_read(s, data + *got, size - *got, &more, e))
            return false;
        if (more == 0)
            break;
    }
    return true;
}

int64_t stream_size(struct stream *s) { return s->type->size != NULL ? s->type->size(s) : -1; }
int64_t stream_size_of_from(struct stream *s) { return stream_size(s->from); }

const char *stream_subject(const struct stream *s)
{
    while (s->from != NULL)
        s = s->from;
    return s->subject != NULL ? s->subject : s->type->name;
}

bool stream_fail(const struct stream *s, struct error *e, int code, const char *format, ...)
{
    char text[sizeof e->message];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (s->from == NULL)
        return error_set(e, code, "%s", text);
    return error_set(e, code, "%s of %s: %s", s->type->name, stream_subject(s), text);
}

void stream_free(struct stream *s)
{
    if (s != NULL)
        s->type->free(s);
}

void sink_free(struct sink *s)
{
    if (s != NULL)
        s->type->free(s);
}
