/* xz, on liblzma. See coder.h. */
#include "base/lazy.h"
#include "work/coder.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>

static struct {
    lzma_ret (*lzma_easy_encoder)(lzma_stream *, uint32_t, lzma_check);
    lzma_ret (*lzma_stream_decoder)(lzma_stream *, uint64_t, uint32_t);
    lzma_ret (*lzma_code)(lzma_stream *, lzma_action);
    void (*lzma_end)(lzma_stream *);
} lzma;

#define SYMBOL(name) {#name, (void **)(void *)&lzma.name}

static const struct lazy_symbol symbols[] = {SYMBOL(lzma_easy_encoder), SYMBOL(lzma_stream_decoder), SYMBOL(lzma_code), SYMBOL(lzma_end), {NULL, NULL}};

static const char *const sonames[] = {"liblzma.so.5", NULL};

static struct lazy_library library = {"liblzma", sonames, "liblzma5", symbols, PTHREAD_MUTEX_INITIALIZER, false};

static lzma_stream *create(struct error *e)
{
    static const lzma_stream empty = LZMA_STREAM_INIT;
    if (!lazy_load(&library, e))
        return NULL;
    lzma_stream *stream = malloc(sizeof *stream);
    if (stream == NULL) {
        error_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    *stream = empty;
    return stream;
}

static void *opened(lzma_stream *stream, lzma_ret result, struct error *e)
{
    if (result == LZMA_OK)
        return stream;
    free(stream);
    error_set(e, ENOMEM, "out of memory");
    return NULL;
}

static void *open_encoder(int level, struct error *e)
{
    lzma_stream *stream = create(e);
    return stream != NULL ? opened(stream, lzma.lzma_easy_encoder(stream, (uint32_t)level, LZMA_CHECK_CRC64), e) : NULL;
}

/* What decodes has little more than its dictionary. */
static void *open_decoder(int level, struct error *e)
{
    static const uint64_t most = ((uint64_t)DECODER_MEMORY_MIB + 1) << 20;
    (void)level;
    lzma_stream *stream = create(e);
    return stream != NULL ? opened(stream, lzma.lzma_stream_decoder(stream, most, LZMA_CONCATENATED), e) : NULL;
}

static enum coded step(void *state, struct coding *coding)
{
    lzma_stream *stream = state;
    stream->next_in = coding->in;
    stream->avail_in = coding->in_left;
    stream->next_out = coding->out;
    stream->avail_out = coding->out_left;
    lzma_ret result = lzma.lzma_code(stream, coding->last ? LZMA_FINISH : LZMA_RUN);
    coding->in = stream->next_in;
    coding->in_left = stream->avail_in;
    coding->out = stream->next_out;
    coding->out_left = stream->avail_out;
    switch (result) {
    case LZMA_OK:
    case LZMA_BUF_ERROR: /* no progress */
        return CODED_ON;
    case LZMA_STREAM_END:
        return CODED_END;
    case LZMA_MEM_ERROR:
        return CODED_MEMORY;
    case LZMA_MEMLIMIT_ERROR:
        return CODED_LARGE;
    case LZMA_OPTIONS_ERROR:
        coding->why = "compressed with options that liblzma does not know";
        return CODED_CORRUPT;
    default:
        return CODED_CORRUPT;
    }
}

static void close_stream(void *state)
{
    lzma.lzma_end(state);
    free(state);
}

static bool begins(const unsigned char *magic) { return memcmp(magic, "\xFD" "7zXZ", 6) == 0; }

const struct coder xz_encoder = {.format = "xz", .open = open_encoder, .step = step, .close = close_stream};
const struct coder xz_decoder = {.format = "xz", .magic_length = 6, .begins = begins, .open = open_decoder, .step = step, .close = close_stream};
