/* Jobs of the worker pool, as Lua functions use them.
 *
 * Every such function is a trio: the work (src/work, a worker), the reap below (main thread: wakes the task), and the
 * Lua-facing function, which starts the job and, when it goes on, pushes the result.  The job is owned by a handle, a
 * to-be-closed userdata on the waiting coroutine's stack: when that is closed, the handle lets go of the job, which is freed
 * once its worker is done with it. */
#include "vm/state.h"

static const char job_type[] = "ocm.job";

struct handle {
    struct job *job; /* first: job_handle returns its address */
    struct task *task;
    bool done;
};

static int collect(lua_State *L)
{
    struct handle *handle = luaL_checkudata(L, 1, job_type);
    struct job *job = handle->job;
    handle->job = NULL;
    if (job != NULL)
        job_abandon(job);
    return 0;
}

struct job **job_handle(lua_State *L)
{
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = (struct handle){0};
    if (luaL_newmetatable(L, job_type)) {
        lua_pushcfunction(L, collect);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, collect);
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return &handle->job;
}

static void reap(struct job *job)
{
    struct handle *handle = job->owner;
    handle->done = true;
    if (handle->task != NULL)
        task_wake(handle->task);
}

int job_run(lua_State *L, int index, lua_KFunction finish)
{
    struct vm *vm = vm_of(L);
    struct handle *handle = luaL_checkudata(L, index, job_type);
    struct error e;
    handle->job->owner = handle;
    handle->job->reap = reap;
    handle->task = task_waitable(L);
    if (!pool_submit(vm->pool, handle->job, &e))
        return luaL_error(L, "%s", e.message);
    if (handle->task != NULL)
        return task_wait(L, index, finish);
    while (!handle->done) {
        task_check(L);
        pool_wait(vm->pool, 100);
    }
    return finish(L, LUA_OK, index);
}
