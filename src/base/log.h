#pragma once
/* The log: one line an event on stderr (protocol section 1).
 *
 * JSON when stderr is a pipe or a file, `{"time":…,"level":"INFO","msg":…,<attributes>}`, which the plugin manager re-logs;
 * text when it is a terminal.  A line stays below 32 KiB and is valid UTF-8, whatever it was made of.
 *
 * Until log_start, lines are written at once.  After it they go into a bounded queue, which a thread of its own writes
 * without ever waiting for a reader: no caller blocks, and what the queue cannot hold is counted and reported.
 * Every function may be called from any thread. */
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };

/* An attribute: `name`, and its value as JSON text. */
struct log_attribute {
    const char *name;
    const char *json;
    size_t length;
};

/* "DEBUG", "INFO", "WARN", "ERROR" */
const char *log_level_name(enum log_level level);

/* Attributes named time, level or msg get an underscore behind their name; those that do not fit any more are left out,
 * and `"truncated":true` says so. */
void log_write(enum log_level level, const char *msg, size_t length, const struct log_attribute *attributes, size_t count);

/* The same for C: names and values, all of them text, NULL behind the last: log_event(LEVEL_INFO, "starting up plugin", "id", id, NULL). */
__attribute__((sentinel)) void log_event(enum log_level level, const char *msg, ...);

/* From now on lines below `level` are dropped. At first: none. */
void log_from(enum log_level level);

/* Each line goes to this descriptor, too, in one write: a file that was opened to append, which nobody waits for.  It stays open.  Once. */
void log_copy_to(int fd);
/* A line, its newline included, goes there alone. */
void log_copy(const char *line, size_t length);

/* Starts the thread, and makes fd 1 a pipe into the log (each line an INFO line), so that nothing but the handshake reaches the
 * real stdout, which *handshake then is. */
bool log_start(int *handshake, struct error *e);

/* The loop's: between log_hold and log_release, lines of the calling thread only queue up, and the thread is woken once for all of them. */
void log_hold(void);
void log_release(void);
/* Async-signal-safe: wakes it before log_release, since that may take long to come. */
void log_nudge(void);

/* Gives the thread up to `milliseconds` to write what is queued, then ends it. */
void log_stop(int milliseconds);
