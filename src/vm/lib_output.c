/* What scripts write without asking for the log: print and io.stdout become INFO lines, io.stderr WARN lines.
 *
 * stdout is the handshake's alone, and nobody reads it afterwards; of stderr the manager reads the log's lines only.  Child
 * processes and C libraries, which write to fd 1 itself, reach the log through the pipe in base/log.c; os.execute gives its
 * children that pipe for both. */
#include "base/log.h"
#include "vm/state.h"

#include <errno.h>
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

static void log_lines(enum log_level level, const char *text, size_t length)
{
    while (length > 0) {
        const char *newline = memchr(text, '\n', length);
        size_t line = newline != NULL ? (size_t)(newline - text) : length;
        if (line > 0)
            log_write(level, text, line, NULL, 0);
        size_t used = newline != NULL ? line + 1 : line;
        text += used;
        length -= used;
    }
}

/* stdio calls this with what it has buffered: whole lines, since the stream is line-buffered. */
static ssize_t write_output(void *unused, const char *text, size_t length)
{
    (void)unused;
    log_lines(LEVEL_INFO, text, length);
    return (ssize_t)length;
}

static ssize_t write_error(void *unused, const char *text, size_t length)
{
    (void)unused;
    log_lines(LEVEL_WARN, text, length);
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
static void push_stream(lua_State *L, FILE **output, cookie_write_function_t *write)
{
    if (*output == NULL) {
        *output = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write});
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

/* os.execute([command]): as the standard one, but signals keep their meaning meanwhile (system(3) has the process ignore SIGINT,
 * which is how the manager ends a plugin), and stderr goes to the log, too.  It blocks: other requests wait. */
static int l_execute(lua_State *L)
{
    const char *command = luaL_optstring(L, 1, NULL);
    char shell[] = "/bin/sh", dash_c[] = "-c";
    if (command == NULL) {
        lua_pushboolean(L, access(shell, X_OK) == 0);
        return 1;
    }
    char *argv[] = {shell, dash_c, (char *)(size_t)command, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = 0, failed = posix_spawn_file_actions_init(&actions);
    if (failed == 0) {
        failed = posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
        if (failed == 0)
            failed = posix_spawn(&child, shell, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    if (failed == 0) {
        pid_t ended;
        while ((ended = waitpid(child, &status, 0)) < 0 && errno == EINTR)
            ;
        failed = ended < 0 ? errno : 0;
    }
    if (failed != 0) {
        errno = failed;
        return luaL_fileresult(L, 0, NULL);
    }
    errno = 0; /* luaL_execresult takes it for a failure to run the command */
    return luaL_execresult(L, status);
}

void lib_output_open(lua_State *L)
{
    static FILE *output, *error;
    lua_pushcfunction(L, l_print);
    lua_setglobal(L, "print");
    lua_getglobal(L, "os");
    lua_pushcfunction(L, l_execute);
    lua_setfield(L, -2, "execute");
    lua_getglobal(L, "io");
    push_stream(L, &error, write_error);
    lua_setfield(L, -2, "stderr");
    push_stream(L, &output, write_output);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "stdout");
    lua_getfield(L, -2, "output");
    lua_insert(L, -2);
    lua_call(L, 1, 0); /* io.output(stdout): io.write goes there, too */
    lua_pop(L, 2);
}
