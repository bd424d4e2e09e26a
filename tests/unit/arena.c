/* vm/arena: blocks do not overlap, keep their bytes, are used again, and come from malloc where the arena ends. */
#include "vm/arena.h"
#include "faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCKS = 4000, STEPS = 200000, SIZE_MOST = 2 * ARENA_LARGEST };

struct block {
    unsigned char *bytes;
    size_t size;
    unsigned char fill;
};

static unsigned next_random(unsigned *seed) { return (*seed = *seed * 1664525u + 1013904223u) >> 8; }

static void assert_filled(const struct block *block, size_t length)
{
    for (size_t i = 0; i < length; i++)
        assert_int_equal(block->bytes[i], block->fill);
}

static void fill(struct block *block, unsigned char with)
{
    assert_int_equal((uintptr_t)block->bytes % ARENA_UNIT, 0);
    memset(block->bytes, with, block->size);
    block->fill = with;
}

/* More than the arena holds, so that a part comes from malloc. */
static void test_blocks_keep_their_bytes_whatever_happens_to_others(void **state)
{
    (void)state;
    static struct block blocks[BLOCKS];
    struct arena arena;
    unsigned seed = 1;
    arena_open(&arena);
    for (unsigned step = 0; step < STEPS; step++) {
        struct block *block = &blocks[next_random(&seed) % BLOCKS];
        size_t size = next_random(&seed) % SIZE_MOST + 1;
        if (block->bytes == NULL) {
            *block = (struct block){arena_take(&arena, size), size, 0};
            assert_non_null(block->bytes);
        } else if (next_random(&seed) % 2 == 0) {
            size_t kept = size < block->size ? size : block->size;
            block->bytes = arena_resize(&arena, block->bytes, block->size, size);
            assert_non_null(block->bytes);
            block->size = size;
            assert_filled(block, kept);
        } else {
            assert_filled(block, block->size);
            arena_give(&arena, block->bytes, block->size);
            block->bytes = NULL;
            continue;
        }
        fill(block, (unsigned char)step);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (blocks[i].bytes != NULL)
            assert_filled(&blocks[i], blocks[i].size);
        arena_give(&arena, blocks[i].bytes, blocks[i].size);
    }
    arena_close(&arena);
}

static void test_what_was_given_back_is_taken_again(void **state)
{
    (void)state;
    struct arena arena;
    arena_open(&arena);
    if (arena.start == NULL) {
        print_message("skipped: a sanitizer build has no arena\n");
        skip();
    }
    for (size_t size = 1; size <= ARENA_LARGEST; size++) {
        void *first = arena_take(&arena, size), *second = arena_take(&arena, size);
        arena_give(&arena, first, size);
        arena_give(&arena, second, size);
        assert_ptr_equal(arena_take(&arena, size), second);
        assert_ptr_equal(arena_take(&arena, size), first);
        arena_give(&arena, first, size);
        arena_give(&arena, second, size);
    }
    assert_true(arena.next - arena.start <= ARENA_LARGEST / ARENA_UNIT * 2 * ARENA_LARGEST);
    arena_close(&arena);
}

static void test_without_memory_a_block_stays_and_can_still_become_smaller(void **state)
{
    (void)state;
    struct arena arena;
    arena_open(&arena);
    if (arena.start == NULL) {
        print_message("skipped: a sanitizer build has no arena\n");
        skip();
    }
    struct block block = {arena_take(&arena, 300), 300, 0};
    fill(&block, 7);
    arena.next = arena.end;
    faults_memory(1, true);
    assert_null(arena_take(&arena, 1));
    assert_null(arena_take(&arena, ARENA_LARGEST + 1));
    assert_null(arena_resize(&arena, block.bytes, 300, 400));
    void *smaller = arena_resize(&arena, block.bytes, 300, 100);
    void *none = arena_take(&arena, 300);
    faults_memory(0, false);
    assert_ptr_equal(smaller, block.bytes);
    assert_null(none);
    assert_filled(&block, 100);
    arena_give(&arena, smaller, 100);
    assert_ptr_equal(arena_take(&arena, 100), smaller);
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_keep_their_bytes_whatever_happens_to_others),
        cmocka_unit_test(test_what_was_given_back_is_taken_again),
        cmocka_unit_test(test_without_memory_a_block_stays_and_can_still_become_smaller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
