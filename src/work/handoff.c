/* Handing chunks from one thread to another: see handoff_create in stream.h.
 *
 * At first a handoff reads what is above it itself: most blobs are small, and a thread would cost more than it brings.  When
 * AHEAD bytes have passed it starts a thread, which from then on is the only one to read there; the chunks wait in a ring of
 * SLOTS.  The thread ends at the end of the stream, at an error, or when the flow is over, and is joined by free. */
#include "work/stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SLOTS = 4, AHEAD = 1024 * 1024, STACK = 512 * 1024 };

struct slot {
    size_t length, taken;
    char data[STREAM_CHUNK];
};

struct handoff {
    struct stream stream;
    pthread_t thread;
    bool threaded;        /* the thread was started */
    bool alone;           /* it could not be: goes on without */
    struct slot *slots;   /* SLOTS of them */
    size_t first;         /* to take from next; the reader's */
    /* below: guarded by the lock */
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    size_t count;         /* of filled slots */
    bool ended, failed, closed;
    struct error error;   /* when it failed */
};

/* Waits a little. The lock is held. */
static void wait_on(pthread_cond_t *condition, pthread_mutex_t *lock)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += STREAM_POLL * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    (void)pthread_cond_timedwait(condition, lock, &until);
}

static void *run_ahead(void *argument)
{
    struct handoff *h = argument;
    for (size_t at = h->first;; at = (at + 1) % SLOTS) {
        pthread_mutex_lock(&h->lock);
        while (h->count == SLOTS && !h->closed && !flow_over(h->stream.flow))
            wait_on(&h->emptied, &h->lock);
        bool closed = h->closed;
        pthread_mutex_unlock(&h->lock);
        struct slot *slot = &h->slots[at];
        struct error e;
        bool ok = !closed && stream_read(h->stream.from, slot->data, sizeof slot->data, &slot->length, &e);
        slot->taken = 0;
        pthread_mutex_lock(&h->lock);
        if (!ok) {
            h->failed = true;
            if (!closed)
                h->error = e;
        } else if (slot->length == 0) {
            h->ended = true;
        } else {
            h->count++;
        }
        bool over = h->failed || h->ended;
        pthread_cond_signal(&h->filled);
        pthread_mutex_unlock(&h->lock);
        if (over)
            return NULL;
    }
}

static void start_thread(struct handoff *h)
{
    pthread_attr_t attributes;
    h->slots = malloc(SLOTS * sizeof *h->slots);
    if (h->slots != NULL && pthread_attr_init(&attributes) == 0) {
        (void)pthread_attr_setstacksize(&attributes, STACK);
        h->threaded = pthread_create(&h->thread, &attributes, run_ahead, h) == 0;
        pthread_attr_destroy(&attributes);
    }
    h->alone = !h->threaded;
}

static bool take(struct handoff *h, char *data, size_t size, size_t *got, struct error *e)
{
    struct slot *slot = &h->slots[h->first];
    pthread_mutex_lock(&h->lock);
    while (h->count == 0 && !h->ended && !h->failed && !flow_over(h->stream.flow))
        wait_on(&h->filled, &h->lock);
    bool there = h->count > 0, failed = h->failed;
    bool ended = h->ended;
    pthread_mutex_unlock(&h->lock);
    *got = 0;
    if (!there && failed)
        *e = h->error;
    if (!there)
        return !failed && (ended || error_set(e, ECANCELED, "cancelled"));
    *got = slot->length - slot->taken < size ? slot->length - slot->taken : size;
    memcpy(data, slot->data + slot->taken, *got);
    slot->taken += *got;
    if (slot->taken == slot->length) {
        pthread_mutex_lock(&h->lock);
        h->count--;
        pthread_cond_signal(&h->emptied);
        pthread_mutex_unlock(&h->lock);
        h->first = (h->first + 1) % SLOTS;
    }
    return true;
}

static bool handoff_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct handoff *h = (struct handoff *)s;
    if (!h->threaded && !h->alone && s->passed >= AHEAD)
        start_thread(h);
    return h->threaded ? take(h, data, size, got, e) : stream_read(s->from, data, size, got, e);
}

static void handoff_free(struct stream *s)
{
    struct handoff *h = (struct handoff *)s;
    if (h->threaded) {
        pthread_mutex_lock(&h->lock);
        h->closed = true;
        pthread_cond_signal(&h->emptied);
        pthread_mutex_unlock(&h->lock);
        (void)pthread_join(h->thread, NULL);
    }
    pthread_cond_destroy(&h->filled);
    pthread_cond_destroy(&h->emptied);
    pthread_mutex_destroy(&h->lock);
    free(h->slots);
    free(h);
}

struct stream *handoff_create(void)
{
    static const struct stream_type type = {.name = "handoff", .read = handoff_read, .free = handoff_free};
    struct handoff *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->stream.type = &type;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->filled, &monotonic);
    pthread_cond_init(&h->emptied, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return &h->stream;
}
