/* libcrypto: see crypto_library.h. */
#include "work/crypto_library.h"
#include "base/lazy.h"
#include "work/digest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct crypto_functions crypto;

#define SYMBOL(name) {#name, (void **)(void *)&crypto.name},

static const struct lazy_symbol symbols[] = {CRYPTO_FUNCTIONS(SYMBOL){NULL, NULL}};

static const char *const sonames[] = {"libcrypto.so.3", NULL}; /* 1.1 lacks half of the above */

static struct lazy_library libcrypto = {"libcrypto", sonames, "libssl3", symbols, PTHREAD_MUTEX_INITIALIZER, false};

bool crypto_load(struct error *e) { return lazy_load(&libcrypto, e); }

void crypto_clear(void) { crypto.ERR_clear_error(); }

bool crypto_fail(struct error *e, int code, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    unsigned long first = crypto.ERR_peek_error();
    const char *reason = first != 0 ? crypto.ERR_reason_error_string(first) : NULL;
    if (first != 0 && ERR_GET_REASON(first) == ERR_R_MALLOC_FAILURE)
        code = ENOMEM;
    crypto.ERR_clear_error();
    return reason != NULL ? error_set(e, code, "%s: %s", text, reason) : error_set(e, code, "%s", text);
}

const EVP_MD *crypto_hash(const char *name, struct error *e)
{
    const char *canonical = digest_name(name);
    const EVP_MD *method = canonical != NULL ? crypto.EVP_get_digestbyname(canonical) : NULL;
    if (method == NULL)
        error_set(e, EINVAL, "unknown hash algorithm \"%.40s\": known are md5, sha1, sha256, sha384, sha512", name);
    return method;
}

bool crypto_take(BIO *bio, struct buffer *out, struct error *e)
{
    char *data = NULL;
    long length = crypto.BIO_ctrl(bio, BIO_CTRL_INFO, 0, &data);
    bool ok = length >= 0 && buffer_append(out, data, (size_t)length);
    crypto.BIO_free(bio); /* wipes what it held */
    return ok || error_set(e, ENOMEM, "out of memory");
}
