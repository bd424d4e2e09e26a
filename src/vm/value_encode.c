/* Lua values to JSON text: see value.h.
 *
 * Encoding allocates nothing in Lua, so it can't raise, and pointers to strings stay valid.  The members of an object are
 * put on the stack and sorted by name; those of a wide one are written to a buffer of its own and sorted there. */
#include "base/json.h"
#include "vm/codec.h"
#include "vm/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NARROW = 24 }; /* most members of an object that is sorted on the stack */

static bool out_of_memory(struct error *e) { return error_set(e, ENOMEM, "out of memory"); }

/* A table that is being written. */
struct level {
    const struct level *up;
    const void *table;
    const char *name; /* of the member at which it is; NULL in arrays */
    size_t length;
    lua_Integer index; /* of the element; 0: not at any */
};

struct encoder {
    lua_State *L;
    struct buffer *out;
    struct error *e;
    const struct codec *codec;
    const struct level *level; /* the innermost */
    int depth;
    bool pretty;
};

struct member {
    const char *name;
    size_t length;
    size_t at, end; /* its value on the stack, or its text in the buffer */
};

/* The path to a level's member, as far as there is room: component.labels["a.b/c"][2] */
static bool write_path(struct buffer *path, const struct level *level)
{
    if (level == NULL)
        return true;
    if (!write_path(path, level->up))
        return false;
    if (level->index > 0)
        return buffer_add(path, '[') && json_write_integer(path, level->index) && buffer_add(path, ']');
    if (level->name == NULL)
        return true;
    size_t plain = 0;
    while (plain < level->length && strchr("/.[]\" ", level->name[plain]) == NULL && (unsigned char)level->name[plain] < 0x80)
        plain++;
    if (level->length > 0 && plain == level->length)
        return (path->length == 0 || buffer_add(path, '.')) && buffer_append(path, level->name, level->length);
    return buffer_add(path, '[') && json_write_lenient(path, level->name, level->length) && buffer_add(path, ']');
}

/* Puts the path to the innermost level's member before the message; returns false. */
static bool fail_at(const struct encoder *en, const struct level *level, int code, const char *message)
{
    struct buffer path = {.limit = 600};
    const char *cut = write_path(&path, level) ? "" : "…", *text = path.length > 0 ? path.data : "";
    error_set(en->e, code, "%.*s%s%s%s", (int)path.length, text, cut, level != NULL ? ": " : "", message);
    buffer_free(&path);
    return false;
}

static bool fail(const struct encoder *en, const char *message) { return fail_at(en, en->level, EINVAL, message); }

static bool newline(struct encoder *en)
{
    if (!en->pretty)
        return true;
    if (!buffer_reserve(en->out, (size_t)en->depth * 2 + 1))
        return false;
    buffer_add(en->out, '\n');
    for (int i = 0; i < en->depth; i++)
        buffer_append(en->out, "  ", 2);
    return true;
}

static bool encode_value(struct encoder *en, int index);

static bool write_element(struct encoder *en, struct level *level)
{
    level->index++;
    if ((level->index > 1 && !buffer_add(en->out, ',')) || !newline(en))
        return out_of_memory(en->e);
    if (!encode_value(en, lua_gettop(en->L)))
        return false;
    lua_pop(en->L, 1);
    return true;
}

/* Writes the elements behind those that came in their order; the key and the value after them are on the stack. */
static bool write_disordered(struct encoder *en, int index, struct level *level)
{
    lua_State *L = en->L;
    lua_Integer total = level->index;
    do {
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1) {
            level->index = 0;
            if (lua_type(L, -2) != LUA_TSTRING)
                return fail(en, "an array with a key that is neither a name nor 1 or more");
            level->name = lua_tolstring(L, -2, &level->length);
            return fail(en, "a named member in an array");
        }
        total++;
        lua_pop(L, 1);
    } while (lua_next(L, index));
    while (level->index < total) {
        if (lua_rawgeti(L, index, level->index + 1) == LUA_TNIL) {
            level->index++;
            return fail(en, "a hole in an array");
        }
        if (!write_element(en, level))
            return false;
    }
    return true;
}

/* The first key and its value are on the stack. */
static bool encode_array(struct encoder *en, int index, struct level *level)
{
    lua_State *L = en->L;
    if (!buffer_add(en->out, '['))
        return out_of_memory(en->e);
    do { /* lua_next begins with the part of the table that is an array, in order: mostly with all of it */
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) != level->index + 1) {
            if (!write_disordered(en, index, level))
                return false;
            break;
        }
        if (!write_element(en, level))
            return false;
    } while (lua_next(L, index));
    en->depth--;
    return (newline(en) && buffer_add(en->out, ']')) || out_of_memory(en->e);
}

static int compare_members(const void *left, const void *right)
{
    const struct member *a = left, *b = right;
    if (a->length > 0 && b->length > 0 && *a->name != *b->name) /* mostly decides, without a call */
        return (unsigned char)*a->name < (unsigned char)*b->name ? -1 : 1;
    int order = memcmp(a->name, b->name, a->length < b->length ? a->length : b->length);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static void sort_few(struct member *members, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct member moved = members[i];
        size_t at = i;
        for (; at > 0 && compare_members(&moved, &members[at - 1]) < 0; at--)
            members[at] = members[at - 1];
        members[at] = moved;
    }
}

static bool write_name(struct encoder *en, const char *name, size_t length)
{
    if (!json_write_string(en->out, name, length, en->e))
        return en->e->code == EILSEQ ? fail(en, "a name that is not UTF-8") : false;
    return (buffer_add(en->out, ':') && (!en->pretty || buffer_add(en->out, ' '))) || out_of_memory(en->e);
}

/* The name of the member whose key and value are on the stack. */
static bool get_name(struct encoder *en, struct level *level)
{
    lua_State *L = en->L;
    if (lua_type(L, -2) == LUA_TSTRING) {
        level->name = lua_tolstring(L, -2, &level->length);
        return true;
    }
    level->name = NULL;
    if (!lua_isinteger(L, -2))
        return fail(en, "a key that is not a string");
    level->index = lua_tointeger(L, -2);
    return fail(en, level->index > 0 ? "a numbered member in an object" : "a key that is not a string");
}

/* Writes the members as they come, each behind its bare name, then copies them in order. */
static bool encode_wide(struct encoder *en, int index, struct level *level)
{
    lua_State *L = en->L;
    struct buffer *out = en->out, text = {.limit = out->limit}, list = {0};
    bool ok = false;
    en->out = &text;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (!get_name(en, level))
            goto out;
        struct member m = {.length = level->length, .at = text.length};
        if (!buffer_append(&text, level->name, level->length)) {
            out_of_memory(en->e);
            goto out;
        }
        if (!write_name(en, level->name, level->length) || !encode_value(en, lua_gettop(L)))
            goto out;
        m.end = text.length;
        if (!buffer_append(&list, &m, sizeof m)) {
            out_of_memory(en->e);
            goto out;
        }
        lua_pop(L, 1);
    }
    struct member *members = (struct member *)(void *)list.data;
    size_t count = list.length / sizeof *members;
    for (size_t i = 0; i < count; i++)
        members[i].name = text.data + members[i].at;
    qsort(members, count, sizeof *members, compare_members);
    en->out = out;
    for (size_t i = 0; i < count; i++) {
        const char *member = members[i].name + members[i].length;
        if ((i > 0 && !buffer_add(out, ',')) || !newline(en) ||
            !buffer_append(out, member, (size_t)(text.data + members[i].end - member))) {
            out_of_memory(en->e);
            goto out;
        }
    }
    ok = true;
out:
    en->out = out;
    buffer_free(&text);
    buffer_free(&list);
    return ok;
}

static bool encode_narrow(struct encoder *en, struct level *level, const struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        level->name = members[i].name;
        level->length = members[i].length;
        if ((i > 0 && !buffer_add(en->out, ',')) || !newline(en))
            return out_of_memory(en->e);
        if (!write_name(en, members[i].name, members[i].length) || !encode_value(en, (int)members[i].at))
            return false;
    }
    return true;
}

/* The first key and its value are on the stack. */
static bool encode_object(struct encoder *en, int index, struct level *level)
{
    lua_State *L = en->L;
    struct member members[NARROW];
    size_t count = 0;
    int base = lua_gettop(L) - 2;
    bool wide = false;
    if (!lua_checkstack(L, 2 * NARROW + 8) || !buffer_add(en->out, '{'))
        return out_of_memory(en->e);
    do {
        wide = count == NARROW;
        if (wide)
            break;
        if (!get_name(en, level))
            return false;
        members[count++] = (struct member){.name = level->name, .length = level->length, .at = (size_t)lua_gettop(L)};
        lua_pushvalue(L, -2); /* the pair stays, lua_next takes the copy */
    } while (lua_next(L, index));
    if (wide) {
        lua_settop(L, base);
        if (!encode_wide(en, index, level))
            return false;
    } else {
        sort_few(members, count);
        if (!encode_narrow(en, level, members, count))
            return false;
        lua_settop(L, base);
    }
    en->depth--;
    return (newline(en) && buffer_add(en->out, '}')) || out_of_memory(en->e);
}

/* At the limit: a cycle is reported where it closes, the nearest to the root. */
static bool fail_too_deep(struct encoder *en, const void *table)
{
    const struct level *closes = NULL;
    const void *inner = table;
    for (const struct level *level = en->level; level != NULL; inner = level->table, level = level->up)
        for (const struct level *outer = level; outer != NULL; outer = outer->up)
            if (outer->table == inner)
                closes = level;
    if (closes != NULL)
        return fail_at(en, closes, EINVAL, "a table that contains itself");
    return fail(en, "more than 512 tables within one another");
}

static bool encode_table(struct encoder *en, int index)
{
    lua_State *L = en->L;
    struct level level = {.up = en->level, .table = lua_topointer(L, index)};
    if (!lua_checkstack(L, 8))
        return out_of_memory(en->e);
    if (en->depth == JSON_DEPTH_LIMIT)
        return fail_too_deep(en, level.table);
    bool array = codec_metatable(L, index) == en->codec->array;
    lua_pushnil(L);
    if (!lua_next(L, index))
        return buffer_append(en->out, array ? "[]" : "{}", 2) || out_of_memory(en->e);
    en->depth++;
    en->level = &level;
    if (!(array || lua_type(L, -2) == LUA_TNUMBER ? encode_array(en, index, &level) : encode_object(en, index, &level)))
        return false;
    en->level = level.up;
    return true;
}

static bool encode_userdata(struct encoder *en, int index)
{
    lua_State *L = en->L;
    if (!lua_checkstack(L, 4))
        return out_of_memory(en->e);
    if (codec_metatable(L, index) != en->codec->number)
        return fail(en, "a userdata is not JSON");
    return buffer_append(en->out, lua_touserdata(L, index), lua_rawlen(L, index)) || out_of_memory(en->e);
}

static bool encode_value(struct encoder *en, int index)
{
    lua_State *L = en->L;
    bool ok;
    size_t length;
    const char *text;
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &length);
        ok = json_write_string(en->out, text, length, en->e);
        break;
    case LUA_TTABLE:
        return encode_table(en, index);
    case LUA_TNUMBER:
        ok = lua_isinteger(L, index) ? json_write_integer(en->out, lua_tointeger(L, index)) || out_of_memory(en->e)
                                     : json_write_double(en->out, lua_tonumber(L, index), en->e);
        break;
    case LUA_TBOOLEAN:
        ok = buffer_puts(en->out, lua_toboolean(L, index) ? "true" : "false") || out_of_memory(en->e);
        break;
    case LUA_TUSERDATA:
        return encode_userdata(en, index);
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index) != NULL)
            return fail(en, "a light userdata is not JSON");
        ok = buffer_puts(en->out, "null") || out_of_memory(en->e);
        break;
    case LUA_TFUNCTION:
        return fail(en, "a function is not JSON");
    case LUA_TTHREAD:
        return fail(en, "a thread is not JSON");
    default:
        return fail(en, "nil is not JSON");
    }
    if (!ok && en->e->code != ENOMEM) {
        struct error cause = *en->e;
        return fail_at(en, en->level, cause.code, cause.message);
    }
    return ok;
}

static bool encode(lua_State *L, int index, struct buffer *out, struct error *e, bool pretty)
{
    struct error ignored;
    struct encoder en = {.L = L, .out = out, .e = e != NULL ? e : &ignored, .pretty = pretty};
    if (!lua_checkstack(L, 8))
        return out_of_memory(e);
    int top = lua_gettop(L);
    size_t before = out->length;
    index = lua_absindex(L, index);
    en.codec = codec_push(L);
    bool ok = encode_value(&en, index);
    lua_settop(L, top);
    if (!ok)
        out->length = before;
    return ok;
}

bool value_encode(lua_State *L, int index, struct buffer *out, struct error *e) { return encode(L, index, out, e, false); }

bool value_encode_pretty(lua_State *L, int index, struct buffer *out, struct error *e) { return encode(L, index, out, e, true); }
