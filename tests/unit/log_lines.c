/* base/log_lines: what lines become of text that comes in pieces, and that no half of a credential is in any. */
#include "base/log_lines.h"
#include "base/secret.h"
#include "faults.h"
#include "log_child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void add(struct log_lines *lines, const char *text) { log_lines_add(lines, text, strlen(text)); }

static void remember(const char *json) { assert_true(secret_remember(json, strlen(json))); }

static void log_pieces(void)
{
    struct log_lines lines = {.level = LEVEL_WARN};
    add(&lines, "one\ntwo\n\nthr");
    add(&lines, "");
    add(&lines, "ee\n");
    add(&lines, "four");
    log_lines_end(&lines);
    log_lines_end(&lines);
    add(&lines, "five");
    add(&lines, "\n");
    log_lines_end(&lines);
}

static void test_each_line_is_logged_once_it_is_whole(void **state)
{
    (void)state;
    struct buffer text = output_of(log_pieces);
    const char *at = text.data;
    static const char *const expected[] = {"one", "two", "three", "four", "five"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_line(&at, "WARN", expected[i], "");
    assert_string_equal(at, "");
    buffer_free(&text);
}

/* Whatever the pieces, a credential is hidden; in one line, in several, and in a line that is too long to wait for its end. */
static const char secret[] = "secret begins here, goes on\\nwith a second line\\nshort\\nand ends here";
static size_t piece;

static void log_secret_in_pieces(void)
{
    char json[256], text[8192];
    (void)snprintf(json, sizeof json, "{\"v\":[\"%s\",\"in one line\"]}", secret);
    remember(json);
    int length = snprintf(text, sizeof text, "a secret begins here, goes on\nwith a second line\nshort\nand ends here\nb in one line c\n%*s in one line d", 5110, "");
    struct log_lines lines = {.level = LEVEL_INFO};
    for (size_t at = 0; at < (size_t)length; at += piece)
        log_lines_add(&lines, text + at, piece < (size_t)length - at ? piece : (size_t)length - at);
    log_lines_end(&lines);
}

static void test_a_credential_in_pieces_is_hidden(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 3, 7, 20, 33, 64, 100, 4096, 8192};
    static const char *const hidden[] = {"secret", "goes on", "with a", "second", "ends here", "in one", "one line"};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        piece = pieces[i];
        struct buffer text = output_of(log_secret_in_pieces);
        for (size_t j = 0; j < sizeof hidden / sizeof *hidden; j++)
            assert_null(strstr(text.data, hidden[j]));
        assert_non_null(strstr(text.data, "\"b *** c\""));
        assert_non_null(strstr(text.data, " d\""));
        buffer_free(&text);
    }
}

static void log_long_lines(void)
{
    struct log_lines lines = {.level = LEVEL_INFO};
    for (int i = 0; i < 30000; i++) /* 90,000 bytes without an end */
        add(&lines, "\u20ac");
    add(&lines, "\n");
    size_t size = 500000;
    char *at_once = filled("x", &size, 0);
    log_lines_add(&lines, at_once, size);
    add(&lines, "\nend\n");
    free(at_once);
    log_lines_end(&lines);
}

/* What comes bit by bit is split, and none is lost; what comes at once and is absurd is shortened. No character is split. */
static void test_a_line_that_is_too_long_is_split_or_shortened(void **state)
{
    (void)state;
    struct buffer text = output_of(log_long_lines);
    const char *at = text.data;
    size_t euros = 0;
    for (bool euro = true; euro;) {
        struct line line = take_line(&at);
        euro = line.msg.data[0] != 'x';
        if (euro)
            euros += line.msg.length;
        else
            assert_non_null(memmem(line.rest, line.rest_length, "truncated", 9));
        assert_null(memmem(line.msg.data, line.msg.length, "\uFFFD", 3));
        buffer_free(&line.msg);
    }
    assert_int_equal(euros, 90000);
    assert_line(&at, "INFO", "end", "");
    assert_string_equal(at, "");
    buffer_free(&text);
}

static void log_without_memory(void)
{
    remember("{\"v\":\"both halves of it\"}");
    for (long n = 1; n < 20; n++)
        for (int forever = 0; forever < 2; forever++) {
            struct log_lines lines = {.level = LEVEL_INFO};
            faults_memory(n, forever);
            add(&lines, "a line\nboth halves ");
            faults_memory(0, false);
            add(&lines, "of it, rest\nnext\n");
            log_lines_end(&lines);
        }
}

static void test_without_memory_a_line_is_lost_and_no_half_is_shown(void **state)
{
    (void)state;
    struct buffer text = output_of(log_without_memory);
    assert_null(strstr(text.data, "both"));
    assert_null(strstr(text.data, "of it"));
    int next = 0, whole = 0;
    for (const char *at = text.data; *at != '\0';) {
        struct line line = take_line(&at);
        next += line.msg.length == 4 && memcmp(line.msg.data, "next", 4) == 0;
        whole += line.msg.length == 9 && memcmp(line.msg.data, "***, rest", 9) == 0;
        buffer_free(&line.msg);
    }
    assert_int_equal(next, 38);
    assert_in_range(whole, 1, 37);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_line_is_logged_once_it_is_whole),
        cmocka_unit_test(test_a_credential_in_pieces_is_hidden),
        cmocka_unit_test(test_a_line_that_is_too_long_is_split_or_shortened),
        cmocka_unit_test(test_without_memory_a_line_is_lost_and_no_half_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
