/* Files: see file.h.
 *
 * Everything is opened without blocking: a named pipe whose other end never comes must not keep a worker for ever, so it is
 * polled, and flow_over looked at in between. */
#include "work/file.h"
#include "base/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- source ---- */

struct file_source {
    struct stream stream;
    int fd;          /* -1: not yet opened */
    bool pipe;       /* a named pipe that nobody has written to yet */
    bool regular;
    char path[];
};

static const struct stream_type source_type;

static bool source_open(struct file_source *file, struct error *e)
{
    struct stat status;
    if (file->fd >= 0)
        return true;
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0)
        return error_errno(e, errno, "opening %s", file->path);
    if (fstat(file->fd, &status) != 0)
        return error_errno(e, errno, "reading %s", file->path);
    if (S_ISDIR(status.st_mode))
        return error_errno(e, EISDIR, "reading %s", file->path);
    file->pipe = S_ISFIFO(status.st_mode);
    file->regular = S_ISREG(status.st_mode);
    if (file->regular)
        (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return true;
}

/* A named pipe reads as empty until its first writer has come: wait for that one. */
static bool wait_for_writer(struct file_source *file, struct error *e)
{
    struct pollfd ready = {file->fd, POLLIN, 0};
    while (file->pipe) {
        if (flow_over(file->stream.flow))
            return error_errno(e, ECANCELED, "reading %s", file->path);
        if (poll(&ready, 1, STREAM_POLL) > 0)
            file->pipe = false;
    }
    return true;
}

static bool source_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct file_source *file = (struct file_source *)s;
    if (!source_open(file, e) || !wait_for_writer(file, e))
        return false;
    for (;;) {
        ssize_t count = read(file->fd, data, size);
        if (count >= 0) {
            *got = (size_t)count;
            return true;
        }
        if (errno != EAGAIN && errno != EINTR)
            return error_errno(e, errno, "reading %s", file->path);
        if (flow_over(s->flow))
            return error_errno(e, ECANCELED, "reading %s", file->path);
        struct pollfd ready = {file->fd, POLLIN, 0};
        (void)poll(&ready, 1, STREAM_POLL);
    }
}

/* Files below /proc say 0 and have more. */
static int64_t source_size(struct stream *s)
{
    struct file_source *file = (struct file_source *)s;
    struct error e;
    struct stat status;
    bool known = source_open(file, &e) && file->regular && fstat(file->fd, &status) == 0 && status.st_size > 0;
    return known ? (int64_t)status.st_size : -1;
}

static void source_free(struct stream *s)
{
    struct file_source *file = (struct file_source *)s;
    if (file->fd >= 0)
        close(file->fd);
    free(file);
}

static const struct stream_type source_type = {.name = "file", .read = source_read, .size = source_size, .free = source_free};

struct stream *file_source_create(const char *path)
{
    size_t length = strlen(path) + 1;
    struct file_source *file = malloc(sizeof *file + length);
    if (file == NULL)
        return NULL;
    *file = (struct file_source){.stream = {.type = &source_type, .subject = file->path}, .fd = -1};
    memcpy(file->path, path, length);
    return &file->stream;
}

/* ---- sink ---- */

struct file_sink {
    struct sink sink;
    int fd; /* -1: not open */
    bool in_place;
    bool half_written; /* in place: not committed yet */
    char beside[PATH_MAX]; /* the file that will take the path's place; empty: there is none */
    char path[];
};

/* What the chain begins with, if that is an open file. */
static const struct file_source *file_at_the_source(const struct stream *s)
{
    while (s->from != NULL)
        s = s->from;
    const struct file_source *file = (const struct file_source *)s;
    return s->type == &source_type && file->fd >= 0 ? file : NULL;
}

/* A named pipe can be opened when it has a reader: wait for that one. */
static int open_in_place(const struct file_sink *file, bool fifo)
{
    enum { LOOK = 10 }; /* milliseconds */
    int fd;
    while ((fd = open(file->path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK)) < 0 && errno == ENXIO && fifo) {
        if (flow_over(file->sink.flow)) {
            errno = ECANCELED;
            break;
        }
        (void)poll(NULL, 0, LOOK);
    }
    return fd;
}

static bool sink_open(struct file_sink *file, const struct stream *from, struct error *e)
{
    struct stat source, target;
    bool there = stat(file->path, &target) == 0;
    const struct file_source *read_file = file_at_the_source(from);
    if (there && S_ISDIR(target.st_mode)) {
        errno = EISDIR;
    } else if (!file->in_place && (!there || S_ISREG(target.st_mode))) {
        file->fd = beside_create(file->path, 0666, file->beside, sizeof file->beside);
    } else if (there && read_file != NULL && fstat(read_file->fd, &source) == 0 && source.st_dev == target.st_dev && source.st_ino == target.st_ino) {
        errno = EINVAL; /* opening would empty it before it is read */
    } else {
        file->fd = open_in_place(file, there && S_ISFIFO(target.st_mode));
        file->half_written = file->in_place && file->fd >= 0;
    }
    return file->fd >= 0 || error_errno(e, errno, "creating %s", file->path);
}

static bool write_whole(struct file_sink *file, const char *data, size_t length, struct error *e)
{
    while (length > 0) {
        if (flow_over(file->sink.flow))
            return error_errno(e, ECANCELED, "writing %s", file->path);
        ssize_t written = write(file->fd, data, length);
        if (written < 0) {
            if (errno != EINTR && errno != EAGAIN)
                return error_errno(e, errno, "writing %s", file->path);
            struct pollfd ready = {file->fd, POLLOUT, 0};
            (void)poll(&ready, 1, STREAM_POLL);
            continue;
        }
        data += written;
        length -= (size_t)written;
        file->sink.written += (uint64_t)written;
    }
    return true;
}

/* Lets the kernel copy what is left of a file, as far as it can: false only for a failure that reading and writing would meet, too. */
static bool copy_in_kernel(struct file_sink *file, struct stream *from, struct error *e)
{
    enum { AT_ONCE = 16 << 20 };
    struct file_source *source = (struct file_source *)from;
    struct stat target;
    if (from->type != &source_type || !source->regular || fstat(file->fd, &target) != 0 || !S_ISREG(target.st_mode))
        return true;
    for (;;) {
        if (flow_over(from->flow))
            return error_errno(e, ECANCELED, "writing %s", file->path);
        ssize_t count = copy_file_range(source->fd, NULL, file->fd, NULL, AT_ONCE, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && (errno == ENOSPC || errno == EFBIG || errno == EDQUOT || errno == EIO))
            return error_errno(e, errno, "writing %s", file->path);
        if (count <= 0)
            return true; /* it cannot, or all is done: reading on tells */
        from->passed += (uint64_t)count;
        file->sink.written += (uint64_t)count;
    }
}

/* The source's blocks are shared: nothing has to be copied. */
static bool clone(struct file_sink *file, struct stream *from)
{
    struct file_source *source = (struct file_source *)from;
    struct stat status;
    if (from->type != &source_type || !source->regular || ioctl(file->fd, FICLONE, source->fd) != 0)
        return false;
    if (fstat(file->fd, &status) != 0)
        return false;
    from->passed = file->sink.written = (uint64_t)status.st_size;
    from->ended = true;
    return true;
}

static bool move_bytes(struct file_sink *file, struct stream *from, struct error *e)
{
    char *chunk = malloc(STREAM_CHUNK);
    if (chunk == NULL)
        return error_set(e, ENOMEM, "out of memory");
    /* the first chunk comes before the target is made: a source that cannot be read leaves no trace */
    bool plain = from->type == &source_type;
    char *data = chunk;
    size_t got = 0;
    bool ok = plain ? source_open((struct file_source *)from, e) : stream_next(from, chunk, &data, &got, e);
    ok = ok && sink_open(file, from, e);
    if (ok && plain && !clone(file, from))
        ok = copy_in_kernel(file, from, e);
    if (ok && plain)
        ok = stream_next(from, chunk, &data, &got, e);
    while (ok && got > 0)
        ok = write_whole(file, data, got, e) && stream_next(from, chunk, &data, &got, e);
    free(chunk);
    return ok;
}

static bool sink_run(struct sink *s, struct stream *from, struct error *e)
{
    struct file_sink *file = (struct file_sink *)s;
    bool ok = move_bytes(file, from, e);
    if (file->fd >= 0 && close(file->fd) != 0 && ok)
        ok = error_errno(e, errno, "writing %s", file->path);
    file->fd = -1;
    return ok;
}

static bool sink_commit(struct sink *s, struct error *e)
{
    struct file_sink *file = (struct file_sink *)s;
    file->half_written = false;
    if (file->beside[0] == '\0')
        return true;
    if (rename(file->beside, file->path) != 0)
        return error_errno(e, errno, "creating %s", file->path);
    file->beside[0] = '\0';
    return true;
}

static void sink_free_file(struct sink *s)
{
    struct file_sink *file = (struct file_sink *)s;
    if (file->fd >= 0)
        close(file->fd);
    if (file->beside[0] != '\0')
        (void)unlink(file->beside);
    if (file->half_written)
        (void)!truncate(file->path, 0);
    free(file);
}

struct sink *file_sink_create(const char *path, bool in_place)
{
    static const struct sink_type type = {.name = "file", .computes = true, .run = sink_run, .commit = sink_commit, .free = sink_free_file};
    size_t length = strlen(path) + 1;
    struct file_sink *file = malloc(sizeof *file + length);
    if (file == NULL)
        return NULL;
    *file = (struct file_sink){.sink = {.type = &type}, .fd = -1, .in_place = in_place};
    memcpy(file->path, path, length);
    return &file->sink;
}
