/* What commands (lua/command) ask of a terminal, and of the process's place in the world. Not for plugins. */
#include "vm/state.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* is_terminal(fd) -> boolean */
static int l_is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)) == 1);
    return 1;
}

/* width(fd) -> columns, or nil when it is no terminal */
static int l_width(lua_State *L)
{
    struct winsize size;
    if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        luaL_pushfail(L);
    else
        lua_pushinteger(L, size.ws_col);
    return 1;
}

/* program() -> the absolute path of this program, or nil */
static int l_program(lua_State *L)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    if (length < 0 || (size_t)length == sizeof path)
        luaL_pushfail(L);
    else
        lua_pushlstring(L, path, (size_t)length);
    return 1;
}

/* real_path(path) -> absolute, without links, or nil */
static int l_real_path(lua_State *L)
{
    char path[PATH_MAX];
    lua_pushstring(L, realpath(luaL_checkstring(L, 1), path));
    return 1;
}

static const luaL_Reg functions[] = {{"is_terminal", l_is_terminal}, {"width", l_width}, {"program", l_program}, {"real_path", l_real_path}, {NULL, NULL}};

int luaopen_ocm_terminal(lua_State *L)
{
    luaL_newlib(L, functions);
    lua_pushliteral(L, OCMLUA_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
