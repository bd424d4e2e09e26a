/* work/digest: the standards' own examples, in pieces of any size. */
#include "work/digest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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
        {"md5", "abc", "md5:900150983cd24fb0d6963f7d28e17f72"},
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
    assert_string_equal(e.message, "unknown digest algorithm \"sha257\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests_are_the_standards),
        cmocka_unit_test(test_an_unknown_algorithm_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
