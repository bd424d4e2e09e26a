#pragma once
/* Bytes in memory as a source, and sinks that keep them there, or nowhere. */
#include "work/stream.h"

/* A source: a copy of the bytes. */
struct stream *bytes_source_create(const char *data, size_t length);

/* A sink that drops everything. */
struct sink *null_sink_create(void);

/* A sink that keeps up to `most` bytes; more is an error. */
struct sink *string_sink_create(size_t most);
/* What it holds. */
const char *string_sink_data(const struct sink *s, size_t *length);

/* A stage as the last part: `stage` reads what the pipe's last stream gives, and what comes out of it is kept, up to `most` bytes (the rest is
 * dropped). `written` counts what went into it.  Owns the stage, also when there is no memory (NULL). */
struct sink *through_sink_create(struct stream *stage, size_t most);
const struct stream *through_sink_stage(const struct sink *s);
const char *through_sink_data(const struct sink *s, size_t *length);
