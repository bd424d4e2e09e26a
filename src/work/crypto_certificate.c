/* Certificates: see crypto_certificate.h. */
#include "work/crypto_certificate.h"
#include "work/crypto_library.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- reading ---- */

/* Room for one more. */
static bool grow(struct crypto_certificate **list, size_t count)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return true;
    struct crypto_certificate *more = realloc(*list, (count != 0 ? 2 * count : 1) * sizeof **list);
    if (more == NULL)
        return false;
    *list = more;
    return true;
}

static bool add(struct crypto_certificate **list, size_t *count, const unsigned char *der, long length, struct error *e)
{
    const unsigned char *at = der;
    if (*count == CRYPTO_CERTIFICATES_MOST)
        return error_set(e, EINVAL, "more than %d certificates", CRYPTO_CERTIFICATES_MOST);
    if (!grow(list, *count))
        return error_set(e, ENOMEM, "out of memory");
    X509 *x509 = crypto.d2i_X509(NULL, &at, length);
    if (x509 == NULL)
        return crypto_fail(e, EINVAL, "certificate %zu is malformed", *count + 1);
    (*list)[(*count)++].x509 = x509;
    return at == der + length || error_set(e, EINVAL, "certificate %zu is malformed: bytes behind its end", *count);
}

bool crypto_certificates_read(struct crypto_certificate **list, size_t *count, const char *pem, size_t length, struct error *e)
{
    *list = NULL;
    *count = 0;
    if (length > CRYPTO_TEXT_MOST)
        return error_set(e, EINVAL, "certificates: the text has more than 16 MiB");
    if (!crypto_load(e))
        return false;
    crypto_clear();
    BIO *bio = crypto.BIO_new_mem_buf(pem, (int)length);
    if (bio == NULL)
        return crypto_fail(e, ENOMEM, "out of memory");
    char *name, *header;
    unsigned char *der;
    long size;
    bool ok = true;
    while (ok && crypto.PEM_read_bio(bio, &name, &header, &der, &size) == 1) {
        if (strcmp(name, "CERTIFICATE") == 0)
            ok = add(list, count, der, size, e);
        crypto.CRYPTO_free(name, __FILE__, __LINE__);
        crypto.CRYPTO_free(header, __FILE__, __LINE__);
        crypto.CRYPTO_clear_free(der, (size_t)size, __FILE__, __LINE__);
    }
    crypto.BIO_free(bio);
    if (ok && ERR_GET_REASON(crypto.ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        ok = crypto_fail(e, EINVAL, "malformed PEM");
    if (ok && *count == 0)
        ok = error_set(e, EINVAL, "there is no certificate (a PEM block of type CERTIFICATE)");
    crypto_clear();
    if (!ok) {
        for (size_t i = 0; i < *count; i++)
            crypto_certificate_free(&(*list)[i]);
        free(*list);
        *list = NULL;
        *count = 0;
    }
    return ok;
}

void crypto_certificate_free(struct crypto_certificate *certificate)
{
    if (certificate->x509 != NULL)
        crypto.X509_free(certificate->x509);
    certificate->x509 = NULL;
}

/* ---- what is in it ---- */

static bool write_name(const X509_NAME *name, struct buffer *out, struct error *e)
{
    BIO *bio = crypto.BIO_new(crypto.BIO_s_mem());
    if (bio == NULL || crypto.X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) < 0) {
        crypto.BIO_free(bio);
        return crypto_fail(e, ENOMEM, "writing a certificate's name");
    }
    return crypto_take(bio, out, e);
}

bool crypto_certificate_subject(const struct crypto_certificate *certificate, struct buffer *out, struct error *e)
{
    return write_name(crypto.X509_get_subject_name(certificate->x509), out, e);
}

bool crypto_certificate_issuer(const struct crypto_certificate *certificate, struct buffer *out, struct error *e)
{
    return write_name(crypto.X509_get_issuer_name(certificate->x509), out, e);
}

bool crypto_certificate_serial(const struct crypto_certificate *certificate, struct buffer *out, struct error *e)
{
    BIGNUM *number = crypto.ASN1_INTEGER_to_BN(crypto.X509_get0_serialNumber(certificate->x509), NULL);
    char *text = number != NULL ? crypto.BN_bn2hex(number) : NULL;
    if (number != NULL)
        crypto.BN_free(number);
    if (text == NULL)
        return crypto_fail(e, ENOMEM, "writing a certificate's serial number");
    for (char *c = text; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    bool ok = buffer_puts(out, text);
    crypto.CRYPTO_free(text, __FILE__, __LINE__);
    return ok || error_set(e, ENOMEM, "out of memory");
}

bool crypto_certificate_write(const struct crypto_certificate *certificate, struct buffer *out, struct error *e)
{
    BIO *bio = crypto.BIO_new(crypto.BIO_s_mem());
    if (bio == NULL || crypto.PEM_write_bio_X509(bio, certificate->x509) != 1) {
        crypto.BIO_free(bio);
        return crypto_fail(e, ENOMEM, "writing a certificate");
    }
    return crypto_take(bio, out, e);
}

static bool seconds(const ASN1_TIME *time, int64_t *out)
{
    struct tm tm;
    if (crypto.ASN1_TIME_to_tm(time, &tm) != 1) {
        crypto_clear();
        return false;
    }
    *out = timegm(&tm);
    return true;
}

bool crypto_certificate_validity(const struct crypto_certificate *certificate, int64_t *not_before, int64_t *not_after)
{
    return seconds(crypto.X509_get0_notBefore(certificate->x509), not_before) && seconds(crypto.X509_get0_notAfter(certificate->x509), not_after);
}

size_t crypto_certificate_fingerprint(const struct crypto_certificate *certificate, const char *hash, unsigned char out[64], struct error *e)
{
    unsigned length = 0;
    const EVP_MD *method = crypto_hash(hash, e);
    if (method == NULL)
        return 0;
    if (crypto.X509_digest(certificate->x509, method, out, &length) == 1)
        return length;
    crypto_fail(e, EIO, "taking a fingerprint");
    return 0;
}

bool crypto_certificate_key(const struct crypto_certificate *certificate, struct crypto_key *key, struct error *e)
{
    return crypto_key_take(key, crypto.X509_get_pubkey(certificate->x509), false, e);
}

void crypto_certificate_names(const struct crypto_certificate *certificate, bool (*each)(void *context, enum name_kind kind, const char *text, size_t length),
                              void *context)
{
    GENERAL_NAMES *names = crypto.X509_get_ext_d2i(certificate->x509, NID_subject_alt_name, NULL, NULL);
    const OPENSSL_STACK *stack = (const OPENSSL_STACK *)names;
    int count = names != NULL ? crypto.OPENSSL_sk_num(stack) : 0;
    bool more = true;
    for (int i = 0; more && i < count; i++) {
        int kind = 0;
        const ASN1_STRING *text = crypto.GENERAL_NAME_get0_value(crypto.OPENSSL_sk_value(stack, i), &kind);
        if (kind == NAME_EMAIL || kind == NAME_DNS || kind == NAME_URI)
            more = each(context, (enum name_kind)kind, (const char *)crypto.ASN1_STRING_get0_data(text), (size_t)crypto.ASN1_STRING_length(text));
    }
    if (names != NULL)
        crypto.GENERAL_NAMES_free(names);
    crypto_clear();
}
