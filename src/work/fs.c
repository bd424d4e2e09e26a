/* Files and folders: see fs.h. All but the creators: worker threads. */
#include "work/fs.h"
#include "base/beside.h"
#include "work/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AT_ONCE = 256 * 1024, BATCH_ENTRIES = 512, BATCH_BYTES = 256 * 1024 };

static bool cancelled(struct job *job) { return atomic_load_explicit(&job->cancelled, memory_order_relaxed); }

static void work(struct job *job)
{
    struct fs_job *fs = (struct fs_job *)job;
    fs->ok = fs->act(fs);
}

static void release(struct job *job)
{
    struct fs_job *fs = (struct fs_job *)job;
    free(fs->path);
    buffer_free(&fs->bytes);
    free(fs);
}

static struct fs_job *create(const char *path, bool (*act)(struct fs_job *))
{
    struct fs_job *fs = calloc(1, sizeof *fs);
    if (fs == NULL)
        return NULL;
    fs->job.work = work;
    fs->job.release = release;
    fs->act = act;
    fs->path = strdup(path);
    if (fs->path != NULL)
        return fs;
    free(fs);
    return NULL;
}

static bool fail(struct fs_job *fs, const char *what) { return error_errno(&fs->error, errno, "%s %s", what, fs->path); }

/* ---- read ---- */

static bool read_open_file(struct fs_job *fs, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return fail(fs, "reading");
    if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))
        return error_set(&fs->error, EINVAL, "reading %s: it is a pipe or a socket", fs->path);
    for (;;) { /* whatever its size is said to be: there is none in /proc, and it may grow */
        size_t length = fs->bytes.length, want = length < fs->limit ? fs->limit - length : 1; /* 1: is that all? */
        char count[COUNT_SIZE];
        if (cancelled(&fs->job))
            return error_set(&fs->error, ECANCELED, "reading %s: cancelled", fs->path);
        if (want > AT_ONCE)
            want = AT_ONCE;
        if (!buffer_reserve(&fs->bytes, want))
            return error_set(&fs->error, ENOMEM, "reading %s: out of memory", fs->path);
        ssize_t got = read(fd, fs->bytes.data + length, want);
        if (got < 0 && errno != EINTR)
            return fail(fs, "reading");
        if (got == 0)
            return true;
        fs->bytes.length += got > 0 ? (size_t)got : 0;
        if (fs->bytes.length > fs->limit)
            return error_set(&fs->error, EFBIG, "reading %s: it has more than %s bytes", fs->path, count_text(fs->limit, count));
    }
}

static bool act_read(struct fs_job *fs)
{
    int fd = open(fs->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail(fs, "opening");
    bool ok = read_open_file(fs, fd);
    close(fd);
    return ok;
}

struct fs_job *fs_read(const char *path, size_t limit)
{
    struct fs_job *fs = create(path, act_read);
    if (fs != NULL)
        fs->limit = limit;
    return fs;
}

/* ---- write ---- */

static bool write_bytes(struct fs_job *fs, int fd)
{
    for (size_t at = 0; at < fs->bytes.length;) {
        size_t left = fs->bytes.length - at;
        if (cancelled(&fs->job)) {
            errno = ECANCELED;
            return false;
        }
        ssize_t written = write(fd, fs->bytes.data + at, left < AT_ONCE ? left : AT_ONCE);
        if (written < 0 && errno != EINTR)
            return false;
        at += written > 0 ? (size_t)written : 0;
    }
    return (fs->mode == FS_USUAL_MODE || fchmod(fd, fs->mode) == 0) && (!fs->sync || fsync(fd) == 0);
}

/* The name is in the folder when the folder is on the disk. */
static bool sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = ".";
    if (slash != NULL && (size_t)(slash - path) + 2 <= sizeof folder)
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path + 1), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int code = errno;
    if (fd >= 0)
        close(fd);
    errno = code;
    return ok;
}

static bool act_write(struct fs_job *fs)
{
    char beside[PATH_MAX];
    struct stat status;
    if (lstat(fs->path, &status) == 0 && S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return fail(fs, "writing");
    }
    mode_t mode = fs->mode == FS_USUAL_MODE ? 0666 : 0600; /* nobody else reads it before its mode is the wanted one */
    int fd = beside_create(fs->path, mode, beside, sizeof beside);
    if (fd < 0)
        return fail(fs, "creating");
    bool ok = write_bytes(fs, fd) || fail(fs, "writing");
    if (close(fd) != 0 && ok)
        ok = fail(fs, "writing");
    if (ok && rename(beside, fs->path) != 0)
        ok = fail(fs, "creating");
    if (!ok)
        (void)unlink(beside);
    return ok && (!fs->sync || sync_folder(fs->path) || fail(fs, "writing"));
}

struct fs_job *fs_write(const char *path, const char *bytes, size_t length, mode_t mode, bool sync)
{
    struct fs_job *fs = create(path, act_write);
    if (fs == NULL)
        return NULL;
    fs->mode = mode;
    fs->sync = sync;
    if (buffer_append(&fs->bytes, bytes, length))
        return fs;
    release(&fs->job);
    return NULL;
}

/* ---- make_dirs ---- */

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* `last`: it is the folder that was asked for. */
static bool make_one(struct fs_job *fs, bool last)
{
    bool usual = !last || fs->mode == FS_USUAL_MODE;
    if (mkdir(fs->path, usual ? 0777 : 0700) == 0) {
        fs->count++;
        return usual || chmod(fs->path, fs->mode) == 0;
    }
    int code = errno;
    bool there = (code == EEXIST || code == EISDIR || code == EROFS || code == EACCES || code == EPERM) && is_folder(fs->path);
    errno = code == EEXIST ? ENOTDIR : code;
    return there;
}

static bool act_make_dirs(struct fs_job *fs)
{
    char *path = fs->path;
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        path[--length] = '\0';
    for (size_t i = 1; i < length; i++) {
        if (path[i] != '/' || path[i - 1] == '/')
            continue;
        path[i] = '\0';
        bool ok = make_one(fs, false) || fail(fs, "making");
        path[i] = '/';
        if (!ok)
            return false;
    }
    return make_one(fs, true) || fail(fs, "making");
}

struct fs_job *fs_make_dirs(const char *path, mode_t mode)
{
    struct fs_job *fs = create(path, act_make_dirs);
    if (fs != NULL)
        fs->mode = mode;
    return fs;
}

/* ---- remove_all ---- */

static bool removal_fails(struct fs_job *fs, const struct tree *tree, int code)
{
    const char *slash = strchr(tree->path, '/'); /* the root's name is the path's last one */
    return error_errno(&fs->error, code, "removing %s%s", fs->path, slash != NULL ? slash : "");
}

static bool remove_name(struct fs_job *fs, struct tree *tree)
{
    if (unlinkat(tree->dir, tree->name, 0) == 0) {
        fs->count++;
        return true;
    }
    if (errno == ENOENT)
        return true;
    int code = errno, entering;
    if (code != EISDIR && code != EPERM) /* EPERM: what POSIX has for folders */
        return removal_fails(fs, tree, code);
    if (fs->unlock) /* out of a read-only folder nothing can be removed; of another's it fails, and is told then */
        (void)fchmodat(tree->dir, tree->name, 0700, AT_SYMLINK_NOFOLLOW);
    if ((entering = tree_enter(tree, false)) == 0)
        return true;
    if (unlinkat(tree->dir, tree->name, AT_REMOVEDIR) == 0) { /* an empty one need not be readable */
        fs->count++;
        return true;
    }
    return errno == ENOENT || removal_fails(fs, tree, entering == ENOTDIR ? code : entering);
}

static bool act_remove_all(struct fs_job *fs)
{
    struct tree tree;
    bool ok = tree_open_at(&tree, fs->path, &fs->error);
    if (!ok) {
        tree_close(&tree);
        return fs->error.code == ENOENT; /* without its folder it is not there, either */
    }
    enum tree_step step = TREE_NAME;
    while (ok && step != TREE_END) {
        if (cancelled(&fs->job))
            ok = error_set(&fs->error, ECANCELED, "removing %s: cancelled", fs->path);
        else if ((step = tree_next(&tree, &fs->error)) == TREE_NAME)
            ok = remove_name(fs, &tree);
        else if (step == TREE_FAILED)
            ok = false;
        else if (step == TREE_LEFT && unlinkat(tree.dir, tree.name, AT_REMOVEDIR) == 0)
            fs->count++;
        else if (step == TREE_LEFT && errno != ENOENT)
            ok = removal_fails(fs, &tree, errno);
    }
    tree_close(&tree);
    return ok;
}

struct fs_job *fs_remove_all(const char *path, bool unlock)
{
    struct fs_job *fs = create(path, act_remove_all);
    if (fs != NULL)
        fs->unlock = unlock;
    return fs;
}

/* ---- walk ---- */

static void free_entries(struct fs_walk *walk)
{
    for (size_t i = 0; i < walk->count; i++) {
        free(walk->entries[i].path);
        free(walk->entries[i].target);
    }
    free(walk->entries);
    walk->entries = NULL;
    walk->count = 0;
}

static bool read_target(const struct tree *tree, struct fs_entry *entry)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(tree->dir, tree->name, target, sizeof target);
    if (length < 0)
        return true; /* it has gone, or changed, meanwhile */
    entry->target = strndup(target, (size_t)length);
    return entry->target != NULL;
}

/* Adds the name that the tree is at, and enters it where it is a folder to be walked. *gone: it is no longer there. */
static bool add_entry(struct fs_walk *walk, bool *gone)
{
    struct tree *tree = &walk->tree;
    struct fs_entry *entry = &walk->entries[walk->count];
    *entry = (struct fs_entry){0};
    *gone = fstatat(tree->dir, tree->name, &entry->status, AT_SYMLINK_NOFOLLOW) != 0;
    if (*gone && errno != ENOENT) { /* a folder may be read, but not searched: then its names are all there is to tell */
        entry->code = errno;
        *gone = false;
    }
    if (*gone)
        return true;
    entry->path = strdup(tree->path);
    if (entry->path == NULL)
        return error_set(&walk->error, ENOMEM, "out of memory");
    walk->count++;
    if (S_ISLNK(entry->status.st_mode)) {
        struct stat status;
        if (!read_target(tree, entry))
            return error_set(&walk->error, ENOMEM, "out of memory");
        if (walk->options.follow && fstatat(tree->dir, tree->name, &status, 0) == 0) /* else it points nowhere, and stays a link */
            entry->status = status;
    }
    if (!S_ISDIR(entry->status.st_mode) || tree->level >= walk->options.depth)
        return true;
    entry->code = tree_enter(tree, walk->options.follow);
    return entry->code != ENOMEM || error_set(&walk->error, ENOMEM, "out of memory");
}

static bool walk_on(struct fs_walk *walk)
{
    size_t bytes = 0;
    if (!walk->opened && !tree_open(&walk->tree, walk->path, true, &walk->error))
        return false;
    walk->opened = true;
    walk->entries = calloc(BATCH_ENTRIES, sizeof *walk->entries);
    if (walk->entries == NULL)
        return error_set(&walk->error, ENOMEM, "out of memory");
    while (walk->count < BATCH_ENTRIES && bytes < BATCH_BYTES) {
        bool gone = false;
        if (cancelled(&walk->job))
            return error_set(&walk->error, ECANCELED, "walking %s: cancelled", walk->path);
        enum tree_step step = tree_next(&walk->tree, &walk->error);
        walk->end = step == TREE_END;
        if (walk->end)
            return true;
        if (step == TREE_FAILED)
            return false;
        if (step == TREE_LEFT || (!walk->options.hidden && walk->tree.name[0] == '.'))
            continue;
        if (!add_entry(walk, &gone))
            return false;
        bytes += gone ? 0 : strlen(walk->entries[walk->count - 1].path);
    }
    return true;
}

static void walk_work(struct job *job)
{
    struct fs_walk *walk = (struct fs_walk *)job;
    walk->ok = walk_on(walk);
}

static void walk_release(struct job *job)
{
    struct fs_walk *walk = (struct fs_walk *)job;
    tree_close(&walk->tree);
    free_entries(walk);
    free(walk->path);
    free(walk);
}

void fs_walk_again(struct fs_walk *walk)
{
    free_entries(walk);
    walk->ok = false;
}

struct fs_walk *fs_walk(const char *path, struct fs_walk_options options)
{
    struct fs_walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL)
        return NULL;
    walk->job.work = walk_work;
    walk->job.release = walk_release;
    walk->tree.dir = -1;
    walk->options = options;
    walk->path = strdup(path);
    if (walk->path != NULL)
        return walk;
    free(walk);
    return NULL;
}
