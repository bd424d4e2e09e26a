/* What lua/ocm/check.lua checks objects with: every request and every answer goes through several of these.
 *
 * object(names, checks, optional, explain) -> check
 *   names     of the fields
 *   checks    for each the check of its value, as check.compile gives it, or false: it has to be a string
 *   optional  for each whether it may be absent or null
 *   explain   (i, value, member, …) -> nil, where, expected, got: the i-th field does not fit, its check gave …; 0: the value is no object
 * check(value) -> the value, or what explain gives */
#include "vm/state.h"
#include "vm/value.h"

enum { NAMES = 1, CHECKS, OPTIONAL, EXPLAIN, COUNT }; /* upvalues of a check */

static int explain(lua_State *L, lua_Integer field)
{
    lua_pushvalue(L, lua_upvalueindex(EXPLAIN));
    lua_insert(L, 1);
    lua_pushinteger(L, field);
    lua_insert(L, 2);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

/* The member stands at index 2, above the value. Whether it fits; else what its check gave stands from index 3. */
static bool check_member(lua_State *L, lua_Integer field)
{
    int type = lua_type(L, 2);
    if (type == LUA_TNIL || (type == LUA_TLIGHTUSERDATA && lua_touserdata(L, 2) == NULL))
        return lua_rawgeti(L, lua_upvalueindex(OPTIONAL), field) == LUA_TBOOLEAN && lua_toboolean(L, 3);
    if (lua_rawgeti(L, lua_upvalueindex(CHECKS), field) == LUA_TBOOLEAN)
        return type == LUA_TSTRING;
    lua_pushvalue(L, 2);
    lua_call(L, 1, 4);
    if (lua_isnil(L, 3))
        return false;
    if (!lua_rawequal(L, 2, 3)) { /* what goes on the wire in its place */
        lua_rawgeti(L, lua_upvalueindex(NAMES), field);
        lua_pushvalue(L, 3);
        lua_settable(L, 1);
    }
    return true;
}

static int l_check(lua_State *L)
{
    lua_settop(L, 1);
    if (!lua_istable(L, 1) || value_is_array(L, 1))
        return explain(L, 0);
    lua_Integer count = lua_tointeger(L, lua_upvalueindex(COUNT));
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, lua_upvalueindex(NAMES), i);
        lua_gettable(L, 1);
        if (!check_member(L, i))
            return explain(L, i);
        lua_settop(L, 1);
    }
    return 1;
}

static int l_object(lua_State *L)
{
    for (int i = NAMES; i <= OPTIONAL; i++)
        luaL_checktype(L, i, LUA_TTABLE);
    luaL_checktype(L, EXPLAIN, LUA_TFUNCTION);
    lua_settop(L, EXPLAIN);
    lua_pushinteger(L, luaL_len(L, NAMES));
    lua_pushcclosure(L, l_check, COUNT);
    return 1;
}

static const luaL_Reg functions[] = {{"object", l_object}, {NULL, NULL}};

int luaopen_ocm_check(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
