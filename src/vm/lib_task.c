/* ocm.sleep, ocm.parallel, ocm.work: what a handler does with time. */
#include "vm/state.h"

#include <math.h>

/* ---- sleep(seconds) ---- */

static int after_sleep(lua_State *L, int status, lua_KContext context)
{
    (void)L, (void)status, (void)context;
    return 0;
}

static int l_sleep(lua_State *L)
{
    lua_Number seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, 1, "expected seconds, 0 or more");
    uint64_t until = vm_now() + (uint64_t)ceil(seconds * 1e9);
    struct task *task = task_waitable(L);
    if (task == NULL) {
        task_block(L, until);
        return 0;
    }
    task_sleep(task, until);
    return task_wait(L, 0, after_sleep);
}

/* ---- parallel(f, ...) ---- */

static const char group_type[] = "ocm.parallel";

/* The parts of one call. It is to be closed: whatever ends the caller ends them. */
struct group {
    struct task *waiting; /* the caller; NULL: it blocks */
    struct task *failed;  /* the first that failed */
    int count, running;
    bool over; /* all are done, or one failed */
    struct task *parts[];
};

static void part_done(struct task *part)
{
    struct group *group = part->context;
    group->running--;
    bool failed = part->killed != NULL || part->status != LUA_OK;
    if (failed && group->failed == NULL)
        group->failed = part;
    if (group->over || (group->running > 0 && !failed))
        return;
    group->over = true;
    if (group->waiting != NULL)
        task_wake(group->waiting);
}

static int close_group(lua_State *L)
{
    struct group *group = luaL_checkudata(L, 1, group_type);
    group->over = true;
    for (int i = 0; i < group->count; i++) {
        struct task *part = group->parts[i];
        if (part == NULL)
            continue;
        group->parts[i] = NULL;
        if (part->state == TASK_DONE && part->killed == NULL && part->status != LUA_OK)
            (void)task_close(part);
        task_cancel(part);
        task_release(part);
    }
    return 0;
}

/* Every part is done, or one failed: the first result of each, or the error. The group stands at `index`. */
static int after_parallel(lua_State *L, int status, lua_KContext index)
{
    struct group *group = luaL_checkudata(L, (int)index, group_type);
    (void)status;
    struct task *failed = group->failed;
    if (failed != NULL && failed->killed != NULL)
        return luaL_error(L, "%s", failed->killed);
    if (failed != NULL) {
        lua_pushvalue(failed->L, -1);
        lua_xmove(failed->L, L, 1);
        return lua_error(L);
    }
    luaL_checkstack(L, group->count, "too many functions");
    for (int i = 0; i < group->count; i++) {
        lua_settop(group->parts[i]->L, 1);
        lua_xmove(group->parts[i]->L, L, 1);
    }
    return group->count;
}

/* Where nothing can yield: one after the other. */
static int in_turn(lua_State *L, int count)
{
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(L, i);
        lua_call(L, 0, 1);
    }
    return count;
}

static int l_parallel(lua_State *L)
{
    struct vm *vm = vm_of(L);
    int count = lua_gettop(L);
    for (int i = 1; i <= count; i++)
        luaL_checktype(L, i, LUA_TFUNCTION);
    luaL_checkstack(L, count + 8, "too many functions");
    struct task *caller = task_waitable(L);
    if (count == 0 || (caller == NULL && !vm->outside))
        return in_turn(L, count);

    struct group *group = lua_newuserdatauv(L, sizeof *group + (size_t)count * sizeof group->parts[0], 0);
    *group = (struct group){.waiting = caller, .running = count};
    for (int i = 0; i < count; i++)
        group->parts[i] = NULL;
    group->count = count;
    if (luaL_newmetatable(L, group_type)) {
        lua_pushcfunction(L, close_group);
        lua_setfield(L, -2, "__close");
        lua_pushcfunction(L, close_group);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    int index = lua_gettop(L);
    for (int i = 0; i < count; i++) {
        struct task *part = group->parts[i] = task_create(L);
        part->done = part_done;
        part->context = group;
        if (caller != NULL) {
            part->root = caller->root;
            part->deadline = caller->deadline;
        }
        lua_pushvalue(L, i + 1);
        lua_xmove(L, part->L, 1);
    }
    for (int i = 0; i < count; i++)
        task_start(group->parts[i], 0);
    if (caller != NULL)
        return task_wait(L, index, after_parallel);
    task_pump(L, &group->over);
    return after_parallel(L, LUA_OK, index);
}

/* ---- work() ---- */

static const char work_type[] = "ocm.work";

static int end_work(lua_State *L)
{
    bool *open = luaL_checkudata(L, 1, work_type);
    if (*open)
        vm_of(L)->works--;
    *open = false;
    return 0;
}

static int l_work(lua_State *L)
{
    static const luaL_Reg methods[] = {{"close", end_work}, {"__close", end_work}, {"__gc", end_work}, {NULL, NULL}};
    bool *open = lua_newuserdatauv(L, sizeof *open, 0);
    *open = false;
    if (luaL_newmetatable(L, work_type)) {
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
    *open = true;
    vm_of(L)->works++;
    return 1;
}

/* clock() -> seconds, monotonic */
static int l_clock(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)vm_now() / 1e9);
    return 1;
}

static const luaL_Reg functions[] = {{"clock", l_clock}, {"sleep", l_sleep}, {"parallel", l_parallel}, {"work", l_work}, {NULL, NULL}};

int luaopen_ocm_task(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
