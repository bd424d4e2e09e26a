/* Walking a directory and writing it as tar or zip: see tar.h.  Worker threads.
 *
 * The walk is a stack of open directories, each with its sorted names, so nothing is looked up by a path twice.  Each read
 * gives what is pending (headers, padding), then the open file's bytes, then takes a step of the walk. */
#include "work/tar.h"
#include "base/glob.h"
#include "base/text.h"
#include "work/tar_header.h"
#include "work/zip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct level {
    int fd;
    dev_t device;
    ino_t inode;
    size_t prefix;       /* of the path: with the slash at its end */
    struct buffer bytes; /* the names, a NUL behind each */
    char **names;        /* sorted */
    size_t count, next;
};

struct tar {
    struct stream stream;
    struct tar_options options;
    char *directory;     /* as it was given; the subject */
    char *globs;         /* what options.include and exclude point to */
    bool opened, finished;
    struct level *levels;
    size_t depth;
    struct buffer path;  /* of the entry at hand, in the archive; NUL-terminated */
    size_t own;          /* how much of a path is the directory's own name and a slash: preserve_dir */
    struct buffer pending;
    size_t given;        /* of pending */
    int file;            /* -1: none is open */
    uint64_t size, left; /* of the file */
    struct zip *zip;     /* NULL: a tar */
    char *chunk;         /* of a file, on its way into the zip: STREAM_CHUNK bytes */
};

/* ---- errors ---- */

/* Where the entry at hand is, for people. */
static const char *where(const struct tar *t, char out[NAME_TEXT_SIZE * 2])
{
    char text[NAME_TEXT_SIZE];
    size_t length = strlen(name_text(t->directory, text));
    memcpy(out, text, length + 1);
    if (t->path.length > t->own + 1 && strcmp(t->path.data, "./") != 0) {
        if (length > 0 && out[length - 1] != '/')
            out[length++] = '/';
        (void)name_text(t->path.data + t->own, text);
        memcpy(out + length, text, strlen(text) + 1);
        length += strlen(text);
        if (out[length - 1] == '/')
            out[length - 1] = '\0';
    }
    return out;
}

static bool fail(const struct tar *t, struct error *e, int code, const char *why)
{
    char text[NAME_TEXT_SIZE * 2];
    return stream_fail(&t->stream, e, code, "%s: %s", where(t, text), why);
}

static bool fail_errno(const struct tar *t, struct error *e, const char *doing)
{
    int code = errno;
    char text[NAME_TEXT_SIZE * 2];
    return error_errno(e, code, "%s %s", doing, where(t, text));
}

/* The zip could not be written, and e says why. */
static bool fail_zip(const struct tar *t, struct error *e)
{
    struct error inner = *e;
    return fail(t, e, inner.code, inner.message);
}

/* ---- names ---- */

/* With room for a slash. Where there is no memory for it, the path stays what it was. */
static bool set_path(struct tar *t, size_t prefix, const char *name)
{
    size_t length = strlen(name) + 1;
    if (!buffer_reserve(&t->path, length + 1))
        return false;
    t->path.length = prefix;
    return buffer_append(&t->path, name, length);
}

static bool matches(const struct tar *t, const char *const *globs)
{
    const char *path = t->path.data; /* without "./" and, of a directory, the slash at its end, which is not there yet */
    for (; globs != NULL && *globs != NULL; globs++) {
        const char *glob = *globs;
        if (!t->options.deep) {
            if (strncmp(glob, "./", 2) == 0)
                glob += 2;
            if (*glob == '/')
                glob++;
        }
        if (t->options.deep ? glob_match_deep(glob, path) : glob_match(glob, path))
            return true;
    }
    return false;
}

static bool included(const struct tar *t) { return t->options.include == NULL || matches(t, t->options.include); }

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Reads the names of the directory that is open as l->fd. */
static bool list(struct tar *t, struct level *l, struct error *e)
{
    int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        (void)fail_errno(t, e, "reading");
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool ok = true;
    struct dirent *entry;
    while (ok && (errno = 0, entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        ok = buffer_append(&l->bytes, entry->d_name, strlen(entry->d_name) + 1) || fail(t, e, ENOMEM, "out of memory");
        l->count += ok;
        if (ok && l->count % 1024 == 0 && flow_over(t->stream.flow))
            ok = error_set(e, ECANCELED, "cancelled");
    }
    if (ok && errno != 0)
        ok = fail_errno(t, e, "reading");
    closedir(dir);
    if (!ok || l->count == 0)
        return ok;
    l->names = malloc(l->count * sizeof *l->names);
    if (l->names == NULL)
        return fail(t, e, ENOMEM, "out of memory");
    char *name = l->bytes.data;
    for (size_t i = 0; i < l->count; i++, name += strlen(name) + 1)
        l->names[i] = name;
    qsort(l->names, l->count, sizeof *l->names, compare);
    return true;
}

/* ---- the walk ---- */

static void leave(struct tar *t)
{
    struct level *l = &t->levels[--t->depth];
    close(l->fd);
    buffer_free(&l->bytes);
    free(l->names);
}

/* The directory of the path becomes the innermost level; takes fd. */
static bool enter(struct tar *t, int fd, const struct stat *status, struct error *e)
{
    bool ok = true;
    for (size_t i = 0; ok && i < t->depth; i++)
        if (t->levels[i].device == status->st_dev && t->levels[i].inode == status->st_ino)
            ok = fail(t, e, ELOOP, "this link leads back to a directory that it is in");
    if (ok && t->depth == ARCHIVE_DEPTH)
        ok = fail(t, e, ENAMETOOLONG, "directories are more than 256 deep");
    if (!ok) {
        close(fd);
        return false;
    }
    struct level *l = &t->levels[t->depth++];
    *l = (struct level){.fd = fd, .device = status->st_dev, .inode = status->st_ino, .prefix = t->path.length - 1};
    return list(t, l, e);
}

static bool add_header(struct tar *t, char kind, const struct stat *status, const char *target, struct error *e)
{
    unsigned mode = status->st_mode & 0777;
    if (t->options.normal_modes && kind != '2')
        mode = kind == '5' || (mode & 0100) != 0 ? 0755 : 0644;
    struct tar_entry entry = {.kind = kind, .mode = mode, .size = kind == '0' ? (uint64_t)status->st_size : 0, .name = t->path.data, .target = target};
    if (t->zip != NULL)
        return zip_entry(t->zip, &entry, e) || fail_zip(t, e);
    return tar_header(&t->pending, &entry) || fail(t, e, ENOMEM, "out of memory");
}

/* `fd` is the directory of the path. Takes it. */
static bool add_directory(struct tar *t, int fd, const struct stat *status, bool wanted, struct error *e)
{
    t->path.length--;
    (void)buffer_append(&t->path, "/", 2); /* set_path made room */
    if (!wanted || add_header(t, '5', status, "", e))
        return enter(t, fd, status, e);
    close(fd);
    return false;
}

static bool add_link(struct tar *t, int parent, const char *name, const struct stat *status, struct error *e)
{
    char target[PATH_MAX];
    if (t->options.links == TAR_REFUSE_LINKS)
        return fail(t, e, EINVAL, "a symbolic link is not wanted here, exclude it");
    ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
    if (length < 0)
        return fail_errno(t, e, "reading the link");
    target[length] = '\0';
    return add_header(t, '2', status, target, e);
}

static const char *kind_text(mode_t mode)
{
    return S_ISFIFO(mode) ? "a named pipe" : S_ISSOCK(mode) ? "a socket" : S_ISCHR(mode) || S_ISBLK(mode) ? "a device" : "something that is no file";
}

/* The entry `name` of the innermost directory; its path is set. */
static bool add_entry(struct tar *t, const char *name, struct error *e)
{
    struct stat status;
    char text[NAME_TEXT_SIZE * 2];
    int parent = t->levels[t->depth - 1].fd;
    bool follow = t->options.links == TAR_FOLLOW_LINKS;
    if (matches(t, t->options.exclude))
        return true;
    bool wanted = included(t);
    if (fstatat(parent, name, &status, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno(t, e, "reading");
    if (!S_ISDIR(status.st_mode) && !wanted)
        return true;
    if (S_ISLNK(status.st_mode))
        return add_link(t, parent, name, &status, e);
    if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
        return stream_fail(&t->stream, e, EINVAL, "%s: %s has no place in an archive, exclude it", where(t, text), kind_text(status.st_mode));
    mode_t kind = status.st_mode & S_IFMT;
    int fd = openat(parent, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (follow ? 0 : O_NOFOLLOW));
    if (fd < 0)
        return fail_errno(t, e, "opening");
    if (fstat(fd, &status) != 0 || (status.st_mode & S_IFMT) != kind) {
        close(fd);
        return fail(t, e, EAGAIN, "it changed while it was read");
    }
    if (S_ISDIR(status.st_mode))
        return add_directory(t, fd, &status, wanted, e);
    t->file = fd;
    t->size = t->left = (uint64_t)status.st_size;
    return add_header(t, '0', &status, "", e);
}

static bool step(struct tar *t, struct error *e)
{
    if (t->depth == 0) {
        static const char end[2 * TAR_BLOCK];
        t->finished = true;
        if (t->zip != NULL)
            return zip_end(t->zip, e) || fail_zip(t, e);
        return buffer_append(&t->pending, end, sizeof end) || fail(t, e, ENOMEM, "out of memory");
    }
    struct level *l = &t->levels[t->depth - 1];
    if (l->next == l->count) {
        leave(t);
        return true;
    }
    const char *name = l->names[l->next++];
    return (set_path(t, l->prefix, name) || fail(t, e, ENOMEM, "out of memory")) && add_entry(t, name, e);
}

/* ---- the source ---- */

/* The path of the directory itself: "." or, when its name is preserved, that. */
static bool set_own_path(struct tar *t, struct error *e)
{
    char resolved[PATH_MAX];
    const char *name = ".";
    if (t->options.preserve_dir) {
        if (realpath(t->directory, resolved) == NULL)
            return fail_errno(t, e, "opening");
        name = strrchr(resolved, '/') + 1;
    }
    return set_path(t, 0, *name != '\0' ? name : ".") || fail(t, e, ENOMEM, "out of memory");
}

static bool open_root(struct tar *t, struct error *e)
{
    struct stat status;
    t->opened = true;
    int fd = open(t->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(t, e, "opening");
    t->levels = calloc(ARCHIVE_DEPTH, sizeof *t->levels);
    bool ok = t->levels != NULL || fail(t, e, ENOMEM, "out of memory");
    if (ok && t->options.zip) {
        t->zip = zip_create(&t->pending, t->options.level, e);
        t->chunk = malloc(STREAM_CHUNK);
        ok = t->zip != NULL ? t->chunk != NULL || fail(t, e, ENOMEM, "out of memory") : fail_zip(t, e);
    }
    ok = ok && set_own_path(t, e) && (fstat(fd, &status) == 0 || fail_errno(t, e, "reading"));
    if (!ok || (!t->options.deep && matches(t, t->options.exclude))) { /* all of it is excluded, as the dir input has it */
        close(fd);
        return ok;
    }
    bool wanted = (t->options.root || t->options.preserve_dir) && (t->options.deep ? t->options.include == NULL : included(t));
    if (t->options.preserve_dir)
        t->own = t->path.length;
    if (!add_directory(t, fd, &status, wanted, e))
        return false;
    if (!t->options.preserve_dir)
        t->levels[0].prefix = 0; /* only its own entry is called "./" */
    return true;
}

/* Bytes of the open file: to `data`, or into the zip. */
static bool read_file(struct tar *t, char *data, size_t size, size_t *got, struct error *e)
{
    struct stat status;
    ssize_t count = 0;
    if (t->zip != NULL) {
        data = t->chunk;
        size = STREAM_CHUNK;
    }
    if (t->left > 0) {
        do
            count = read(t->file, data, size < t->left ? size : (size_t)t->left);
        while (count < 0 && errno == EINTR);
        if (count < 0)
            return fail_errno(t, e, "reading");
        if (count == 0)
            return fail(t, e, EAGAIN, "it became shorter while it was read");
        t->left -= (uint64_t)count;
        if (t->zip == NULL)
            *got = (size_t)count;
        else if (!zip_data(t->zip, data, (size_t)count, e))
            return fail_zip(t, e);
    }
    if (t->left > 0)
        return true;
    if (fstat(t->file, &status) != 0)
        return fail_errno(t, e, "reading");
    if ((uint64_t)status.st_size != t->size)
        return fail(t, e, EAGAIN, (uint64_t)status.st_size > t->size ? "it became longer while it was read" : "it became shorter while it was read");
    close(t->file);
    t->file = -1;
    static const char zeros[TAR_BLOCK];
    return t->zip != NULL || buffer_append(&t->pending, zeros, tar_padding(t->size)) || fail(t, e, ENOMEM, "out of memory");
}

static bool tar_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct tar *t = (struct tar *)s;
    if (!t->opened && !open_root(t, e))
        return false;
    while (*got < size) { /* small files: many in one read */
        if (t->given < t->pending.length) {
            size_t count = t->pending.length - t->given < size - *got ? t->pending.length - t->given : size - *got;
            memcpy(data + *got, t->pending.data + t->given, count);
            t->given += count;
            *got += count;
            continue;
        }
        buffer_clear(&t->pending);
        t->given = 0;
        size_t more = 0;
        if (flow_over(s->flow))
            return error_set(e, ECANCELED, "cancelled");
        if (t->finished)
            return true;
        if (t->file < 0 ? !step(t, e) : !read_file(t, data + *got, size - *got, &more, e))
            return false;
        *got += more;
    }
    return true;
}

static void tar_free(struct stream *s)
{
    struct tar *t = (struct tar *)s;
    while (t->depth > 0)
        leave(t);
    if (t->file >= 0)
        close(t->file);
    free(t->levels);
    free(t->chunk);
    zip_free(t->zip);
    buffer_free(&t->path);
    buffer_free(&t->pending);
    free(t->directory);
    free(t->globs);
    free(t);
}

/* ---- making it ---- */

static size_t measure(const char *const *globs, size_t *count)
{
    size_t length = 0;
    for (; globs != NULL && *globs != NULL; globs++, (*count)++)
        length += strlen(*globs) + 1;
    *count += globs != NULL;
    return length;
}

static const char *const *copy(const char *const *globs, const char ***pointers, char **bytes)
{
    if (globs == NULL)
        return NULL;
    const char **first = *pointers;
    for (; *globs != NULL; globs++) {
        size_t length = strlen(*globs) + 1;
        *(*pointers)++ = memcpy(*bytes, *globs, length);
        *bytes += length;
    }
    *(*pointers)++ = NULL;
    return first;
}

struct stream *tar_source_create(const char *path, const struct tar_options *options)
{
    static const struct stream_type tar_type = {.name = "tar", .computes = true, .read = tar_read, .free = tar_free};
    static const struct stream_type zip_type = {.name = "zip", .computes = true, .read = tar_read, .free = tar_free};
    size_t count = 0, length = measure(options->include, &count) + measure(options->exclude, &count);
    struct tar *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->stream.type = options->zip ? &zip_type : &tar_type;
    t->options = *options;
    t->file = -1;
    t->directory = strdup(path);
    t->globs = malloc(count * sizeof(char *) + length + 1);
    if (t->directory == NULL || t->globs == NULL) {
        tar_free(&t->stream);
        return NULL;
    }
    const char **pointers = (const char **)(void *)t->globs;
    char *bytes = t->globs + count * sizeof(char *);
    t->options.include = copy(options->include, &pointers, &bytes);
    t->options.exclude = copy(options->exclude, &pointers, &bytes);
    t->stream.subject = t->directory;
    return &t->stream;
}
