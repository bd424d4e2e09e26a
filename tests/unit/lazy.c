/* base/lazy: libraries come at the first use, or the user is told what to install. */
#include "base/lazy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static double (*cosine)(double);
static double (*nothing)(double);

#define SYMBOL(name, slot) {name, (void **)(void *)&(slot)}

static const struct lazy_symbol present[] = {SYMBOL("cos", cosine), {NULL, NULL}};
static const struct lazy_symbol absent[] = {SYMBOL("cos", cosine), SYMBOL("no_such_function_ever", nothing), {NULL, NULL}};
static const char *const missing[] = {"libno-such-library-ever.so.7", "libnor-this-one.so.1", NULL};
static const char *const second[] = {"libno-such-library-ever.so.7", "libm.so.6", NULL};

static void test_the_first_that_is_there_is_loaded(void **state)
{
    (void)state;
    struct lazy_library library = {"libm", second, "libc6", present, PTHREAD_MUTEX_INITIALIZER, false};
    struct error e;
    for (int i = 0; i < 2; i++) {
        assert_true(lazy_load(&library, &e));
        assert_true(library.loaded);
        assert_true(cosine(0) == 1);
    }
    nothing = cosine;
    cosine = NULL;
    assert_true(lazy_load(&library, &e)); /* once is enough */
    assert_null(cosine);
}

static void test_a_missing_library_names_its_package(void **state)
{
    (void)state;
    struct lazy_library library = {"libmagic", missing, "libmagic1", present, PTHREAD_MUTEX_INITIALIZER, false};
    struct error e;
    assert_false(lazy_load(&library, &e));
    assert_int_equal(e.code, ENOENT);
    assert_string_equal(e.message, "libmagic is not installed: apt-get install libmagic1");
    library.sonames = second; /* it has been installed meanwhile */
    assert_true(lazy_load(&library, &e));
}

static void test_a_library_that_is_too_old_names_its_package(void **state)
{
    (void)state;
    struct lazy_library library = {"libm", second, "libc6", absent, PTHREAD_MUTEX_INITIALIZER, false};
    struct error e;
    for (int i = 0; i < 2; i++) {
        assert_false(lazy_load(&library, &e));
        assert_int_equal(e.code, ENOSYS);
        assert_non_null(strstr(e.message, "libm has no no_such_function_ever"));
        assert_non_null(strstr(e.message, "libc6"));
        assert_false(library.loaded);
    }
}

static struct lazy_library shared = {"libm", second, "libc6", present, PTHREAD_MUTEX_INITIALIZER, false};

static void *load_shared(void *failures)
{
    if (!lazy_load(&shared, NULL) || cosine(0) != 1)
        *(bool *)failures = true;
    return NULL;
}

static void test_threads_may_load_at_once(void **state)
{
    (void)state;
    pthread_t threads[8];
    bool failures[8] = {false};
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_shared, &failures[i]), 0);
    for (size_t i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_false(failures[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_that_is_there_is_loaded),
        cmocka_unit_test(test_a_missing_library_names_its_package),
        cmocka_unit_test(test_a_library_that_is_too_old_names_its_package),
        cmocka_unit_test(test_threads_may_load_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
