/* ocm.base64 (RFC 4648 section 4, padded) and ocm.hex (lower case out, either case in).
 *
 * encode(bytes) -> string; decode(text) -> bytes, or nil and what is wrong with it. */
#include "vm/state.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int base64_encode(lua_State *L)
{
    size_t length;
    const unsigned char *in = (const unsigned char *)luaL_checklstring(L, 1, &length);
    luaL_argcheck(L, length < SIZE_MAX / 2, 1, "too long");
    size_t size = (length + 2) / 3 * 4;
    luaL_Buffer buffer;
    char *out = luaL_buffinitsize(L, &buffer, size);
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        unsigned group = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *out++ = left > 2 ? alphabet[group & 63] : '=';
    }
    luaL_pushresultsize(&buffer, size);
    return 1;
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int malformed(lua_State *L, const char *what, size_t at)
{
    luaL_pushfail(L);
    lua_pushfstring(L, "%s at byte %I", what, (LUAI_UACINT)at);
    return 2;
}

static int base64_decode(lua_State *L)
{
    size_t length;
    const char *in = luaL_checklstring(L, 1, &length);
    if (length % 4 != 0)
        return malformed(L, "not padded base64: it ends", length);
    size_t padding = length > 0 && in[length - 1] == '=' ? (in[length - 2] == '=' ? 2 : 1) : 0;
    size_t size = length / 4 * 3 - padding;
    luaL_Buffer buffer;
    char *out = luaL_buffinitsize(L, &buffer, size + 3);
    unsigned group = 0;
    for (size_t i = 0; i < length; i++) {
        int value = i >= length - padding ? 0 : sextet(in[i]);
        if (value < 0)
            return malformed(L, "not base64", i + 1);
        group = group << 6 | (unsigned)value;
        if (i % 4 == 3) {
            *out++ = (char)(group >> 16);
            *out++ = (char)(group >> 8);
            *out++ = (char)group;
            if (i + 1 == length && padding > 0 && (group & (padding == 2 ? 0xFFFFu : 0xFFu)) != 0)
                return malformed(L, "not canonical base64: bits are left over", i + 1);
            group = 0;
        }
    }
    luaL_pushresultsize(&buffer, size);
    return 1;
}

static int hex_encode(lua_State *L)
{
    static const char digits[] = "0123456789abcdef";
    size_t length;
    const unsigned char *in = (const unsigned char *)luaL_checklstring(L, 1, &length);
    luaL_argcheck(L, length < SIZE_MAX / 2, 1, "too long");
    luaL_Buffer buffer;
    char *out = luaL_buffinitsize(L, &buffer, 2 * length);
    for (size_t i = 0; i < length; i++) {
        *out++ = digits[in[i] >> 4];
        *out++ = digits[in[i] & 15];
    }
    luaL_pushresultsize(&buffer, 2 * length);
    return 1;
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int hex_decode(lua_State *L)
{
    size_t length;
    const char *in = luaL_checklstring(L, 1, &length);
    if (length % 2 != 0)
        return malformed(L, "half a byte", length);
    luaL_Buffer buffer;
    char *out = luaL_buffinitsize(L, &buffer, length / 2);
    for (size_t i = 0; i < length; i += 2) {
        int high = nibble(in[i]), low = nibble(in[i + 1]);
        if (high < 0 || low < 0)
            return malformed(L, "not hexadecimal", high < 0 ? i + 1 : i + 2);
        *out++ = (char)(high << 4 | low);
    }
    luaL_pushresultsize(&buffer, length / 2);
    return 1;
}

static const luaL_Reg base64[] = {{"encode", base64_encode}, {"decode", base64_decode}, {NULL, NULL}};
static const luaL_Reg hex[] = {{"encode", hex_encode}, {"decode", hex_decode}, {NULL, NULL}};

/* { base64 =, hex = } */
int luaopen_ocm_text(lua_State *L)
{
    lua_createtable(L, 0, 2);
    luaL_newlib(L, base64);
    lua_setfield(L, -2, "base64");
    luaL_newlib(L, hex);
    lua_setfield(L, -2, "hex");
    return 1;
}
