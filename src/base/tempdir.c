/* The run directory: see tempdir.h.
 *
 * The lock is an flock on the directory itself.  A sweeper may take the lock of a directory in the moment between its
 * creation and its locking; the creator then finds it locked, or gone, and makes another one. */
#include "base/tempdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_LIMIT = 64 }; /* of directories that a handler may have made in it */

/* Only a directory that holds this file is ever swept: somebody's own /tmp/ocm-my-things looks the same from outside. */
static const char marker[] = ".ocmlua-run";

enum { SOCKET_PATH_MAX = 107, OWN_NAME_MAX = sizeof "/ocm--XXXXXX/socket" + 32 };

/* $TMPDIR, or /tmp when it is missing, no folder that we can write to, or too long for the path of a socket in it. */
static const char *parent(void)
{
    const char *dir = getenv("TMPDIR");
    bool usable = dir != NULL && dir[0] == '/' && strlen(dir) + OWN_NAME_MAX <= SOCKET_PATH_MAX && access(dir, W_OK | X_OK) == 0;
    return usable ? dir : "/tmp";
}

bool tempdir_create(struct tempdir *dir, const char *id, struct error *e)
{
    char name[33];
    size_t used = 0;
    for (; id[used] != '\0' && used < sizeof name - 1; used++) {
        char c = id[used];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
        name[used] = plain ? c : '_';
    }
    name[used] = '\0';
    for (int attempt = 0; attempt < 100; attempt++) {
        dir->fd = -1;
        if ((size_t)snprintf(dir->path, sizeof dir->path, "%s/ocm-%s-XXXXXX", parent(), name) >= sizeof dir->path)
            return error_set(e, ENAMETOOLONG, "$TMPDIR is too long");
        if (mkdtemp(dir->path) == NULL)
            return error_errno(e, errno, "creating the run directory %s", dir->path);
        (void)chmod(dir->path, 0700); /* the umask may have taken rights from its owner */
        int fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat mine, there;
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 && stat(dir->path, &there) == 0 && mine.st_ino == there.st_ino) {
            int mark = openat(fd, marker, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
            if (mark < 0) {
                error_errno(e, errno, "writing to the run directory %s", dir->path);
                (void)rmdir(dir->path);
                close(fd);
                return false;
            }
            close(mark);
            dir->fd = fd;
            return true;
        }
        if (fd >= 0)
            close(fd); /* swept in between */
    }
    return error_set(e, EAGAIN, "creating a run directory below %s: none stayed", parent());
}

void tempdir_empty(int fd, int depth)
{
    DIR *entries = fdopendir(fd);
    if (entries == NULL) {
        close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(entries), entry->d_name, 0) == 0 || depth == 0)
            continue;
        (void)fchmodat(dirfd(entries), entry->d_name, 0700, AT_SYMLINK_NOFOLLOW); /* out of a read-only folder nothing can be removed */
        int inner = openat(dirfd(entries), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner < 0)
            continue;
        tempdir_empty(inner, depth - 1);
        (void)unlinkat(dirfd(entries), entry->d_name, AT_REMOVEDIR);
    }
    closedir(entries);
}

/* Removes the run directory of that name if nobody holds its lock. */
static bool remove_if_dead(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct stat status;
    int contents = -1;
    bool dead = fstat(fd, &status) == 0 && status.st_uid == geteuid() && faccessat(fd, marker, F_OK, 0) == 0 &&
                flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (dead && (contents = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0) {
        tempdir_empty(contents, DEPTH_LIMIT);
        dead = unlinkat(parent_fd, name, AT_REMOVEDIR) == 0;
    }
    close(fd);
    return dead;
}

size_t tempdir_sweep(const struct tempdir *dir)
{
    size_t removed = 0;
    DIR *entries = opendir(parent());
    if (entries == NULL)
        return 0;
    const char *own = strrchr(dir->path, '/') + 1;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        const char *name = entry->d_name;
        size_t length = strlen(name);
        if (strncmp(name, "ocm-", 4) == 0 && length > 11 && name[length - 7] == '-' && strcmp(name, own) != 0 && remove_if_dead(dirfd(entries), name))
            removed++;
    }
    closedir(entries);
    return removed;
}

static bool fill_template(const struct tempdir *dir, const char *name, char *path, size_t size, struct error *e)
{
    return (size_t)snprintf(path, size, "%s/%s-XXXXXX", dir->path, name) < size || error_set(e, ENAMETOOLONG, "the run directory's path is too long");
}

int tempdir_file(const struct tempdir *dir, char *path, size_t size, struct error *e)
{
    if (!fill_template(dir, "file", path, size, e))
        return -1;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        error_errno(e, errno, "creating a temporary file in %s", dir->path);
    return fd;
}

bool tempdir_directory(const struct tempdir *dir, char *path, size_t size, struct error *e)
{
    if (!fill_template(dir, "dir", path, size, e))
        return false;
    return mkdtemp(path) != NULL || error_errno(e, errno, "making a temporary directory in %s", dir->path);
}

void tempdir_remove(struct tempdir *dir)
{
    if (dir->fd < 0)
        return;
    int contents = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (contents >= 0)
        tempdir_empty(contents, DEPTH_LIMIT);
    (void)rmdir(dir->path);
    close(dir->fd);
    dir->fd = -1;
}
