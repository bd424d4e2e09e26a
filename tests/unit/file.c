/* work/file, in a pipe with a digest: bytes arrive whole, or not at all, and whatever fails says so.
 *
 * Jobs are run here without a pool: `work` is called by the test, or by a thread of its own where it has to wait.  read,
 * write, close and rename fail where a test wants them to (the linker's --wrap). */
#include "faults.h"
#include "scratch.h"
#include "work/file.h"
#include "work/pipe.h"
#include "work/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SECONDS = 60 };

/* ---- failing calls ---- */

static _Thread_local struct {
    const char *call; /* "read"…, or NULL */
    int at;           /* its at-th call, from 1 */
    int code;         /* errno; 0: it moves one byte only */
    bool always;      /* and all after it */
} fault;

static bool hits(const char *call)
{
    if (fault.call == NULL || strcmp(fault.call, call) != 0 || --fault.at > 0)
        return false;
    if (!fault.always)
        fault.call = NULL;
    errno = fault.code;
    return true;
}

ssize_t __real_read(int fd, void *bytes, size_t count);
ssize_t __real_write(int fd, const void *bytes, size_t count);
int __real_close(int fd);
int __real_rename(const char *from, const char *to);
ssize_t __wrap_read(int fd, void *bytes, size_t count);
ssize_t __wrap_write(int fd, const void *bytes, size_t count);
int __wrap_close(int fd);
int __wrap_rename(const char *from, const char *to);

ssize_t __wrap_read(int fd, void *bytes, size_t count)
{
    if (!hits("read"))
        return __real_read(fd, bytes, count);
    return fault.code != 0 ? -1 : __real_read(fd, bytes, 1);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t count)
{
    if (!hits("write"))
        return __real_write(fd, bytes, count);
    return fault.code != 0 ? -1 : __real_write(fd, bytes, 1);
}

int __wrap_close(int fd)
{
    bool fails = hits("close");
    int code = errno, result = __real_close(fd);
    errno = code;
    return fails ? -1 : result;
}

int __wrap_rename(const char *from, const char *to) { return hits("rename") ? -1 : __real_rename(from, to); }

/* ---- helpers ---- */

/* NULL: no memory. */
static struct pipe *make(const char *source, const char *target, bool in_place)
{
    struct pipe *copy = pipe_create();
    if (copy != NULL && pipe_add(copy, file_source_create(source)) && pipe_add(copy, digest_stage_create("sha256")) && pipe_end(copy, file_sink_create(target, in_place)))
        return copy;
    if (copy != NULL)
        copy->job.release(&copy->job);
    return NULL;
}

static const char *digest_of(const struct pipe *copy)
{
    const struct stream *s = copy->last;
    while (strcmp(s->type->name, "digest") != 0)
        s = s->from;
    return digest_stage_value(s);
}

static struct pipe *create(const char *source, const char *target, bool in_place)
{
    struct pipe *copy = make(source, target, in_place);
    assert_non_null(copy);
    return copy;
}

static struct pipe *run(const char *source, const char *target, bool in_place)
{
    struct pipe *copy = create(source, target, in_place);
    copy->job.work(&copy->job);
    return copy;
}

static void release(struct pipe *copy) { copy->job.release(&copy->job); }

static void assert_copied(struct pipe *copy)
{
    if (!copy->ok)
        fail_msg("%s", copy->error.message);
    release(copy);
}

/* It failed with this code, and a message that holds the text. */
static void assert_failed(struct pipe *copy, int code, const char *text)
{
    assert_false(copy->ok);
    if (copy->error.code != code || strstr(copy->error.message, text) == NULL)
        fail_msg("expected code %d and \"%s\"; got %d: %s", code, text, copy->error.code, copy->error.message);
    release(copy);
}

static void assert_file(const char *path, const void *bytes, size_t length)
{
    size_t got;
    char *there = scratch_read(path, &got);
    assert_non_null(there);
    assert_int_equal(got, length);
    assert_memory_equal(there, bytes, length);
    free(there);
}

/* Bytes without a pattern, the same at every run. The caller frees them. */
static char *noise(size_t length)
{
    char *bytes = malloc(length + 1);
    assert_non_null(bytes);
    unsigned state = 42;
    for (size_t i = 0; i < length; i++) {
        state = state * 1103515245u + 12345u;
        bytes[i] = (char)(state >> 16);
    }
    return bytes;
}

/* ---- copies ---- */

/* Without a digest, between file and file, the kernel copies. */
static void test_a_plain_copy_is_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 131072, 1500000};
    char *bytes = noise(1500000);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const char *source = scratch_write("source", bytes, sizes[i]), *target = scratch("target");
        struct pipe *copy = pipe_create();
        assert_true(pipe_add(copy, file_source_create(source)) && pipe_end(copy, file_sink_create(target, i % 2 == 1 && exists(target))));
        copy->job.work(&copy->job);
        assert_int_equal(copy->bytes, sizes[i]);
        assert_int_equal(copy->written, sizes[i]);
        assert_copied(copy);
        assert_file(target, bytes, sizes[i]);
    }
    free(bytes);
}

static void test_a_file_without_a_size_is_copied_too(void **state)
{
    (void)state;
    struct pipe *copy = pipe_create();
    assert_true(pipe_add(copy, file_source_create("/proc/self/status")) && pipe_end(copy, file_sink_create(scratch("target"), false)));
    copy->job.work(&copy->job);
    assert_true(copy->written > 100);
    assert_copied(copy);
}

static void test_bytes_arrive_with_their_count_and_digest(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 3, 65536, 262143, 262144, 262145, 1500000};
    char *bytes = noise(1500000);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const char *source = scratch_write("source", bytes, sizes[i]), *target = scratch("target");
        struct pipe *copy = run(source, target, false);
        assert_true(copy->ok);
        assert_int_equal(copy->bytes, sizes[i]);
        assert_file(target, bytes, sizes[i]);
        char command[PATH_MAX], line[128] = "sha256:";
        (void)snprintf(command, sizeof command, "sha256sum < '%s'", target);
        FILE *reference = popen(command, "r");
        assert_non_null(reference);
        assert_non_null(fgets(line + 7, sizeof line - 7, reference));
        assert_int_equal(pclose(reference), 0);
        line[7 + 64] = '\0';
        assert_string_equal(digest_of(copy), line);
        release(copy);
    }
    free(bytes);
    assert_int_equal(entries(scratch("")), 2);
}

static void test_a_new_file_has_the_usual_mode(void **state)
{
    (void)state;
    mode_t mask = umask(027);
    const char *source = scratch_write("source", "x", 1), *target = scratch("target");
    assert_int_equal(chmod(source, 0400), 0);
    assert_copied(run(source, target, false));
    umask(mask);
    struct stat status;
    assert_int_equal(stat(target, &status), 0);
    assert_int_equal(status.st_mode & 07777u, 0640);
}

static void test_in_place_the_file_stays_the_same_one(void **state)
{
    (void)state;
    const char *source = scratch_write("source", "new", 3), *target = scratch_write("target", "longer than that", 16);
    struct stat before, after;
    assert_int_equal(chmod(target, 0600), 0);
    assert_int_equal(stat(target, &before), 0);
    assert_copied(run(source, target, true));
    assert_int_equal(stat(target, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_file(target, "new", 3);
}

static void test_a_file_is_replaced_and_its_readers_keep_the_old_one(void **state)
{
    (void)state;
    const char *source = scratch_write("source", "new", 3), *target = scratch_write("target", "old", 3);
    FILE *reader = fopen(target, "r");
    char bytes[3];
    assert_non_null(reader);
    assert_copied(run(source, target, false));
    assert_int_equal(fread(bytes, 1, 3, reader), 3);
    assert_memory_equal(bytes, "old", 3);
    (void)fclose(reader);
    assert_file(target, "new", 3);
}

static void test_names_may_be_as_long_as_the_system_allows(void **state)
{
    (void)state;
    char name[NAME_MAX + 1];
    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = '\0';
    const char *target = scratch(name);
    assert_copied(run(scratch_write("source", "x", 1), target, false));
    assert_file(target, "x", 1);
    char *longer = malloc(PATH_MAX + 2);
    assert_non_null(longer);
    memset(longer, '/', PATH_MAX);
    (void)snprintf(longer + PATH_MAX, 2, "x");
    assert_failed(run(scratch("source"), longer, false), ENAMETOOLONG, "creating /////");
    free(longer);
}

static void test_a_file_is_not_copied_into_itself(void **state)
{
    (void)state;
    const char *file = scratch_write("file", "precious", 8), *link_path = scratch("link");
    assert_int_equal(symlink(file, link_path), 0);
    assert_failed(run(file, file, true), EINVAL, "creating");
    assert_failed(run(link_path, file, true), EINVAL, "creating");
    assert_file(file, "precious", 8);
    assert_copied(run(file, file, false)); /* beside, then renamed: harmless */
    assert_file(file, "precious", 8);
}

static void test_a_full_disk_is_told(void **state)
{
    (void)state;
    struct stat device;
    assert_failed(run(scratch_write("source", "x", 1), "/dev/full", true), ENOSPC, "writing /dev/full: No space left on device");
    assert_int_equal(stat("/dev/full", &device), 0); /* a device that could not be written to is left alone */
    assert_true(S_ISCHR(device.st_mode));
}

static void test_errors_name_the_file_and_leave_nothing(void **state)
{
    (void)state;
    const char *source = scratch_write("source", "x", 1), *folder = scratch("folder"), *target = scratch("target");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_failed(run(scratch("missing"), target, false), ENOENT, "opening ");
    assert_failed(run(folder, target, false), EISDIR, "reading ");
    assert_failed(run(source, folder, false), EISDIR, "creating ");
    assert_failed(run(source, folder, true), EISDIR, "creating ");
    assert_failed(run(source, scratch("missing/target"), false), ENOENT, "creating ");
    assert_failed(run(source, scratch("missing"), true), ENOENT, "creating ");
    assert_failed(run(source, scratch("source/target"), false), ENOTDIR, "creating ");
    assert_failed(run("", target, false), ENOENT, "opening ");
    assert_int_equal(symlink("loop", scratch("loop")), 0);
    assert_failed(run(scratch("loop"), target, false), ELOOP, "opening ");
    assert_int_equal(entries(scratch("")), 3);
    if (geteuid() != 0) {
        assert_int_equal(chmod(source, 0), 0);
        assert_failed(run(source, target, false), EACCES, "opening ");
    }
}

static void test_a_socket_is_no_source(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", scratch("socket")) < sizeof address.sun_path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_failed(run(scratch("socket"), scratch("target"), false), ENXIO, "opening ");
    close(fd);
}

/* Every call fails once: then the target is as it was, nothing lies beside it, and the error is that call's. */
static void test_a_failing_call_leaves_the_target_as_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        int at, code;
        const char *message;
    } cases[] = {
        {"read", 1, EIO, "reading "}, {"read", 2, EIO, "reading "}, {"read", 3, EIO, "reading "}, {"write", 1, ENOSPC, "writing "},
        {"write", 2, EDQUOT, "writing "}, {"write", 3, EFBIG, "writing "}, {"close", 1, EIO, "writing "}, {"rename", 1, EACCES, "creating "},
    };
    char *bytes = noise(700000); /* more than three pieces */
    const char *source = scratch_write("source", bytes, 700000), *target = scratch_write("target", "old", 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pipe *copy = create(source, target, false);
        fault.call = cases[i].call;
        fault.at = cases[i].at;
        fault.code = cases[i].code;
        copy->job.work(&copy->job);
        assert_null(fault.call); /* it did fail */
        assert_failed(copy, cases[i].code, cases[i].message);
        assert_file(target, "old", 3);
        assert_int_equal(entries(scratch("")), 2);
    }
    free(bytes);
}

static void test_interrupted_and_short_calls_are_no_failures(void **state)
{
    (void)state;
    static const char *const calls[] = {"read", "write"};
    static const int codes[] = {0, EINTR, EAGAIN};
    char *bytes = noise(700000);
    const char *source = scratch_write("source", bytes, 700000), *target = scratch("target");
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 3; j++) {
            struct pipe *copy = create(source, target, false);
            fault.call = calls[i];
            fault.at = 2;
            fault.code = codes[j];
            copy->job.work(&copy->job);
            assert_null(fault.call);
            assert_copied(copy);
            assert_file(target, bytes, 700000);
        }
    free(bytes);
}

static void test_without_memory_it_says_so(void **state)
{
    (void)state;
    const char *source = scratch_write("source", "x", 1), *target = scratch("target");
    struct pipe *copy = NULL;
    long n = 0;
    while (copy == NULL) {
        faults_memory(++n, false);
        copy = make(source, target, false);
        faults_memory(0, false);
    }
    assert_int_equal(n, 5); /* pipe, source, digest, sink */
    release(copy);
    for (n = 1;; n++) {
        copy = create(source, target, false);
        faults_memory(n, false);
        copy->job.work(&copy->job);
        bool all = faults_seen() < n;
        faults_memory(0, false);
        if (all)
            break;
        assert_failed(copy, ENOMEM, "out of memory");
        assert_false(exists(target));
    }
    assert_true(n > 2);
    assert_copied(copy);
}

/* ---- pipes ---- */

static void *work(void *job)
{
    struct pipe *copy = job;
    copy->job.work(&copy->job);
    return NULL;
}

static pthread_t begin(struct pipe *copy)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, work, copy), 0);
    return thread;
}

static void send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = __real_write(fd, bytes, length);
        assert_true(written > 0);
        bytes += written;
        length -= (size_t)written;
    }
}

static void test_a_named_pipe_is_read_until_its_writer_ends(void **state)
{
    (void)state;
    enum { LENGTH = 300000 };
    char *bytes = noise(LENGTH);
    const char *fifo = scratch("fifo"), *target = scratch("target");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    struct pipe *copy = create(fifo, target, false);
    pthread_t thread = begin(copy); /* waits for a writer */
    int writer = open(fifo, O_WRONLY);
    assert_true(writer >= 0);
    send_all(writer, bytes, LENGTH / 2);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* let it find the pipe empty: more is to come */
    send_all(writer, bytes + LENGTH / 2, LENGTH - LENGTH / 2);
    close(writer);
    pthread_join(thread, NULL);
    assert_int_equal(copy->bytes, LENGTH);
    assert_copied(copy);
    assert_file(target, bytes, LENGTH);
    free(bytes);
}

static void test_a_writer_that_writes_nothing_makes_an_empty_file(void **state)
{
    (void)state;
    const char *fifo = scratch("fifo"), *target = scratch("target");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    struct pipe *copy = create(fifo, target, false);
    pthread_t thread = begin(copy);
    int writer = open(fifo, O_WRONLY);
    close(writer);
    pthread_join(thread, NULL);
    assert_copied(copy);
    assert_file(target, "", 0);
}

static void test_a_named_pipe_as_the_target_is_written_into(void **state)
{
    (void)state;
    enum { LENGTH = 300000 };
    char *bytes = noise(LENGTH), *got = malloc(LENGTH);
    const char *source = scratch_write("source", bytes, LENGTH), *fifo = scratch("fifo");
    assert_non_null(got);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int reader = open(fifo, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(fcntl(reader, F_SETFL, 0), 0);
    struct pipe *copy = create(source, fifo, false);
    pthread_t thread = begin(copy);
    for (size_t length = 0; length < LENGTH;) {
        ssize_t count = __real_read(reader, got + length, LENGTH - length);
        length += count > 0 ? (size_t)count : 0;
    }
    pthread_join(thread, NULL);
    assert_copied(copy);
    assert_memory_equal(got, bytes, LENGTH);
    assert_true(exists(fifo));
    close(reader);
    free(got);
    free(bytes);
}

/* Cancels it and asserts that it soon gives up. */
static void assert_cancels(struct pipe *copy, pthread_t thread)
{
    struct timespec until;
    atomic_store(&copy->job.cancelled, true);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SECONDS;
    assert_int_equal(pthread_timedjoin_np(thread, NULL, &until), 0);
    assert_failed(copy, ECANCELED, "");
}

static void test_cancelling_ends_every_wait(void **state)
{
    (void)state;
    const char *fifo = scratch("fifo"), *target = scratch("target");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    struct pipe *copy = create(fifo, target, false);
    assert_cancels(copy, begin(copy)); /* for a writer */
    assert_int_equal(entries(scratch("")), 1);

    copy = create(fifo, target, false);
    pthread_t thread = begin(copy);
    int writer = open(fifo, O_WRONLY);
    send_all(writer, "some", 4);
    assert_cancels(copy, thread); /* for its next bytes */
    close(writer);
    assert_int_equal(entries(scratch("")), 1);

    int reader = open(fifo, O_RDONLY | O_NONBLOCK);
    char *bytes = noise(300000);
    copy = create(scratch_write("source", bytes, 300000), fifo, false);
    assert_cancels(copy, begin(copy)); /* for its reader */
    close(reader);
    free(bytes);

    copy = create(scratch("source"), target, false);
    atomic_store(&copy->job.cancelled, true);
    copy->job.work(&copy->job); /* before it began */
    assert_failed(copy, ECANCELED, "");
    assert_false(exists(target));
}

#define SCRATCH_TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_a_plain_copy_is_whole),
        SCRATCH_TEST(test_a_file_without_a_size_is_copied_too),
        SCRATCH_TEST(test_bytes_arrive_with_their_count_and_digest),
        SCRATCH_TEST(test_a_new_file_has_the_usual_mode),
        SCRATCH_TEST(test_in_place_the_file_stays_the_same_one),
        SCRATCH_TEST(test_a_file_is_replaced_and_its_readers_keep_the_old_one),
        SCRATCH_TEST(test_names_may_be_as_long_as_the_system_allows),
        SCRATCH_TEST(test_a_file_is_not_copied_into_itself),
        SCRATCH_TEST(test_a_full_disk_is_told),
        SCRATCH_TEST(test_errors_name_the_file_and_leave_nothing),
        SCRATCH_TEST(test_a_socket_is_no_source),
        SCRATCH_TEST(test_a_failing_call_leaves_the_target_as_it_was),
        SCRATCH_TEST(test_interrupted_and_short_calls_are_no_failures),
        SCRATCH_TEST(test_without_memory_it_says_so),
        SCRATCH_TEST(test_a_named_pipe_is_read_until_its_writer_ends),
        SCRATCH_TEST(test_a_writer_that_writes_nothing_makes_an_empty_file),
        SCRATCH_TEST(test_a_named_pipe_as_the_target_is_written_into),
        SCRATCH_TEST(test_cancelling_ends_every_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
