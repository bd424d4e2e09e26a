#pragma once
/* Signatures: RSASSA-PSS and RSASSA-PKCS1-v1_5 (RFC 8017), ECDSA (FIPS 186; a DER SEQUENCE, as X.509 has it), Ed25519 (RFC 8032).  Any thread. */
#include "base/buffer.h"
#include "base/error.h"
#include "work/crypto_key.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { SALT_DIGEST = -1, SALT_AUTO = -2, SALT_MAX = -3 }; /* OpenSSL's own numbers */

struct crypto_message {
    const struct crypto_key *key;
    const char *algorithm; /* "rsa-pss", "rsa-pkcs1", "ecdsa", "ed25519" */
    const char *hash;      /* as digest_name takes it.  Of ed25519, which has none of its own, it only says how long a digest is */
    int salt;              /* of rsa-pss: bytes, or SALT_DIGEST (as long as the digest), SALT_MAX, SALT_AUTO (verifying: any; signing: the longest) */
    const void *data;
    size_t length;
    bool hashed;                  /* `data` is the digest.  ed25519: then it is the message itself */
    const atomic_bool *cancelled; /* may be NULL; looked at while data is hashed (by ed25519: never) */
};

/* Appends the signature.  False with e filled. */
bool crypto_sign(const struct crypto_message *message, struct buffer *out, struct error *e);

/* False with e filled; its code is EBADMSG when the signature does not fit, anything else says what is wrong with the question. */
bool crypto_verify(const struct crypto_message *message, const void *signature, size_t length, struct error *e);
