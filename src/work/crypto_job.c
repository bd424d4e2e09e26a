/* Jobs: see crypto_job.h. */
#include "work/crypto_job.h"

#include <stdlib.h>

static void work(struct job *job)
{
    struct crypto_job *crypto = (struct crypto_job *)job;
    crypto->ok = crypto->run(crypto);
}

void crypto_job_init(struct crypto_job *crypto, bool (*run)(struct crypto_job *))
{
    *crypto = (struct crypto_job){.run = run};
    crypto->job.work = work;
    crypto->message.cancelled = &crypto->job.cancelled;
}

void crypto_job_clear(struct crypto_job *crypto)
{
    buffer_free(&crypto->signature);
    crypto_key_free(&crypto->key);
    for (size_t i = 0; i < crypto->count; i++)
        crypto_certificate_free(&crypto->certificates[i]);
    free(crypto->certificates);
    crypto->certificates = NULL;
    crypto->count = 0;
}

bool crypto_run_digest(struct crypto_job *crypto)
{
    const struct crypto_message *message = &crypto->message;
    crypto->digest_length = digest_of(message->hash, message->data, message->length, message->cancelled, crypto->digest, &crypto->error);
    return crypto->digest_length > 0;
}

bool crypto_run_hmac(struct crypto_job *crypto)
{
    const struct crypto_message *message = &crypto->message;
    crypto->digest_length = digest_hmac(message->hash, crypto->second, crypto->second_length, message->data, message->length, message->cancelled,
                                        crypto->digest, &crypto->error);
    return crypto->digest_length > 0;
}

bool crypto_run_sign(struct crypto_job *crypto) { return crypto_sign(&crypto->message, &crypto->signature, &crypto->error); }

bool crypto_run_verify(struct crypto_job *crypto) { return crypto_verify(&crypto->message, crypto->second, crypto->second_length, &crypto->error); }

bool crypto_run_key(struct crypto_job *crypto)
{
    return crypto_key_read(&crypto->key, crypto->message.data, crypto->message.length, crypto->second, crypto->second_length, &crypto->error);
}

bool crypto_run_certificates(struct crypto_job *crypto)
{
    return crypto_certificates_read(&crypto->certificates, &crypto->count, crypto->message.data, crypto->message.length, &crypto->error);
}

bool crypto_run_generate(struct crypto_job *crypto)
{
    return crypto_key_generate(&crypto->key, crypto->type, crypto->curve, crypto->bits, &crypto->job.cancelled, &crypto->error);
}

bool crypto_run_chain(struct crypto_job *crypto) { return crypto_chain_verify(&crypto->chain, &crypto->error); }
