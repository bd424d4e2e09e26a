/* The parts that compress and decompress (lua/ocm/codec.lua): see part.h. */
#include "vm/part.h"
#include "work/codec.h"

#include <lauxlib.h>

static void check_stage(lua_State *L, const char *name, bool source)
{
    if (source)
        luaL_error(L, "ocm.%s is a stage: a source comes first", name);
}

static struct stream *compress(lua_State *L, int index, bool source, const char *name, enum codec_format format)
{
    struct codec_levels levels = codec_levels(format);
    check_stage(L, name, source);
    return compress_stage_create(format, (int)part_integer(L, index, "level", levels.least, levels.most, levels.usual));
}

static struct stream *decompress(lua_State *L, bool source, const char *name, enum codec_format format)
{
    check_stage(L, name, source);
    return decompress_stage_create(format);
}

static struct stream *gzip(lua_State *L, int index, bool source) { return compress(L, index, source, "gzip", CODEC_GZIP); }
static struct stream *zstd(lua_State *L, int index, bool source) { return compress(L, index, source, "zstd", CODEC_ZSTD); }
static struct stream *xz(lua_State *L, int index, bool source) { return compress(L, index, source, "xz", CODEC_XZ); }
static struct stream *bzip2(lua_State *L, int index, bool source) { return compress(L, index, source, "bzip2", CODEC_BZIP2); }

static struct stream *gunzip(lua_State *L, int index, bool source) { return (void)index, decompress(L, source, "gunzip", CODEC_GZIP); }
static struct stream *unzstd(lua_State *L, int index, bool source) { return (void)index, decompress(L, source, "unzstd", CODEC_ZSTD); }
static struct stream *unxz(lua_State *L, int index, bool source) { return (void)index, decompress(L, source, "unxz", CODEC_XZ); }
static struct stream *bunzip2(lua_State *L, int index, bool source) { return (void)index, decompress(L, source, "bunzip2", CODEC_BZIP2); }

static struct stream *detect(lua_State *L, int index, bool source)
{
    (void)index;
    check_stage(L, "decompress", source);
    return detect_stage_create();
}

static void detect_result(lua_State *L, const struct stream *part)
{
    const char *format = detect_stage_format(part);
    if (format == NULL)
        return;
    lua_pushstring(L, format);
    lua_setfield(L, -2, "decompressed");
}

const struct part_kind codec_parts[] = {
    {"gzip", gzip, NULL, NULL, NULL},
    {"zstd", zstd, NULL, NULL, NULL},
    {"xz", xz, NULL, NULL, NULL},
    {"bzip2", bzip2, NULL, NULL, NULL},
    {"gunzip", gunzip, NULL, NULL, NULL},
    {"unzstd", unzstd, NULL, NULL, NULL},
    {"unxz", unxz, NULL, NULL, NULL},
    {"bunzip2", bunzip2, NULL, NULL, NULL},
    {"decompress", detect, NULL, detect_result, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
