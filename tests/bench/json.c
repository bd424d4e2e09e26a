/* Runs json.lua with what it compares: ocm.json and lua-cjson in one state, and a clock.
 *
 * A host of its own, and not the program, so that nothing else of it is measured. */
#include "vm/lib_json.h"
#include "vm/value.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int luaopen_cjson(lua_State *L);

/* seconds, from some moment on */
static int l_clock(lua_State *L)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec * 1e-9);
    return 1;
}

static int run(lua_State *L)
{
    luaL_openlibs(L);
    value_open(L);
    if (luaL_loadfile(L, BENCH_JSON_SCRIPT) != LUA_OK)
        return lua_error(L);
    lua_pushcfunction(L, l_clock);
    luaopen_ocm_json(L);
    luaL_requiref(L, "cjson", luaopen_cjson, 0);
    lua_call(L, 3, 0);
    return 0;
}

int main(void)
{
    lua_State *L = luaL_newstate();
    if (L == NULL)
        return EXIT_FAILURE;
    lua_pushcfunction(L, run);
    int status = lua_pcall(L, 0, 0, 0);
    if (status != LUA_OK)
        (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return status == LUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
