/* serve/mhd_pool: the memory of a connection, as libmicrohttpd uses it. */
#include "serve/mhd_pool.h"
#include "faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 128 * 1024 };

static int create(void **state)
{
    *state = MHD_pool_create(SIZE);
    return *state == NULL;
}

static int destroy(void **state)
{
    MHD_pool_destroy(*state);
    return 0;
}

static void test_blocks_come_from_both_ends_and_are_aligned(void **state)
{
    struct MemoryPool *pool = *state;
    char *first = MHD_pool_allocate(pool, 100, false), *second = MHD_pool_allocate(pool, 1, false);
    char *last = MHD_pool_allocate(pool, 100, true);
    assert_int_equal(second - first, 112);
    assert_int_equal(last - first, SIZE - 112);
    assert_int_equal((uintptr_t)first % 16, 0);
    assert_int_equal(MHD_pool_get_free(pool), SIZE - 112 - 16 - 112);
}

static void test_what_does_not_fit_is_refused_and_changes_nothing(void **state)
{
    struct MemoryPool *pool = *state;
    char *block = MHD_pool_allocate(pool, SIZE / 2, false);
    static const size_t sizes[] = {SIZE / 2 + 1, SIZE, SIZE_MAX / 2, SIZE_MAX - 20, SIZE_MAX - 15, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_null(MHD_pool_allocate(pool, sizes[i], false));
        assert_null(MHD_pool_allocate(pool, sizes[i], true));
        assert_null(MHD_pool_reallocate(pool, NULL, 0, sizes[i]));
        if (sizes[i] > SIZE)
            assert_null(MHD_pool_reallocate(pool, block, SIZE / 2, sizes[i]));
        assert_int_equal(MHD_pool_get_free(pool), SIZE / 2);
    }
    assert_ptr_equal(MHD_pool_reallocate(pool, block, SIZE / 2, SIZE), block);
    assert_int_equal(MHD_pool_get_free(pool), 0);
    assert_null(MHD_pool_reallocate(pool, block, SIZE, SIZE + 1));
}

static void test_says_how_much_has_to_go_at_the_start(void **state)
{
    struct MemoryPool *pool = *state;
    size_t required = 0;
    char *block = MHD_pool_allocate(pool, SIZE - 64, false);
    assert_null(MHD_pool_try_alloc(pool, 200, &required));
    assert_int_equal(required, 208 - 64);
    assert_ptr_equal(MHD_pool_reallocate(pool, block, SIZE - 64, SIZE - 64 - required), block);
    assert_ptr_equal(MHD_pool_try_alloc(pool, 200, &required), block + SIZE - 208);
    static const size_t hopeless[] = {SIZE, SIZE_MAX - 3, SIZE_MAX};
    for (size_t i = 0; i < sizeof hopeless / sizeof *hopeless; i++) {
        assert_null(MHD_pool_try_alloc(pool, hopeless[i], &required));
        assert_int_equal(required, SIZE_MAX);
    }
}

static void test_the_last_block_changes_in_place_and_others_move(void **state)
{
    struct MemoryPool *pool = *state;
    char *first = MHD_pool_allocate(pool, 64, false);
    memcpy(first, "first", 6);
    assert_ptr_equal(MHD_pool_reallocate(pool, first, 64, 1000), first);
    assert_ptr_equal(MHD_pool_reallocate(pool, first, 1000, 32), first);
    assert_int_equal(MHD_pool_get_free(pool), SIZE - 32);
    char *second = MHD_pool_reallocate(pool, NULL, 0, 64);
    assert_int_equal(second - first, 32);
    assert_ptr_equal(MHD_pool_reallocate(pool, first, 32, 16), first); /* in between: shrinks, and frees nothing */
    assert_int_equal(MHD_pool_get_free(pool), SIZE - 96);
    char *moved = MHD_pool_reallocate(pool, first, 16, 128);
    assert_int_equal(moved - first, 96);
    assert_string_equal(moved, "first");
}

static void test_reset_keeps_what_came_of_the_next_request(void **state)
{
    struct MemoryPool *pool = *state;
    (void)MHD_pool_allocate(pool, 1000, true);
    char *read = MHD_pool_allocate(pool, SIZE / 2, false);
    memcpy(read + 5, "GET / HTTP/1.1", 15);
    char *kept = MHD_pool_reset(pool, read + 5, 15, SIZE / 2);
    assert_ptr_equal(kept, read);
    assert_string_equal(kept, "GET / HTTP/1.1");
    assert_int_equal(MHD_pool_get_free(pool), SIZE / 2);
    assert_ptr_equal(MHD_pool_reset(pool, NULL, 0, 0), read);
    assert_int_equal(MHD_pool_get_free(pool), SIZE);
}

static void test_there_may_be_no_memory(void **state)
{
    (void)state;
    faults_memory(1, false);
    assert_null(MHD_pool_create(SIZE));
    faults_memory(0, false);
    assert_null(MHD_pool_create(SIZE_MAX / 2));
    MHD_pool_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_blocks_come_from_both_ends_and_are_aligned, create, destroy),
        cmocka_unit_test_setup_teardown(test_what_does_not_fit_is_refused_and_changes_nothing, create, destroy),
        cmocka_unit_test_setup_teardown(test_says_how_much_has_to_go_at_the_start, create, destroy),
        cmocka_unit_test_setup_teardown(test_the_last_block_changes_in_place_and_others_move, create, destroy),
        cmocka_unit_test_setup_teardown(test_reset_keeps_what_came_of_the_next_request, create, destroy),
        cmocka_unit_test(test_there_may_be_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
