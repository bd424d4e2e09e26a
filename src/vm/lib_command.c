/* What commands (lua/command) ask of the terminal and of this program. Not for plugins. */
#include "base/bundle.h"
#include "base/crc32.h"
#include "base/log.h"
#include "vm/embedded.h"
#include "vm/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* is_terminal(fd) -> boolean */
static int l_is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)) == 1);
    return 1;
}

/* width(fd) -> columns, or nil when it is no terminal */
static int l_width(lua_State *L)
{
    struct winsize size;
    if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        luaL_pushfail(L);
    else
        lua_pushinteger(L, size.ws_col);
    return 1;
}

/* program() -> the absolute path of this program, or nil */
static int l_program(lua_State *L)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    if (length < 0 || (size_t)length == sizeof path)
        luaL_pushfail(L);
    else
        lua_pushlstring(L, path, (size_t)length);
    return 1;
}

/* real_path(path) -> absolute, without links, or nil */
static int l_real_path(lua_State *L)
{
    char path[PATH_MAX];
    lua_pushstring(L, realpath(luaL_checkstring(L, 1), path));
    return 1;
}

/* quiet(): lines of level DEBUG are not logged from now on */
static int l_quiet(lua_State *L)
{
    (void)L;
    log_from(LEVEL_INFO);
    return 0;
}

/* Puts back what descriptors 1 and 2 were, as far as they were saved. */
static void restore(int saved[2])
{
    (void)fflush(stdout);
    for (int i = 0; i < 2; i++)
        if (saved[i] >= 0) {
            (void)dup2(saved[i], STDOUT_FILENO + i);
            (void)close(saved[i]);
        }
}

/* muted(f) -> what f returns. Meanwhile nothing that it writes is seen, nor what child processes do: stdout and stderr lead nowhere. */
static int l_muted(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    int saved[2] = {-1, -1};
    (void)fflush(stdout);
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    bool ok = nowhere >= 0;
    for (int i = 0; i < 2 && ok; i++) {
        saved[i] = fcntl(STDOUT_FILENO + i, F_DUPFD_CLOEXEC, 3);
        ok = saved[i] >= 0 && dup2(nowhere, STDOUT_FILENO + i) >= 0;
    }
    int reason = errno;
    if (nowhere >= 0)
        (void)close(nowhere);
    if (!ok) {
        restore(saved);
        return luaL_error(L, "redirecting stdout: %s", strerror(reason));
    }
    int status = lua_pcall(L, 0, LUA_MULTRET, 0);
    restore(saved);
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* interrupt_gently(): an interrupt is an error at first, after which <close> variables have a second, as in the standalone lua */
static int l_interrupt_gently(lua_State *L)
{
    vm_of(L)->gentle = true;
    return 0;
}

/* crc32(bytes) -> the checksum that zip has */
static int l_crc32(lua_State *L)
{
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    lua_pushinteger(L, crc32_of(0, bytes, length));
    return 1;
}

/* write_program(path, bytes, replace) -> true, or nil, a message and an errno value: see bundle_write */
static int l_write_program(lua_State *L)
{
    size_t length;
    struct error e;
    const char *path = luaL_checkstring(L, 1), *bytes = luaL_checklstring(L, 2, &length);
    if (!bundle_write(path, bytes, length, lua_toboolean(L, 3), &e)) {
        luaL_pushfail(L);
        lua_pushstring(L, e.message);
        lua_pushinteger(L, e.code);
        return 3;
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* stamp(path) -> a text that is another one when the file, or the folder, was changed since; nil: there is none */
static int l_stamp(lua_State *L)
{
    struct stat status;
    if (stat(luaL_checkstring(L, 1), &status) != 0) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushfstring(L, "%I.%I.%I.%I.%I.%I", (lua_Integer)status.st_ino, (lua_Integer)status.st_size, (lua_Integer)status.st_mtim.tv_sec,
                    (lua_Integer)status.st_mtim.tv_nsec, (lua_Integer)status.st_ctim.tv_sec, (lua_Integer)status.st_ctim.tv_nsec);
    return 1;
}

/* ---- guard(path, text) -> guard | nil, message, errno: an executable file that goes when the guard is closed ---- */

static const char guard_type[] = "ocm.guard";

struct guard {
    bool there;
    struct stat made; /* which file it is: another one in its place, which may have got its inode, is not ours */
    char path[];
};

/* C alone, so that an interrupt, which ends all Lua code, does not leave the file behind. */
static int close_guard(lua_State *L)
{
    struct guard *guard = luaL_checkudata(L, 1, guard_type);
    struct stat status;
    const struct stat *made = &guard->made;
    if (guard->there && lstat(guard->path, &status) == 0 && status.st_dev == made->st_dev && status.st_ino == made->st_ino &&
        status.st_mtim.tv_sec == made->st_mtim.tv_sec && status.st_mtim.tv_nsec == made->st_mtim.tv_nsec)
        (void)unlink(guard->path);
    guard->there = false;
    return 0;
}

static int l_guard(lua_State *L)
{
    size_t length, text_length;
    const char *path = luaL_checklstring(L, 1, &length), *text = luaL_checklstring(L, 2, &text_length);
    struct guard *guard = lua_newuserdatauv(L, sizeof *guard + length + 1, 0);
    *guard = (struct guard){0};
    memcpy(guard->path, path, length + 1);
    if (luaL_newmetatable(L, guard_type)) {
        lua_pushcfunction(L, close_guard);
        lua_setfield(L, -2, "__close");
        lua_pushcfunction(L, close_guard);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        errno = ENOSPC; /* for a short write */
        guard->there = write(fd, text, text_length) == (ssize_t)text_length && fchmod(fd, 0755) == 0 && fstat(fd, &guard->made) == 0;
    }
    int code = errno;
    if (fd >= 0)
        close(fd);
    if (guard->there)
        return 1;
    if (fd >= 0)
        (void)unlink(path);
    luaL_pushfail(L);
    lua_pushfstring(L, "%s: %s", path, strerror(code));
    lua_pushinteger(L, code);
    return 3;
}

static const luaL_Reg functions[] = {
    {"crc32", l_crc32}, {"guard", l_guard}, {"interrupt_gently", l_interrupt_gently}, {"is_terminal", l_is_terminal}, {"muted", l_muted}, {"program", l_program}, {"quiet", l_quiet},
    {"real_path", l_real_path}, {"stamp", l_stamp}, {"texts", embedded_texts}, {"width", l_width}, {"write_program", l_write_program}, {NULL, NULL},
};

int luaopen_ocm_command(lua_State *L)
{
    luaL_newlib(L, functions);
    lua_pushliteral(L, OCMLUA_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
