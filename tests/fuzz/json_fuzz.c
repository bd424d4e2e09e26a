/* Any bytes as JSON: the reader alone, then decode, encode and decode through Lua.
 *
 * What must hold: the reader and the decoder agree on what is JSON; what is encoded is JSON, pretty or not; and from the
 * first encoding on, the round trip gives the same bytes.  One Lua state serves for all inputs. */
#include "base/json.h"
#include "vm/value.h"

#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what, const struct error *e)
{
    if (holds)
        return;
    (void)fprintf(stderr, "broken: %s (%s)\n", what, e->message);
    abort();
}

static bool is_utf8(const char *text)
{
    struct buffer out = {0};
    bool ok = json_write_string(&out, text, strlen(text), NULL);
    buffer_free(&out);
    return ok;
}

/* Reads everything; skips the value of each name with an even length. */
static bool read_text(const char *text, size_t size, bool skipping, struct error *e)
{
    struct json_reader r;
    struct json_event event;
    bool ok;
    json_reader_init(&r, text, size);
    do {
        ok = json_next(&r, &event, e);
        if (ok && skipping && event.kind == JSON_KEY && event.length % 2 == 0)
            ok = json_skip(&r, &event, e);
        if (ok && event.kind == JSON_NUMBER)
            require(json_is_number(event.text, event.length), "a number is a number", e);
    } while (ok && event.kind != JSON_END);
    json_reader_free(&r);
    return ok;
}

static int round_trip(lua_State *L)
{
    const char *text = lua_touserdata(L, 1);
    size_t size = (size_t)lua_tointeger(L, 2);
    struct error e = {0}, other = {0};
    struct buffer first = {0}, second = {0};
    bool json = read_text(text, size, false, &e);
    require(read_text(text, size, true, &other) == json && strcmp(e.message, other.message) == 0, "skipping sees the same errors", &e);
    require(json || is_utf8(e.message), "messages are UTF-8", &e);
    require(value_decode(L, text, size, &e) == json, "reader and decoder agree", &e);
    if (!json)
        return 0;
    require(value_encode(L, -1, &first, &e), "what was decoded can be encoded", &e);
    require(value_decode(L, first.data, first.length, &e), "what was encoded can be decoded", &e);
    require(value_encode(L, -1, &second, &e), "and encoded again", &e);
    require(first.length == second.length && memcmp(first.data, second.data, first.length) == 0, "to the same bytes", &e);
    buffer_clear(&second);
    require(value_encode_pretty(L, -1, &second, &e), "also with indentation", &e);
    require(value_decode(L, second.data, second.length, &e), "which can be decoded", &e);
    buffer_clear(&second);
    require(value_encode(L, -1, &second, &e), "and encoded", &e);
    require(first.length == second.length && memcmp(first.data, second.data, first.length) == 0, "to the same bytes as before", &e);
    buffer_free(&first);
    buffer_free(&second);
    return 0;
}

static lua_State *state;

static void close_state(void) { lua_close(state); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (state == NULL) {
        state = luaL_newstate();
        if (state == NULL)
            abort();
        value_open(state);
        (void)atexit(close_state);
    }
    lua_settop(state, 0);
    lua_pushcfunction(state, round_trip);
    lua_pushlightuserdata(state, (void *)(uintptr_t)data);
    lua_pushinteger(state, (lua_Integer)size);
    if (lua_pcall(state, 2, 0, 0) != LUA_OK) {
        (void)fprintf(stderr, "raised: %s\n", lua_tostring(state, -1));
        abort();
    }
    return 0;
}
