/* digest, limit, tee: see stage.h. */
#include "work/stage.h"
#include "work/digest.h"
#include "work/ring.h"
#include "work/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- digest ---- */

struct digest_stage {
    struct stream stream;
    struct digest *digest; /* NULL: not yet begun */
    char expected[DIGEST_TEXT]; /* "sha256:…", or the algorithm alone: any value */
    char value[DIGEST_TEXT]; /* empty until the end */
};

static bool digest_begin(struct digest_stage *stage, struct error *e)
{
    char algorithm[16];
    (void)snprintf(algorithm, sizeof algorithm, "%.*s", (int)strcspn(stage->expected, ":"), stage->expected);
    stage->digest = digest_create(algorithm, e);
    return stage->digest != NULL;
}

static bool digest_end(struct digest_stage *stage, struct error *e)
{
    if (!digest_finish(stage->digest, stage->value, sizeof stage->value))
        return error_set(e, EIO, "taking the digest of %s failed", stream_subject(&stage->stream));
    if (strchr(stage->expected, ':') == NULL || strcasecmp(stage->expected, stage->value) == 0)
        return true;
    return error_set(e, EBADMSG, "%s: its digest is %s instead of the expected %s", stream_subject(&stage->stream), stage->value, stage->expected);
}

static bool digest_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct digest_stage *stage = (struct digest_stage *)s;
    if ((stage->digest == NULL && !digest_begin(stage, e)) || !stream_read(s->from, data, size, got, e))
        return false;
    if (*got == 0)
        return digest_end(stage, e);
    return digest_update(stage->digest, data, *got) || error_set(e, EIO, "taking the digest of %s failed", stream_subject(s));
}

static void digest_stage_free(struct stream *s)
{
    struct digest_stage *stage = (struct digest_stage *)s;
    digest_free(stage->digest);
    free(stage);
}

struct stream *digest_stage_create(const char *algorithm)
{
    static const struct stream_type type = {.name = "digest", .computes = true, .read = digest_read, .size = stream_size_of_from, .free = digest_stage_free};
    struct digest_stage *stage = calloc(1, sizeof *stage);
    if (stage == NULL)
        return NULL;
    stage->stream.type = &type;
    (void)snprintf(stage->expected, sizeof stage->expected, "%s", algorithm);
    return &stage->stream;
}

const char *digest_stage_value(const struct stream *s) { return ((const struct digest_stage *)s)->value; }

/* ---- limit ---- */

struct limit_stage {
    struct stream stream;
    uint64_t most;
};

static bool limit_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    const struct limit_stage *stage = (const struct limit_stage *)s;
    char count[COUNT_SIZE];
    if (!stream_read(s->from, data, size, got, e))
        return false;
    return *got <= stage->most - s->passed || stream_fail(s, e, EFBIG, "more than %s bytes", count_text(stage->most, count));
}

static void limit_free(struct stream *s) { free(s); }

struct stream *limit_stage_create(uint64_t most)
{
    static const struct stream_type type = {.name = "limit", .read = limit_read, .size = stream_size_of_from, .free = limit_free};
    struct limit_stage *stage = calloc(1, sizeof *stage);
    if (stage == NULL)
        return NULL;
    stage->stream.type = &type;
    stage->most = most;
    return &stage->stream;
}

/* ---- tee ---- */

/* The other side of the ring, as the sink sees it. */
struct branch {
    struct stream stream;
    struct ring *ring;
};

struct tee_stage {
    struct stream stream;
    struct sink *sink;
    struct branch branch;
    pthread_t thread;
    bool started, joined;
    bool ok;             /* the sink's: valid when joined */
    struct error error;
};

static bool branch_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    return ring_take(((struct branch *)s)->ring, s->flow, data, size, got, e);
}

static void *run_sink(void *argument)
{
    struct tee_stage *tee = argument;
    tee->ok = tee->sink->type->run(tee->sink, &tee->branch.stream, &tee->error);
    ring_close(tee->branch.ring);
    return NULL;
}

static bool start_branch(struct tee_stage *tee, struct error *e)
{
    tee->branch.ring = ring_create();
    if (tee->branch.ring == NULL)
        return error_set(e, ENOMEM, "out of memory");
    tee->branch.stream.flow = tee->sink->flow = tee->stream.flow;
    tee->branch.stream.subject = stream_subject(&tee->stream);
    tee->started = thread_start(&tee->thread, run_sink, tee);
    return tee->started || error_errno(e, errno, "tee: starting a thread");
}

/* The sink has all, or wants no more: how it went. */
static bool join(struct tee_stage *tee, struct error *e)
{
    if (!tee->joined)
        (void)pthread_join(tee->thread, NULL);
    tee->joined = true;
    if (!tee->ok)
        *e = tee->error;
    return tee->ok;
}

static bool tee_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct tee_stage *tee = (struct tee_stage *)s;
    if (!tee->started && !start_branch(tee, e))
        return false;
    if (!stream_read(s->from, data, size < STREAM_CHUNK ? size : STREAM_CHUNK, got, e))
        return false;
    if (*got == 0) {
        if (!tee->joined)
            ring_end(tee->branch.ring, NULL);
        return join(tee, e);
    }
    char *room = tee->joined ? NULL : ring_room(tee->branch.ring, s->flow);
    if (room != NULL) {
        memcpy(room, data, *got);
        ring_fill(tee->branch.ring, *got);
        return true;
    }
    return flow_over(s->flow) ? error_set(e, ECANCELED, "cancelled") : join(tee, e); /* a sink may be content with less than all */
}

static bool tee_commit(struct stream *s, struct error *e)
{
    struct tee_stage *tee = (struct tee_stage *)s;
    return tee->sink->type->commit == NULL || tee->sink->type->commit(tee->sink, e);
}

static void tee_free(struct stream *s)
{
    struct tee_stage *tee = (struct tee_stage *)s;
    if (tee->started && !tee->joined) {
        struct error stopped;
        error_set(&stopped, ECANCELED, "cancelled");
        ring_end(tee->branch.ring, &stopped);
        (void)pthread_join(tee->thread, NULL);
    }
    ring_free(tee->branch.ring);
    sink_free(tee->sink);
    free(tee);
}

struct stream *tee_stage_create(struct sink *sink)
{
    static const struct stream_type type = {.name = "tee", .read = tee_read, .commit = tee_commit, .size = stream_size_of_from, .free = tee_free};
    static const struct stream_type branch_type = {.name = "tee", .read = branch_read};
    struct tee_stage *tee = sink != NULL ? calloc(1, sizeof *tee) : NULL;
    if (tee == NULL) {
        sink_free(sink);
        return NULL;
    }
    tee->stream.type = &type;
    tee->branch.stream.type = &branch_type;
    tee->sink = sink;
    return &tee->stream;
}

struct sink *tee_stage_sink(const struct stream *s) { return ((const struct tee_stage *)s)->sink; }
