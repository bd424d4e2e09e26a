/* What lua/ocm/dispatch.lua sees of the request that its task serves.  Private: scripts get a table made of this.
 *
 * json() -> value | nil, message       the body, decoded
 * body([most]) -> string               its bytes, or the first `most` of them
 * header(name) -> string | nil         the first of that name
 * headers() -> table                   all; names in lower case; repeated ones joined by ", "
 * query() -> table | nil, message      decoded; of repeated names the first
 * segments() -> list | nil, message    the path between its slashes, each decoded
 * credentials() -> value | nil, message    the Authorization header, decoded; nil alone: none
 * Of these, all raise when there is no memory.
 * answer(status, type, text)           the answer, instead of what was set before
 * answer_json(value) -> true | nil, message    a 200 with the value
 * field(name, value)                   a further header of the answer
 * answered(most) -> status, text       what was set, the first `most` bytes of it */
#include "base/json.h"
#include "base/secret.h"
#include "base/uri.h"
#include "vm/state.h"
#include "vm/value.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static struct vm_request *request_of(lua_State *L)
{
    struct task *task = vm_of(L)->current;
    struct vm_request *request = task != NULL ? task->root->request : NULL;
    if (request == NULL)
        luaL_error(L, "there is no request here");
    return request;
}

static int no_memory(lua_State *L) { return luaL_error(L, "not enough memory"); }

/* What the caller may be told it did wrong; that there is no memory is not its fault. */
static int fail(lua_State *L, const struct error *e)
{
    if (e->code == ENOMEM)
        return no_memory(L);
    luaL_pushfail(L);
    lua_pushstring(L, e->message);
    return 2;
}

/* What is not remembered cannot be hidden. */
static void remember(lua_State *L, const char *authorization)
{
    if (!secret_remember(authorization, strlen(authorization)))
        no_memory(L);
}

static int l_json(lua_State *L)
{
    struct vm_request *request = request_of(L);
    struct error e;
    return value_decode(L, request->body, request->body_length, &e) ? 1 : fail(L, &e);
}

static int l_body(lua_State *L)
{
    struct vm_request *request = request_of(L);
    size_t most = (size_t)luaL_optinteger(L, 1, LUA_MAXINTEGER);
    lua_pushlstring(L, request->body, request->body_length < most ? request->body_length : most);
    return 1;
}

static int l_header(lua_State *L)
{
    struct vm_request *request = request_of(L);
    lua_pushstring(L, request->header(request, luaL_checkstring(L, 1)));
    return 1;
}

/* The visitor must not raise (libmicrohttpd's frames are around it), so it only collects bytes. */
struct headers {
    struct buffer *all;
    bool missing; /* there was no memory for one */
};

static void collect(void *context, const char *name, const char *value)
{
    struct headers *headers = context;
    if (!buffer_append(headers->all, name, strlen(name) + 1) || !buffer_append(headers->all, value, strlen(value) + 1))
        headers->missing = true;
}

static int free_buffer(lua_State *L)
{
    buffer_free(lua_touserdata(L, 1));
    return 0;
}

static struct buffer *push_buffer(lua_State *L)
{
    struct buffer *buffer = lua_newuserdatauv(L, sizeof *buffer, 0);
    *buffer = (struct buffer){0};
    if (luaL_newmetatable(L, "ocm.request.buffer")) {
        lua_pushcfunction(L, free_buffer);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, free_buffer);
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return buffer;
}

static int l_headers(lua_State *L)
{
    struct vm_request *request = request_of(L);
    struct buffer *all = push_buffer(L);
    struct headers headers = {.all = all};
    request->headers(request, collect, &headers);
    if (headers.missing)
        return no_memory(L);
    lua_newtable(L);
    for (size_t at = 0; at < all->length;) {
        char *name = all->data + at;
        size_t name_length = strlen(name);
        const char *value = name + name_length + 1;
        at += name_length + 1 + strlen(value) + 1;
        for (char *c = name; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        if (strcmp(name, "authorization") == 0)
            remember(L, value);
        if (lua_getfield(L, -1, name) == LUA_TSTRING) {
            lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), value);
            lua_remove(L, -2);
        } else {
            lua_pop(L, 1);
            lua_pushstring(L, value);
        }
        lua_setfield(L, -2, name);
    }
    return 1;
}

static int l_query(lua_State *L)
{
    struct vm_request *request = request_of(L);
    const char *rest = request->query != NULL ? request->query : "";
    struct buffer *text = &vm_of(L)->scratch;
    struct uri_pair pair;
    struct error e;
    lua_createtable(L, 0, 6); /* dispatch adds the repositories */
    while (uri_next_pair(&rest, &pair)) {
        if (!uri_decode(text, pair.name, pair.name_length, true, &e))
            return fail(L, &e);
        lua_pushlstring(L, text->data, text->length);
        if (!uri_decode(text, pair.value, pair.value_length, true, &e))
            return fail(L, &e);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TNIL) {
            lua_pop(L, 1);
            lua_pushlstring(L, text->data, text->length);
            lua_rawset(L, -3);
        } else {
            lua_pop(L, 2);
        }
    }
    return 1;
}

/* A '/' that is written %2F does not separate. */
static int l_segments(lua_State *L)
{
    struct vm_request *request = request_of(L);
    struct buffer *text = &vm_of(L)->scratch;
    struct error e;
    lua_newtable(L);
    const char *at = request->raw_path, *end = at + request->raw_path_length;
    for (lua_Integer i = 1; at < end && *at == '/'; i++) {
        const char *slash = memchr(at + 1, '/', (size_t)(end - at - 1));
        const char *stop = slash != NULL ? slash : end;
        if (!uri_decode(text, at + 1, (size_t)(stop - at - 1), false, &e))
            return fail(L, &e);
        lua_pushlstring(L, text->data, text->length);
        lua_rawseti(L, -2, i);
        at = stop;
    }
    return 1;
}

static int l_credentials(lua_State *L)
{
    struct vm_request *request = request_of(L);
    const char *text = request->header(request, "Authorization");
    struct error e;
    if (text == NULL || *text == '\0' || strcmp(text, "{}") == 0)
        return 0;
    remember(L, text);
    return value_decode(L, text, strlen(text), &e) ? 1 : fail(L, &e);
}

/* Content types are a few literals, so that the request need not own them. */
static const char *literal_type(const char *type)
{
    static const char *const known[] = {"application/json", "text/plain; charset=utf-8", "application/octet-stream", NULL};
    for (const char *const *at = known; *at != NULL; at++)
        if (strcmp(*at, type) == 0)
            return *at;
    return NULL;
}

static int l_answer(lua_State *L)
{
    struct vm_request *request = request_of(L);
    unsigned status = (unsigned)luaL_checkinteger(L, 1);
    const char *type = luaL_optstring(L, 2, "");
    size_t length;
    const char *text = luaL_optlstring(L, 3, "", &length);
    buffer_clear(&request->answer);
    if (!buffer_append(&request->answer, text, length))
        return no_memory(L);
    request->status = status;
    request->content_type = literal_type(type);
    return 0;
}

static int l_answer_json(lua_State *L)
{
    enum { USUAL = 1000 }; /* bytes: most answers are shorter */
    struct vm_request *request = request_of(L);
    struct error e;
    luaL_checkany(L, 1);
    buffer_clear(&request->answer);
    if (!buffer_reserve(&request->answer, USUAL))
        return no_memory(L);
    if (!value_encode(L, 1, &request->answer, &e))
        return fail(L, &e);
    request->status = 200;
    request->content_type = "application/json";
    lua_pushboolean(L, 1);
    return 1;
}

static int l_field(lua_State *L)
{
    struct vm_request *request = request_of(L);
    const char *name = luaL_checkstring(L, 1), *value = luaL_checkstring(L, 2);
    if (!buffer_append(&request->fields, name, strlen(name) + 1) || !buffer_append(&request->fields, value, strlen(value) + 1))
        return no_memory(L);
    return 0;
}

static int l_answered(lua_State *L)
{
    struct vm_request *request = request_of(L);
    size_t most = (size_t)luaL_checkinteger(L, 1), length = request->answer.length;
    lua_pushinteger(L, (lua_Integer)request->status);
    lua_pushlstring(L, length > 0 ? request->answer.data : "", length < most ? length : most);
    return 2;
}

static const luaL_Reg functions[] = {
    {"json", l_json}, {"body", l_body}, {"header", l_header}, {"headers", l_headers}, {"query", l_query}, {"segments", l_segments}, {"credentials", l_credentials},
    {"answer", l_answer}, {"answer_json", l_answer_json}, {"field", l_field}, {"answered", l_answered}, {NULL, NULL},
};

int luaopen_ocm_request(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
