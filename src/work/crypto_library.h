#pragma once
/* libcrypto (OpenSSL 3), loaded at its first use: the one place that names its functions and what is shared in calling them.
 *
 * OpenSSL 3 alone: its providers, decoders and EVP_MAC are what the files beside this one are written with, and Debian 12 has
 * it.  Any thread.  OpenSSL keeps a queue of errors a thread: every public function of the files beside this one leaves it
 * empty, by crypto_fail or crypto_clear. */
#include "base/buffer.h"
#include "base/error.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

#define CRYPTO_FUNCTIONS(X)                                                                                                        \
    X(ERR_clear_error) X(ERR_peek_error) X(ERR_peek_last_error) X(ERR_reason_error_string) X(CRYPTO_free) X(CRYPTO_memcmp)         \
    X(CRYPTO_clear_free)                                                                                                           \
    X(BIO_new) X(BIO_s_mem) X(BIO_new_mem_buf) X(BIO_ctrl) X(BIO_free)                                                             \
    X(EVP_get_digestbyname) X(EVP_MD_CTX_new) X(EVP_MD_CTX_free)                                                                   \
    X(EVP_DigestInit_ex) X(EVP_DigestUpdate) X(EVP_DigestFinal_ex)                                                                 \
    X(EVP_MAC_fetch) X(EVP_MAC_free) X(EVP_MAC_CTX_new) X(EVP_MAC_CTX_free) X(EVP_MAC_init) X(EVP_MAC_update) X(EVP_MAC_final)     \
    X(OSSL_PARAM_construct_utf8_string) X(OSSL_PARAM_construct_end)                                                                \
    X(EVP_PKEY_free) X(EVP_PKEY_is_a) X(EVP_PKEY_get_bits) X(EVP_PKEY_get_size) X(EVP_PKEY_eq)                                     \
    X(EVP_PKEY_CTX_new) X(EVP_PKEY_CTX_new_from_name) X(EVP_PKEY_CTX_free) X(EVP_PKEY_CTX_set_signature_md)                        \
    X(EVP_PKEY_CTX_set_rsa_padding) X(EVP_PKEY_CTX_set_rsa_pss_saltlen) X(EVP_PKEY_CTX_set_rsa_mgf1_md)                            \
    X(EVP_PKEY_keygen_init) X(EVP_PKEY_generate) X(EVP_PKEY_CTX_set_rsa_keygen_bits) X(EVP_PKEY_CTX_set_group_name)                \
    X(EVP_PKEY_CTX_set_cb) X(EVP_PKEY_CTX_set_app_data) X(EVP_PKEY_CTX_get_app_data)                                               \
    X(EVP_PKEY_sign_init) X(EVP_PKEY_sign) X(EVP_PKEY_verify_init) X(EVP_PKEY_verify)                                              \
    X(EVP_DigestSignInit) X(EVP_DigestSign) X(EVP_DigestVerifyInit) X(EVP_DigestVerify)                                            \
    X(PEM_read_bio) X(PEM_read_bio_PrivateKey) X(PEM_write_bio_PUBKEY) X(PEM_write_bio_PKCS8PrivateKey) X(PEM_write_bio_X509)      \
    X(EVP_aes_256_cbc) X(d2i_PUBKEY) X(i2d_PUBKEY) X(d2i_PublicKey) X(d2i_X509)                                                    \
    X(X509_free) X(X509_get_pubkey) X(X509_get_subject_name) X(X509_get_issuer_name) X(X509_NAME_print_ex)                         \
    X(X509_NAME_get_text_by_NID) X(X509_get0_serialNumber) X(ASN1_INTEGER_to_BN) X(BN_bn2hex) X(BN_free)                           \
    X(X509_get0_notBefore) X(X509_get0_notAfter) X(ASN1_TIME_to_tm) X(X509_digest) X(X509_get_ext_d2i) X(X509_check_issued)        \
    X(GENERAL_NAMES_free) X(GENERAL_NAME_get0_value) X(ASN1_STRING_get0_data) X(ASN1_STRING_length)                                \
    X(X509_get_extended_key_usage) X(X509_get_key_usage) X(X509_verify_cert_error_string) X(X509_cmp)                              \
    X(OPENSSL_sk_new_null) X(OPENSSL_sk_push) X(OPENSSL_sk_num) X(OPENSSL_sk_value) X(OPENSSL_sk_free)                             \
    X(X509_STORE_new) X(X509_STORE_free) X(X509_STORE_add_cert) X(X509_STORE_set_default_paths) X(X509_STORE_CTX_new)              \
    X(X509_STORE_CTX_free) X(X509_STORE_CTX_init) X(X509_STORE_CTX_get0_param) X(X509_STORE_CTX_get0_chain)                        \
    X(X509_STORE_CTX_get_error) X(X509_STORE_CTX_get_current_cert) X(X509_verify_cert)                                             \
    X(X509_VERIFY_PARAM_set_time) X(X509_VERIFY_PARAM_set_flags) X(X509_VERIFY_PARAM_set_auth_level)

/* crypto.EVP_sign… is OpenSSL's function of that name.  Filled by crypto_load. */
#define CRYPTO_SLOT(name) __typeof__(name) *name;
extern struct crypto_functions {
    CRYPTO_FUNCTIONS(CRYPTO_SLOT)
} crypto;
#undef CRYPTO_SLOT

/* False: it is missing; e names the package. */
bool crypto_load(struct error *e);

void crypto_clear(void);

/* Fills e with the text and what OpenSSL says is the reason, and clears its queue.  Returns false.  Reasons are fixed texts
 * ("bad decrypt"): nothing of keys or data is in them. */
__attribute__((format(printf, 3, 4))) bool crypto_fail(struct error *e, int code, const char *format, ...);

/* A message digest for signatures, HMACs and fingerprints, by its name or OCM's ("sha256", "SHA-256").  NULL with e filled: unknown. */
const EVP_MD *crypto_hash(const char *name, struct error *e);

/* What was written to a memory BIO, appended to out.  `bio` is freed. */
bool crypto_take(BIO *bio, struct buffer *out, struct error *e);
