/* Any JSON array as the parts of a pipe: each is refused with a text, or becomes a part that is freed without ever being run.
 *
 * The tables come past the constructors of lua/ocm, which a script can get round, too; "path" members become what they hold. */
#include "vm/part.h"
#include "vm/state.h"
#include "vm/value.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vm *vm;

/* The table at 1 as a source, a stage and a sink. One of these that raises does not keep the others from being tried. */
static int make_source(lua_State *L)
{
    const struct part_kind *kind = part_kind(L, 1, 1, "pipe");
    if (kind->stream != NULL)
        stream_free(kind->stream(L, 1, true));
    return 0;
}

static int make_stage(lua_State *L)
{
    const struct part_kind *kind = part_kind(L, 1, 2, "pipe");
    if (kind->stream != NULL)
        stream_free(kind->stream(L, 1, false));
    return 0;
}

static int make_sink(lua_State *L)
{
    const struct part_kind *kind = part_kind(L, 1, 3, "pipe");
    if (kind->sink != NULL)
        sink_free(kind->sink(L, 1));
    return 0;
}

static void try_as(lua_State *L, lua_CFunction make)
{
    lua_pushcfunction(L, make);
    lua_pushvalue(L, -2);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        if (lua_tostring(L, -1) == NULL)
            abort();
        lua_pop(L, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error e;
    char name[] = "fuzz", *argv[] = {name, NULL};
    if (vm == NULL && (vm = vm_create(1, argv, &e)) == NULL)
        abort();
    lua_State *L = vm->L;
    lua_settop(L, 0);
    if (!value_decode(L, (const char *)data, size, &e))
        return 0;
    lua_Integer count = lua_istable(L, 1) ? (lua_Integer)lua_rawlen(L, 1) : 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, 1, i);
        try_as(L, make_source);
        try_as(L, make_stage);
        try_as(L, make_sink);
        lua_settop(L, 1);
    }
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT);
    return 0;
}
