#pragma once
/* Files in this program, put there by embed.c.  Main thread. */
#include <lua.h>
#include <stddef.h>

/* A Lua module that plugins need: bytecode. */
struct embedded_module {
    const char *name; /* "ocm.pipe"; NULL behind the last */
    const unsigned char *code;
    size_t length;
};
extern const struct embedded_module embedded_modules[];

/* What only commands need: Lua modules ("command.check"), and files that they write or show ("lua/types/ocm.lua"). */
struct embedded_file {
    const char *name; /* NULL behind the last */
    size_t offset, length;
};
extern const struct embedded_file embedded_files[];

/* All of them one behind the other, as gzip. */
extern const unsigned char embedded_packed[];
extern const size_t embedded_packed_length, embedded_total;

/* package.searchers: modules in this program */
int embedded_search(lua_State *L);

/* texts(prefix) -> { name = text, … }: the files whose names begin so ("lua/types/"); raises when they cannot be unpacked */
int embedded_texts(lua_State *L);
