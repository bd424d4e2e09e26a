/* The log's lines, its queue, and the thread that writes it: see log.h.
 *
 * The thread sleeps in one poll(): on an eventfd (something was queued), on the pipe that stands for stdout, and, while
 * bytes are waiting, on stderr being writable.  It writes at most PIPE_BUF bytes at a time, which a pipe that polls as
 * writable takes without blocking; so a reader that has stopped costs nothing but the lines that the queue cannot hold.
 * stderr is never made non-blocking: its open file belongs to the user's terminal, too. */
#include "base/log.h"
#include "base/buffer.h"
#include "base/json.h"
#include "base/log_lines.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 31 * 1024, /* the manager's reader gives up at 64 KiB */
    QUEUE_MAX_BYTES = 1024 * 1024,
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t flushed;
    pthread_t thread;
    struct buffer queue; /* lines not yet written */
    unsigned long lost;  /* lines dropped since the last report */
    bool running, stopping, broken;
    int wake;   /* eventfd */
    int output; /* read end of the pipe that stands for stdout */
    atomic_int terminal; /* is stderr one? -1: not asked yet */
    atomic_int least;    /* level */
    atomic_int copy;     /* log_copy_to; -1: none */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .flushed = PTHREAD_COND_INITIALIZER, .wake = -1, .output = -1, .terminal = -1, .copy = -1};

void log_copy_to(int fd) { atomic_store(&state.copy, fd); }

void log_copy(const char *line, size_t length)
{
    int fd = atomic_load(&state.copy);
    if (fd >= 0)
        (void)!write(fd, line, length); /* a full disk costs lines, nothing else */
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    return names[level];
}

/* Where text may be cut at `limit` bytes without splitting a UTF-8 sequence. */
static size_t cut(const char *text, size_t length, size_t limit)
{
    if (length <= limit)
        return length;
    size_t at = limit;
    while (at > 0 && limit - at < 4 && ((unsigned char)text[at] & 0xC0) == 0x80)
        at--;
    return at;
}

static bool reserved(const char *name) { return strcmp(name, "time") == 0 || strcmp(name, "level") == 0 || strcmp(name, "msg") == 0; }

static bool format_json(struct buffer *line, enum log_level level, const char *msg, size_t length, bool truncated, const struct log_attribute *attributes, size_t count)
{
    static _Thread_local time_t second = -1; /* the date changes less often than lines come */
    static _Thread_local char stamp[40];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != second) {
        struct tm utc;
        second = now.tv_sec;
        gmtime_r(&second, &utc);
        strftime(stamp, sizeof stamp, "{\"time\":\"%Y-%m-%dT%H:%M:%S.", &utc);
    }
    char fraction[] = "000000000Z\",\"level\":\"";
    for (long rest = now.tv_nsec, i = 8; rest > 0; rest /= 10)
        fraction[i--] = (char)('0' + rest % 10);
    bool ok = buffer_reserve(line, length + 128) && buffer_puts(line, stamp) && buffer_puts(line, fraction) && buffer_puts(line, log_level_name(level)) &&
              buffer_puts(line, "\",\"msg\":") && json_write_lenient(line, msg, length);
    for (size_t i = 0; ok && i < count; i++) {
        size_t before = line->length;
        ok = buffer_add(line, ',') && json_write_lenient(line, attributes[i].name, strlen(attributes[i].name));
        if (ok && reserved(attributes[i].name)) {
            line->length--;
            ok = buffer_puts(line, "_\"");
        }
        ok = ok && buffer_add(line, ':') && buffer_append(line, attributes[i].json, attributes[i].length);
        if (line->length > LINE_MAX_BYTES - 32) {
            line->length = before;
            truncated = true;
        }
    }
    if (ok && truncated)
        ok = buffer_puts(line, ",\"truncated\":true");
    return ok && buffer_puts(line, "}\n");
}

/* A terminal must not be driven by what a plugin logs: C0, DEL and C1 (in UTF-8) become '?'. */
static bool put_visible(struct buffer *line, const char *text, size_t length)
{
    bool ok = true;
    for (size_t i = 0; ok && i < length; i++) {
        unsigned char c = (unsigned char)text[i], next = i + 1 < length ? (unsigned char)text[i + 1] : 0;
        bool control = (c < 0x20 && c != '\t' && c != '\n') || c == 0x7F;
        bool control8 = c == 0xC2 && next >= 0x80 && next < 0xA0;
        ok = buffer_add(line, control || control8 ? '?' : text[i]);
        i += control8;
    }
    return ok;
}

static bool format_text(struct buffer *line, enum log_level level, const char *msg, size_t length, const struct log_attribute *attributes, size_t count)
{
    static const char *const colours[] = {"\033[2m", "\033[32m", "\033[33m", "\033[31m"};
    const char *no_color = getenv("NO_COLOR");
    bool colour = no_color == NULL || *no_color == '\0';
    struct timespec now;
    struct tm local;
    char stamp[16];
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    strftime(stamp, sizeof stamp, "%H:%M:%S", &local);
    bool ok = buffer_printf(line, "%s.%03ld %s%-5s%s ", stamp, now.tv_nsec / 1000000, colour ? colours[level] : "", log_level_name(level), colour ? "\033[0m" : "");
    ok = ok && put_visible(line, msg, length);
    for (size_t i = 0; ok && i < count; i++)
        ok = buffer_add(line, ' ') && put_visible(line, attributes[i].name, strlen(attributes[i].name)) && buffer_add(line, '=') &&
             put_visible(line, attributes[i].json, attributes[i].length);
    return ok && buffer_add(line, '\n');
}

/* The queue's own lock is held. */
static void report_loss(void)
{
    char line[128];
    int length = snprintf(line, sizeof line, "{\"level\":\"WARN\",\"msg\":\"log lines lost: nobody read them\",\"lost\":%lu}\n", state.lost);
    if (length > 0 && buffer_append(&state.queue, line, (size_t)length))
        state.lost = 0;
}

static void write_directly(const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, data, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        data += written;
        length -= (size_t)written;
    }
}

static _Thread_local volatile sig_atomic_t holding, held; /* between log_hold and log_release; a wake is due */

static void wake(void)
{
    uint64_t one = 1;
    (void)!write(state.wake, &one, sizeof one);
}

static void put(const struct buffer *line)
{
    log_copy(line->data, line->length);
    pthread_mutex_lock(&state.lock);
    if (!state.running) {
        pthread_mutex_unlock(&state.lock);
        write_directly(line->data, line->length);
        return;
    }
    bool asleep = state.queue.length == 0;
    if (state.queue.length + line->length > QUEUE_MAX_BYTES) {
        state.lost++;
    } else {
        if (state.lost > 0)
            report_loss();
        if (!buffer_append(&state.queue, line->data, line->length))
            state.lost++;
    }
    pthread_mutex_unlock(&state.lock);
    if (asleep && holding)
        held = true;
    else if (asleep)
        wake();
}

void log_hold(void) { holding = true; }

void log_nudge(void)
{
    if (!held)
        return;
    held = false;
    wake();
}

void log_release(void)
{
    holding = false;
    log_nudge();
}

static void write_line(enum log_level level, const char *msg, size_t length, const struct log_attribute *attributes, size_t count)
{
    size_t kept = cut(msg, length, state.terminal ? LINE_MAX_BYTES : LINE_MAX_BYTES / 2);
    for (int attempt = 0; attempt < 2; attempt++) {
        struct buffer line = {0};
        bool ok = state.terminal ? format_text(&line, level, msg, kept, attributes, count) : format_json(&line, level, msg, kept, kept < length, attributes, count);
        bool fits = state.terminal || line.length <= LINE_MAX_BYTES + 64;
        if (ok && fits)
            put(&line);
        buffer_free(&line);
        if (!ok || fits)
            return;
        kept = cut(msg, length, LINE_MAX_BYTES / 6 - 64); /* a byte becomes six at most, as in \u0001 */
    }
}

void log_write(enum log_level level, const char *msg, size_t length, const struct log_attribute *attributes, size_t count)
{
    enum { MOST = 64 };
    if ((int)level < atomic_load(&state.least))
        return;
    if (atomic_load(&state.terminal) < 0)
        atomic_store(&state.terminal, isatty(STDERR_FILENO));
    if (!secret_any()) {
        write_line(level, msg, length, attributes, count);
        return;
    }
    struct buffer text = {0};
    struct log_attribute redacted[MOST];
    size_t names[MOST], ends[MOST], used = 0;
    if (count > MOST)
        count = MOST;
    bool ok = secret_redact(&text, msg, length);
    length = text.length;
    for (; ok && used < count; used++) {
        ok = secret_redact(&text, attributes[used].name, strlen(attributes[used].name)) && buffer_add(&text, '\0');
        names[used] = text.length;
        ok = ok && secret_redact_json(&text, attributes[used].json, attributes[used].length);
        ends[used] = text.length;
    }
    for (size_t i = 0, start = length; ok && i < count; start = ends[i++])
        redacted[i] = (struct log_attribute){text.data + start, text.data + names[i], ends[i] - names[i]};
    if (ok) /* else: no memory to hide what must be hidden, so the line is not written */
        write_line(level, text.data, length, redacted, count);
    buffer_free(&text);
}

void log_from(enum log_level level) { atomic_store(&state.least, (int)level); }

void log_event(enum log_level level, const char *msg, ...)
{
    enum { MOST = 12, VALUE_MAX_BYTES = 8 * 1024 };
    struct log_attribute attributes[MOST];
    struct buffer values[MOST] = {{0}};
    size_t count = 0;
    va_list arguments;
    va_start(arguments, msg);
    for (const char *name; count < MOST && (name = va_arg(arguments, const char *)) != NULL; count++) {
        const char *text = va_arg(arguments, const char *);
        if (text == NULL)
            text = "";
        struct buffer hidden = {0}; /* redacted before it is cut, so that no half of a secret is left */
        bool ok = secret_redact(&hidden, text, strlen(text)) && json_write_lenient(&values[count], hidden.data != NULL ? hidden.data : "", cut(hidden.data, hidden.length, VALUE_MAX_BYTES));
        buffer_free(&hidden);
        if (!ok)
            break;
        attributes[count] = (struct log_attribute){name, values[count].data, values[count].length};
    }
    va_end(arguments);
    log_write(level, msg, strlen(msg), attributes, count);
    for (size_t i = 0; i < MOST; i++)
        buffer_free(&values[i]);
}

/* ---- the thread ---- */

/* Takes what stands in the pipe. False: nothing did. */
static bool read_output(struct log_lines *lines)
{
    char chunk[4096];
    ssize_t got = read(state.output, chunk, sizeof chunk);
    if (got <= 0)
        return false;
    log_lines_add(lines, chunk, (size_t)got);
    return true;
}

/* The queue becomes what is sent, when all before it is. Whether the log is being stopped. */
static bool refill(struct buffer *sending, size_t *sent)
{
    pthread_mutex_lock(&state.lock);
    if (*sent == sending->length) {
        if (state.queue.length == 0 && state.lost > 0)
            report_loss();
        buffer_clear(sending);
        struct buffer empty = *sending;
        *sending = state.queue;
        state.queue = empty;
        *sent = 0;
        if (state.broken)
            buffer_clear(sending);
    }
    bool stopping = state.stopping;
    pthread_mutex_unlock(&state.lock);
    return stopping;
}

/* Sends a piece that stderr takes without blocking. */
static void send_some(const struct buffer *sending, size_t *sent)
{
    size_t left = sending->length - *sent;
    ssize_t written = write(STDERR_FILENO, sending->data + *sent, left < PIPE_BUF ? left : PIPE_BUF);
    if (written > 0) {
        *sent += (size_t)written;
    } else if (written < 0 && errno != EINTR && errno != EAGAIN) {
        state.broken = true; /* nobody will ever read it: go on without */
        *sent = sending->length;
    }
}

static void *run(void *unused)
{
    struct buffer sending = {0};
    struct log_lines lines = {.level = LEVEL_INFO};
    size_t sent = 0;
    for (;;) {
        bool stopping = refill(&sending, &sent);
        bool pending = sent < sending.length;
        if (stopping && !pending) { /* the last words of child processes, then the end */
            while (read_output(&lines))
                ;
            log_lines_end(&lines);
            (void)refill(&sending, &sent);
            if (sent == sending.length)
                break;
            pending = true;
        }
        struct pollfd fds[] = {{state.wake, POLLIN, 0}, {state.output, POLLIN, 0}, {STDERR_FILENO, POLLOUT, 0}};
        if (poll(fds, pending ? 3 : 2, -1) < 0)
            continue;
        if (fds[0].revents & POLLIN) {
            uint64_t count;
            (void)!read(state.wake, &count, sizeof count);
        }
        if (fds[1].revents & (POLLIN | POLLHUP))
            (void)read_output(&lines);
        if (pending && fds[2].revents != 0)
            send_some(&sending, &sent);
    }
    buffer_free(&sending);
    log_lines_end(&lines);
    pthread_mutex_lock(&state.lock);
    state.running = false;
    pthread_cond_broadcast(&state.flushed);
    pthread_mutex_unlock(&state.lock);
    return unused;
}

bool log_start(int *handshake, struct error *e)
{
    int pipes[2] = {-1, -1};
    *handshake = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (*handshake < 0)
        return error_errno(e, errno, "duplicating stdout");
    if (pipe2(pipes, O_CLOEXEC) < 0 || (state.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        error_errno(e, errno, "opening the log's pipe");
        goto fail;
    }
    state.output = pipes[0];
    (void)fcntl(state.output, F_SETFL, O_NONBLOCK);
    if (dup2(pipes[1], STDOUT_FILENO) < 0) {
        error_errno(e, errno, "redirecting stdout");
        goto fail;
    }
    close(pipes[1]);
    state.running = true;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&state.thread, &attributes, run, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failed) {
        state.running = false;
        return error_errno(e, failed, "starting the log's thread");
    }
    return true;
fail:
    close(*handshake);
    if (pipes[0] >= 0) {
        close(pipes[0]);
        close(pipes[1]);
    }
    return false;
}

void log_stop(int milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (milliseconds % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&state.lock);
    bool started = state.running;
    state.stopping = true;
    uint64_t one = 1;
    if (started)
        (void)!write(state.wake, &one, sizeof one);
    int failed = 0;
    while (state.running && failed == 0)
        failed = pthread_cond_timedwait(&state.flushed, &state.lock, &until);
    pthread_mutex_unlock(&state.lock);
    if (!started)
        return;
    if (failed == 0) {
        pthread_join(state.thread, NULL);
        buffer_free(&state.queue);
    } else {
        pthread_detach(state.thread); /* it waits for a reader that does not read; the process ends now */
    }
}
