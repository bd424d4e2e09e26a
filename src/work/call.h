#pragma once
/* Stages whose bytes go through a function on the main thread: the pipe asks, whoever runs it answers. */
#include "base/buffer.h"
#include "work/pool.h"
#include "work/stream.h"

#include <pthread.h>

/* Between the stages of one pipe and the main thread: one question at a time. */
struct call {
    struct job *job;
    /* below: guarded by the lock */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum { CALL_NONE, CALL_ASKED, CALL_ANSWERED } state;
    bool failed; /* there was no memory for the answer */
    int number;
    const char *data;
    size_t length;
    struct buffer answer;
};

void call_init(struct call *call, struct job *job);
void call_destroy(struct call *call);

enum call_chunks {
    CALL_CHUNKS, /* as they come */
    CALL_LINES,  /* whole lines: each chunk but the last ends with a newline */
};

/* A stage: each chunk is asked about, and what is answered goes on in its place.  `number` tells the stages of a pipe apart.  At the end it is
 * asked once more, with no bytes.  NULL: no memory. */
struct stream *call_stage_create(struct call *call, int number, enum call_chunks chunks);

/* Copies what is asked now to `bytes`: main thread, when the job was notified. False: nothing is asked. */
bool call_asked(struct call *call, int *number, struct buffer *bytes);

/* The answer is copied; when there is no memory for it, the pipe fails. */
void call_answer(struct call *call, const char *data, size_t length);
