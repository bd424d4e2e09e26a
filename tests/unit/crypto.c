/* work/crypto_*: the standards' own keys and signatures, hostile text, and running out of memory, also inside of libcrypto. */
#include "faults.h"
#include "work/crypto_certificate.h"
#include "work/crypto_key.h"
#include "work/crypto_sign.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 8032, section 7.1, tests 1 and 2. */
static const char ed25519_1[] = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
static const char ed25519_2[] = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n-----END PRIVATE KEY-----\n";

/* RFC 6979, appendix A.2.5. */
static const char p256[] = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7\n"
                           "Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==\n-----END PUBLIC KEY-----\n";
static const char sample[] = "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
                             "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";

static struct crypto_key read_key(const char *pem)
{
    struct error e;
    struct crypto_key key;
    if (!crypto_key_read(&key, pem, strlen(pem), NULL, 0, &e))
        fail_msg("%s", e.message);
    return key;
}

static size_t from_hex(const char *hex, unsigned char *out)
{
    size_t length = strlen(hex) / 2;
    for (size_t i = 0; i < length; i++) {
        const char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        out[i] = (unsigned char)strtoul(digits, NULL, 16);
    }
    return length;
}

static void test_ed25519_signs_as_the_standard_does(void **state)
{
    (void)state;
    static const struct {
        const char *pem, *message, *signature;
    } cases[] = {
        {ed25519_1, "", "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
        {ed25519_2, "r", "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct crypto_key key = read_key(cases[i].pem);
        assert_string_equal(key.type, "ed25519");
        assert_true(key.is_private);
        struct crypto_message message = {.key = &key, .algorithm = "ed25519", .hash = "sha256", .data = cases[i].message, .length = strlen(cases[i].message)};
        struct buffer out = {0};
        unsigned char expected[64];
        assert_true(crypto_sign(&message, &out, NULL));
        assert_int_equal(out.length, from_hex(cases[i].signature, expected));
        assert_memory_equal(out.data, expected, out.length);
        assert_true(crypto_verify(&message, expected, sizeof expected, NULL));
        buffer_free(&out);
        crypto_key_free(&key);
    }
}

static void test_ecdsa_verifies_the_standards_signature(void **state)
{
    (void)state;
    unsigned char signature[80], digest[32];
    size_t length = from_hex(sample, signature);
    struct error e;
    struct crypto_key key = read_key(p256);
    assert_string_equal(key.type, "ec");
    assert_int_equal(crypto_key_bits(&key), 256);
    assert_false(key.is_private);
    struct crypto_message message = {.key = &key, .algorithm = "ecdsa", .hash = "SHA-256", .data = "sample", .length = 6};
    assert_true(crypto_verify(&message, signature, length, &e));
    (void)from_hex("af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf", digest);
    message = (struct crypto_message){.key = &key, .algorithm = "ecdsa", .hash = "sha256", .data = digest, .length = 32, .hashed = true};
    assert_true(crypto_verify(&message, signature, length, &e));
    for (size_t i = 0; i < length; i++) {
        signature[i] ^= 1;
        assert_false(crypto_verify(&message, signature, length, &e));
        assert_int_equal(e.code, EBADMSG);
        signature[i] ^= 1;
        assert_false(crypto_verify(&message, signature, i, &e));
        assert_int_equal(e.code, EBADMSG);
    }
    digest[31] ^= 1;
    assert_false(crypto_verify(&message, signature, length, &e));
    assert_int_equal(e.code, EBADMSG);
    crypto_key_free(&key);
}

static void test_misuse_is_told_from_a_wrong_signature(void **state)
{
    (void)state;
    struct crypto_key key = read_key(p256);
    static const struct {
        const char *algorithm, *hash, *data, *message;
        bool hashed;
    } cases[] = {
        {"dsa", "sha256", "x", "unknown signature algorithm \"dsa\": known are ecdsa, ed25519, rsa-pkcs1, rsa-pss", false},
        {"rsa-pss", "sha256", "x", "rsa-pss does not go with a key of type ec", false},
        {"ed25519", "sha256", "x", "ed25519 does not go with a key of type ec", false},
        {"ecdsa", "sha3", "x", "unknown hash algorithm \"sha3\": known are md5, sha1, sha256, sha384, sha512", false},
        {"ecdsa", "crc32c", "x", "unknown hash algorithm \"crc32c\": known are md5, sha1, sha256, sha384, sha512", false},
        {"ecdsa", "sha256", "x", "a sha256 digest has 32 bytes, this one has 1", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e;
        struct crypto_message message = {.key = &key, .algorithm = cases[i].algorithm, .hash = cases[i].hash, .data = cases[i].data, .length = 1, .hashed = cases[i].hashed};
        assert_false(crypto_verify(&message, "", 0, &e));
        assert_int_equal(e.code, EINVAL);
        assert_string_equal(e.message, cases[i].message);
    }
    struct error e;
    struct buffer out = {0};
    struct crypto_message message = {.key = &key, .algorithm = "ecdsa", .hash = "sha256", .data = "", .length = 0};
    assert_false(crypto_sign(&message, &out, &e));
    assert_string_equal(e.message, "signing takes a private key, this is a public one");
    crypto_key_free(&key);
}

static void test_text_that_is_no_key(void **state)
{
    (void)state;
    static const struct {
        const char *pem, *message;
    } cases[] = {
        {"", "there is no block of a key or certificate"},
        {"hello\nworld\n", "there is no block of a key or certificate"},
        {"-----BEGIN SIGNATURE-----\nYWJj\n-----END SIGNATURE-----\n", "there is no block of a key or certificate"},
        {"-----BEGIN PRIVATE KEY-----\nYWJj\n-----END PRIVATE KEY-----\n", "not a private key"},
        {"-----BEGIN PUBLIC KEY-----\nYWJj\n-----END PUBLIC KEY-----\n", "not a public key"},
        {"-----BEGIN RSA PUBLIC KEY-----\nYWJj\n-----END RSA PUBLIC KEY-----\n", "not a public key"},
        {"-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n", "not a certificate"},
        {"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n", "not a PEM key: bad base64 decode"},
        {"-----BEGIN PUBLIC KEY-----\nYWJj\n-----END PRIVATE KEY-----\n", "not a PEM key"},
        {"-----BEGIN PUBLIC KEY-----\nYWJj\n", "not a PEM key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e = {0};
        struct crypto_key key;
        assert_false(crypto_key_read(&key, cases[i].pem, strlen(cases[i].pem), NULL, 0, &e));
        assert_null(key.pkey);
        if (strstr(e.message, cases[i].message) == NULL)
            fail_msg("%zu: %s", i, e.message);
        assert_null(strstr(e.message, "YWJj"));
    }
}

/* Every prefix of a key's text, and the text with one byte changed. */
static void test_damaged_text_is_survived(void **state)
{
    (void)state;
    static const char *const texts[] = {ed25519_2, p256};
    for (size_t t = 0; t < 2; t++) {
        char copy[512];
        size_t length = strlen(texts[t]);
        for (size_t i = 0; i < length; i++) {
            struct crypto_key key;
            (void)crypto_key_read(&key, texts[t], i, NULL, 0, NULL);
            crypto_key_free(&key);
            memcpy(copy, texts[t], length);
            copy[i] ^= 5;
            (void)crypto_key_read(&key, copy, length, "x", 1, NULL);
            crypto_key_free(&key);
            struct crypto_certificate *list;
            size_t count;
            assert_false(crypto_certificates_read(&list, &count, copy, length, NULL));
        }
    }
}

static void test_keys_are_made_within_bounds(void **state)
{
    (void)state;
    struct error e;
    struct crypto_key key;
    assert_false(crypto_key_generate(&key, "dsa", "P-256", 0, NULL, &e));
    assert_string_equal(e.message, "unknown type of key \"dsa\": known are ec, ed25519, rsa");
    assert_false(crypto_key_generate(&key, "ec", "P-257", 0, NULL, &e));
    assert_string_equal(e.message, "unknown curve \"P-257\": known are P-256, P-384, P-521");
    assert_false(crypto_key_generate(&key, "rsa", "P-256", 1024, NULL, &e));
    assert_string_equal(e.message, "an RSA key has from 2048 to 8192 bits");
    assert_false(crypto_key_generate(&key, "rsa", "P-256", 8193, NULL, &e));
    assert_true(crypto_key_generate(&key, "ec", "P-521", 0, NULL, &e));
    assert_int_equal(crypto_key_bits(&key), 521);
    crypto_key_free(&key);
    crypto_key_free(&key);
    atomic_bool cancelled = true;
    assert_false(crypto_key_generate(&key, "rsa", "P-256", 8192, &cancelled, &e)); /* within a moment, not after a minute */
    assert_null(key.pkey);
}

/* ---- no memory ---- */

/* What faults.c counts is ours alone. */
void *__real_malloc(size_t size);
void *__real_realloc(void *block, size_t size);

static long inside_seen, inside_failing;

static bool inside_fails(void) { return ++inside_seen == inside_failing; }

static void *fail_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return size == 0 || inside_fails() ? NULL : __real_malloc(size);
}

static void *fail_realloc(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (size == 0) {
        free(block);
        return NULL;
    }
    return inside_fails() ? NULL : __real_realloc(block, size);
}

static void give_back(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

/* Everything in one go; false: one step failed, and has freed what it had. */
static bool everything(struct error *e)
{
    static const char passphrase[] = "a passphrase";
    struct crypto_key key = {0}, public = {0}, again = {0};
    struct buffer pem = {0}, signature = {0};
    struct crypto_message message = {.algorithm = "ecdsa", .hash = "sha256", .data = "x", .length = 1};
    bool ok = crypto_key_generate(&key, "ec", "P-256", 0, NULL, e);
    ok = ok && crypto_key_write_private(&key, passphrase, sizeof passphrase - 1, &pem, e);
    ok = ok && crypto_key_read(&again, pem.data, pem.length, passphrase, sizeof passphrase - 1, e);
    ok = ok && crypto_key_public(&public, &again, e);
    message.key = &again;
    ok = ok && crypto_sign(&message, &signature, e);
    message.key = &public;
    ok = ok && crypto_verify(&message, signature.data, signature.length, e);
    crypto_key_free(&key);
    crypto_key_free(&public);
    crypto_key_free(&again);
    buffer_free(&pem);
    buffer_free(&signature);
    return ok;
}

static void test_no_memory_is_an_error_at_every_step(void **state)
{
    (void)state;
    struct error e;
    if (!everything(&e))
        fail_msg("%s", e.message);
    for (long n = 1; n < 100; n++) { /* ours */
        faults_memory(n, false);
        bool ok = everything(&e);
        long seen = faults_seen();
        faults_memory(0, false);
        if (seen < n) {
            assert_true(ok);
            break;
        }
        assert_false(ok);
        assert_int_equal(e.code, ENOMEM);
    }
    inside_seen = inside_failing = 0;
    assert_true(everything(&e));
    assert_true(inside_seen > 100); /* libcrypto does allocate through the functions above */
    long failures = 0;
    for (long n = 1, most = inside_seen + 50; n < most; n += 23) { /* libcrypto's, a sample: it may do without */
        inside_seen = 0;
        inside_failing = n;
        e.message[0] = '\0';
        if (!everything(&e)) {
            failures++;
            assert_true(e.message[0] != '\0');
        }
    }
    inside_failing = 0;
    assert_true(failures > 5);
    assert_true(everything(&e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_memory_is_an_error_at_every_step),
        cmocka_unit_test(test_ed25519_signs_as_the_standard_does),
        cmocka_unit_test(test_ecdsa_verifies_the_standards_signature),
        cmocka_unit_test(test_misuse_is_told_from_a_wrong_signature),
        cmocka_unit_test(test_text_that_is_no_key),
        cmocka_unit_test(test_damaged_text_is_survived),
        cmocka_unit_test(test_keys_are_made_within_bounds),
    };
    void *libcrypto = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL); /* before its first allocation */
    int (*set)(void *(*)(size_t, const char *, int), void *(*)(void *, size_t, const char *, int), void (*)(void *, const char *, int)) = NULL;
    if (libcrypto != NULL)
        *(void **)(void *)&set = dlsym(libcrypto, "CRYPTO_set_mem_functions");
    if (set == NULL || set(fail_malloc, fail_realloc, give_back) != 1)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
