/* Child processes as parts of pipes: ocm.command, and ocm.exec, which lua/ocm/exec.lua makes of one and a sink.
 *
 * The tables are lua/ocm/exec.lua's: `argv` and `changes` are lists of strings, as work/child.h wants them. */
#include "vm/part.h"
#include "work/exec.h"
#include "work/memory.h"

#include <lauxlib.h>
#include <string.h>

enum { ERRORS_MOST = 64 << 10, EXEC_MOST = 16 << 20, THROUGH_MOST = 0 };

static const lua_Number TIMEOUT_MOST = 1e9;

/* Pushes a userdata with pointers to the strings of the option, a list, which the list keeps; NULL behind the last. */
static const char *const *push_strings(lua_State *L, int index, const char *name)
{
    if (lua_getfield(L, index, name) != LUA_TTABLE)
        luaL_error(L, "%s: expected a list of strings", name);
    size_t count = (size_t)lua_rawlen(L, -1);
    const char **strings = lua_newuserdatauv(L, (count + 1) * sizeof *strings, 0);
    for (size_t i = 0; i < count; i++) {
        size_t length;
        bool is_string = lua_rawgeti(L, -2, (lua_Integer)i + 1) == LUA_TSTRING;
        strings[i] = lua_tolstring(L, -1, &length);
        if (!is_string || strlen(strings[i]) != length)
            luaL_error(L, "%s: expected a list of strings without NUL bytes", name);
        lua_pop(L, 1);
    }
    strings[count] = NULL;
    return strings;
}

/* Raises before it makes anything. */
static struct stream *make(lua_State *L, int index, struct exec_options options)
{
    index = lua_absindex(L, index);
    int top = lua_gettop(L);
    luaL_checkstack(L, 10, NULL);
    const char *const *argv = push_strings(L, index, "argv");
    if (argv[0] == NULL)
        luaL_error(L, "argv: expected a program");
    bool changed = lua_getfield(L, index, "changes") != LUA_TNIL;
    const char *const *changes = changed ? push_strings(L, index, "changes") : NULL;
    const char *cwd = part_string(L, index, "cwd");
    bool inherit = part_boolean(L, index, "inherit", true);
    uint64_t memory = (uint64_t)part_integer(L, index, "memory", 0, LUA_MAXINTEGER, 0);
    options.timeout = part_number(L, index, "timeout", 0, TIMEOUT_MOST, 0);
    if (lua_getfield(L, index, "stderr") != LUA_TNIL) {
        options.errors = part_sink(L, lua_gettop(L));
        if (options.errors == NULL)
            return NULL;
    }
    options.command = command_create(argv, changes, inherit, cwd);
    if (options.command != NULL)
        command_limit_memory(options.command, memory);
    struct stream *stream = exec_create(options);
    lua_settop(L, top);
    return stream;
}

/* ---- command: a part of the script's pipes ---- */

static struct stream *command_stream(lua_State *L, int index, bool source)
{
    (void)source;
    return make(L, index, (struct exec_options){.check = true, .errors_most = ERRORS_MOST});
}

static struct sink *command_sink(lua_State *L, int index) { return through_sink_create(command_stream(L, index, false), THROUGH_MOST); }

/* ---- exec: what ocm.exec runs ---- */

static struct stream *exec_stream(lua_State *L, int index, bool source)
{
    struct exec_options options = {.check = part_boolean(L, index, "check", true)};
    (void)source;
    options.errors_most = (size_t)part_integer(L, index, "max", 0, (lua_Integer)1 << 40, EXEC_MOST);
    return make(L, index, options);
}

static void exec_result(lua_State *L, const struct stream *part)
{
    struct exec_outcome outcome = exec_outcome(part);
    lua_createtable(L, 0, 6);
    lua_pushinteger(L, outcome.status);
    lua_setfield(L, -2, "status");
    if (outcome.signal != 0) {
        lua_pushinteger(L, outcome.signal);
        lua_setfield(L, -2, "signal");
    }
    bool in_string = outcome.sink != NULL && strcmp(outcome.sink->type->name, "string") == 0; /* ocm.string */
    if (in_string)
        outcome.errors = string_sink_data(outcome.sink, &outcome.length);
    if (outcome.sink == NULL || in_string) {
        lua_pushlstring(L, outcome.errors, outcome.length);
        lua_setfield(L, -2, "stderr");
    }
    lua_setfield(L, -2, "exec");
}

/* ---- output: a result of ocm.exec, as a source ---- */

static struct stream *output_stream(lua_State *L, int index, bool source)
{
    size_t length;
    if (!source)
        luaL_error(L, "a result of ocm.exec is a source: put it first");
    if (lua_getfield(L, index, "stdout") != LUA_TSTRING)
        luaL_error(L, "this result of ocm.exec has no stdout: it went to a sink");
    const char *data = lua_tolstring(L, -1, &length);
    struct stream *stream = bytes_source_create(data, length);
    lua_pop(L, 1);
    return stream;
}

const struct part_kind exec_parts[] = {
    {"command", command_stream, command_sink, NULL, NULL},
    {"exec", exec_stream, NULL, exec_result, NULL},
    {"output", output_stream, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
