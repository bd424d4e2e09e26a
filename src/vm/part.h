#pragma once
/* How what a script says of a pipe's parts becomes parts of a pipe (work/pipe.h).
 *
 * In Lua a part is a table made by a constructor of lua/ocm (`ocm.gzip { level = 9 }` is { kind = "gzip", level = 9 }): checked
 * there for people, and read once more here, since a table can be changed.  One that stands in several pipes is made anew in each. */
#include "work/stream.h"

#include <lua.h>

struct part_kind {
    const char *name; /* the table's `kind` */

    /* Makes a source (`source` is true) or a stage of the table at `index`.  It raises for what is wrong with the options, before
     * it makes anything; NULL: no memory.  NULL as a function: it cannot stand there. */
    struct stream *(*stream)(lua_State *L, int index, bool source);
    /* The same for a sink, also behind ocm.tee. */
    struct sink *(*sink)(lua_State *L, int index);

    /* Adds to the pipe's result, the table on top of the stack, what this part has to tell, when the pipe has succeeded.  May be NULL.
     * `part` is what stream or sink returned. */
    void (*stream_result)(lua_State *L, const struct stream *part);
    void (*sink_result)(lua_State *L, const struct sink *part);
};

/* The kinds, a table a file; name NULL behind the last.  part.c lists the tables. */
extern const struct part_kind core_parts[];    /* part.c */
extern const struct part_kind codec_parts[];   /* lib_codec.c */
extern const struct part_kind archive_parts[]; /* lib_archive.c */
extern const struct part_kind http_parts[];    /* lib_http.c */
extern const struct part_kind exec_parts[];    /* lib_exec.c */
extern const struct part_kind http_location;   /* lib_http.c: a Location of type remoteURL */

/* The kind of any value that a script gives as a part; a path, a Location and a tempfile are files.  Raises for what is none, as an error of
 * `function`'s argument `number`. */
const struct part_kind *part_kind(lua_State *L, int index, int number, const char *function);

/* Makes the sink of any value that a script gives as one (a part, a path, a Location, a tempfile): for kinds that hold others (tee, exec).
 * Raises for what is none; NULL: no memory. */
struct sink *part_sink(lua_State *L, int index);

/* Options of the table at `index`.  Raise "<kind>: <name>: expected …". */
lua_Integer part_integer(lua_State *L, int index, const char *name, lua_Integer least, lua_Integer most, lua_Integer otherwise);
lua_Number part_number(lua_State *L, int index, const char *name, lua_Number least, lua_Number most, lua_Number otherwise);
bool part_boolean(lua_State *L, int index, const char *name, bool otherwise);
/* NULL: absent. The string is the table's: valid while it stands there. No NUL inside. */
const char *part_string(lua_State *L, int index, const char *name);
