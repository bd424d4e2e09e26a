/* Build-time tool: embed [-s] OUT NAME=FILE… @NAME=FILE… compiles Lua files to bytecode and writes them as the C array vm_modules;
 * files with an @ are compressed (gzip), as vm_texts.
 *
 * Bytecode, because every `capabilities` would otherwise parse the same text again.  -s strips the debug information of
 * these modules (a script's own stays): half of the time to load them.  It is linked with the Lua that will run it. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static int write_bytes(lua_State *L, const void *bytes, size_t length, void *context)
{
    (void)L;
    FILE *out = context;
    for (size_t i = 0; i < length; i++)
        if (fprintf(out, "%u,%s", ((const unsigned char *)bytes)[i], i % 32 == 31 ? "\n" : "") < 0)
            return 1;
    return 0;
}

static char *read_file(const char *path, size_t *length)
{
    FILE *in = fopen(path, "rb");
    char *text = NULL;
    if (in != NULL && fseek(in, 0, SEEK_END) == 0) {
        long size = ftell(in);
        rewind(in);
        text = malloc((size_t)size + 1);
        if (text != NULL && fread(text, 1, (size_t)size, in) == (size_t)size)
            *length = (size_t)size;
        else if (text != NULL) {
            free(text);
            text = NULL;
        }
    }
    if (in != NULL)
        fclose(in);
    return text;
}

/* The bytes of a C array's elements. */
static int write_module(lua_State *L, FILE *out, const char *name, const char *text, size_t length, int strip)
{
    char chunk[128];
    (void)snprintf(chunk, sizeof chunk, "=[%s]", name);
    if (luaL_loadbufferx(L, text, length, chunk, "t") != LUA_OK) {
        fprintf(stderr, "embed: %s: %s\n", name, lua_tostring(L, -1));
        return 1;
    }
    int failed = lua_dump(L, write_bytes, out, strip);
    lua_pop(L, 1);
    return failed;
}

/* Commands show these texts, plugins never need them: what is small matters, not what is quick. */
static int write_text(lua_State *L, FILE *out, char *text, size_t length)
{
    enum { GZIP = 16 + 15, MEMORY = 9 };
    z_stream z = {.next_in = (Bytef *)text, .avail_in = (uInt)length};
    if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return 1;
    uLong size = deflateBound(&z, (uLong)length);
    Bytef *packed = malloc(size);
    z.next_out = packed;
    z.avail_out = (uInt)size;
    int failed = packed == NULL || deflate(&z, Z_FINISH) != Z_STREAM_END || write_bytes(L, packed, z.total_out, out);
    (void)deflateEnd(&z);
    free(packed);
    return failed;
}

/* The array of all files of one kind. */
static void write_table(FILE *out, const char *type, const char *table, int argc, char **argv, int texts)
{
    fprintf(out, "const struct %s %s[] = {\n", type, table);
    for (int i = 2; i < argc; i++)
        if ((argv[i][0] == '@') == texts)
            fprintf(out, "    {\"%s\", file_%d, sizeof file_%d},\n", argv[i] + texts, i, i);
    fprintf(out, "    {0, 0, 0},\n};\n");
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    int strip = argc > 1 && strcmp(argv[1], "-s") == 0;
    argc -= strip;
    argv += strip;
    FILE *out = argc > 1 ? fopen(argv[1], "wb") : NULL;
    if (L == NULL || out == NULL) {
        fprintf(stderr, "usage: embed [-s] OUT NAME=FILE... @NAME=FILE...\n");
        return 1;
    }
    fprintf(out, "/* Made by embed.c. */\n#include \"vm/state.h\"\n\n");
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        size_t length = 0;
        char *text = equals != NULL ? read_file(equals + 1, &length) : NULL;
        if (text == NULL) {
            fprintf(stderr, "embed: cannot read %s\n", argv[i]);
            return 1;
        }
        *equals = '\0';
        fprintf(out, "static const unsigned char file_%d[] = {\n", i);
        if (argv[i][0] == '@' ? write_text(L, out, text, length) : write_module(L, out, argv[i], text, length, strip))
            return 1;
        fprintf(out, "};\n\n");
        free(text);
    }
    write_table(out, "vm_module", "vm_modules", argc, argv, 0);
    write_table(out, "vm_module", "vm_texts", argc, argv, 1);
    lua_close(L);
    return fclose(out) == 0 ? 0 : 1;
}
