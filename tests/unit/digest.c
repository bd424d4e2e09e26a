/* work/digest: the standards' own examples, in pieces of any size. */
#include "work/digest.h"
#include "faults.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_digests_are_the_standards(void **state)
{
    (void)state;
    static const struct {
        const char *algorithm, *text, *digest;
    } cases[] = { /* FIPS 180-4, RFC 1321 */
        {"sha256", "", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"sha256", "abc", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"sha256", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"sha512", "abc", "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
        {"sha1", "abc", "sha1:a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"sha384", "abc", "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
        {"md5", "abc", "md5:900150983cd24fb0d6963f7d28e17f72"},
        {"crc32c", "123456789", "crc32c:e3069283"}, /* RFC 3720's polynomial, the check value of every catalogue */
        {"crc32c", "", "crc32c:00000000"},
        {"SHA-256", "abc", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}, /* OCM's spelling */
        {"CRC32C", "abc", "crc32c:364b3fb7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = strlen(cases[i].digest);
        for (size_t piece = 1; piece <= 7; piece += 2) {
            struct error e = {0};
            struct digest *digest = digest_create(cases[i].algorithm, &e);
            if (digest == NULL)
                fail_msg("%s", e.message);
            for (const char *at = cases[i].text; *at != '\0'; at += strnlen(at, piece))
                assert_true(digest_update(digest, at, strnlen(at, piece)));
            char out[160];
            assert_true(digest_finish(digest, out, length + 1)); /* just enough */
            assert_string_equal(out, cases[i].digest);
            digest_free(digest);
        }
        struct digest *digest = digest_create(cases[i].algorithm, NULL);
        char little[160];
        assert_false(digest_finish(digest, little, length));
        digest_free(digest);
    }
    digest_free(NULL);
}

static void test_an_unknown_algorithm_is_named(void **state)
{
    (void)state;
    struct error e;
    assert_null(digest_create("sha257", &e));
    assert_int_equal(e.code, EINVAL);
    assert_string_equal(e.message, "unknown digest algorithm \"sha257\": known are crc32c, md5, sha1, sha256, sha384, sha512");
    assert_null(digest_create("SHA256", &e)); /* OpenSSL would take it, and then the text would not begin with sha256 */
}

static void test_a_size_is_that_of_the_digest(void **state)
{
    (void)state;
    static const char *const names[] = {"sha256", "sha512", "sha384", "sha1", "md5", "crc32c", "SHA-512"};
    unsigned char bytes[DIGEST_MOST];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(digest_of(names[i], "x", 1, NULL, bytes, NULL), digest_size(names[i]));
    assert_int_equal(digest_size("nothing"), 0);
}

static void assert_hex(const unsigned char *bytes, size_t length, const char *hex)
{
    char text[2 * DIGEST_MOST + 1] = "";
    for (size_t i = 0; i < length; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, hex);
}

static void test_hmacs_are_the_standards(void **state)
{
    (void)state;
    static char ones[20], long_key[131];
    memset(ones, 0x0b, sizeof ones);
    memset(long_key, 0xaa, sizeof long_key);
    static const struct {
        const char *algorithm, *key;
        size_t key_length;
        const char *data, *hex;
    } cases[] = { /* RFC 4231, cases 1, 2 and 6; RFC 2202; an empty key */
        {"sha256", ones, 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"SHA-512", ones, 20, "Hi There",
         "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
        {"sha256", "Jefe", 4, "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"sha256", long_key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {"sha1", "Jefe", 4, "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
        {"sha256", "", 0, "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[DIGEST_MOST];
        size_t length = digest_hmac(cases[i].algorithm, cases[i].key, cases[i].key_length, cases[i].data, strlen(cases[i].data), NULL, bytes, NULL);
        assert_hex(bytes, length, cases[i].hex);
    }
    struct error e;
    unsigned char bytes[DIGEST_MOST];
    assert_int_equal(digest_hmac("crc32c", "", 0, "", 0, NULL, bytes, &e), 0);
    assert_non_null(strstr(e.message, "unknown hash algorithm \"crc32c\""));
}

static void test_cancelling_stops_it(void **state)
{
    (void)state;
    struct error e;
    unsigned char bytes[DIGEST_MOST];
    atomic_bool cancelled = true;
    assert_int_equal(digest_of("sha256", "x", 1, &cancelled, bytes, &e), 0);
    assert_int_equal(e.code, ECANCELED);
    assert_int_equal(digest_hmac("sha256", "x", 1, "x", 1, &cancelled, bytes, &e), 0);
    assert_int_equal(e.code, ECANCELED);
}

static void test_no_memory_is_an_error(void **state)
{
    (void)state;
    struct error e;
    faults_memory(1, true);
    struct digest *digest = digest_create("sha256", &e);
    faults_memory(0, false);
    assert_null(digest);
    assert_int_equal(e.code, ENOMEM);
}

static void test_equal_compares_all_bytes(void **state)
{
    (void)state;
    bool equal = false;
    assert_true(digest_equal("abc", "abc", 3, &equal, NULL) && equal);
    assert_true(digest_equal("abc", "abd", 3, &equal, NULL) && !equal);
    assert_true(digest_equal("abc", "xyz", 0, &equal, NULL) && equal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests_are_the_standards),
        cmocka_unit_test(test_an_unknown_algorithm_is_named),
        cmocka_unit_test(test_a_size_is_that_of_the_digest),
        cmocka_unit_test(test_hmacs_are_the_standards),
        cmocka_unit_test(test_cancelling_stops_it),
        cmocka_unit_test(test_no_memory_is_an_error),
        cmocka_unit_test(test_equal_compares_all_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
