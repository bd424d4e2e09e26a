#pragma once
/* Stages that compress and decompress.
 *
 * A decoder reads all members (frames, streams) that follow each other, and checks every checksum that the format has.  Its
 * memory is bounded, whatever the input asks for.  Behind the last member gzip and bzip2 pass over garbage, with a warning in
 * the log, zstd and xz fail: so do the tools.  Input that ends too early is an error, no input at all, too.
 *
 * What an encoder writes depends on its input and level alone (and on the library's version): no time, no name, and not on how
 * many processors there are. */
#include "work/stream.h"

enum codec_format { CODEC_GZIP, CODEC_ZSTD, CODEC_XZ, CODEC_BZIP2, CODEC_FORMATS };

struct codec_levels {
    int least, most, usual; /* usual: the tool's own */
};

struct codec_levels codec_levels(enum codec_format format);

/* `level`: one of those. */
struct stream *compress_stage_create(enum codec_format format, int level);
struct stream *decompress_stage_create(enum codec_format format);

/* The format is told by the first bytes; what has none of theirs passes as it is. */
struct stream *detect_stage_create(void);
/* "gzip"…; NULL: it passed as it is. Once it has ended. */
const char *detect_stage_format(const struct stream *s);
