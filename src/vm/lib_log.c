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

/* Protected: value -> text. */
static int text_of(lua_State *L)
{
    (void)luaL_tolstring(L, 1, NULL);
    return 1;
}

/* Appends the value on top of the stack, which is popped.  What is not JSON (a function, a cycle) is logged as its tostring text; that may
 * be a function of the script's, which may raise, or log a line of its own, whose values then come behind these. */
static void encode(lua_State *L, struct buffer *values, size_t start)
{
    struct error e;
    size_t length;
    if (!value_encode(L, -1, values, &e)) {
        lua_pushcfunction(L, text_of);
        lua_insert(L, -2);
        if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
            values->length = start;
            lua_error(L);
        }
        const char *text = lua_tolstring(L, -1, &length);
        (void)json_write_lenient(values, text, length);
    }
    lua_pop(L, 1);
}

/* Raises what the caller of ocm.log's function did wrong, with its place. */
static int misuse(lua_State *L, int level, const char *what)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    luaL_where(L, 2);
    lua_pushfstring(L, "ocm.log.%s: %s", names[level], what);
    lua_concat(L, 2);
    return lua_error(L);
}

static void check_attributes(lua_State *L, int level)
{
    if (!lua_istable(L, 3))
        misuse(L, level, lua_pushfstring(L, "expected a table of attributes behind the message, got %s", luaL_typename(L, 3)));
    for (lua_pushnil(L); lua_next(L, 3) != 0; lua_pop(L, 1)) {
        size_t length;
        if (lua_type(L, -2) != LUA_TSTRING)
            misuse(L, level, "attributes have names: { name = value }");
        luaL_argcheck(L, strlen(lua_tolstring(L, -2, &length)) == length, 3, "an attribute's name has a zero byte");
    }
}

/* The values are encoded one behind the other into the vm's buffer, and taken out of it again. */
static void write_line(lua_State *L, enum log_level level)
{
    enum { KEPT = 1 << 16 };
    struct buffer *values = &vm_of(L)->log_values;
    struct log_attribute attributes[MOST];
    size_t length, ends[MOST], count = 0, start = values->length;
    const char *msg = luaL_tolstring(L, 2, &length);
    if (lua_istable(L, 3)) {
        for (lua_pushnil(L); lua_next(L, 3) != 0;) {
            if (count == MOST) {
                lua_pop(L, 2);
                break;
            }
            attributes[count].name = lua_tostring(L, -2);
            encode(L, values, start);
            ends[count++] = values->length;
        }
    }
    for (size_t i = 0, at = start; i < count; at = ends[i++]) {
        attributes[i].json = values->data + at;
        attributes[i].length = ends[i] - at;
    }
    if (count == MOST)
        attributes[MOST - 1] = (struct log_attribute){"truncated", "true", 4};
    if (count > 1)
        qsort(attributes, count, sizeof attributes[0], by_name);
    log_write(level, msg, length, attributes, count);
    values->length = start;
    if (start == 0 && values->capacity > KEPT)
        buffer_free(values);
}

static int after_instead(lua_State *L, int status, lua_KContext context)
{
    (void)L, (void)status, (void)context;
    return 0;
}

/* write(level, msg, attributes, instead): checks them, and writes a line, or calls `instead` with them, where there is one */
static int l_write(lua_State *L)
{
    int level = luaL_checkoption(L, 1, NULL, levels);
    lua_settop(L, 4);
    if (!lua_isnil(L, 3))
        check_attributes(L, level);
    if (lua_isnil(L, 4)) {
        write_line(L, (enum log_level)level);
        return 0;
    }
    lua_insert(L, 1); /* instead, level, msg, attributes */
    (void)luaL_tolstring(L, 3, NULL);
    lua_replace(L, 3);
    lua_callk(L, 3, 0, 0, after_instead);
    return 0;
}

/* least(level): lines below it are dropped */
static int l_least(lua_State *L)
{
    log_from((enum log_level)luaL_checkoption(L, 1, NULL, levels));
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

/* A buffer that survives an error, as a userdata. */
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

/* secret(text) -> text, which is hidden from now on */
static int l_secret(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    if (!secret_remember(text, length))
        return luaL_error(L, "not enough memory"); /* what is not remembered cannot be hidden */
    lua_settop(L, 1);
    return 1;
}

static const luaL_Reg functions[] = {{"write", l_write}, {"least", l_least}, {"copy", l_copy}, {"tell", l_tell}, {"secret", l_secret}, {NULL, NULL}};

int luaopen_ocm_log(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
