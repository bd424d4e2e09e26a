/* ocm.fs: trios whose work is work/fs.c.  lua/ocm/fs.lua checks options, and makes an iterator of a walk.
 *
 * What fails is returned, as nil, a message and an errno value; misuse raises. */
#include "vm/state.h"
#include "work/fs.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const char walk_type[] = "ocm.walk";

static const char *check_path(lua_State *L, int index)
{
    size_t length;
    const char *path = luaL_checklstring(L, index, &length);
    luaL_argcheck(L, strlen(path) == length, index, "a path cannot hold a NUL byte");
    return path;
}

static mode_t opt_mode(lua_State *L, int index)
{
    lua_Integer mode = luaL_optinteger(L, index, FS_USUAL_MODE);
    luaL_argcheck(L, mode == FS_USUAL_MODE || (mode >= 0 && mode <= 07777), index, "expected a mode from 0 to 4095 (octal 7777)");
    return (mode_t)mode;
}

static int push_failure(lua_State *L, const struct error *e)
{
    lua_pushnil(L);
    lua_pushstring(L, e->message);
    lua_pushinteger(L, e->code);
    return 3;
}

/* Runs the job behind the arguments, `count` of them. */
static int start(lua_State *L, int count, struct job **slot, struct job *job, lua_KFunction finish)
{
    if (job == NULL)
        return luaL_error(L, "not enough memory");
    *slot = job;
    return job_run(L, count + 1, finish);
}

static const struct fs_job *finished(lua_State *L, lua_KContext index) { return *(struct fs_job **)lua_touserdata(L, (int)index); }

/* ---- read(path, limit) -> bytes ---- */

static int after_read(lua_State *L, int status, lua_KContext index)
{
    const struct fs_job *fs = finished(L, index);
    (void)status;
    if (!fs->ok)
        return push_failure(L, &fs->error);
    lua_pushlstring(L, fs->bytes.length > 0 ? fs->bytes.data : "", fs->bytes.length);
    return 1;
}

static int l_read(lua_State *L)
{
    const char *wrong = NULL;
    lua_settop(L, 2);
    lua_Integer limit = luaL_checkinteger(L, 2);
    luaL_argcheck(L, limit >= 0 && limit <= (lua_Integer)1 << 40, 2, "expected bytes, from 0");
    const char *path = lib_file_path(L, 1, NULL, &wrong);
    luaL_argcheck(L, path != NULL, 1, wrong);
    struct job **slot = job_handle(L);
    return start(L, 2, slot, (struct job *)fs_read(path, (size_t)limit), after_read);
}

/* ---- write(path, bytes, mode, sync) -> true ---- */

static int after_write(lua_State *L, int status, lua_KContext index)
{
    const struct fs_job *fs = finished(L, index);
    (void)status;
    if (!fs->ok)
        return push_failure(L, &fs->error);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_write(lua_State *L)
{
    size_t length;
    lua_settop(L, 4);
    const char *path = check_path(L, 1), *bytes = luaL_checklstring(L, 2, &length);
    mode_t mode = opt_mode(L, 3);
    struct job **slot = job_handle(L);
    return start(L, 4, slot, (struct job *)fs_write(path, bytes, length, mode, lua_toboolean(L, 4)), after_write);
}

/* ---- make_dirs(path, mode), remove_all(path, unlock) -> count ---- */

static int after_count(lua_State *L, int status, lua_KContext index)
{
    const struct fs_job *fs = finished(L, index);
    (void)status;
    if (!fs->ok)
        return push_failure(L, &fs->error);
    lua_pushinteger(L, (lua_Integer)fs->count);
    return 1;
}

static int l_make_dirs(lua_State *L)
{
    lua_settop(L, 2);
    const char *path = check_path(L, 1);
    mode_t mode = opt_mode(L, 2);
    struct job **slot = job_handle(L);
    return start(L, 2, slot, (struct job *)fs_make_dirs(path, mode), after_count);
}

static int l_remove_all(lua_State *L)
{
    lua_settop(L, 2);
    const char *path = check_path(L, 1);
    struct job **slot = job_handle(L);
    return start(L, 2, slot, (struct job *)fs_remove_all(path, lua_toboolean(L, 2)), after_count);
}

/* ---- walk(path, follow, hidden, depth) -> walk; walk:next() -> entries, or nil at the end ---- */

/* Between two batches the job is the walk's; while one is read it is the handle's. */
struct walk {
    struct fs_walk *job; /* NULL: at work, or closed */
};

static int collect(lua_State *L)
{
    struct walk *walk = luaL_checkudata(L, 1, walk_type);
    if (walk->job != NULL)
        job_abandon(&walk->job->job);
    walk->job = NULL;
    return 0;
}

static int l_walk(lua_State *L)
{
    struct fs_walk_options options = {.follow = lua_toboolean(L, 2), .hidden = lua_toboolean(L, 3)};
    lua_Integer depth = luaL_optinteger(L, 4, LUA_MAXINTEGER);
    const char *path = check_path(L, 1);
    luaL_argcheck(L, depth >= 1, 4, "expected levels, from 1");
    options.depth = (uint64_t)depth;
    struct walk *walk = lua_newuserdatauv(L, sizeof *walk, 0);
    *walk = (struct walk){0};
    luaL_setmetatable(L, walk_type);
    walk->job = fs_walk(path, options);
    return walk->job != NULL ? 1 : luaL_error(L, "not enough memory");
}

static const char *type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "directory";
    case S_IFLNK: return "link";
    case S_IFIFO: return "pipe";
    case S_IFSOCK: return "socket";
    case S_IFCHR: case S_IFBLK: return "device";
    default: return "unknown";
    }
}

static void push_entry(lua_State *L, const struct fs_entry *entry)
{
    const struct stat *status = &entry->status;
    char reason[128];
    lua_createtable(L, 0, 6);
    lua_pushstring(L, entry->path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, type_name(status->st_mode));
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, (lua_Integer)status->st_size);
    lua_setfield(L, -2, "size");
    lua_pushinteger(L, (lua_Integer)(status->st_mode & 07777));
    lua_setfield(L, -2, "mode");
    lua_pushnumber(L, (lua_Number)status->st_mtim.tv_sec + (lua_Number)status->st_mtim.tv_nsec / 1e9);
    lua_setfield(L, -2, "mtime");
    if (entry->target != NULL) {
        lua_pushstring(L, entry->target);
        lua_setfield(L, -2, "target");
    }
    if (entry->code != 0) {
        lua_pushstring(L, strerror_r(entry->code, reason, sizeof reason));
        lua_setfield(L, -2, "error");
    }
}

static int after_batch(lua_State *L, int status, lua_KContext index)
{
    struct walk *walk = luaL_checkudata(L, 1, walk_type);
    struct fs_walk **slot = lua_touserdata(L, (int)index), *job = *slot;
    (void)status;
    if (!job->ok)
        return push_failure(L, &job->error);
    if (job->end && job->count == 0) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, (int)job->count, 0);
    for (size_t i = 0; i < job->count; i++) {
        push_entry(L, &job->entries[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    fs_walk_again(job);
    walk->job = job;
    *slot = NULL;
    return 1;
}

static int l_next(lua_State *L)
{
    struct walk *walk = luaL_checkudata(L, 1, walk_type);
    lua_settop(L, 1);
    if (walk->job == NULL)
        return luaL_error(L, "this walk is over, or another task is at it");
    struct job **slot = job_handle(L);
    struct job *job = &walk->job->job;
    walk->job = NULL;
    return start(L, 1, slot, job, after_batch);
}

static const luaL_Reg functions[] = {
    {"read", l_read}, {"write", l_write}, {"make_dirs", l_make_dirs}, {"remove_all", l_remove_all}, {"walk", l_walk}, {NULL, NULL},
};

int luaopen_ocm_fs(lua_State *L)
{
    static const luaL_Reg metamethods[] = {{"__gc", collect}, {"__close", collect}, {"__index", NULL}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"next", l_next}, {NULL, NULL}};
    luaL_newmetatable(L, walk_type);
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
