/* The watch over Lua code that keeps the main thread too long.
 *
 * Handlers run with no hook, at full speed.  While Lua runs, a timer ticks every 5 ms; a tick that finds the same slice
 * running as the tick before (so after 5 to 10 ms) sets a count hook on the coroutine that runs, as the standalone lua does for Ctrl-C.  The hook
 * then runs in the script's own thread of control: it yields the task to the loop, through pcall, or, where nothing can
 * yield (a comparator of table.sort, start, cleanup), raises an error if the time is over.
 * The timer is left ticking between slices and stops itself after a second without one: a request costs no system call.
 *
 * SIGALRM reaches the main thread only; all others block it.  So the handler and what it reads are one thread's. */
#include "base/log.h"
#include "vm/state.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

enum { TICK_NANOSECONDS = 5 * 1000 * 1000, IDLE_TICKS = 200 };
static const uint64_t GRACE = 5200000000; /* from an interrupt to ending the slice, a little after the loop has drained; twice that to ending the process */

static struct {
    lua_State *volatile running; /* NULL: no Lua code */
    volatile unsigned long serial, seen;
    volatile int idle;
    volatile sig_atomic_t armed, interrupted;
    volatile uint64_t interrupted_at;
    timer_t timer;
    bool open;
} watch;

static void arm(bool on)
{
    struct itimerspec spec = {{0, on ? TICK_NANOSECONDS : 0}, {0, on ? TICK_NANOSECONDS : 0}};
    watch.armed = on;
    (void)timer_settime(watch.timer, 0, &spec, NULL);
}

static const char too_long[] = "the handler took longer than limits.handler allows";
static const char stopping[] = "the plugin is shutting down: the request was cancelled";
static const char no_time[] = "it took too long, or the plugin has to stop";

const char *slice_over(const struct vm *vm)
{
    uint64_t now = vm_now();
    if (vm->deadline != 0)
        return now > vm->deadline ? no_time : NULL;
    if (vm->starting && watch.interrupted && now >= vm->closing_until)
        return no_time;
    if (vm->current != NULL && vm->current->deadline != 0 && now > vm->current->deadline)
        return too_long;
    return watch.interrupted && now - watch.interrupted_at > GRACE ? stopping : NULL;
}

const char *slice_end_now(struct vm *vm, bool *gently)
{
    const char *why = slice_over(vm);
    *gently = why == no_time && vm->gentle && vm->deadline == 0 && vm->closing_until == 0;
    if (*gently)
        vm->closing_until = vm_now() + CLOSING_TIME;
    return why;
}

void slice_unhook(lua_State *L)
{
    lua_Hook on_line = vm_of(L)->on_line;
    lua_sethook(L, on_line, on_line != NULL ? LUA_MASKLINE : 0, 0);
}

/* Raises in a way that no message handler sees (it would run with hooks off, and may loop): Lua runs out of memory. */
static void raise_unseen(lua_State *L)
{
    vm_of(L)->denied = true;
    (void)lua_newuserdatauv(L, 1, 0);
    luaL_error(L, "%s", vm_of(L)->killing);
}

static void on_count(lua_State *L, lua_Debug *event)
{
    struct vm *vm = vm_of(L);
    if (event->event == LUA_HOOKLINE) {
        vm->on_line(L, event);
        return;
    }
    bool can_yield = vm->current != NULL && vm->pinned == 0 && lua_isyieldable(L);
    bool gently = false;
    const char *why = vm->killing != NULL ? vm->killing : slice_end_now(vm, &gently);
    if (gently) { /* as the standalone lua does */
        slice_unhook(L);
        luaL_error(L, "%s", why);
    } else if (can_yield) {
        slice_unhook(L);
        vm->killing = why;
        vm->denied = false;
        vm->reason = why != NULL ? YIELD_KILL : YIELD_PREEMPT;
        lua_yield(L, 0);
    } else if (why != NULL) {
        vm->killing = why; /* the hook stays: a pcall around this catches one error, not the next */
        raise_unseen(L);
    } else {
        slice_unhook(L);
    }
}

static void hook(lua_State *L) { lua_sethook(L, on_count, LUA_MASKCOUNT | (vm_of(L)->on_line != NULL ? LUA_MASKLINE : 0), 1); }

/* Whether what runs is inside a C function that does not come back (a pattern match): nothing but the end of the process ends it. */
static bool hopeless(const struct vm *vm)
{
    uint64_t now = vm_now(), since = vm->deadline != 0 ? vm->deadline : watch.interrupted_at + GRACE;
    return now > since && now - since > GRACE;
}

static void on_tick(int signal)
{
    (void)signal;
    int saved = errno;
    if (watch.running == NULL) {
        if (++watch.idle > IDLE_TICKS)
            arm(false);
    } else {
        watch.idle = 0;
        if (watch.seen == watch.serial)
            log_nudge();
        /* Setting it walks all calls of the coroutine: with a deep recursion that may last longer than a tick. */
        if (watch.seen == watch.serial && lua_gethook(watch.running) != on_count)
            hook(watch.running);
        watch.seen = watch.serial;
        if (watch.interrupted && hopeless(vm_of(watch.running)))
            _exit(1);
    }
    errno = saved;
}

bool slice_open(struct error *e)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGALRM, &action, NULL) != 0 || timer_create(CLOCK_MONOTONIC, &event, &watch.timer) != 0)
        return error_errno(e, errno, "creating the timer");
    watch.open = true;
    return true;
}

void slice_close(void)
{
    if (watch.open)
        (void)timer_delete(watch.timer);
    watch.open = false;
}

lua_State *slice_begin(lua_State *L)
{
    lua_State *before = watch.running;
    watch.running = L;
    watch.serial++;
    if (!watch.armed && watch.open)
        arm(true);
    return before;
}

lua_State *slice_switch(lua_State *L)
{
    lua_State *before = watch.running;
    watch.running = L;
    if (L != NULL && vm_of(L)->killing != NULL) /* NULL: no slice, as when finalisers run at the end */
        hook(L);
    return before;
}

void slice_end(lua_State *before)
{
    struct vm *vm = vm_of(watch.running);
    if (before == NULL || vm->killing != NULL)
        slice_unhook(watch.running);
    if (before == NULL) {
        vm->killing = NULL;
        vm->denied = false;
    }
    watch.running = before;
}

void vm_interrupt(void)
{
    if (watch.interrupted)
        return;
    watch.interrupted_at = vm_now();
    watch.interrupted = 1;
}

lua_State *slice_running(void) { return watch.running; }

bool slice_interrupted(void) { return watch.interrupted; }

uint64_t vm_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
