/* The kinds of parts that need nothing but work/, and the way from any value to its kind: see part.h. */
#include "vm/part.h"
#include "vm/state.h"
#include "vm/value.h"
#include "work/digest.h"
#include "work/file.h"
#include "work/memory.h"
#include "work/stage.h"

#include <math.h>
#include <string.h>

enum { STRING_MOST = 16 << 20 };

static const struct part_kind *const families[] = {core_parts, archive_parts, codec_parts, exec_parts, http_parts};

/* ---- options ---- */

/* Pushes the option. */
static int option(lua_State *L, int index, const char *name) { return lua_getfield(L, index, name); }

static int wrong(lua_State *L, int index, const char *name, const char *expected)
{
    lua_getfield(L, index, "kind");
    return luaL_error(L, "ocm.%s: %s: expected %s", lua_tostring(L, -1), name, expected);
}

lua_Integer part_integer(lua_State *L, int index, const char *name, lua_Integer least, lua_Integer most, lua_Integer otherwise)
{
    index = lua_absindex(L, index);
    if (option(L, index, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return otherwise;
    }
    int is_integer;
    lua_Integer value = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || value < least || value > most) {
        lua_pushfstring(L, "an integer from %I to %I", (LUAI_UACINT)least, (LUAI_UACINT)most);
        wrong(L, index, name, lua_tostring(L, -1));
    }
    lua_pop(L, 1);
    return value;
}

lua_Number part_number(lua_State *L, int index, const char *name, lua_Number least, lua_Number most, lua_Number otherwise)
{
    index = lua_absindex(L, index);
    if (option(L, index, name) == LUA_TNIL) {
        lua_pop(L, 1);
        return otherwise;
    }
    int is_number;
    lua_Number value = lua_tonumberx(L, -1, &is_number);
    if (!is_number || !(value >= least && value <= most)) {
        lua_pushfstring(L, "a number from %f to %f", least, most);
        wrong(L, index, name, lua_tostring(L, -1));
    }
    lua_pop(L, 1);
    return value;
}

bool part_boolean(lua_State *L, int index, const char *name, bool otherwise)
{
    int type = option(L, index, name);
    bool value = type == LUA_TNIL ? otherwise : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

const char *part_string(lua_State *L, int index, const char *name)
{
    index = lua_absindex(L, index);
    int type = option(L, index, name);
    size_t length = 0;
    const char *value = type == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
    if (type != LUA_TNIL && (value == NULL || strlen(value) != length))
        wrong(L, index, name, "a string without a NUL byte");
    lua_pop(L, 1);
    return value;
}

/* ---- file: a path, a Location, a tempfile ---- */

/* The path, of a copy of the value that is left on the stack. */
static const char *file_path(lua_State *L, int index, bool *tempfile)
{
    const char *wrong = NULL;
    lua_pushvalue(L, index);
    const char *path = lib_file_path(L, lua_gettop(L), tempfile, &wrong);
    if (path == NULL)
        luaL_error(L, "%s", wrong);
    return path;
}

static struct stream *file_stream(lua_State *L, int index, bool source)
{
    if (!source)
        luaL_error(L, "a file cannot be a stage: put it first or last, or behind ocm.tee");
    bool tempfile;
    struct stream *stream = file_source_create(file_path(L, index, &tempfile));
    lua_pop(L, 1);
    if (tempfile && stream != NULL)
        stream->subject = "a temporary file"; /* of which the user who reads of it cannot know the name */
    return stream;
}

static struct sink *file_sink(lua_State *L, int index)
{
    bool in_place;
    const char *path = file_path(L, index, &in_place);
    struct sink *sink = file_sink_create(path, in_place);
    lua_pop(L, 1);
    return sink;
}

static const struct part_kind file_kind = {"file", file_stream, file_sink, NULL, NULL};

/* ---- bytes, null, string ---- */

static struct stream *bytes_stream(lua_State *L, int index, bool source)
{
    if (!source)
        luaL_error(L, "ocm.bytes is a source: put it first");
    lua_getfield(L, index, "data");
    size_t length;
    const char *data = luaL_checklstring(L, -1, &length);
    struct stream *stream = bytes_source_create(data, length);
    lua_pop(L, 1);
    return stream;
}

static struct sink *null_sink(lua_State *L, int index)
{
    (void)L, (void)index;
    return null_sink_create();
}

static struct sink *string_sink(lua_State *L, int index)
{
    return string_sink_create((size_t)part_integer(L, index, "max", 0, (lua_Integer)1 << 40, STRING_MOST));
}

static void string_result(lua_State *L, const struct sink *part)
{
    size_t length;
    const char *data = string_sink_data(part, &length);
    lua_pushlstring(L, data, length);
    lua_setfield(L, -2, "string");
}

/* ---- digest, limit, tee ---- */

static struct stream *digest_stream(lua_State *L, int index, bool source)
{
    if (source)
        luaL_error(L, "ocm.digest is a stage: a source comes first");
    const char *algorithm = part_string(L, index, "algorithm");
    return digest_stage_create(algorithm != NULL ? algorithm : "sha256");
}

static void digest_result(lua_State *L, const struct stream *part)
{
    if (lua_getfield(L, -1, "digests") == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        value_mark_array(L, -1);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "digests");
    }
    lua_pushstring(L, digest_stage_value(part));
    lua_seti(L, -2, luaL_len(L, -2) + 1);
    lua_pop(L, 1);
}

static struct stream *limit_stream(lua_State *L, int index, bool source)
{
    if (source)
        luaL_error(L, "ocm.limit is a stage: a source comes first");
    return limit_stage_create((uint64_t)part_integer(L, index, "bytes", 0, LUA_MAXINTEGER, 0));
}

static struct stream *tee_stream(lua_State *L, int index, bool source)
{
    if (source)
        luaL_error(L, "ocm.tee is a stage: a source comes first");
    lua_getfield(L, index, "sink");
    struct stream *stream = tee_stage_create(part_sink(L, lua_gettop(L)));
    lua_pop(L, 1);
    return stream;
}

const struct part_kind core_parts[] = {
    {"bytes", bytes_stream, NULL, NULL, NULL},
    {"null", NULL, null_sink, NULL, NULL},
    {"string", NULL, string_sink, NULL, string_result},
    {"digest", digest_stream, NULL, digest_result, NULL},
    {"limit", limit_stream, NULL, NULL, NULL},
    {"tee", tee_stream, NULL, NULL, NULL},
    {"call", NULL, NULL, NULL, NULL}, /* lib_pipe.c makes it: it needs the pipe */
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- any value ---- */

const struct part_kind *part_kind(lua_State *L, int index, int number, const char *function)
{
    const char *name = NULL;
    if (lua_type(L, index) == LUA_TTABLE) {
        lua_getfield(L, index, "kind");
        name = lua_tostring(L, -1); /* the table keeps it */
        lua_pop(L, 1);
    }
    for (size_t i = 0; name != NULL && i < sizeof families / sizeof families[0]; i++)
        for (const struct part_kind *kind = families[i]; kind->name != NULL; kind++)
            if (strcmp(kind->name, name) == 0)
                return kind;
    if (lua_type(L, index) == LUA_TTABLE) {
        bool remote = lua_getfield(L, index, "type") == LUA_TSTRING && strcmp(lua_tostring(L, -1), "remoteURL") == 0;
        lua_pop(L, 1);
        if (remote)
            return &http_location;
    }
    const char *wrong = NULL;
    int top = lua_gettop(L);
    lua_pushvalue(L, index);
    if (lib_file_path(L, top + 1, NULL, &wrong) == NULL)
        luaL_error(L, "bad argument #%d to '%s' (%s)", number, function, wrong);
    lua_settop(L, top);
    return &file_kind;
}

struct sink *part_sink(lua_State *L, int index)
{
    const struct part_kind *kind = part_kind(L, index, 1, "tee");
    if (kind->sink == NULL)
        luaL_error(L, "ocm.%s cannot be a sink", kind->name);
    return kind->sink(L, index);
}
