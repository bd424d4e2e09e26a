#pragma once
/* The declaration that ocm.plugin returned, as far as C needs it. */
#include <lua.h>

struct vm;

/* Takes `capabilities` and `limits` of the checked declaration at `index`. Raises when something has the wrong shape. */
void plugin_freeze(lua_State *L, int index, struct vm *vm);
