/* The stage that drives a coder (coder.h): see codec.h.  Worker threads.
 *
 * Input is read into a buffer of one chunk; each step takes from it and writes straight to whoever reads.  What ends, ends
 * where the input does: a decoder that wants more then has been given too little. */
#include "work/codec.h"
#include "base/log.h"
#include "work/coder.h"
#include "work/gzip.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct codec {
    struct stream stream;
    const struct coder *coder; /* NULL: as it is */
    void *state;               /* the coder's; NULL: not opened */
    int level;
    bool detects;              /* the coder is still to be told by the first bytes, or was */
    bool known;                /* it was told */
    bool between;              /* a member is to begin */
    bool pending;              /* the last step had too little room: there may be more without input */
    bool drained;              /* the input has ended */
    bool over;                 /* all is out */
    uint64_t members;          /* complete ones */
    uint64_t taken;            /* bytes of input, by the coder */
    size_t at, length;         /* what waits in `in` */
    unsigned char in[STREAM_CHUNK];
};

/* Reads until `wanted` bytes wait, or the end. */
static bool refill(struct codec *c, size_t wanted, struct error *e)
{
    while (c->length - c->at < wanted && !c->drained) {
        size_t got;
        memmove(c->in, c->in + c->at, c->length - c->at);
        c->length -= c->at;
        c->at = 0;
        if (!stream_read(c->stream.from, (char *)c->in + c->length, sizeof c->in - c->length, &got, e))
            return false;
        c->length += got;
        c->drained = got == 0;
    }
    return true;
}

static bool fail_short(struct codec *c, struct error *e)
{
    char count[COUNT_SIZE];
    return stream_fail(&c->stream, e, EPIPE, "unexpected end of file after %s bytes", count_text(c->taken + (c->length - c->at), count));
}

static bool fail_corrupt(struct codec *c, const char *why, struct error *e)
{
    char count[COUNT_SIZE];
    bool said = why != NULL;
    return stream_fail(&c->stream, e, EBADMSG, "corrupt data after %s bytes%s%s%s", count_text(c->taken, count), said ? " (" : "", said ? why : "", said ? ")" : "");
}

/* Something behind the last member begins no other. */
static bool meet_garbage(struct codec *c, struct error *e)
{
    char count[COUNT_SIZE];
    (void)count_text(c->taken, count);
    if (!c->coder->garbage_ignored)
        return stream_fail(&c->stream, e, EBADMSG, "garbage after %s bytes, where the data has ended", count);
    bool zeros = true; /* padding of a tape's last block */
    for (size_t i = c->at; i < c->length; i++)
        zeros = zeros && c->in[i] == 0;
    if (!zeros)
        log_event(LEVEL_WARN, "garbage behind compressed data is ignored", "stage", c->stream.type->name, "source", stream_subject(&c->stream), "after", count, NULL);
    c->over = true;
    return true;
}

static bool begin_member(struct codec *c, struct error *e)
{
    const struct coder *coder = c->coder;
    if (!refill(c, coder->magic_length, e))
        return false;
    size_t waiting = c->length - c->at;
    bool begins = waiting >= coder->magic_length && coder->begins(c->in + c->at);
    if (!begins && c->members == 0)
        return waiting < coder->magic_length ? fail_short(c, e) : stream_fail(&c->stream, e, EBADMSG, "not in %s format", coder->format);
    if (waiting == 0)
        c->over = true;
    else if (!begins)
        return meet_garbage(c, e);
    else if (c->members > 0 && coder->restart != NULL && !coder->restart(c->state))
        return stream_fail(&c->stream, e, ENOMEM, "out of memory");
    c->between = false;
    return true;
}

/* Chooses the decoder. */
static bool detect(struct codec *c, struct error *e)
{
    static const struct coder *const decoders[] = {&gzip_decoder, &zstd_decoder, &xz_decoder, &bzip2_decoder};
    if (!refill(c, MAGIC_MOST, e))
        return false;
    for (size_t i = 0; c->coder == NULL && i < sizeof decoders / sizeof *decoders; i++)
        if (c->length - c->at >= decoders[i]->magic_length && decoders[i]->begins(c->in + c->at))
            c->coder = decoders[i];
    c->known = true;
    c->between = c->coder != NULL;
    return true;
}

static bool pass(struct codec *c, char *data, size_t size, size_t *got, struct error *e)
{
    if (c->at == c->length)
        return stream_read(c->stream.from, data, size, got, e);
    *got = c->length - c->at < size ? c->length - c->at : size;
    memcpy(data, c->in + c->at, *got);
    c->at += *got;
    return true;
}

static bool step(struct codec *c, struct coding *coding, struct error *e)
{
    size_t in = c->length - c->at, out = coding->out_left;
    coding->in = c->in + c->at;
    coding->in_left = in;
    coding->last = c->drained;
    coding->why = NULL;
    enum coded coded = c->coder->step(c->state, coding);
    c->at += in - coding->in_left;
    c->taken += in - coding->in_left;
    c->pending = coding->out_left == 0;
    switch (coded) {
    case CODED_ON:
        if (coding->in_left < in || coding->out_left < out || (in == 0 && !c->drained))
            return true;
        return in == 0 ? fail_short(c, e) : fail_corrupt(c, "it makes no progress", e);
    case CODED_END:
        c->members++;
        c->pending = false;
        c->between = c->coder->begins != NULL;
        c->over = !c->between;
        return true;
    case CODED_LARGE:
        return stream_fail(&c->stream, e, ENOMEM, "it was compressed with a window of more than %d MiB: decompressing would take as much memory", DECODER_MEMORY_MIB);
    case CODED_MEMORY:
        return stream_fail(&c->stream, e, ENOMEM, "out of memory");
    case CODED_CORRUPT:
        break;
    }
    return fail_corrupt(c, coding->why, e);
}

/* An encoder is first given a whole chunk, or all there is: knowing that it is all, it needs no threads, and says the size. */
static bool first_of_encoder(const struct codec *c) { return c->coder->begins == NULL && c->taken == 0; }

static bool codec_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct codec *c = (struct codec *)s;
    struct error why;
    if (c->detects && !c->known && !detect(c, e))
        return false;
    if (c->coder == NULL)
        return pass(c, data, size, got, e);
    if (c->state == NULL && (c->state = c->coder->open(c->level, &why)) == NULL)
        return stream_fail(s, e, why.code, "%s", why.message);
    struct coding coding = {.out = (unsigned char *)data, .out_left = size};
    while (coding.out_left == size && !c->over) {
        if (flow_over(s->flow))
            return error_set(e, ECANCELED, "cancelled");
        if (c->between && !begin_member(c, e))
            return false;
        if (c->over)
            break;
        if (!c->pending && !refill(c, first_of_encoder(c) ? sizeof c->in : 1, e))
            return false;
        if (!step(c, &coding, e))
            return false;
    }
    *got = size - coding.out_left;
    return true;
}

static void codec_free(struct stream *s)
{
    struct codec *c = (struct codec *)s;
    if (c->state != NULL)
        c->coder->close(c->state);
    free(c);
}

#define TYPE(label) {.name = label, .computes = true, .read = codec_read, .free = codec_free}

static struct codec *create(const struct stream_type *type, const struct coder *coder)
{
    struct codec *c = malloc(sizeof *c);
    if (c == NULL)
        return NULL;
    memset(c, 0, offsetof(struct codec, in)); /* the buffer's pages stay untouched until it is used */
    c->stream.type = type;
    c->coder = coder;
    c->between = coder != NULL && coder->begins != NULL;
    return c;
}

struct codec_levels codec_levels(enum codec_format format)
{
    static const struct codec_levels levels[CODEC_FORMATS] = {
        [CODEC_GZIP] = {1, 9, 6}, [CODEC_ZSTD] = {1, 22, 3}, [CODEC_XZ] = {0, 9, 6}, [CODEC_BZIP2] = {1, 9, 9}};
    return levels[format];
}

struct stream *compress_stage_create(enum codec_format format, int level)
{
    static const struct stream_type types[CODEC_FORMATS] = {[CODEC_ZSTD] = TYPE("zstd"), [CODEC_XZ] = TYPE("xz"), [CODEC_BZIP2] = TYPE("bzip2")};
    static const struct coder *const coders[CODEC_FORMATS] = {[CODEC_ZSTD] = &zstd_encoder, [CODEC_XZ] = &xz_encoder, [CODEC_BZIP2] = &bzip2_encoder};
    if (format == CODEC_GZIP)
        return gzip_stage_create(level);
    struct codec *c = create(&types[format], coders[format]);
    if (c == NULL)
        return NULL;
    c->level = level;
    return &c->stream;
}

struct stream *decompress_stage_create(enum codec_format format)
{
    static const struct stream_type types[CODEC_FORMATS] = {
        [CODEC_GZIP] = TYPE("gunzip"), [CODEC_ZSTD] = TYPE("unzstd"), [CODEC_XZ] = TYPE("unxz"), [CODEC_BZIP2] = TYPE("bunzip2")};
    static const struct coder *const coders[CODEC_FORMATS] = {
        [CODEC_GZIP] = &gzip_decoder, [CODEC_ZSTD] = &zstd_decoder, [CODEC_XZ] = &xz_decoder, [CODEC_BZIP2] = &bzip2_decoder};
    struct codec *c = create(&types[format], coders[format]);
    return c != NULL ? &c->stream : NULL;
}

struct stream *detect_stage_create(void)
{
    static const struct stream_type type = TYPE("decompress");
    struct codec *c = create(&type, NULL);
    if (c == NULL)
        return NULL;
    c->detects = true;
    return &c->stream;
}

const char *detect_stage_format(const struct stream *s)
{
    const struct codec *c = (const struct codec *)s;
    return c->coder != NULL ? c->coder->format : NULL;
}
