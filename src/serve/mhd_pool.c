/* libmicrohttpd's connection memory without its clearing: see mhd_pool.h.
 *
 * The archive's own clears the whole block after every request and half of it before every answer: with the 128 KiB that
 * credentials in headers need, half of the processor time of a request.  It works on uncleared memory as well (blocks up to
 * 32 KiB it takes from malloc), so this stands in for that one file of it; being linked first, the archive's is left out.
 * CMake does so for exactly the version whose interface this is, when it links; otherwise all goes on with the library's own. */
#include "serve/mhd_pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 16 };

struct MemoryPool {
    char *memory;
    size_t size;
    size_t low, high; /* between them it is free */
};

/* 0: wrapped around. */
static size_t aligned(size_t size) { return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static bool fits(const struct MemoryPool *pool, size_t size) { return aligned(size) >= size && aligned(size) <= pool->high - pool->low; }

void MHD_init_mem_pools_(void) {}

struct MemoryPool *MHD_pool_create(size_t size)
{
    struct MemoryPool *pool = malloc(sizeof *pool);
    if (pool == NULL)
        return NULL;
    /* Not from malloc, which would keep what many connections took for a moment; pages that are never used cost nothing. */
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        free(pool);
        return NULL;
    }
    size_t usable = size / ALIGNMENT * ALIGNMENT;
    *pool = (struct MemoryPool){.memory = memory, .size = size, .high = usable};
    return pool;
}

void MHD_pool_destroy(struct MemoryPool *pool)
{
    if (pool == NULL)
        return;
    (void)munmap(pool->memory, pool->size);
    free(pool);
}

size_t MHD_pool_get_free(struct MemoryPool *pool) { return pool->high - pool->low; }

void *MHD_pool_allocate(struct MemoryPool *pool, size_t size, bool from_end)
{
    if (!fits(pool, size))
        return NULL;
    if (from_end)
        return pool->memory + (pool->high -= aligned(size));
    void *block = pool->memory + pool->low;
    pool->low += aligned(size);
    return block;
}

void *MHD_pool_try_alloc(struct MemoryPool *pool, size_t size, size_t *required)
{
    void *block = MHD_pool_allocate(pool, size, true);
    if (block == NULL)
        *required = aligned(size) >= size && aligned(size) <= pool->high ? aligned(size) - (pool->high - pool->low) : SIZE_MAX;
    return block;
}

void *MHD_pool_reallocate(struct MemoryPool *pool, void *old, size_t old_size, size_t new_size)
{
    if (old != NULL) {
        size_t start = (size_t)((char *)old - pool->memory);
        if (pool->low == aligned(start + old_size)) {
            if (new_size > pool->high - start || aligned(start + new_size) > pool->high)
                return NULL;
            pool->low = aligned(start + new_size);
            return old;
        }
        if (new_size <= old_size)
            return old;
    }
    void *block = MHD_pool_allocate(pool, new_size, false);
    if (block != NULL && old_size > 0)
        memcpy(block, old, old_size);
    return block;
}

void *MHD_pool_reset(struct MemoryPool *pool, void *keep, size_t kept, size_t size)
{
    if (kept > 0)
        memmove(pool->memory, keep, kept);
    pool->low = aligned(size);
    pool->high = pool->size / ALIGNMENT * ALIGNMENT;
    return pool->memory;
}
