#pragma once
/* JSON text to Lua values and back, in one pass.  Main thread.
 *
 * | JSON                     | Lua                                                                              |
 * | object                   | table; members are written sorted by the bytes of their names                    |
 * | array                    | table with the array metatable, also when empty                                  |
 * | null                     | light userdata NULL (ocm.json.null, which is cjson.null)                         |
 * | integer within int64     | integer                                                                          |
 * | other number             | float, or, where a double has not the same value, a number object with the text  |
 *
 * Written as an array: a table with the array metatable, or a non-empty one whose keys are exactly 1..n. */
#include "base/buffer.h"
#include "base/error.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Creates the metatables of arrays and number objects in this state.  Once, before anything else here. */
void value_open(lua_State *L);

/* Pushes the value that the text holds.  False: nothing pushed, e filled as json_next does.  Raises when Lua is out of
 * memory: `text` has to survive that. */
bool value_decode(lua_State *L, const char *text, size_t length, struct error *e);

/* Appends the value at `index` as JSON.  False: `out` is as before, e says what and where: "component.labels[2].value: NaN is not JSON".
 * Errors: functions, userdata, threads; NaN and infinities; cycles and nesting beyond 512; invalid UTF-8; keys that are not strings;
 * arrays with holes or with named members; no memory (code ENOMEM).  Uses no metamethods.  Never raises, and runs no Lua
 * code, not even a finalizer: `out` may be a local variable of the caller. */
bool value_encode(lua_State *L, int index, struct buffer *out, struct error *e);

/* The same with a line for each element and member, indented by two spaces a level. */
bool value_encode_pretty(lua_State *L, int index, struct buffer *out, struct error *e);

/* Marks the table at `index` as an array (sets its metatable). */
void value_mark_array(lua_State *L, int index);
bool value_is_array(lua_State *L, int index); /* has the array metatable */
