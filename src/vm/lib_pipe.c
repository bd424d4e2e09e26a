/* ocm.pipe: what scripts say of its parts becomes a job (part.h), and the job's result a table.
 *
 * lua/ocm/pipe.lua drives it: start, then wait until it says that all is done; in between it may ask for a function of the
 * script to be called with a chunk, and answer is what that made of it.  A running pipe is a to-be-closed value: whatever
 * ends the caller ends the pipe. */
#include "base/buffer.h"
#include "vm/part.h"
#include "vm/state.h"
#include "work/pipe.h"

#include <string.h>

static const char running_type[] = "ocm.pipe";

struct entry {
    const struct part_kind *kind;
    const struct stream *stream;
    const struct sink *sink;
};

struct running {
    struct pipe *pipe;    /* the pool's while it runs */
    struct task *waiting; /* the task that is in wait */
    bool done;
    struct buffer chunk;  /* what is asked about */
    const char *name;     /* of the function that scripts called; a literal */
    int count;
    struct entry entries[];
};

static struct running *check(lua_State *L) { return luaL_checkudata(L, 1, running_type); }

static int collect(lua_State *L)
{
    struct running *running = check(L);
    struct pipe *pipe = running->pipe;
    running->pipe = NULL;
    if (pipe != NULL)
        job_abandon(&pipe->job);
    buffer_free(&running->chunk);
    return 0;
}

static void wake(struct running *running)
{
    if (running->waiting != NULL)
        task_wake(running->waiting);
    running->waiting = NULL;
}

static void notified(struct job *job) { wake(job->owner); }

static void reap(struct job *job)
{
    struct running *running = job->owner;
    running->done = true;
    wake(running);
}

/* ---- start(name, parts, count) -> running ---- */

static void add(lua_State *L, struct running *running, int index, int number)
{
    struct pipe *pipe = running->pipe;
    struct entry *entry = &running->entries[number - 1];
    bool copy = strcmp(running->name, "copy") == 0; /* whose digest stage no script wrote */
    entry->kind = part_kind(L, index, copy && number == 3 ? 2 : number, running->name);
    bool first = number == 1, last = number == running->count, ok;
    bool calls = strcmp(entry->kind->name, "call") == 0;
    if (last ? entry->kind->sink == NULL : calls ? first : entry->kind->stream == NULL)
        luaL_error(L, "%s: ocm.%s cannot be %s", running->name, calls ? "map" : entry->kind->name,
                   first ? "the first part, a source" : last ? "the last part, a sink" : "a stage, between source and sink");
    if (last) {
        struct sink *sink = entry->kind->sink(L, index);
        entry->sink = sink;
        ok = pipe_end(pipe, sink);
    } else {
        struct stream *stream = calls ? call_stage_create(&pipe->call, number, part_boolean(L, index, "lines", false) ? CALL_LINES : CALL_CHUNKS)
                                      : entry->kind->stream(L, index, first);
        entry->stream = stream;
        ok = pipe_add(pipe, stream);
    }
    if (!ok)
        luaL_error(L, "not enough memory");
}

static int l_start(lua_State *L)
{
    static const char *const names[] = {"pipe", "copy", "digest_of", "blob_digest", NULL};
    const char *name = names[luaL_checkoption(L, 1, NULL, names)];
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer count = luaL_checkinteger(L, 3);
    lua_settop(L, 2);
    if (count < 2 || count > 1000)
        return luaL_error(L, "%s: expected a source, any stages, and a sink", name);
    struct running *running = lua_newuserdatauv(L, sizeof *running + (size_t)count * sizeof running->entries[0], 1);
    *running = (struct running){.name = name, .count = (int)count};
    memset(running->entries, 0, (size_t)count * sizeof running->entries[0]);
    luaL_setmetatable(L, running_type);
    lua_pushvalue(L, 2); /* temporary files among them stay while it runs */
    lua_setiuservalue(L, 3, 1);
    running->pipe = pipe_create();
    if (running->pipe == NULL)
        return luaL_error(L, "not enough memory");
    for (int i = 1; i <= (int)count; i++) {
        lua_geti(L, 2, i);
        add(L, running, lua_gettop(L), i);
        lua_settop(L, 3);
    }
    struct error e;
    running->pipe->job.owner = running;
    running->pipe->job.reap = reap;
    running->pipe->job.notified = notified;
    if (!pool_submit(vm_of(L)->pool, &running->pipe->job, &e))
        return luaL_error(L, "%s", e.message);
    return 1;
}

/* ---- :wait() -> number, chunk: call that part's function; or nil, result; or nil, nil, what failed ---- */

static int finished(lua_State *L, struct running *running)
{
    struct pipe *pipe = running->pipe;
    lua_pushnil(L);
    if (!pipe->ok) {
        lua_pushnil(L);
        lua_pushstring(L, pipe->error.message);
        return 3;
    }
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, (lua_Integer)pipe->bytes);
    lua_setfield(L, -2, "bytes");
    lua_pushinteger(L, (lua_Integer)pipe->written);
    lua_setfield(L, -2, "written");
    for (int i = 0; i < running->count; i++) {
        const struct entry *entry = &running->entries[i];
        if (entry->stream != NULL && entry->kind->stream_result != NULL)
            entry->kind->stream_result(L, entry->stream);
        if (entry->sink != NULL && entry->kind->sink_result != NULL)
            entry->kind->sink_result(L, entry->sink);
    }
    return 2;
}

static int look(lua_State *L, int status, lua_KContext context)
{
    struct running *running = check(L);
    int number;
    (void)status, (void)context;
    luaL_argcheck(L, running->pipe != NULL, 1, "closed");
    for (;;) {
        if (running->done)
            return finished(L, running);
        if (call_asked(&running->pipe->call, &number, &running->chunk)) {
            lua_pushinteger(L, number);
            lua_pushlstring(L, running->chunk.data != NULL ? running->chunk.data : "", running->chunk.length);
            return 2;
        }
        running->waiting = task_waitable(L);
        if (running->waiting != NULL)
            return task_wait(L, 0, look);
        task_check(L);
        pool_wait(vm_of(L)->pool, STREAM_POLL);
    }
}

static int l_wait(lua_State *L)
{
    lua_settop(L, 1);
    return look(L, LUA_OK, 0);
}

/* :answer(bytes): what goes on instead of the chunk */
static int l_answer(lua_State *L)
{
    struct running *running = check(L);
    size_t length;
    const char *data = luaL_checklstring(L, 2, &length);
    luaL_argcheck(L, running->pipe != NULL, 1, "closed");
    call_answer(&running->pipe->call, data, length);
    return 0;
}

int luaopen_ocm_pipe(lua_State *L)
{
    static const luaL_Reg metamethods[] = {{"__gc", collect}, {"__close", collect}, {"__index", NULL}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"wait", l_wait}, {"answer", l_answer}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"start", l_start}, {NULL, NULL}};
    luaL_newmetatable(L, running_type);
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
