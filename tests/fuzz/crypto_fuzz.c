/* Keys and certificates from whatever text: nothing but an error, or a key that can be written and read again. */
#include "work/crypto_certificate.h"
#include "work/crypto_key.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool ignore(void *context, enum name_kind kind, const char *text, size_t length)
{
    (void)kind;
    return buffer_append(context, text, length);
}

static void look_at_key(const char *text, size_t size)
{
    struct crypto_key key, again;
    struct buffer pem = {0};
    struct error e;
    if (!crypto_key_read(&key, text, size, "passphrase", 10, &e))
        return;
    if (crypto_key_write_public(&key, &pem, &e) && (!crypto_key_read(&again, pem.data, pem.length, NULL, 0, &e) || again.is_private))
        abort();
    if (pem.length > 0)
        crypto_key_free(&again);
    buffer_free(&pem);
    crypto_key_free(&key);
}

static void look_at_certificate(const struct crypto_certificate *certificate, struct buffer *out)
{
    struct error e;
    struct crypto_key key;
    int64_t from, to;
    unsigned char digest[64];
    (void)crypto_certificate_subject(certificate, out, &e);
    (void)crypto_certificate_issuer(certificate, out, &e);
    (void)crypto_certificate_serial(certificate, out, &e);
    (void)crypto_certificate_validity(certificate, &from, &to);
    if (crypto_certificate_fingerprint(certificate, "sha256", digest, &e) != 32)
        abort();
    if (crypto_certificate_key(certificate, &key, &e))
        crypto_key_free(&key);
    crypto_certificate_names(certificate, ignore, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crypto_certificate *list;
    size_t count;
    struct error e;
    const char *text = (const char *)data;
    look_at_key(text, size);
    if (!crypto_certificates_read(&list, &count, text, size, &e))
        return 0;
    struct buffer out = {0};
    const struct crypto_certificate *first = &list[0];
    struct crypto_chain chain = {.chain = &first, .chain_count = 1, .roots = &first, .roots_count = 1, .purpose = "codesign"};
    (void)crypto_chain_verify(&chain, &e);
    for (size_t i = 0; i < count; i++) {
        look_at_certificate(&list[i], &out);
        crypto_certificate_free(&list[i]);
    }
    free(list);
    buffer_free(&out);
    return 0;
}
