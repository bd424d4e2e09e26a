/* work/tree and work/fs: whatever the names, the depth and the links, nothing but what was asked for is walked, removed or written.
 *
 * Jobs are run here without a pool. */
#include "faults.h"
#include "scratch.h"
#include "work/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- failing calls ---- */

static struct {
    const char *call;
    int at, code;
} fault;

static bool hits(const char *call)
{
    if (fault.call == NULL || strcmp(fault.call, call) != 0 || --fault.at > 0)
        return false;
    fault.call = NULL;
    errno = fault.code;
    return true;
}

ssize_t __real_write(int fd, const void *bytes, size_t count);
ssize_t __wrap_write(int fd, const void *bytes, size_t count);
ssize_t __real_read(int fd, void *bytes, size_t count);
ssize_t __wrap_read(int fd, void *bytes, size_t count);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

ssize_t __wrap_write(int fd, const void *bytes, size_t count)
{
    if (!hits("write"))
        return __real_write(fd, bytes, count);
    return fault.code != 0 ? -1 : __real_write(fd, bytes, 1);
}

ssize_t __wrap_read(int fd, void *bytes, size_t count)
{
    if (!hits("read"))
        return __real_read(fd, bytes, count);
    return fault.code != 0 ? -1 : __real_read(fd, bytes, 1);
}

int __wrap_close(int fd)
{
    bool fails = hits("close");
    int code = errno, result = __real_close(fd);
    errno = code;
    return fails ? -1 : result;
}

int __wrap_fsync(int fd) { return hits("fsync") ? -1 : __real_fsync(fd); }
int __wrap_fchmod(int fd, mode_t mode) { return hits("fchmod") ? -1 : __real_fchmod(fd, mode); }
int __wrap_rename(const char *from, const char *to) { return hits("rename") ? -1 : __real_rename(from, to); }

/* ---- helpers ---- */

static struct fs_job *run(struct fs_job *fs)
{
    assert_non_null(fs);
    fs->job.work(&fs->job);
    return fs;
}

static uint64_t count_of(struct fs_job *fs)
{
    run(fs);
    if (!fs->ok)
        fail_msg("%s", fs->error.message);
    uint64_t count = fs->count;
    fs->job.release(&fs->job);
    return count;
}

static void assert_fails(struct fs_job *fs, int code, const char *text)
{
    run(fs);
    assert_false(fs->ok);
    if (fs->error.code != code || strstr(fs->error.message, text) == NULL)
        fail_msg("expected code %d and \"%s\"; got %d: %s", code, text, fs->error.code, fs->error.message);
    fs->job.release(&fs->job);
}

static void assert_content(const char *path, const char *text)
{
    size_t length;
    char *there = scratch_read(path, &length);
    assert_non_null(there);
    assert_int_equal(length, strlen(text));
    assert_string_equal(there, text);
    free(there);
}

static void make(const char *name) { assert_int_equal(mkdir(scratch(name), 0700), 0); }

/* A chain of so many folders "d", with a file in each. Returns the path of the first. */
static const char *make_deep(int levels)
{
    int dir = open(scratch(""), O_RDONLY | O_DIRECTORY);
    assert_true(dir >= 0);
    for (int i = 0; i < levels; i++) {
        assert_int_equal(mkdirat(dir, "d", 0700), 0);
        int next = openat(dir, "d", O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(dir);
        close(openat(next, "f", O_WRONLY | O_CREAT, 0600));
        dir = next;
    }
    close(dir);
    return scratch("d");
}

struct seen {
    char *text;  /* the paths, a line each: "a/b", behind a folder that was not entered " !" and why */
    size_t size, length, entries;
    struct error error;
    bool ok;
};

/* Walks it all, batch by batch. */
static struct seen walk(const char *path, struct fs_walk_options options)
{
    struct seen seen = {0};
    FILE *out = open_memstream(&seen.text, &seen.size);
    struct fs_walk *job = fs_walk(path, options);
    assert_non_null(out);
    assert_non_null(job);
    for (;;) {
        job->job.work(&job->job);
        seen.ok = job->ok;
        seen.error = job->error;
        for (size_t i = 0; i < job->count; i++) {
            const struct fs_entry *entry = &job->entries[i];
            seen.entries++;
            (void)fprintf(out, "%s%s%s%s%s\n", entry->path, entry->target != NULL ? " -> " : "", entry->target != NULL ? entry->target : "",
                          entry->code != 0 ? " ! " : "", entry->code != 0 ? strerror(entry->code) : "");
        }
        if (!job->ok || job->end)
            break;
        fs_walk_again(job);
    }
    job->job.release(&job->job);
    (void)fclose(out);
    return seen;
}

static void assert_walks(struct fs_walk_options options, const char *expected)
{
    struct seen seen = walk(scratch(""), options);
    if (!seen.ok)
        fail_msg("%s", seen.error.message);
    assert_string_equal(seen.text, expected);
    free(seen.text);
}

/* ---- walking ---- */

static const struct fs_walk_options everything = {.hidden = true, .depth = UINT64_MAX}, following = {.follow = true, .hidden = true, .depth = UINT64_MAX};

static void test_names_come_in_order_with_what_is_in_them(void **state)
{
    (void)state;
    make("b");
    make("b/x");
    make("a");
    make(".h");
    (void)scratch_write("b/x/1", "", 0);
    (void)scratch_write("b/2", "", 0);
    (void)scratch_write("b/10", "", 0);
    (void)scratch_write("B", "", 0);
    (void)scratch_write(".h/in", "", 0);
    (void)scratch_write("new\nline \xff\"", "", 0);
    assert_walks(everything, ".h\n.h/in\nB\na\nb\nb/10\nb/2\nb/x\nb/x/1\nnew\nline \xff\"\n");
    assert_walks((struct fs_walk_options){.depth = 2}, "B\na\nb\nb/10\nb/2\nb/x\nnew\nline \xff\"\n");
    assert_walks((struct fs_walk_options){.depth = 1}, "B\na\nb\nnew\nline \xff\"\n");
}

static void test_links_are_kept_or_followed_but_never_in_a_circle(void **state)
{
    (void)state;
    make("a");
    make("a/b");
    (void)scratch_write("a/b/f", "", 0);
    assert_int_equal(symlink("..", scratch("a/b/up")) | symlink("b", scratch("a/side")) | symlink("nowhere", scratch("a/gone")) |
                         symlink("self", scratch("a/self")) | symlink("b/f", scratch("a/file")), 0);
    assert_walks(everything, "a\na/b\na/b/f\na/b/up -> ..\na/file -> b/f\na/gone -> nowhere\na/self -> self\na/side -> b\n");
    assert_walks(following, "a\na/b\na/b/f\na/b/up -> .. ! Too many levels of symbolic links\na/file -> b/f\na/gone -> nowhere\na/self -> self\n"
                            "a/side -> b\na/side/f\na/side/up -> .. ! Too many levels of symbolic links\n");
}

static void test_followed_links_are_left_where_they_were_entered(void **state)
{
    (void)state;
    make("a");
    make("other");
    make("other/deep");
    (void)scratch_write("other/deep/f", "", 0);
    (void)scratch_write("a/z", "", 0);
    assert_int_equal(symlink("../other/deep", scratch("a/l")), 0);
    assert_walks(following, "a\na/l -> ../other/deep\na/l/f\na/z\nother\nother/deep\nother/deep/f\n");
}

static void test_links_that_fan_out_end_somewhere(void **state)
{
    (void)state;
    char name[16], target[16];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "d%02d", i);
        make(name);
        if (i < 39) {
            (void)snprintf(name, sizeof name, "d%02d/l", i);
            (void)snprintf(target, sizeof target, "../d%02d", i + 1);
            assert_int_equal(symlink(target, scratch(name)), 0);
        }
    }
    int before = entries("/proc/self/fd");
    struct seen seen = walk(scratch("d00"), following);
    assert_true(seen.ok);
    assert_int_equal(seen.entries, 33); /* 32 are entered */
    assert_non_null(strstr(seen.text, " ! Too many levels of symbolic links\n"));
    free(seen.text);
    assert_int_equal(entries("/proc/self/fd"), before);
}

static void test_ten_thousand_levels(void **state)
{
    (void)state;
    enum { LEVELS = 10000 };
    int before = entries("/proc/self/fd");
    const char *path = make_deep(LEVELS);
    struct seen seen = walk(path, everything);
    if (!seen.ok)
        fail_msg("%s", seen.error.message);
    assert_int_equal(seen.entries, 2 * LEVELS - 1);
    free(seen.text);
    assert_int_equal(count_of(fs_remove_all(path, false)), 2 * LEVELS);
    assert_int_equal(entries(scratch("")), 0);
    assert_int_equal(entries("/proc/self/fd"), before);
}

static void test_many_names_in_one_folder(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    char name[32];
    make("many");
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "many/%05d", i);
        close(open(scratch(name), O_WRONLY | O_CREAT, 0600));
    }
    struct seen seen = walk(scratch("many"), everything);
    assert_true(seen.ok);
    assert_int_equal(seen.entries, MANY);
    assert_memory_equal(seen.text, "00000\n00001\n", 12);
    free(seen.text);
    assert_int_equal(count_of(fs_remove_all(scratch("many"), false)), MANY + 1);
    assert_false(exists(scratch("many")));
}

static void test_a_walk_needs_a_folder(void **state)
{
    (void)state;
    struct seen seen = walk(scratch("missing"), everything);
    assert_false(seen.ok);
    assert_int_equal(seen.error.code, ENOENT);
    free(seen.text);
    seen = walk(scratch_write("file", "", 0), everything);
    assert_false(seen.ok);
    assert_int_equal(seen.error.code, ENOTDIR);
    free(seen.text);
}

/* For root everything is readable, so a child looks as somebody else. */
static int as_nobody(bool (*look)(void))
{
    pid_t child = fork();
    if (child == 0)
        _exit(geteuid() == 0 && setuid(65534) != 0 ? 2 : look() ? 0 : 1);
    int status = -1;
    (void)waitpid(child, &status, 0);
    return status;
}

static bool look_at_unreadable(void)
{
    struct seen seen = walk(scratch(""), everything);
    bool ok = seen.ok && strcmp(seen.text, "closed ! Permission denied\nempty ! Permission denied\nlisted\nlisted/f ! Permission denied\nlocked ! Permission denied\nopen\n") == 0;
    free(seen.text);
    struct fs_job *fs = run(fs_remove_all(scratch("closed"), false));
    ok = ok && !fs->ok && fs->error.code == EACCES;
    fs->job.release(&fs->job);
    ok = ok && count_of(fs_remove_all(scratch("empty"), false)) == 1; /* an empty one need not be readable to be removed */
    return ok && count_of(fs_remove_all(scratch("locked"), true)) == 3;
}

static void test_unreadable_folders_are_told_not_passed_over(void **state)
{
    (void)state;
    make("closed");
    (void)scratch_write("closed/f", "", 0);
    make("empty");
    make("listed");
    (void)scratch_write("listed/f", "", 0);
    make("locked");
    make("locked/in");
    (void)scratch_write("locked/in/f", "", 0);
    (void)scratch_write("open", "", 0);
    if (geteuid() == 0)
        assert_int_equal(lchown(scratch("closed"), 65534, 65534) | lchown(scratch("empty"), 65534, 65534) | lchown(scratch("locked"), 65534, 65534) |
                             lchown(scratch("locked/in"), 65534, 65534), 0);
    assert_int_equal(chmod(scratch(""), 0777) | chmod(scratch("closed"), 0) | chmod(scratch("empty"), 0) | chmod(scratch("listed"), 0444) |
                         chmod(scratch("locked/in"), 0555) | chmod(scratch("locked"), 0300), 0);
    assert_int_equal(as_nobody(look_at_unreadable), 0);
    assert_int_equal(chmod(scratch("closed"), 0700) | chmod(scratch("listed"), 0700), 0);
}

/* ---- removing ---- */

static void test_links_are_removed_not_followed(void **state)
{
    (void)state;
    make("keep");
    (void)scratch_write("keep/precious", "x", 1);
    make("go");
    make("go/in");
    assert_int_equal(symlink("../keep", scratch("go/link")) | symlink("../../keep/precious", scratch("go/in/link")) | symlink("keep", scratch("link")), 0);
    assert_int_equal(count_of(fs_remove_all(scratch("go"), false)), 4);
    assert_int_equal(count_of(fs_remove_all(scratch("link"), false)), 1);
    assert_int_equal(symlink("keep", scratch("link")), 0);
    assert_int_equal(count_of(fs_remove_all(scratch("link/"), false)), 1);
    assert_content(scratch("keep/precious"), "x");
    assert_int_equal(entries(scratch("")), 1);
}

static void test_what_is_not_there_is_no_failure(void **state)
{
    (void)state;
    assert_int_equal(count_of(fs_remove_all(scratch("missing"), false)), 0);
    assert_int_equal(count_of(fs_remove_all(scratch("missing/in/it"), false)), 0);
    assert_fails(fs_remove_all("/dev/null/x", false), ENOTDIR, "/dev/null/: Not a directory");
}

static void test_paths_without_a_name_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {"", "/", "//", ".", "..", "/tmp/.", "/tmp/..", "/tmp/../", "./"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_fails(fs_remove_all(paths[i], false), EINVAL, "there is no name at its end");
    (void)scratch_write("...", "", 0);
    assert_int_equal(count_of(fs_remove_all(scratch("..."), false)), 1);
}

static void test_a_folder_that_is_swapped_for_a_link_leads_nowhere(void **state)
{
    (void)state;
    struct tree tree;
    struct error e;
    make("top");
    make("top/a");
    make("keep");
    (void)scratch_write("keep/precious", "x", 1);
    assert_true(tree_open_at(&tree, scratch("top"), &e));
    assert_int_equal(tree_next(&tree, &e), TREE_NAME);
    assert_int_equal(tree_enter(&tree, false), 0);
    assert_int_equal(tree_next(&tree, &e), TREE_NAME);
    assert_string_equal(tree.path, "top/a");
    assert_int_equal(rmdir(scratch("top/a")) | symlink("../keep", scratch("top/a")), 0);
    int code = tree_enter(&tree, false);
    assert_true(code == ENOTDIR || code == ELOOP);
    tree_close(&tree);
}

static void test_a_folder_that_is_moved_away_is_not_gone_up_from(void **state)
{
    (void)state;
    struct tree tree;
    struct error e;
    enum tree_step step;
    make_deep(50); /* so deep that the uppermost are closed */
    make("elsewhere");
    assert_true(tree_open_at(&tree, scratch("d"), &e));
    bool moved = false;
    while ((step = tree_next(&tree, &e)) != TREE_FAILED && step != TREE_END) {
        assert_false(moved && step == TREE_LEFT && tree.level <= 2);
        if (step == TREE_NAME && strcmp(tree.name, "d") == 0)
            assert_int_equal(tree_enter(&tree, false), 0);
        if (tree.level == 50 && !moved) {
            moved = true;
            assert_int_equal(rename(scratch("d/d/d"), scratch("elsewhere/d")), 0);
        }
    }
    assert_true(moved);
    assert_int_equal(step, TREE_FAILED);
    assert_int_equal(e.code, ESTALE);
    tree_close(&tree);
}

static void test_a_cancelled_removal_stops(void **state)
{
    (void)state;
    make("a");
    struct fs_job *fs = fs_remove_all(scratch("a"), false);
    atomic_store(&fs->job.cancelled, true);
    assert_fails(fs, ECANCELED, "cancelled");
    assert_true(exists(scratch("a")));
}

/* ---- folders ---- */

static void test_folders_are_made_as_far_as_they_are_missing(void **state)
{
    (void)state;
    struct stat status;
    mode_t mask = umask(022);
    assert_int_equal(count_of(fs_make_dirs(scratch("a/b//c///"), 0701)), 3);
    assert_int_equal(count_of(fs_make_dirs(scratch("a/b/c"), FS_USUAL_MODE)), 0);
    assert_int_equal(count_of(fs_make_dirs(scratch("a/b/../x"), FS_USUAL_MODE)), 1);
    assert_int_equal(count_of(fs_make_dirs("/", FS_USUAL_MODE)), 0);
    umask(mask);
    assert_int_equal(stat(scratch("a/b"), &status), 0);
    assert_int_equal(status.st_mode & 07777u, 0755);
    assert_int_equal(stat(scratch("a/b/c"), &status), 0);
    assert_int_equal(status.st_mode & 07777u, 0701);
    assert_int_equal(symlink("a", scratch("link")), 0);
    assert_int_equal(count_of(fs_make_dirs(scratch("link/new"), FS_USUAL_MODE)), 1);
    (void)scratch_write("file", "", 0);
    assert_fails(fs_make_dirs(scratch("file"), FS_USUAL_MODE), ENOTDIR, "making ");
    assert_fails(fs_make_dirs(scratch("file/x"), FS_USUAL_MODE), ENOTDIR, "making ");
    assert_fails(fs_make_dirs("", FS_USUAL_MODE), ENOENT, "making ");
    assert_fails(fs_make_dirs("/proc/no/folder", FS_USUAL_MODE), ENOENT, "making /proc/no: ");
}

/* ---- files ---- */

static void test_files_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    char large[700000];
    memset(large, 'x', sizeof large);
    const char *path = scratch_write("large", large, sizeof large);
    struct fs_job *fs = run(fs_read(path, sizeof large));
    assert_true(fs->ok);
    assert_int_equal(fs->bytes.length, sizeof large);
    assert_memory_equal(fs->bytes.data, large, sizeof large);
    fs->job.release(&fs->job);
    assert_fails(fs_read(path, sizeof large - 1), EFBIG, "it has more than 699,999 bytes");
    fs = run(fs_read(scratch_write("empty", "", 0), 0));
    assert_true(fs->ok && fs->bytes.length == 0);
    fs->job.release(&fs->job);
    fs = run(fs_read("/proc/self/status", 1 << 20));
    assert_true(fs->ok && fs->bytes.length > 100);
    fs->job.release(&fs->job);
    assert_fails(fs_read("/dev/zero", 1000), EFBIG, "it has more than 1,000 bytes");
    assert_fails(fs_read(scratch(""), 1000), EISDIR, "reading ");
    assert_fails(fs_read(scratch("missing"), 1000), ENOENT, "opening ");
    assert_int_equal(mkfifo(scratch("fifo"), 0600), 0);
    assert_fails(fs_read(scratch("fifo"), 1000), EINVAL, "it is a pipe or a socket");
    static const int codes[] = {EIO, EINTR, 0};
    for (int i = 0; i < 3; i++) {
        fs = fs_read(path, sizeof large);
        fault.call = "read", fault.at = 2, fault.code = codes[i];
        run(fs);
        assert_null(fault.call);
        assert_int_equal(fs->ok, i > 0);
        if (fs->ok)
            assert_int_equal(fs->bytes.length, sizeof large);
        fs->job.release(&fs->job);
    }
}

static void test_a_file_is_written_whole(void **state)
{
    (void)state;
    struct stat status;
    mode_t mask = umask(027);
    const char *path = scratch("file");
    (void)count_of(fs_write(path, "one", 3, FS_USUAL_MODE, false));
    assert_content(path, "one");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777u, 0640);
    (void)count_of(fs_write(path, "two!", 4, 0644, true));
    assert_content(path, "two!");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777u, 0644);
    umask(mask);
    assert_int_equal(symlink("file", scratch("link")), 0);
    (void)count_of(fs_write(scratch("link"), "", 0, FS_USUAL_MODE, false));
    assert_content(path, "two!"); /* the link is replaced, not what it points to */
    assert_content(scratch("link"), "");
    make("folder");
    assert_fails(fs_write(scratch("folder"), "x", 1, FS_USUAL_MODE, false), EISDIR, "writing ");
    assert_fails(fs_write(scratch("missing/x"), "x", 1, FS_USUAL_MODE, false), ENOENT, "creating ");
    assert_fails(fs_write("", "x", 1, FS_USUAL_MODE, false), ENOENT, "creating ");
    assert_int_equal(entries(scratch("")), 3);
}

static void test_a_write_that_fails_leaves_the_file_as_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        int at, code;
    } cases[] = {{"write", 1, ENOSPC}, {"write", 2, EDQUOT}, {"fchmod", 1, EPERM}, {"fsync", 1, EIO}, {"close", 1, EIO}, {"rename", 1, EACCES}};
    char *large = calloc(1, 600000);
    assert_non_null(large);
    const char *path = scratch_write("file", "old", 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fs_job *fs = fs_write(path, large, 600000, 0600, true);
        fault.call = cases[i].call, fault.at = cases[i].at, fault.code = cases[i].code;
        assert_fails(fs, cases[i].code, path);
        assert_null(fault.call);
        assert_content(path, "old");
        assert_int_equal(entries(scratch("")), 1);
    }
    struct fs_job *fs = fs_write(path, large, 600000, 0600, true);
    atomic_store(&fs->job.cancelled, true);
    assert_fails(fs, ECANCELED, path);
    assert_content(path, "old");
    assert_int_equal(entries(scratch("")), 1);
    fault.call = "write", fault.at = 1, fault.code = EINTR;
    (void)count_of(fs_write(path, "new", 3, 0600, false));
    fault.call = "write", fault.at = 1, fault.code = 0;
    (void)count_of(fs_write(path, "new", 3, 0600, false));
    assert_content(path, "new");
    free(large);
}

/* ---- without memory ---- */

static struct fs_job *make_read(void) { return fs_read(scratch("a/f"), 100); }
static struct fs_job *make_write(void) { return fs_write(scratch("w"), "x", 1, FS_USUAL_MODE, false); }
static struct fs_job *make_remove(void) { return fs_remove_all(scratch("gone"), false); }
static struct fs_job *make_folders(void) { return fs_make_dirs(scratch("m"), FS_USUAL_MODE); }

static void test_without_memory_it_says_so(void **state)
{
    (void)state;
    struct fs_job *(*const makers[])(void) = {make_read, make_write, make_remove, make_folders};
    int before = entries("/proc/self/fd");
    make("a");
    make("a/b");
    (void)scratch_write("a/f", "x", 1);
    assert_int_equal(symlink("b", scratch("a/l")), 0);
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        for (long n = 1;; n++) {
            struct stat status;
            if (stat(scratch("gone"), &status) != 0)
                make("gone");
            (void)scratch_write("gone/f", "x", 1);
            faults_memory(n, false);
            struct fs_job *fs = makers[i]();
            if (fs != NULL)
                fs->job.work(&fs->job);
            bool all = faults_seen() < n;
            faults_memory(0, false);
            if (fs != NULL && !fs->ok)
                assert_int_equal(fs->error.code, ENOMEM);
            bool done = fs != NULL && fs->ok && all;
            if (fs != NULL)
                fs->job.release(&fs->job);
            if (done)
                break;
            assert_true(n < 100);
        }
    for (long n = 1;; n++) {
        faults_memory(n, false);
        struct fs_walk *job = fs_walk(scratch("a"), following);
        if (job != NULL)
            job->job.work(&job->job);
        bool all = faults_seen() < n, ok = job != NULL && job->ok;
        faults_memory(0, false);
        if (job != NULL && !job->ok)
            assert_int_equal(job->error.code, ENOMEM);
        if (ok && all)
            assert_int_equal(job->count, 3);
        if (job != NULL)
            job->job.release(&job->job);
        if (ok && all)
            break;
        assert_true(n < 100);
    }
    assert_int_equal(entries("/proc/self/fd"), before);
}

int main(void)
{
#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH(test_names_come_in_order_with_what_is_in_them),
        SCRATCH(test_links_are_kept_or_followed_but_never_in_a_circle),
        SCRATCH(test_followed_links_are_left_where_they_were_entered),
        SCRATCH(test_links_that_fan_out_end_somewhere),
        SCRATCH(test_ten_thousand_levels),
        SCRATCH(test_many_names_in_one_folder),
        SCRATCH(test_a_walk_needs_a_folder),
        SCRATCH(test_unreadable_folders_are_told_not_passed_over),
        SCRATCH(test_links_are_removed_not_followed),
        SCRATCH(test_what_is_not_there_is_no_failure),
        SCRATCH(test_paths_without_a_name_are_refused),
        SCRATCH(test_a_folder_that_is_swapped_for_a_link_leads_nowhere),
        SCRATCH(test_a_folder_that_is_moved_away_is_not_gone_up_from),
        SCRATCH(test_a_cancelled_removal_stops),
        SCRATCH(test_folders_are_made_as_far_as_they_are_missing),
        SCRATCH(test_files_are_read_whole_or_not_at_all),
        SCRATCH(test_a_file_is_written_whole),
        SCRATCH(test_a_write_that_fails_leaves_the_file_as_it_was),
        SCRATCH(test_without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
