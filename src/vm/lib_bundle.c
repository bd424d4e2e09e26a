/* The files of this program's bundle, for ocm.load: a function that reads them. */
#include "base/bundle.h"
#include "vm/state.h"

/* (name) -> text; nil where there is no such file; nil and a message where it is damaged */
static int l_read(lua_State *L)
{
    struct error e;
    struct bundle_file file;
    if (!bundle_find(lua_touserdata(L, lua_upvalueindex(1)), luaL_checkstring(L, 1), &file, &e)) {
        luaL_pushfail(L);
        lua_pushstring(L, e.message);
        return 2;
    }
    if (file.name == NULL)
        luaL_pushfail(L);
    else
        lua_pushlstring(L, file.bytes, file.length);
    return 1;
}

void lib_bundle_push(lua_State *L, const struct bundle *bundle)
{
    if (bundle == NULL) {
        lua_pushnil(L);
        return;
    }
    lua_pushlightuserdata(L, (void *)(size_t)bundle);
    lua_pushcclosure(L, l_read, 1);
}
