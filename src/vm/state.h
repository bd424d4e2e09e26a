#pragma once
/* What the files of vm/ share: the state behind struct vm, and a task. */
#include "base/tempdir.h"
#include "vm/arena.h"
#include "vm/vm.h"
#include "work/pool.h"

#include <lauxlib.h>
#include <lua.h>
#include <signal.h>

struct task;

/* Why a coroutine yielded to the loop. */
enum yield_reason {
    YIELD_SCRIPT,  /* by coroutine.yield, where nobody expects it */
    YIELD_WAIT,    /* a primitive waits; task_wake goes on */
    YIELD_PREEMPT, /* its slice was too long: others first */
    YIELD_KILL,    /* its time is over */
};

struct task_list {
    struct task *first, *last;
};

struct vm {
    lua_State *L; /* the main thread of the state */
    struct vm_limits limits;
    size_t memory_used;
    struct arena arena;
    struct pool *pool;         /* NULL at the end, when finalisers run */
    const struct tempdir *dir; /* NULL until vm_start */
    struct buffer capabilities;
    char start_failure[sizeof((struct error *)0)->message + 64]; /* empty: none */
    char gc_failure[sizeof((struct error *)0)->message]; /* the last error in a __gc during this slice; empty: none */
    char gc_message[sizeof((struct error *)0)->message]; /* the one that a task is being ended for */
    struct buffer warning; /* pieces of the warning that Lua is making */
    bool warning_lost;     /* there was no memory for one of them */
    struct buffer log_values; /* of the line that lib_log.c writes */
    struct buffer scratch;    /* lib_request.c's; holds nothing across a call that may run a finaliser */
    unsigned works;

    /* tasks */
    struct task *current; /* NULL: none runs */
    enum yield_reason reason;
    unsigned pinned; /* >0: a coroutine of the script's is resumed from where nothing can yield to the loop */
    struct task_list ready, all, idle;
    unsigned idle_count;
    struct task *sleeping; /* sorted by wake time */

    /* the watch over the running slice */
    const char *killing;    /* why the running slice must end: the hook raises or yields at once; NULL: it need not */
    bool denied;            /* Lua gets no more memory, so that the slice ends */
    uint64_t deadline;      /* of what runs outside of tasks (cleanup, closing); 0: none */
    bool starting;          /* an interrupt ends what runs */
    bool gentle;            /* it does so by an error like any other, at first */
    uint64_t closing_until; /* it has: the <close> variables have until then; 0: not yet */
    bool closing;           /* the Lua state */
    bool outside;           /* the loop is not running: start, cleanup */
    struct transit *transits; /* lib_coroutine.c: coroutines that wait inside of a primitive */
    lua_Hook on_line;         /* lib_test.c: is told of each line that runs; NULL, but in a test that asks for it */
};

static inline struct vm *vm_of(lua_State *L) { return *(struct vm **)lua_getextraspace(L); }

/* ---- slice.c: the watch ---- */

enum { CLOSING_TIME = 1000000000 }; /* nanoseconds, for the <close> variables of what is ended */


/* The loop lets L run Lua code: a slice begins. Returns what ran before, for slice_end; slices nest. */
lua_State *slice_begin(lua_State *L);
void slice_end(lua_State *before);
/* Another coroutine runs in the same slice; returns the one before. */
lua_State *slice_switch(lua_State *L);
bool slice_open(struct error *e);
void slice_close(void);
/* L runs with no hook again, but for vm->on_line. */
void slice_unhook(lua_State *L);
/* Why what runs has to end now (a text), or NULL. */
const char *slice_over(const struct vm *vm);
/* The same, about to be raised.  `gently`: as an error like any other, after which <close> variables have some time. */
const char *slice_end_now(struct vm *vm, bool *gently);
/* The coroutine that runs now, or NULL. */
lua_State *slice_running(void);
/* Whether the process was told to stop (vm_interrupt). */
bool slice_interrupted(void);

/* ---- task.c ---- */

struct task {
    struct vm *vm;
    lua_State *L;
    int anchor; /* registry reference of L */
    enum { TASK_IDLE, TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_DONE } state;
    struct vm_request *request; /* NULL in a part of ocm.parallel */
    struct task *root;          /* the request's task: itself, or the one that called ocm.parallel */
    uint64_t deadline;          /* 0: none */
    uint64_t wake_at;           /* while sleeping */
    bool sleeping;
    int arguments;              /* on L's stack, for the first resume */
    const char *killed;         /* why task_kill ended it; NULL: it did not */
    int status;                 /* TASK_DONE: LUA_OK, or the error's; results or error object are on L's stack */
    void (*done)(struct task *task);
    void *context;              /* done's */
    struct task *next, *previous;         /* in ready or idle (next), or in sleeping */
    struct task *all_next, *all_previous; /* in all */
};

/* The task that runs on L and can wait, or NULL: then a primitive blocks. */
struct task *task_waitable(lua_State *L);

/* A new task, its coroutine's stack empty. Raises when Lua is out of memory. */
struct task *task_create(lua_State *L);
/* The function and `arguments` are on task->L. */
void task_start(struct task *task, int arguments);
/* In a primitive, last: the task waits until task_wake. */
int task_wait(lua_State *L, lua_KContext context, lua_KFunction k);
void task_wake(struct task *task);
void task_sleep(struct task *task, uint64_t until); /* then task_wait */
/* Ends a task that is not running; its variables are closed; done is not called. */
void task_cancel(struct task *task);
/* Ends it and answers its request. */
void task_kill(struct task *task, unsigned status, const char *message);
/* Closes its coroutine: the <close> variables run, for a second at most. The new error, if any, is left on its stack. */
int task_close(struct task *task);
/* Gives a task in TASK_DONE, or a cancelled one, back. */
void task_release(struct task *task);
/* Outside of tasks: lets tasks run until *done, which one of them sets. */
void task_pump(lua_State *L, const bool *done);
/* Sleeps without a task: until then, the deadline, or an interrupt. */
void task_block(lua_State *L, uint64_t until);
/* Raises when what runs outside of tasks has to end (deadline, interrupt). */
void task_check(lua_State *L);

/* ---- job.c ---- */

/* Pushes a handle that will own a job. */
struct job **job_handle(lua_State *L);
/* Submits the job of the handle at `index`, waits, then continues with `finish` (context: index), which reads the result from the handle's job. */
int job_run(lua_State *L, int index, lua_KFunction finish);

/* ---- request.c ---- */

/* The functions of lua/ocm/dispatch.lua that requests go through, from the table on top of the stack (popped). */
void request_open(lua_State *L);
/* Logs why a task ends, with the traceback of its coroutine. */
void request_log_failure(struct task *task, const char *message);

/* ---- the modules that scripts see, a file each ---- */

int luaopen_ocm_child(lua_State *L);
int luaopen_ocm_command(lua_State *L);
int luaopen_ocm_check(lua_State *L);
int luaopen_ocm_crypto(lua_State *L);
int luaopen_ocm_file(lua_State *L);
int luaopen_ocm_fs(lua_State *L);
int luaopen_ocm_log(lua_State *L);
int luaopen_ocm_pipe(lua_State *L);
int luaopen_ocm_request(lua_State *L);
int luaopen_ocm_socket(lua_State *L);
int luaopen_ocm_task(lua_State *L);
int luaopen_ocm_test(lua_State *L);
int luaopen_ocm_text(lua_State *L);

/* Pushes what gives ocm.load the files of a bundle, which outlives the state; nil for NULL. */
void lib_bundle_push(lua_State *L, const struct bundle *bundle);
/* Replaces what would go past the program's own: coroutine.resume and .wrap, print, io.stdout. After luaL_openlibs. */
void lib_coroutine_open(lua_State *L);
void lib_output_open(lua_State *L);
/* The path of a source or sink, from the value at `index` (which is replaced): a path, a Location table, or a tempfile (then *tempfile, if not
 * NULL, is true).  NULL: it is none of these, and *wrong says why; a text on the stack may hold that. */
const char *lib_file_path(lua_State *L, int index, bool *tempfile, const char **wrong);
