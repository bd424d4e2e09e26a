/* zstd, on libzstd. See coder.h. */
#include "base/lazy.h"
#include "work/coder.h"
#include "work/thread.h"

#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

static struct {
    ZSTD_CCtx *(*ZSTD_createCCtx)(void);
    size_t (*ZSTD_freeCCtx)(ZSTD_CCtx *);
    size_t (*ZSTD_CCtx_setParameter)(ZSTD_CCtx *, ZSTD_cParameter, int);
    size_t (*ZSTD_compressStream2)(ZSTD_CCtx *, ZSTD_outBuffer *, ZSTD_inBuffer *, ZSTD_EndDirective);
    ZSTD_DCtx *(*ZSTD_createDCtx)(void);
    size_t (*ZSTD_freeDCtx)(ZSTD_DCtx *);
    size_t (*ZSTD_DCtx_setParameter)(ZSTD_DCtx *, ZSTD_dParameter, int);
    size_t (*ZSTD_decompressStream)(ZSTD_DCtx *, ZSTD_outBuffer *, ZSTD_inBuffer *);
    unsigned (*ZSTD_isError)(size_t);
    ZSTD_ErrorCode (*ZSTD_getErrorCode)(size_t);
    const char *(*ZSTD_getErrorName)(size_t);
} zstd;

#define SYMBOL(name) {#name, (void **)(void *)&zstd.name}

static const struct lazy_symbol symbols[] = {
    SYMBOL(ZSTD_createCCtx),       SYMBOL(ZSTD_freeCCtx), SYMBOL(ZSTD_CCtx_setParameter), SYMBOL(ZSTD_compressStream2),
    SYMBOL(ZSTD_createDCtx),       SYMBOL(ZSTD_freeDCtx), SYMBOL(ZSTD_DCtx_setParameter), SYMBOL(ZSTD_decompressStream),
    SYMBOL(ZSTD_isError),          SYMBOL(ZSTD_getErrorCode), SYMBOL(ZSTD_getErrorName),  {NULL, NULL},
};

static const char *const sonames[] = {"libzstd.so.1", NULL};

static struct lazy_library library = {"libzstd", sonames, "libzstd1", symbols, PTHREAD_MUTEX_INITIALIZER, false};

/* ---- what both directions share ---- */

static void take(struct coding *coding, const ZSTD_inBuffer *in, const ZSTD_outBuffer *out)
{
    coding->in += in->pos;
    coding->in_left -= in->pos;
    coding->out += out->pos;
    coding->out_left -= out->pos;
}

static enum coded failed(struct coding *coding, size_t result)
{
    switch (zstd.ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
        return CODED_MEMORY;
    case ZSTD_error_frameParameter_windowTooLarge:
        return CODED_LARGE;
    default:
        coding->why = zstd.ZSTD_getErrorName(result);
        return CODED_CORRUPT;
    }
}

static void *no_memory(struct error *e)
{
    error_set(e, ENOMEM, "out of memory");
    return NULL;
}

/* ---- compressing ---- */

/* Its own threads, as the tool has one: what comes out is the same for any number of them but none.  Above THREADED the jobs that they are given take
 * seconds, which ending early would wait for. */
enum { THREADED = 9, THREADS_MOST = 4 };

static void *open_encoder(int level, struct error *e)
{
    if (!lazy_load(&library, e))
        return NULL;
    ZSTD_CCtx *context = zstd.ZSTD_createCCtx();
    if (context == NULL)
        return no_memory(e);
    if (zstd.ZSTD_isError(zstd.ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)) ||
        zstd.ZSTD_isError(zstd.ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1))) {
        (void)zstd.ZSTD_freeCCtx(context);
        error_set(e, EINVAL, "libzstd has no level %d", level);
        return NULL;
    }
    if (level <= THREADED) /* refused by a libzstd that was built without */
        (void)zstd.ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, (int)thread_processors(THREADS_MOST));
    return context;
}

static enum coded encode(void *state, struct coding *coding)
{
    ZSTD_inBuffer in = {coding->in, coding->in_left, 0};
    ZSTD_outBuffer out = {coding->out, coding->out_left, 0};
    size_t left = zstd.ZSTD_compressStream2(state, &out, &in, coding->last ? ZSTD_e_end : ZSTD_e_continue);
    take(coding, &in, &out);
    if (zstd.ZSTD_isError(left))
        return failed(coding, left);
    return coding->last && left == 0 ? CODED_END : CODED_ON;
}

static void close_encoder(void *state) { (void)zstd.ZSTD_freeCCtx(state); }

const struct coder zstd_encoder = {.format = "zstd", .open = open_encoder, .step = encode, .close = close_encoder};

/* ---- decompressing ---- */

static bool begins(const unsigned char *magic)
{
    bool frame = magic[0] == 0x28 && magic[1] == 0xb5 && magic[2] == 0x2f && magic[3] == 0xfd;
    bool skippable = (magic[0] & 0xf0) == 0x50 && magic[1] == 0x2a && magic[2] == 0x4d && magic[3] == 0x18;
    return frame || skippable;
}

static void *open_decoder(int level, struct error *e)
{
    (void)level;
    if (!lazy_load(&library, e))
        return NULL;
    ZSTD_DCtx *context = zstd.ZSTD_createDCtx();
    if (context == NULL)
        return no_memory(e);
    if (zstd.ZSTD_isError(zstd.ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, DECODER_MEMORY_LOG))) {
        (void)zstd.ZSTD_freeDCtx(context);
        error_set(e, EINVAL, "libzstd takes no limit for its memory");
        return NULL;
    }
    return context;
}

static enum coded decode(void *state, struct coding *coding)
{
    ZSTD_inBuffer in = {coding->in, coding->in_left, 0};
    ZSTD_outBuffer out = {coding->out, coding->out_left, 0};
    size_t left = zstd.ZSTD_decompressStream(state, &out, &in);
    take(coding, &in, &out);
    if (zstd.ZSTD_isError(left))
        return failed(coding, left);
    return left == 0 ? CODED_END : CODED_ON;
}

static void close_decoder(void *state) { (void)zstd.ZSTD_freeDCtx(state); }

const struct coder zstd_decoder = {.format = "zstd", .magic_length = 4, .begins = begins, .open = open_decoder, .step = decode, .close = close_decoder};
