/* base/uri: percent-decoding, and what a query falls into. */
#include "base/uri.h"
#include "faults.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEXT(literal) literal, sizeof literal - 1

static void test_decodes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
        bool plus;
        const char *decoded;
        size_t decoded_length;
    } cases[] = {
        {TEXT(""), false, TEXT("")},
        {TEXT("/component-version/download"), false, TEXT("/component-version/download")},
        {TEXT("a%20b%2Fc%2fd"), false, TEXT("a b/c/d")},
        {TEXT("%C3%A9%F0%9F%98%80"), false, TEXT("\xC3\xA9\xF0\x9F\x98\x80")},
        {TEXT("%00%7F%80%ff"), false, TEXT("\0\x7F\x80\xFF")},
        {TEXT("1+2%2B3"), false, TEXT("1+2+3")},
        {TEXT("1+2%2B3"), true, TEXT("1 2+3")},
        {TEXT("%2525"), false, TEXT("%25")}, /* once */
        {TEXT("raw \xFF\0."), true, TEXT("raw \xFF\0.")},
    };
    struct buffer out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(uri_decode(&out, cases[i].text, cases[i].length, cases[i].plus, NULL));
        assert_int_equal(out.length, cases[i].decoded_length);
        assert_memory_equal(out.data, cases[i].decoded, out.length);
        assert_int_equal(out.data[out.length], '\0');
    }
    buffer_free(&out);
}

static void test_says_where_a_percent_sign_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"%", "byte 1: '%' needs two hexadecimal digits behind it"},
        {"ab%4", "byte 3: '%' needs two hexadecimal digits behind it"},
        {"%41%4g", "byte 4: '%' needs two hexadecimal digits behind it"},
        {"%g1", "byte 1: '%' needs two hexadecimal digits behind it"},
        {"% 1", "byte 1: '%' needs two hexadecimal digits behind it"},
        {"%%41", "byte 1: '%' needs two hexadecimal digits behind it"},
        {"%+1", "byte 1: '%' needs two hexadecimal digits behind it"},
    };
    struct buffer out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error e = {0};
        size_t length = strlen(cases[i].text);
        char *exact = malloc(length); /* without a byte behind it, for the address sanitizer */
        assert_non_null(exact);
        memcpy(exact, cases[i].text, length);
        assert_false(uri_decode(&out, exact, length, i % 2 == 0, &e));
        assert_int_equal(e.code, EINVAL);
        assert_string_equal(e.message, cases[i].message);
        free(exact);
    }
    buffer_free(&out);
}

static void test_says_that_memory_ran_out(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct error e = {0};
    faults_memory(1, true);
    assert_false(uri_decode(&out, TEXT("abc"), false, &e));
    faults_memory(0, false);
    assert_int_equal(e.code, ENOMEM);
    buffer_free(&out);
}

/* Pairs as one line: name=value, a bar between. */
static void test_splits_queries(void **state)
{
    (void)state;
    static const struct {
        const char *query, *pairs;
    } cases[] = {
        {"", ""},
        {"name=a&version=1.0", "name=a|version=1.0|"},
        {"a=1&&b=2&", "a=1|b=2|"},
        {"&&&", ""},
        {"a", "a=|"},
        {"a=", "a=|"},
        {"=1", "=1|"},
        {"=", "=|"},
        {"identity=eyJhIjoiYiJ9Cg==", "identity=eyJhIjoiYiJ9Cg==|"},
        {"a=1&a=2", "a=1|a=2|"},
        {"a%26b=%3D", "a%26b=%3D|"},
        {"a;b=1?c=2", "a;b=1?c=2|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer line = {0};
        struct uri_pair pair;
        const char *rest = cases[i].query;
        while (uri_next_pair(&rest, &pair))
            assert_true(buffer_printf(&line, "%.*s=%.*s|", (int)pair.name_length, pair.name, (int)pair.value_length, pair.value));
        assert_false(uri_next_pair(&rest, &pair)); /* still at the end */
        assert_true(buffer_add(&line, '\0'));
        assert_string_equal(line.data, cases[i].pairs);
        buffer_free(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_says_where_a_percent_sign_is_wrong),
        cmocka_unit_test(test_says_that_memory_ran_out),
        cmocka_unit_test(test_splits_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
