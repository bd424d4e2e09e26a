/* Runs a Lua test as a script of ocmlua's runs: host TEST.lua [luaunit's options].
 *
 * The state is the one that plugins get (vm_create), with a run directory, and no loop: what waits, blocks.  print and
 * io.stdout, which go to the log there, go to stderr here.  The exit status is 0 when all tests of the file passed. */
#include "base/tempdir.h"
#include "vm/state.h"

#include <stdio.h>

static const char runner[] =
    "local test, folder = arg[0], arg[0]:match '^(.*)/' or '.'\n"
    "package.path = folder .. '/?.lua;' .. package.path\n"
    "local out = assert(io.open('/dev/stderr', 'a'))\n"
    "out:setvbuf 'line'\n"
    "io.stdout = out\n"
    "io.output(out)\n"
    "print = function(...)\n"
    "  local parts = table.pack(...)\n"
    "  for i = 1, parts.n do parts[i] = tostring(parts[i]) end\n"
    "  out:write(table.concat(parts, '\\t'), '\\n')\n"
    "end\n"
    "local unit = require 'luaunit'\n"
    "assert(loadfile(test))()\n"
    "return unit.LuaUnit.run()\n";

static int add_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static int run(struct vm *vm)
{
    lua_State *L = vm->L;
    lua_gc(L, LUA_GCRESTART);
    lua_pushcfunction(L, add_traceback);
    if (luaL_loadbuffer(L, runner, sizeof runner - 1, "=host") != LUA_OK || lua_pcall(L, 0, 1, 1) != LUA_OK) {
        (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
        return 1;
    }
    return lua_tointeger(L, -1) != 0;
}

int main(int argc, char **argv)
{
    struct error e;
    struct tempdir dir;
    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s TEST.lua [luaunit's options]\n", argv[0]);
        return 2;
    }
    struct vm *vm = vm_create(argc - 1, argv + 1, VM_PLUGIN, &e);
    if (vm == NULL || !tempdir_create(&dir, "lua-test", &e)) {
        (void)fprintf(stderr, "%s\n", e.message);
        return 2;
    }
    vm->dir = &dir;
    vm->outside = true;
    int status = run(vm);
    tempdir_remove(&dir);
    return vm_destroy(vm, status) ? status : 2;
}
