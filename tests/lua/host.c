/* Runs a Lua test file with everything that a plugin's script can require: host FILE [luaunit options].
 *
 * The file calls luaunit's runner at its end and returns what that returns: the number of failures is the exit status. */
#include "vm/state.h"

#include <stdio.h>

static const char runner[] =
    "local luaunit = require 'luaunit'\n"
    "local path = arg[0]\n"
    "package.path = path:gsub('[^/]*$', '') .. '?.lua;' .. package.path\n"
    "local chunk = assert(loadfile(path))\n"
    "local result = chunk()\n"
    "if type(result) == 'number' then return result end\n"
    "return luaunit.LuaUnit.run('--output', 'tap')\n";

int main(int argc, char **argv)
{
    struct error e;
    if (argc < 2) {
        (void)fprintf(stderr, "usage: host FILE\n");
        return 2;
    }
    struct vm *vm = vm_create(argc - 1, argv + 1, &e);
    if (vm == NULL) {
        (void)fprintf(stderr, "host: %s\n", e.message);
        return 2;
    }
    lua_gc(vm->L, LUA_GCRESTART);
    int failures = 1;
    if (luaL_loadbuffer(vm->L, runner, sizeof runner - 1, "=host") != LUA_OK || lua_pcall(vm->L, 0, 1, 0) != LUA_OK)
        (void)fprintf(stderr, "host: %s\n", lua_tostring(vm->L, -1));
    else
        failures = (int)lua_tointeger(vm->L, -1);
    lua_settop(vm->L, 0);
    (void)vm_destroy(vm);
    return failures > 125 ? 125 : failures;
}
