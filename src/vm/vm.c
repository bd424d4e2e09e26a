/* The Lua state: its memory, its modules, and the calls into the script outside of requests.
 *
 * Every call below enters Lua through `protected`, so that no error, not even running out of memory, leaves this file. */
#include "vm/vm.h"
#include "base/log.h"
#include "vm/embedded.h"
#include "vm/plugin.h"
#include "vm/state.h"
#include "vm/value.h"
#include "vm/lib_json.h"

#include <errno.h>
#include <limits.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

int luaopen_cjson(lua_State *L);
int luaopen_cjson_safe(lua_State *L);
int luaopen_lfs(lua_State *L);

enum { POOL_THREADS = 64 }; /* a job may wait for long (a named pipe without a writer), so they are not counted by processors */

static char declaration_key; /* registry: what ocm.plugin returned */

/* ---- memory ---- */

static void *allocate(void *context, void *block, size_t old, size_t size)
{
    struct vm *vm = context;
    if (block == NULL)
        old = 0;
    if (size == 0) {
        arena_give(&vm->arena, block, old);
        vm->memory_used -= old;
        return NULL;
    }
    if (vm->denied && size > old)
        return NULL;
    if (size > old && size - old > vm->limits.memory - (vm->memory_used < vm->limits.memory ? vm->memory_used : vm->limits.memory))
        return NULL;
    void *moved = block == NULL ? arena_take(&vm->arena, size) : arena_resize(&vm->arena, block, old, size);
    if (moved != NULL)
        vm->memory_used += size - old;
    return moved;
}

/* ---- warnings: what Lua says of errors in finalisers ---- */

/* Where Lua is, without allocating: this is called in the middle of a collection. */
static void describe_stack(lua_State *L, char *out, size_t size)
{
    lua_Debug frame;
    size_t used = (size_t)snprintf(out, size, "stack traceback:");
    for (int level = 0; L != NULL && lua_getstack(L, level, &frame) && used < size; level++)
        if (lua_getinfo(L, "Sl", &frame) && frame.currentline > 0)
            used += (size_t)snprintf(out + used, size - used, "\n\t%s:%d", frame.short_src, frame.currentline);
}

static void report_warning(struct vm *vm, const char *text)
{
    if (strncmp(text, "error in __gc", 13) == 0) {
        char traceback[1024];
        struct error reason;
        describe_stack(slice_running(), traceback, sizeof traceback);
        log_event(LEVEL_ERROR, text, "traceback", traceback, NULL);
        (void)error_set(&reason, EINVAL, "%s", text);
        if (vm->current != NULL)
            (void)snprintf(vm->gc_failure, sizeof vm->gc_failure, "%s", reason.message);
    } else if (text[0] != '@') { /* "@on" and the like are for a warner that can be switched */
        log_event(LEVEL_WARN, text, NULL);
    }
}

static void warn(void *context, const char *text, int to_be_continued)
{
    struct vm *vm = context;
    if (!buffer_puts(&vm->warning, text))
        vm->warning_lost = true;
    if (to_be_continued)
        return;
    if (!vm->warning_lost && buffer_add(&vm->warning, '\0'))
        report_warning(vm, vm->warning.data);
    else
        report_warning(vm, "error in __gc, or a warning: there is no memory for its text");
    vm->warning_lost = false;
    if (vm->warning.capacity > 1024)
        buffer_free(&vm->warning);
    buffer_clear(&vm->warning);
}

/* ---- modules ---- */

static const luaL_Reg native[] = {
    {"ocm.json", luaopen_ocm_json},
    {"ocm.native.child", luaopen_ocm_child},
    {"ocm.native.command", luaopen_ocm_command},
    {"ocm.native.check", luaopen_ocm_check},
    {"ocm.native.crypto", luaopen_ocm_crypto},
    {"ocm.native.file", luaopen_ocm_file},
    {"ocm.native.fs", luaopen_ocm_fs},
    {"ocm.native.log", luaopen_ocm_log},
    {"ocm.native.pipe", luaopen_ocm_pipe},
    {"ocm.native.request", luaopen_ocm_request},
    {"ocm.native.socket", luaopen_ocm_socket},
    {"ocm.native.task", luaopen_ocm_task},
    {"ocm.native.test", luaopen_ocm_test},
    {"ocm.native.text", luaopen_ocm_text},
    {"cjson", luaopen_cjson},
    {"cjson.safe", luaopen_cjson_safe},
    {"lfs", luaopen_lfs},
    {NULL, NULL},
};

/* ---- the end ---- */

static volatile sig_atomic_t end_status;

static void end(int signal)
{
    (void)signal;
    _exit(end_status); /* all that matters has been done */
}

/* Ends the process, with this status, unless this is called with 0 seconds before. */
static void end_after(unsigned seconds, int status)
{
    end_status = status;
    struct sigaction action = {.sa_handler = seconds > 0 ? end : SIG_DFL};
    sigemptyset(&action.sa_mask);
    if (seconds > 0)
        (void)sigaction(SIGALRM, &action, NULL);
    (void)alarm(seconds);
    if (seconds == 0)
        (void)sigaction(SIGALRM, &action, NULL);
}

/* Without workers, which may read what the state owns, and ticks, which would meet what is freed.  False: a worker did not come back.
 * `status`: what the process ends with when the state cannot be closed in time. */
static bool close_state(struct vm *vm, int status)
{
    enum { CLOSING_SECONDS = 2 };
    enum { JOIN_MILLISECONDS = 1000 };
    if (vm->pool != NULL && !pool_destroy(vm->pool, JOIN_MILLISECONDS))
        return false;
    vm->pool = NULL; /* a finaliser may ask for it */
    slice_close();
    if (vm->L != NULL && !vm->closing) {
        vm->closing = true;
        end_after(CLOSING_SECONDS, status); /* a finaliser may loop for ever */
        lua_close(vm->L);
        end_after(0, status);
    }
    return true;
}

/* os.exit([code [, close]]): as the standard one, but for how the state is closed. */
static int l_exit(lua_State *L)
{
    int status = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
    if (lua_toboolean(L, 2)) {
        (void)fflush(stdout); /* closing may end the process as it is */
        (void)close_state(vm_of(L), status);
    }
    exit(status);
}

/* ---- its libraries ---- */

/* Lua's own seed is the time and an address: two processes of one second may get the same. */
static void seed_random(lua_State *L)
{
    lua_Integer seed[2];
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return;
    lua_getglobal(L, "math");
    lua_getfield(L, -1, "randomseed");
    lua_pushinteger(L, seed[0]);
    lua_pushinteger(L, seed[1]);
    lua_call(L, 2, 0);
    lua_pop(L, 1);
}

/* Protected: whether output is the log's. */
static int open_libraries(lua_State *L)
{
    luaL_openlibs(L);
    seed_random(L);
    lua_getglobal(L, "os");
    lua_pushcfunction(L, l_exit);
    lua_setfield(L, -2, "exit");
    lua_pop(L, 1);
    value_open(L);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (const luaL_Reg *module = native; module->name != NULL; module++) {
        lua_pushcfunction(L, module->func);
        lua_setfield(L, -2, module->name);
    }
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) { /* behind package.preload */
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, embedded_search);
    lua_rawseti(L, -2, 2);
    lib_coroutine_open(L);
    if (lua_toboolean(L, 1))
        lib_output_open(L);
    return 0;
}

/* arg, as the standalone lua sets it */
static int set_arguments(lua_State *L)
{
    int argc = (int)lua_tointeger(L, 1);
    char **argv = lua_touserdata(L, 2);
    lua_createtable(L, argc, 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setglobal(L, "arg");
    return 0;
}

/* ---- protected calls ---- */

/* Protected. */
static int to_text(lua_State *L)
{
    (void)luaL_tolstring(L, 1, NULL);
    return 1;
}

/* Calls f with `count` values that the caller pushed behind it; the error's text goes to e. */
static bool protected(struct vm *vm, int count, struct error *e)
{
    lua_State *before = slice_begin(vm->L);
    vm->outside = true;
    int status = lua_pcall(vm->L, count, 0, 0);
    const char *killed = vm->killing;
    vm->outside = false;
    slice_end(before);
    if (status == LUA_OK)
        return true;
    if (killed != NULL) {
        lua_pop(vm->L, 1);
        return error_set(e, ETIME, "%s", killed);
    }
    if (lua_type(vm->L, -1) != LUA_TSTRING) { /* an object, such as ocm.fail's: what tostring makes of it */
        lua_pushcfunction(vm->L, to_text);
        lua_insert(vm->L, -2);
        lua_pushnil(vm->L);
        if (lua_pcall(vm->L, 2, 1, 0) != LUA_OK || lua_type(vm->L, -1) != LUA_TSTRING) {
            lua_pop(vm->L, 1);
            return error_set(e, EINVAL, "an error that has no text");
        }
    }
    error_set(e, status == LUA_ERRMEM ? ENOMEM : EINVAL, "%s", lua_tostring(vm->L, -1));
    lua_pop(vm->L, 1);
    return false;
}

struct vm *vm_create(int argc, char **argv, enum vm_use use, struct error *e)
{
    struct vm *vm = calloc(1, sizeof *vm);
    if (vm == NULL) {
        error_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    vm->limits = (struct vm_limits){.memory = (size_t)512 << 20, .body = (size_t)64 << 20, .header = (size_t)128 << 10};
    arena_open(&vm->arena);
    vm->pool = pool_create(POOL_THREADS, e);
    if (vm->pool == NULL) {
        vm_destroy(vm, EXIT_FAILURE);
        return NULL;
    }
    vm->L = lua_newstate(allocate, vm);
    if (vm->L == NULL) {
        error_set(e, ENOMEM, "out of memory");
        vm_destroy(vm, EXIT_FAILURE);
        return NULL;
    }
    *(struct vm **)lua_getextraspace(vm->L) = vm;
    lua_setwarnf(vm->L, warn, vm);
    lua_gc(vm->L, LUA_GCSTOP);
    lua_pushcfunction(vm->L, open_libraries);
    lua_pushboolean(vm->L, use == VM_PLUGIN);
    bool ok = protected(vm, 1, e);
    if (ok) {
        lua_pushcfunction(vm->L, set_arguments);
        lua_pushinteger(vm->L, argc);
        lua_pushlightuserdata(vm->L, argv);
        ok = protected(vm, 2, e);
    }
    if (!ok) {
        vm_destroy(vm, EXIT_FAILURE);
        return NULL;
    }
    return vm;
}

/* Protected: script, problems, bundle. */
static int load(lua_State *L)
{
    const char *script = lua_touserdata(L, 1);
    struct buffer *problems = lua_touserdata(L, 2);
    const struct bundle *bundle = lua_touserdata(L, 3);
    struct vm *vm = vm_of(L);
    lua_settop(L, 0);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "ocm.load");
    lua_call(L, 1, 1);
    char real[PATH_MAX];
    lua_pushstring(L, script);
    lua_pushstring(L, bundle == NULL ? realpath(script, real) : NULL);
    lib_bundle_push(L, bundle);
    lua_call(L, 3, 2); /* declaration, or nil and the problems */
    if (lua_isnil(L, 1)) {
        size_t length;
        const char *text = luaL_tolstring(L, 2, &length);
        if (length == 0 || !buffer_append(problems, text, length))
            return luaL_error(L, "not enough memory");
        return 0;
    }
    lua_pushvalue(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &declaration_key);
    plugin_freeze(L, 1, vm);
    return 0;
}

bool vm_load(struct vm *vm, const char *script, const struct bundle *bundle, struct buffer *problems)
{
    struct error e;
    lua_pushcfunction(vm->L, load);
    lua_pushlightuserdata(vm->L, (void *)(size_t)script);
    lua_pushlightuserdata(vm->L, problems);
    lua_pushlightuserdata(vm->L, (void *)(size_t)bundle);
    if (!protected(vm, 3, &e)) {
        (void)buffer_puts(problems, e.message);
        return false;
    }
    return problems->length == 0;
}

const char *vm_capabilities(const struct vm *vm, size_t *length)
{
    *length = vm->capabilities.length;
    return vm->capabilities.data;
}

const struct vm_limits *vm_limits(const struct vm *vm) { return &vm->limits; }

/* Protected: prepares for requests, then calls `start`. */
static int call_start(lua_State *L)
{
    const char *config = lua_touserdata(L, 1);
    size_t length = (size_t)lua_tointeger(L, 2);
    struct error e;
    lua_settop(L, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &declaration_key);
    lua_getfield(L, 1, "requests");
    lua_call(L, 0, 1);
    request_open(L);
    lua_getfield(L, 1, "start");
    if (!value_decode(L, config, length, &e))
        return luaL_error(L, "--config: %s", e.message);
    lua_call(L, 1, 0);
    return 0;
}

bool vm_start(struct vm *vm, const struct tempdir *dir, const char *config, size_t length, struct error *e)
{
    if (!slice_open(e))
        return false;
    vm->dir = dir;
    vm->starting = true;
    lua_gc(vm->L, LUA_GCRESTART);
    lua_pushcfunction(vm->L, call_start);
    lua_pushlightuserdata(vm->L, (void *)(size_t)config);
    lua_pushinteger(vm->L, (lua_Integer)length);
    struct error reason;
    bool ok = protected(vm, 2, &reason);
    vm->starting = false;
    if (!ok) {
        (void)snprintf(vm->start_failure, sizeof vm->start_failure, "the plugin's start failed: %s", reason.message);
        return error_set(e, reason.code, "%s", vm->start_failure);
    }
    return true;
}

/* Protected: where the status goes. */
static int call_command(lua_State *L)
{
    int *status = lua_touserdata(L, 1);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "command");
    lua_call(L, 1, 1);
    lua_getglobal(L, "arg");
    lua_call(L, 1, 1);
    *status = (int)lua_tointeger(L, -1);
    return 0;
}

bool vm_command(struct vm *vm, const struct tempdir *dir, int *status, struct error *e)
{
    if (!slice_open(e))
        return false;
    vm->dir = dir;
    vm->starting = true;
    lua_gc(vm->L, LUA_GCRESTART);
    lua_pushcfunction(vm->L, call_command);
    lua_pushlightuserdata(vm->L, status);
    bool ok = protected(vm, 1, e);
    vm->starting = false;
    return ok;
}

/* Protected: calls cleanup. */
static int call_cleanup(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &declaration_key);
    lua_getfield(L, -1, "cleanup");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 0);
    return 0;
}

void vm_cleanup(struct vm *vm, double seconds)
{
    struct error e;
    vm->deadline = vm_now() + (uint64_t)(seconds * 1e9);
    lua_pushcfunction(vm->L, call_cleanup);
    lua_pushnumber(vm->L, (lua_Number)vm->deadline / 1e9);
    if (!protected(vm, 1, &e))
        log_event(LEVEL_ERROR, "cleanup failed", "error", e.message, NULL);
    vm->deadline = 0;
}

int vm_fd(const struct vm *vm) { return pool_fd(vm->pool); }

unsigned vm_works(const struct vm *vm) { return vm->works; }

bool vm_destroy(struct vm *vm, int status)
{
    if (!close_state(vm, status))
        return false;
    for (struct task *task = vm->idle.first, *next; task != NULL; task = next) {
        next = task->next;
        free(task);
    }
    arena_close(&vm->arena);
    buffer_free(&vm->capabilities);
    buffer_free(&vm->warning);
    buffer_free(&vm->log_values);
    buffer_free(&vm->scratch);
    free(vm);
    return true;
}
