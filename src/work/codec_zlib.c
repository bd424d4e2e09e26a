/* zlib: loading it, and decompressing gzip with it. See coder.h. */
#include "base/lazy.h"
#include "work/coder.h"
#include "work/zlib_library.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

static struct zlib_library zlib;

#define SYMBOL(name) {#name, (void **)(void *)&zlib.name}

static const struct lazy_symbol symbols[] = {
    SYMBOL(inflateInit2_), SYMBOL(inflate),              SYMBOL(inflateReset), SYMBOL(inflateEnd), SYMBOL(deflateInit2_), SYMBOL(deflate),
    SYMBOL(deflateReset),  SYMBOL(deflateSetDictionary), SYMBOL(deflateEnd),   SYMBOL(crc32),      SYMBOL(crc32_combine), {NULL, NULL},
};

static const char *const sonames[] = {"libz.so.1", NULL};

static struct lazy_library library = {"zlib", sonames, "zlib1g", symbols, PTHREAD_MUTEX_INITIALIZER, false};

const struct zlib_library *zlib_load(struct error *e) { return lazy_load(&library, e) ? &zlib : NULL; }

static bool begins(const unsigned char *magic) { return magic[0] == 0x1f && magic[1] == 0x8b; }

static void *open_decoder(int level, struct error *e)
{
    (void)level;
    if (zlib_load(e) == NULL)
        return NULL;
    z_stream *z = calloc(1, sizeof *z);
    if (z == NULL || zlib.inflateInit2_(z, 16 + MAX_WBITS, ZLIB_VERSION, (int)sizeof *z) != Z_OK) {
        free(z);
        error_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    return z;
}

static uInt at_most(size_t size) { return size < UINT_MAX ? (uInt)size : UINT_MAX; }

static enum coded decode(void *state, struct coding *coding)
{
    z_stream *z = state;
    uInt in = at_most(coding->in_left), out = at_most(coding->out_left);
    z->next_in = (Bytef *)(uintptr_t)coding->in;
    z->avail_in = in;
    z->next_out = coding->out;
    z->avail_out = out;
    int result = zlib.inflate(z, Z_NO_FLUSH);
    coding->in += in - z->avail_in;
    coding->in_left -= in - z->avail_in;
    coding->out += out - z->avail_out;
    coding->out_left -= out - z->avail_out;
    switch (result) {
    case Z_OK:
    case Z_BUF_ERROR: /* no progress */
        return CODED_ON;
    case Z_STREAM_END:
        return CODED_END;
    case Z_MEM_ERROR:
        return CODED_MEMORY;
    default:
        coding->why = z->msg;
        return CODED_CORRUPT;
    }
}

static bool restart(void *state) { return zlib.inflateReset(state) == Z_OK; }

static void close_decoder(void *state)
{
    (void)zlib.inflateEnd(state);
    free(state);
}

const struct coder gzip_decoder = {
    .format = "gzip", .magic_length = 2, .begins = begins, .garbage_ignored = true, .open = open_decoder, .step = decode, .restart = restart, .close = close_decoder};
