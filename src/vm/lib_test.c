/* What lua/ocm/test.lua and `ocmlua test` ask of this program: requests made in Lua, tasks, and which lines ran. Not for plugins.
 *
 * request(functions, message) -> status, headers, body    a request's whole way through `functions`, which lua/ocm/dispatch.lua made.
 *     message: { method =, path = (as sent), query = (the same, or nil), headers = { name, value, … }, body =, limit = (nanoseconds or nil) }
 * spawn(f) -> task                    f runs as a task of its own, from the next time on that something waits
 * task:close()                        ends it; outside of tasks only
 * output()                            print, io.stdout, os.execute… become those of plugins
 * quiet()                             no DEBUG lines: those of this process's own
 * results(path) -> file               what stdout was; from now on stdout and stderr go to the end of the file at `path`
 * cover()                             from now on lines are counted
 * covered() -> { [source] = { [line] = true } } */
#include "base/log.h"
#include "base/uri.h"
#include "vm/state.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- request ---- */

static const char message_type[] = "ocm.test.message";

/* A request in flight. It is to be closed: whatever ends who waits for it ends the request. */
struct message {
    struct vm_request request; /* first */
    struct vm *vm;
    struct task *waiting;      /* NULL: it blocks */
    struct buffer path;        /* decoded */
    struct buffer headers;     /* name NUL value NUL … */
    bool started, done;
};

static struct task *task_of(const struct message *message)
{
    for (struct task *task = message->vm->all.first; task != NULL; task = task->all_next)
        if (task->request == &message->request)
            return task;
    return NULL;
}

static int close_message(lua_State *L)
{
    struct message *message = luaL_checkudata(L, 1, message_type);
    struct task *task = message->started && !message->done ? task_of(message) : NULL;
    message->started = false;
    if (task != NULL) {
        task_cancel(task);
        task_release(task);
    }
    vm_request_free(&message->request);
    buffer_free(&message->path);
    buffer_free(&message->headers);
    return 0;
}

static struct message *push_message(lua_State *L)
{
    struct message *message = lua_newuserdatauv(L, sizeof *message, 0);
    *message = (struct message){.vm = vm_of(L)};
    if (luaL_newmetatable(L, message_type)) {
        lua_pushcfunction(L, close_message);
        lua_setfield(L, -2, "__close");
        lua_pushcfunction(L, close_message);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return message;
}

/* The next header behind `at`, or NULL. */
static const char *next_header(const struct message *message, const char *at, const char **value)
{
    const char *end = message->headers.data + message->headers.length;
    if (at >= end)
        return NULL;
    *value = at + strlen(at) + 1;
    return *value + strlen(*value) + 1;
}

static const char *header(struct vm_request *request, const char *name)
{
    const struct message *message = (struct message *)request;
    const char *value;
    for (const char *at = message->headers.data, *next; (next = next_header(message, at, &value)) != NULL; at = next)
        if (strcasecmp(at, name) == 0)
            return value;
    return NULL;
}

static void headers(struct vm_request *request, void (*visit)(void *context, const char *name, const char *value), void *context)
{
    const struct message *message = (struct message *)request;
    const char *value;
    for (const char *at = message->headers.data, *next; (next = next_header(message, at, &value)) != NULL; at = next)
        visit(context, at, value);
}

static void completed(struct vm_request *request)
{
    struct message *message = (struct message *)request;
    message->done = true;
    if (message->waiting != NULL)
        task_wake(message->waiting);
}

/* A text field of the message at `index`, left on the stack. */
static const char *text_field(lua_State *L, int index, const char *name, const char *otherwise, size_t *length)
{
    *length = otherwise != NULL ? strlen(otherwise) : 0;
    if (lua_getfield(L, index, name) == LUA_TNIL)
        return otherwise;
    const char *text = lua_tolstring(L, -1, length);
    if (text == NULL)
        luaL_error(L, "request: %s: expected a text, got %s", name, luaL_typename(L, -1));
    return text;
}

static void read_headers(lua_State *L, int index, struct message *message)
{
    lua_getfield(L, index, "headers");
    lua_Integer count = luaL_len(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, -1, i);
        const char *text = luaL_checkstring(L, -1);
        if (!buffer_append(&message->headers, text, strlen(text) + 1))
            luaL_error(L, "not enough memory");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* status, headers, body; the message stands at index 3 */
static int after_request(lua_State *L, int status, lua_KContext unused)
{
    struct message *message = luaL_checkudata(L, 3, message_type);
    const struct vm_request *request = &message->request;
    (void)status, (void)unused;
    lua_pushinteger(L, request->status);
    lua_newtable(L);
    if (request->content_type != NULL) {
        lua_pushstring(L, request->content_type);
        lua_setfield(L, -2, "content-type");
    }
    for (size_t at = 0; at < request->fields.length;) {
        const char *name = request->fields.data + at, *value = name + strlen(name) + 1;
        at += strlen(name) + strlen(value) + 2;
        luaL_Buffer lower;
        luaL_buffinit(L, &lower);
        for (; *name != '\0'; name++)
            luaL_addchar(&lower, (char)tolower((unsigned char)*name));
        luaL_pushresult(&lower);
        lua_pushstring(L, value);
        lua_rawset(L, -3);
    }
    lua_pushlstring(L, request->answer.data, request->answer.length);
    return 3;
}

static int l_request(lua_State *L)
{
    static const uint64_t NO_LIMIT = (uint64_t)1 << 62;
    struct vm *vm = vm_of(L);
    struct error e;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    struct message *message = push_message(L); /* index 3 */
    struct vm_request *request = &message->request;
    size_t length;
    request->method = text_field(L, 2, "method", "GET", &length);
    request->raw_path = text_field(L, 2, "path", "", &request->raw_path_length);
    request->query = text_field(L, 2, "query", NULL, &length);
    request->body = text_field(L, 2, "body", "", &request->body_length);
    read_headers(L, 2, message);
    if (!uri_decode(&message->path, request->raw_path, request->raw_path_length, false, &e))
        return luaL_error(L, "request: path: %s", e.message);
    request->path = message->path.data != NULL ? message->path.data : "";
    request->path_length = message->path.length;
    request->header = header;
    request->headers = headers;
    request->completed = completed;
    lua_getfield(L, 2, "limit");
    lua_Integer limit = luaL_optinteger(L, -1, 0);
    lua_pushvalue(L, 1);
    request_open(L);
    if (!lua_checkstack(vm->L, LUA_MINSTACK))
        return luaL_error(L, "not enough memory");
    message->started = true;
    vm->limits.handler = limit > 0 ? (uint64_t)limit : NO_LIMIT; /* of the tasks that begin now */
    vm_request_start(vm, request);
    vm->limits.handler = NO_LIMIT;
    if (message->done)
        return after_request(L, LUA_OK, 0);
    message->waiting = task_waitable(L); /* not before: what runs cannot be woken */
    if (message->waiting != NULL)
        return task_wait(L, 0, after_request);
    task_pump(L, &message->done);
    return after_request(L, LUA_OK, 0);
}

/* ---- spawn ---- */

static const char spawned_type[] = "ocm.test.task";

struct spawned {
    struct task *task; /* NULL: closed */
};

static void spawned_done(struct task *task)
{
    struct spawned *spawned = task->context;
    if (task->killed == NULL && task->status != LUA_OK)
        (void)task_close(task);
    if (spawned != NULL)
        spawned->task = NULL;
    task_release(task);
}

static int forget_spawned(lua_State *L)
{
    struct spawned *spawned = luaL_checkudata(L, 1, spawned_type);
    if (spawned->task != NULL)
        spawned->task->context = NULL;
    spawned->task = NULL;
    return 0;
}

static int close_spawned(lua_State *L)
{
    struct spawned *spawned = luaL_checkudata(L, 1, spawned_type);
    struct task *task = spawned->task;
    if (vm_of(L)->current != NULL)
        return luaL_error(L, "a task can only be ended outside of tasks");
    spawned->task = NULL;
    if (task != NULL) {
        task_cancel(task);
        task_release(task);
    }
    return 0;
}

static int l_spawn(lua_State *L)
{
    static const luaL_Reg methods[] = {{"close", close_spawned}, {"__gc", forget_spawned}, {NULL, NULL}};
    luaL_checktype(L, 1, LUA_TFUNCTION);
    struct spawned *spawned = lua_newuserdatauv(L, sizeof *spawned, 0);
    *spawned = (struct spawned){0};
    if (luaL_newmetatable(L, spawned_type)) {
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
    struct task *task = task_create(L);
    task->done = spawned_done;
    task->context = spawned;
    spawned->task = task;
    lua_pushvalue(L, 1);
    lua_xmove(L, task->L, 1);
    task_start(task, 0);
    return 1;
}

/* ---- lines ---- */

static char lines_key; /* registry: source -> { line = true } */

static void on_line(lua_State *L, lua_Debug *frame)
{
    if (!lua_checkstack(L, 4) || !lua_getinfo(L, "S", frame) || frame->source[0] != '@')
        return;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &lines_key);
    lua_pushstring(L, frame->source + 1);
    if (lua_rawget(L, -2) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushstring(L, frame->source + 1);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    }
    lua_pushboolean(L, 1);
    lua_rawseti(L, -2, frame->currentline);
    lua_pop(L, 2);
}

static int l_cover(lua_State *L)
{
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &lines_key);
    vm_of(L)->on_line = on_line;
    slice_unhook(L); /* coroutines inherit it from the one that makes them */
    return 0;
}

static int l_covered(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &lines_key);
    return 1;
}

/* ---- the process ---- */

static int l_output(lua_State *L)
{
    lib_output_open(L);
    return 0;
}

static int close_results(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

static int l_quiet(lua_State *L)
{
    (void)L;
    log_from(LEVEL_INFO);
    return 0;
}

static bool redirect(int fd)
{
    bool ok = fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0;
    int code = errno;
    if (fd >= 0)
        close(fd);
    errno = code;
    return ok;
}

static int l_results(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3); /* no child process has it */
    stream->f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (stream->f == NULL && fd >= 0)
        close(fd);
    if (stream->f == NULL)
        return luaL_fileresult(L, 0, "stdout");
    stream->closef = close_results;
    if (!redirect(open(path, O_WRONLY | O_APPEND | O_CLOEXEC)))
        return luaL_fileresult(L, 0, path);
    return 1;
}

static const luaL_Reg functions[] = {
    {"request", l_request}, {"spawn", l_spawn}, {"output", l_output}, {"quiet", l_quiet}, {"results", l_results},
    {"cover", l_cover},     {"covered", l_covered}, {NULL, NULL},
};

int luaopen_ocm_test(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
