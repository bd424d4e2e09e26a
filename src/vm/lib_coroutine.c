/* coroutine.resume, wrap and close, for scripts that use coroutines of their own inside of a handler.
 *
 * A primitive called in such a coroutine yields to the loop, not to the script: what it yields passes through here, the
 * task yields in turn, and the coroutine goes on where it was.  Script and coroutine notice nothing. */
#include "vm/state.h"

static const char transit_type[] = "ocm.transit";

/* Stands on the stack of a coroutine that yielded on behalf of another: when the one is closed, so is the other. */
struct transit {
    lua_State *inner; /* NULL: it is not under way */
    struct transit *next;
};

static void enter(struct vm *vm, struct transit *transit, lua_State *inner)
{
    transit->inner = inner;
    transit->next = vm->transits;
    vm->transits = transit;
}

static void leave(struct vm *vm, struct transit *transit)
{
    struct transit **at = &vm->transits;
    while (*at != NULL && *at != transit)
        at = &(*at)->next;
    if (*at != NULL)
        *at = transit->next;
    transit->inner = NULL;
}

/* Whether it waits inside of a primitive: then it is the loop's, and no other may resume or close it. */
static bool in_transit(lua_State *inner)
{
    for (const struct transit *at = vm_of(inner)->transits; at != NULL; at = at->next)
        if (at->inner == inner)
            return true;
    return false;
}

/* Closes its variables, under the watch. */
static int reset(lua_State *inner)
{
    lua_State *before = slice_switch(inner);
    int status = lua_resetthread(inner);
    (void)slice_switch(before);
    return status;
}

static int close_transit(lua_State *L)
{
    struct transit *transit = luaL_checkudata(L, 1, transit_type);
    lua_State *inner = transit->inner;
    leave(vm_of(L), transit);
    if (inner != NULL)
        (void)reset(inner);
    return 0;
}

/* Protected: coroutine -> transit. */
static int make_transit(lua_State *L)
{
    struct transit *transit = lua_newuserdatauv(L, sizeof *transit, 1);
    *transit = (struct transit){0};
    if (luaL_newmetatable(L, transit_type)) {
        lua_pushcfunction(L, close_transit);
        lua_setfield(L, -2, "__close");
        lua_pushcfunction(L, close_transit);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    return 1;
}

/* The coroutine itself stands at index 1; it waits already, so when there is no memory for this it has to be closed. */
static struct transit *push_transit(lua_State *L, lua_State *inner)
{
    int status = LUA_ERRMEM;
    if (lua_checkstack(L, 4)) {
        lua_pushcfunction(L, make_transit);
        lua_pushvalue(L, 1);
        status = lua_pcall(L, 1, 1, 0);
    } else {
        lua_settop(L, 0);
        lua_pushnil(L);
    }
    if (status != LUA_OK) {
        (void)reset(inner);
        lua_error(L);
    }
    lua_toclose(L, -1);
    return lua_touserdata(L, -1);
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

static int step(lua_State *L, lua_State *inner, int arguments, bool wrap, struct transit *transit);

/* The task goes on: stack[1] is the coroutine, the transit stands at the index in the context (negative: for wrap). */
static int go_on(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    bool wrap = context < 0;
    struct transit *transit = luaL_checkudata(L, (int)(wrap ? -context : context), transit_type);
    lua_State *inner = transit->inner;
    leave(vm_of(L), transit);
    return step(L, inner, 0, wrap, transit);
}

/* Resumes `inner` until it yields to the script, ends or fails. */
static int step(lua_State *L, lua_State *inner, int arguments, bool wrap, struct transit *transit)
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
                transit = push_transit(L, inner);
            }
            enter(vm, transit, inner);
            return lua_yieldk(L, 0, wrap ? -2 : 2, go_on);
        }
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
            status = reset(inner);
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
    if (inner == L || in_transit(inner))
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

/* coroutine.close: as the standard one, but not for a coroutine that waits inside of a primitive. */
static int l_close(lua_State *L)
{
    lua_State *inner = lua_tothread(L, 1);
    lua_Debug frame;
    luaL_argexpected(L, inner != NULL, 1, "coroutine");
    int status = lua_status(inner);
    if (inner == L || in_transit(inner) || (status == LUA_OK && lua_getstack(inner, 0, &frame)))
        return luaL_error(L, "cannot close a %s coroutine", inner == L ? "running" : in_transit(inner) ? "waiting" : "normal");
    status = reset(inner);
    lua_pushboolean(L, status == LUA_OK);
    if (status == LUA_OK)
        return 1;
    lua_xmove(inner, L, 1);
    return 2;
}

void lib_coroutine_open(lua_State *L)
{
    lua_getglobal(L, "coroutine");
    lua_pushcfunction(L, l_resume);
    lua_setfield(L, -2, "resume");
    lua_pushcfunction(L, l_wrap);
    lua_setfield(L, -2, "wrap");
    lua_pushcfunction(L, l_close);
    lua_setfield(L, -2, "close");
    lua_pop(L, 1);
}
