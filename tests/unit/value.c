/* vm/value: JSON to Lua values and back, above all when memory runs out at any step.
 *
 * The state's allocator counts what is in use and fails at the n-th request, for rising n until nothing fails any more:
 * each run either does its work or ends in an error, and frees everything.  What scripts see is tested in tests/lua. */
#include "vm/lib_json.h"
#include "vm/value.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

struct heap {
    size_t used;
    long left;    /* requests that still succeed; negative: all do */
    bool failed;  /* one has not */
    bool refuses; /* all after the first failure fail, too, or only that one */
};

static void *allocate(void *ud, void *block, size_t old, size_t size)
{
    struct heap *heap = ud;
    if (block == NULL)
        old = 0;
    if (size == 0) {
        free(block);
        heap->used -= old;
        return NULL;
    }
    if (size > old || block == NULL) { /* Lua expects that shrinking never fails */
        if (heap->left == 0) {
            heap->failed = true;
            if (heap->refuses)
                return NULL;
        }
        if (heap->left >= 0 && heap->left-- == 0)
            return NULL;
    }
    void *moved = realloc(block, size);
    assert_non_null(moved);
    heap->used += size - old;
    return moved;
}

/* Objects and arrays, narrow, wide and nested, strings long, short and escaped, all kinds of numbers. */
static struct buffer sample(void)
{
    struct buffer text = {0};
    buffer_puts(&text, "{\"array\":[1,2.5,true,null,\"a\\u00e9\\n\",[],{},18446744073709551615],\"empty\":\"\",\"long\":\"");
    for (int i = 0; i < 60; i++)
        buffer_puts(&text, "words\\t");
    buffer_puts(&text, "\",\"many\":[0");
    for (int i = 1; i < 600; i++)
        buffer_printf(&text, ",%d", i);
    buffer_puts(&text, "],\"nested\":");
    for (int i = 0; i < 60; i++)
        buffer_puts(&text, "[{\"a\":");
    buffer_puts(&text, "0");
    for (int i = 0; i < 60; i++)
        buffer_puts(&text, "}]");
    buffer_puts(&text, ",\"wide\":{\"m00\":0");
    for (int i = 1; i < 90; i++)
        buffer_printf(&text, ",\"m%02d\":[%d]", i, i);
    buffer_puts(&text, "}}");
    return text;
}

static int protected_open(lua_State *L)
{
    luaL_openlibs(L);
    value_open(L);
    luaL_requiref(L, "json", luaopen_ocm_json, 1);
    return 0;
}

static lua_State *new_state(struct heap *heap)
{
    lua_State *L = lua_newstate(allocate, heap);
    if (L == NULL)
        return NULL;
    lua_pushcfunction(L, protected_open);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_close(L);
        return NULL;
    }
    return L;
}

/* Decodes the text and encodes the value: true with the same text again, or an error. */
static int round_trip(lua_State *L)
{
    const struct buffer *text = lua_touserdata(L, 1);
    struct error e = {0};
    int top = lua_gettop(L);
    if (!value_decode(L, text->data, text->length, &e)) {
        assert_int_equal(lua_gettop(L), top);
        assert_int_equal(e.code, ENOMEM);
        return luaL_error(L, "%s", e.message);
    }
    assert_int_equal(lua_gettop(L), top + 1);
    struct buffer out = {0};
    bool ok = value_encode(L, -1, &out, &e);
    assert_int_equal(lua_gettop(L), top + 1);
    if (ok) {
        assert_int_equal(out.length, text->length - 4); /* \u00e9 has become two bytes */
    } else {
        assert_int_equal(out.length, 0);
        assert_int_equal(e.code, ENOMEM);
    }
    buffer_free(&out);
    return ok ? 0 : luaL_error(L, "%s", e.message);
}

static int run_library(lua_State *L)
{
    const struct buffer *text = lua_touserdata(L, 1);
    if (luaL_loadstring(L, "local text = ... local value = json.decode(text)\n"
                           "assert(#json.encode(value) == #text - 4)\n"
                           "json.encode(value, { pretty = true })\n"
                           "assert(json.number '1e400' == json.array { json.number '1e400' }[1])\n") != LUA_OK)
        return lua_error(L);
    lua_pushlstring(L, text->data, text->length);
    lua_call(L, 1, 0);
    return 0;
}

static void fail_at_every_request(lua_CFunction f, bool refuses)
{
    struct buffer text = sample();
    long n = 0;
    struct heap heap;
    do {
        heap = (struct heap){.left = -1};
        lua_State *L = new_state(&heap);
        assert_non_null(L);
        lua_pushcfunction(L, f);
        lua_pushlightuserdata(L, &text);
        heap.left = n++;
        heap.refuses = refuses;
        int status = lua_pcall(L, 1, 0, 0);
        if (refuses && heap.failed)
            assert_int_not_equal(status, LUA_OK);
        if (!heap.failed && status != LUA_OK)
            fail_msg("%s", lua_tostring(L, -1));
        heap.left = -1;
        heap.refuses = false;
        if (status != LUA_OK) { /* and then it works again */
            lua_settop(L, 0);
            lua_pushcfunction(L, f);
            lua_pushlightuserdata(L, &text);
            assert_int_equal(lua_pcall(L, 1, 0, 0), LUA_OK);
        }
        lua_close(L);
        assert_int_equal(heap.used, 0);
    } while (heap.failed);
    assert_true(n > 100);
    buffer_free(&text);
}

static void test_running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    fail_at_every_request(round_trip, true);
}

/* Lua tries again after a collection: then a single failure is none. */
static void test_survives_a_collection_at_every_request(void **state)
{
    (void)state;
    fail_at_every_request(round_trip, false);
}

static void test_the_library_frees_everything(void **state)
{
    (void)state;
    fail_at_every_request(run_library, true);
}

static void test_opening_needs_memory(void **state)
{
    (void)state;
    struct heap heap;
    long n = 0;
    lua_State *L;
    do {
        heap = (struct heap){.left = n++, .refuses = true};
        L = new_state(&heap);
        heap.refuses = false;
        heap.left = -1;
        if (L != NULL)
            lua_close(L);
        assert_int_equal(heap.used, 0);
    } while (L == NULL);
}

static void test_a_full_output_buffer_is_an_error(void **state)
{
    (void)state;
    struct buffer text = sample();
    struct error e = {0};
    struct heap heap = {.left = -1};
    lua_State *L = new_state(&heap);
    assert_true(value_decode(L, text.data, text.length, &e));
    int top = lua_gettop(L);
    for (size_t limit = 1; limit <= text.length; limit++) {
        struct buffer out = {.limit = limit};
        bool fits = limit >= text.length - 4;
        assert_true(value_encode(L, -1, &out, &e) == fits);
        assert_int_equal(lua_gettop(L), top);
        if (!fits) {
            assert_int_equal(e.code, ENOMEM);
            assert_int_equal(out.length, 0);
        }
        buffer_free(&out);
    }
    lua_close(L);
    buffer_free(&text);
}

/* Decoding in a coroutine starts with a small stack, and what is below on it stays. */
static void test_works_on_the_stack_of_a_coroutine(void **state)
{
    (void)state;
    struct buffer text = sample(), out = {0};
    struct error e = {0};
    struct heap heap = {.left = -1};
    lua_State *L = new_state(&heap);
    lua_State *task = lua_newthread(L);
    lua_pushinteger(task, 1);
    assert_true(value_decode(task, text.data, text.length, &e));
    assert_true(value_encode(task, 2, &out, &e));
    assert_int_equal(out.length, text.length - 4);
    assert_int_equal(lua_gettop(task), 2);
    assert_int_equal(lua_tointeger(task, 1), 1);
    buffer_clear(&out);
    lua_pushlightuserdata(task, L);
    assert_false(value_encode(task, -1, &out, NULL)); /* nobody wants to know why */
    assert_false(value_decode(task, "[1,", 3, NULL));
    assert_int_equal(lua_gettop(task), 3);
    lua_close(L);
    buffer_free(&text);
    buffer_free(&out);
}

static const char reentrant[] =
    "local depth, runs, wrong = 0, 0, nil\n"
    "local text = '[\"' .. ('\\\\n'):rep(300) .. '\",1e999,{\"a\":[\"\\\\t\"]}]'\n"
    "local function again()\n"
    "  if depth > 0 then return end\n"
    "  depth, runs = 1, runs + 1\n"
    "  local inner = '[\"' .. ('\\\\\\\\x'):rep(runs % 50 * 40) .. '\"]'\n"
    "  local ok, got = pcall(function() return json.encode(json.decode(inner)) end)\n"
    "  if not ok or got ~= inner then wrong = got end\n"
    "  depth = 0\n"
    "  setmetatable({}, { __gc = again })\n"
    "end\n"
    "setmetatable({}, { __gc = again })\n"
    "collectgarbage('setpause', 0) collectgarbage('setstepmul', 1000)\n"
    "for i = 1, 3000 do assert(json.encode(json.decode(text)) == text) end\n"
    "assert(runs > 100, runs)\n"
    "assert(not wrong, wrong)\n";

/* A finalizer may run wherever decoding allocates, and decode and encode itself. */
static void test_finalizers_may_use_json_within_json(void **state)
{
    (void)state;
    struct heap heap = {.left = -1};
    lua_State *L = new_state(&heap);
    assert_non_null(L);
    if (luaL_dostring(L, reentrant) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_close(L);
    assert_int_equal(heap.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running_out_of_memory_is_an_error),
        cmocka_unit_test(test_survives_a_collection_at_every_request),
        cmocka_unit_test(test_the_library_frees_everything),
        cmocka_unit_test(test_opening_needs_memory),
        cmocka_unit_test(test_a_full_output_buffer_is_an_error),
        cmocka_unit_test(test_works_on_the_stack_of_a_coroutine),
        cmocka_unit_test(test_finalizers_may_use_json_within_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
