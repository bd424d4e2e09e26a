#pragma once
/* A child process as a part of a pipe: a stage (its stdin is what it reads, its stdout what it gives) or, where it reads from
 * nothing, a source.  As a sink it is the stage of a through_sink (memory.h).
 *
 * The first read starts it.  It ends well when it has exited and its stdout, or a second, is over: processes that it left behind
 * and that hold its stdout open are left alone, and not waited for.  When the flow is over, its time is over, what it reads from
 * fails, or the stream is freed before its end, its whole process group is ended (child_end). */
#include "work/child.h"
#include "work/stream.h"

enum { EXEC_GRACE = 400 /* milliseconds between SIGTERM and SIGKILL */ };

struct exec_options {
    struct command *command; /* owned from here on, also when exec_create fails */
    double timeout;          /* seconds; 0: none */
    bool check;              /* another exit status than 0, or a signal, is an error: "git archive: exit status 128: <the last lines of stderr>" */
    size_t errors_most;      /* how many bytes of stderr are kept, the last ones; each line is logged at debug level, too */
    struct sink *errors;     /* or what gets stderr instead; owned like command. Like all that a pipe writes, it appears only when all has succeeded. NULL: none */
};

/* NULL: no memory. */
struct stream *exec_create(struct exec_options options);

/* What became of it; valid when the stream has been read to its end. */
struct exec_outcome {
    int status;         /* exit status; 128 + the signal's number when a signal ended it */
    int signal;         /* 0: none */
    const char *errors; /* what is kept of stderr; the stream's */
    size_t length;
    const struct sink *sink; /* exec_options' errors */
};
struct exec_outcome exec_outcome(const struct stream *s);
