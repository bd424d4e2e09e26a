/* The stage that takes a digest: see stage.h.
 *
 * It computes in the thread that reads, or, when the pipe has more to compute there (aside), in a thread of its own that is
 * handed a copy of what passes: moving a chunk costs a fifth of its SHA-256. That thread starts when AHEAD bytes have passed. */
#include "work/digest.h"
#include "work/ring.h"
#include "work/stage.h"
#include "work/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { AHEAD = 1024 * 1024 };

struct digest_stage {
    struct stream stream;
    struct digest *digest;      /* NULL: not yet begun */
    char expected[DIGEST_TEXT]; /* "sha256:…", or the algorithm alone: any value */
    char value[DIGEST_TEXT];    /* empty until the end */
    bool aside;                 /* a thread of its own is worth it */
    struct ring *ring;          /* to that thread, whose the digest then is; NULL: there is none */
    pthread_t thread;
    bool failed;                /* the thread's: valid when it is joined */
};

static bool fail(struct digest_stage *stage, struct error *e) { return error_set(e, EIO, "taking the digest of %s failed", stream_subject(&stage->stream)); }

static bool begin(struct digest_stage *stage, struct error *e)
{
    char algorithm[16];
    (void)snprintf(algorithm, sizeof algorithm, "%.*s", (int)strcspn(stage->expected, ":"), stage->expected);
    stage->digest = digest_create(algorithm, e);
    return stage->digest != NULL;
}

static void *compute(void *argument)
{
    struct digest_stage *stage = argument;
    struct error e;
    char *data;
    size_t got;
    bool ok;
    while ((ok = ring_lend(stage->ring, stage->stream.flow, &data, &got, &e)) && got > 0 && !stage->failed)
        stage->failed = !digest_update(stage->digest, data, got);
    stage->failed = stage->failed || !ok;
    ring_close(stage->ring);
    return NULL;
}

/* Without memory or a thread it goes on as before. */
static void start(struct digest_stage *stage)
{
    stage->aside = false;
    stage->ring = ring_create();
    if (stage->ring == NULL || thread_start(&stage->thread, compute, stage))
        return;
    ring_free(stage->ring);
    stage->ring = NULL;
}

static void join(struct digest_stage *stage, const struct error *e)
{
    ring_end(stage->ring, e);
    (void)pthread_join(stage->thread, NULL);
    ring_free(stage->ring);
    stage->ring = NULL;
}

static bool update(struct digest_stage *stage, const char *data, size_t length, struct error *e)
{
    if (stage->ring == NULL)
        return digest_update(stage->digest, data, length) || fail(stage, e);
    char *room = ring_room(stage->ring, stage->stream.flow);
    if (room == NULL)
        return flow_over(stage->stream.flow) ? error_set(e, ECANCELED, "cancelled") : fail(stage, e);
    memcpy(room, data, length);
    ring_fill(stage->ring, length);
    return true;
}

static bool end(struct digest_stage *stage, struct error *e)
{
    if (stage->ring != NULL)
        join(stage, NULL);
    if (stage->failed || !digest_finish(stage->digest, stage->value, sizeof stage->value))
        return fail(stage, e);
    if (strchr(stage->expected, ':') == NULL || strcasecmp(stage->expected, stage->value) == 0)
        return true;
    return error_set(e, EBADMSG, "%s: its digest is %s instead of the expected %s", stream_subject(&stage->stream), stage->value, stage->expected);
}

static bool digest_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct digest_stage *stage = (struct digest_stage *)s;
    if ((stage->digest == NULL && !begin(stage, e)) || !stream_read(s->from, data, size < STREAM_CHUNK ? size : STREAM_CHUNK, got, e))
        return false;
    if (*got == 0)
        return end(stage, e);
    if (stage->aside && s->passed >= AHEAD)
        start(stage);
    return update(stage, data, *got, e);
}

static void digest_aside(struct stream *s) { ((struct digest_stage *)s)->aside = true; }

static void digest_stage_free(struct stream *s)
{
    struct digest_stage *stage = (struct digest_stage *)s;
    struct error stopped;
    if (stage->ring != NULL) {
        error_set(&stopped, ECANCELED, "cancelled");
        join(stage, &stopped);
    }
    digest_free(stage->digest);
    free(stage);
}

struct stream *digest_stage_create(const char *algorithm)
{
    static const struct stream_type type = {
        .name = "digest", .computes = true, .aside = digest_aside, .read = digest_read, .size = stream_size_of_from, .free = digest_stage_free};
    struct digest_stage *stage = calloc(1, sizeof *stage);
    if (stage == NULL)
        return NULL;
    stage->stream.type = &type;
    (void)snprintf(stage->expected, sizeof stage->expected, "%s", algorithm);
    return &stage->stream;
}

const char *digest_stage_value(const struct stream *s) { return ((const struct digest_stage *)s)->value; }
