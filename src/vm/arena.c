/* Small blocks from one piece of memory, a list of free ones for each size: see arena.h. */
#include "vm/arena.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

void arena_open(struct arena *arena)
{
    *arena = (struct arena){0};
    if (SANITIZED)
        return;
    void *memory = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return;
    arena->start = arena->next = memory;
    arena->end = arena->start + ARENA_BYTES;
#ifdef MADV_POPULATE_WRITE
    (void)madvise(memory, ARENA_READY, MADV_POPULATE_WRITE); /* older kernels: a page at a time, as it is used */
#endif
}

void arena_close(struct arena *arena)
{
    if (arena->start != NULL)
        (void)munmap(arena->start, ARENA_BYTES);
    *arena = (struct arena){0};
}

static size_t units(size_t size) { return (size + ARENA_UNIT - 1) / ARENA_UNIT; }

static bool inside(const struct arena *arena, const void *block) { return (size_t)((const char *)block - arena->start) < ARENA_BYTES && arena->start != NULL; }

void *arena_take(struct arena *arena, size_t size)
{
    if (size > ARENA_LARGEST)
        return malloc(size);
    size_t count = units(size);
    void **list = &arena->given[count - 1], *block = *list;
    if (block != NULL) {
        memcpy(list, block, sizeof *list); /* the next one's address stands in it */
        return block;
    }
    if ((size_t)(arena->end - arena->next) < count * ARENA_UNIT)
        return malloc(size);
    block = arena->next;
    arena->next += count * ARENA_UNIT;
    return block;
}

void arena_give(struct arena *arena, void *block, size_t size)
{
    if (block == NULL || !inside(arena, block)) {
        free(block);
        return;
    }
    void **list = &arena->given[units(size) - 1];
    memcpy(block, list, sizeof *list);
    *list = block;
}

void *arena_resize(struct arena *arena, void *block, size_t old, size_t size)
{
    if (!inside(arena, block))
        return realloc(block, size);
    if (units(size) == units(old))
        return block;
    void *moved = arena_take(arena, size);
    if (moved == NULL)
        return size < old ? block : NULL; /* a block may stand in the list of smaller ones */
    memcpy(moved, block, old < size ? old : size);
    arena_give(arena, block, old);
    return moved;
}
