/* base/secret: what was given as a credential is in no text that leaves the process.
 *
 * The memory of secrets is the process's, and there is no way to empty it: each test has values of its own. */
#include "base/secret.h"
#include "base/json.h"
#include "faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void remember(const char *json) { secret_remember(json, strlen(json)); }

typedef bool redact(struct buffer *out, const char *text, size_t length);

static void check(redact *how, const char *text, const char *expected)
{
    struct buffer out = {0};
    assert_true(buffer_puts(&out, "before "));
    assert_true(how(&out, text, strlen(text)));
    assert_true(buffer_add(&out, '\0'));
    assert_memory_equal(out.data, "before ", 7);
    assert_string_equal(out.data + 7, expected);
    buffer_free(&out);
}

static void test_nothing_is_hidden_before_there_is_a_secret(void **state)
{
    (void)state;
    assert_false(secret_any());
    check(secret_redact, "username and password", "username and password");
    check(secret_redact_json, "\"username\"", "\"username\"");
    remember("{\"type\":\"DirectCredentials/v1\",\"n\":17,\"properties\":{}}");
    assert_false(secret_any());
}

static void test_values_are_hidden_and_names_are_not(void **state)
{
    (void)state;
    remember("{\"type\":\"DirectCredentials/v1\",\"properties\":{\"username\":\"arthur.dent\",\"password\":\"correct horse\"}}");
    assert_true(secret_any());
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", ""},
        {"no secret", "no secret"},
        {"correct horse", "***"},
        {"login of arthur.dent: correct horse!", "login of ***: ***!"},
        {"correct horsecorrect horse", "******"},
        {"correct hors", "correct hors"},
        {"ccorrect horse", "c***"},
        {"username, password", "username, password"},
        {"DirectCredentials/v1", "DirectCredentials/v1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(secret_redact, cases[i].text, cases[i].expected);
}

static void test_only_the_own_type_is_no_secret(void **state)
{
    (void)state;
    remember("{\"properties\":{\"type\":\"nested-type\"},\"type\":\"outer-type\",\"other\":[{\"type\":\"listed-type\"}]}");
    check(secret_redact, "nested-type outer-type listed-type", "*** outer-type ***");
}

static void test_values_are_hidden_wherever_they_stand(void **state)
{
    (void)state;
    remember("{\"a\":[\"in-array\",{\"b\":{\"c\":\"deep-down\"}}],\"d\":\"at-the-top\"}");
    check(secret_redact, "in-array deep-down at-the-top", "*** *** ***");
    remember("{\"a\":\"cut-short\",\"b\":"); /* not JSON: refused later, but what was read of it is known */
    check(secret_redact, "cut-short", "***");
}

static void test_what_is_no_json_is_hidden_whole(void **state)
{
    (void)state;
    remember("Bearer abc.def-ghi");
    check(secret_redact, "Authorization: Bearer abc.def-ghi; abc.def-ghi", "Authorization: ***; ***");
    remember("bare-string");
    check(secret_redact, "<bare-string>", "<***>");
    check(secret_redact_json, "[\"<bare-string>\"]", "[\"<***>\"]");
}

static void test_numbers_are_hidden_too(void **state)
{
    (void)state;
    remember("{\"pin\":20482,\"big\":18446744073709551615,\"half\":2048.125,\"n\":7}");
    check(secret_redact, "pin 20482, not 7: 18446744073709551615", "pin ***, not 7: ***");
    check(secret_redact_json, "{\"a\":20482,\"b\":204820,\"c\":[18446744073709551615,7],\"d\":\"20482\"}",
          "{\"a\":\"***\",\"b\":204820,\"c\":[\"***\",7],\"d\":\"***\"}");
    check(secret_redact_json, "[2048.125]", "[\"***\"]");
}

/* Tools show a key line by line. */
static void test_the_lines_of_a_key_are_hidden_one_by_one(void **state)
{
    (void)state;
    remember("{\"key\":\"first line of it\\nshort\\nmiddle line of it\\nlast line of it\",\"odd\":\"odd line\\\\\\nquoted\\\",\\\"x\\\":\\\"\\n\"}");
    check(secret_redact, "1: first line of it\n2: short\n3: middle line of it\n4: last line of it", "1: ***\n2: short\n3: ***\n4: ***");
    check(secret_redact_json, "[\"first line of it\",\"last line of it\\n\"]", "[\"***\",\"***\\n\"]");
    check(secret_redact_json, "[\"odd line\\\\\",\"odd line\\\"\",5]", "[\"***\",\"odd line\\\"\",5]"); /* still JSON */
    check(secret_redact_json, "{\"a\":\"quoted\",\"x\":\"\"}", "{\"a\":\"quoted\",\"x\":\"\"}");
}

static void test_short_values_are_left(void **state)
{
    (void)state;
    remember("{\"pin\":\"abc\",\"empty\":\"\",\"four\":\"wxyz\"}");
    check(secret_redact, "abc wxyz", "abc ***");
}

static void test_of_several_the_longest_is_hidden(void **state)
{
    (void)state;
    remember("{\"short\":\"token-1\",\"long\":\"token-1-and-more\"}");
    check(secret_redact, "token-1-and-more", "***");
    check(secret_redact, "token-1-and-less", "***-and-less");
    remember("{\"v\":[\"long-one-first\",\"long-one\"]}");
    check(secret_redact, "long-one-first long-one", "*** ***");
}

/* A PEM key has line breaks: in a JSON text it stands escaped. */
static void test_escaped_values_are_hidden(void **state)
{
    (void)state;
    remember("{\"privateKeyPEM\":\"-----BEGIN KEY-----\\nMIIE/w==\\n-----END KEY-----\\n\",\"quoted\":\"back\\\\slash \\\"and\\\" t\\u0061b\\t\"}");
    check(secret_redact, "key: -----BEGIN KEY-----\nMIIE/w==\n-----END KEY-----\n.", "key: ***.");
    check(secret_redact_json, "{\"key\":\"-----BEGIN KEY-----\\nMIIE/w==\\n-----END KEY-----\\n\"}", "{\"key\":\"***\"}");
    check(secret_redact_json, "[\"is back\\\\slash \\\"and\\\" tab\\t!\"]", "[\"is ***!\"]");
    check(secret_redact, "\"back\\\\slash \\\"and\\\" tab\\t\"", "\"***\"");
}

static void test_json_stays_json(void **state)
{
    (void)state;
    remember("{\"v\":[\"true\",\"1234\",\"null\",\"\\\",\\\"x\\\":\\\"\",\"n\\\\u00\"]}");
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"{\"a\":true,\"b\":1234,\"c\":null}", "{\"a\":true,\"b\":\"***\",\"c\":null}"},
        {"{\"a\":\"true\",\"1234\":\"is null\"}", "{\"a\":\"***\",\"***\":\"is ***\"}"},
        {"{\"a\":\"\",\"x\":\"\"}", "{\"a\":\"\",\"x\":\"\"}"},             /* `","x":"` is not inside a string */
        {"{\"a\":\"\\\",\\\"x\\\":\\\"\"}", "{\"a\":\"***\"}"},             /* here it is */
        {"{\"a\":\"\\\\\",\"1234\":5}", "{\"a\":\"\\\\\",\"***\":5}"},      /* an escaped backslash ends no string */
        {"\"\\n\\u00e9\"", "\"\\n\\u00e9\""},                                /* not the letter n behind a backslash */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check(secret_redact_json, cases[i].text, cases[i].expected);
        struct json_reader r;
        struct json_event event;
        json_reader_init(&r, cases[i].expected, strlen(cases[i].expected));
        do
            assert_true(json_next(&r, &event, NULL));
        while (event.kind != JSON_END);
        json_reader_free(&r);
    }
}

/* A secret that ends with a backslash, or that begins in the middle of an escape, must not open what was closed. */
static void test_json_stays_json_around_backslashes(void **state)
{
    (void)state;
    remember("{\"v\":[\"ends\\\\\",\"nnnn\",\"u00e\",\"\\\\\\\\\\\\\\\\\"]}");
    check(secret_redact_json, "{\"a\":\"ends\\\\\",\"b\":\"ends\\\"\"}", "{\"a\":\"***\",\"b\":\"ends\\\"\"}");
    check(secret_redact_json, "[\"\\nnnn\",\"\\nnnnn\",\"\\u00e9\"]", "[\"\\nnnn\",\"\\n***\",\"\\u00e9\"]");
    check(secret_redact_json, "[\"\\\\\\\\\\\\\\\\\",\"x\"]", "[\"***\",\"x\"]");
}

static void test_nul_is_a_byte_like_others(void **state)
{
    (void)state;
    remember("{\"v\":[\"nul\\u0000inside\"]}");
    struct buffer out = {0};
    assert_true(secret_redact(&out, "a nul\0inside b", 14));
    assert_int_equal(out.length, 7);
    assert_memory_equal(out.data, "a *** b", 7);
    buffer_free(&out);
    check(secret_redact_json, "\"nul\\u0000inside\"", "\"***\"");
}

static void test_the_same_credentials_again_change_nothing(void **state)
{
    (void)state;
    static const char json[] = "{\"v\":\"every-request-brings-it\"}";
    for (int i = 0; i < 2000; i++)
        remember(json);
    remember("{\"v\":[\"another\"]}");
    remember(json);
    check(secret_redact, "every-request-brings-it another", "*** ***");
}

static void test_without_memory_nothing_is_handed_out(void **state)
{
    (void)state;
    remember("{\"v\":[\"expensive-secret\"]}");
    static const char text[] = "............................................................ expensive-secret ............................................................";
    bool ok = false;
    for (long n = 1; !ok; n++) {
        struct buffer out = {0};
        assert_true(buffer_puts(&out, "kept"));
        faults_memory(n, true);
        ok = secret_redact(&out, text, strlen(text));
        faults_memory(0, false);
        assert_true(ok || out.length == 4);
        assert_memory_equal(out.data, "kept", 4);
        buffer_free(&out);
        assert_true(n < 100);
    }
}

/* What cannot be remembered for want of memory is remembered when it comes again. */
static void test_remembering_without_memory_breaks_nothing(void **state)
{
    (void)state;
    bool all = false;
    for (long n = 1; !all; n++) {
        char json[96], token[48];
        (void)snprintf(json, sizeof json, "{\"key\":\"line %ld\\nof it\",\"token\":\"token of attempt %ld\"}", n, n);
        faults_memory(n, false);
        remember(json);
        all = faults_seen() < n;
        faults_memory(0, false);
        remember(json);
        (void)snprintf(token, sizeof token, "token of attempt %ld", n);
        check(secret_redact, token, "***");
        (void)snprintf(token, sizeof token, "\"line %ld\\nof it\"", n);
        check(secret_redact_json, token, "\"***\"");
        assert_true(n < 100);
    }
}

/* Last: it fills the memory of secrets. */
static void test_the_latest_thousands_are_known(void **state)
{
    (void)state;
    char json[64], text[64];
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(json, sizeof json, "{\"v\":\"secret number %06d\"}", i);
        remember(json);
    }
    for (int i = 8000; i < 10000; i++) {
        (void)snprintf(text, sizeof text, "secret number %06d", i);
        check(secret_redact, text, "***");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_hidden_before_there_is_a_secret),
        cmocka_unit_test(test_values_are_hidden_and_names_are_not),
        cmocka_unit_test(test_only_the_own_type_is_no_secret),
        cmocka_unit_test(test_values_are_hidden_wherever_they_stand),
        cmocka_unit_test(test_what_is_no_json_is_hidden_whole),
        cmocka_unit_test(test_numbers_are_hidden_too),
        cmocka_unit_test(test_the_lines_of_a_key_are_hidden_one_by_one),
        cmocka_unit_test(test_short_values_are_left),
        cmocka_unit_test(test_of_several_the_longest_is_hidden),
        cmocka_unit_test(test_escaped_values_are_hidden),
        cmocka_unit_test(test_json_stays_json),
        cmocka_unit_test(test_json_stays_json_around_backslashes),
        cmocka_unit_test(test_nul_is_a_byte_like_others),
        cmocka_unit_test(test_the_same_credentials_again_change_nothing),
        cmocka_unit_test(test_without_memory_nothing_is_handed_out),
        cmocka_unit_test(test_remembering_without_memory_breaks_nothing),
        cmocka_unit_test(test_the_latest_thousands_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
