#pragma once
/* One direction of one compression format, over its own library: what codec.c drives.  Worker threads, one at a time. */
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* What a step may use: it moves the pointers on and takes from the counts. */
struct coding {
    const unsigned char *in;
    size_t in_left;
    unsigned char *out;
    size_t out_left;
    bool last;       /* no more comes behind `in` */
    const char *why; /* a step may say why the data is corrupt: a constant */
};

enum coded {
    CODED_ON,      /* go on, with more input or more room where there was too little */
    CODED_END,     /* compressing: all is written; decompressing: a member (a frame, a stream) is complete */
    CODED_CORRUPT,
    CODED_LARGE,   /* it needs more than DECODER_MEMORY */
    CODED_MEMORY,  /* out of memory */
};

/* A decoder's window, at most: what `zstd -d` takes without being asked. The largest preset of xz needs half of it. */
enum { DECODER_MEMORY_LOG = 27, DECODER_MEMORY_MIB = 1 << (DECODER_MEMORY_LOG - 20) };

enum { MAGIC_MOST = 6 };

struct coder {
    const char *format; /* "gzip" */

    /* A decoder's: whether `magic_length` bytes begin a member. NULL: it is an encoder. */
    size_t magic_length;
    bool (*begins)(const unsigned char *magic);
    bool garbage_ignored; /* what follows the last member and begins none is passed over, as the format's tool does */

    /* Loads the library and makes a state.  NULL: e filled. `level` is an encoder's. */
    void *(*open)(int level, struct error *e);
    enum coded (*step)(void *state, struct coding *coding);
    /* A decoder's: for the next member. False: no memory. NULL: nothing is needed. */
    bool (*restart)(void *state);
    void (*close)(void *state);
};

extern const struct coder gzip_decoder;                  /* codec_zlib.c; what compresses is gzip.c */
extern const struct coder zstd_decoder, zstd_encoder;    /* codec_zstd.c */
extern const struct coder xz_decoder, xz_encoder;        /* codec_lzma.c */
extern const struct coder bzip2_decoder, bzip2_encoder;  /* codec_bz2.c */
