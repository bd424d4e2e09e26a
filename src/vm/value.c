/* JSON text to Lua values: see value.h; the way back is in value_encode.c.
 *
 * Elements and members are pushed on the Lua stack, and their table is created when its size is known; wide ones are
 * moved to the table CHUNK slots at a time, so that the stack stays bounded.  Anything that allocates in Lua may raise, so
 * the one buffer that decoding needs (strings with escapes) belongs to `struct codec`, a userdata in the registry. */
#include "vm/value.h"

#include "base/json.h"
#include "vm/codec.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

enum {
    CHUNK = 128, /* elements, or names and values, that wait on the stack */
    GROW = 32,   /* slots that the stack is extended by */
};

static const char codec_key; /* its address is the key in the registry */
static const char number_name[] = "ocm.json.number";

struct codec *codec_push(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &codec_key);
    return lua_touserdata(L, -1);
}

const void *codec_metatable(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return NULL;
    const void *pointer = lua_topointer(L, -1);
    lua_pop(L, 1);
    return pointer;
}

static bool out_of_memory(struct error *e) { return error_set(e, ENOMEM, "out of memory"); }

/* ---- decoding ---- */

struct decoder {
    lua_State *L;
    struct json_reader reader;
    struct json_event event;
    struct error *e;
    int array; /* where the array metatable is on the stack */
};

static bool push_value(struct decoder *d);

/* Moves `count` elements from the top of the stack into the array below them. */
static void store_elements(lua_State *L, int table, lua_Integer stored, int count)
{
    for (lua_Integer i = stored + count; i > stored; i--)
        lua_rawseti(L, table, i);
}

static bool push_array(struct decoder *d)
{
    lua_State *L = d->L;
    lua_Integer stored = 0;
    int waiting = 0;
    if (!lua_checkstack(L, GROW + 4))
        return out_of_memory(d->e);
    lua_pushnil(L); /* the table's place */
    int table = lua_gettop(L);
    for (;;) {
        if (!json_next(&d->reader, &d->event, d->e))
            return false;
        bool end = d->event.kind == JSON_ARRAY_END;
        if (end || waiting == CHUNK) {
            if (stored == 0) {
                lua_createtable(L, end ? waiting : 4 * CHUNK, 0);
                lua_replace(L, table);
            }
            store_elements(L, table, stored, waiting);
            stored += waiting;
            waiting = 0;
            if (end)
                break;
        }
        if (!push_value(d))
            return false;
        if (++waiting % GROW == 0 && !lua_checkstack(L, GROW + 4))
            return out_of_memory(d->e);
    }
    lua_pushvalue(L, d->array);
    lua_setmetatable(L, table);
    return true;
}

/* Moves the members from the stack above the table into it, the first one first: the last of duplicates wins. */
static void store_members(lua_State *L, int table, int waiting)
{
    for (int at = table + 1; at < table + waiting; at += 2) {
        lua_pushvalue(L, at);
        lua_pushvalue(L, at + 1);
        lua_rawset(L, table);
    }
    lua_settop(L, table);
}

static bool push_object(struct decoder *d)
{
    lua_State *L = d->L;
    int waiting = 0;
    bool created = false;
    if (!lua_checkstack(L, GROW + 4))
        return out_of_memory(d->e);
    lua_pushnil(L);
    int table = lua_gettop(L);
    for (;;) {
        if (!json_next(&d->reader, &d->event, d->e))
            return false;
        bool end = d->event.kind == JSON_OBJECT_END;
        if (end || waiting == CHUNK) {
            if (!created) {
                lua_createtable(L, 0, end ? waiting / 2 : 2 * CHUNK);
                lua_replace(L, table);
                created = true;
            }
            store_members(L, table, waiting);
            waiting = 0;
            if (end)
                return true;
        }
        lua_pushlstring(L, d->event.text, d->event.length);
        if (!json_next(&d->reader, &d->event, d->e) || !push_value(d))
            return false;
        if ((waiting += 2) % GROW == 0 && !lua_checkstack(L, GROW + 4))
            return out_of_memory(d->e);
    }
}

static void push_number(struct decoder *d)
{
    lua_State *L = d->L;
    void *object = lua_newuserdatauv(L, d->event.length, 0);
    memcpy(object, d->event.text, d->event.length);
    lua_getiuservalue(L, d->array - 1, NUMBER_METATABLE);
    lua_setmetatable(L, -2);
}

/* Pushes the value that d->event begins; leaves anything on the stack where it fails. */
static bool push_value(struct decoder *d)
{
    lua_State *L = d->L;
    switch (d->event.kind) {
    case JSON_STRING:
        lua_pushlstring(L, d->event.text, d->event.length);
        return true;
    case JSON_OBJECT:
        return push_object(d);
    case JSON_ARRAY:
        return push_array(d);
    case JSON_INTEGER:
        lua_pushinteger(L, (lua_Integer)d->event.integer);
        return true;
    case JSON_DOUBLE:
        lua_pushnumber(L, (lua_Number)d->event.number);
        return true;
    case JSON_NUMBER:
        push_number(d);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, d->event.kind == JSON_TRUE);
        return true;
    default:
        lua_pushlightuserdata(L, NULL);
        return true;
    }
}

bool value_decode(lua_State *L, const char *text, size_t length, struct error *e)
{
    struct decoder d = {.L = L, .e = e};
    if (!lua_checkstack(L, 8))
        return out_of_memory(e);
    int top = lua_gettop(L);
    struct codec *codec = codec_push(L);
    lua_getiuservalue(L, -1, ARRAY_METATABLE);
    d.array = lua_gettop(L);
    json_reader_init(&d.reader, text, length);
    d.reader.scratch = &codec->scratch;
    bool ok = json_next(&d.reader, &d.event, e) && push_value(&d) && json_next(&d.reader, &d.event, e);
    if (codec->scratch.capacity > 1 << 16)
        buffer_free(&codec->scratch);
    if (ok)
        lua_replace(L, top + 1);
    lua_settop(L, top + (ok ? 1 : 0));
    return ok;
}

/* ---- metatables ---- */

void value_mark_array(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    luaL_checkstack(L, 2, NULL);
    codec_push(L);
    lua_getiuservalue(L, -1, ARRAY_METATABLE);
    lua_setmetatable(L, index);
    lua_pop(L, 1);
}

bool value_is_array(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    luaL_checkstack(L, 2, NULL);
    const void *metatable = lua_type(L, index) == LUA_TTABLE ? codec_metatable(L, index) : NULL;
    if (metatable == NULL)
        return false;
    const struct codec *codec = codec_push(L);
    lua_pop(L, 1);
    return metatable == codec->array;
}

static int l_codec_gc(lua_State *L)
{
    struct codec *codec = lua_touserdata(L, 1);
    buffer_free(&codec->scratch);
    return 0;
}

static int l_number_tostring(lua_State *L)
{
    const char *text = luaL_checkudata(L, 1, number_name);
    lua_pushlstring(L, text, lua_rawlen(L, 1));
    return 1;
}

/* Numbers are equal when they are written alike. */
static int l_number_eq(lua_State *L)
{
    const void *left = luaL_testudata(L, 1, number_name), *right = luaL_testudata(L, 2, number_name);
    size_t length = lua_rawlen(L, 1);
    lua_pushboolean(L, left != NULL && right != NULL && lua_rawlen(L, 2) == length && memcmp(left, right, length) == 0);
    return 1;
}

void value_open(lua_State *L)
{
    struct codec *codec = lua_newuserdatauv(L, sizeof *codec, 2);
    *codec = (struct codec){0};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, l_codec_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);

    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "ocm.json.array");
    lua_setfield(L, -2, "__name");
    codec->array = lua_topointer(L, -1);
    lua_setiuservalue(L, -2, ARRAY_METATABLE);

    luaL_newmetatable(L, number_name);
    lua_pushcfunction(L, l_number_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushcfunction(L, l_number_eq);
    lua_setfield(L, -2, "__eq");
    codec->number = lua_topointer(L, -1);
    lua_setiuservalue(L, -2, NUMBER_METATABLE);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &codec_key);
}
