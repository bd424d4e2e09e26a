/* base/error: texts that do not fit are cut, and not so that half a credential or half a character is left. */
#include "base/error.h"
#include "base/secret.h"
#include "faults.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = sizeof((struct error *)0)->message - 1 };

static const char secret[] = "the password that is at the end";

static void test_the_reason_stands_behind_the_text(void **state)
{
    (void)state;
    struct error e;
    assert_false(error_set(&e, EINVAL, "%s: %d", "number", 7));
    assert_string_equal(e.message, "number: 7");
    assert_int_equal(e.code, EINVAL);
    assert_false(error_errno(&e, ENOENT, "opening %s", "x"));
    assert_string_equal(e.message, "opening x: No such file or directory");
    assert_false(error_set(NULL, EINVAL, "nobody listens"));
}

static void test_a_text_is_cut_between_characters(void **state)
{
    (void)state;
    char text[ROOM + 64];
    struct error e;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t at = shift; at < sizeof text - 5; at += 4)
            memcpy(text + at, "\U0001F600", 5);
        error_set(&e, EINVAL, "%s", text);
        size_t length = strlen(e.message);
        assert_in_range(length, ROOM - 3, ROOM);
        assert_int_equal((length - shift) % 4, 0);
    }
}

static void test_a_credential_is_taken_out_before_the_text_is_cut(void **state)
{
    (void)state;
    char text[ROOM + 64];
    struct error e;
    assert_true(secret_remember("{\"v\":\"the password that is at the end\"}", 39));
    for (size_t before = ROOM - sizeof secret; before < ROOM + 4; before++) {
        memset(text, 'x', before);
        strcpy(text + before, secret);
        error_set(&e, EINVAL, "%s", text);
        const char *at = strchr(e.message, 't');
        assert_true(at == NULL || strcmp(at, secret) == 0); /* whole, then who shows it hides it; or nothing */
        error_errno(&e, ENOENT, "%s and more", text);
        assert_null(strstr(e.message, "the pass"));
    }
}

static void test_without_memory_nothing_is_shown(void **state)
{
    (void)state;
    char text[ROOM + 64];
    struct error e;
    memset(text, 'x', ROOM - 4);
    strcpy(text + ROOM - 4, secret);
    for (long n = 1; n < 4; n++) {
        faults_memory(n, true);
        error_errno(&e, ENOENT, "%s", text);
        faults_memory(0, false);
        assert_null(strstr(e.message, "the "));
    }
    faults_memory(1, true);
    error_errno(&e, ENOENT, "%s", text);
    faults_memory(0, false);
    assert_string_equal(e.message, ": No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_reason_stands_behind_the_text),
        cmocka_unit_test(test_a_text_is_cut_between_characters),
        cmocka_unit_test(test_a_credential_is_taken_out_before_the_text_is_cut),
        cmocka_unit_test(test_without_memory_nothing_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
