/* Files in this program: see embedded.h.  What commands need is unpacked at its first use, all at once, and kept. */
#include "vm/embedded.h"

#include "base/error.h"
#include "work/zlib_library.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static char *unpacked; /* NULL: not yet */

static bool unpack(struct error *e)
{
    const struct zlib_library *zlib = zlib_load(e);
    if (zlib == NULL)
        return false;
    char *text = malloc(embedded_total);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)embedded_packed, .avail_in = (uInt)embedded_packed_length,
                  .next_out = (Bytef *)text, .avail_out = (uInt)embedded_total};
    if (text == NULL || zlib->inflateInit2_(&z, 16 + MAX_WBITS, ZLIB_VERSION, (int)sizeof z) != Z_OK) {
        free(text);
        return error_set(e, ENOMEM, "out of memory");
    }
    int result = zlib->inflate(&z, Z_FINISH);
    (void)zlib->inflateEnd(&z);
    if (result != Z_STREAM_END) {
        free(text);
        return error_set(e, EIO, "ocmlua's own files are damaged: install it again");
    }
    unpacked = text;
    return true;
}

static const char *file_text(lua_State *L, const struct embedded_file *file)
{
    struct error e;
    if (unpacked == NULL && !unpack(&e))
        luaL_error(L, "%s", e.message);
    return unpacked + file->offset;
}

static int load(lua_State *L, const char *name, const char *code, size_t length, const char *mode)
{
    if (luaL_loadbufferx(L, code, length, lua_pushfstring(L, "=[%s]", name), mode) != LUA_OK)
        return lua_error(L);
    lua_pushfstring(L, "ocmlua:%s", name);
    return 2;
}

int embedded_search(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    for (const struct embedded_module *module = embedded_modules; module->name != NULL; module++)
        if (strcmp(module->name, name) == 0)
            return load(L, name, (const char *)module->code, module->length, "b");
    for (const struct embedded_file *file = embedded_files; file->name != NULL; file++)
        if (strcmp(file->name, name) == 0)
            return load(L, name, file_text(L, file), file->length, "t");
    lua_pushfstring(L, "no module '%s' in ocmlua", name);
    return 1;
}

int embedded_texts(lua_State *L)
{
    size_t length;
    const char *prefix = luaL_checklstring(L, 1, &length);
    lua_newtable(L);
    for (const struct embedded_file *file = embedded_files; file->name != NULL; file++)
        if (strncmp(file->name, prefix, length) == 0) {
            lua_pushlstring(L, file_text(L, file), file->length);
            lua_setfield(L, -2, file->name);
        }
    return 1;
}
