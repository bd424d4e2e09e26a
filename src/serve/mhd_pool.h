#pragma once
/* The memory that libmicrohttpd gives each connection, in place of the archive's own (its memorypool.h, version 0.9.75).
 *
 * One block a connection, of limits.header bytes: what grows and shrinks is taken from its start (the read buffer, then the
 * answer's head), what stays until the end of the request from its end (the list of headers).  Sizes are bytes; every
 * address is aligned to 16.  Main thread.  Nothing is cleared: the memory is as the last request left it. */
#include <stdbool.h>
#include <stddef.h>

struct MemoryPool;

void MHD_init_mem_pools_(void);
/* NULL without memory. */
struct MemoryPool *MHD_pool_create(size_t size);
void MHD_pool_destroy(struct MemoryPool *pool);
size_t MHD_pool_get_free(struct MemoryPool *pool);
/* NULL when it does not fit. */
void *MHD_pool_allocate(struct MemoryPool *pool, size_t size, bool from_end);
/* From the end; when it does not fit, *required becomes what has to be freed at the start, or SIZE_MAX when that is no help. */
void *MHD_pool_try_alloc(struct MemoryPool *pool, size_t size, size_t *required);
/* Changes a block at the start (old NULL: makes one): in place where it is the last, and always when it shrinks; otherwise it
 * moves, and its old place is free after the next reset.  NULL when it does not fit: then the block is as it was. */
void *MHD_pool_reallocate(struct MemoryPool *pool, void *old, size_t old_size, size_t new_size);
/* Frees all but the first `kept` bytes of the block `keep`, which become the start of the one block of `size` bytes there is. */
void *MHD_pool_reset(struct MemoryPool *pool, void *keep, size_t kept, size_t size);
