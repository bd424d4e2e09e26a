/* Digests: see digest.h.  One table of algorithms; a CRC is a digest whose context is four bytes. */
#include "work/digest.h"
#include "base/lazy.h"
#include "work/crypto_library.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20 };

/* CRC-32C: ISA-L's function has the name of the protocol that took it first (RFC 3720). */
static struct {
    unsigned (*crc32_iscsi)(unsigned char *, int, unsigned);
} isal;

static const struct lazy_symbol symbols[] = {{"crc32_iscsi", (void **)(void *)&isal.crc32_iscsi}, {NULL, NULL}};
static const char *const sonames[] = {"libisal.so.2", NULL};
static struct lazy_library libisal = {"libisal", sonames, "libisal2", symbols, PTHREAD_MUTEX_INITIALIZER, false};

static const struct {
    const char *name, *ocm;
    size_t size;
} algorithms[] = {
    {"sha256", "SHA-256", 32}, {"sha512", "SHA-512", 64}, {"sha384", "SHA-384", 48}, {"sha1", "SHA-1", 20}, {"md5", "MD5", 16}, {"crc32c", "CRC32C", 4},
};

static const char crc32c[] = "crc32c";

struct digest {
    EVP_MD_CTX *context; /* NULL: crc32c */
    uint32_t crc;
    const char *name;
};

const char *digest_name(const char *algorithm)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
        if (strcmp(algorithm, algorithms[i].name) == 0 || strcmp(algorithm, algorithms[i].ocm) == 0)
            return algorithms[i].name;
    return NULL;
}

size_t digest_size(const char *algorithm)
{
    const char *name = digest_name(algorithm);
    for (size_t i = 0; name != NULL && i < sizeof algorithms / sizeof *algorithms; i++)
        if (algorithms[i].name == name)
            return algorithms[i].size;
    return 0;
}

struct digest *digest_create(const char *algorithm, struct error *e)
{
    const char *name = digest_name(algorithm);
    if (name == NULL) {
        error_set(e, EINVAL, "unknown digest algorithm \"%.40s\": known are crc32c, md5, sha1, sha256, sha384, sha512", algorithm);
        return NULL;
    }
    bool crc = strcmp(name, crc32c) == 0;
    if (!(crc ? lazy_load(&libisal, e) : crypto_load(e)))
        return NULL;
    struct digest *digest = calloc(1, sizeof *digest);
    if (digest == NULL) {
        error_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    *digest = (struct digest){.crc = UINT32_MAX, .name = name};
    if (crc)
        return digest;
    const EVP_MD *method = crypto.EVP_get_digestbyname(name);
    if (method == NULL || (digest->context = crypto.EVP_MD_CTX_new()) == NULL || crypto.EVP_DigestInit_ex(digest->context, method, NULL) != 1) {
        crypto_fail(e, method == NULL ? EINVAL : ENOMEM, "%s", name);
        digest_free(digest);
        return NULL;
    }
    return digest;
}

bool digest_update(struct digest *digest, const void *data, size_t length)
{
    if (digest->context != NULL)
        return crypto.EVP_DigestUpdate(digest->context, data, length) == 1;
    const unsigned char *at = data;
    for (size_t left = length; left > 0;) {
        size_t piece = left < PIECE ? left : PIECE; /* the function counts with an int */
        digest->crc = isal.crc32_iscsi((unsigned char *)(uintptr_t)at, (int)piece, digest->crc);
        at += piece;
        left -= piece;
    }
    return true;
}

size_t digest_bytes(struct digest *digest, unsigned char out[DIGEST_MOST])
{
    if (digest->context != NULL) {
        unsigned length = 0;
        if (crypto.EVP_DigestFinal_ex(digest->context, out, &length) == 1)
            return length;
        crypto_clear();
        return 0;
    }
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(~digest->crc >> (24 - 8 * i));
    return 4;
}

bool digest_finish(struct digest *digest, char *out, size_t size)
{
    unsigned char bytes[DIGEST_MOST];
    size_t length = digest_bytes(digest, bytes);
    if (length == 0)
        return false;
    int used = snprintf(out, size, "%s:", digest->name);
    if (used < 0 || (size_t)used + 2 * length + 1 > size)
        return false;
    for (size_t i = 0; i < length; i++)
        (void)snprintf(out + used + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

void digest_free(struct digest *digest)
{
    if (digest == NULL)
        return;
    if (digest->context != NULL)
        crypto.EVP_MD_CTX_free(digest->context);
    free(digest);
}

/* ---- all at once ---- */

static bool is_cancelled(const atomic_bool *cancelled) { return cancelled != NULL && atomic_load_explicit(cancelled, memory_order_relaxed); }

typedef int update_function(void *context, const unsigned char *data, size_t length);

/* Calls update with a piece at a time. */
static bool feed(update_function *update, void *context, const void *data, size_t length, const atomic_bool *cancelled, struct error *e)
{
    const unsigned char *at = data;
    for (size_t left = length; left > 0;) {
        size_t piece = left < PIECE ? left : PIECE;
        if (is_cancelled(cancelled))
            return error_set(e, ECANCELED, "cancelled");
        if (!update(context, at, piece))
            return error_set(e, EIO, "taking the digest failed");
        at += piece;
        left -= piece;
    }
    return true;
}

static int update_digest(void *context, const unsigned char *data, size_t length) { return digest_update(context, data, length); }

static int update_mac(void *context, const unsigned char *data, size_t length) { return crypto.EVP_MAC_update(context, data, length); }

size_t digest_of(const char *algorithm, const void *data, size_t length, const atomic_bool *cancelled, unsigned char out[DIGEST_MOST],
                 struct error *e)
{
    struct digest *digest = digest_create(algorithm, e);
    if (digest == NULL)
        return 0;
    size_t made = 0;
    if (feed(update_digest, digest, data, length, cancelled, e) && (made = digest_bytes(digest, out)) == 0)
        error_set(e, EIO, "taking the digest failed");
    digest_free(digest);
    return made;
}

size_t digest_hmac(const char *algorithm, const void *key, size_t key_length, const void *data, size_t length, const atomic_bool *cancelled,
                   unsigned char out[DIGEST_MOST], struct error *e)
{
    if (!crypto_load(e) || crypto_hash(algorithm, e) == NULL)
        return 0;
    size_t made = 0;
    char name[16];
    (void)snprintf(name, sizeof name, "%s", digest_name(algorithm));
    OSSL_PARAM options[] = {crypto.OSSL_PARAM_construct_utf8_string("digest", name, 0), crypto.OSSL_PARAM_construct_end()};
    EVP_MAC *method = crypto.EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = method != NULL ? crypto.EVP_MAC_CTX_new(method) : NULL;
    if (context == NULL || crypto.EVP_MAC_init(context, key, key_length, options) != 1)
        crypto_fail(e, ENOMEM, "hmac");
    else if (feed(update_mac, context, data, length, cancelled, e) && crypto.EVP_MAC_final(context, out, &made, DIGEST_MOST) != 1) {
        crypto_fail(e, EIO, "hmac");
        made = 0;
    }
    if (context != NULL)
        crypto.EVP_MAC_CTX_free(context);
    if (method != NULL)
        crypto.EVP_MAC_free(method);
    return made;
}

bool digest_equal(const void *a, const void *b, size_t length, bool *equal, struct error *e)
{
    if (!crypto_load(e))
        return false;
    *equal = crypto.CRYPTO_memcmp(a, b, length) == 0;
    return true;
}
