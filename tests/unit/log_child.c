/* What the log's tests share: see log_child.h. */
#include "log_child.h"
#include "base/json.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { LINE_LIMIT = 32 * 1024 };

/* ---- the child ---- */

int talk; /* the child's end */

void tell(int fd)
{
    if (write(fd, "!", 1) != 1)
        _exit(9);
}

void await(int fd)
{
    char byte;
    if (read(fd, &byte, 1) != 1)
        _exit(9);
}

struct child start_on(void (*scenario)(void), int reader, int writer)
{
    int out[2], talks[2];
    assert_int_equal(pipe(out), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, talks), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(writer, STDERR_FILENO);
        dup2(out[1], STDOUT_FILENO);
        talk = talks[1];
        close(reader);
        close(writer);
        close(out[0]);
        close(out[1]);
        close(talks[0]);
        (void)signal(SIGPIPE, SIG_IGN);
        alarm(SECONDS);
        scenario();
        _exit(0);
    }
    close(writer);
    close(out[1]);
    close(talks[1]);
    return (struct child){pid, reader, out[0], talks[0]};
}

struct child start(void (*scenario)(void))
{
    int err[2];
    assert_int_equal(pipe(err), 0);
    return start_on(scenario, err[0], err[1]);
}

/* What comes until the other side is closed, with a NUL behind it. */
struct buffer read_all(int fd)
{
    struct buffer text = {0};
    ssize_t got;
    do {
        assert_true(buffer_reserve(&text, 65536));
        got = read(fd, text.data + text.length, 65535);
        text.length += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    close(fd);
    text.data[text.length] = '\0';
    return text;
}

/* Waits for its end: it must have come there by itself. */
void finish(const struct child *child)
{
    int status;
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    assert_int_equal(status, 0);
    close(child->talk);
}

/* Runs it; what it wrote on stderr. */
struct buffer output_of(void (*scenario)(void))
{
    struct child child = start(scenario);
    struct buffer text = read_all(child.err);
    close(child.out);
    finish(&child);
    return text;
}

/* ---- a line ---- */

static void next_text(struct json_reader *r, const char *name, struct buffer *text)
{
    struct json_event event;
    struct error e;
    if (!json_next(r, &event, &e))
        fail_msg("%s", e.message);
    assert_int_equal(event.kind, JSON_KEY);
    assert_int_equal(event.length, strlen(name));
    assert_memory_equal(event.text, name, event.length);
    if (!json_next(r, &event, &e))
        fail_msg("%s", e.message);
    assert_int_equal(event.kind, JSON_STRING);
    buffer_clear(text);
    assert_true(buffer_append(text, event.text, event.length));
}

/* Takes the line at *text, which must be what the manager can read, and moves on behind it. */
struct line take_line(const char **text)
{
    struct line line = {.level = ""};
    struct json_reader r;
    struct json_event event;
    const char *newline = strchr(*text, '\n');
    assert_non_null(newline);
    size_t length = (size_t)(newline - *text);
    assert_in_range(length, 2, LINE_LIMIT - 1);
    json_reader_init(&r, *text, length);
    assert_true(json_next(&r, &event, NULL) && event.kind == JSON_OBJECT);
    next_text(&r, "time", &line.msg);
    assert_int_equal(line.msg.length, strlen("2026-08-22T10:11:12.123456789Z"));
    assert_true(buffer_add(&line.msg, '\0'));
    struct tm when;
    const char *nanoseconds = strptime(line.msg.data, "%Y-%m-%dT%H:%M:%S", &when);
    assert_true(nanoseconds != NULL && *nanoseconds == '.' && strspn(nanoseconds + 1, "0123456789") == 9);
    assert_string_equal(nanoseconds + 10, "Z");
    next_text(&r, "level", &line.msg);
    assert_in_range(line.msg.length, 4, 5);
    memcpy(line.level, line.msg.data, line.msg.length);
    next_text(&r, "msg", &line.msg);
    line.rest = r.at;
    line.rest_length = (size_t)(newline - 1 - r.at);
    do
        assert_true(json_next(&r, &event, NULL));
    while (event.kind != JSON_END);
    json_reader_free(&r);
    *text = newline + 1;
    return line;
}

void assert_line(const char **text, const char *level, const char *msg, const char *rest)
{
    struct line line = take_line(text);
    assert_true(buffer_add(&line.msg, '\0'));
    assert_string_equal(line.level, level);
    assert_string_equal(line.msg.data, msg);
    assert_int_equal(line.rest_length, strlen(rest));
    assert_memory_equal(line.rest, rest, line.rest_length);
    buffer_free(&line.msg);
}

/* `shift` bytes of 's', then the filling over and over, whole, up to *size bytes, which becomes the length. The caller frees it. */
char *filled(const char *filling, size_t *size, size_t shift)
{
    size_t length = strlen(filling);
    char *text = malloc(*size);
    *size = shift + (*size - shift) / length * length;
    for (size_t i = 0; text != NULL && i < *size; i++)
        text[i] = i < shift ? 's' : filling[(i - shift) % length];
    return text;
}

/* Reads one line, byte for byte: what is behind it stays in the pipe. */
void read_line(int fd, struct buffer *text)
{
    buffer_clear(text);
    char byte = 0;
    while (byte != '\n') {
        assert_int_equal(read(fd, &byte, 1), 1);
        assert_true(buffer_add(text, byte));
    }
    assert_true(buffer_add(text, '\0'));
}
