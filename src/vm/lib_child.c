/* A plugin as a child process of a command (lua/command): it lives while requests go to it.  Not for plugins, which have ocm.exec.
 *
 * new() -> child                                       of which nothing runs yet: a <close> variable can hold it before there is a process
 * child:start(argv [, changes]) -> true | nil, message as in work/child.h, once; stdin is empty
 * child:read("out" | "err") -> bytes ("": nothing now) | nil: closed
 * child:ended() -> nil | status, signal                status as a shell has it
 * child:signal("INT" | "TERM" | "KILL")                to the process alone
 * child:pid() -> integer
 * child:close()                                        also __close and __gc: as the plugin manager ends it, then by force
 *
 * Nothing here waits but close, which is C alone, so that an interrupt, which ends all Lua code, does not leave the child behind.  Main thread. */
#include "vm/state.h"
#include "work/child.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char child_type[] = "ocm.child";

/* Milliseconds: behind SIGINT (requests in flight may take five seconds to end), behind SIGTERM, between two looks. */
enum { PATIENCE = 7000, GRACE = 400, STEP = 5 };

static struct child *check(lua_State *L) { return luaL_checkudata(L, 1, child_type); }

static struct child *check_open(lua_State *L)
{
    struct child *child = check(L);
    luaL_argcheck(L, child->pid != 0 || child->exited, 1, "the child was not started, or closed");
    return child;
}

/* Pushes a userdata with pointers to the strings of a list, which the list keeps; NULL behind the last. */
static const char *const *push_strings(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    size_t count = (size_t)lua_rawlen(L, index);
    const char **strings = lua_newuserdatauv(L, (count + 1) * sizeof *strings, 0);
    for (size_t i = 0; i < count; i++) {
        luaL_argcheck(L, lua_rawgeti(L, index, (lua_Integer)i + 1) == LUA_TSTRING, index, "expected a list of strings");
        strings[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    strings[count] = NULL;
    return strings;
}

static int l_new(lua_State *L)
{
    struct child *child = lua_newuserdatauv(L, sizeof *child, 0);
    *child = (struct child){.in = -1, .out = -1, .err = -1};
    luaL_setmetatable(L, child_type);
    return 1;
}

static int l_start(lua_State *L)
{
    struct error e;
    lua_settop(L, 3);
    struct child *child = check(L);
    luaL_argcheck(L, child->pid == 0 && !child->exited, 1, "the child was started already");
    const char *const *argv = push_strings(L, 2);
    const char *const *changes = lua_isnil(L, 3) ? NULL : push_strings(L, 3);
    luaL_argcheck(L, argv[0] != NULL, 2, "expected a program");
    struct command *command = command_create(argv, changes, true, NULL);
    if (command == NULL)
        return luaL_error(L, "not enough memory");
    bool ok = child_start(child, command, false, &e);
    command_free(command);
    lua_pushboolean(L, true);
    if (ok)
        return 1;
    luaL_pushfail(L);
    lua_pushstring(L, e.message);
    return 2;
}

/* Reads what stands in a pipe. 0: nothing now; <0: it is closed. */
static ssize_t take(int *fd, char *chunk, size_t size)
{
    ssize_t got = *fd < 0 ? -1 : read(*fd, chunk, size);
    if (got > 0)
        return got;
    if (got < 0 && *fd >= 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return -1;
}

static int l_read(lua_State *L)
{
    static const char *const names[] = {"out", "err", NULL};
    struct child *child = check_open(L);
    int *fd = luaL_checkoption(L, 2, NULL, names) == 0 ? &child->out : &child->err;
    char chunk[16384];
    ssize_t got = take(fd, chunk, sizeof chunk);
    if (got < 0)
        luaL_pushfail(L);
    else
        lua_pushlstring(L, chunk, (size_t)got);
    return 1;
}

static int l_ended(lua_State *L)
{
    struct child *child = check_open(L);
    struct error unused;
    if (!child_exited(child))
        return 0;
    if (child->pid != 0 && !child_reap(child, &unused))
        child->status = 0; /* somebody else took it: nobody knows */
    bool killed = WIFSIGNALED(child->status);
    lua_pushinteger(L, killed ? 128 + WTERMSIG(child->status) : WEXITSTATUS(child->status));
    if (!killed)
        return 1;
    lua_pushinteger(L, WTERMSIG(child->status));
    return 2;
}

static int l_signal(lua_State *L)
{
    static const char *const names[] = {"INT", "TERM", "KILL", NULL};
    static const int numbers[] = {SIGINT, SIGTERM, SIGKILL};
    struct child *child = check_open(L);
    int number = numbers[luaL_checkoption(L, 2, NULL, names)];
    if (!child_exited(child)) /* it is not reaped: the id is still its own */
        (void)kill(child->pid, number);
    return 0;
}

static int l_pid(lua_State *L)
{
    lua_pushinteger(L, check_open(L)->pid);
    return 1;
}

/* What it writes meanwhile is dropped, so that it does not wait for a reader. */
static void await_end(struct child *child)
{
    char dropped[4096];
    uint64_t deadline = vm_now() + PATIENCE * UINT64_C(1000000);
    while (vm_now() < deadline && !child_exited(child)) {
        while (take(&child->out, dropped, sizeof dropped) > 0 || take(&child->err, dropped, sizeof dropped) > 0)
            ;
        (void)poll(NULL, 0, STEP);
    }
}

static int l_close(lua_State *L)
{
    struct child *child = check(L);
    if (child->pid != 0 && !child_exited(child)) {
        (void)kill(child->pid, SIGINT);
        await_end(child);
    }
    child_end(child, GRACE);
    child_close(child);
    child->exited = false;
    return 0;
}

static const luaL_Reg methods[] = {
    {"start", l_start}, {"read", l_read}, {"ended", l_ended}, {"signal", l_signal}, {"pid", l_pid}, {"close", l_close}, {"__close", l_close}, {"__gc", l_close}, {NULL, NULL},
};

static const luaL_Reg functions[] = {{"new", l_new}, {NULL, NULL}};

int luaopen_ocm_child(lua_State *L)
{
    luaL_newmetatable(L, child_type);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
