/* Keys: see crypto_key.h.
 *
 * What a PEM text holds is decided by the names of its blocks; OpenSSL then decodes the one that was chosen.  A passphrase is
 * only ever asked for through a callback of ours: OpenSSL's own would read the terminal. */
#include "work/crypto_key.h"
#include "work/crypto_library.h"

#include <errno.h>
#include <string.h>

enum { BITS_LEAST = 2048, BITS_MOST = 8192, PASSPHRASE_MOST = 1023 };

static const struct {
    const char *type, *name; /* ours, OpenSSL's */
} types[] = {{"rsa", "RSA"}, {"rsa-pss", "RSA-PSS"}, {"ec", "EC"}, {"ed25519", "ED25519"}, {NULL, NULL}};

bool crypto_key_take(struct crypto_key *key, EVP_PKEY *pkey, bool is_private, struct error *e)
{
    *key = (struct crypto_key){0};
    if (pkey == NULL)
        return crypto_fail(e, EINVAL, "the key");
    for (size_t i = 0; types[i].type != NULL; i++)
        if (crypto.EVP_PKEY_is_a(pkey, types[i].name)) {
            *key = (struct crypto_key){pkey, is_private, types[i].type};
            return true;
        }
    crypto.EVP_PKEY_free(pkey);
    return crypto_fail(e, EINVAL, "a key of another type than rsa, ec and ed25519");
}

unsigned crypto_key_bits(const struct crypto_key *key)
{
    int bits = crypto.EVP_PKEY_get_bits(key->pkey);
    return bits > 0 ? (unsigned)bits : 0;
}

bool crypto_key_equal(const struct crypto_key *a, const struct crypto_key *b)
{
    bool equal = crypto.EVP_PKEY_eq(a->pkey, b->pkey) == 1;
    crypto_clear();
    return equal;
}

void crypto_key_free(struct crypto_key *key)
{
    if (key->pkey != NULL)
        crypto.EVP_PKEY_free(key->pkey);
    *key = (struct crypto_key){0};
}

/* ---- reading ---- */

struct passphrase {
    const char *text; /* NULL: none */
    size_t length;
    bool asked;
};

static int give_passphrase(char *out, int size, int writing, void *context)
{
    struct passphrase *passphrase = context;
    (void)writing;
    passphrase->asked = true;
    if (passphrase->text == NULL || passphrase->length > (size_t)size)
        return -1;
    memcpy(out, passphrase->text, passphrase->length);
    return (int)passphrase->length;
}

enum kind { KIND_NONE, KIND_CERTIFICATE, KIND_PUBLIC, KIND_RSA_PUBLIC, KIND_PRIVATE };

static enum kind kind_of(const char *name)
{
    static const struct {
        const char *name;
        enum kind kind;
    } kinds[] = {
        {"PRIVATE KEY", KIND_PRIVATE}, {"ENCRYPTED PRIVATE KEY", KIND_PRIVATE}, {"RSA PRIVATE KEY", KIND_PRIVATE}, {"EC PRIVATE KEY", KIND_PRIVATE},
        {"PUBLIC KEY", KIND_PUBLIC}, {"RSA PUBLIC KEY", KIND_RSA_PUBLIC}, {"CERTIFICATE", KIND_CERTIFICATE},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i].name) == 0)
            return kinds[i].kind;
    return KIND_NONE;
}

/* The public key in a block's DER; what follows it makes it invalid. */
static EVP_PKEY *decode_public(enum kind kind, const unsigned char *der, long length)
{
    const unsigned char *at = der;
    EVP_PKEY *pkey = NULL;
    if (kind == KIND_PUBLIC) {
        pkey = crypto.d2i_PUBKEY(NULL, &at, length);
    } else if (kind == KIND_RSA_PUBLIC) {
        pkey = crypto.d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, length);
    } else {
        X509 *x509 = crypto.d2i_X509(NULL, &at, length);
        if (x509 != NULL) {
            pkey = crypto.X509_get_pubkey(x509);
            crypto.X509_free(x509);
        }
    }
    if (pkey != NULL && at != der + length) {
        crypto.EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return pkey;
}

/* Goes through the text's blocks until there is a private key.  What it is in the end; of public ones also the key, if it is one. */
static enum kind choose(BIO *bio, EVP_PKEY **pkey)
{
    enum kind chosen = KIND_NONE;
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long length = 0;
    while (chosen != KIND_PRIVATE && crypto.PEM_read_bio(bio, &name, &header, &der, &length) == 1) {
        enum kind kind = kind_of(name);
        if (kind == KIND_PRIVATE || (kind > KIND_CERTIFICATE && chosen <= KIND_CERTIFICATE) || (kind == KIND_CERTIFICATE && chosen == KIND_NONE)) {
            if (*pkey != NULL)
                crypto.EVP_PKEY_free(*pkey);
            *pkey = kind != KIND_PRIVATE ? decode_public(kind, der, length) : NULL;
            chosen = kind;
        }
        crypto.CRYPTO_free(name, __FILE__, __LINE__);
        crypto.CRYPTO_free(header, __FILE__, __LINE__);
        crypto.CRYPTO_clear_free(der, (size_t)length, __FILE__, __LINE__); /* it may be a private key */
    }
    return chosen;
}

/* NULL with e filled. */
static EVP_PKEY *read_private(const char *pem, size_t length, struct passphrase *passphrase, struct error *e)
{
    BIO *bio = crypto.BIO_new_mem_buf(pem, (int)length);
    EVP_PKEY *pkey = bio != NULL ? crypto.PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, passphrase) : NULL;
    crypto.BIO_free(bio);
    if (pkey != NULL)
        return pkey;
    if (passphrase->asked)
        error_set(e, EACCES, passphrase->text == NULL ? "the private key is encrypted: a passphrase is needed"
                                                      : "wrong passphrase for the private key (or a damaged one)");
    else
        crypto_fail(e, EINVAL, "not a private key");
    crypto_clear();
    return NULL;
}

bool crypto_key_read(struct crypto_key *key, const char *pem, size_t length, const char *passphrase, size_t passphrase_length, struct error *e)
{
    *key = (struct crypto_key){0};
    if (length > CRYPTO_TEXT_MOST)
        return error_set(e, EINVAL, "not a PEM key: it has more than 16 MiB");
    if (passphrase != NULL && passphrase_length > PASSPHRASE_MOST)
        return error_set(e, EACCES, "a passphrase has at most %d bytes", PASSPHRASE_MOST);
    if (!crypto_load(e))
        return false;
    crypto_clear();
    BIO *bio = crypto.BIO_new_mem_buf(pem, (int)length);
    if (bio == NULL)
        return crypto_fail(e, ENOMEM, "out of memory");
    EVP_PKEY *pkey = NULL;
    enum kind kind = choose(bio, &pkey);
    bool ended = ERR_GET_REASON(crypto.ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    crypto.BIO_free(bio);
    struct passphrase given = {passphrase, passphrase_length, false};
    if (kind == KIND_PRIVATE)
        pkey = read_private(pem, length, &given, e);
    else if (kind == KIND_NONE)
        ended ? error_set(e, EINVAL, "not a PEM key: there is no block of a key or certificate") : crypto_fail(e, EINVAL, "not a PEM key");
    else if (pkey == NULL)
        crypto_fail(e, EINVAL, kind == KIND_CERTIFICATE ? "not a certificate with a key" : "not a public key");
    crypto_clear();
    return pkey != NULL && crypto_key_take(key, pkey, kind == KIND_PRIVATE, e);
}

bool crypto_key_is_encrypted(const char *pem, size_t length)
{
    return memmem(pem, length, "ENCRYPTED", sizeof "ENCRYPTED" - 1) != NULL; /* in the block's name, or its Proc-Type header */
}

/* ---- making ---- */

static int go_on(EVP_PKEY_CTX *context)
{
    const atomic_bool *cancelled = crypto.EVP_PKEY_CTX_get_app_data(context);
    return cancelled == NULL || !atomic_load_explicit(cancelled, memory_order_relaxed);
}

bool crypto_key_generate(struct crypto_key *key, const char *type, const char *curve, unsigned bits, const atomic_bool *cancelled, struct error *e)
{
    *key = (struct crypto_key){0};
    bool rsa = strcmp(type, "rsa") == 0, ec = strcmp(type, "ec") == 0;
    if (!rsa && !ec && strcmp(type, "ed25519") != 0)
        return error_set(e, EINVAL, "unknown type of key \"%.40s\": known are ec, ed25519, rsa", type);
    if (ec && strcmp(curve, "P-256") != 0 && strcmp(curve, "P-384") != 0 && strcmp(curve, "P-521") != 0)
        return error_set(e, EINVAL, "unknown curve \"%.40s\": known are P-256, P-384, P-521", curve);
    if (rsa && (bits < BITS_LEAST || bits > BITS_MOST))
        return error_set(e, EINVAL, "an RSA key has from %d to %d bits", BITS_LEAST, BITS_MOST);
    if (!crypto_load(e))
        return false;
    EVP_PKEY_CTX *context = crypto.EVP_PKEY_CTX_new_from_name(NULL, rsa ? "RSA" : ec ? "EC" : "ED25519", NULL);
    EVP_PKEY *pkey = NULL;
    bool ok = context != NULL && crypto.EVP_PKEY_keygen_init(context) == 1;
    if (ok && rsa)
        ok = crypto.EVP_PKEY_CTX_set_rsa_keygen_bits(context, (int)bits) == 1;
    if (ok && ec)
        ok = crypto.EVP_PKEY_CTX_set_group_name(context, curve) == 1;
    if (ok) {
        crypto.EVP_PKEY_CTX_set_app_data(context, (void *)(size_t)cancelled);
        crypto.EVP_PKEY_CTX_set_cb(context, go_on);
        ok = crypto.EVP_PKEY_generate(context, &pkey) == 1;
    }
    if (context != NULL)
        crypto.EVP_PKEY_CTX_free(context);
    if (!ok)
        return crypto_fail(e, EIO, "generating a key");
    return crypto_key_take(key, pkey, true, e);
}

/* ---- writing ---- */

bool crypto_key_public(struct crypto_key *public, const struct crypto_key *key, struct error *e)
{
    unsigned char *der = NULL;
    *public = (struct crypto_key){0};
    int length = crypto.i2d_PUBKEY(key->pkey, &der);
    if (length <= 0)
        return crypto_fail(e, ENOMEM, "the public key");
    const unsigned char *at = der;
    EVP_PKEY *pkey = crypto.d2i_PUBKEY(NULL, &at, length);
    crypto.CRYPTO_free(der, __FILE__, __LINE__);
    return crypto_key_take(public, pkey, false, e);
}

bool crypto_key_write_public(const struct crypto_key *key, struct buffer *out, struct error *e)
{
    BIO *bio = crypto.BIO_new(crypto.BIO_s_mem());
    if (bio == NULL || crypto.PEM_write_bio_PUBKEY(bio, key->pkey) != 1) {
        crypto.BIO_free(bio);
        return crypto_fail(e, ENOMEM, "writing the public key");
    }
    return crypto_take(bio, out, e);
}

bool crypto_key_write_private(const struct crypto_key *key, const char *passphrase, size_t length, struct buffer *out, struct error *e)
{
    struct passphrase given = {passphrase, length, false};
    if (!key->is_private)
        return error_set(e, EINVAL, "this is a public key");
    if (passphrase != NULL && (length == 0 || length > PASSPHRASE_MOST))
        return error_set(e, EINVAL, "a passphrase has from 1 to %d bytes", PASSPHRASE_MOST);
    const EVP_CIPHER *cipher = passphrase != NULL ? crypto.EVP_aes_256_cbc() : NULL;
    BIO *bio = crypto.BIO_new(crypto.BIO_s_mem());
    if (bio == NULL || crypto.PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, cipher, NULL, 0, give_passphrase, &given) != 1) {
        crypto.BIO_free(bio);
        return crypto_fail(e, ENOMEM, "writing the private key");
    }
    return crypto_take(bio, out, e);
}
