/* See pipe.h.  The worker that runs the job runs the sink, which pulls through the stages; handoffs bring in further threads. */
#include "work/pipe.h"

#include <errno.h>
#include <stdlib.h>

/* What a sink (or a stage) had no use for still has to pass the digests above it. */
static bool drain(struct stream *s, struct error *e)
{
    while (s != NULL && s->ended)
        s = s->from;
    if (s == NULL)
        return true;
    char *chunk = malloc(STREAM_CHUNK);
    if (chunk == NULL)
        return error_set(e, ENOMEM, "out of memory");
    bool ok = true;
    for (size_t got; ok && !s->ended;)
        ok = stream_read(s, chunk, STREAM_CHUNK, &got, e);
    free(chunk);
    return ok && drain(s->from, e);
}

static bool commit(struct pipe *pipe, struct error *e)
{
    for (struct stream *s = pipe->last; s != NULL; s = s->from)
        if (s->type->commit != NULL && !s->type->commit(s, e))
            return false;
    return pipe->sink->type->commit == NULL || pipe->sink->type->commit(pipe->sink, e);
}

/* Also waits for their threads, so not on the main thread where that may take time. */
static void free_parts(struct pipe *pipe)
{
    sink_free(pipe->sink);
    pipe->sink = NULL;
    for (struct stream *s = pipe->last, *from; s != NULL; s = from) {
        from = s->from;
        stream_free(s);
    }
    pipe->last = NULL;
}

static void work(struct job *job)
{
    struct pipe *pipe = (struct pipe *)job;
    pipe->ok = pipe->sink->type->run(pipe->sink, pipe->last, &pipe->error) && drain(pipe->last, &pipe->error);
    if (pipe->ok && flow_over(&pipe->flow))
        pipe->ok = error_set(&pipe->error, ECANCELED, "cancelled");
    pipe->ok = pipe->ok && commit(pipe, &pipe->error);
    if (pipe->ok) {
        pipe->bytes = pipe->flow.source->passed;
        pipe->written = pipe->sink->written;
    } else {
        flow_end(&pipe->flow);
        free_parts(pipe);
    }
}

static void release(struct job *job)
{
    struct pipe *pipe = (struct pipe *)job;
    flow_end(&pipe->flow);
    free_parts(pipe);
    call_destroy(&pipe->call);
    free(pipe);
}

struct pipe *pipe_create(void)
{
    struct pipe *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL)
        return NULL;
    pipe->job.work = work;
    pipe->job.release = release;
    pipe->flow.cancelled = &pipe->job.cancelled;
    call_init(&pipe->call, &pipe->job);
    return pipe;
}

static void append(struct pipe *pipe, struct stream *s)
{
    s->from = pipe->last;
    s->flow = &pipe->flow;
    if (pipe->last == NULL)
        pipe->flow.source = s;
    pipe->last = s;
}

/* Something that computes is to come: what does so already, above it, gets another thread. */
static bool make_way(struct pipe *pipe)
{
    struct stream *busy = pipe->busy;
    pipe->busy = NULL;
    if (busy == NULL)
        return true;
    if (busy->type->aside != NULL) {
        busy->type->aside(busy);
        return true;
    }
    struct stream *handoff = handoff_create();
    if (handoff != NULL)
        append(pipe, handoff);
    return handoff != NULL;
}

bool pipe_add(struct pipe *pipe, struct stream *s)
{
    if (s != NULL && s->type->computes && !make_way(pipe)) {
        stream_free(s);
        s = NULL;
    }
    if (s == NULL)
        return false;
    if (s->type->computes)
        pipe->busy = s;
    append(pipe, s);
    return true;
}

bool pipe_end(struct pipe *pipe, struct sink *s)
{
    if (s == NULL)
        return false;
    pipe->sink = s;
    s->flow = &pipe->flow;
    return !s->type->computes || make_way(pipe);
}
