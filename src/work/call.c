/* See call.h.  The worker sleeps while its question waits; the main thread never does. */
#include "work/call.h"
#include "work/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_LINE = 1024 * 1024 };

struct call_stage {
    struct stream stream;
    struct call *call;
    int number;
    enum call_chunks chunks;
    bool last;            /* the question without bytes was asked */
    struct buffer input;  /* read, `asked` bytes of it done with */
    size_t asked;
    struct buffer output; /* answered, `given` bytes of it read */
    size_t given;
};

void call_init(struct call *call, struct job *job)
{
    call->job = job;
    pthread_mutex_init(&call->lock, NULL);
    thread_condition_init(&call->changed);
}

void call_destroy(struct call *call)
{
    pthread_cond_destroy(&call->changed);
    pthread_mutex_destroy(&call->lock);
    buffer_free(&call->answer);
}

/* The lock is held. */
static void answer(struct call *call, const char *data, size_t length)
{
    buffer_clear(&call->answer);
    call->failed = !buffer_append(&call->answer, data, length);
    call->state = CALL_ANSWERED;
    pthread_cond_broadcast(&call->changed);
}

bool call_asked(struct call *call, int *number, struct buffer *bytes)
{
    pthread_mutex_lock(&call->lock);
    bool asked = call->state == CALL_ASKED; /* if not, the worker gave up, and its bytes may be gone */
    *number = call->number;
    buffer_clear(bytes);
    if (asked && !buffer_append(bytes, call->data, call->length)) {
        answer(call, NULL, 0);
        call->failed = true;
        asked = false;
    }
    pthread_mutex_unlock(&call->lock);
    return asked;
}

void call_answer(struct call *call, const char *data, size_t length)
{
    pthread_mutex_lock(&call->lock);
    if (call->state == CALL_ASKED)
        answer(call, data, length);
    pthread_mutex_unlock(&call->lock);
}

/* Waits until the state is `wanted`. The lock is held. */
static bool wait_for(struct call *call, int wanted, const struct flow *flow)
{
    while ((int)call->state != wanted && !flow_over(flow))
        thread_wait(&call->changed, &call->lock, STREAM_POLL);
    return (int)call->state == wanted && !flow_over(flow);
}

/* Asks about the bytes, and takes the answer as the stage's output. */
static bool ask(struct call_stage *stage, const char *data, size_t length, struct error *e)
{
    struct call *call = stage->call;
    pthread_mutex_lock(&call->lock);
    bool answered = wait_for(call, CALL_NONE, stage->stream.flow);
    if (answered) {
        call->state = CALL_ASKED;
        call->number = stage->number;
        call->data = data;
        call->length = length;
        job_notify(call->job);
        answered = wait_for(call, CALL_ANSWERED, stage->stream.flow);
        call->data = NULL;
        struct buffer old = stage->output;
        stage->output = call->answer;
        stage->given = 0;
        call->answer = old;
        call->state = CALL_NONE;
        pthread_cond_broadcast(&call->changed);
    }
    bool failed = call->failed;
    pthread_mutex_unlock(&call->lock);
    if (!answered)
        return error_set(e, ECANCELED, "cancelled");
    return !failed || error_set(e, ENOMEM, "out of memory");
}

/* Reads until there is something to ask about: `length` bytes from `asked` on; 0: the end. */
static bool gather(struct call_stage *stage, size_t *length, struct error *e)
{
    struct buffer *input = &stage->input;
    input->length -= stage->asked;
    if (stage->asked > 0 && input->length > 0)
        memmove(input->data, input->data + stage->asked, input->length);
    stage->asked = 0;
    for (size_t searched = 0, got;; searched = input->length) {
        if (input->length > LONGEST_LINE)
            return stream_fail(&stage->stream, e, EFBIG, "a line is longer than 1,048,576 bytes");
        if (!buffer_reserve(input, STREAM_CHUNK))
            return error_set(e, ENOMEM, "out of memory");
        if (!stream_read(stage->stream.from, input->data + input->length, STREAM_CHUNK, &got, e))
            return false;
        input->length += got;
        *length = input->length;
        if (got == 0 || stage->chunks == CALL_CHUNKS)
            return true;
        const char *newline = memrchr(input->data + searched, '\n', input->length - searched);
        if (newline != NULL) {
            *length = (size_t)(newline - input->data) + 1;
            return true;
        }
    }
}

static bool call_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct call_stage *stage = (struct call_stage *)s;
    while (stage->given == stage->output.length) {
        size_t length;
        if (stage->last)
            return true;
        if (!gather(stage, &length, e) || !ask(stage, stage->input.data, length, e))
            return false;
        stage->last = length == 0;
        stage->asked = length;
    }
    *got = stage->output.length - stage->given < size ? stage->output.length - stage->given : size;
    memcpy(data, stage->output.data + stage->given, *got);
    stage->given += *got;
    return true;
}

static void call_free(struct stream *s)
{
    struct call_stage *stage = (struct call_stage *)s;
    buffer_free(&stage->input);
    buffer_free(&stage->output);
    free(stage);
}

struct stream *call_stage_create(struct call *call, int number, enum call_chunks chunks)
{
    static const struct stream_type type = {.name = "map", .computes = true, .read = call_read, .free = call_free};
    static const struct stream_type lines_type = {.name = "lines", .computes = true, .read = call_read, .free = call_free};
    struct call_stage *stage = calloc(1, sizeof *stage);
    if (stage == NULL)
        return NULL;
    stage->stream.type = chunks == CALL_LINES ? &lines_type : &type;
    stage->call = call;
    stage->number = number;
    stage->chunks = chunks;
    return &stage->stream;
}
