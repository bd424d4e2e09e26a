#pragma once
/* ocm.json, as scripts see it: encode, decode, null, array, number.  Needs value_open in the same state before. */
#include <lua.h>

int luaopen_ocm_json(lua_State *L);
