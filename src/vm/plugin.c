/* From the declaration (lua/ocm/plugin.lua has checked it) to what C reads: see plugin.h. */
#include "vm/plugin.h"
#include "vm/state.h"
#include "vm/value.h"

static lua_Integer limit(lua_State *L, int index, const char *name, lua_Integer otherwise)
{
    lua_getfield(L, index, name);
    lua_Integer value = luaL_optinteger(L, -1, otherwise);
    lua_pop(L, 1);
    return value;
}

void plugin_freeze(lua_State *L, int index, struct vm *vm)
{
    struct error e;
    lua_getfield(L, index, "capabilities");
    if (!value_encode(L, -1, &vm->capabilities, &e))
        luaL_error(L, "capabilities: %s", e.message);
    lua_getfield(L, index, "limits");
    int limits = lua_gettop(L);
    vm->limits.memory = (size_t)limit(L, limits, "memory", (lua_Integer)vm->limits.memory);
    vm->limits.body = (size_t)limit(L, limits, "body", (lua_Integer)vm->limits.body);
    vm->limits.header = (size_t)limit(L, limits, "header", (lua_Integer)vm->limits.header);
    vm->limits.handler = (uint64_t)limit(L, limits, "handler", 0);
    lua_pop(L, 2);
}
