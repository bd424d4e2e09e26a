/* bzip2, on libbz2. See coder.h. */
#include "base/lazy.h"
#include "work/coder.h"

#include <bzlib.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int (*BZ2_bzCompressInit)(bz_stream *, int, int, int);
    int (*BZ2_bzCompress)(bz_stream *, int);
    int (*BZ2_bzCompressEnd)(bz_stream *);
    int (*BZ2_bzDecompressInit)(bz_stream *, int, int);
    int (*BZ2_bzDecompress)(bz_stream *);
    int (*BZ2_bzDecompressEnd)(bz_stream *);
} bz2;

#define SYMBOL(name) {#name, (void **)(void *)&bz2.name}

static const struct lazy_symbol symbols[] = {
    SYMBOL(BZ2_bzCompressInit),   SYMBOL(BZ2_bzCompress),   SYMBOL(BZ2_bzCompressEnd),   SYMBOL(BZ2_bzDecompressInit),
    SYMBOL(BZ2_bzDecompress),     SYMBOL(BZ2_bzDecompressEnd), {NULL, NULL},
};

static const char *const sonames[] = {"libbz2.so.1.0", "libbz2.so.1", NULL};

static struct lazy_library library = {"libbz2", sonames, "libbz2-1.0", symbols, PTHREAD_MUTEX_INITIALIZER, false};

static bz_stream *create(struct error *e)
{
    if (!lazy_load(&library, e))
        return NULL;
    bz_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        error_set(e, ENOMEM, "out of memory");
    return stream;
}

static void *opened(bz_stream *stream, int result, struct error *e)
{
    if (result == BZ_OK)
        return stream;
    free(stream);
    error_set(e, ENOMEM, "out of memory");
    return NULL;
}

static void *open_encoder(int level, struct error *e)
{
    bz_stream *stream = create(e);
    return stream != NULL ? opened(stream, bz2.BZ2_bzCompressInit(stream, level, 0, 0), e) : NULL;
}

static void *open_decoder(int level, struct error *e)
{
    (void)level;
    bz_stream *stream = create(e);
    return stream != NULL ? opened(stream, bz2.BZ2_bzDecompressInit(stream, 0, 0), e) : NULL;
}

static unsigned at_most(size_t size) { return size < UINT_MAX ? (unsigned)size : UINT_MAX; }

/* Runs one step of either direction. */
static int run(bz_stream *stream, struct coding *coding, bool decoding)
{
    unsigned in = at_most(coding->in_left), out = at_most(coding->out_left);
    stream->next_in = (char *)(uintptr_t)coding->in;
    stream->avail_in = in;
    stream->next_out = (char *)coding->out;
    stream->avail_out = out;
    int result = decoding ? bz2.BZ2_bzDecompress(stream) : bz2.BZ2_bzCompress(stream, coding->last ? BZ_FINISH : BZ_RUN);
    coding->in += in - stream->avail_in;
    coding->in_left -= in - stream->avail_in;
    coding->out += out - stream->avail_out;
    coding->out_left -= out - stream->avail_out;
    return result;
}

static enum coded encode(void *state, struct coding *coding)
{
    switch (run(state, coding, false)) {
    case BZ_RUN_OK:
    case BZ_FINISH_OK:
    case BZ_PARAM_ERROR: /* how it says that there was nothing to do */
        return CODED_ON;
    case BZ_STREAM_END:
        return CODED_END;
    default:
        return CODED_CORRUPT;
    }
}

static enum coded decode(void *state, struct coding *coding)
{
    switch (run(state, coding, true)) {
    case BZ_OK:
        return CODED_ON;
    case BZ_STREAM_END:
        return CODED_END;
    case BZ_MEM_ERROR:
        return CODED_MEMORY;
    default:
        return CODED_CORRUPT;
    }
}

static bool restart(void *state)
{
    bz_stream *stream = state;
    (void)bz2.BZ2_bzDecompressEnd(stream);
    memset(stream, 0, sizeof *stream);
    return bz2.BZ2_bzDecompressInit(stream, 0, 0) == BZ_OK;
}

static void close_encoder(void *state)
{
    (void)bz2.BZ2_bzCompressEnd(state);
    free(state);
}

static void close_decoder(void *state)
{
    (void)bz2.BZ2_bzDecompressEnd(state);
    free(state);
}

static bool begins(const unsigned char *magic) { return memcmp(magic, "BZh", 3) == 0 && magic[3] >= '1' && magic[3] <= '9'; }

const struct coder bzip2_encoder = {.format = "bzip2", .open = open_encoder, .step = encode, .close = close_encoder};
const struct coder bzip2_decoder = {
    .format = "bzip2", .magic_length = 4, .begins = begins, .garbage_ignored = true, .open = open_decoder, .step = decode, .restart = restart, .close = close_decoder};
