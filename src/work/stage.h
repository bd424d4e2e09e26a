#pragma once
/* The stages that need no library but libcrypto. */
#include "work/stream.h"

/* Takes a digest of what passes.  "sha256:…" instead of an algorithm: another value is an error at the end.  Unknown algorithms fail at
 * the first read. */
struct stream *digest_stage_create(const char *algorithm);
/* "sha256:…", when the stage has ended. */
const char *digest_stage_value(const struct stream *s);

/* Fails when more than `most` bytes pass. */
struct stream *limit_stage_create(uint64_t most);

/* Lets everything pass, and writes it to `sink`, too, in a thread of its own. Owns the sink, also when there is no memory (NULL). */
struct stream *tee_stage_create(struct sink *sink);
struct sink *tee_stage_sink(const struct stream *s);
