#pragma once
/* Chunks on their way from one thread to another: a ring of a few slots of STREAM_CHUNK bytes.
 *
 * One thread writes (ring_room, ring_fill, ring_end), one reads (ring_take).  Either may end it: the writer with ring_end, the
 * reader with ring_close.  Waiting gives up when the flow is over. */
#include "work/stream.h"

struct ring;

/* NULL: no memory. */
struct ring *ring_create(void);
void ring_free(struct ring *ring); /* NULL: nothing. Nobody uses it any more. */

/* Room for STREAM_CHUNK bytes, to be handed on with ring_fill.  NULL: the reader has closed it, or the flow is over. */
char *ring_room(struct ring *ring, const struct flow *flow);
void ring_fill(struct ring *ring, size_t length);

/* No more will come. `e`: why, when that is a failure; NULL: it is the end. */
void ring_end(struct ring *ring, const struct error *e);

/* As a stream's read: the writer's error is the reader's. */
bool ring_take(struct ring *ring, const struct flow *flow, char *data, size_t size, size_t *got, struct error *e);
/* The same without a copy: the bytes stay where they are until the next take or lend. */
bool ring_lend(struct ring *ring, const struct flow *flow, char **data, size_t *got, struct error *e);
void ring_close(struct ring *ring);
