/* What ocm.log (lua/ocm/log.lua) writes with: one line, its attributes a table whose values are written as JSON.  And what commands and
 * ocm.dev need of the log. */
#include "base/json.h"
#include "base/log.h"
#include "base/secret.h"
#include "vm/state.h"
#include "vm/value.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 48 }; /* attributes */

static const char *const levels[] = {"DEBUG", "INFO", "WARN", "ERROR", NULL};

static int by_name(const void *a, const void *b) { return strcmp(((const struct log_attribute *)a)->name, ((const struct log_attribute *)b)->name); }

/* The buffer that attributes are encoded into survives an error in between, as a userdata. */
static int free_buffer(lua_State *L)
{
    buffer_free(lua_touserdata(L, 1));
    return 0;
}

static struct buffer *push_buffer(lua_State *L)
{
    struct buffer *buffer = lua_newuserdatauv(L, sizeof *buffer, 0);
    *buffer = (struct buffer){0};
    if (luaL_newmetatable(L, "ocm.log.buffer")) {
        lua_pushcfunction(L, free_buffer);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return buffer;
}

/* A value that is not JSON (a function, a cycle) is logged as its tostring text. */
static void encode(lua_State *L, int index, struct buffer *out)
{
    struct error e;
    if (value_encode(L, index, out, &e))
        return;
    size_t length;
    const char *text = luaL_tolstring(L, index, &length);
    (void)json_write_lenient(out, text, length);
    lua_pop(L, 1);
}

/* write(level, msg, attributes) */
static int l_write(lua_State *L)
{
    enum log_level level = (enum log_level)luaL_checkoption(L, 1, NULL, levels);
    size_t length, ends[MOST], count = 0;
    struct log_attribute attributes[MOST];
    lua_settop(L, 3);
    const char *msg = luaL_tolstring(L, 2, &length); /* index 4 */
    struct buffer *values = push_buffer(L);
    if (!lua_isnoneornil(L, 3)) {
        luaL_argexpected(L, lua_istable(L, 3), 3, "table of attributes");
        for (lua_pushnil(L); lua_next(L, 3) != 0 && count < MOST;) {
            luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, 3, "attributes have names: { name = value }");
            size_t name_length;
            attributes[count].name = lua_tolstring(L, -2, &name_length);
            luaL_argcheck(L, strlen(attributes[count].name) == name_length, 3, "an attribute's name has a zero byte");
            encode(L, lua_gettop(L), values);
            ends[count++] = values->length;
            lua_pop(L, 1);
        }
    }
    for (size_t i = 0, start = 0; i < count; start = ends[i++]) {
        attributes[i].json = values->data + start;
        attributes[i].length = ends[i] - start;
    }
    if (!lua_isnoneornil(L, 3) && count == MOST)
        attributes[MOST - 1] = (struct log_attribute){"truncated", "true", 4};
    qsort(attributes, count, sizeof attributes[0], by_name);
    log_write(level, msg, length, attributes, count);
    return 0;
}

/* least(level): lines below it are dropped */
static int l_least(lua_State *L)
{
    log_least((enum log_level)luaL_checkoption(L, 1, NULL, levels));
    return 0;
}

/* copy(path) -> whether each line is appended to this file from now on, too */
static int l_copy(lua_State *L)
{
    int fd = open(luaL_checkstring(L, 1), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        log_copy_to(fd);
    lua_pushboolean(L, fd >= 0);
    return 1;
}

/* tell(value): a line in that file alone: the value as JSON, without remembered credentials */
static int l_tell(lua_State *L)
{
    struct error e;
    luaL_checkany(L, 1);
    struct buffer *encoded = push_buffer(L), *line = push_buffer(L);
    if (!value_encode(L, 1, encoded, &e))
        return luaL_error(L, "%s", e.message);
    if (!secret_redact_json(line, encoded->data, encoded->length) || !buffer_add(line, '\n'))
        return luaL_error(L, "not enough memory");
    log_copy(line->data, line->length);
    return 0;
}

static const luaL_Reg functions[] = {{"write", l_write}, {"least", l_least}, {"copy", l_copy}, {"tell", l_tell}, {NULL, NULL}};

int luaopen_ocm_log(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
