/* See extract.h.  The directory of the last entry stays open: entries mostly follow their neighbours. */
#include "work/extract.h"
#include "base/buffer.h"
#include "base/tempdir.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct extract {
    char *directory;
    bool overwrite, keep_modes, exists; /* exists: the target does */
    unsigned strip;
    int above;              /* the directory that the stage is in: the target, or its parent; -1: not open */
    int stage;              /* the fresh directory; -1: there is none */
    char name[64];          /* its name in `above` */
    struct buffer parent;   /* of the last entry: its path, no slash at its end; "" is the stage itself */
    int parent_fd;          /* -1: none is open; may be the stage's */
    struct buffer place;    /* of the entry at hand: normalised, NUL-terminated */
};

/* ---- errors ---- */

static bool fail(const char *name, struct error *e, int code, const char *why)
{
    char text[NAME_TEXT_SIZE];
    return error_set(e, code, "entry \"%s\": %s", name_text(name, text), why);
}

static bool fail_errno(const char *name, struct error *e) { return fail(name, e, errno, strerror(errno)); }

/* ---- the fresh directory ---- */

struct extract *extract_create(const char *directory, bool overwrite, bool keep_modes, unsigned strip)
{
    struct extract *x = calloc(1, sizeof *x);
    if (x == NULL)
        return NULL;
    x->overwrite = overwrite;
    x->keep_modes = keep_modes;
    x->strip = strip;
    x->above = x->stage = x->parent_fd = -1;
    x->directory = strdup(directory);
    if (x->directory == NULL) {
        free(x);
        return NULL;
    }
    size_t length = strlen(directory);
    while (length > 1 && x->directory[length - 1] == '/')
        x->directory[--length] = '\0';
    return x;
}

/* Opens the target, or, where there is none, its parent. */
static bool open_above(struct extract *x, struct error *e)
{
    x->above = open(x->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    x->exists = x->above >= 0;
    if (x->exists)
        return true;
    if (errno != ENOENT)
        return error_errno(e, errno, "opening %s", x->directory);
    const char *slash = strrchr(x->directory, '/');
    char *parent = slash == NULL ? strdup(".") : strndup(x->directory, slash > x->directory ? (size_t)(slash - x->directory) : 1);
    if (parent == NULL)
        return error_set(e, ENOMEM, "out of memory");
    x->above = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = errno;
    free(parent);
    return x->above >= 0 || error_errno(e, code, "making %s", x->directory);
}

bool extract_open(struct extract *x, struct error *e)
{
    static atomic_uint serial;
    if (!open_above(x, e))
        return false;
    int made;
    do
        (void)snprintf(x->name, sizeof x->name, ".ocmlua-%d-%u.part", (int)getpid(), atomic_fetch_add(&serial, 1));
    while ((made = mkdirat(x->above, x->name, 0777)) != 0 && errno == EEXIST);
    if (made == 0)
        x->stage = openat(x->above, x->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (x->stage >= 0)
        return true;
    (void)error_errno(e, errno, "making a directory %s %s", x->exists ? "in" : "beside", x->directory);
    if (made == 0)
        (void)unlinkat(x->above, x->name, AT_REMOVEDIR);
    return false;
}

static void forget_parent(struct extract *x)
{
    if (x->parent_fd >= 0 && x->parent_fd != x->stage)
        close(x->parent_fd);
    x->parent_fd = -1;
}

void extract_free(struct extract *x)
{
    if (x == NULL)
        return;
    forget_parent(x);
    if (x->stage >= 0) {
        tempdir_empty(x->stage, EXTRACT_DEPTH);
        (void)unlinkat(x->above, x->name, AT_REMOVEDIR);
    }
    if (x->above >= 0)
        close(x->above);
    buffer_free(&x->parent);
    buffer_free(&x->place);
    free(x->directory);
    free(x);
}

/* ---- names ---- */

/* Normalises an entry's name into *out: no empty components, no ".", the first `strip` dropped.  "" where nothing is left. */
static bool normalise(const struct extract *x, const char *name, struct buffer *out, struct error *e)
{
    unsigned components = 0;
    buffer_clear(out);
    if (*name == '/')
        return fail(name, e, EPERM, "an absolute name is refused");
    for (const char *at = name; *at != '\0';) {
        size_t length = strcspn(at, "/");
        if (length == 2 && at[0] == '.' && at[1] == '.')
            return fail(name, e, EPERM, "a name with \"..\" is refused");
        if (length > 0 && !(length == 1 && *at == '.') && ++components > x->strip)
            if ((out->length > 0 && !buffer_add(out, '/')) || !buffer_append(out, at, length))
                return fail(name, e, ENOMEM, "out of memory");
        at += length;
        at += *at == '/';
    }
    if (components > EXTRACT_DEPTH)
        return fail(name, e, ENAMETOOLONG, "it is more than 256 directories deep");
    return buffer_add(out, '\0') || fail(name, e, ENOMEM, "out of memory");
}

static bool make_directory(const struct extract *x, int fd, const char *name, unsigned mode)
{
    return mkdirat(fd, name, mode) == 0 && (!x->keep_modes || fchmodat(fd, name, mode, 0) == 0);
}

/* Opens the directory `length` bytes of the normalised path name, below the stage; makes what is missing.  -1: errno says why. */
static int walk(const struct extract *x, const char *path, size_t length, bool make)
{
    int fd = x->stage;
    for (size_t at = 0; at < length;) {
        char component[NAME_MAX + 1];
        size_t end = at;
        while (end < length && path[end] != '/')
            end++;
        bool fits = end - at < sizeof component;
        if (fits) {
            memcpy(component, path + at, end - at);
            component[end - at] = '\0';
        }
        int inner = -1;
        errno = ENAMETOOLONG;
        if (fits) {
            inner = openat(fd, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (inner < 0 && errno == ENOENT && make && make_directory(x, fd, component, x->keep_modes ? 0755 : 0777))
                inner = openat(fd, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        int code = errno;
        if (fd != x->stage)
            close(fd);
        errno = code;
        if (inner < 0)
            return -1;
        fd = inner;
        at = end + 1;
    }
    return fd;
}

/* Normalises the name and opens the directory that it is in: x->parent_fd. *last: its last component; "": there is nothing to do. */
static bool place(struct extract *x, const char *name, const char **last, struct error *e)
{
    if (!normalise(x, name, &x->place, e))
        return false;
    const char *path = x->place.data, *slash = strrchr(path, '/');
    size_t length = slash != NULL ? (size_t)(slash - path) : 0;
    *last = slash != NULL ? slash + 1 : path;
    if (x->parent_fd >= 0 && x->parent.length == length && (length == 0 || memcmp(x->parent.data, path, length) == 0))
        return true;
    forget_parent(x);
    x->parent_fd = walk(x, path, length, true);
    if (x->parent_fd < 0)
        return errno == ENOTDIR || errno == ELOOP ? fail(name, e, ENOTDIR, "what it is in is no directory, but a link or a file") : fail_errno(name, e);
    buffer_clear(&x->parent);
    if (buffer_append(&x->parent, path, length))
        return true;
    forget_parent(x);
    return fail(name, e, ENOMEM, "out of memory");
}

/* Something has that name already: an entry of the same archive. True: it is gone, try again. */
static bool replace(struct extract *x, const char *last, const char *name, struct error *e)
{
    if (errno != EEXIST)
        return fail_errno(name, e);
    if (!x->overwrite)
        return fail(name, e, EEXIST, "the archive has it twice");
    return unlinkat(x->parent_fd, last, 0) == 0 || fail_errno(name, e);
}

/* ---- entries ---- */

bool extract_directory(struct extract *x, const char *name, unsigned mode, struct error *e)
{
    const char *last;
    struct stat status;
    if (!place(x, name, &last, e))
        return false;
    if (*last == '\0')
        return true;
    mode = (mode & 0777) | 0700;
    if (make_directory(x, x->parent_fd, last, mode))
        return true;
    if (errno != EEXIST)
        return fail_errno(name, e);
    if (fstatat(x->parent_fd, last, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(status.st_mode))
        return fail(name, e, ENOTDIR, "the archive has it twice, and once it is no directory");
    /* it was made for an entry in it, or before: its permissions are the last ones, less the umask, which that directory shows */
    mode &= x->keep_modes ? 0777 : status.st_mode | 0700;
    return fchmodat(x->parent_fd, last, mode, 0) == 0 || fail_errno(name, e);
}

bool extract_file(struct extract *x, const char *name, unsigned mode, int *fd, struct error *e)
{
    const char *last;
    *fd = -1;
    if (!place(x, name, &last, e))
        return false;
    if (*last == '\0')
        return true;
    while ((*fd = openat(x->parent_fd, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0777)) < 0)
        if (!replace(x, last, name, e))
            return false;
    if (!x->keep_modes || fchmod(*fd, mode & 0777) == 0)
        return true;
    (void)fail_errno(name, e);
    close(*fd);
    *fd = -1;
    return false;
}

/* Whether a symbolic link in a directory so many components deep stays inside, whatever other such links do. */
static bool stays(const char *target, size_t depth)
{
    bool in_front = true;
    if (*target == '/' || *target == '\0')
        return false;
    while (*target != '\0') {
        size_t length = strcspn(target, "/");
        if (length == 2 && target[0] == '.' && target[1] == '.') {
            if (!in_front || depth-- == 0)
                return false;
        } else if (length > 1 || (length == 1 && *target != '.')) {
            in_front = false;
        }
        target += length;
        target += *target == '/';
    }
    return true;
}

bool extract_symbolic_link(struct extract *x, const char *name, const char *target, struct error *e)
{
    const char *last;
    char text[NAME_TEXT_SIZE], other[NAME_TEXT_SIZE];
    size_t depth = 0;
    if (!place(x, name, &last, e))
        return false;
    if (*last == '\0')
        return true;
    for (const char *at = x->place.data; at < last; at++)
        depth += *at == '/';
    if (!stays(target, depth))
        return error_set(e, EPERM, "entry \"%s\": its link to \"%s\" leads outside, or might", name_text(name, text), name_text(target, other));
    while (symlinkat(target, x->parent_fd, last) != 0)
        if (!replace(x, last, name, e))
            return false;
    return true;
}

/* Opens the directory that a hard link's target is in; the target's last component to `last`, its size to *size. */
static int open_target(struct extract *x, const char *name, const char *target, char last[NAME_MAX + 1], uint64_t *size, struct error *e)
{
    char text[NAME_TEXT_SIZE], other[NAME_TEXT_SIZE];
    struct buffer path = {0};
    struct error why;
    struct stat status;
    int fd = -1;
    bool ok = normalise(x, target, &path, &why);
    if (ok) {
        const char *slash = strrchr(path.data, '/'), *base = slash != NULL ? slash + 1 : path.data;
        (void)snprintf(last, NAME_MAX + 1, "%s", base);
        fd = walk(x, path.data, slash != NULL ? (size_t)(slash - path.data) : 0, false);
        ok = fd >= 0 && fstatat(fd, last, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode);
    }
    buffer_free(&path);
    if (ok) {
        *size = (uint64_t)status.st_size;
        return fd;
    }
    if (fd >= 0 && fd != x->stage)
        close(fd);
    error_set(e, EPERM, "entry \"%s\": it is a hard link to \"%s\", which is no file that was extracted before", name_text(name, text), name_text(target, other));
    return -1;
}

bool extract_hard_link(struct extract *x, const char *name, const char *target, uint64_t *size, struct error *e)
{
    const char *last;
    char from[NAME_MAX + 1];
    *size = 0;
    if (!place(x, name, &last, e))
        return false;
    if (*last == '\0')
        return true;
    int fd = open_target(x, name, target, from, size, e);
    if (fd < 0)
        return false;
    bool ok = true;
    while (ok && linkat(fd, from, x->parent_fd, last, 0) != 0)
        ok = replace(x, last, name, e);
    if (fd != x->stage)
        close(fd);
    return ok;
}

/* ---- making it appear ---- */

static int open_inner(int fd, const char *name) { return openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }

/* Moves one entry; where both are directories, what is in it (`merge` is called).  `dry`: only says what is in the way. */
static bool merge(struct extract *x, int from, int to, struct buffer *path, bool dry, int depth, struct error *e);

static bool is_directory(int fd, const char *name, bool *there)
{
    struct stat status;
    *there = fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
    return *there && S_ISDIR(status.st_mode);
}

static bool move(struct extract *x, int from, int to, const char *name, struct buffer *path, bool dry, int depth, struct error *e)
{
    bool there;
    bool ours = is_directory(from, name, &there), theirs = is_directory(to, name, &there);
    if (there && ours && theirs) {
        int inner_from = open_inner(from, name), inner_to = open_inner(to, name);
        bool ok = (inner_from >= 0 && inner_to >= 0) || fail_errno(path->data, e);
        ok = ok && merge(x, inner_from, inner_to, path, dry, depth - 1, e);
        if (inner_from >= 0)
            close(inner_from);
        if (inner_to >= 0)
            close(inner_to);
        return ok;
    }
    if (there && (ours || theirs))
        return fail(path->data, e, EEXIST, ours ? "what has its name is no directory" : "a directory has its name");
    if (there && !x->overwrite)
        return fail(path->data, e, EEXIST, "it exists already");
    if (dry)
        return true;
    int result = x->overwrite ? -1 : renameat2(from, name, to, name, RENAME_NOREPLACE);
    if (x->overwrite || (result != 0 && (errno == EINVAL || errno == ENOSYS))) /* not every filesystem has it */
        result = renameat(from, name, to, name);
    return result == 0 || fail_errno(path->data, e);
}

static bool merge(struct extract *x, int from, int to, struct buffer *path, bool dry, int depth, struct error *e)
{
    int fd = open_inner(from, ".");
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    if (entries == NULL) {
        if (fd >= 0)
            close(fd);
        return fail_errno(x->directory, e);
    }
    bool ok = depth >= 0 || fail(x->directory, e, ENAMETOOLONG, "too deep");
    size_t length = path->length;
    for (const struct dirent *entry; ok && (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        path->length = length;
        if (length > 0)
            path->data[length - 1] = '/'; /* the NUL of the directory's */
        ok = (buffer_puts(path, entry->d_name) && buffer_add(path, '\0')) || fail(entry->d_name, e, ENOMEM, "out of memory");
        ok = ok && move(x, from, to, entry->d_name, path, dry, depth, e);
    }
    path->length = length;
    if (length > 0)
        path->data[length - 1] = '\0';
    closedir(entries);
    return ok;
}

bool extract_commit(struct extract *x, struct error *e)
{
    struct buffer path = {0};
    bool ok;
    forget_parent(x);
    if (!x->exists) {
        const char *slash = strrchr(x->directory, '/'), *name = slash != NULL ? slash + 1 : x->directory;
        if (renameat(x->above, x->name, x->above, name) != 0)
            return error_errno(e, errno, "making %s", x->directory);
        close(x->stage);
        x->stage = -1;
        return true;
    }
    ok = merge(x, x->stage, x->above, &path, true, EXTRACT_DEPTH, e) && merge(x, x->stage, x->above, &path, false, EXTRACT_DEPTH, e);
    buffer_free(&path);
    return ok; /* directories that were merged are left in the stage: extract_free removes it */
}
