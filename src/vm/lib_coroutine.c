/* coroutine.resume and coroutine.wrap, for scripts that use coroutines of their own inside of a handler.
 *
 * A primitive called in such a coroutine yields to the loop, not to the script: what it yields passes through here, the
 * task yields in turn, and the coroutine goes on where it was.  Script and coroutine notice nothing. */
#include "vm/state.h"

static const char transit_type[] = "ocm.transit";

/* Stands on the stack of a task that yielded on behalf of a coroutine: when the task is closed, so is that one. */
static int close_transit(lua_State *L)
{
    lua_State **inner = luaL_checkudata(L, 1, transit_type);
    if (*inner != NULL)
        (void)lua_resetthread(*inner);
    *inner = NULL;
    return 0;
}

/* The coroutine itself stands at index 1. */
static lua_State **push_transit(lua_State *L)
{
    lua_State **transit = lua_newuserdatauv(L, sizeof *transit, 1);
    *transit = NULL;
    if (luaL_newmetatable(L, transit_type)) {
        lua_pushcfunction(L, close_transit);
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    lua_toclose(L, -1);
    return transit;
}

/* What lua_resume left: results, or an error object, moved to L behind `true` or `false`. Returns their number; -1: the error. */
static int outcome(lua_State *L, lua_State *inner, int status, int results)
{
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(inner, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(inner, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(inner, L, results);
    return results;
}

static int step(lua_State *L, lua_State *inner, int arguments, bool wrap, lua_State **transit);

/* The task goes on: stack[1] is the coroutine, the transit stands at the index in the context (negative: for wrap). */
static int go_on(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    bool wrap = context < 0;
    lua_State **transit = luaL_checkudata(L, (int)(wrap ? -context : context), transit_type);
    lua_State *inner = *transit;
    return step(L, inner, 0, wrap, transit);
}

/* Resumes `inner` until it yields to the script, ends or fails. */
static int step(lua_State *L, lua_State *inner, int arguments, bool wrap, lua_State **transit)
{
    struct vm *vm = vm_of(L);
    for (;;) {
        int results = 0;
        bool pin = !lua_isyieldable(L);
        vm->pinned += pin;
        vm->reason = YIELD_SCRIPT;
        lua_State *before = slice_switch(inner);
        int status = lua_resume(inner, L, arguments, &results);
        (void)slice_switch(before);
        vm->pinned -= pin;
        if (status == LUA_YIELD && vm->reason != YIELD_SCRIPT) {
            lua_pop(inner, results);
            if (transit == NULL) {
                lua_settop(L, 1);
                transit = push_transit(L);
            }
            *transit = inner;
            return lua_yieldk(L, 0, wrap ? -2 : 2, go_on);
        }
        if (transit != NULL)
            *transit = NULL;
        int moved = outcome(L, inner, status, results);
        if (moved >= 0) {
            if (!wrap) {
                lua_pushboolean(L, 1);
                lua_insert(L, -moved - 1);
            }
            return moved + !wrap;
        }
        if (!wrap) {
            lua_pushboolean(L, 0);
            lua_insert(L, -2);
            return 2;
        }
        if (status != LUA_OK && status != LUA_YIELD) { /* as the standard one: close its variables, say where the error passed */
            status = lua_resetthread(inner);
            lua_pop(L, 1);
            lua_xmove(inner, L, 1);
        }
        if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
            luaL_where(L, 1);
            lua_insert(L, -2);
            lua_concat(L, 2);
        }
        return lua_error(L);
    }
}

/* nil when it can be resumed, else why it can't. */
static const char *refusal(lua_State *L, lua_State *inner, int arguments)
{
    if (inner == L)
        return "cannot resume non-suspended coroutine";
    switch (lua_status(inner)) {
    case LUA_YIELD: break;
    case LUA_OK: {
        lua_Debug frame;
        if (lua_getstack(inner, 0, &frame))
            return "cannot resume non-suspended coroutine";
        if (lua_gettop(inner) == 0)
            return "cannot resume dead coroutine";
        break;
    }
    default: return "cannot resume dead coroutine";
    }
    return lua_checkstack(inner, arguments) ? NULL : "too many arguments to resume";
}

static int l_resume(lua_State *L)
{
    lua_State *inner = lua_tothread(L, 1);
    luaL_argexpected(L, inner != NULL, 1, "coroutine");
    int arguments = lua_gettop(L) - 1;
    const char *why = refusal(L, inner, arguments);
    if (why != NULL) {
        lua_pushboolean(L, 0);
        lua_pushstring(L, why);
        return 2;
    }
    lua_xmove(L, inner, arguments);
    return step(L, inner, arguments, false, NULL);
}

static int call_wrapped(lua_State *L)
{
    lua_State *inner = lua_tothread(L, lua_upvalueindex(1));
    int arguments = lua_gettop(L);
    const char *why = refusal(L, inner, arguments);
    if (why != NULL)
        return luaL_error(L, "%s", why);
    lua_xmove(L, inner, arguments);
    lua_pushvalue(L, lua_upvalueindex(1));
    return step(L, inner, arguments, true, NULL);
}

static int l_wrap(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *inner = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, inner, 1);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

void lib_coroutine_open(lua_State *L)
{
    lua_getglobal(L, "coroutine");
    lua_pushcfunction(L, l_resume);
    lua_setfield(L, -2, "resume");
    lua_pushcfunction(L, l_wrap);
    lua_setfield(L, -2, "wrap");
    lua_pop(L, 1);
}
