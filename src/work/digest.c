/* Digests through libcrypto's EVP functions: see digest.h. */
#include "work/digest.h"
#include "base/lazy.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    const EVP_MD *(*EVP_get_digestbyname)(const char *);
    EVP_MD_CTX *(*EVP_MD_CTX_new)(void);
    void (*EVP_MD_CTX_free)(EVP_MD_CTX *);
    int (*EVP_DigestInit_ex)(EVP_MD_CTX *, const EVP_MD *, ENGINE *);
    int (*EVP_DigestUpdate)(EVP_MD_CTX *, const void *, size_t);
    int (*EVP_DigestFinal_ex)(EVP_MD_CTX *, unsigned char *, unsigned int *);
} crypto;

#define SYMBOL(name) {#name, (void **)(void *)&crypto.name}

static const struct lazy_symbol symbols[] = {
    SYMBOL(EVP_get_digestbyname), SYMBOL(EVP_MD_CTX_new), SYMBOL(EVP_MD_CTX_free), SYMBOL(EVP_DigestInit_ex), SYMBOL(EVP_DigestUpdate), SYMBOL(EVP_DigestFinal_ex), {NULL, NULL},
};

static const char *const sonames[] = {"libcrypto.so.3", "libcrypto.so.1.1", NULL};

static struct lazy_library libcrypto = {"libcrypto", sonames, "libssl3", symbols, PTHREAD_MUTEX_INITIALIZER, false};

struct digest {
    EVP_MD_CTX *context;
    char algorithm[16];
};

struct digest *digest_create(const char *algorithm, struct error *e)
{
    if (!lazy_load(&libcrypto, e))
        return NULL;
    const EVP_MD *method = crypto.EVP_get_digestbyname(algorithm);
    if (method == NULL) {
        error_set(e, EINVAL, "unknown digest algorithm \"%s\"", algorithm);
        return NULL;
    }
    struct digest *digest = calloc(1, sizeof *digest);
    if (digest == NULL || (digest->context = crypto.EVP_MD_CTX_new()) == NULL || crypto.EVP_DigestInit_ex(digest->context, method, NULL) != 1) {
        error_set(e, ENOMEM, "out of memory");
        digest_free(digest);
        return NULL;
    }
    (void)snprintf(digest->algorithm, sizeof digest->algorithm, "%s", algorithm);
    return digest;
}

bool digest_update(struct digest *digest, const void *data, size_t length) { return crypto.EVP_DigestUpdate(digest->context, data, length) == 1; }

bool digest_finish(struct digest *digest, char *out, size_t size)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    if (crypto.EVP_DigestFinal_ex(digest->context, bytes, &length) != 1)
        return false;
    int used = snprintf(out, size, "%s:", digest->algorithm);
    if (used < 0 || (size_t)used + 2 * length + 1 > size)
        return false;
    for (unsigned int i = 0; i < length; i++)
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
