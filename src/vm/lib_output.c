/* What scripts write without asking for the log: print and io.stdout become INFO lines.
 *
 * stdout is the handshake's alone, and nobody reads it afterwards.  Child processes and C libraries, which write to fd 1
 * itself, reach the log through the pipe in base/log.c. */
#include "base/log.h"
#include "vm/state.h"

#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void log_lines(const char *text, size_t length)
{
    while (length > 0) {
        const char *newline = memchr(text, '\n', length);
        size_t line = newline != NULL ? (size_t)(newline - text) : length;
        if (line > 0)
            log_write(LEVEL_INFO, text, line, NULL, 0);
        size_t used = newline != NULL ? line + 1 : line;
        text += used;
        length -= used;
    }
}

/* stdio calls this with what it has buffered: whole lines, since the stream is line-buffered. */
static ssize_t write_cookie(void *unused, const char *text, size_t length)
{
    (void)unused;
    log_lines(text, length);
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

void lib_output_open(lua_State *L)
{
    static FILE *output; /* one a process, never closed: os.exit flushes it */
    lua_pushcfunction(L, l_print);
    lua_setglobal(L, "print");
    if (output == NULL) {
        output = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_cookie});
        if (output == NULL)
            luaL_error(L, "not enough memory");
        (void)setvbuf(output, NULL, _IOLBF, BUFSIZ);
    }
    lua_getglobal(L, "io");
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    stream->f = output;
    stream->closef = close_nothing;
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "stdout");
    lua_getfield(L, -2, "output");
    lua_insert(L, -2);
    lua_call(L, 1, 0); /* io.output(stdout): io.write goes there, too */
    lua_pop(L, 1);
}
