/* See ring.h.  The lock guards the counters; a slot belongs to the writer until it is filled, to the reader until it is taken. */
#include "work/ring.h"
#include "work/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 4, WORTH_WAKING = SLOTS / 2 }; /* waking a thread for every slot costs more than moving its bytes */

struct slot {
    size_t length, taken;
    char data[STREAM_CHUNK];
};

struct ring {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t filled;      /* slots that wait for the reader */
    bool ended, failed; /* by the writer */
    bool closed;        /* by the reader */
    struct error error; /* when it failed */
    size_t next;        /* the writer's slot */
    size_t first;       /* the reader's slot */
    bool lent;          /* that slot, to the reader, by ring_lend */
    struct slot slots[SLOTS];
};

struct ring *ring_create(void)
{
    struct ring *ring = malloc(sizeof *ring);
    if (ring == NULL)
        return NULL;
    memset(ring, 0, offsetof(struct ring, slots));
    pthread_mutex_init(&ring->lock, NULL);
    thread_condition_init(&ring->changed);
    return ring;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    pthread_cond_destroy(&ring->changed);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

/* Waits for a change, but not for long: nobody signals when the flow is over. The lock is held. */
static void wait_a_little(struct ring *ring)
{
    thread_wait(&ring->changed, &ring->lock, STREAM_POLL);
}

char *ring_room(struct ring *ring, const struct flow *flow)
{
    pthread_mutex_lock(&ring->lock);
    while (ring->filled == SLOTS && !ring->closed && !flow_over(flow))
        wait_a_little(ring);
    bool room = ring->filled < SLOTS && !ring->closed && !flow_over(flow);
    pthread_mutex_unlock(&ring->lock);
    return room ? ring->slots[ring->next].data : NULL;
}

void ring_fill(struct ring *ring, size_t length)
{
    struct slot *slot = &ring->slots[ring->next];
    slot->length = length;
    slot->taken = 0;
    ring->next = (ring->next + 1) % SLOTS;
    pthread_mutex_lock(&ring->lock);
    if (++ring->filled == WORTH_WAKING)
        pthread_cond_signal(&ring->changed);
    pthread_mutex_unlock(&ring->lock);
}

void ring_end(struct ring *ring, const struct error *e)
{
    pthread_mutex_lock(&ring->lock);
    ring->ended = true;
    ring->failed = e != NULL;
    if (e != NULL)
        ring->error = *e;
    pthread_cond_signal(&ring->changed);
    pthread_mutex_unlock(&ring->lock);
}

/* The reader is done with its slot. The lock is held. */
static void give_back(struct ring *ring)
{
    ring->lent = false;
    ring->first = (ring->first + 1) % SLOTS;
    if (--ring->filled == SLOTS - WORTH_WAKING)
        pthread_cond_signal(&ring->changed);
}

/* The slot with the next bytes; NULL at the end (*ok: it is one), and when it failed. */
static struct slot *next_slot(struct ring *ring, const struct flow *flow, bool *ok, struct error *e)
{
    pthread_mutex_lock(&ring->lock);
    if (ring->lent)
        give_back(ring);
    if (ring->filled == 0 && !ring->ended)
        for (wait_a_little(ring); ring->filled == 0 && !ring->ended && !flow_over(flow);)
            wait_a_little(ring);
    bool there = ring->filled > 0, ended = ring->ended, failed = ring->failed;
    pthread_mutex_unlock(&ring->lock);
    if (there)
        return &ring->slots[ring->first];
    if (ended && failed)
        *e = ring->error;
    *ok = ended ? !failed : error_set(e, ECANCELED, "cancelled");
    return NULL;
}

bool ring_take(struct ring *ring, const struct flow *flow, char *data, size_t size, size_t *got, struct error *e)
{
    bool ok = true;
    struct slot *slot = next_slot(ring, flow, &ok, e);
    *got = 0;
    if (slot == NULL)
        return ok;
    *got = slot->length - slot->taken < size ? slot->length - slot->taken : size;
    memcpy(data, slot->data + slot->taken, *got);
    slot->taken += *got;
    if (slot->taken == slot->length) {
        pthread_mutex_lock(&ring->lock);
        give_back(ring);
        pthread_mutex_unlock(&ring->lock);
    }
    return true;
}

bool ring_lend(struct ring *ring, const struct flow *flow, char **data, size_t *got, struct error *e)
{
    bool ok = true;
    struct slot *slot = next_slot(ring, flow, &ok, e);
    *got = 0;
    if (slot == NULL)
        return ok;
    *data = slot->data + slot->taken;
    *got = slot->length - slot->taken;
    ring->lent = true;
    return true;
}

void ring_close(struct ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    ring->closed = true;
    pthread_cond_signal(&ring->changed);
    pthread_mutex_unlock(&ring->lock);
}
