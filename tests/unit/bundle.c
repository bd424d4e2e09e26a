/* base/bundle and base/crc32: which zips are taken, what is found in them, and programs that appear whole or not at all. */
#include "base/bundle.h"
#include "base/crc32.h"
#include "scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void test_crc32_has_the_standards_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc32_of(0, "123456789", 9), 0xcbf43926u);
    assert_int_equal(crc32_of(crc32_of(0, "1234", 4), "56789", 5), 0xcbf43926u);
    assert_int_equal(crc32_of(0, "", 0), 0);
}

/* ---- zips, made by hand ---- */

struct zip {
    unsigned char bytes[2048];
    size_t length, directory, entries; /* where they begin */
    unsigned count;
};

static void put(struct zip *zip, uint32_t value, unsigned size)
{
    for (; size > 0; size--, value >>= 8)
        zip->bytes[zip->length++] = (unsigned char)value;
}

static void put_text(struct zip *zip, const char *text)
{
    memcpy(zip->bytes + zip->length, text, strlen(text));
    zip->length += strlen(text);
}

static void put_file(struct zip *zip, bool in_directory, const char *name, const char *text, size_t at)
{
    put(zip, in_directory ? 0x02014b50 : 0x04034b50, 4);
    if (in_directory)
        put(zip, 0, 2);
    put(zip, 10, 2);
    put(zip, 0, 8);
    put(zip, crc32_of(0, text, strlen(text)), 4);
    put(zip, (uint32_t)strlen(text), 4);
    put(zip, (uint32_t)strlen(text), 4);
    put(zip, (uint32_t)strlen(name), 2);
    put(zip, 0, 2);
    if (in_directory) {
        put(zip, 0, 10);
        put(zip, (uint32_t)at, 4);
    }
    put_text(zip, name);
    if (!in_directory)
        put_text(zip, text);
}

/* "a program", then a zip of script.lua and lib/util.lua. */
static struct zip make(void)
{
    struct zip zip = {0};
    put_text(&zip, "a program");
    size_t first = zip.length;
    put_file(&zip, false, "script.lua", "return 1", 0);
    size_t second = zip.length;
    put_file(&zip, false, "lib/util.lua", "return 'util'", 0);
    zip.directory = zip.length;
    put_file(&zip, true, "script.lua", "return 1", first);
    put_file(&zip, true, "lib/util.lua", "return 'util'", second);
    size_t size = zip.length - zip.directory;
    put(&zip, 0x06054b50, 4);
    put(&zip, 0, 4);
    put(&zip, 2, 2);
    put(&zip, 2, 2);
    put(&zip, (uint32_t)size, 4);
    put(&zip, (uint32_t)zip.directory, 4);
    put(&zip, 0, 2);
    return zip;
}

static void test_finds_what_is_there(void **state)
{
    (void)state;
    struct zip zip = make();
    struct bundle bundle;
    struct bundle_file file;
    assert_true(bundle_read(&bundle, zip.bytes, zip.length, NULL));
    assert_string_equal(bundle.script, "script.lua");
    assert_int_equal(bundle.count, 2);
    assert_true(bundle_find(&bundle, "lib/util.lua", &file, NULL));
    assert_int_equal(file.length, strlen("return 'util'"));
    assert_memory_equal(file.bytes, "return 'util'", file.length);
    static const char *const absent[] = {"util.lua", "lib/util", "lib/util.lua2", ""};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        assert_true(bundle_find(&bundle, absent[i], &file, NULL));
        assert_null(file.name);
    }
}

static void test_a_cut_zip_is_refused_wherever_it_is_cut(void **state)
{
    (void)state;
    struct zip zip = make();
    for (size_t length = 0; length < zip.length; length++) {
        struct bundle bundle;
        struct error e = {0};
        unsigned char *exact = malloc(length + 1);
        assert_non_null(exact);
        memcpy(exact, zip.bytes, length);
        assert_false(bundle_read(&bundle, exact, length, &e));
        assert_int_equal(e.code, ENOENT); /* as a program without one */
        free(exact);
    }
}

/* Whatever one byte is changed to, nothing but what it says is wrong: it is refused, or what is found is within. */
static void test_any_changed_byte_is_refused_or_harmless(void **state)
{
    (void)state;
    const struct zip good = make();
    unsigned refused = 0;
    for (size_t at = 0; at < good.length; at++)
        for (unsigned change = 1; change < 256; change += 2) {
            struct zip zip = good;
            struct bundle bundle;
            struct bundle_file file;
            struct error e = {0};
            zip.bytes[at] ^= (unsigned char)change;
            if (!bundle_read(&bundle, zip.bytes, zip.length, &e) || !bundle_find(&bundle, "script.lua", &file, &e) || file.name == NULL)
                refused++;
            else
                assert_memory_equal(file.bytes, "return 1", file.length); /* the checksum saw to it */
        }
    assert_true(refused > 0);
}

static void test_says_what_is_damaged(void **state)
{
    (void)state;
    static const struct {
        int from; /* where in the zip: from the directory's beginning (0 up), or the file's end (below 0) */
        unsigned char byte;
        const char *says;
    } cases[] = {
        {-4, 7, "its directory is not where its end says"},
        {-12, 1, "its directory is not where its end says"}, /* entries */
        {-2, 1, "its directory is not where its end says"},  /* a comment */
        {0, 'X', "its directory is cut short"},
        {10, 8, "a file is compressed or encrypted"},
        {8, 1, "a file is compressed or encrypted"},
        {46, 0, "the name of a file is empty, too long, or not a text"},
        {42, 1, "a file is not where its directory says"},
        {45, 0xff, "a file is not where its directory says"},
        {28, 0, "the name of a file is empty, too long, or not a text"},
        {29, 1, "its directory is cut short"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct zip zip = make();
        struct bundle bundle;
        struct error e = {0};
        zip.bytes[cases[i].from < 0 ? zip.length - (size_t)-cases[i].from : zip.directory + (size_t)cases[i].from] = cases[i].byte;
        assert_false(bundle_read(&bundle, zip.bytes, zip.length, &e));
        if (strstr(e.message, cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, e.message);
    }
}

static void test_a_changed_file_is_found_by_its_checksum(void **state)
{
    (void)state;
    struct zip zip = make();
    struct bundle bundle;
    struct bundle_file file;
    struct error e = {0};
    zip.bytes[zip.directory - 1] ^= 1; /* the last byte of lib/util.lua */
    assert_true(bundle_read(&bundle, zip.bytes, zip.length, &e));
    assert_true(bundle_find(&bundle, "script.lua", &file, &e));
    assert_false(bundle_find(&bundle, "lib/util.lua", &file, &e));
    assert_non_null(strstr(e.message, "the checksum of lib/util.lua"));
}

static void test_a_program_without_a_bundle_has_none(void **state)
{
    (void)state;
    struct bundle bundle;
    assert_true(bundle_open(&bundle, NULL)); /* this test */
    assert_null(bundle.bytes);
    assert_false(bundle_is_cut());
}

/* ---- writing ---- */

static void test_writes_an_executable_and_overwrites_nothing(void **state)
{
    (void)state;
    struct stat about;
    struct error e = {0};
    size_t length;
    const char *path = scratch("program");
    assert_true(bundle_write(path, "first", 5, false, NULL));
    assert_int_equal(stat(path, &about), 0);
    mode_t mask = umask(0);
    (void)umask(mask);
    assert_int_equal(about.st_mode & 07777, 0777 & ~mask);
    assert_false(bundle_write(path, "second", 6, false, &e));
    assert_int_equal(e.code, EEXIST);
    assert_true(bundle_write(path, "third", 5, true, &e));
    char *text = scratch_read(path, &length);
    assert_string_equal(text, "third");
    free(text);
    assert_false(bundle_write(scratch("none/program"), "x", 1, false, &e));
    assert_int_equal(e.code, ENOENT);
    assert_int_equal(entries(scratch("")), 1); /* nothing is left beside it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32_has_the_standards_check_value),
        cmocka_unit_test(test_finds_what_is_there),
        cmocka_unit_test(test_a_cut_zip_is_refused_wherever_it_is_cut),
        cmocka_unit_test(test_any_changed_byte_is_refused_or_harmless),
        cmocka_unit_test(test_says_what_is_damaged),
        cmocka_unit_test(test_a_changed_file_is_found_by_its_checksum),
        cmocka_unit_test(test_a_program_without_a_bundle_has_none),
        cmocka_unit_test_setup_teardown(test_writes_an_executable_and_overwrites_nothing, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
