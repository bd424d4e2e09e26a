#pragma once
/* A plugin's Lua side, as the rest of the program sees it: load a script, ask what it declares, start it, give it requests.
 *
 * Everything here is for the main thread, but for vm_interrupt.  One struct vm a process: the watch over long slices has
 * one timer.  No Lua error leaves these functions. */
#include "base/buffer.h"
#include "base/bundle.h"
#include "base/error.h"
#include "base/tempdir.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

/* What the script's `limits` say (design: limits), or the defaults. */
struct vm_limits {
    size_t memory;   /* bytes that Lua may hold; default 512 MiB */
    size_t body;     /* bytes of a request's body; default 64 MiB */
    size_t header;   /* bytes of a request's head; default 128 KiB */
    uint64_t handler; /* nanoseconds that a handler may take; 0 (default): no limit */
};

/* A request on its way to a handler, and the answer on its way back.  The owner fills the first part, and keeps it all until
 * `completed` was called. */
struct vm_request {
    const char *method; /* as sent */
    const char *path;   /* decoded, `path_length` bytes, may hold NUL */
    size_t path_length;
    const char *raw_path; /* as sent, without the query */
    size_t raw_path_length;
    const char *query; /* raw, without '?'; NULL: none */
    const char *body;
    size_t body_length;
    /* The first header of that name, or NULL. */
    const char *(*header)(struct vm_request *request, const char *name);
    /* Calls visit for each header. */
    void (*headers)(struct vm_request *request, void (*visit)(void *context, const char *name, const char *value), void *context);
    /* Called once, in vm_request_start or later: the answer stands below. */
    void (*completed)(struct vm_request *request);

    unsigned status;          /* HTTP status */
    struct buffer answer;     /* the body */
    const char *content_type; /* a literal; NULL: none */
    struct buffer fields;     /* further headers: name NUL value NUL … */
};

enum vm_use {
    VM_PLUGIN,  /* print and io.stdout write to the log */
    VM_COMMAND, /* they are as in the standalone lua */
};

/* Creates the state with everything that scripts can `require`. `argv` becomes `arg`, as in the standalone lua: arg[0] is the script. */
struct vm *vm_create(int argc, char **argv, enum vm_use use, struct error *e);

/* Runs a command (lua/command) with `argv` as its arguments, arg[0] its name, blocking; temporary files are made in `dir`.  *status is then what the
 * process shall exit with.  False: it failed, or was interrupted (vm_interrupt), with e saying how. */
bool vm_command(struct vm *vm, const struct tempdir *dir, int *status, struct error *e);

/* Runs the script and takes its declaration: a file, or, where there is a bundle, one in it; `require` finds the others there.  False: `problems`
 * says everything that is wrong, a line each, beginning with file and line. */
bool vm_load(struct vm *vm, const char *script, const struct bundle *bundle, struct buffer *problems);

/* The document that `capabilities` prints (protocol section 1), without a newline. After vm_load. */
const char *vm_capabilities(const struct vm *vm, size_t *length);
const struct vm_limits *vm_limits(const struct vm *vm);

/* Calls the script's `start` with the decoded config, blocking.  Temporary files are made in `dir`.  False: it failed, with e saying
 * how; from then on every request is answered with 500 and that reason. */
bool vm_start(struct vm *vm, const struct tempdir *dir, const char *config, size_t length, struct error *e);

/* Begins a request.  A handler that never waits is done, and `completed` called, when this returns. */
void vm_request_start(struct vm *vm, struct vm_request *request);

/* The answer that requests get before any script sees them: plain text. */
void vm_request_answer(struct vm_request *request, unsigned status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Frees the answer's memory. */
void vm_request_free(struct vm_request *request);

/* For the loop: wait for vm_fd being readable, at most vm_timeout milliseconds (-1: no limit); then call vm_run. */
int vm_fd(const struct vm *vm);
int vm_timeout(const struct vm *vm);
void vm_run(struct vm *vm);

/* Uses of ocm.work() that are open: the plugin is not idle while there are any. */
unsigned vm_works(const struct vm *vm);

/* Ends every task: its variables are closed, its request answered with 503. */
void vm_cancel(struct vm *vm);

/* Calls the script's `cleanup`, blocking; it is cut off when `seconds` have passed. */
void vm_cleanup(struct vm *vm, double seconds);

/* Async-signal-safe: the process is to stop.  Ends `start`, and a handler that still has the main thread five seconds later; ends the process
 * after another five. */
void vm_interrupt(void);

/* Joins the workers and closes the state. False: a worker hangs, and the process should end without freeing anything.
 * `status`: a finaliser that does not come back within two seconds ends the process, with this exit status. */
bool vm_destroy(struct vm *vm, int status);

/* Now, CLOCK_MONOTONIC, in nanoseconds. */
uint64_t vm_now(void);
