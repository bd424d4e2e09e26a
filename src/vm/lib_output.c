/* What scripts write without asking for the log: print and io.stdout become INFO lines, io.stderr WARN lines.
 *
 * stdout is the handshake's alone, and nobody reads it afterwards; of stderr the manager reads the log's lines only.  Child
 * processes and C libraries, which write to fd 1 itself, reach the log through the pipe in base/log.c; os.execute and
 * io.popen give their children that pipe for stderr, too. */
#include "base/log_lines.h"
#include "vm/state.h"

#include <errno.h>
#include <fcntl.h>
#include <lualib.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* print(...): one line, the values as tostring gives them, a tab between. */
static int l_print(lua_State *L)
{
    int count = lua_gettop(L);
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&line, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    log_write(LEVEL_INFO, text, length, NULL, 0);
    return 0;
}

/* stdio calls this with what it has buffered: whole lines, since the stream is line-buffered; what fills its buffer, of a
 * longer line; or what was flushed, which then is a line, too. */
static ssize_t write_lines(void *lines, const char *text, size_t length)
{
    log_lines_add(lines, text, length);
    if (length % BUFSIZ != 0)
        log_lines_end(lines);
    return (ssize_t)length;
}

static int close_nothing(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    stream->closef = close_nothing; /* like the standard streams: it stays open */
    luaL_pushfail(L);
    lua_pushliteral(L, "cannot close standard file");
    return 2;
}

/* Pushes a stream whose lines are logged. One of each a process, never closed: os.exit flushes them. */
static void push_stream(lua_State *L, FILE **output, struct log_lines *lines)
{
    if (*output == NULL) {
        *output = fopencookie(lines, "w", (cookie_io_functions_t){.write = write_lines});
        if (*output == NULL)
            luaL_error(L, "not enough memory");
        (void)setvbuf(*output, NULL, _IOLBF, BUFSIZ);
    }
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    stream->f = *output;
    stream->closef = close_nothing;
}

/* ---- child processes ---- */

/* Starts a shell whose stderr goes to the log as its stdout does, and whose `as` is fd, if that is not negative. 0, or an errno value. */
static int start(pid_t *child, const char *command, int fd, int as)
{
    char shell[] = "/bin/sh", dash_c[] = "-c";
    char *argv[] = {shell, dash_c, (char *)(size_t)command, NULL};
    posix_spawn_file_actions_t actions;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0)
        return failed;
    failed = posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    if (failed == 0 && fd >= 0)
        failed = posix_spawn_file_actions_adddup2(&actions, fd, as);
    if (failed == 0)
        failed = posix_spawn(child, shell, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Waits for its end, which becomes the results of os.execute or of a popen stream's close. */
static int push_end(lua_State *L, pid_t child)
{
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(child, &status, 0)) < 0 && errno == EINTR)
        ;
    if (ended < 0)
        return luaL_fileresult(L, 0, NULL);
    errno = 0; /* luaL_execresult takes it for a failure to run the command */
    return luaL_execresult(L, status);
}

/* os.execute([command]): as the standard one, but signals keep their meaning meanwhile (system(3) has the process ignore SIGINT,
 * which is how the manager ends a plugin), and stderr goes to the log, too.  It blocks: other requests wait. */
static int l_execute(lua_State *L)
{
    const char *command = luaL_optstring(L, 1, NULL);
    if (command == NULL) {
        lua_pushboolean(L, access("/bin/sh", X_OK) == 0);
        return 1;
    }
    pid_t child;
    int failed = start(&child, command, -1, -1);
    if (failed == 0)
        return push_end(L, child);
    errno = failed;
    return luaL_fileresult(L, 0, NULL);
}

/* What io.popen returns: a file, as Lua's own functions see it. */
struct child_stream {
    luaL_Stream file; /* first */
    pid_t child;
};

static int close_child(lua_State *L)
{
    struct child_stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    (void)fclose(stream->file.f);
    return push_end(L, stream->child);
}

/* io.popen(command [, mode]): as the standard one, but stderr goes to the log. */
static int l_popen(lua_State *L)
{
    const char *command = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
    luaL_argcheck(L, strcmp(mode, "r") == 0 || strcmp(mode, "w") == 0, 2, "invalid mode");
    bool reads = mode[0] == 'r';
    struct child_stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    *stream = (struct child_stream){0}; /* closed */
    luaL_setmetatable(L, LUA_FILEHANDLE);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return luaL_fileresult(L, 0, command);
    int ours = ends[reads ? 0 : 1], childs = ends[reads ? 1 : 0];
    stream->file.f = fdopen(ours, mode);
    int failed = stream->file.f == NULL ? errno : start(&stream->child, command, childs, reads ? STDOUT_FILENO : STDIN_FILENO);
    close(childs);
    if (failed == 0) {
        stream->file.closef = close_child;
        return 1;
    }
    if (stream->file.f != NULL)
        (void)fclose(stream->file.f);
    else
        close(ours);
    errno = failed;
    return luaL_fileresult(L, 0, command);
}

void lib_output_open(lua_State *L)
{
    static FILE *output, *error;
    static struct log_lines output_lines = {.level = LEVEL_INFO}, error_lines = {.level = LEVEL_WARN};
    lua_pushcfunction(L, l_print);
    lua_setglobal(L, "print");
    lua_getglobal(L, "os");
    lua_pushcfunction(L, l_execute);
    lua_setfield(L, -2, "execute");
    lua_getglobal(L, "io");
    lua_pushcfunction(L, l_popen);
    lua_setfield(L, -2, "popen");
    push_stream(L, &error, &error_lines);
    lua_setfield(L, -2, "stderr");
    push_stream(L, &output, &output_lines);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "stdout");
    lua_getfield(L, -2, "output");
    lua_insert(L, -2);
    lua_call(L, 1, 0); /* io.output(stdout): io.write goes there, too */
    lua_pop(L, 2);
}
