#pragma once
/* Credentials that this process was given, so that they can be kept out of log lines and error texts.
 *
 * The last few thousand values are remembered, and found as they are and escaped, as in a JSON string, in a JSON string
 * inside of one, and so on, however the escapes are written.  Values below four bytes are not remembered: hiding them would
 * make text unreadable and hide nothing.  Text is redacted first and cut then: half a value is not known any more.
 * Where looking would take too long (a megabyte of backslashes, or of the beginning of a long value), the rest is hidden
 * as a whole.  Any thread. */
#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* Remembers what an Authorization header carries: of a JSON object every string and number, but for its own `type`, and strings of one line in
 * members whose name ends in `File` or `_file`, which are paths; of anything else the whole of it, and what stands behind its first space
 * ("Bearer …").  False: there was not enough memory for all of it. */
bool secret_remember(const char *text, size_t length);

/* Appends the text with every remembered value replaced by "***".  False when memory ran out: `out` then has none of it. */
bool secret_redact(struct buffer *out, const char *text, size_t length);

/* The same for text that goes on: stops where a value may have begun, and says how much of the text was used. */
bool secret_redact_start(struct buffer *out, const char *text, size_t length, size_t *used);

/* The same for JSON text, which stays JSON: what stands inside of strings is replaced, and whole numbers. */
bool secret_redact_json(struct buffer *out, const char *json, size_t length);

/* Whether there is anything to hide: when not, redacting is copying. */
bool secret_any(void);
