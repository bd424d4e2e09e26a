#pragma once
/* Streams: bytes on their way from a source, through stages, to a sink.
 *
 * A stream is read from: a source, or a stage, which reads another stream.  A sink reads a stream to its end.  Streams pull,
 * so a part needs no thread of its own; where it pays, the pipe (pipe.h) puts a handoff between two of them, and what is
 * above it runs ahead in another thread.
 *
 * Life of a part: it is created on the main thread, from values that are copied; nothing is opened, started or loaded yet.
 * The first read (a stream) or run (a sink) opens, on a worker thread.  All later calls of one part come from one thread at
 * a time, `free` comes last, from any thread, also when nothing was ever read.
 *
 * A part embeds struct stream or struct sink as its first member and has a type, a constant.  It holds a bounded number of
 * bytes, however many pass.  Whoever may wait for long looks at flow_over at least every few hundred milliseconds and gives up. */
#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STREAM_CHUNK = 128 * 1024,  /* how much is read at a time where nothing speaks for another number */
    STREAM_POLL = 100,          /* milliseconds between two looks at flow_over */
};

struct stream;

/* What the parts of one pipe share. Zero-initialise it. */
struct flow {
    atomic_bool over;             /* it failed: all parts give up */
    const atomic_bool *cancelled; /* so they do when this is set (the job's); NULL: there is none */
    const struct stream *source;  /* whose progress is reported; NULL: nobody's */
    uint64_t started, reported;   /* CLOCK_MONOTONIC nanoseconds: for that report, by the thread that reads the source */
};

static inline bool flow_over(const struct flow *flow)
{
    return atomic_load_explicit(&flow->over, memory_order_relaxed) || (flow->cancelled != NULL && atomic_load_explicit(flow->cancelled, memory_order_relaxed));
}
static inline void flow_end(struct flow *flow) { atomic_store_explicit(&flow->over, true, memory_order_relaxed); }

struct stream_type {
    const char *name; /* as errors call it: "gunzip" */
    bool computes;    /* it keeps a processor busy: what reads from it better has another thread */
    /* At least one byte and at most `size` to `data`; *got 0 is the end.  False: e filled (by stream_fail). Called through stream_read. */
    bool (*read)(struct stream *s, char *data, size_t size, size_t *got, struct error *e);
    /* Instead of read, where the bytes lie in memory already: they stay there until the next read or lend. *data is room
     * for STREAM_CHUNK bytes on entry, which it may use.  NULL: it always reads. */
    bool (*lend)(struct stream *s, char **data, size_t *got, struct error *e);
    /* All of the pipe has succeeded: makes appear what the stage wrote on its own (see sink_type). NULL: there is nothing to do. */
    bool (*commit)(struct stream *s, struct error *e);
    /* How many bytes it is going to give, asked before the first read by whoever will read; -1: it can't know, as NULL. */
    int64_t (*size)(struct stream *s);
    void (*free)(struct stream *s); /* closes and frees; not what it reads from */
};

struct stream {
    const struct stream_type *type;
    struct stream *from; /* what a stage reads; NULL: a source. The pipe sets it. */
    struct flow *flow;   /* the pipe sets it */
    uint64_t passed;     /* bytes that it gave so far */
    bool ended;          /* it gave all */
    const char *subject; /* a source's: what it reads, for people ("/tmp/x.gz"); without secrets; its own */
};

/* Reads: see stream_type. Fails with ECANCELED when the flow is over.  Behind the end it gives the end again. */
bool stream_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e);

/* Reads to `chunk`, which has room for STREAM_CHUNK bytes, or finds them where the stream has them: *data is where they are. */
bool stream_next(struct stream *s, char *chunk, char **data, size_t *got, struct error *e);

/* Reads until `size` bytes are there or the end. */
bool stream_read_full(struct stream *s, char *data, size_t size, size_t *got, struct error *e);

/* How many bytes it is going to give, or -1: see stream_type. For whoever has to announce it; what comes may still differ. */
int64_t stream_size(struct stream *s);
/* For a stage that lets everything pass as it is. */
int64_t stream_size_of_from(struct stream *s);

/* What the source at the beginning reads: "/tmp/x.gz". */
const char *stream_subject(const struct stream *s);

/* Fills e with "gunzip of /tmp/x.gz: <text>", for a source with the text alone.  Returns false, always. */
__attribute__((format(printf, 4, 5))) bool stream_fail(const struct stream *s, struct error *e, int code, const char *format, ...);

void stream_free(struct stream *s); /* NULL: nothing */

struct sink;

struct sink_type {
    const char *name;
    bool computes; /* or waits for a disk or a network: better has another thread than a stream that computes */
    /* Reads `from` to its end, or to where it needs no more; counts s->written.  What it makes is not to be seen under its name yet. */
    bool (*run)(struct sink *s, struct stream *from, struct error *e);
    /* Everything else has succeeded: makes it appear.  NULL: there is nothing to do. */
    bool (*commit)(struct sink *s, struct error *e);
    void (*free)(struct sink *s); /* removes what was not committed, closes, frees */
};

struct sink {
    const struct sink_type *type;
    struct flow *flow;   /* the pipe sets it */
    uint64_t written;    /* bytes that reached it */
};

void sink_free(struct sink *s); /* NULL: nothing */

/* A number for people: "1,204". Returns out. */
enum { COUNT_SIZE = 32 };
const char *count_text(uint64_t count, char out[COUNT_SIZE]);

/* A stage that lets what it reads from run ahead in a thread of its own, once more than a little has passed.  NULL: no memory. */
struct stream *handoff_create(void);
