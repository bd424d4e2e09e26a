/* Tasks: coroutines that the loop resumes.
 *
 * A task is a request's handler, or a part of an ocm.parallel.  It runs until it returns, fails, or waits: a primitive calls
 * task_wait, which yields, and something on the main thread (a reaped job, a timer, another task) calls task_wake.  A task
 * is ended from outside by closing its coroutine, which runs its to-be-closed variables and asks no pcall.
 * Finished coroutines are kept for the next request. */
#include "vm/state.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_LIMIT = 64 };

/* ---- lists ---- */

static void all_insert(struct task *task)
{
    struct task_list *list = &task->vm->all;
    task->all_next = NULL;
    task->all_previous = list->last;
    *(list->last != NULL ? &list->last->all_next : &list->first) = task;
    list->last = task;
}

static void all_remove(struct task *task)
{
    struct task_list *list = &task->vm->all;
    *(task->all_previous != NULL ? &task->all_previous->all_next : &list->first) = task->all_next;
    *(task->all_next != NULL ? &task->all_next->all_previous : &list->last) = task->all_previous;
}

static void ready_append(struct task *task)
{
    struct task_list *list = &task->vm->ready;
    task->next = NULL;
    *(list->last != NULL ? &list->last->next : &list->first) = task;
    list->last = task;
}

static void ready_remove(struct task *task)
{
    struct task_list *list = &task->vm->ready;
    struct task *before = NULL;
    for (struct task *at = list->first; at != NULL; before = at, at = at->next)
        if (at == task) {
            *(before != NULL ? &before->next : &list->first) = task->next;
            if (list->last == task)
                list->last = before;
            return;
        }
}

static void sleeping_insert(struct task *task)
{
    struct task **at = &task->vm->sleeping;
    task->previous = NULL;
    while (*at != NULL && (*at)->wake_at <= task->wake_at) {
        task->previous = *at;
        at = &(*at)->next;
    }
    task->next = *at;
    if (task->next != NULL)
        task->next->previous = task;
    *at = task;
    task->sleeping = true;
}

static void sleeping_remove(struct task *task)
{
    *(task->previous != NULL ? &task->previous->next : &task->vm->sleeping) = task->next;
    if (task->next != NULL)
        task->next->previous = task->previous;
    task->sleeping = false;
}

/* ---- life ---- */

struct task *task_create(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct task *task = vm->idle.first;
    if (task != NULL) {
        vm->idle.first = task->next;
        vm->idle_count--;
    } else {
        lua_State *thread = lua_newthread(L);
        int anchor = luaL_ref(L, LUA_REGISTRYINDEX);
        task = calloc(1, sizeof *task);
        if (task == NULL) {
            luaL_unref(L, LUA_REGISTRYINDEX, anchor);
            luaL_error(L, "not enough memory");
            return NULL;
        }
        task->vm = vm;
        task->L = thread;
        task->anchor = anchor;
    }
    *task = (struct task){.vm = vm, .L = task->L, .anchor = task->anchor, .root = task};
    all_insert(task);
    return task;
}

void task_release(struct task *task)
{
    struct vm *vm = task->vm;
    all_remove(task);
    if (task->sleeping) /* it failed between falling asleep and yielding */
        sleeping_remove(task);
    task->state = TASK_IDLE;
    lua_settop(task->L, 0);
    if (task->status == LUA_OK && vm->idle_count < IDLE_LIMIT) {
        task->next = vm->idle.first;
        vm->idle.first = task;
        vm->idle_count++;
        return;
    }
    luaL_unref(vm->L, LUA_REGISTRYINDEX, task->anchor);
    free(task);
}

static void finish(struct task *task, int status)
{
    task->state = TASK_DONE;
    task->status = status;
    task->done(task);
}

int task_close(struct task *task)
{
    struct vm *vm = task->vm;
    struct task *current = vm->current;
    uint64_t deadline = vm->deadline;
    bool outside = vm->outside;
    vm->current = NULL;
    vm->outside = false;
    vm->deadline = vm_now() + CLOSING_TIME;
    lua_State *before = slice_begin(task->L);
    int status = lua_resetthread(task->L);
    slice_end(before);
    vm->outside = outside;
    vm->deadline = deadline;
    vm->current = current;
    return status;
}

/* An error in a finaliser ends the request in whose slice it came: Lua itself only warns. */
static bool fail_if_collector_failed(struct task *task)
{
    struct vm *vm = task->vm;
    if (vm->gc_failure[0] == '\0' || task->root->request == NULL)
        return false;
    memcpy(vm->gc_message, vm->gc_failure, sizeof vm->gc_message);
    task_kill(task->root, 500, vm->gc_message);
    return true;
}

static void resume(struct task *task)
{
    struct vm *vm = task->vm;
    struct task *current = vm->current;
    unsigned pinned = vm->pinned;
    int results = 0;
    vm->current = task;
    vm->pinned = 0;
    vm->reason = YIELD_SCRIPT;
    vm->gc_failure[0] = '\0';
    task->state = TASK_RUNNING;
    lua_State *before = slice_begin(task->L);
    int status = lua_resume(task->L, vm->L, task->arguments, &results);
    const char *killed = vm->killing;
    slice_end(before);
    if (before != NULL) { /* what waits for this task (task_pump) goes on */
        vm->killing = NULL;
        vm->denied = false;
    }
    task->arguments = 0;
    vm->current = current;
    vm->pinned = pinned;
    if (status == LUA_YIELD) {
        switch (vm->reason) {
        case YIELD_WAIT: /* task_wake may have come already */
            if (task->state == TASK_RUNNING)
                task->state = TASK_WAITING;
            fail_if_collector_failed(task);
            break;
        case YIELD_PREEMPT:
            task->state = TASK_READY;
            ready_append(task);
            fail_if_collector_failed(task);
            break;
        case YIELD_KILL: task_kill(task->root, slice_interrupted() ? 503 : 500, killed); break;
        case YIELD_SCRIPT: task_kill(task->root, 500, "the handler yielded: coroutine.yield works only inside of a coroutine that the script resumes"); break;
        }
    } else if (status != LUA_OK && killed != NULL) {
        task_kill(task->root, slice_interrupted() ? 503 : 500, killed);
    } else if (status != LUA_OK || !fail_if_collector_failed(task)) {
        finish(task, status);
    }
}

void task_start(struct task *task, int arguments)
{
    task->arguments = arguments;
    if (task->root == task && task->vm->limits.handler != 0)
        task->deadline = vm_now() + task->vm->limits.handler;
    if (task->request != NULL) {
        resume(task);
    } else {
        task->state = TASK_READY;
        ready_append(task);
    }
}

void task_cancel(struct task *task)
{
    if (task->state == TASK_DONE)
        return;
    if (task->sleeping)
        sleeping_remove(task);
    else if (task->state == TASK_READY)
        ready_remove(task);
    task->state = TASK_DONE;
    task->status = LUA_YIELD; /* its coroutine is not used again */
    (void)task_close(task);
}

void task_kill(struct task *task, unsigned status, const char *message)
{
    /* the traceback first: closing the coroutine takes its stack away */
    request_log_failure(task, message);
    task_cancel(task);
    task->killed = message;
    if (task->request != NULL)
        vm_request_answer(task->request, status, "%s", message);
    task->done(task);
}

/* ---- waiting ---- */

struct task *task_waitable(lua_State *L)
{
    struct vm *vm = vm_of(L);
    return vm->current != NULL && vm->pinned == 0 && lua_isyieldable(L) ? vm->current : NULL;
}

int task_wait(lua_State *L, lua_KContext context, lua_KFunction k)
{
    vm_of(L)->reason = YIELD_WAIT;
    return lua_yieldk(L, 0, context, k);
}

void task_wake(struct task *task)
{
    if (task->sleeping)
        sleeping_remove(task);
    if (task->state != TASK_WAITING && task->state != TASK_RUNNING)
        return;
    task->state = TASK_READY;
    ready_append(task);
}

void task_sleep(struct task *task, uint64_t until)
{
    task->wake_at = until;
    sleeping_insert(task);
}

/* ---- the loop's side ---- */

/* The earliest moment at which something is due, or 0. */
static uint64_t next_due(const struct vm *vm)
{
    uint64_t due = vm->sleeping != NULL ? vm->sleeping->wake_at : 0;
    if (vm->limits.handler != 0)
        for (const struct task *task = vm->all.first; task != NULL; task = task->all_next)
            if (task->deadline != 0 && task->state != TASK_DONE && (due == 0 || task->deadline < due))
                due = task->deadline;
    return due;
}

int vm_timeout(const struct vm *vm)
{
    if (vm->ready.first != NULL)
        return 0;
    uint64_t due = next_due(vm);
    if (due == 0)
        return -1;
    uint64_t now = vm_now();
    if (due <= now)
        return 0;
    uint64_t milliseconds = (due - now) / 1000000 + 1;
    return milliseconds < 3600000 ? (int)milliseconds : 3600000;
}

static void kill_overdue(struct vm *vm, uint64_t now)
{
    for (struct task *task = vm->all.first, *next; task != NULL; task = next) {
        next = task->all_next;
        if (task->root == task && task->deadline != 0 && now > task->deadline && (task->state == TASK_WAITING || task->state == TASK_READY)) {
            task_kill(task, 500, "the handler took longer than limits.handler allows");
            next = vm->all.first; /* its parts went with it */
        }
    }
}

void vm_run(struct vm *vm)
{
    if (vm->pool != NULL)
        pool_reap(vm->pool);
    uint64_t now = vm_now();
    while (vm->sleeping != NULL && vm->sleeping->wake_at <= now)
        task_wake(vm->sleeping);
    if (vm->limits.handler != 0)
        kill_overdue(vm, now);
    size_t turns = 0; /* those that become ready meanwhile wait for the next call */
    for (struct task *task = vm->ready.first; task != NULL; task = task->next)
        turns++;
    for (struct task *task; turns > 0 && (task = vm->ready.first) != NULL; turns--) {
        vm->ready.first = task->next;
        if (vm->ready.first == NULL)
            vm->ready.last = NULL;
        resume(task);
    }
}

void vm_cancel(struct vm *vm)
{
    for (struct task *task; (task = vm->all.first) != NULL;) {
        while (task->root != task)
            task = task->root;
        task_kill(task, 503, "the plugin is shutting down: the request was cancelled");
    }
}

/* ---- outside of tasks ---- */

void task_check(lua_State *L)
{
    bool gently;
    const char *why = slice_end_now(vm_of(L), &gently);
    if (why != NULL)
        luaL_error(L, "%s", why);
}

/* How long a blocking call may sleep before it looks at the deadline again. */
static int slice_of(const struct vm *vm, uint64_t until)
{
    enum { LOOK = 100 };
    uint64_t now = vm_now();
    if (vm->deadline != 0 && vm->deadline < until)
        until = vm->deadline;
    if (until <= now)
        return 0;
    uint64_t milliseconds = (until - now) / 1000000 + 1;
    return milliseconds < LOOK ? (int)milliseconds : LOOK;
}

void task_block(lua_State *L, uint64_t until)
{
    struct vm *vm = vm_of(L);
    while (vm_now() < until) {
        task_check(L);
        (void)poll(NULL, 0, slice_of(vm, until));
    }
}

void task_pump(lua_State *L, const bool *done)
{
    struct vm *vm = vm_of(L);
    while (!*done) {
        task_check(L);
        int timeout = vm_timeout(vm);
        struct pollfd fd = {vm->pool != NULL ? pool_fd(vm->pool) : -1, POLLIN, 0};
        (void)poll(&fd, 1, timeout < 0 || timeout > 100 ? 100 : timeout);
        vm_run(vm);
    }
}
