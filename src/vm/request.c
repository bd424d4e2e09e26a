/* A request's way through Lua: a task whose body is `dispatch` (lua/ocm/dispatch.lua), and what becomes of its answer or
 * its error. */
#include "base/log.h"
#include "base/secret.h"
#include "vm/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char dispatch_key, failed_key; /* registry: dispatch(method, path) and failed(error) -> status, text, logged */

void request_open(lua_State *L)
{
    lua_getfield(L, -1, "dispatch");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &dispatch_key);
    lua_getfield(L, -1, "failed");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &failed_key);
    lua_pop(L, 1);
}

void vm_request_answer(struct vm_request *request, unsigned status, const char *format, ...)
{
    struct error text;
    va_list arguments;
    va_start(arguments, format);
    (void)error_format(&text, (int)status, format, arguments);
    va_end(arguments);
    request->status = status;
    request->content_type = "text/plain; charset=utf-8";
    buffer_clear(&request->answer);
    buffer_clear(&request->fields);
    (void)secret_redact(&request->answer, text.message, strlen(text.message)); /* without memory: the status alone */
}

void vm_request_free(struct vm_request *request)
{
    buffer_free(&request->answer);
    buffer_free(&request->fields);
}

/* Pushes the traceback of a task's coroutine, without the frames of dispatch below the script's own. */
static const char *push_traceback(lua_State *L, lua_State *of)
{
    luaL_traceback(L, of, NULL, 0);
    const char *text = lua_tostring(L, -1);
    const char *end = NULL; /* the first of the frames at the end that are no script's; stripped modules look like "?: in …" */
    for (const char *line = strchr(text, '\n'); line != NULL; line = strchr(line + 1, '\n')) {
        bool own = strncmp(line, "\n\t?: ", 5) == 0 || strncmp(line, "\n\t[ocm.", 7) == 0 || strncmp(line, "\n\t[C]: in ?", 11) == 0;
        end = !own ? NULL : end != NULL ? end : line;
    }
    if (end != NULL) {
        lua_pushlstring(L, text, (size_t)(end - text));
        lua_remove(L, -2);
    }
    return lua_tostring(L, -1);
}

/* Protected: a task and its message, as light userdata. */
static int log_traceback(lua_State *L)
{
    const struct task *task = lua_touserdata(L, 1);
    const char *message = lua_touserdata(L, 2);
    const char *traceback = push_traceback(L, task->L);
    if (task->request != NULL)
        log_event(LEVEL_ERROR, "request failed", "method", task->request->method, "path", task->request->path, "error", message, "traceback", traceback, NULL);
    else
        log_event(LEVEL_ERROR, "task failed", "error", message, "traceback", traceback, NULL);
    return 0;
}

void request_log_failure(struct task *task, const char *message)
{
    lua_State *L = task->vm->L;
    lua_pushcfunction(L, log_traceback); /* none of the three allocates */
    lua_pushlightuserdata(L, task);
    lua_pushlightuserdata(L, (void *)(size_t)message);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
        lua_pop(L, 1);
        log_event(LEVEL_ERROR, "request failed", "error", message, NULL);
    }
}

/* Protected: a task that ended with an error; the error object comes from its stack. */
static int report(lua_State *L)
{
    struct task *task = lua_touserdata(L, 1);
    struct vm_request *request = task->request;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &failed_key);
    lua_pushvalue(task->L, -1); /* its coroutine keeps one, too: closing it looks for it */
    lua_xmove(task->L, L, 1);
    lua_call(L, 1, 3);
    size_t length;
    const char *text = luaL_checklstring(L, -2, &length);
    request->status = (unsigned)luaL_checkinteger(L, -3);
    request->content_type = "text/plain; charset=utf-8";
    if (!secret_redact(&request->answer, text, length))
        return luaL_error(L, "not enough memory");
    if (lua_toboolean(L, -1)) {
        log_event(LEVEL_ERROR, "request failed", "method", request->method, "path", request->path, "error", text, "traceback", push_traceback(L, task->L), NULL);
    } else {
        log_event(LEVEL_DEBUG, "request refused", "method", request->method, "path", request->path, "reason", text, NULL);
    }
    return 0;
}

static void fail(struct task *task)
{
    enum { REPORT_BYTES = 1 << 20 }; /* what the report may take beyond limits.memory */
    struct vm *vm = task->vm;
    struct vm_request *request = task->request;
    buffer_clear(&request->answer);
    buffer_clear(&request->fields);
    bool memory = task->status == LUA_ERRMEM;
    int top = lua_gettop(vm->L);
    uint64_t deadline = vm->deadline;
    vm->deadline = vm_now() + 1000000000; /* the error's __tostring is the script's, too */
    lua_pushcfunction(vm->L, report);
    lua_pushlightuserdata(vm->L, task);
    lua_State *before = slice_begin(vm->L);
    vm->limits.memory += REPORT_BYTES;
    int status = lua_pcall(vm->L, 1, 0, 0);
    vm->limits.memory -= REPORT_BYTES;
    slice_end(before);
    vm->deadline = deadline;
    if (status != LUA_OK) {
        const char *reason = lua_type(vm->L, -1) == LUA_TSTRING ? lua_tostring(vm->L, -1) : "an error without a text";
        vm_request_answer(request, 500, "%s", memory ? "not enough memory" : reason);
        request_log_failure(task, reason);
    }
    if (memory || status == LUA_ERRMEM)
        vm_request_answer(request, 500, "not enough memory: limits.memory is %zu MiB", vm->limits.memory / (1024 * 1024));
    lua_settop(vm->L, top);
}

static void done(struct task *task)
{
    struct vm_request *request = task->request;
    if (task->killed == NULL && task->status != LUA_OK) {
        fail(task);
        int status = task_close(task);
        if (status != LUA_OK && status != task->status)
            log_event(LEVEL_ERROR, "closing a failed handler's variables failed, too", "path", request->path, NULL);
    }
    task_release(task);
    request->completed(request);
}

/* The body of every request's coroutine: method and path go to dispatch, the answer is left in the request. */
static int after_dispatch(lua_State *L, int status, lua_KContext context)
{
    (void)L, (void)status, (void)context;
    return 0;
}

static int body(lua_State *L)
{
    struct vm_request *request = lua_touserdata(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &dispatch_key);
    lua_pushstring(L, request->method);
    lua_pushlstring(L, request->path, request->path_length);
    lua_callk(L, 2, 0, 0, after_dispatch);
    return after_dispatch(L, LUA_OK, 0);
}

/* Protected: creates the task. */
static int create(lua_State *L)
{
    lua_pushlightuserdata(L, task_create(L));
    return 1;
}

void vm_request_start(struct vm *vm, struct vm_request *request)
{
    if (vm->start_failure[0] != '\0') {
        vm_request_answer(request, 500, "%s", vm->start_failure);
        request->completed(request);
        return;
    }
    lua_pushcfunction(vm->L, create);
    int status = lua_pcall(vm->L, 0, 1, 0);
    struct task *task = status == LUA_OK ? lua_touserdata(vm->L, -1) : NULL;
    lua_pop(vm->L, 1);
    if (task == NULL) {
        log_event(LEVEL_ERROR, "request failed", "path", request->path, "error", "not enough memory", NULL);
        vm_request_answer(request, 500, "not enough memory: limits.memory is %zu MiB", vm->limits.memory / (1024 * 1024));
        request->completed(request);
        return;
    }
    task->request = request;
    task->done = done;
    lua_pushcfunction(task->L, body);
    lua_pushlightuserdata(task->L, request);
    task_start(task, 1);
}
