#pragma once
/* Text that comes in pieces, as from a pipe, on its way into the log: each line of it a log line of its own.
 *
 * Credentials are taken out before anything is cut, also where a piece ends in the middle of one; what may be the beginning
 * of one waits for the next piece.  One owner at a time. */
#include "base/buffer.h"
#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialised, but for the level, and an attribute, if each line is to have one. */
struct log_lines {
    enum log_level level;
    struct log_attribute attribute; /* its name NULL: none */
    struct buffer pending; /* what may be the beginning of a credential */
    struct buffer line;    /* the unfinished line so far, redacted */
    bool lost;             /* there was no memory: nothing more of this line */
};

/* Logs the lines that are whole now, and of an unfinished one what is too much to wait with. */
void log_lines_add(struct log_lines *lines, const char *text, size_t length);

/* Logs the unfinished line, and frees the memory; more may be added afterwards. */
void log_lines_end(struct log_lines *lines);
