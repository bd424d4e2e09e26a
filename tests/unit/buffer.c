/* base/buffer and base/error: what is kept, what is refused, and that a refusal changes nothing. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "faults.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_holds(const struct buffer *b, const char *text)
{
    assert_int_equal(b->length, strlen(text));
    assert_memory_equal(b->data, text, b->length);
    assert_true(b->capacity >= b->length);
}

static void test_appends_whatever_the_sizes(void **state)
{
    (void)state;
    struct buffer b = {0};
    char expected[3000];
    size_t length = 0;
    for (size_t step = 0; length + step < sizeof expected; step++) {
        memset(expected + length, 'a' + (int)(step % 26), step);
        assert_true(buffer_append(&b, expected + length, step));
        length += step;
    }
    assert_int_equal(b.length, length);
    assert_memory_equal(b.data, expected, length);
    buffer_clear(&b);
    assert_true(buffer_add(&b, '<') && buffer_puts(&b, "a b") && buffer_printf(&b, "%d%%%s", 5, ">"));
    assert_holds(&b, "<a b5%>");
    buffer_free(&b);
    assert_null(b.data);
    assert_int_equal(b.length + b.capacity, 0);
}

static void test_appending_nothing_needs_no_memory(void **state)
{
    (void)state;
    struct buffer b = {0};
    assert_true(buffer_append(&b, NULL, 0) && buffer_puts(&b, ""));
    assert_null(b.data);
}

static void test_reserved_room_is_used_without_moving(void **state)
{
    (void)state;
    struct buffer b = {0};
    assert_true(buffer_reserve(&b, 1000));
    const char *data = b.data;
    for (int i = 0; i < 1000; i++)
        assert_true(buffer_add(&b, 'x'));
    assert_ptr_equal(b.data, data);
    buffer_free(&b);
}

static void test_printf_writes_texts_of_any_length(void **state)
{
    (void)state;
    struct buffer b = {0};
    char text[5000];
    for (size_t length = 0; length < sizeof text; length += 61) {
        memset(text, 'p', length);
        text[length] = '\0';
        buffer_clear(&b);
        assert_true(buffer_printf(&b, "%s|%s", text, text));
        assert_int_equal(b.length, 2 * length + 1);
        assert_int_equal(b.data[length], '|');
    }
    buffer_free(&b);
}

static void test_a_limit_is_reached_but_not_passed(void **state)
{
    (void)state;
    struct buffer b = {.limit = 100};
    char text[101] = {0};
    assert_false(buffer_append(&b, text, 101));
    assert_int_equal(b.length, 0);
    assert_true(buffer_append(&b, text, 99));
    assert_false(buffer_append(&b, text, 2));
    assert_true(buffer_add(&b, 'x'));
    assert_false(buffer_add(&b, 'y'));
    assert_false(buffer_printf(&b, "z"));
    assert_int_equal(b.length, 100);
    assert_true(b.capacity <= 100);
    buffer_free(&b);
}

static void test_absurd_sizes_are_refused(void **state)
{
    (void)state;
    struct buffer b = {0};
    assert_true(buffer_puts(&b, "kept"));
    assert_false(buffer_reserve(&b, SIZE_MAX));
    assert_false(buffer_reserve(&b, SIZE_MAX - 3));
    assert_false(buffer_reserve(&b, SIZE_MAX / 2));
    assert_holds(&b, "kept");
    buffer_free(&b);
}

static void test_without_memory_it_stays_as_it_was(void **state)
{
    (void)state;
    struct buffer b = {0};
    char much[4096] = {0};
    assert_true(buffer_puts(&b, "kept"));
    faults_memory(1, true);
    assert_false(buffer_append(&b, much, sizeof much));
    assert_false(buffer_printf(&b, "%200d", 1));
    assert_true(buffer_puts(&b, "!")); /* there is room */
    faults_memory(0, false);
    assert_holds(&b, "kept!");
    assert_true(buffer_append(&b, much, sizeof much));
    buffer_free(&b);
}

static void test_take_hands_the_bytes_over(void **state)
{
    (void)state;
    struct buffer b = {0};
    size_t length = 7;
    assert_null(buffer_take(&b, &length));
    assert_int_equal(length, 0);
    assert_true(buffer_puts(&b, "mine"));
    char *data = buffer_take(&b, &length);
    assert_int_equal(length, 4);
    assert_memory_equal(data, "mine", 4);
    assert_null(b.data);
    assert_true(buffer_puts(&b, "next"));
    assert_holds(&b, "next");
    free(data);
    buffer_free(&b);
}

static void test_an_error_is_false_with_a_code_and_a_text(void **state)
{
    (void)state;
    struct error e;
    assert_false(error_set(&e, EINVAL, "%s: %d", "wrong", 7));
    assert_int_equal(e.code, EINVAL);
    assert_string_equal(e.message, "wrong: 7");
    assert_false(error_errno(&e, ENOENT, "opening %s", "/x"));
    assert_int_equal(e.code, ENOENT);
    assert_string_equal(e.message, "opening /x: No such file or directory");
    assert_false(error_set(NULL, EINVAL, "nobody asks"));
    assert_false(error_errno(NULL, EINVAL, "nobody asks"));
}

static void test_a_long_error_is_cut(void **state)
{
    (void)state;
    struct error e;
    char text[sizeof e.message + 100];
    memset(text, 'e', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(error_set(&e, 1, "%s", text));
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    assert_false(error_errno(&e, ENOENT, "%s", text));
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    text[sizeof e.message - 10] = '\0';
    assert_false(error_errno(&e, ENOENT, "%s", text));
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
}

static void test_a_cut_error_is_still_utf8(void **state)
{
    (void)state;
    struct error e;
    for (size_t before = sizeof e.message - 8; before < sizeof e.message; before++) {
        char text[sizeof e.message + 16];
        memset(text, 'e', before);
        memcpy(text + before, "\xF0\x9F\x98\x80\xC3\xA9", 7);
        assert_false(error_set(&e, 1, "%s", text));
        struct buffer out = {0};
        assert_true(json_write_string(&out, e.message, strlen(e.message), NULL)); /* refuses what is not UTF-8 */
        assert_in_range(strlen(e.message), sizeof e.message - 4, sizeof e.message - 1);
        buffer_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_whatever_the_sizes),
        cmocka_unit_test(test_appending_nothing_needs_no_memory),
        cmocka_unit_test(test_reserved_room_is_used_without_moving),
        cmocka_unit_test(test_printf_writes_texts_of_any_length),
        cmocka_unit_test(test_a_limit_is_reached_but_not_passed),
        cmocka_unit_test(test_absurd_sizes_are_refused),
        cmocka_unit_test(test_without_memory_it_stays_as_it_was),
        cmocka_unit_test(test_take_hands_the_bytes_over),
        cmocka_unit_test(test_an_error_is_false_with_a_code_and_a_text),
        cmocka_unit_test(test_a_long_error_is_cut),
        cmocka_unit_test(test_a_cut_error_is_still_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
