#pragma once
/* X.509 certificates (RFC 5280), and whether a chain of them can be trusted.  Any thread; a certificate is not changed once it was read. */
#include "base/buffer.h"
#include "base/error.h"
#include "work/crypto_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct x509_st; /* OpenSSL's X509 */

struct crypto_certificate {
    struct x509_st *x509; /* NULL: none */
};

enum { CRYPTO_CERTIFICATES_MOST = 1000 };

/* Reads the CERTIFICATE blocks of PEM text, others are passed over.  *list is the caller's: free each, then free(*list).  False with e
 * filled: none is there, one is malformed (which), more than CRYPTO_CERTIFICATES_MOST. */
bool crypto_certificates_read(struct crypto_certificate **list, size_t *count, const char *pem, size_t length, struct error *e);
void crypto_certificate_free(struct crypto_certificate *certificate);

/* These append text. Names as RFC 4514 writes them: "CN=leaf,O=Example" (UTF-8, most specific first). */
bool crypto_certificate_subject(const struct crypto_certificate *certificate, struct buffer *out, struct error *e);
bool crypto_certificate_issuer(const struct crypto_certificate *certificate, struct buffer *out, struct error *e);
bool crypto_certificate_serial(const struct crypto_certificate *certificate, struct buffer *out, struct error *e); /* lower-case hexadecimal */
bool crypto_certificate_write(const struct crypto_certificate *certificate, struct buffer *out, struct error *e);  /* PEM */

/* The validity, in seconds since 1970.  False: a malformed time. */
bool crypto_certificate_validity(const struct crypto_certificate *certificate, int64_t *not_before, int64_t *not_after);

/* The digest of its DER: the length, 0 with e filled. */
size_t crypto_certificate_fingerprint(const struct crypto_certificate *certificate, const char *hash, unsigned char out[64], struct error *e);
bool crypto_certificate_key(const struct crypto_certificate *certificate, struct crypto_key *key, struct error *e);

enum name_kind { NAME_EMAIL = 1, NAME_DNS = 2, NAME_URI = 6 }; /* GeneralName's own numbers */

/* Calls `each` for every subject alternative name of these kinds, in their order, until it returns false. */
void crypto_certificate_names(const struct crypto_certificate *certificate, bool (*each)(void *context, enum name_kind kind, const char *text, size_t length),
                              void *context);

struct crypto_chain {
    const struct crypto_certificate *const *chain; /* leaf first; the others may stand in any order */
    size_t chain_count;
    const struct crypto_certificate *const *roots; /* trusted as they are, also those that are not self-signed */
    size_t roots_count;
    bool system;         /* the system's roots (OpenSSL's default folder, SSL_CERT_FILE, SSL_CERT_DIR) are trusted, too */
    int64_t at;          /* seconds since 1970 */
    const char *purpose; /* "any", "codesign", "email", "timestamp", "tls-client", "tls-server": what extended key usages have to allow */
    const char *name;    /* required of the leaf: its subject as above, or, without a "=", its common name.  NULL: any */
};

/* False with e filled; its code is EBADMSG when the chain cannot be trusted.  Revocation is not looked at. SHA-1 signatures are refused. */
bool crypto_chain_verify(const struct crypto_chain *chain, struct error *e);
