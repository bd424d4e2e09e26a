/* Signatures: see crypto_sign.h.
 *
 * Data is hashed here, piece by piece, and the digest signed, so that there is one way for both.  Ed25519 hashes by itself, twice. */
#include "work/crypto_sign.h"
#include "work/crypto_library.h"
#include "work/digest.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *algorithm, *types; /* of keys that fit */
    int padding;
} algorithms[] = {
    {"rsa-pss", "rsa rsa-pss", RSA_PKCS1_PSS_PADDING}, {"rsa-pkcs1", "rsa", RSA_PKCS1_PADDING}, {"ecdsa", "ec", 0}, {"ed25519", "ed25519", 0}, {NULL, NULL, 0},
};

/* What is signed: a digest, or for ed25519 a message. */
struct input {
    const EVP_MD *hash; /* NULL: ed25519 */
    int padding;        /* 0: no RSA */
    const unsigned char *data;
    size_t length;
    unsigned char digest[DIGEST_MOST];
};

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)) != NULL; at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static bool prepare(struct input *input, const struct crypto_message *message, struct error *e)
{
    size_t i = 0;
    while (algorithms[i].algorithm != NULL && strcmp(algorithms[i].algorithm, message->algorithm) != 0)
        i++;
    if (algorithms[i].algorithm == NULL)
        return error_set(e, EINVAL, "unknown signature algorithm \"%.40s\": known are ecdsa, ed25519, rsa-pkcs1, rsa-pss", message->algorithm);
    if (!crypto_load(e))
        return false;
    const char *type = message->key->type;
    if (!has_word(algorithms[i].types, type))
        return error_set(e, EINVAL, "%s does not go with a key of type %s", message->algorithm, type);
    const EVP_MD *hash = crypto_hash(message->hash, e);
    if (hash == NULL)
        return false;
    size_t wanted = digest_size(message->hash);
    if (message->hashed && message->length != wanted)
        return error_set(e, EINVAL, "a %s digest has %zu bytes, this one has %zu", digest_name(message->hash), wanted, message->length);
    *input = (struct input){.hash = hash, .padding = algorithms[i].padding, .data = message->data, .length = message->length};
    if (strcmp(type, "ed25519") == 0) {
        input->hash = NULL;
    } else if (!message->hashed) {
        input->length = digest_of(message->hash, message->data, message->length, message->cancelled, input->digest, e);
        input->data = input->digest;
        return input->length > 0;
    }
    return true;
}

typedef int begin_function(EVP_PKEY_CTX *);

/* A context that is ready to sign or verify a digest; NULL with e filled. */
static EVP_PKEY_CTX *begin(const struct crypto_message *message, const struct input *input, begin_function *init, struct error *e)
{
    EVP_PKEY_CTX *context = crypto.EVP_PKEY_CTX_new(message->key->pkey, NULL);
    bool ok = context != NULL && init(context) == 1;
    if (ok && input->padding != 0)
        ok = crypto.EVP_PKEY_CTX_set_rsa_padding(context, input->padding) == 1;
    ok = ok && crypto.EVP_PKEY_CTX_set_signature_md(context, input->hash) == 1;
    if (ok && input->padding == RSA_PKCS1_PSS_PADDING)
        ok = crypto.EVP_PKEY_CTX_set_rsa_mgf1_md(context, input->hash) == 1 && crypto.EVP_PKEY_CTX_set_rsa_pss_saltlen(context, message->salt) == 1;
    if (ok)
        return context;
    crypto_fail(e, EINVAL, "%s with %s", message->algorithm, message->hash);
    if (context != NULL)
        crypto.EVP_PKEY_CTX_free(context);
    return NULL;
}

static bool sign_message(const struct crypto_message *message, const struct input *input, unsigned char *out, size_t *length)
{
    EVP_MD_CTX *context = crypto.EVP_MD_CTX_new();
    bool ok = context != NULL && crypto.EVP_DigestSignInit(context, NULL, NULL, NULL, message->key->pkey) == 1 &&
              crypto.EVP_DigestSign(context, out, length, input->data, input->length) == 1;
    if (context != NULL)
        crypto.EVP_MD_CTX_free(context);
    return ok;
}

bool crypto_sign(const struct crypto_message *message, struct buffer *out, struct error *e)
{
    struct input input;
    if (!message->key->is_private)
        return error_set(e, EINVAL, "signing takes a private key, this is a public one");
    if (!prepare(&input, message, e))
        return false;
    int most = crypto.EVP_PKEY_get_size(message->key->pkey);
    if (most <= 0 || !buffer_reserve(out, (size_t)most))
        return error_set(e, ENOMEM, "out of memory");
    size_t length = (size_t)most;
    unsigned char *signature = (unsigned char *)out->data + out->length;
    bool ok;
    if (input.hash == NULL) {
        ok = sign_message(message, &input, signature, &length);
    } else {
        EVP_PKEY_CTX *context = begin(message, &input, crypto.EVP_PKEY_sign_init, e);
        if (context == NULL)
            return false;
        ok = crypto.EVP_PKEY_sign(context, signature, &length, input.data, input.length) == 1;
        crypto.EVP_PKEY_CTX_free(context);
    }
    if (!ok)
        return crypto_fail(e, EINVAL, "%s", message->algorithm);
    out->length += length;
    return true;
}

bool crypto_verify(const struct crypto_message *message, const void *signature, size_t length, struct error *e)
{
    struct input input;
    if (!prepare(&input, message, e))
        return false;
    int fits;
    if (input.hash == NULL) {
        EVP_MD_CTX *context = crypto.EVP_MD_CTX_new();
        if (context == NULL || crypto.EVP_DigestVerifyInit(context, NULL, NULL, NULL, message->key->pkey) != 1) {
            if (context != NULL)
                crypto.EVP_MD_CTX_free(context);
            return crypto_fail(e, ENOMEM, "%s", message->algorithm);
        }
        fits = crypto.EVP_DigestVerify(context, signature, length, input.data, input.length);
        crypto.EVP_MD_CTX_free(context);
    } else {
        EVP_PKEY_CTX *context = begin(message, &input, crypto.EVP_PKEY_verify_init, e);
        if (context == NULL)
            return false;
        fits = crypto.EVP_PKEY_verify(context, signature, length, input.data, input.length);
        crypto.EVP_PKEY_CTX_free(context);
    }
    if (fits == 1)
        return true;
    unsigned long reason = crypto.ERR_peek_error();
    bool memory = reason != 0 && ERR_GET_REASON(reason) == ERR_R_MALLOC_FAILURE;
    crypto_clear(); /* why a foreign signature cannot even be decoded helps nobody */
    return memory ? error_set(e, ENOMEM, "out of memory") : error_set(e, EBADMSG, "the signature does not fit");
}
