/* ocm.tempfile, and what ocm.tempdir (lua/ocm/tempdir.lua) needs.
 *
 * A temporary file lives in the run directory.  It is removed when the script has let go of it without ever taking its
 * path or answering with it, and at the latest when the process ends: whoever was given the path may still read it. */
#include "base/tempdir.h"
#include "vm/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char tempfile_type[] = "ocm.tempfile";

struct tempfile {
    bool named;   /* somebody knows its path */
    bool exists;
    char path[];
};

static struct tempfile *check(lua_State *L) { return luaL_checkudata(L, 1, tempfile_type); }

static int fail_errno(lua_State *L, const char *what, const char *path)
{
    return luaL_error(L, "%s %s: %s", what, path, strerror(errno));
}

static const char no_directory[] = "temporary files are for handlers, start and cleanup: there is no run directory yet";

/* tempdir() -> the path of an empty directory | nil, message */
static int l_tempdir(lua_State *L)
{
    struct error e;
    char path[PATH_MAX];
    const struct tempdir *dir = vm_of(L)->dir;
    bool ok = dir != NULL ? tempdir_directory(dir, path, sizeof path, &e) : error_set(&e, 0, "%s", no_directory);
    if (ok) {
        lua_pushstring(L, path);
        return 1;
    }
    luaL_pushfail(L);
    lua_pushstring(L, e.message);
    return 2;
}

/* tempfile() -> an empty file */
static int l_tempfile(lua_State *L)
{
    struct error e;
    char path[PATH_MAX];
    const struct tempdir *dir = vm_of(L)->dir;
    if (dir == NULL)
        return luaL_error(L, "%s", no_directory);
    size_t most = strlen(dir->path) + sizeof "/file-XXXXXX";
    struct tempfile *file = lua_newuserdatauv(L, sizeof *file + most, 0);
    *file = (struct tempfile){0};
    luaL_setmetatable(L, tempfile_type);
    int fd = tempdir_file(dir, path, sizeof path, &e);
    if (fd < 0)
        return luaL_error(L, "%s", e.message);
    close(fd);
    memcpy(file->path, path, strlen(path) + 1);
    file->exists = true;
    return 1;
}

/* :path() -> its absolute path; from now on the file stays until the process ends */
static int l_path(lua_State *L)
{
    struct tempfile *file = check(L);
    file->named = true;
    lua_pushstring(L, file->path);
    return 1;
}

/* :write(s, …) -> itself; appends */
static int l_write(lua_State *L)
{
    struct tempfile *file = check(L);
    int count = lua_gettop(L);
    for (int i = 2; i <= count; i++)
        luaL_checkstring(L, i);
    int fd = open(file->path, O_WRONLY | O_APPEND | O_CLOEXEC); /* not kept open: files wait long for the collector, descriptors are few */
    bool ok = fd >= 0;
    for (int i = 2; ok && i <= count; i++) {
        size_t length;
        const char *text = lua_tolstring(L, i, &length);
        while (ok && length > 0) {
            ssize_t written = write(fd, text, length);
            if (written >= 0) {
                text += written;
                length -= (size_t)written;
            }
            ok = written >= 0 || errno == EINTR;
        }
    }
    int code = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        code = errno;
        ok = false;
    }
    errno = code;
    if (!ok)
        return fail_errno(L, "writing", file->path);
    lua_settop(L, 1);
    return 1;
}

/* :close() -> true: nothing is pending, ever; it is there because files have it, and for <close> */
static int l_close(lua_State *L)
{
    check(L);
    lua_pushboolean(L, 1);
    return 1;
}

static int collect(lua_State *L)
{
    struct tempfile *file = check(L);
    if (file->exists && !file->named)
        (void)unlink(file->path);
    file->exists = false;
    return 0;
}

static int l_tostring(lua_State *L)
{
    lua_pushfstring(L, "tempfile (%s)", check(L)->path);
    return 1;
}

const char *lib_file_path(lua_State *L, int index, bool *tempfile, const char **wrong)
{
    if (lua_type(L, index) == LUA_TTABLE) { /* a Location */
        lua_getfield(L, index, "type");
        const char *type = lua_tostring(L, -1);
        if (type != NULL && strcmp(type, "remoteURL") == 0) {
            *wrong = "a Location of type remoteURL is not a file: fetch it first";
            return NULL;
        }
        lua_getfield(L, index, "value");
        lua_replace(L, index); /* keeps the path alive */
        lua_pop(L, 1);
    }
    struct tempfile *file = luaL_testudata(L, index, tempfile_type);
    if (tempfile != NULL)
        *tempfile = file != NULL;
    if (file != NULL)
        return file->path;
    size_t length;
    const char *path = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &length) : NULL;
    if (path == NULL)
        *wrong = lua_pushfstring(L, "path, Location or tempfile expected, got %s", luaL_typename(L, index));
    else if (strlen(path) != length)
        *wrong = "a path cannot hold a NUL byte";
    return path != NULL && strlen(path) == length ? path : NULL;
}

static const luaL_Reg methods[] = {{"path", l_path}, {"write", l_write}, {"close", l_close}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", collect}, {"__close", l_close}, {"__tostring", l_tostring}, {"__index", NULL}, {NULL, NULL}};
/* is_tempfile(value) -> boolean */
static int l_is_tempfile(lua_State *L)
{
    lua_pushboolean(L, luaL_testudata(L, 1, tempfile_type) != NULL);
    return 1;
}

static const luaL_Reg functions[] = {{"tempfile", l_tempfile}, {"tempdir", l_tempdir}, {"is_tempfile", l_is_tempfile}, {NULL, NULL}};

int luaopen_ocm_file(lua_State *L)
{
    luaL_newmetatable(L, tempfile_type);
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
