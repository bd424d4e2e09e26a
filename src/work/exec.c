/* Child processes in pipes: see exec.h.
 *
 * read() waits for stdout, stderr, the exit, the deadline and the flow.  stdin has a thread of its own (the feeder), so that a
 * source which makes it wait delays neither output nor deadline; and so has a sink for stderr, since sinks pull.  Both are joined
 * by free at the latest, when the flow is over. */
#include "work/exec.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/log_lines.h"
#include "base/secret.h"
#include "work/thread.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LINGER = 1000,           /* milliseconds for what holds stdout open after the exit */
    LOGGED_MOST = 256 * 1024, /* bytes of stderr in the log: others want to be heard, too */
    TOLD_LINES = 3,          /* of stderr in an error */
    TOLD_BYTES = 600,
    ERRORS_AT_ONCE = 64 * 1024,
};

enum progress { WORKING, DONE, FAILED };
enum exit_seen { NOT_YET, EXITED, LONG_AGO /* LINGER milliseconds: nobody waits for what it left behind */ };

/* A thread that helps. */
struct helper {
    pthread_t thread;
    bool started;
    atomic_int progress; /* enum progress; DONE when there is none */
    struct error error;  /* FAILED: valid */
};

struct exec {
    struct stream stream;
    struct command *command;
    struct child child;
    enum { NEW, RUNNING, OVER } state; /* OVER: it has ended or failed, and is not to be read again */
    uint64_t deadline;   /* milliseconds, CLOCK_MONOTONIC; 0: none */
    uint64_t exited_at;  /* the same; 0: it runs */
    size_t left;         /* bytes of its stdout that were in the pipe then, and are still to be read */
    double timeout;
    bool check, errors_ended;
    struct helper feeder, collector;
    /* stderr without a sink */
    struct buffer kept, attribute; /* attribute: of its lines in the log, the program's name as JSON */
    struct log_lines lines;
    size_t most, logged; /* logged: bytes */
    bool cut;            /* kept has lost its beginning */
    /* stderr with one: the collector's */
    struct sink *sink;
    struct stream errors;
    atomic_int exit; /* enum exit_seen */
    int status;
};

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static const char *name_of(const struct exec *x) { return command_name(x->command); }

/* ---- helpers ---- */

static bool help(struct helper *helper, void *(*run)(void *), struct exec *x, struct error *e)
{
    atomic_store(&helper->progress, WORKING);
    helper->started = thread_start(&helper->thread, run, x);
    if (!helper->started)
        atomic_store(&helper->progress, DONE);
    return helper->started || error_errno(e, errno, "%s: starting a thread", name_of(x));
}

static void join(struct helper *helper)
{
    if (helper->started)
        (void)pthread_join(helper->thread, NULL);
    helper->started = false;
}

static enum progress progress_of(struct helper *helper) { return (enum progress)atomic_load(&helper->progress); }

/* Writes it all. False: the child does not want any more (*closed), or the flow is over. */
static bool write_all(struct exec *x, const char *data, size_t length, bool *closed)
{
    while (length > 0) {
        ssize_t written = write(x->child.in, data, length);
        if (written > 0) {
            data += written;
            length -= (size_t)written;
        } else if (written < 0 && errno != EAGAIN && errno != EINTR) {
            *closed = true;
            return false;
        } else {
            struct pollfd ready = {x->child.in, POLLOUT, 0};
            (void)poll(&ready, 1, STREAM_POLL);
            if (flow_over(x->stream.flow))
                return false;
        }
    }
    return true;
}

/* stdin stays open when it fails: an end of it would tell the child that it has everything. */
static void *feed(void *argument)
{
    struct exec *x = argument;
    struct helper *helper = &x->feeder;
    char *chunk = malloc(STREAM_CHUNK), *data = NULL;
    bool closed = false, ok = chunk != NULL || error_set(&helper->error, ENOMEM, "%s: out of memory", name_of(x));
    size_t got = 0;
    while (ok && (ok = stream_next(x->stream.from, chunk, &data, &got, &helper->error)) && got > 0)
        if (!write_all(x, data, got, &closed)) {
            ok = closed || error_set(&helper->error, ECANCELED, "cancelled");
            break;
        }
    free(chunk);
    if (ok) {
        close(x->child.in);
        x->child.in = -1;
    }
    atomic_store(&helper->progress, ok ? DONE : FAILED);
    return NULL;
}

static void *collect(void *argument)
{
    struct exec *x = argument;
    struct helper *helper = &x->collector;
    bool ok = x->sink->type->run(x->sink, &x->errors, &helper->error);
    atomic_store(&helper->progress, ok ? DONE : FAILED);
    return NULL;
}

/* The stream that the collector's sink reads: what the child writes to stderr until it exits. */
static bool errors_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct exec *x = (struct exec *)(void *)((char *)s - offsetof(struct exec, errors));
    for (;;) {
        int seen = atomic_load(&x->exit); /* before the read: what it wrote is in the pipe then */
        ssize_t length = seen != LONG_AGO ? read(x->child.err, data, size) : 0;
        if (length >= 0) {
            *got = (size_t)length;
            return true;
        }
        if (errno != EAGAIN && errno != EINTR)
            return error_errno(e, errno, "%s: reading its stderr", name_of(x));
        if (seen != NOT_YET && errno == EAGAIN) {
            *got = 0;
            return true;
        }
        struct pollfd ready = {x->child.err, POLLIN, 0};
        (void)poll(&ready, 1, STREAM_POLL / 4);
        if (flow_over(s->flow))
            return error_set(e, ECANCELED, "cancelled");
    }
}

static void errors_free(struct stream *s) { (void)s; }

/* ---- stderr without a sink ---- */

static void log_errors(struct exec *x, const char *data, size_t length)
{
    if (x->logged > LOGGED_MOST)
        return;
    x->logged += length;
    if (x->logged <= LOGGED_MOST) {
        log_lines_add(&x->lines, data, length);
    } else {
        buffer_free(&x->lines.pending);
        buffer_free(&x->lines.line);
        log_event(LEVEL_DEBUG, "no more of the program's stderr is logged", "program", name_of(x), NULL);
    }
}

/* Keeps the last `most` bytes; up to twice as many lie there between two moves. */
static bool keep(struct exec *x, const char *data, size_t length)
{
    if (!buffer_append(&x->kept, data, length))
        return false;
    if (x->kept.length > x->most) {
        x->cut = true;
        if (x->kept.length >= 2 * x->most) {
            memmove(x->kept.data, x->kept.data + x->kept.length - x->most, x->most);
            x->kept.length = x->most;
        }
    }
    return true;
}

/* Takes what stands in stderr. */
static bool take_errors(struct exec *x, struct error *e)
{
    char chunk[4096];
    for (size_t taken = 0; !x->errors_ended && taken < ERRORS_AT_ONCE;) {
        ssize_t got = read(x->child.err, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN) {
            x->errors_ended = x->exited_at != 0;
            break;
        }
        if (got < 0)
            return error_errno(e, errno, "%s: reading its stderr", name_of(x));
        x->errors_ended = got == 0;
        taken += (size_t)got;
        log_errors(x, chunk, (size_t)got);
        if (!keep(x, chunk, (size_t)got))
            return error_set(e, ENOMEM, "%s: out of memory", name_of(x));
    }
    x->errors_ended |= atomic_load(&x->exit) == LONG_AGO;
    return true;
}

static const char *kept_errors(const struct exec *x, size_t *length)
{
    size_t most = x->kept.length < x->most ? x->kept.length : x->most;
    *length = most;
    return most > 0 ? x->kept.data + x->kept.length - most : "";
}

/* ": " and the last lines of stderr, or nothing, for people. */
static void tell_errors(const struct exec *x, char *out, size_t size)
{
    size_t length, begin;
    const char *text = kept_errors(x, &length);
    struct buffer redacted = {0};
    *out = '\0';
    if (x->cut) { /* not from the middle of a line: it might begin within a secret */
        const char *newline = memchr(text, '\n', length);
        size_t skipped = newline != NULL ? (size_t)(newline - text) + 1 : length;
        text += skipped;
        length -= skipped;
    }
    if (secret_redact(&redacted, text, length)) {
        for (size_t i = 0; i < redacted.length; i++)
            if ((unsigned char)redacted.data[i] < ' ' && redacted.data[i] != '\n' && redacted.data[i] != '\t')
                redacted.data[i] = ' ';
        while (redacted.length > 0 && strchr(" \t\n", redacted.data[redacted.length - 1]) != NULL)
            redacted.length--;
        begin = redacted.length;
        for (int lines = 0; begin > 0 && redacted.length - begin < TOLD_BYTES; begin--)
            if (redacted.data[begin - 1] == '\n' && ++lines == TOLD_LINES)
                break;
        while (begin < redacted.length && (strchr(" \t\n", redacted.data[begin]) != NULL || ((unsigned char)redacted.data[begin] & 0xC0) == 0x80))
            begin++; /* nor from the middle of a character */
        if (begin < redacted.length)
            (void)snprintf(out, size, ": %.*s", (int)(redacted.length - begin), redacted.data + begin);
    }
    buffer_free(&redacted);
}

/* ---- its life ---- */

static bool start(struct exec *x, struct error *e)
{
    x->state = OVER;
    if (!child_start(&x->child, x->command, x->stream.from != NULL, e))
        return false;
    if (x->timeout > 0)
        x->deadline = now() + (uint64_t)(x->timeout * 1e3) + 1;
    x->errors.flow = x->stream.flow;
    if (x->sink != NULL)
        x->sink->flow = x->stream.flow;
    bool ok = (x->stream.from == NULL || help(&x->feeder, feed, x, e)) && (x->sink == NULL || help(&x->collector, collect, x, e));
    if (ok)
        x->state = RUNNING;
    else
        child_end(&x->child, EXEC_GRACE);
    return ok;
}

static bool may_go_on(struct exec *x, struct error *e)
{
    if (flow_over(x->stream.flow))
        return error_set(e, ECANCELED, "cancelled");
    if (x->deadline != 0 && now() >= x->deadline)
        return error_set(e, ETIME, "%s: timed out after %g s", name_of(x), x->timeout);
    struct helper *failed = progress_of(&x->feeder) == FAILED ? &x->feeder : progress_of(&x->collector) == FAILED ? &x->collector : NULL;
    if (failed == &x->collector)
        return error_set(e, failed->error.code, "%s: its stderr: %s", name_of(x), failed->error.message);
    if (failed != NULL)
        *e = failed->error;
    return failed == NULL;
}

static void notice_exit(struct exec *x)
{
    if (x->exited_at != 0 && now() >= x->exited_at + LINGER)
        atomic_store(&x->exit, LONG_AGO);
    if (x->exited_at != 0 || !child_exited(&x->child))
        return;
    int there = 0;
    if (x->child.out >= 0 && ioctl(x->child.out, FIONREAD, &there) == 0 && there > 0)
        x->left = (size_t)there;
    x->exited_at = now();
    atomic_store(&x->exit, EXITED);
}

static void close_output(struct exec *x)
{
    if (x->child.out >= 0)
        close(x->child.out);
    x->child.out = -1;
}

/* Reads from stdout what is there; *got 0: nothing is, or it is closed now. */
static bool take_output(struct exec *x, char *data, size_t size, size_t *got, struct error *e)
{
    *got = 0;
    if (x->child.out < 0)
        return true;
    ssize_t length = read(x->child.out, data, size);
    if (length < 0 && errno == EAGAIN)
        x->left = 0;
    else if (length < 0 && errno != EINTR)
        return error_errno(e, errno, "%s: reading its stdout", name_of(x));
    else if (length == 0)
        close_output(x);
    *got = length > 0 ? (size_t)length : 0;
    x->left -= *got < x->left ? *got : x->left;
    if (*got == 0 && x->left == 0 && atomic_load(&x->exit) == LONG_AGO)
        close_output(x);
    return true;
}

/* Until something happens, or `most` milliseconds. */
static void wait_a_little(const struct exec *x, int most)
{
    bool errors = x->sink == NULL && !x->errors_ended;
    struct pollfd fds[2] = {{x->child.out, POLLIN, 0}, {errors ? x->child.err : -1, POLLIN, 0}};
    if (x->deadline != 0) {
        uint64_t time = now(), rest = x->deadline > time ? x->deadline - time : 0;
        most = rest < (uint64_t)most ? (int)rest : most;
    }
    (void)poll(fds, 2, most);
}

static bool verdict(const struct exec *x, struct error *e)
{
    char told[TOLD_BYTES + 16];
    if (!x->check || x->status == 0)
        return true;
    tell_errors(x, told, sizeof told);
    if (WIFSIGNALED(x->status))
        return error_set(e, EIO, "%s: ended by signal %d (%s)%s", name_of(x), WTERMSIG(x->status), sigabbrev_np(WTERMSIG(x->status)), told);
    return error_set(e, EIO, "%s: exit status %d%s", name_of(x), WEXITSTATUS(x->status), told);
}

/* It has ended, and so have the helpers. */
static bool finish(struct exec *x, struct error *e)
{
    join(&x->feeder);
    join(&x->collector);
    log_lines_end(&x->lines);
    x->state = OVER;
    bool reaped = child_reap(&x->child, e);
    x->status = x->child.status;
    child_close(&x->child);
    if (!reaped)
        return false;
    struct exec_outcome outcome = exec_outcome(&x->stream);
    char status[16];
    (void)snprintf(status, sizeof status, "%d", outcome.status);
    log_event(LEVEL_DEBUG, "a program has ended", "program", name_of(x), "status", status, NULL);
    return verdict(x, e);
}

static bool exec_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct exec *x = (struct exec *)s;
    *got = 0;
    if (x->state == OVER)
        return error_set(e, EPIPE, "%s: it is over", name_of(x));
    if (x->state == NEW && !start(x, e))
        return false;
    for (int pause = 1;; pause = pause < STREAM_POLL / 2 ? 2 * pause : STREAM_POLL) {
        bool ok = may_go_on(x, e);
        notice_exit(x); /* before reading: then its last words are there */
        if (!ok || (x->sink == NULL && !take_errors(x, e)) || !take_output(x, data, size, got, e)) {
            child_end(&x->child, EXEC_GRACE);
            x->state = OVER;
            return false;
        }
        if (*got > 0)
            return true;
        if (x->child.out < 0 && x->exited_at != 0 && (x->sink != NULL || x->errors_ended) && progress_of(&x->feeder) == DONE &&
            progress_of(&x->collector) == DONE)
            return finish(x, e);
        wait_a_little(x, x->child.out >= 0 && x->exited_at == 0 ? STREAM_POLL : pause);
    }
}

static bool exec_commit(struct stream *s, struct error *e)
{
    struct exec *x = (struct exec *)s;
    return x->sink == NULL || x->sink->type->commit == NULL || x->sink->type->commit(x->sink, e);
}

static void exec_free(struct stream *s)
{
    struct exec *x = (struct exec *)s;
    child_end(&x->child, EXEC_GRACE);
    if (x->feeder.started || x->collector.started)
        flow_end(s->flow);
    join(&x->feeder);
    join(&x->collector);
    child_close(&x->child);
    sink_free(x->sink);
    command_free(x->command);
    buffer_free(&x->kept);
    buffer_free(&x->lines.pending);
    buffer_free(&x->lines.line);
    buffer_free(&x->attribute);
    free(x);
}

struct stream *exec_create(struct exec_options options)
{
    static const struct stream_type type = {.name = "command", .read = exec_read, .commit = exec_commit, .free = exec_free};
    static const struct stream_type errors_type = {.name = "stderr", .read = errors_read, .free = errors_free};
    struct exec *x = options.command != NULL ? calloc(1, sizeof *x) : NULL;
    if (x == NULL) {
        command_free(options.command);
        sink_free(options.errors);
        return NULL;
    }
    x->stream = (struct stream){.type = &type, .subject = command_name(options.command)};
    x->errors = (struct stream){.type = &errors_type, .subject = command_name(options.command)};
    x->command = options.command;
    x->child = (struct child){.in = -1, .out = -1, .err = -1};
    x->timeout = options.timeout;
    x->check = options.check;
    x->most = options.errors_most;
    x->sink = options.errors;
    x->lines.level = LEVEL_DEBUG;
    atomic_store(&x->feeder.progress, DONE);
    atomic_store(&x->collector.progress, DONE);
    if (!json_write_lenient(&x->attribute, name_of(x), strlen(name_of(x)))) {
        exec_free(&x->stream);
        return NULL;
    }
    x->lines.attribute = (struct log_attribute){"program", x->attribute.data, x->attribute.length};
    return &x->stream;
}

struct exec_outcome exec_outcome(const struct stream *s)
{
    const struct exec *x = (const struct exec *)s;
    struct exec_outcome outcome = {.sink = x->sink};
    if (WIFSIGNALED(x->status))
        outcome.signal = WTERMSIG(x->status);
    outcome.status = outcome.signal != 0 ? 128 + outcome.signal : WEXITSTATUS(x->status);
    outcome.errors = kept_errors(x, &outcome.length);
    return outcome;
}
