/* Build-time tool: embed [-s] OUT NAME=FILE… @NAME=FILE… writes files as C arrays for embedded.c.
 *
 * Lua files of modules that plugins need become bytecode, because every `capabilities` would otherwise parse the same text
 * again; -s strips their debug information (a script's own stays): half of the time to load them.  It is linked with the
 * Lua that will run it.  Files with an @ are for commands, where what is small matters, not what is quick: they are packed
 * (gzip), one behind the other. */
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
        text = size >= 0 ? malloc((size_t)size + 1) : NULL;
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

/* All packed files, one stream. */
static z_stream packer;
static unsigned char packed[1 << 20];

static int pack(char *text, size_t length, int flush)
{
    packer.next_in = (Bytef *)text;
    packer.avail_in = (uInt)length;
    int failed = deflate(&packer, flush) != (flush == Z_FINISH ? Z_STREAM_END : Z_OK) || packer.avail_in != 0;
    if (failed)
        fprintf(stderr, "embed: packed, the files are more than %zu bytes\n", sizeof packed);
    return failed;
}

/* Writes modules, packs the others; `lengths`: of the files.  Leaves of each argument its NAME. */
static int write_files(lua_State *L, FILE *out, int argc, char **argv, size_t *lengths, int strip)
{
    int failed = 0;
    for (int i = 2; i < argc && !failed; i++) {
        char *equals = strchr(argv[i], '=');
        char *text = equals != NULL ? read_file(equals + 1, &lengths[i]) : NULL;
        if (text == NULL) {
            fprintf(stderr, "embed: cannot read %s\n", argv[i]);
            return 1;
        }
        *equals = '\0';
        if (argv[i][0] == '@') {
            failed = pack(text, lengths[i], Z_NO_FLUSH);
        } else {
            fprintf(out, "static const unsigned char module_%d[] = {\n", i);
            failed = write_module(L, out, argv[i], text, lengths[i], strip);
            fprintf(out, "};\n\n");
        }
        free(text);
    }
    return failed || pack(NULL, 0, Z_FINISH);
}

/* What embedded.h declares. */
static int write_tables(lua_State *L, FILE *out, int argc, char **argv, const size_t *lengths)
{
    size_t total = 0;
    fprintf(out, "const struct embedded_module embedded_modules[] = {\n");
    for (int i = 2; i < argc; i++)
        if (argv[i][0] != '@')
            fprintf(out, "    {\"%s\", module_%d, sizeof module_%d},\n", argv[i], i, i);
    fprintf(out, "    {0, 0, 0},\n};\n\nconst struct embedded_file embedded_files[] = {\n");
    for (int i = 2; i < argc; i++)
        if (argv[i][0] == '@') {
            fprintf(out, "    {\"%s\", %zu, %zu},\n", argv[i] + 1, total, lengths[i]);
            total += lengths[i];
        }
    fprintf(out, "    {0, 0, 0},\n};\n\nconst size_t embedded_total = %zu;\nconst size_t embedded_packed_length = %lu;\n", total, packer.total_out);
    /* In a section of its own, behind the data that plugins touch: the kernel maps what is in memory in windows of 64 KiB. */
    fprintf(out, "const unsigned char embedded_packed[] __attribute__((section(\".packed\"))) = {\n");
    int failed = write_bytes(L, packed, packer.total_out, out);
    fprintf(out, "};\n");
    return failed || ferror(out);
}

int main(int argc, char **argv)
{
    enum { GZIP = 16 + 15, MEMORY = 9 };
    lua_State *L = luaL_newstate();
    int strip = argc > 1 && strcmp(argv[1], "-s") == 0;
    argc -= strip;
    argv += strip;
    if (argc < 2) {
        fprintf(stderr, "usage: embed [-s] OUT NAME=FILE... @NAME=FILE...\n");
        return 1;
    }
    size_t *lengths = calloc((size_t)argc, sizeof *lengths);
    FILE *out = fopen(argv[1], "wb");
    packer.next_out = packed;
    packer.avail_out = sizeof packed;
    if (L == NULL || lengths == NULL || out == NULL ||
        deflateInit2(&packer, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
        fprintf(stderr, "embed: cannot write %s\n", argv[1]);
        return 1;
    }
    fprintf(out, "/* Made by embed.c. */\n#include \"vm/embedded.h\"\n\n");
    int failed = write_files(L, out, argc, argv, lengths, strip) || write_tables(L, out, argc, argv, lengths);
    (void)deflateEnd(&packer);
    free(lengths);
    lua_close(L);
    return fclose(out) != 0 || failed;
}
