/* TCP on 127.0.0.1 for lua/ocm/test/http.lua; each call that waits is a job (work/socket.c). Not for plugins.
 *
 * listen() -> socket, port
 * socket:accept() -> socket | nil, message
 * socket:read() -> bytes | nil, message    "" at the end
 * socket:write(bytes) -> true | nil, message
 * socket:close() */
#include "vm/state.h"
#include "work/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char socket_type[] = "ocm.test.socket";

static int close_socket(lua_State *L)
{
    int *fd = luaL_checkudata(L, 1, socket_type);
    if (*fd >= 0) {
        (void)shutdown(*fd, SHUT_RDWR); /* a job's duplicate ends with it */
        close(*fd);
    }
    *fd = -1;
    return 0;
}

static int *push_socket(lua_State *L)
{
    int *fd = lua_newuserdatauv(L, sizeof *fd, 0);
    *fd = -1;
    luaL_setmetatable(L, socket_type);
    return fd;
}

static int l_listen(lua_State *L)
{
    struct error e;
    int port, *fd = push_socket(L);
    *fd = socket_listen(&port, &e);
    if (*fd < 0)
        return luaL_error(L, "%s", e.message);
    lua_pushinteger(L, port);
    return 2;
}

static int after_step(lua_State *L, int status, lua_KContext index)
{
    struct socket_job **handle = lua_touserdata(L, (int)index);
    struct socket_job *job = *handle;
    (void)status;
    if (job->code != 0) {
        luaL_pushfail(L);
        lua_pushstring(L, strerror(job->code));
        return 2;
    }
    switch (job->step) {
    case SOCKET_ACCEPT: {
        int *fd = push_socket(L);
        *fd = job->accepted;
        job->accepted = -1;
        break;
    }
    case SOCKET_READ: lua_pushlstring(L, job->data.data, job->data.length); break;
    case SOCKET_WRITE: lua_pushboolean(L, 1); break;
    }
    return 1;
}

static int run(lua_State *L, enum socket_step step, const char *data, size_t length)
{
    int *fd = luaL_checkudata(L, 1, socket_type);
    struct error e;
    if (*fd < 0) {
        luaL_pushfail(L);
        lua_pushliteral(L, "it is closed");
        return 2;
    }
    struct job **handle = job_handle(L);
    int index = lua_gettop(L);
    struct socket_job *job = socket_job_create(step, *fd, data, length, &e);
    if (job == NULL)
        return luaL_error(L, "%s", e.message);
    *handle = &job->job;
    return job_run(L, index, after_step);
}

static int l_accept(lua_State *L) { return run(L, SOCKET_ACCEPT, "", 0); }
static int l_read(lua_State *L) { return run(L, SOCKET_READ, "", 0); }

static int l_write(lua_State *L)
{
    size_t length;
    const char *data = luaL_checklstring(L, 2, &length);
    return run(L, SOCKET_WRITE, data, length);
}

static const luaL_Reg methods[] = {{"accept", l_accept}, {"read", l_read}, {"write", l_write}, {"close", close_socket}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", close_socket}, {"__close", close_socket}, {"__index", NULL}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"listen", l_listen}, {NULL, NULL}};

int luaopen_ocm_socket(lua_State *L)
{
    luaL_newmetatable(L, socket_type);
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
