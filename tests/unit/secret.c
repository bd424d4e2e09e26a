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

static void remember(const char *json) { (void)secret_remember(json, strlen(json)); }

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

/* Other writers escape more than they must, and JSON stands in JSON. */
static void test_values_are_hidden_however_they_are_escaped(void **state)
{
    (void)state;
    remember("{\"v\":\"a/b \\\"\\u00fc\\\"\\n\\ud83d\\ude00<c>\",\"w\":\"u-at-first\"}"); /* a/b "ü" newline smile <c> */
    static const char *const texts[] = {
        "a/b \"\u00fc\"\n\U0001F600<c>",
        "a/b \\\"\u00fc\\\"\\n\U0001F600<c>",
        "a\\/b \\\"\\u00fc\\\"\\n\\ud83d\\ude00<c>",
        "a/b \\u0022\\u00FC\\u0022\\u000A\\uD83D\\uDE00\\u003cc\\u003e",
        "\\u0061\\u002f\\u0062\\u0020\\u0022\\u00fc\\u0022\\u000a\\ud83d\\ude00\\u003c\\u0063\\u003e",
        "a\\\\/b \\\\\\\"\\\\u00fc\\\\\\\"\\\\n\\\\ud83d\\\\ude00<c>", /* twice */
        "\\\\u0061/b \\\\\\\"\u00fc\\\\\\\"\\\\n\U0001F600\\u003cc>", /* once and twice */
        "a/b \\\\\\\\\\\\\\\"\u00fc\\\\\\\\\\\\\\\"\\\\\\\\n\U0001F600<c>", /* three times */
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "<%s>", texts[i]);
        check(secret_redact, text, "<***>");
        (void)snprintf(text, sizeof text, "[\"%s\",\"%s \"]", texts[i], texts[i]);
        if (i > 0)
            check(secret_redact_json, text, "[\"***\",\"*** \"]");
    }
    check(secret_redact, "a/b \\\"\u00fc\\\"\\\n\U0001F600<c>", "***"); /* Lua's %q */
    check(secret_redact, "a/b \\\"\\195\\188\\\"\\10\U0001F600<c>", "***");
    check(secret_redact, "\\u0075-at-first \\\\u0075-at-first \\u-at-first", "*** *** \\***");
    check(secret_redact_json, "[\"\\u0075-at-first\",\"\\\\u0075-at-first\"]", "[\"***\",\"***\"]");
}

static void test_what_is_no_escape_is_compared_as_it_is(void **state)
{
    (void)state;
    remember("{\"v\":[\"C:\\\\users\\\\nobody\",\"00e7\",\"tail\\\\\"]}");
    check(secret_redact, "C:\\users\\nobody, C:\\\\users\\\\nobody", "***, ***");
    check(secret_redact, "C:\\users\\", "C:\\users\\");
    check(secret_redact, "\\uD83D \\uD83D\\u", "\\uD83D \\uD83D\\u");
    check(secret_redact, "\\", "\\");
    check(secret_redact, "tail\\", "***");
    check(secret_redact_json, "[\"\\u00e7\",\"00e7\"]", "[\"\\u00e7\",\"***\"]"); /* it would no longer be JSON */
}

/* Text that comes in pieces is redacted as if it came at once. */
static void test_pieces_hide_what_the_whole_hides(void **state)
{
    (void)state;
    remember("{\"v\":[\"piece by piece\",\"piece by piece, and \\\"more\\\"\\n\",\"\\u00e4\\u00f6\\u00fc\",\"last\"]}");
    static const char text[] = "a piece by piece, and \"more\"\n. piece by piece, and more piece by piec; \u00e4\u00f6\u00fc \\u00e4\u00f6\\\\u00fc "
                               "piece by piece, and \\\\\\\"more\\\\\\\"\\\\n \\\\\\\\ la last las";
    struct buffer whole = {0};
    assert_true(secret_redact(&whole, text, sizeof text - 1));
    assert_null(memmem(whole.data, whole.length, "more\\", 5));
    for (size_t size = 1; size < sizeof text; size++) {
        struct buffer out = {0};
        size_t done = 0;
        for (size_t there = size; there < sizeof text - 1; there += size) {
            size_t used;
            assert_true(secret_redact_start(&out, text + done, there - done, &used));
            assert_true(used <= there - done);
            done += used;
        }
        assert_true(secret_redact(&out, text + done, sizeof text - 1 - done));
        assert_int_equal(out.length, whole.length);
        assert_memory_equal(out.data, whole.data, whole.length);
        buffer_free(&out);
    }
    buffer_free(&whole);
}

static void test_no_more_is_held_back_than_may_be_a_value(void **state)
{
    (void)state;
    remember("{\"v\":\"held-back-value\"}");
    static const struct {
        const char *text, *out;
    } cases[] = {{"text", "text"}, {"text he", "text "}, {"text held-back", "text "}, {"text held-back-value", "text ***"}, {"text held-back valu", "text held-back valu"}, {"text\\", "text"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = {0};
        size_t used;
        assert_true(secret_redact_start(&out, cases[i].text, strlen(cases[i].text), &used));
        size_t sure = strlen(cases[i].out), least = sure > 3 ? sure - 3 : 0; /* three bytes may always begin one */
        assert_in_range(out.length, least, sure);
        assert_memory_equal(out.data, cases[i].out, out.length);
        buffer_free(&out);
    }
}

static void test_broken_json_is_hidden_whole_and_in_its_last_string(void **state)
{
    (void)state;
    remember("{\"user\":\"whole-value\",\"password\":\"broken-off-value");
    check(secret_redact, "whole-value, broken-off-value", "***, ***");
    check(secret_redact, "user: {\"user\":\"whole-value\",\"password\":\"broken-off-value", "user: ***");
    remember("{'password':'single-quotes'}");
    check(secret_redact_json, "{\"h\":\"{'password':'single-quotes'}\"}", "{\"h\":\"***\"}");
}

static void test_what_is_not_utf8_is_hidden_as_the_log_has_it(void **state)
{
    (void)state;
    remember("Bearer bytes-\xff\xfe-token");
    check(secret_redact, "bytes-\xff\xfe-token", "***");
    check(secret_redact_json, "[\"bytes-\xef\xbf\xbd\xef\xbf\xbd-token\"]", "[\"***\"]");
}

static void test_lines_may_end_as_on_windows(void **state)
{
    (void)state;
    remember("{\"v\":\"windows line 1\\r\\nwindows line 2\\r\\n\"}");
    check(secret_redact, "windows line 1\nwindows line 2\r\n", "***\n***\r\n");
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
        bool ok = secret_remember(json, strlen(json));
        all = faults_seen() < n;
        faults_memory(0, false);
        assert_true(ok || !all);
        (void)snprintf(token, sizeof token, "token of attempt %ld", n);
        if (ok) /* it says so when it could not */
            check(secret_redact, token, "***");
        remember(json);
        (void)snprintf(token, sizeof token, "token of attempt %ld", n);
        check(secret_redact, token, "***");
        (void)snprintf(token, sizeof token, "\"line %ld\\nof it\"", n);
        check(secret_redact_json, token, "\"***\"");
        assert_true(n < 100);
    }
}

/* Text like the secrets, over and over, must not keep the log for ever: what is not looked through is hidden. */
static void test_what_takes_too_long_is_hidden_as_a_whole(void **state)
{
    (void)state;
    enum { LONG = 50000, TEXT = 1 << 20 };
    char *json = malloc(LONG + 64), *text = malloc(TEXT + 64);
    assert_true(json != NULL && text != NULL);
    for (size_t i = 0; i < 2; i++) {
        memcpy(json, "{\"v\":\"", 6);
        memset(json + 6, "a\\"[i], LONG);
        strcpy(json + 6 + LONG, "the end\"}");
        remember(json);
        text[0] = '"';
        memset(text + 1, "a\\"[i], TEXT);
        strcpy(text + 1 + TEXT, "the end\"");
        for (int form = 0; form < 2; form++) {
            struct buffer out = {0};
            assert_true((form == 1 ? secret_redact_json : secret_redact)(&out, text, strlen(text)));
            assert_in_range(out.length, 5, TEXT / 2);
            assert_null(memmem(out.data, out.length, "the end", 7));
            assert_memory_equal(out.data + out.length - (form == 1 ? 4 : 3), form == 1 ? "***\"" : "***", form == 1 ? 4 : 3);
            buffer_free(&out);
        }
    }
    free(json);
    free(text);
}

/* However long they are, they take bounded memory, and the latest is known. */
static void test_long_values_take_the_place_of_older_ones(void **state)
{
    (void)state;
    enum { LONG = 3 * 1024 * 1024 };
    char *json = malloc(LONG + 64);
    assert_non_null(json);
    for (int i = 0; i < 20; i++) {
        int head = snprintf(json, 64, "{\"short\":\"short %06d\",\"v\":\"long %06d ", i, i);
        memset(json + head, 'x', LONG);
        memcpy(json + head + LONG, "\"}", 3);
        remember(json);
        json[head + LONG] = '\0';
        check(secret_redact, strstr(json, "long"), "***");
        char text[32];
        (void)snprintf(text, sizeof text, "short %06d", i);
        check(secret_redact, text, "***");
    }
    check(secret_redact, "short 000000", "short 000000");
    free(json);
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
        cmocka_unit_test(test_values_are_hidden_however_they_are_escaped),
        cmocka_unit_test(test_what_is_no_escape_is_compared_as_it_is),
        cmocka_unit_test(test_pieces_hide_what_the_whole_hides),
        cmocka_unit_test(test_no_more_is_held_back_than_may_be_a_value),
        cmocka_unit_test(test_broken_json_is_hidden_whole_and_in_its_last_string),
        cmocka_unit_test(test_what_is_not_utf8_is_hidden_as_the_log_has_it),
        cmocka_unit_test(test_lines_may_end_as_on_windows),
        cmocka_unit_test(test_nul_is_a_byte_like_others),
        cmocka_unit_test(test_the_same_credentials_again_change_nothing),
        cmocka_unit_test(test_without_memory_nothing_is_handed_out),
        cmocka_unit_test(test_remembering_without_memory_breaks_nothing),
        cmocka_unit_test(test_what_takes_too_long_is_hidden_as_a_whole),
        cmocka_unit_test(test_long_values_take_the_place_of_older_ones),
        cmocka_unit_test(test_the_latest_thousands_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
