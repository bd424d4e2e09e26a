#pragma once
/* What value.c and value_encode.c share of a Lua state.  For these two. */
#include "base/buffer.h"

#include <lua.h>

/* One a state, a userdata in the registry; its user values are the two metatables. */
struct codec {
    struct buffer scratch; /* strings with escapes: holds something only between json_next and the push of its string */
    const void *array, *number; /* the metatables, to compare with */
};

enum { ARRAY_METATABLE = 1, NUMBER_METATABLE };

/* Pushes the state's codec. */
struct codec *codec_push(lua_State *L);

/* The metatable of the value at `index`, to compare with; NULL: it has none.  Needs a free slot on the stack. */
const void *codec_metatable(lua_State *L, int index);
