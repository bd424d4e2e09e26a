#pragma once
/* A child process with pipes to it, in a process group of its own.
 *
 * Started by posix_spawn, which is safe in a process with threads: signals are at their defaults and unblocked, and nothing of
 * ours is open in it but its three standard streams.  Whoever started it reaps it (child_reap, child_end); until then its
 * process id, and so its group's, belongs to nobody else.  Any thread, one at a time. */
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What to run. Everything is copied; NULL-terminated lists of strings. */
struct command;

/* argv[0]: the program, looked for as execvp does in this process's PATH; not a shell.  `changes`: "NAME=value" sets a variable of the
 * child's environment, which is otherwise this process's (`inherit`) or empty, "NAME" removes one; NULL: none.  `cwd` NULL: this process's.  Main thread.
 * NULL: no memory. */
struct command *command_create(const char *const *argv, const char *const *changes, bool inherit, const char *cwd);
void command_free(struct command *command); /* NULL: nothing */

/* The most bytes of address space that the program gets (RLIMIT_AS), and each that it starts; never more than this process may have.  0: as
 * many.  A program that may do more than this process (setuid) cannot be limited, and is ended at once. */
void command_limit_memory(struct command *command, uint64_t bytes);

/* For logs and errors: the program's name, and its first argument if that looks like a subcommand ("git archive"). Arguments may be
 * secrets: nothing else of them is ever told. */
const char *command_name(const struct command *command);

struct child {
    pid_t pid;        /* 0: there is none (any more) */
    int in, out, err; /* our ends of its pipes, close-on-exec, non-blocking; -1: closed */
    bool exited;      /* child_exited saw it */
    bool lost;        /* somebody else reaped it (a waitpid for any child): its id is no longer its own */
    int status;       /* as waitpid gives it; after child_reap or child_end */
};

/* `feed`: it reads what is written to child->in; else its stdin is empty. False: nothing runs, nothing is open. */
bool child_start(struct child *child, const struct command *command, bool feed, struct error *e);

/* Whether it has ended. Does not wait, nor reap. */
bool child_exited(struct child *child);

/* Takes the status of one that has ended.  False: it is lost. */
bool child_reap(struct child *child, struct error *e);

/* Ends whatever of its group is still there: SIGTERM, and SIGKILL after `grace` milliseconds.  Reaps it; the pipes stay open.
 * Does nothing when there is no child. */
void child_end(struct child *child, int grace);

/* Closes the pipes that are still open. */
void child_close(struct child *child);
