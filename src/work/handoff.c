/* Letting what is above run ahead in a thread of its own: see handoff_create in stream.h.
 *
 * At first a handoff reads what is above it itself: most blobs are small, and a thread would cost more than it brings.  When
 * AHEAD bytes have passed it starts a thread, which from then on is the only one to read there. */
#include "work/ring.h"
#include "work/thread.h"

#include <stdlib.h>

enum { AHEAD = 1024 * 1024 };

struct handoff {
    struct stream stream;
    struct ring *ring;  /* NULL: not yet */
    bool alone;         /* there was no memory or no thread: it goes on without */
    pthread_t thread;
};

static void *run_ahead(void *argument)
{
    struct handoff *h = argument;
    char *room;
    while ((room = ring_room(h->ring, h->stream.flow)) != NULL) {
        struct error e;
        size_t got;
        if (!stream_read(h->stream.from, room, STREAM_CHUNK, &got, &e)) {
            ring_end(h->ring, &e);
            break;
        }
        if (got == 0) {
            ring_end(h->ring, NULL);
            break;
        }
        ring_fill(h->ring, got);
    }
    return NULL;
}

static void start(struct handoff *h)
{
    h->ring = ring_create();
    if (h->ring != NULL && !thread_start(&h->thread, run_ahead, h)) {
        ring_free(h->ring);
        h->ring = NULL;
    }
    h->alone = h->ring == NULL;
}

/* Whether there is a thread, also after this is called. */
static bool ahead(struct handoff *h)
{
    if (h->ring == NULL && !h->alone && h->stream.passed >= AHEAD)
        start(h);
    return h->ring != NULL;
}

static bool handoff_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct handoff *h = (struct handoff *)s;
    return ahead(h) ? ring_take(h->ring, s->flow, data, size, got, e) : stream_read(s->from, data, size, got, e);
}

static bool handoff_lend(struct stream *s, char **data, size_t *got, struct error *e)
{
    struct handoff *h = (struct handoff *)s;
    return ahead(h) ? ring_lend(h->ring, s->flow, data, got, e) : stream_read(s->from, *data, STREAM_CHUNK, got, e);
}

static void handoff_free(struct stream *s)
{
    struct handoff *h = (struct handoff *)s;
    if (h->ring != NULL) {
        ring_close(h->ring);
        (void)pthread_join(h->thread, NULL);
    }
    ring_free(h->ring);
    free(h);
}

struct stream *handoff_create(void)
{
    static const struct stream_type type = {.name = "handoff", .read = handoff_read, .lend = handoff_lend, .size = stream_size_of_from, .free = handoff_free};
    struct handoff *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->stream.type = &type;
    return &h->stream;
}
