#pragma once
/* Credentials that this process was given, so that they can be kept out of log lines and error texts.
 *
 * The last few hundred values are remembered, each as it is and as it looks inside a JSON string.  Values below four bytes
 * are not: hiding them would make text unreadable and hide nothing.  Any thread. */
#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* Remembers every string value in this JSON text (credentials as `Authorization` carries them), but for the object's own `type`. */
void secret_remember_json(const char *json, size_t length);

/* Appends the text with every remembered value replaced by "***".  False when memory ran out: `out` then has none of it. */
bool secret_redact(struct buffer *out, const char *text, size_t length);

/* The same for JSON text: only what stands inside strings is replaced, so that it stays JSON. */
bool secret_redact_json(struct buffer *out, const char *json, size_t length);

/* Whether there is anything to hide: when not, redacting is copying. */
bool secret_any(void);
