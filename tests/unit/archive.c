/* work/tar and work/unpack where memory runs out, and the fates of a directory: it is whole, or as it was. */
#include "faults.h"
#include "scratch.h"
#include "work/memory.h"
#include "work/tar.h"
#include "work/unpack.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct tar_options all = {.root = true}, zip = {.zip = true, .level = 9};
static const struct unpack_options usual = {.links = true, .files = 1000, .bytes = 1 << 30};
static struct flow flow;

static void plant(void)
{
    char name[300];
    assert_int_equal(mkdir(scratch("tree"), 0755), 0);
    assert_int_equal(mkdir(scratch("tree/d"), 0755), 0);
    (void)scratch_write("tree/d/file", "content", 7);
    (void)scratch_write("tree/z\xc3\xbc", "", 0);
    (void)snprintf(name, sizeof name, "tree/%0200d", 7);
    (void)scratch_write(name, "long", 4);
    assert_int_equal(symlink("d/file", scratch("tree/link")), 0);
}

/* The archive of scratch's tree. False: e filled. */
static bool make_with(const struct tar_options *options, struct sink *sink, struct error *e)
{
    struct stream *source = tar_source_create(scratch("tree"), options);
    bool ok = source != NULL && sink != NULL;
    if (ok) {
        source->flow = sink->flow = &flow;
        ok = sink->type->run(sink, source, e);
    } else {
        error_set(e, ENOMEM, "out of memory");
    }
    stream_free(source);
    return ok;
}

static bool make(struct sink *sink, struct error *e) { return make_with(&all, sink, e); }

static bool extract(const char *data, size_t length, const struct unpack_options *options, struct error *e)
{
    struct stream *source = bytes_source_create(data, length);
    struct sink *sink = untar_sink_create(scratch("out"), options);
    bool ok = source != NULL && sink != NULL;
    if (ok) {
        source->flow = sink->flow = &flow;
        source->subject = "/tmp/it";
        ok = sink->type->run(sink, source, e) && sink->type->commit(sink, e);
    } else {
        error_set(e, ENOMEM, "out of memory");
    }
    sink_free(sink);
    stream_free(source);
    return ok;
}

static void runs_out_of_memory_cleanly(const struct tar_options *options)
{
    plant();
    bool ok = false;
    for (long first = 1; !ok; first++) {
        struct error e = {0};
        struct sink *sink = null_sink_create();
        assert_non_null(sink);
        faults_memory(first, true);
        ok = make_with(options, sink, &e);
        faults_memory(0, false);
        sink_free(sink);
        assert_true(ok || e.code == ENOMEM);
        assert_true(ok || strstr(e.message, "out of memory") != NULL || strstr(e.message, "allocate memory") != NULL);
        assert_true(first < 1000);
    }
}

static void test_making_a_tar_runs_out_of_memory_cleanly(void **state)
{
    (void)state;
    runs_out_of_memory_cleanly(&all);
}

static void test_making_a_zip_runs_out_of_memory_cleanly(void **state)
{
    (void)state;
    runs_out_of_memory_cleanly(&zip);
}

/* Given byte by byte, and given up anywhere. */
static void test_a_zip_can_be_read_in_pieces_and_left(void **state)
{
    (void)state;
    struct error e = {0};
    size_t length, got = 1, read = 0;
    plant();
    struct sink *sink = string_sink_create(1 << 20);
    assert_true(make_with(&zip, sink, &e));
    const char *data = string_sink_data(sink, &length);
    for (size_t most = 0; most <= length; most += 41) {
        struct stream *source = tar_source_create(scratch("tree"), &zip);
        char byte;
        assert_non_null(source);
        source->flow = &flow;
        for (read = 0; read < most; read++) {
            assert_true(stream_read(source, &byte, 1, &got, &e));
            assert_int_equal(got, 1);
            assert_int_equal(byte, data[read]);
        }
        stream_free(source);
    }
    sink_free(sink);
}

static void test_extracting_runs_out_of_memory_cleanly_and_leaves_nothing(void **state)
{
    (void)state;
    struct error e = {0};
    size_t length;
    plant();
    struct sink *sink = string_sink_create(1 << 20);
    assert_true(make(sink, &e));
    const char *data = string_sink_data(sink, &length);
    bool ok = false;
    for (long first = 1; !ok; first++) {
        faults_memory(first, true);
        ok = extract(data, length, &usual, &e);
        faults_memory(0, false);
        assert_true(ok || e.code == ENOMEM);
        assert_int_equal(entries(scratch("")), ok ? 2 : 1);
        assert_true(first < 1000);
    }
    assert_int_equal(entries(scratch("out")), 4);
    assert_int_equal(entries(scratch("out/d")), 1);
    sink_free(sink);
}

static void test_an_archive_that_is_cut_anywhere_leaves_the_directory_as_it_was(void **state)
{
    (void)state;
    struct error e = {0};
    size_t length;
    plant();
    struct sink *sink = string_sink_create(1 << 20);
    assert_true(make(sink, &e));
    const char *data = string_sink_data(sink, &length);
    assert_int_equal(mkdir(scratch("out"), 0755), 0);
    (void)scratch_write("out/kept", "kept", 4);
    size_t failures = 0;
    for (size_t cut = 0; cut + 1024 < length; cut += 37) /* 37: every place in a block, in the end */
        if (!extract(data, cut, &usual, &e)) {
            assert_true(strncmp(e.message, "untar of /tmp/it: ", 18) == 0);
            assert_int_equal(entries(scratch("out")), 1);
            failures++;
        } else { /* between two entries, which tar does not tell from the end */
            char command[PATH_MAX + 100];
            assert_int_equal(cut % 512, 0);
            (void)snprintf(command, sizeof command, "find '%s' -mindepth 1 ! -name kept -delete", scratch("out"));
            assert_int_equal(system(command), 0);
        }
    assert_true(failures > 100);
    sink_free(sink);
}

static void test_nothing_is_seen_before_the_commit(void **state)
{
    (void)state;
    struct error e = {0};
    size_t length;
    plant();
    struct sink *archive = string_sink_create(1 << 20);
    assert_true(make(archive, &e));
    const char *data = string_sink_data(archive, &length);
    struct stream *source = bytes_source_create(data, length);
    struct sink *sink = untar_sink_create(scratch("out"), &usual);
    assert_non_null(source);
    assert_non_null(sink);
    source->flow = sink->flow = &flow;
    assert_true(sink->type->run(sink, source, &e));
    assert_int_equal(sink->written, length);
    assert_int_equal(unpack_entries(sink), 6);
    assert_false(exists(scratch("out")));
    sink_free(sink); /* the pipe failed elsewhere */
    assert_int_equal(entries(scratch("")), 1);
    stream_free(source);
    sink_free(archive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_making_a_tar_runs_out_of_memory_cleanly, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_making_a_zip_runs_out_of_memory_cleanly, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_a_zip_can_be_read_in_pieces_and_left, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_extracting_runs_out_of_memory_cleanly_and_leaves_nothing, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_an_archive_that_is_cut_anywhere_leaves_the_directory_as_it_was, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_seen_before_the_commit, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
