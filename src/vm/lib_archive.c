/* The parts that make and extract archives (lua/ocm/archive.lua): see part.h. */
#include "base/glob.h"
#include "vm/part.h"
#include "work/tar.h"
#include "work/unpack.h"

#include <lauxlib.h>
#include <string.h>

enum { FILES_USUAL = 1000000, STRIP_MOST = 256, GLOBS_MOST = 10000, LEVEL_USUAL = 6, LEVEL_MOST = 9 };

/* The path; not empty. */
static const char *directory(lua_State *L, int index, const char *kind)
{
    const char *path = part_string(L, index, "directory");
    if (path == NULL || *path == '\0')
        luaL_error(L, "ocm.%s: directory: expected a path", kind);
    return path;
}

/* One of `names`, by default the first. */
static int choice(lua_State *L, int index, const char *kind, const char *name, const char *const *names)
{
    const char *value = part_string(L, index, name);
    for (int i = 0; value != NULL && names[i] != NULL; i++)
        if (strcmp(value, names[i]) == 0)
            return i;
    if (value != NULL) {
        lua_pushliteral(L, "");
        for (int i = 0; names[i] != NULL; i++) {
            lua_pushfstring(L, "%s\"%s\"", i > 0 ? " or " : "", names[i]);
            lua_concat(L, 2);
        }
        luaL_error(L, "ocm.%s: %s: expected %s, got \"%s\"", kind, name, lua_tostring(L, -1), value);
    }
    return 0;
}

/* The list of globs, NULL behind the last, in a userdata that is left on the stack (or nil is): the strings are the list's. */
static const char *const *globs(lua_State *L, int index, const char *kind, const char *name, bool deep)
{
    lua_getfield(L, index, name);
    if (lua_isnil(L, -1))
        return NULL;
    if (lua_type(L, -1) != LUA_TTABLE)
        luaL_error(L, "ocm.%s: %s: expected a list of strings", kind, name);
    lua_Unsigned count = lua_rawlen(L, -1);
    if (count == 0 && !deep) /* none, as the dir input has it */
        return NULL;
    if (count > GLOBS_MOST)
        luaL_error(L, "ocm.%s: %s: expected at most %d globs", kind, name, GLOBS_MOST);
    const char **list = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *list, 1);
    for (size_t i = 0; i < count; i++) {
        size_t length;
        if (lua_rawgeti(L, -2, (lua_Integer)i + 1) != LUA_TSTRING) /* a number's text would not be the list's */
            luaL_error(L, "ocm.%s: %s: expected a list of strings", kind, name);
        list[i] = lua_tolstring(L, -1, &length);
        if (strlen(list[i]) != length || (!deep && !glob_valid(list[i])))
            luaL_error(L, "ocm.%s: %s: \"%s\" is no glob", kind, name, list[i]);
        lua_pop(L, 1);
    }
    list[count] = NULL;
    return list;
}

static struct stream *pack(lua_State *L, int index, bool source, bool zip)
{
    static const char *const dialects[] = {"path", "deep", NULL};
    static const char *const links[] = {[TAR_KEEP_LINKS] = "keep", [TAR_FOLLOW_LINKS] = "follow", [TAR_REFUSE_LINKS] = "refuse", NULL};
    static const char *const permissions[] = {"keep", "executable", NULL};
    const char *kind = zip ? "zip" : "tar";
    if (!source)
        luaL_error(L, "ocm.%s is a source: put it first", kind);
    index = lua_absindex(L, index);
    int top = lua_gettop(L);
    const char *path = directory(L, index, kind);
    struct tar_options options = {
        .deep = choice(L, index, kind, "globs", dialects) == 1,
        .links = (enum tar_links)choice(L, index, kind, "links", links),
        .root = !zip && part_boolean(L, index, "root", true),
        .preserve_dir = part_boolean(L, index, "preserveDir", false),
        .normal_modes = choice(L, index, kind, "permissions", permissions) == 1,
        .zip = zip,
        .level = (int)part_integer(L, index, "level", 0, LEVEL_MOST, LEVEL_USUAL),
    };
    options.include = globs(L, index, kind, "include", options.deep);
    options.exclude = globs(L, index, kind, "exclude", options.deep);
    struct stream *stream = tar_source_create(path, &options);
    lua_settop(L, top);
    return stream;
}

static struct stream *tar(lua_State *L, int index, bool source) { return pack(L, index, source, false); }

static struct stream *zip(lua_State *L, int index, bool source) { return pack(L, index, source, true); }

static struct unpack_options unpack_options(lua_State *L, int index, const char *kind)
{
    static const char *const permissions[] = {"umask", "keep", NULL};
    return (struct unpack_options){
        .overwrite = part_boolean(L, index, "overwrite", false),
        .links = part_boolean(L, index, "links", false),
        .keep_modes = choice(L, index, kind, "permissions", permissions) == 1,
        .strip = (unsigned)part_integer(L, index, "strip", 0, STRIP_MOST, 0),
        .files = (uint64_t)part_integer(L, index, "files", 0, LUA_MAXINTEGER, FILES_USUAL),
        .bytes = (uint64_t)part_integer(L, index, "bytes", 0, LUA_MAXINTEGER, LUA_MAXINTEGER),
    };
}

static struct sink *untar(lua_State *L, int index)
{
    struct unpack_options options = unpack_options(L, index, "untar");
    return untar_sink_create(directory(L, index, "untar"), &options);
}

static struct sink *unzip(lua_State *L, int index)
{
    struct unpack_options options = unpack_options(L, index, "unzip");
    return unzip_sink_create(directory(L, index, "unzip"), &options);
}

static void unpack_result(lua_State *L, const struct sink *part)
{
    lua_pushinteger(L, (lua_Integer)unpack_entries(part));
    lua_setfield(L, -2, "entries");
}

const struct part_kind archive_parts[] = {
    {"tar", tar, NULL, NULL, NULL},
    {"zip", zip, NULL, NULL, NULL},
    {"untar", NULL, untar, NULL, unpack_result},
    {"unzip", NULL, unzip, NULL, unpack_result},
    {NULL, NULL, NULL, NULL, NULL},
};
