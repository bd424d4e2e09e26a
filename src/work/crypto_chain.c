/* Whether a chain of certificates can be trusted: see crypto_certificate.h.
 *
 * OpenSSL builds the path and checks signatures, times and that issuers may issue.  What it leaves to its callers is here: that
 * the leaf stands first, its name, and the extended key usages, which every certificate on the path that has any must allow. */
#include "work/crypto_certificate.h"
#include "work/crypto_library.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name;
    uint32_t usage; /* 0: whatever */
} purposes[] = {
    {"any", 0}, {"codesign", XKU_CODE_SIGN}, {"email", XKU_SMIME}, {"timestamp", XKU_TIMESTAMP}, {"tls-client", XKU_SSL_CLIENT}, {"tls-server", XKU_SSL_SERVER},
};

enum { NAME_MOST = 300 }; /* bytes of a name in an error */

/* "certificate CN=…: <what>" */
static bool refuse(const X509 *x509, const char *what, struct error *e)
{
    struct buffer subject = {0};
    struct crypto_certificate certificate = {(X509 *)(uintptr_t)x509};
    if (x509 == NULL || !crypto_certificate_subject(&certificate, &subject, e)) {
        buffer_free(&subject);
        return error_set(e, EBADMSG, "%s", what);
    }
    int length = subject.length < NAME_MOST ? (int)subject.length : NAME_MOST;
    error_set(e, EBADMSG, "certificate %.*s: %s", length, subject.data != NULL ? subject.data : "", what);
    buffer_free(&subject);
    return false;
}

/* Nobody issued it who is known here: OpenSSL's own words do not say whose certificate to look for. */
static bool refuse_issuer(const X509 *x509, struct error *e)
{
    char what[NAME_MOST + 80];
    struct buffer issuer = {0};
    struct crypto_certificate certificate = {(X509 *)(uintptr_t)x509};
    if (!crypto_certificate_issuer(&certificate, &issuer, e)) {
        buffer_free(&issuer);
        return false;
    }
    (void)snprintf(what, sizeof what, "its issuer %.*s is none of the trusted certificates, nor in the chain",
                   issuer.length < NAME_MOST ? (int)issuer.length : NAME_MOST, issuer.data != NULL ? issuer.data : "");
    buffer_free(&issuer);
    return refuse(x509, what, e);
}

static bool purpose_of(const char *name, uint32_t *usage, struct error *e)
{
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++)
        if (strcmp(purposes[i].name, name) == 0) {
            *usage = purposes[i].usage;
            return true;
        }
    return error_set(e, EINVAL, "unknown purpose \"%.40s\": known are any, codesign, email, timestamp, tls-client, tls-server", name);
}

/* The first certificate must be the leaf: else it is another that the signature would be checked with. */
static bool check_order(const struct crypto_chain *chain, struct error *e)
{
    X509 *first = chain->chain[0]->x509;
    for (size_t i = 1; i < chain->chain_count; i++)
        if (crypto.X509_cmp(first, chain->chain[i]->x509) != 0 && crypto.X509_check_issued(first, chain->chain[i]->x509) == X509_V_OK)
            return refuse(first, "it stands first, but is no leaf: it issued another certificate of the chain", e);
    return true;
}

static bool check_name(const struct crypto_chain *chain, struct error *e)
{
    char common[256];
    struct buffer subject = {0};
    X509 *leaf = chain->chain[0]->x509;
    bool same;
    if (strchr(chain->name, '=') == NULL) {
        int length = crypto.X509_NAME_get_text_by_NID(crypto.X509_get_subject_name(leaf), NID_commonName, common, sizeof common);
        same = length > 0 && (size_t)length < sizeof common - 1 && (size_t)length == strlen(chain->name) && memcmp(common, chain->name, (size_t)length) == 0;
    } else {
        if (!crypto_certificate_subject(chain->chain[0], &subject, e)) {
            buffer_free(&subject);
            return false;
        }
        same = subject.length == strlen(chain->name) && memcmp(subject.data, chain->name, subject.length) == 0;
        buffer_free(&subject);
    }
    char what[256];
    (void)snprintf(what, sizeof what, "its subject is not %.200s", chain->name);
    return same || refuse(leaf, what, e);
}

static bool check_usages(const OPENSSL_STACK *path, uint32_t usage, struct error *e)
{
    bool signs = (usage & (XKU_CODE_SIGN | XKU_SMIME | XKU_TIMESTAMP)) != 0;
    int count = usage != 0 ? crypto.OPENSSL_sk_num(path) : 0;
    for (int i = 0; i < count; i++) {
        X509 *x509 = crypto.OPENSSL_sk_value(path, i);
        uint32_t allowed = crypto.X509_get_extended_key_usage(x509); /* all bits, when it has no such extension */
        if ((allowed & (usage | XKU_ANYEKU)) == 0)
            return refuse(x509, "it is not for this purpose (extended key usage)", e);
        if (i == 0 && signs && (crypto.X509_get_key_usage(x509) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0)
            return refuse(x509, "it is not for signatures (key usage)", e);
    }
    return true;
}

static bool verify_path(const struct crypto_chain *chain, X509_STORE *store, OPENSSL_STACK *others, X509_STORE_CTX *context, uint32_t usage, struct error *e)
{
    if (crypto.X509_STORE_CTX_init(context, store, chain->chain[0]->x509, (STACK_OF(X509) *)others) != 1)
        return crypto_fail(e, ENOMEM, "verify_chain");
    X509_VERIFY_PARAM *options = crypto.X509_STORE_CTX_get0_param(context);
    crypto.X509_VERIFY_PARAM_set_time(options, (time_t)chain->at);
    crypto.X509_VERIFY_PARAM_set_flags(options, X509_V_FLAG_PARTIAL_CHAIN);
    crypto.X509_VERIFY_PARAM_set_auth_level(options, 1); /* at least 80 bits of security: no SHA-1 */
    if (crypto.X509_verify_cert(context) != 1) {
        int code = crypto.X509_STORE_CTX_get_error(context);
        crypto_clear();
        if (code == X509_V_ERR_OUT_OF_MEM || code == X509_V_OK)
            return error_set(e, ENOMEM, "out of memory");
        X509 *at = crypto.X509_STORE_CTX_get_current_cert(context);
        if (at == NULL)
            at = chain->chain[0]->x509;
        return code == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ? refuse_issuer(at, e) : refuse(at, crypto.X509_verify_cert_error_string(code), e);
    }
    return check_usages((const OPENSSL_STACK *)crypto.X509_STORE_CTX_get0_chain(context), usage, e);
}

bool crypto_chain_verify(const struct crypto_chain *chain, struct error *e)
{
    uint32_t usage = 0;
    if (!purpose_of(chain->purpose, &usage, e))
        return false;
    if (chain->chain_count == 0)
        return error_set(e, EINVAL, "an empty chain");
    if (!crypto_load(e))
        return false;
    crypto_clear();
    OPENSSL_STACK *others = crypto.OPENSSL_sk_new_null();
    X509_STORE *store = crypto.X509_STORE_new();
    X509_STORE_CTX *context = crypto.X509_STORE_CTX_new();
    bool ok = others != NULL && store != NULL && context != NULL;
    for (size_t i = 1; ok && i < chain->chain_count; i++)
        ok = crypto.OPENSSL_sk_push(others, chain->chain[i]->x509) > 0;
    for (size_t i = 0; ok && i < chain->roots_count; i++)
        ok = crypto.X509_STORE_add_cert(store, chain->roots[i]->x509) == 1;
    if (ok && chain->system)
        ok = crypto.X509_STORE_set_default_paths(store) == 1;
    if (!ok)
        crypto_fail(e, ENOMEM, "verify_chain");
    ok = ok && check_order(chain, e) && (chain->name == NULL || check_name(chain, e)) && verify_path(chain, store, others, context, usage, e);
    if (context != NULL)
        crypto.X509_STORE_CTX_free(context);
    if (store != NULL)
        crypto.X509_STORE_free(store);
    if (others != NULL)
        crypto.OPENSSL_sk_free(others);
    crypto_clear();
    return ok;
}
