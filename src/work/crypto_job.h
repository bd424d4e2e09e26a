#pragma once
/* What takes long of all that, as a job of the pool.  The same job can be run where it stands, by calling job.work. */
#include "work/crypto_certificate.h"
#include "work/crypto_key.h"
#include "work/crypto_sign.h"
#include "work/digest.h"
#include "work/pool.h"

struct crypto_job {
    struct job job;
    bool (*run)(struct crypto_job *); /* one of those below */

    /* the arguments: borrowed, they have to stay until `release` */
    struct crypto_message message; /* digest and hmac: hash and data; key and certificates: the PEM text as data */
    const char *second;            /* hmac's key, the signature, the passphrase (may be NULL) */
    size_t second_length;
    struct crypto_chain chain;
    const char *type, *curve; /* generate's */
    unsigned bits;

    /* the result, valid in reap */
    bool ok;
    struct error error;
    unsigned char digest[DIGEST_MOST];
    size_t digest_length;
    struct buffer signature;
    struct crypto_key key;                   /* who takes it empties it; so with the list: else they are freed */
    struct crypto_certificate *certificates;
    size_t count;
};

/* Fills what every job needs, the rest is zero.  The owner sets job.release, which ends with crypto_job_clear. */
void crypto_job_init(struct crypto_job *crypto, bool (*run)(struct crypto_job *));
void crypto_job_clear(struct crypto_job *crypto);

bool crypto_run_digest(struct crypto_job *crypto);
bool crypto_run_hmac(struct crypto_job *crypto);
bool crypto_run_sign(struct crypto_job *crypto);
bool crypto_run_verify(struct crypto_job *crypto);
bool crypto_run_key(struct crypto_job *crypto);
bool crypto_run_certificates(struct crypto_job *crypto);
bool crypto_run_generate(struct crypto_job *crypto);
bool crypto_run_chain(struct crypto_job *crypto);
