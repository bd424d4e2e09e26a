#pragma once
/* Memory for small blocks whose size is known when they are given back, as Lua's is.  Main thread.
 *
 * Starting a plugin takes some thousand blocks, and each request some dozen: here they have no headers, and taking or giving one
 * is moving it between a list and its user.  What does not fit any more comes from malloc, as all larger blocks do, so
 * that a peak leaves no more than ARENA_BYTES behind. */
#include <stddef.h>

enum {
    ARENA_BYTES = 1 << 20,
    ARENA_READY = 96 * 1024, /* touched at once, in one step: about what every start needs */
    ARENA_LARGEST = 512,     /* of a block */
    ARENA_UNIT = 16,
};

struct arena {
    char *start, *next, *end; /* from next to end nothing was taken yet */
    void *given[ARENA_LARGEST / ARENA_UNIT]; /* blocks that were given back, by size */
};

/* Without memory, and with sanitizers, which shall see every block, it is empty: then malloc does all. */
void arena_open(struct arena *arena);
void arena_close(struct arena *arena);

/* NULL: there is no memory.  size > 0. */
void *arena_take(struct arena *arena, size_t size);
/* `size` as it was taken.  NULL is no block. */
void arena_give(struct arena *arena, void *block, size_t size);
/* Like realloc: NULL leaves the block as it was. */
void *arena_resize(struct arena *arena, void *block, size_t old, size_t size);
