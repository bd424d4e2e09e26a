/* base/json: what is read, what is refused and where, and that what is written reads back the same.
 *
 * The table of texts covers the ground of nst/JSONTestSuite in our own words (json_suite.c runs that suite itself, where
 * it is at hand).  Events are compared as one line: [ ] { }, null, true, false, i1 (integer), d1.5 (double), #1e400
 * (number), "text", "name": */
#include "base/json.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void describe(struct buffer *line, const struct json_event *event)
{
    static const char *const names[] = {
        [JSON_NULL] = "null", [JSON_FALSE] = "false",   [JSON_TRUE] = "true",  [JSON_ARRAY] = "[",
        [JSON_ARRAY_END] = "]", [JSON_OBJECT] = "{", [JSON_OBJECT_END] = "}",
    };
    if (line->length > 0)
        buffer_add(line, ' ');
    switch (event->kind) {
    case JSON_INTEGER:
        buffer_printf(line, "i%lld", (long long)event->integer);
        break;
    case JSON_DOUBLE:
        buffer_printf(line, "d%.17g", event->number);
        break;
    case JSON_NUMBER:
        buffer_printf(line, "#%.*s", (int)event->length, event->text);
        break;
    case JSON_STRING:
    case JSON_KEY:
        buffer_add(line, '"');
        for (size_t i = 0; i < event->length; i++) {
            if ((unsigned char)event->text[i] < ' ')
                buffer_printf(line, "<%02x>", (unsigned)event->text[i]);
            else
                buffer_add(line, event->text[i]);
        }
        buffer_puts(line, event->kind == JSON_KEY ? "\":" : "\"");
        break;
    default:
        buffer_puts(line, names[event->kind]);
    }
}

/* What the reader makes of the text: its events, or its message.  The caller frees it. */
static char *read_all(const char *text, size_t length)
{
    char *exact = malloc(length + 1); /* a copy without a byte behind it, for the address sanitizer */
    assert_non_null(exact);
    char *copy = exact + 1;
    if (length > 0)
        memcpy(copy, text, length);
    struct json_reader r;
    struct json_event event;
    struct error e = {0};
    struct buffer line = {0};
    json_reader_init(&r, copy, length);
    bool ok;
    while ((ok = json_next(&r, &event, &e)) && event.kind != JSON_END)
        describe(&line, &event);
    if (ok) {
        assert_true(json_next(&r, &event, &e));
        assert_int_equal(event.kind, JSON_END); /* again */
    } else {
        assert_int_equal(e.code, EINVAL);
        buffer_clear(&line);
        buffer_puts(&line, e.message);
        assert_false(json_next(&r, &event, &e)); /* still */
    }
    json_reader_free(&r);
    free(exact);
    buffer_add(&line, '\0');
    return buffer_take(&line, &length);
}

struct text_case {
    const char *text;
    size_t length;
    const char *expected;
};

#define T(text) text, sizeof text - 1

static const struct text_case texts[] = {
    /* values at the top */
    {T("null"), "null"},
    {T("true"), "true"},
    {T("false"), "false"},
    {T("\"\""), "\"\""},
    {T("\"a\""), "\"a\""},
    {T("42"), "i42"},
    {T(" \t\r\n1 \t\r\n"), "i1"},
    {T(""), "line 1, column 1: expected a value, not the end of the text"},
    {T(" \n "), "line 2, column 2: expected a value, not the end of the text"},
    {T("nul"), "line 1, column 1: expected a value"},
    {T("nulL"), "line 1, column 1: expected a value"},
    {T("True"), "line 1, column 1: expected a value"},
    {T("truee"), "line 1, column 5: expected nothing behind the value"},
    {T("undefined"), "line 1, column 1: expected a value"},
    {T("'a'"), "line 1, column 1: expected a value"},
    {T("a"), "line 1, column 1: expected a value"},
    {T("\xEF\xBB\xBF{}"), "line 1, column 1: expected a value"},
    {T("\xEF\xBB\xBF"), "line 1, column 1: expected a value"},
    {T("\xFF\xFE[\0"), "line 1, column 1: expected a value"},
    {T("\0"), "line 1, column 1: expected a value"},
    {T("1\0"), "line 1, column 2: expected nothing behind the value"},
    {T("1 2"), "line 1, column 3: expected nothing behind the value"},
    {T("{}}"), "line 1, column 3: expected nothing behind the value"},
    {T("[]]"), "line 1, column 3: expected nothing behind the value"},
    {T("[]#"), "line 1, column 3: expected nothing behind the value"},
    {T("/*x*/1"), "line 1, column 1: expected a value"},
    {T("1//"), "line 1, column 2: expected nothing behind the value"},
    {T("\f1"), "line 1, column 1: expected a value"},
    {T("\v[]"), "line 1, column 1: expected a value"},
    {T("\xC2\xA0"), "line 1, column 1: expected a value"},
    {T("\xE2\x81\xA0[]"), "line 1, column 1: expected a value"},
    /* arrays */
    {T("[]"), "[ ]"},
    {T("[ ]"), "[ ]"},
    {T("[1]"), "[ i1 ]"},
    {T("[1,\n2 , null]"), "[ i1 i2 null ]"},
    {T("[[],[[]]]"), "[ [ ] [ [ ] ] ]"},
    {T("[\"a\",{\"b\":[]}]"), "[ \"a\" { \"b\": [ ] } ]"},
    {T("["), "line 1, column 2: expected a value, not the end of the text"},
    {T("[1"), "line 1, column 3: expected ',' or ']', not the end of the text"},
    {T("[1,"), "line 1, column 4: expected a value, not the end of the text"},
    {T("[1,]"), "line 1, column 4: expected a value"},
    {T("[,1]"), "line 1, column 2: expected a value"},
    {T("[1,,2]"), "line 1, column 4: expected a value"},
    {T("[1 2]"), "line 1, column 4: expected ',' or ']'"},
    {T("[1}"), "line 1, column 3: expected ',' or ']'"},
    {T("[1:2]"), "line 1, column 3: expected ',' or ']'"},
    {T("[}"), "line 1, column 2: expected a value"},
    {T("]"), "line 1, column 1: expected a value"},
    {T("[\n1,\n]"), "line 3, column 1: expected a value"},
    /* objects */
    {T("{}"), "{ }"},
    {T("{ \n}"), "{ }"},
    {T("{\"\":0}"), "{ \"\": i0 }"},
    {T("{\"a\" : 1 , \"b\":{}}"), "{ \"a\": i1 \"b\": { } }"},
    {T("{\"a\":1,\"a\":2}"), "{ \"a\": i1 \"a\": i2 }"},
    {T("{\"a\\u0000b\":\"\"}"), "{ \"a<00>b\": \"\" }"},
    {T("{\"\\u00e9\":{\"\xC3\xA9\":1}}"), "{ \"\xC3\xA9\": { \"\xC3\xA9\": i1 } }"},
    {T("{"), "line 1, column 2: expected a name in quotes or '}', not the end of the text"},
    {T("{\"a\""), "line 1, column 5: expected ':', not the end of the text"},
    {T("{\"a\":"), "line 1, column 6: expected a value, not the end of the text"},
    {T("{\"a\":1"), "line 1, column 7: expected ',' or '}', not the end of the text"},
    {T("{\"a\":1,"), "line 1, column 8: expected a name in quotes, not the end of the text"},
    {T("{\"a\":1,}"), "line 1, column 8: expected a name in quotes"},
    {T("{\"a\":1,,\"b\":2}"), "line 1, column 8: expected a name in quotes"},
    {T("{,\"a\":1}"), "line 1, column 2: expected a name in quotes or '}'"},
    {T("{\"a\" 1}"), "line 1, column 6: expected ':'"},
    {T("{\"a\"::1}"), "line 1, column 6: expected a value"},
    {T("{\"a\",1}"), "line 1, column 5: expected ':'"},
    {T("{\"a\":}"), "line 1, column 6: expected a value"},
    {T("{\"a\":1 \"b\":2}"), "line 1, column 8: expected ',' or '}'"},
    {T("{\"a\":1]"), "line 1, column 7: expected ',' or '}'"},
    {T("{a:1}"), "line 1, column 2: expected a name in quotes or '}'"},
    {T("{1:1}"), "line 1, column 2: expected a name in quotes or '}'"},
    {T("{'a':1}"), "line 1, column 2: expected a name in quotes or '}'"},
    {T("{null:1}"), "line 1, column 2: expected a name in quotes or '}'"},
    {T("{[]:1}"), "line 1, column 2: expected a name in quotes or '}'"},
    {T("{]"), "line 1, column 2: expected a name in quotes or '}'"},
    {T("{\"a\":1//\n}"), "line 1, column 7: expected ',' or '}'"},
    /* strings */
    {T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\"\\/<08><0c><0a><0d><09>\""},
    {T("\"\\u0041\\u00E9\\u20ac\\uFFFF\\u0000\""), "\"A\xC3\xA9\xE2\x82\xAC\xEF\xBF\xBF<00>\""},
    {T("\"\\uD83D\\uDE00\\udbff\\udfff\""), "\"\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\""},
    {T("\"a\\nb\\nc\""), "\"a<0a>b<0a>c\""},
    {T("\"\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\""),
     "\"\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\""},
    {T("\"\xE2\x80\xA8\xEF\xBF\xBE\""), "\"\xE2\x80\xA8\xEF\xBF\xBE\""},
    {T("\""), "line 1, column 2: expected '\"', not the end of the text"},
    {T("\"a"), "line 1, column 3: expected '\"', not the end of the text"},
    {T("\"\\\""), "line 1, column 4: expected '\"', not the end of the text"},
    {T("\"\\"), "line 1, column 3: expected one of \"\\/bfnrtu behind a backslash, not the end of the text"},
    {T("\"\\x41\""), "line 1, column 3: expected one of \"\\/bfnrtu behind a backslash"},
    {T("\"\\'\""), "line 1, column 3: expected one of \"\\/bfnrtu behind a backslash"},
    {T("\"\\U0041\""), "line 1, column 3: expected one of \"\\/bfnrtu behind a backslash"},
    {T("\"\\\0\""), "line 1, column 3: expected one of \"\\/bfnrtu behind a backslash"},
    {T("\"\\\xC3\xA9\""), "line 1, column 3: expected one of \"\\/bfnrtu behind a backslash"},
    {T("\"\\u12\""), "line 1, column 6: expected four hexadecimal digits"},
    {T("\"\\u123g\""), "line 1, column 7: expected four hexadecimal digits"},
    {T("\"\\u123"), "line 1, column 7: expected four hexadecimal digits, not the end of the text"},
    {T("\"\\u 123\""), "line 1, column 4: expected four hexadecimal digits"},
    {T("\"\\uD800\""), "line 1, column 8: expected the second half of a surrogate pair"},
    {T("\"\\uD800"), "line 1, column 8: expected the second half of a surrogate pair, not the end of the text"},
    {T("\"\\uD800\\n\""), "line 1, column 8: expected the second half of a surrogate pair"},
    {T("\"\\uD800\\u0041\""), "line 1, column 8: expected the second half of a surrogate pair"},
    {T("\"\\uD800\\uD800\\uDC00\""), "line 1, column 8: expected the second half of a surrogate pair"},
    {T("\"\\uD800\\u00\""), "line 1, column 12: expected four hexadecimal digits"},
    {T("\"\\uDC00\""), "line 1, column 2: expected the first half of a surrogate pair before its second"},
    {T("\"\\uDFFF\\uD800\""), "line 1, column 2: expected the first half of a surrogate pair before its second"},
    {T("\"\n\""), "line 1, column 2: expected an escape in place of a control character"},
    {T("\"a\tb\""), "line 1, column 3: expected an escape in place of a control character"},
    {T("\"\0\""), "line 1, column 2: expected an escape in place of a control character"},
    {T("\"\x1F\""), "line 1, column 2: expected an escape in place of a control character"},
    {T("\"\x80\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xC0\xAF\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xC1\xBF\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xE0\x9F\xBF\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xED\xA0\x80\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xED\xBF\xBF\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xF0\x8F\xBF\xBF\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xF4\x90\x80\x80\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xF5\x80\x80\x80\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xF8\x88\x80\x80\x80\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xFF\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xC3\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xC3"), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xE2\x82\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xE2\x82"), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xF0\x9F\x98\""), "line 1, column 2: expected valid UTF-8"},
    {T("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xE9\""), "line 1, column 5: expected valid UTF-8"}, /* columns are characters */
    /* numbers: whole ones */
    {T("0"), "i0"},
    {T("-0"), "d-0"},
    {T("-1"), "i-1"},
    {T("[10,100]"), "[ i10 i100 ]"},
    {T("999999999999999999"), "i999999999999999999"},
    {T("-999999999999999999"), "i-999999999999999999"},
    {T("1000000000000000000"), "i1000000000000000000"},
    {T("9007199254740993"), "i9007199254740993"},
    {T("9223372036854775807"), "i9223372036854775807"},
    {T("9223372036854775808"), "#9223372036854775808"},
    {T("9300000000000000000"), "d9.3e+18"},
    {T("-9223372036854775808"), "i-9223372036854775808"},
    {T("-9223372036854775809"), "#-9223372036854775809"},
    {T("18446744073709551615"), "#18446744073709551615"},
    {T("18446744073709551616"), "#18446744073709551616"},
    {T("10000000000000000000"), "d1e+19"},
    {T("10000000000000000000000"), "d1e+22"},
    {T("100000000000000000000000"), "d9.9999999999999992e+22"}, /* 1e+23 is its shortest form */
    {T("123456789012345678901234567890"), "#123456789012345678901234567890"},
    /* numbers: others */
    {T("0.0"), "d0"},
    {T("-0.0"), "d-0"},
    {T("0e0"), "d0"},
    {T("0e+1"), "d0"},
    {T("-0e-999999999999999999999999"), "d-0"},
    {T("0.000"), "d0"},
    {T("1.0"), "d1"},
    {T("1.50"), "d1.5"},
    {T("0.5"), "d0.5"},
    {T("1e2"), "d100"},
    {T("1E+2"), "d100"},
    {T("1e-2"), "d0.01"},
    {T("1e002"), "d100"},
    {T("-1.5E-3"), "d-0.0015"},
    {T("0.1"), "d0.10000000000000001"},
    {T("0.30000000000000004"), "d0.30000000000000004"},
    {T("0.300000000000000040"), "d0.30000000000000004"},
    {T("0.300000000000000044"), "#0.300000000000000044"},
    {T("0.1000000000000000055"), "#0.1000000000000000055"},
    {T("0.10000000000000001"), "#0.10000000000000001"},
    {T("3.141592653589793"), "d3.1415926535897931"},
    {T("3.1415926535897931"), "#3.1415926535897931"},
    {T("3.141592653589793238"), "#3.141592653589793238"},
    {T("9007199254740992.0"), "d9007199254740992"},
    {T("9007199254740993.0"), "#9007199254740993.0"},
    {T("9007199254740993e0"), "#9007199254740993e0"},
    {T("123456789012345e-400"), "#123456789012345e-400"},
    {T("1e308"), "d1e+308"},
    {T("1.7976931348623157e308"), "d1.7976931348623157e+308"},
    {T("1.7976931348623158e308"), "#1.7976931348623158e308"},
    {T("1.7976931348623159e308"), "#1.7976931348623159e308"},
    {T("2e308"), "#2e308"},
    {T("1e400"), "#1e400"},
    {T("-1e99999999999999999999"), "#-1e99999999999999999999"},
    {T("0.4e00669999999999999999999999999999999999999999969999999006"), "#0.4e00669999999999999999999999999999999999999999969999999006"},
    {T("2.2250738585072014e-308"), "d2.2250738585072014e-308"},
    {T("5e-324"), "d4.9406564584124654e-324"},
    {T("4.94e-324"), "#4.94e-324"},
    {T("3e-324"), "#3e-324"},
    {T("2e-324"), "#2e-324"},
    {T("1e-400"), "#1e-400"},
    {T("123.456e-789"), "#123.456e-789"},
    {T("5.684341886080802e-14"), "d5.6843418860808015e-14"}, /* 2^-44: the nearest 16 digits are another number */
    {T("5.684341886080801e-14"), "d5.6843418860808009e-14"},
    {T("0.000000000000000000000000000000000000000000000000000000000001"), "d9.9999999999999997e-61"},
    {T("100000000000000000000000000000000000000000000000000000000000.0e-59"), "d1"},
    {T("-"), "line 1, column 2: expected a digit, not the end of the text"},
    {T("[-]"), "line 1, column 3: expected a digit"},
    {T("+1"), "line 1, column 1: expected a value"},
    {T("--1"), "line 1, column 2: expected a digit"},
    {T("-a"), "line 1, column 2: expected a digit"},
    {T("- 1"), "line 1, column 2: expected a digit"},
    {T("01"), "line 1, column 2: expected nothing behind the value"},
    {T("-01"), "line 1, column 3: expected nothing behind the value"},
    {T("[00]"), "line 1, column 3: expected ',' or ']'"},
    {T(".5"), "line 1, column 1: expected a value"},
    {T("-.5"), "line 1, column 2: expected a digit"},
    {T("1."), "line 1, column 3: expected a digit, not the end of the text"},
    {T("[1.]"), "line 1, column 4: expected a digit"},
    {T("1.e2"), "line 1, column 3: expected a digit"},
    {T("1.2.3"), "line 1, column 4: expected nothing behind the value"},
    {T("1e"), "line 1, column 3: expected a digit, not the end of the text"},
    {T("1e+"), "line 1, column 4: expected a digit, not the end of the text"},
    {T("1e+-2"), "line 1, column 4: expected a digit"},
    {T("1e2.5"), "line 1, column 4: expected nothing behind the value"},
    {T("1ee2"), "line 1, column 3: expected a digit"},
    {T("1 000"), "line 1, column 3: expected nothing behind the value"},
    {T("0x1F"), "line 1, column 2: expected nothing behind the value"},
    {T("1a"), "line 1, column 2: expected nothing behind the value"},
    {T("1_0"), "line 1, column 2: expected nothing behind the value"},
    {T("NaN"), "line 1, column 1: expected a value"},
    {T("Infinity"), "line 1, column 1: expected a value"},
    {T("-Infinity"), "line 1, column 2: expected a digit"},
    {T("inf"), "line 1, column 1: expected a value"},
    {T("\xEF\xBC\x91"), "line 1, column 1: expected a value"},
};

static void test_reads_json_and_refuses_all_else(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *got = read_all(texts[i].text, texts[i].length);
        if (strcmp(got, texts[i].expected) != 0) {
            print_error("%s\n  is read as   %s\n  rather than  %s\n", texts[i].text, got, texts[i].expected);
            wrong++;
        }
        free(got);
    }
    assert_int_equal(wrong, 0);
}

static void test_nesting_stops_at_the_limit(void **state)
{
    (void)state;
    struct buffer text = {0};
    for (int i = 0; i < JSON_DEPTH_LIMIT; i++)
        buffer_puts(&text, i % 2 != 0 ? "[" : "{\"\":");
    buffer_puts(&text, "1");
    for (int i = JSON_DEPTH_LIMIT; i-- > 0;)
        buffer_puts(&text, i % 2 != 0 ? "]" : "}");
    char *got = read_all(text.data, text.length);
    assert_memory_equal(got, "{ \"\": [ {", 8);
    free(got);

    buffer_clear(&text);
    for (int i = 0; i < 100000; i++)
        buffer_puts(&text, "[");
    got = read_all(text.data, text.length);
    assert_string_equal(got, "line 1, column 513: expected no more than 512 arrays and objects within one another");
    free(got);
    buffer_free(&text);
}

/* Text is scanned in blocks: what ends a block must be found at every place in one. */
static void test_finds_special_bytes_at_every_offset(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } specials[] = {{"\\n", "<0a>"}, {"\xC3\xA9", "\xC3\xA9"}, {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"}, {"\\u0000", "<00>"}, {"", ""}};
    for (size_t special = 0; special < sizeof specials / sizeof *specials; special++) {
        for (int before = 0; before < 40; before++) {
            for (int after = 0; after < 40; after++) {
                char text[128], expected[128];
                int length = snprintf(text, sizeof text, "\"%.*s%s%.*s\"", before, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                      specials[special].in, after, "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!");
                (void)snprintf(expected, sizeof expected, "\"%.*s%s%.*s\"", before, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                               specials[special].out, after, "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!");
                char *got = read_all(text, (size_t)length);
                assert_string_equal(got, expected);
                free(got);
            }
        }
    }
    for (int byte = 0; byte < 256; byte++) { /* each byte, alone among plain ones */
        bool plain = byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\';
        for (size_t size = 3; size < 40; size += 5) {
            for (size_t at = 1; at < size - 1; at++) {
                char text[40];
                memset(text, 'x', size);
                text[0] = text[size - 1] = '"';
                text[at] = (char)byte;
                char *got = read_all(text, size);
                assert_int_equal(got[0] == '"', plain);
                free(got);
            }
        }
    }
}

static void test_hands_out_plain_strings_without_a_copy(void **state)
{
    (void)state;
    static const char text[] = "[\"plain \xC3\xA9\"]";
    struct json_reader r;
    struct json_event event;
    json_reader_init(&r, text, sizeof text - 1);
    assert_true(json_next(&r, &event, NULL));
    assert_true(json_next(&r, &event, NULL));
    assert_ptr_equal(event.text, text + 2);
    assert_null(r.scratch->data);
    json_reader_free(&r);
}

static void test_reports_that_memory_ran_out(void **state)
{
    (void)state;
    static const char text[] = "\"\\n a string that the scratch has no room for\"";
    struct json_reader r;
    struct json_event event;
    struct error e = {0};
    struct buffer scratch = {.limit = 8};
    json_reader_init(&r, text, sizeof text - 1);
    r.scratch = &scratch;
    assert_false(json_next(&r, &event, &e));
    assert_int_equal(e.code, ENOMEM);
    json_reader_free(&r);
    buffer_free(&scratch);
}

static void test_skips_a_value_to_its_end(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,{\"b\":[]},\"]\"],\"c\":2,\"d\":{\"e\":{}}}";
    struct json_reader r;
    struct json_event event;
    json_reader_init(&r, text, sizeof text - 1);
    assert_true(json_next(&r, &event, NULL)); /* { */
    assert_true(json_next(&r, &event, NULL)); /* "a": */
    assert_true(json_skip(&r, &event, NULL));
    assert_true(json_next(&r, &event, NULL)); /* "c": */
    assert_memory_equal(event.text, "c", 1);
    assert_true(json_next(&r, &event, NULL));
    assert_true(json_skip(&r, &event, NULL)); /* of a scalar: nothing */
    assert_true(json_next(&r, &event, NULL)); /* "d": */
    assert_true(json_next(&r, &event, NULL));
    assert_true(json_skip(&r, &event, NULL));
    assert_true(json_next(&r, &event, NULL));
    assert_int_equal(event.kind, JSON_OBJECT_END);
    json_reader_free(&r);

    json_reader_init(&r, "[[1,]]", 6);
    struct error e = {0};
    assert_true(json_next(&r, &event, &e));
    assert_false(json_skip(&r, &event, &e));
    assert_string_equal(e.message, "line 1, column 5: expected a value");
    json_reader_free(&r);
}

static void test_knows_a_number_when_it_sees_one(void **state)
{
    (void)state;
    static const char *const numbers[] = {"0", "-0", "1", "-12", "0.5", "1e5", "1E+5", "10.25e-7", "1e999"};
    static const char *const others[] = {"", "-", "01", "1.", ".5", "+1", "1e", "1e+", " 1", "1 ", "0x1", "NaN", "1,5", "--1", "1\n"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_true(json_is_number(numbers[i], strlen(numbers[i])));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(json_is_number(others[i], strlen(others[i])));
    assert_false(json_is_number("1\0", 2));
    assert_true(json_is_number("12", 1));
}

static void assert_written(struct buffer *out, const char *expected)
{
    buffer_add(out, '\0');
    assert_string_equal(out->data, expected);
    buffer_clear(out);
}

static void test_writes_strings(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct error e = {0};
    assert_true(json_write_string(&out, NULL, 0, &e));
    assert_written(&out, "\"\"");
    assert_true(json_write_string(&out, T("a\"b\\c/\b\f\n\r\t\0\x1F\x7F\xC3\xA9"), &e));
    assert_written(&out, "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0000\\u001f\x7F\xC3\xA9\"");
    buffer_puts(&out, "before");
    assert_false(json_write_string(&out, T("abc\xED\xA0\x80"), &e));
    assert_int_equal(e.code, EILSEQ);
    assert_string_equal(e.message, "a string that is not UTF-8, at byte 4");
    assert_written(&out, "before");
    assert_true(json_write_lenient(&out, T("a\xFF\n\xC3\xA9\xE2\x82")));
    assert_written(&out, "\"a\xEF\xBF\xBD\\n\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\"");
    buffer_free(&out);
}

static void test_leaves_a_full_buffer_as_it_was(void **state)
{
    (void)state;
    struct error e = {0};
    for (size_t limit = 1; limit < 24; limit++) {
        struct buffer out = {.limit = limit};
        buffer_add(&out, '[');
        if (!json_write_string(&out, T("123\n456\n789\xC3\xA9"), &e)) {
            assert_int_equal(out.length, 1);
            assert_int_equal(e.code, ENOMEM);
        }
        buffer_free(&out);
    }
    struct buffer out = {.limit = 3};
    assert_false(json_write_integer(&out, 1000));
    assert_false(json_write_double(&out, 1.5e300, &e));
    assert_int_equal(e.code, ENOMEM);
    assert_int_equal(out.length, 0);
    buffer_free(&out);
}

static void test_writes_numbers(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *text;
    } integers[] = {
        {0, "0"}, {7, "7"}, {-7, "-7"}, {10, "10"}, {99, "99"}, {100, "100"}, {-12345, "-12345"},
        {INT64_MAX, "9223372036854775807"}, {INT64_MIN, "-9223372036854775808"},
    };
    static const struct {
        double value;
        const char *text;
    } doubles[] = {
        {0.0, "0.0"}, {-0.0, "-0.0"}, {1.0, "1.0"}, {-1.5, "-1.5"}, {0.1, "0.1"}, {100.0, "100.0"}, {123456.789, "123456.789"},
        {0.1 + 0.2, "0.30000000000000004"}, {1e15, "1000000000000000.0"}, {1e16, "1e+16"}, {9007199254740993.0, "9007199254740992.0"},
        {1e300, "1e+300"}, {1.5e300, "1.5e+300"}, {0.0001, "0.0001"}, {0.00001, "1e-5"}, {1.25e-7, "1.25e-7"}, {1e23, "1e+23"},
        {DBL_MAX, "1.7976931348623157e+308"}, {DBL_MIN, "2.2250738585072014e-308"}, {5e-324, "5e-324"}, {0x1p-44, "5.684341886080802e-14"},
        {2.0 / 3, "0.6666666666666666"}, {9.5367431640625e-7, "9.5367431640625e-7"}, {4.35, "4.35"}, {0.000123, "0.000123"},
    };
    struct buffer out = {0};
    struct error e = {0};
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        assert_true(json_write_integer(&out, integers[i].value));
        assert_written(&out, integers[i].text);
    }
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        assert_true(json_write_double(&out, doubles[i].value, &e));
        assert_written(&out, doubles[i].text);
    }
    static const double refused[] = {INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < 3; i++) {
        assert_false(json_write_double(&out, refused[i], &e));
        assert_int_equal(e.code, EDOM);
        assert_int_equal(out.length, 0);
    }
    buffer_free(&out);
}

static void assert_shortest_that_reads_back(double value)
{
    struct buffer out = {0};
    struct json_reader r;
    struct json_event event;
    assert_true(json_write_double(&out, value, NULL));
    json_reader_init(&r, out.data, out.length);
    assert_true(json_next(&r, &event, NULL));
    assert_int_equal(event.kind, JSON_DOUBLE);
    assert_memory_equal(&event.number, &value, sizeof value);
    json_reader_free(&r);

    buffer_add(&out, '\0');
    int digits = 0, zeros = 0; /* without those that only hold places */
    for (const char *at = out.data; *at != '\0' && *at != 'e'; at++) {
        if (*at == '0') {
            zeros += digits > 0;
        } else if (*at >= '1' && *at <= '9') {
            digits += zeros + 1;
            zeros = 0;
        }
    }
    char shorter[40];
    if (digits > 1) {
        (void)snprintf(shorter, sizeof shorter, "%.*e", digits - 2, value);
        if (strtod(shorter, NULL) == value)
            fail_msg("%s is not the shortest form, %s is", out.data, shorter);
    }
    buffer_free(&out);
}

static void test_doubles_are_the_shortest_that_read_back(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252U;
    for (int i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        double value;
        switch (i % 4) {
        case 0: /* any bits */
            memcpy(&value, &random, sizeof value);
            break;
        case 1: /* few places */
            value = (double)(int64_t)(random >> 40) / 1000;
            break;
        case 2: /* below 1 */
            value = (double)(random >> 11) * 0x1p-53;
            break;
        default: /* powers of two and what is beside them */
            value = ldexp(1, (int)(random % 2097) - 1074);
            value = i % 8 == 3 ? value : nextafter(value, i % 16 == 7 ? 0 : INFINITY);
        }
        if (isfinite(value) && value != 0)
            assert_shortest_that_reads_back(value);
    }
}

/* A script may call os.setlocale. */
static void test_numbers_do_not_depend_on_the_locale(void **state)
{
    (void)state;
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", "es_ES.UTF-8"};
    const char *set = NULL;
    for (size_t i = 0; set == NULL && i < sizeof commas / sizeof *commas; i++)
        set = setlocale(LC_NUMERIC, commas[i]);
    if (set == NULL) {
        print_message("no locale with a decimal comma is installed\n");
        skip();
    }
    struct buffer out = {0};
    bool ok = json_write_double(&out, 0.1 + 0.2, NULL);
    char *got = read_all("[2.2250738585072014e-308,0.30000000000000004]", 45);
    setlocale(LC_NUMERIC, "C");
    assert_true(ok);
    assert_written(&out, "0.30000000000000004");
    assert_string_equal(got, "[ d2,2250738585072014e-308 d0,30000000000000004 ]"); /* the comma is printf's, in this test */
    free(got);
    buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_json_and_refuses_all_else),
        cmocka_unit_test(test_nesting_stops_at_the_limit),
        cmocka_unit_test(test_finds_special_bytes_at_every_offset),
        cmocka_unit_test(test_hands_out_plain_strings_without_a_copy),
        cmocka_unit_test(test_reports_that_memory_ran_out),
        cmocka_unit_test(test_skips_a_value_to_its_end),
        cmocka_unit_test(test_knows_a_number_when_it_sees_one),
        cmocka_unit_test(test_writes_strings),
        cmocka_unit_test(test_leaves_a_full_buffer_as_it_was),
        cmocka_unit_test(test_writes_numbers),
        cmocka_unit_test(test_doubles_are_the_shortest_that_read_back),
        cmocka_unit_test(test_numbers_do_not_depend_on_the_locale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
