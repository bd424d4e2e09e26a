/* base/log, its thread: lines keep their order, stdout comes in between, and nobody ever waits for a reader. */
#include "base/log.h"
#include "log_child.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void log_through_the_thread(void)
{
    int handshake = -1;
    log_event(LEVEL_INFO, "before", NULL);
    if (!log_start(&handshake, NULL))
        _exit(2);
    if (write(handshake, "http://here\n", 12) != 12 || (fcntl(handshake, F_GETFD) & FD_CLOEXEC) == 0)
        _exit(3);
    for (int i = 0; i < 1000; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        log_event(LEVEL_INFO, text, NULL);
    }
    log_stop(SECONDS * 1000);
    log_event(LEVEL_INFO, "after", NULL);
}

static void test_lines_keep_their_order_and_stdout_is_the_handshakes(void **state)
{
    (void)state;
    struct child child = start(log_through_the_thread);
    struct buffer text = read_all(child.err), out = read_all(child.out);
    finish(&child);
    const char *at = text.data;
    assert_line(&at, "INFO", "before", "");
    for (int i = 0; i < 1000; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", i);
        assert_line(&at, "INFO", number, "");
    }
    assert_line(&at, "INFO", "after", "");
    assert_string_equal(at, "");
    assert_string_equal(out.data, "http://here\n");
    buffer_free(&text);
    buffer_free(&out);
}

static void write_to_stdout(void)
{
    int handshake;
    if (!log_start(&handshake, NULL))
        _exit(2);
    static const char text[] = "from a library\n\nsecond line\nlast words";
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(3);
    log_stop(SECONDS * 1000);
}

static void test_what_others_write_to_stdout_is_logged_to_the_last_word(void **state)
{
    (void)state;
    struct child child = start(write_to_stdout);
    struct buffer text = read_all(child.err), out = read_all(child.out);
    finish(&child);
    const char *at = text.data;
    assert_line(&at, "INFO", "from a library", "");
    assert_line(&at, "INFO", "second line", "");
    assert_line(&at, "INFO", "last words", "");
    assert_string_equal(at, "");
    assert_int_equal(out.length, 0);
    buffer_free(&text);
    buffer_free(&out);
}

enum { ENDLESS = 300000 };

static void write_one_endless_line(void)
{
    int handshake;
    if (!log_start(&handshake, NULL))
        _exit(2);
    size_t size = ENDLESS;
    char *text = filled("\xE2\x82\xAC", &size, 0);
    for (size_t sent = 0; sent < size;) {
        ssize_t written = write(STDOUT_FILENO, text + sent, size - sent);
        if (written <= 0)
            _exit(3);
        sent += (size_t)written;
    }
    free(text);
    log_stop(SECONDS * 1000);
}

static void test_an_endless_line_on_stdout_is_logged_in_pieces(void **state)
{
    (void)state;
    struct buffer text = output_of(write_one_endless_line), whole = {0};
    for (const char *at = text.data; *at != '\0';) {
        struct line line = take_line(&at);
        assert_true(buffer_append(&whole, line.msg.data, line.msg.length));
        buffer_free(&line.msg);
    }
    size_t size = ENDLESS;
    char *expected = filled("\xE2\x82\xAC", &size, 0);
    assert_int_equal(whole.length, size);
    assert_memory_equal(whole.data, expected, whole.length);
    free(expected);
    buffer_free(&whole);
    buffer_free(&text);
}

enum { THREADS = 4, LINES = 300 };

static void *log_lines(void *name)
{
    for (int i = 0; i < LINES; i++)
        log_event(LEVEL_INFO, name, "spread", "over more than one write", NULL);
    return NULL;
}

static void log_from_threads(void)
{
    int handshake;
    pthread_t threads[THREADS];
    static char names[] = "A\0B\0C\0D";
    if (!log_start(&handshake, NULL))
        _exit(2);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, log_lines, names + 2 * (ptrdiff_t)i);
    dprintf(STDOUT_FILENO, "meanwhile\n");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    log_stop(SECONDS * 1000);
}

static void test_threads_do_not_mix_their_lines(void **state)
{
    (void)state;
    struct buffer text = output_of(log_from_threads);
    int seen[THREADS] = {0}, others = 0;
    for (const char *at = text.data; *at != '\0';) {
        struct line line = take_line(&at);
        if (line.msg.length == 1 && line.msg.data[0] >= 'A' && line.msg.data[0] < 'A' + THREADS)
            seen[line.msg.data[0] - 'A']++;
        else
            others++;
        buffer_free(&line.msg);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(seen[i], LINES);
    assert_int_equal(others, 1);
    buffer_free(&text);
}

/* ---- readers that do not read ---- */

enum { FLOOD = 6000, FLOOD_BYTES = 500 }; /* three times what the queue holds */

static void flood(void)
{
    int handshake;
    char msg[FLOOD_BYTES];
    memset(msg, 'f', sizeof msg);
    if (!log_start(&handshake, NULL))
        _exit(2);
    for (int i = 0; i < FLOOD; i++)
        log_write(LEVEL_INFO, msg, sizeof msg, NULL, 0);
}

static void flood_then_wait(void)
{
    flood();
    tell(talk);
    await(talk);
    log_event(LEVEL_INFO, "it goes on", NULL);
    tell(talk);
    await(talk);
    log_stop(SECONDS * 1000);
}

/* How many lines this one, a report, says were lost; 0: it is none. */
static unsigned long lost_in(const char *line)
{
    const char *lost = strstr(line, "\"lost\":");
    return lost != NULL ? strtoul(lost + 7, NULL, 10) : 0;
}

static void test_lines_that_nobody_reads_are_counted_and_the_log_goes_on(void **state)
{
    (void)state;
    struct child child = start(flood_then_wait);
    struct buffer line = {0};
    await(child.talk); /* it has logged everything, though nobody read */
    unsigned long read = 0, lost = 0;
    while (read + lost < FLOOD) {
        read_line(child.err, &line);
        unsigned long more = lost_in(line.data);
        assert_true(more > 0 || strstr(line.data, "ffff") != NULL);
        lost += more;
        read += more == 0;
    }
    assert_int_equal(read + lost, FLOOD);
    assert_in_range(lost, 1, FLOOD - 1000);
    tell(child.talk);
    await(child.talk);
    read_line(child.err, &line); /* without waiting for the log's end */
    const char *at = line.data;
    assert_line(&at, "INFO", "it goes on", "");
    tell(child.talk);
    struct buffer rest = read_all(child.err);
    assert_int_equal(rest.length, 0);
    close(child.out);
    finish(&child);
    buffer_free(&rest);
    buffer_free(&line);
}

static void flood_then_stop(void)
{
    flood();
    tell(talk);
    await(talk);
    log_stop(SECONDS * 1000);
}

static void test_what_was_lost_is_said_at_the_end_too(void **state)
{
    (void)state;
    struct child child = start(flood_then_stop);
    await(child.talk);
    tell(child.talk);
    struct buffer text = read_all(child.err);
    close(child.out);
    finish(&child);
    unsigned long read = 0, lost = 0;
    for (char *line = strtok(text.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        unsigned long more = lost_in(line);
        lost += more;
        read += more == 0;
    }
    assert_int_equal(read + lost, FLOOD);
    buffer_free(&text);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void flood_and_give_up(void)
{
    flood();
    double before = now();
    log_stop(200);
    if (now() - before > SECONDS / 2.0 || now() - before < 0.15)
        _exit(4);
}

static void test_the_end_does_not_wait_for_a_reader(void **state)
{
    (void)state;
    struct child child = start(flood_and_give_up);
    finish(&child); /* nothing was read */
    close(child.err);
    close(child.out);
}

static void log_into_nothing(void)
{
    await(talk);
    flood();
    log_stop(SECONDS * 1000);
}

static void test_a_closed_stderr_changes_nothing(void **state)
{
    (void)state;
    struct child child = start(log_into_nothing);
    close(child.err);
    close(child.out);
    tell(child.talk);
    finish(&child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_keep_their_order_and_stdout_is_the_handshakes),
        cmocka_unit_test(test_what_others_write_to_stdout_is_logged_to_the_last_word),
        cmocka_unit_test(test_an_endless_line_on_stdout_is_logged_in_pieces),
        cmocka_unit_test(test_threads_do_not_mix_their_lines),
        cmocka_unit_test(test_lines_that_nobody_reads_are_counted_and_the_log_goes_on),
        cmocka_unit_test(test_what_was_lost_is_said_at_the_end_too),
        cmocka_unit_test(test_the_end_does_not_wait_for_a_reader),
        cmocka_unit_test(test_a_closed_stderr_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
