#pragma once
/* Message digests: libcrypto's, and CRC-32C by Intel's ISA-L (libisal), each loaded at the first use.
 *
 * Any thread; one digest belongs to one thread. */
#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    DIGEST_MOST = 64,                      /* bytes of the longest digest, */
    DIGEST_TEXT = 16 + 2 * DIGEST_MOST + 1 /* and of its text */
};

struct digest;

/* The canonical name ("sha256") of an algorithm by that name or OCM's ("SHA-256"); NULL: unknown.  A static string. */
const char *digest_name(const char *algorithm);
/* The bytes of its digest; 0: unknown. */
size_t digest_size(const char *algorithm);

/* NULL with e filled: unknown (e lists those known), out of memory, or the library is missing (e names the package). */
struct digest *digest_create(const char *algorithm, struct error *e);
bool digest_update(struct digest *digest, const void *data, size_t length);

/* Writes "<canonical name>:<lower-case hexadecimal>" and a NUL to out.  False when it does not fit.  Then, and after
 * digest_bytes, there is only digest_free. */
bool digest_finish(struct digest *digest, char *out, size_t size);
/* The bytes, of a CRC the most significant first.  Their count; 0: it failed. */
size_t digest_bytes(struct digest *digest, unsigned char out[DIGEST_MOST]);
void digest_free(struct digest *digest);

/* All at once.  `cancelled` (may be NULL) is looked at every mebibyte: then ECANCELED.  The length, 0: e is filled. */
size_t digest_of(const char *algorithm, const void *data, size_t length, const atomic_bool *cancelled, unsigned char out[DIGEST_MOST],
                 struct error *e);

/* HMAC (RFC 2104) with any algorithm but crc32c; the rest as digest_of. */
size_t digest_hmac(const char *algorithm, const void *key, size_t key_length, const void *data, size_t length, const atomic_bool *cancelled,
                   unsigned char out[DIGEST_MOST], struct error *e);

/* *equal: whether they hold the same bytes, found in a time that depends on the length alone.  False: libcrypto is missing. */
bool digest_equal(const void *a, const void *b, size_t length, bool *equal, struct error *e);
