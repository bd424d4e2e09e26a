#pragma once
/* Credentials that this process was given, so that they can be kept out of log lines and error texts.
 *
 * The last few thousand values are remembered, each as it is and as it looks inside a JSON string.  Values below four bytes
 * are not: hiding them would make text unreadable and hide nothing.  Any thread. */
#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* Remembers what an Authorization header carries: of a JSON object every string and number, but for its own `type`; of anything else the
 * whole of it, and what stands behind its first space ("Bearer …"). */
void secret_remember(const char *text, size_t length);

/* Appends the text with every remembered value replaced by "***".  False when memory ran out: `out` then has none of it. */
bool secret_redact(struct buffer *out, const char *text, size_t length);

/* The same for JSON text, which stays JSON: what stands inside of strings is replaced, and whole numbers. */
bool secret_redact_json(struct buffer *out, const char *json, size_t length);

/* Whether there is anything to hide: when not, redacting is copying. */
bool secret_any(void);
