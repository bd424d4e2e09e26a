/* base/tempdir: a private folder a process; what the dead left goes, and nothing else does. */
#include "base/tempdir.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char marker[] = ".ocmlua-run";

static struct tempdir create(const char *id)
{
    struct tempdir dir;
    struct error e = {0};
    if (!tempdir_create(&dir, id, &e))
        fail_msg("%s", e.message);
    return dir;
}

static unsigned mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777u;
}

/* Makes what a process leaves that was killed. */
static struct tempdir abandon(const char *id)
{
    struct tempdir dir = create(id);
    assert_int_equal(close(dir.fd), 0);
    dir.fd = -1;
    return dir;
}

static const char *inside(const struct tempdir *dir, const char *name)
{
    static char paths[4][PATH_MAX + 64];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir->path, name);
    return path;
}

static void touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void test_it_is_private_and_goes(void **state)
{
    (void)state;
    mode_t mask = umask(0);
    struct tempdir dir = create("hello");
    umask(mask);
    assert_memory_equal(dir.path, scratch("ocm-hello-"), strlen(scratch("ocm-hello-")));
    assert_int_equal(strlen(dir.path), strlen(scratch("ocm-hello-XXXXXX")));
    assert_int_equal(mode_of(dir.path), 0700);
    assert_int_equal(fcntl(dir.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    tempdir_remove(&dir);
    assert_false(exists(dir.path));
    assert_int_equal(dir.fd, -1);
    tempdir_remove(&dir); /* again: nothing */
}

static void test_ids_become_file_names(void **state)
{
    (void)state;
    static const struct {
        const char *id, *name;
    } cases[] = {
        {"my.plugin_1-x", "ocm-my.plugin_1-x-"},
        {"../../etc/passwd", "ocm-.._.._etc_passwd-"},
        {"a b\n\xC3\xA9", "ocm-a_b___-"},
        {"", "ocm--"},
        {"0123456789012345678901234567890123456789", "ocm-01234567890123456789012345678901-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tempdir dir = create(cases[i].id);
        const char *name = strrchr(dir.path, '/') + 1;
        assert_int_equal(strlen(name), strlen(cases[i].name) + 6);
        assert_memory_equal(name, cases[i].name, strlen(cases[i].name));
        tempdir_remove(&dir);
    }
}

static void test_without_a_usable_tmpdir_it_is_in_tmp(void **state)
{
    (void)state;
    char long_path[PATH_MAX + 1];
    memset(long_path, '/', PATH_MAX); /* it exists, but no socket's path can be that long */
    long_path[PATH_MAX] = '\0';
    const char *const unusable[] = {NULL, "", "relative", long_path, scratch("missing"), scratch_write("file", "", 0)};
    for (size_t i = 0; i < sizeof unusable / sizeof *unusable; i++) {
        if (unusable[i] != NULL)
            setenv("TMPDIR", unusable[i], 1);
        else
            unsetenv("TMPDIR");
        struct tempdir dir = create("unit-test");
        assert_memory_equal(dir.path, "/tmp/ocm-unit-test-", 19);
        tempdir_remove(&dir);
    }
}

static void test_two_with_one_id_do_not_meet(void **state)
{
    (void)state;
    struct tempdir a = create("same"), b = create("same");
    assert_string_not_equal(a.path, b.path);
    assert_int_equal(tempdir_sweep(&a), 0);
    assert_int_equal(tempdir_sweep(&b), 0);
    tempdir_remove(&a);
    assert_true(exists(b.path));
    tempdir_remove(&b);
}

static void test_files_are_private_and_each_its_own(void **state)
{
    (void)state;
    struct tempdir dir = create("files");
    struct error e;
    char paths[2][PATH_MAX], little[20];
    mode_t mask = umask(0);
    for (int i = 0; i < 2; i++) {
        int fd = tempdir_file(&dir, paths[i], sizeof paths[i], &e);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(write(fd, "x", 1), 1);
        close(fd);
        assert_int_equal(mode_of(paths[i]), 0600);
        assert_memory_equal(paths[i], dir.path, strlen(dir.path));
    }
    umask(mask);
    assert_string_not_equal(paths[0], paths[1]);
    assert_int_equal(tempdir_file(&dir, little, sizeof little, &e), -1);
    assert_int_equal(e.code, ENAMETOOLONG);
    tempdir_remove(&dir);
    assert_int_equal(tempdir_file(&dir, paths[0], sizeof paths[0], &e), -1);
    assert_int_equal(e.code, ENOENT);
}

/* What a handler may have left in it: folders in folders, links out of it, a socket's file, read-only files and folders. */
static void fill(const struct tempdir *dir)
{
    assert_int_equal(mkdir(inside(dir, "a"), 0700), 0);
    assert_int_equal(mkdir(inside(dir, "a/b"), 0700), 0);
    touch(inside(dir, "a/b/file"));
    touch(inside(dir, "read-only"));
    assert_int_equal(chmod(inside(dir, "read-only"), 0), 0);
    assert_int_equal(mkfifo(inside(dir, "a/fifo"), 0600), 0);
    assert_int_equal(symlink(scratch("outside"), inside(dir, "link")), 0);
    assert_int_equal(symlink(scratch("outside"), inside(dir, "a/link")), 0);
    assert_int_equal(symlink("/nowhere", inside(dir, "a/b/dangling")), 0);
    assert_int_equal(chmod(inside(dir, "a/b"), 0500), 0); /* which stops everybody but root */
}

static void test_it_goes_with_all_that_is_in_it_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(mkdir(scratch("outside"), 0700), 0);
    const char *kept = scratch_write("outside/kept", "x", 1);
    struct tempdir removed = create("removed"), swept = abandon("swept"), own = create("own");
    fill(&removed);
    fill(&swept);
    tempdir_remove(&removed);
    assert_false(exists(removed.path));
    assert_int_equal(tempdir_sweep(&own), 1);
    assert_false(exists(swept.path));
    assert_true(exists(kept));
    tempdir_remove(&own);
}

static void test_sweeping_takes_the_dead_only(void **state)
{
    (void)state;
    struct tempdir dead[3] = {abandon("one"), abandon("two"), abandon("x")}, own = create("one"), alive = create("one");
    assert_int_equal(tempdir_sweep(&own), 3);
    for (size_t i = 0; i < 3; i++)
        assert_false(exists(dead[i].path));
    assert_true(exists(own.path) && exists(alive.path));
    assert_int_equal(tempdir_sweep(&own), 0);
    tempdir_remove(&alive);
    tempdir_remove(&own);
}

/* Alive is who holds the lock, in whatever process; kill -9 is enough to end that. */
static void test_a_killed_process_is_dead(void **state)
{
    (void)state;
    struct tempdir own = create("own");
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        struct tempdir dir;
        if (!tempdir_create(&dir, "child", NULL) || write(pipes[1], dir.path, sizeof dir.path) != sizeof dir.path)
            _exit(1);
        pause();
        _exit(0);
    }
    struct tempdir theirs = {.fd = -1};
    close(pipes[1]);
    for (size_t got = 0; got < sizeof theirs.path;) {
        ssize_t count = read(pipes[0], theirs.path + got, sizeof theirs.path - got);
        assert_true(count > 0);
        got += (size_t)count;
    }
    close(pipes[0]);
    touch(inside(&theirs, "file-1"));
    assert_int_equal(tempdir_sweep(&own), 0);
    assert_true(exists(inside(&theirs, "file-1")));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(tempdir_sweep(&own), 1);
    assert_false(exists(theirs.path));
    tempdir_remove(&own);
}

static void test_look_alikes_are_left(void **state)
{
    (void)state;
    struct tempdir own = create("own"), elsewhere = abandon("linked");
    static const char *const folders[] = {
        "ocm-thing-abcdef",   /* no marker */
        "ocm-my-things",      /* nor this one */
        "xocm-thing-abcdef",  /* with a marker, but not the name */
        "ocm-abcdef", "ocm-thing_abcdef", "ocm-", "ocm-x-abcde",
    };
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        struct tempdir dir = {.fd = -1};
        (void)snprintf(dir.path, sizeof dir.path, "%s", scratch(folders[i]));
        assert_int_equal(mkdir(dir.path, 0700), 0);
        touch(inside(&dir, i < 2 ? "file" : marker));
    }
    assert_int_equal(mkdir(scratch("hidden"), 0700), 0);
    char moved[PATH_MAX];
    (void)snprintf(moved, sizeof moved, "%s", scratch("hidden/ocm-linked-abcdef"));
    assert_int_equal(rename(elsewhere.path, moved), 0);
    assert_int_equal(symlink(moved, scratch("ocm-linked-abcdef")), 0); /* a link to a dead one is no dead one */
    touch(scratch("ocm-file-abcdef"));
    int before = entries(scratch(""));
    assert_int_equal(tempdir_sweep(&own), 0);
    assert_int_equal(entries(scratch("")), before);
    assert_true(exists(moved));
    assert_int_equal(entries(moved), 1);
    tempdir_remove(&own);
}

static void test_of_other_users_nothing_is_swept(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct tempdir theirs = abandon("theirs"), own = create("own");
    assert_int_equal(chown(theirs.path, 65534, 65534), 0);
    assert_int_equal(tempdir_sweep(&own), 0);
    assert_true(exists(inside(&theirs, marker)));
    tempdir_remove(&own);
}

static void test_sweepers_and_starters_do_not_hurt_each_other(void **state)
{
    (void)state;
    enum { PROCESSES = 4, ROUNDS = 60 };
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] != 0)
            continue;
        for (int round = 0; round < ROUNDS; round++) {
            struct tempdir dir;
            if (!tempdir_create(&dir, "race", NULL))
                _exit(1);
            (void)tempdir_sweep(&dir);
            if (!exists(inside(&dir, marker)))
                _exit(2);
            if (round % 2 == 0)
                tempdir_remove(&dir);
            else
                close(dir.fd); /* as if killed */
        }
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    struct tempdir own = create("own");
    (void)tempdir_sweep(&own);
    assert_int_equal(entries(scratch("")), 1);
    tempdir_remove(&own);
}

#define SCRATCH_TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_it_is_private_and_goes),
        SCRATCH_TEST(test_ids_become_file_names),
        SCRATCH_TEST(test_without_a_usable_tmpdir_it_is_in_tmp),
        SCRATCH_TEST(test_two_with_one_id_do_not_meet),
        SCRATCH_TEST(test_files_are_private_and_each_its_own),
        SCRATCH_TEST(test_it_goes_with_all_that_is_in_it_and_nothing_else),
        SCRATCH_TEST(test_sweeping_takes_the_dead_only),
        SCRATCH_TEST(test_a_killed_process_is_dead),
        SCRATCH_TEST(test_look_alikes_are_left),
        SCRATCH_TEST(test_of_other_users_nothing_is_swept),
        SCRATCH_TEST(test_sweepers_and_starters_do_not_hurt_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
