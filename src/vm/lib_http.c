/* HTTP requests as parts of a pipe (part.h, work/http.h): http.get as a source, http.put as a sink, http.request as either a source or
 * a stage.  lua/ocm/http.lua makes the tables: there, `fields` is a list { name, value, name, value, … }. */
#include "vm/part.h"
#include "vm/state.h"
#include "work/http.h"
#include "work/memory.h"

#include <string.h>

enum {
    MOST_FIELDS = 1000,
    MOST_KEPT = 64 * 1024, /* of what a server answers to http.put */
};
static const lua_Number MOST_SECONDS = 1e6;

/* ---- a table's options ---- */

static const char *text_at(lua_State *L, int index, lua_Integer i)
{
    size_t length = 0;
    const char *text = lua_geti(L, index, i) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
    if (text == NULL || strlen(text) != length)
        luaL_error(L, "ocm.http: headers: expected strings without a NUL byte");
    lua_pop(L, 1); /* the list keeps it */
    return text;
}

/* Leaves the fields on the stack, as a userdata. */
static void read_fields(lua_State *L, int index, struct http_options *options)
{
    if (lua_getfield(L, index, "fields") != LUA_TTABLE) {
        lua_pushnil(L);
        return;
    }
    int list = lua_gettop(L);
    lua_Unsigned length = lua_rawlen(L, list);
    if (length > 2 * MOST_FIELDS)
        luaL_error(L, "ocm.http: headers: more than %d", MOST_FIELDS);
    size_t count = length / 2;
    struct http_field *fields = lua_newuserdatauv(L, (count > 0 ? count : 1) * sizeof *fields, 0);
    for (size_t i = 0; i < count; i++) {
        fields[i].name = text_at(L, list, (lua_Integer)(2 * i + 1));
        fields[i].value = text_at(L, list, (lua_Integer)(2 * i + 2));
    }
    options->fields = fields;
    options->field_count = count;
}

/* Leaves the file's path on the stack. */
static void read_body(lua_State *L, int index, struct http_options *options)
{
    size_t length = 0;
    const char *wrong = NULL;
    if (lua_getfield(L, index, "file") != LUA_TNIL) {
        options->body = HTTP_FILE;
        options->data = lib_file_path(L, lua_gettop(L), NULL, &wrong);
        if (options->data == NULL)
            luaL_error(L, "ocm.http: body: %s", wrong);
    } else if (lua_getfield(L, index, "data") == LUA_TSTRING) {
        options->body = HTTP_BYTES;
        options->data = lua_tolstring(L, -1, &length);
        options->length = (int64_t)length;
    }
}

static struct stream *create(lua_State *L, int index, bool sends)
{
    struct http_options options = http_defaults;
    struct error e;
    index = lua_absindex(L, index);
    int top = lua_gettop(L);
    options.url = part_string(L, index, "url");
    if (options.url == NULL)
        luaL_error(L, "ocm.http: url: expected string, got nothing");
    options.method = part_string(L, index, "method");
    read_fields(L, index, &options);
    if (sends) {
        options.body = HTTP_STREAM;
        options.length = part_integer(L, index, "length", 0, LUA_MAXINTEGER, -1);
    } else {
        read_body(L, index, &options);
    }
    options.any_status = part_boolean(L, index, "any_status", false);
    options.resume = part_boolean(L, index, "resume", true);
    options.size = part_integer(L, index, "size", 0, LUA_MAXINTEGER, -1);
    options.timeout = part_number(L, index, "timeout", 0, MOST_SECONDS, 0);
    options.connect_timeout = part_number(L, index, "connect_timeout", 0.001, MOST_SECONDS, options.connect_timeout);
    options.idle = part_number(L, index, "idle", 0, MOST_SECONDS, options.idle);
    options.redirects = (unsigned)part_integer(L, index, "redirects", 0, 100, options.redirects);
    options.retries = (unsigned)part_integer(L, index, "retries", 0, 100, options.retries);
    options.username = part_string(L, index, "username");
    options.password = part_string(L, index, "password");
    options.bearer = part_string(L, index, "bearer");
    options.ca = part_string(L, index, "ca");
    options.certificate = part_string(L, index, "cert");
    options.key = part_string(L, index, "key");
    options.unix_socket = part_string(L, index, "unix_socket");
    if (!http_check(&options, &e))
        luaL_error(L, "ocm.http: %s", e.message);
    struct stream *stream = http_create(&options);
    lua_settop(L, top);
    return stream;
}

/* ---- results ---- */

/* The fields as a table; of one that came several times the values joined by ", ". */
static void push_fields(lua_State *L, const struct http_answer *answer)
{
    lua_newtable(L);
    for (size_t at = 0; at < answer->fields_length;) {
        const char *name = answer->fields + at, *value = name + strlen(name) + 1;
        at = (size_t)(value - answer->fields) + strlen(value) + 1;
        lua_pushstring(L, name);
        if (lua_getfield(L, -2, name) == LUA_TSTRING)
            lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), value);
        else
            lua_pushstring(L, value);
        lua_remove(L, -2);
        lua_rawset(L, -3);
    }
}

static void add_answer(lua_State *L, const struct stream *part)
{
    struct http_answer answer = http_answer(part);
    lua_pushinteger(L, answer.status);
    lua_setfield(L, -2, "status");
    lua_pushstring(L, answer.url);
    lua_setfield(L, -2, "url");
    push_fields(L, &answer);
    lua_setfield(L, -2, "headers");
}

static void add_put_answer(lua_State *L, const struct sink *part)
{
    size_t length;
    add_answer(L, through_sink_stage(part));
    const char *body = through_sink_data(part, &length);
    lua_pushlstring(L, body, length);
    lua_setfield(L, -2, "body");
}

/* ---- the kinds ---- */

static struct stream *get_stream(lua_State *L, int index, bool source)
{
    if (!source)
        luaL_error(L, "ocm.http.get is a source: put it first");
    return create(L, index, false);
}

static struct stream *request_stream(lua_State *L, int index, bool source) { return create(L, index, !source); }

static struct sink *put_sink(lua_State *L, int index) { return through_sink_create(create(L, index, true), MOST_KEPT); }

const struct part_kind http_parts[] = {
    {"http.get", get_stream, NULL, add_answer, NULL},
    {"http.put", NULL, put_sink, NULL, add_put_answer},
    {"http.request", request_stream, NULL, add_answer, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* A Location { type = "remoteURL", value = url } */
static struct stream *location_stream(lua_State *L, int index, bool source)
{
    struct error e;
    struct http_options options = http_defaults;
    if (!source)
        luaL_error(L, "a Location of type remoteURL is a source: put it first");
    options.url = part_string(L, index, "value");
    if (options.url == NULL)
        luaL_error(L, "a Location of type remoteURL has no value");
    if (!http_check(&options, &e))
        luaL_error(L, "a Location of type remoteURL: %s", e.message);
    return http_create(&options);
}

const struct part_kind http_location = {"remoteURL", location_stream, NULL, NULL, NULL};
