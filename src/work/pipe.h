#pragma once
/* A pipe: a source, any number of stages and a sink, run as one job of the pool.
 *
 * Made and filled on the main thread (pipe_create, pipe_add…, pipe_end), then submitted like any job.  Parts are the pipe's
 * from the moment they are added.  Cancelled or failed, nothing half-written stays. */
#include "work/call.h"
#include "work/pool.h"
#include "work/stream.h"

struct pipe {
    struct job job;
    struct flow flow;
    struct stream *last; /* the stream that was added last: the source, then each stage */
    struct sink *sink;
    struct call call;    /* what stages ask of the main thread */
    struct stream *busy; /* what keeps a processor busy in the thread that the next part will be in; NULL: nothing */

    /* the result, valid in reap; the parts are gone when it failed */
    bool ok;
    struct error error;
    uint64_t bytes;   /* that the source gave */
    uint64_t written; /* that reached the sink */
};

/* NULL: no memory. */
struct pipe *pipe_create(void);

/* Adds a source or a stage, which will read what was added before.  False: there is no memory, or `s` is NULL (its maker had none). */
bool pipe_add(struct pipe *pipe, struct stream *s);

/* Sets the sink; the same. */
bool pipe_end(struct pipe *pipe, struct sink *s);
