#pragma once
/* Message digests by libcrypto, which is loaded at the first use.  Any thread; one digest belongs to one thread. */
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct digest;

enum { DIGEST_TEXT = 16 + 2 * 64 + 1 }; /* room for the text of any digest */

/* `algorithm` by its OCM or OpenSSL name ("sha256"). NULL with e filled: unknown, or libcrypto is missing (e names the package). */
struct digest *digest_create(const char *algorithm, struct error *e);
bool digest_update(struct digest *digest, const void *data, size_t length);

/* Writes "<algorithm>:<lower-case hexadecimal>" and a NUL to out.  False when it does not fit. */
bool digest_finish(struct digest *digest, char *out, size_t size);
void digest_free(struct digest *digest);
