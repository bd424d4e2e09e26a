/* base/log, its lines: what stands on stderr, whatever was logged. */
#include "base/log.h"
#include "base/secret.h"
#include "faults.h"
#include "log_child.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINE_LIMIT = 32 * 1024 };

static void log_levels(void)
{
    log_event(LEVEL_DEBUG, "one", NULL);
    log_event(LEVEL_INFO, "two", "id", "my-plugin", NULL);
    log_event(LEVEL_WARN, "three", "a", "1", "b", "", "c", (char *)NULL, NULL);
    log_write(LEVEL_ERROR, "four and more", 4, &(struct log_attribute){"n", "[1,{}]", 6}, 1);
}

static void test_a_line_is_what_the_manager_reads(void **state)
{
    (void)state;
    struct buffer text = output_of(log_levels);
    const char *at = text.data;
    assert_line(&at, "DEBUG", "one", "");
    assert_line(&at, "INFO", "two", ",\"id\":\"my-plugin\"");
    assert_line(&at, "WARN", "three", ",\"a\":\"1\",\"b\":\"\",\"c\":\"\"");
    assert_line(&at, "ERROR", "four", ",\"n\":[1,{}]");
    assert_string_equal(at, "");
    buffer_free(&text);
}

static void log_reserved(void)
{
    log_event(LEVEL_INFO, "m", "time", "t", "level", "l", "msg", "x", "message", "y", "a\"b\n", "z", NULL);
}

static void log_from_info(void)
{
    log_from(LEVEL_INFO);
    log_event(LEVEL_DEBUG, "dropped", NULL);
    log_event(LEVEL_INFO, "written", NULL);
    log_from(LEVEL_DEBUG);
    log_event(LEVEL_DEBUG, "written again", NULL);
}

static void test_lines_below_the_least_level_are_dropped(void **state)
{
    (void)state;
    struct buffer text = output_of(log_from_info);
    const char *at = text.data;
    assert_line(&at, "INFO", "written", "");
    assert_line(&at, "DEBUG", "written again", "");
    assert_string_equal(at, "");
    buffer_free(&text);
}

static void test_reserved_names_get_an_underscore(void **state)
{
    (void)state;
    struct buffer text = output_of(log_reserved);
    const char *at = text.data;
    assert_line(&at, "INFO", "m", ",\"time_\":\"t\",\"level_\":\"l\",\"msg_\":\"x\",\"message\":\"y\",\"a\\\"b\\n\":\"z\"");
    buffer_free(&text);
}

static const struct {
    const char *bytes;
    size_t length;
    const char *logged;
} hard_texts[] = {
    {"", 0, ""},
    {"two\nlines\r\n", 11, "two\nlines\r\n"},
    {"\"quoted\" \\ /", 12, "\"quoted\" \\ /"},
    {"\x1b[2J\x7f\x01", 6, "\x1b[2J\x7f\x01"},
    {"caf\xC3\xA9 \xF0\x9F\x98\x80", 10, "caf\xC3\xA9 \xF0\x9F\x98\x80"},
    {"\xFF\xC3 cut \xE2\x82", 9, "\xEF\xBF\xBD\xEF\xBF\xBD cut \xEF\xBF\xBD\xEF\xBF\xBD"},
    {"\xED\xA0\x80\xC0\x80", 5, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
};

enum { HARD_TEXTS = sizeof hard_texts / sizeof *hard_texts };

static void log_hard_texts(void)
{
    for (size_t i = 0; i < HARD_TEXTS; i++)
        log_write(LEVEL_INFO, hard_texts[i].bytes, hard_texts[i].length, NULL, 0);
    log_event(LEVEL_INFO, "\xFF", "\xFE", "\xFD", NULL);
}

static void test_whatever_is_logged_is_utf8(void **state)
{
    (void)state;
    struct buffer text = output_of(log_hard_texts);
    const char *at = text.data;
    for (size_t i = 0; i < HARD_TEXTS; i++)
        assert_line(&at, "INFO", hard_texts[i].logged, "");
    assert_line(&at, "INFO", "\xEF\xBF\xBD", ",\"\xEF\xBF\xBD\":\"\xEF\xBF\xBD\"");
    buffer_free(&text);
}

/* ---- long lines ---- */

static const char *const fillings[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "x\n", "\x01", "\xFF", "\"\\"};
static const size_t sizes[] = {1000, 5000, 5226, 15872, 15873, 31744, 31745, 32767, 40000, 100000, 1000000};

enum { FILLINGS = sizeof fillings / sizeof *fillings, SIZES = sizeof sizes / sizeof *sizes };

static void log_long(void)
{
    for (size_t f = 0; f < FILLINGS; f++)
        for (size_t s = 0; s < SIZES; s++)
            for (size_t shift = 0; shift < 4; shift++) {
                size_t size = sizes[s];
                char *text = filled(fillings[f], &size, shift);
                log_event(LEVEL_INFO, "long value", "v", "short", NULL);
                log_write(LEVEL_INFO, text, size, &(struct log_attribute){"n", "1", 1}, 1);
                free(text);
            }
}

static void test_long_messages_are_cut_between_characters(void **state)
{
    (void)state;
    struct buffer text = output_of(log_long);
    const char *at = text.data;
    for (size_t f = 0; f < FILLINGS; f++)
        for (size_t s = 0; s < SIZES; s++)
            for (size_t shift = 0; shift < 4; shift++) {
                assert_line(&at, "INFO", "long value", ",\"v\":\"short\"");
                struct line line = take_line(&at);
                size_t size = sizes[s];
                char *whole = filled(fillings[f], &size, shift);
                if (fillings[f][0] == '\xFF') { /* a byte became three */
                    assert_in_range(line.msg.length, size < 5000 ? 3 * (size - shift) : 5000, LINE_LIMIT);
                } else {
                    assert_in_range(line.msg.length, size <= 5000 ? size : 5000, size);
                    assert_memory_equal(line.msg.data, whole, line.msg.length);
                    assert_true(line.msg.length == size || ((unsigned char)whole[line.msg.length] & 0xC0) != 0x80);
                }
                free(whole);
                buffer_free(&line.msg);
            }
    assert_string_equal(at, "");
    buffer_free(&text);
}

static void log_many_attributes(void)
{
    size_t size = 10002;
    char *value = filled("v", &size, 0);
    value[0] = value[10001] = '"';
    struct log_attribute attributes[] = {
        {"a", value, 10002}, {"b", value, 10002}, {"c", value, 10002}, {"d", value, 10002}, {"e", "5", 1},
    };
    log_write(LEVEL_INFO, "m", 1, attributes, 5);
    log_event(LEVEL_INFO, "n", "1", "", "2", "", "3", "", "4", "", "5", "", "6", "", "7", "", "8", "", "9", "", "10", "", "11", "", "12", "", "13", "", NULL);
    free(value);
}

static void test_attributes_that_do_not_fit_are_left_out(void **state)
{
    (void)state;
    struct buffer text = output_of(log_many_attributes);
    const char *at = text.data;
    struct line line = take_line(&at);
    static const char rest[] = ",\"e\":5,\"truncated\":true";
    assert_memory_equal(line.rest, ",\"a\":\"vvv", 9);
    assert_memory_equal(line.rest + line.rest_length - strlen(rest), rest, strlen(rest));
    assert_in_range(line.rest_length, 30000, LINE_LIMIT);
    buffer_free(&line.msg);
    line = take_line(&at);
    assert_int_equal(line.rest[line.rest_length - 1], '"'); /* as many as there is room for */
    buffer_free(&line.msg);
    buffer_free(&text);
}

/* ---- secrets ---- */

static const char credentials[] = "{\"type\":\"DirectCredentials/v1\",\"properties\":{\"password\":\"hunter2 \\\"x\\\"\"}}";

static void log_secrets(void)
{
    secret_remember(credentials, strlen(credentials));
    log_event(LEVEL_INFO, "login with hunter2 \"x\"", "error", "wrong: hunter2 \"x\"", "fine", "public", NULL);
}

static void test_no_secret_is_logged(void **state)
{
    (void)state;
    struct buffer text = output_of(log_secrets);
    const char *at = text.data;
    assert_line(&at, "INFO", "login with ***", ",\"error\":\"wrong: ***\",\"fine\":\"public\"");
    buffer_free(&text);
}

static void log_without_memory(void)
{
    secret_remember(credentials, strlen(credentials));
    for (long n = 1; n < 40; n++) {
        faults_memory(n, true);
        log_event(LEVEL_INFO, "login with hunter2 \"x\"", "error", "wrong: hunter2 \"x\"", NULL);
        faults_memory(n, false);
        log_event(LEVEL_INFO, "login with hunter2 \"x\"", "error", "wrong: hunter2 \"x\"", NULL);
        faults_memory(0, false);
    }
}

static void test_without_memory_lines_are_lost_and_never_wrong(void **state)
{
    (void)state;
    struct buffer text = output_of(log_without_memory);
    const char *at = text.data;
    int count = 0;
    for (; *at != '\0'; count++) {
        struct line line = take_line(&at);
        assert_null(memmem(line.msg.data, line.msg.length, "hunter2", 7));
        assert_null(memmem(line.rest, line.rest_length, "hunter2", 7));
        buffer_free(&line.msg);
    }
    assert_in_range(count, 20, 78);
    buffer_free(&text);
}

/* ---- a terminal ---- */

static void log_to_a_terminal(void)
{
    setenv("NO_COLOR", "1", 1);
    secret_remember(credentials, strlen(credentials));
    log_event(LEVEL_WARN, "see \x1b[2J this", "id", "x", NULL);
    log_event(LEVEL_INFO, "hunter2 \"x\"", NULL);
    unsetenv("NO_COLOR");
    log_event(LEVEL_ERROR, "red", NULL);
    tell(talk);
    await(talk); /* what is in a terminal goes with its last process */
}

static void test_a_terminal_gets_text_that_cannot_drive_it(void **state)
{
    (void)state;
    int reader = posix_openpt(O_RDWR | O_NOCTTY);
    if (reader < 0 || grantpt(reader) != 0 || unlockpt(reader) != 0) {
        print_message("there is no pseudo terminal here\n");
        skip();
    }
    int writer = open(ptsname(reader), O_RDWR | O_NOCTTY);
    assert_true(writer >= 0);
    struct child child = start_on(log_to_a_terminal, reader, writer);
    await(child.talk);
    struct buffer lines[3] = {{0}};
    for (int i = 0; i < 3; i++)
        read_line(reader, &lines[i]);
    tell(child.talk);
    finish(&child);
    assert_string_equal(lines[0].data + 12, " WARN  see ?[2J this id=\"x\"\r\n"); /* behind hh:mm:ss.mmm */
    assert_string_equal(lines[1].data + 12, " INFO  ***\r\n");
    assert_string_equal(lines[2].data + 12, " \x1b[31mERROR\x1b[0m red\r\n");
    for (int i = 0; i < 3; i++)
        buffer_free(&lines[i]);
    close(reader);
    close(child.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_is_what_the_manager_reads),
        cmocka_unit_test(test_lines_below_the_least_level_are_dropped),
        cmocka_unit_test(test_reserved_names_get_an_underscore),
        cmocka_unit_test(test_whatever_is_logged_is_utf8),
        cmocka_unit_test(test_long_messages_are_cut_between_characters),
        cmocka_unit_test(test_attributes_that_do_not_fit_are_left_out),
        cmocka_unit_test(test_no_secret_is_logged),
        cmocka_unit_test(test_without_memory_lines_are_lost_and_never_wrong),
        cmocka_unit_test(test_a_terminal_gets_text_that_cannot_drive_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
