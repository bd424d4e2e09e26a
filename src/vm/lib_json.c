/* ocm.json: what scripts do with JSON.  The work is in value.c; here arguments are checked and errors raised.
 *
 * Bad text and values that are not JSON raise, as they do with cjson, so that a script can return a decoded file without
 * looking at it.  The text that encode builds belongs to a userdata, an upvalue of the function: pushing it may raise. */
#include "vm/lib_json.h"

#include "base/json.h"
#include "vm/value.h"

#include <lauxlib.h>

enum {
    KEPT = 1 << 18, /* bytes of the output buffer that are kept for the next call */
    MOST = 1 << 30, /* bytes of output: a few tables that hold one another twice would fill any memory */
};

/* ocm.json.encode(value [, {pretty = boolean}]) -> string */
static int l_encode(lua_State *L)
{
    struct buffer *out = lua_touserdata(L, lua_upvalueindex(1));
    struct error e;
    luaL_checkany(L, 1);
    bool pretty = false;
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        lua_getfield(L, 2, "pretty");
        pretty = lua_toboolean(L, -1);
    }
    buffer_clear(out);
    if (!(pretty ? value_encode_pretty(L, 1, out, &e) : value_encode(L, 1, out, &e)))
        return luaL_error(L, "%s", e.message);
    lua_pushlstring(L, out->data, out->length);
    if (out->capacity > KEPT)
        buffer_free(out);
    return 1;
}

/* ocm.json.decode(text) -> value */
static int l_decode(lua_State *L)
{
    struct error e;
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    if (!value_decode(L, text, length, &e))
        return luaL_error(L, "%s", e.message);
    return 1;
}

/* ocm.json.array([table]) -> the table, which is written as an array from now on */
static int l_array(lua_State *L)
{
    if (lua_isnone(L, 1))
        lua_newtable(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!value_is_array(L, 1)) {
        luaL_argcheck(L, !lua_getmetatable(L, 1), 1, "the table has a metatable");
        value_mark_array(L, 1);
    }
    lua_settop(L, 1);
    return 1;
}

/* ocm.json.number(text) -> an integer, a float, or, where they have not the same value, an object with the text */
static int l_number(lua_State *L)
{
    struct error e;
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    luaL_argcheck(L, json_is_number(text, length), 1, "JSON number expected");
    if (!value_decode(L, text, length, &e))
        return luaL_error(L, "%s", e.message);
    return 1;
}

static int l_output_gc(lua_State *L)
{
    struct buffer *out = lua_touserdata(L, 1);
    buffer_free(out);
    return 0;
}

static const luaL_Reg functions[] = {
    {"encode", l_encode}, {"decode", l_decode}, {"array", l_array}, {"number", l_number}, {"null", NULL}, {NULL, NULL},
};

int luaopen_ocm_json(lua_State *L)
{
    luaL_newlibtable(L, functions);
    struct buffer *out = lua_newuserdatauv(L, sizeof *out, 0);
    *out = (struct buffer){.limit = MOST};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, l_output_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    luaL_setfuncs(L, functions, 1);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
