#pragma once
/* A pipe: a source, any number of stages and a sink, run as one job of the pool.
 *
 * Made and filled on the main thread (pipe_create, pipe_add…, pipe_end), then submitted like any job.  Parts are the pipe's
 * from the moment they are added.  Cancelled or failed, nothing half-written stays. */
#include "work/pool.h"
#include "work/stream.h"

#include "base/buffer.h"

struct pipe {
    struct job job;
    struct flow flow;
    struct stream *last; /* the stream that was added last: the source, then each stage */
    struct sink *sink;
    struct ask *ask;     /* see pipe_next_call; NULL: no stage calls back */

    /* the result, valid in reap */
    bool ok;
    struct error error;
    uint64_t bytes, written;
};

/* NULL: no memory. */
struct pipe *pipe_create(void);

/* Adds a source or a stage: `s` is then read by what is added next.  False, with nothing added: s is NULL (its creator had no memory). */
bool pipe_add(struct pipe *pipe, struct stream *s);

/* Sets the sink. */
bool pipe_end(struct pipe *pipe, struct sink *s);

/* A stage whose bytes go through a function on the main thread: each chunk is handed to whoever runs the pipe (pipe_next_call), and
 * what comes back (pipe_answer) goes on in its place.  `whole_lines`: chunks end behind a newline, but for the last. `number` tells
 * several of them apart; `at_end`: it is called once more, with no bytes, at the end. */
struct stream *call_stage_create(struct pipe *pipe, int number, bool whole_lines, bool at_end);

/* What a stage wants: main thread, when job.notified came.  False: nothing now.  The bytes stay until pipe_answer. */
bool pipe_next_call(struct pipe *pipe, int *number, const char **data, size_t *length, bool *end);
/* `data` is copied. False: no memory; the pipe fails. */
bool pipe_answer(struct pipe *pipe, const char *data, size_t length);
