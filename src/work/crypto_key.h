#pragma once
/* Private and public keys: RSA, elliptic curves, Ed25519.  Any thread; a key is not changed once it was made, so several may use it. */
#include "base/buffer.h"
#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

struct crypto_key {
    struct evp_pkey_st *pkey; /* NULL: none */
    bool is_private;          /* its private half is there */
    const char *type;         /* "rsa", "rsa-pss" (a key for nothing but that), "ec", "ed25519" */
};

enum { CRYPTO_TEXT_MOST = 16 << 20 }; /* bytes of PEM text that is read */

/* Reads a key from PEM text: the first private one in it, else the first public one, else that of the first certificate.
 * Private: PKCS #8 (RFC 5958), also encrypted, PKCS #1, SEC 1, and those encrypted as OpenSSL once did; public: SubjectPublicKeyInfo, PKCS #1.
 * `passphrase` NULL: none; it is not kept.  False with e filled (EINVAL; EACCES: a passphrase is missing or wrong), and *key empty. */
bool crypto_key_read(struct crypto_key *key, const char *pem, size_t length, const char *passphrase, size_t passphrase_length, struct error *e);

/* Whether the text has an encrypted private key. */
bool crypto_key_is_encrypted(const char *pem, size_t length);

/* type: "ed25519", "ec" (curve "P-256", "P-384", "P-521") or "rsa" (bits 2048 to 8192: seconds).  `cancelled` may be NULL. */
bool crypto_key_generate(struct crypto_key *key, const char *type, const char *curve, unsigned bits, const atomic_bool *cancelled, struct error *e);

/* Takes the EVP_PKEY (NULL: an error of OpenSSL's) over, as a key of one of the types above.  False: it was freed, and e is filled. */
bool crypto_key_take(struct crypto_key *key, struct evp_pkey_st *pkey, bool is_private, struct error *e);

unsigned crypto_key_bits(const struct crypto_key *key);
/* Whether they have the same public half. */
bool crypto_key_equal(const struct crypto_key *a, const struct crypto_key *b);

/* The public half, as a key of its own. */
bool crypto_key_public(struct crypto_key *public, const struct crypto_key *key, struct error *e);

/* Appends PEM text: SubjectPublicKeyInfo; PKCS #8, encrypted (PBES2, AES-256-CBC) if there is a passphrase.  The caller wipes `out`. */
bool crypto_key_write_public(const struct crypto_key *key, struct buffer *out, struct error *e);
bool crypto_key_write_private(const struct crypto_key *key, const char *passphrase, size_t length, struct buffer *out, struct error *e);

/* Wipes and frees; *key is empty then.  Again does nothing. */
void crypto_key_free(struct crypto_key *key);
