#pragma once
/* zlib, loaded at first use.  For codec_zlib.c and gzip.c. */
#include "base/error.h"

#include <stdbool.h>
#include <zlib.h>

struct zlib_library {
    int (*inflateInit2_)(z_streamp, int, const char *, int);
    int (*inflate)(z_streamp, int);
    int (*inflateReset)(z_streamp);
    int (*inflateEnd)(z_streamp);
    int (*deflateInit2_)(z_streamp, int, int, int, int, int, const char *, int);
    int (*deflate)(z_streamp, int);
    int (*deflateReset)(z_streamp);
    int (*deflateSetDictionary)(z_streamp, const Bytef *, uInt);
    int (*deflateEnd)(z_streamp);
    uLong (*crc32)(uLong, const Bytef *, uInt);
    uLong (*crc32_combine)(uLong, uLong, z_off_t);
};

/* NULL: it is not there; e filled. */
const struct zlib_library *zlib_load(struct error *e);
