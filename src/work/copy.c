/* Copying a file with its SHA-256: see copy.h.  A worker thread runs copy_work.
 *
 * The source is opened without blocking: a named pipe whose writer never comes must not keep a worker for ever, so it is
 * polled, and `cancelled` looked at in between. */
#include "work/copy.h"
#include "work/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 256 * 1024, POLL_MILLISECONDS = 100 };

static bool cancelled(struct copy_job *copy) { return atomic_load_explicit(&copy->job.cancelled, memory_order_relaxed); }

static ssize_t read_some(struct copy_job *copy, int fd, char *chunk)
{
    for (;;) {
        if (cancelled(copy)) {
            errno = ECANCELED;
            return -1;
        }
        ssize_t got = read(fd, chunk, CHUNK_BYTES);
        if (got >= 0 || (errno != EAGAIN && errno != EINTR))
            return got;
        struct pollfd ready = {fd, POLLIN, 0};
        (void)poll(&ready, 1, POLL_MILLISECONDS);
    }
}

/* A named pipe reads as empty until its first writer has come: wait for that one. */
static bool wait_for_writer(struct copy_job *copy, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISFIFO(status.st_mode))
        return true;
    struct pollfd ready = {fd, POLLIN, 0};
    while (!cancelled(copy))
        if (poll(&ready, 1, POLL_MILLISECONDS) > 0)
            return true;
    return error_errno(&copy->error, ECANCELED, "reading %s", copy->source);
}

static bool write_whole(struct copy_job *copy, int fd, const char *data, size_t length)
{
    while (length > 0) {
        if (cancelled(copy)) {
            errno = ECANCELED;
            return false;
        }
        ssize_t written = write(fd, data, length);
        if (written < 0) {
            if (errno != EINTR && errno != EAGAIN)
                return false;
            struct pollfd ready = {fd, POLLOUT, 0};
            (void)poll(&ready, 1, POLL_MILLISECONDS);
            continue;
        }
        data += written;
        length -= (size_t)written;
    }
    return true;
}

static bool move_bytes(struct copy_job *copy, int from, int to, const char *target)
{
    bool ok = false;
    char *chunk = malloc(CHUNK_BYTES);
    struct digest *sha256 = digest_create("sha256", &copy->error);
    if (sha256 == NULL)
        goto out;
    if (chunk == NULL) {
        error_set(&copy->error, ENOMEM, "out of memory");
        goto out;
    }
    for (ssize_t got; (got = read_some(copy, from, chunk)) != 0;) {
        if (got < 0) {
            error_errno(&copy->error, errno, "reading %s", copy->source);
            goto out;
        }
        if (!write_whole(copy, to, chunk, (size_t)got)) {
            error_errno(&copy->error, errno, "writing %s", target);
            goto out;
        }
        copy->bytes += (uint64_t)got;
        if (!digest_update(sha256, chunk, (size_t)got)) {
            error_set(&copy->error, EIO, "taking the digest of %s failed", copy->source);
            goto out;
        }
    }
    ok = digest_finish(sha256, copy->digest, sizeof copy->digest) || error_set(&copy->error, EIO, "taking the digest of %s failed", copy->source);
out:
    digest_free(sha256);
    free(chunk);
    return ok;
}

/* A new file in the target's folder, its name written to `beside`, its mode what the umask leaves of 0666. */
static int create_beside(struct copy_job *copy, char *beside, size_t size)
{
    static atomic_uint serial;
    const char *slash = strrchr(copy->target, '/');
    int folder = slash != NULL ? (int)(slash - copy->target + 1) : 0;
    int fd = -1;
    do {
        unsigned number = atomic_fetch_add(&serial, 1);
        if ((size_t)snprintf(beside, size, "%.*s.ocmlua-%d-%u.part", folder, copy->target, (int)getpid(), number) >= size)
            errno = ENAMETOOLONG;
        else
            fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EEXIST);
    return fd;
}

/* Opens the target: a temporary file of ours, or whatever is no regular file (/dev/null, a pipe), is written into; else a new file
 * beside it will take its place, and `beside` is its name. */
static int open_target(struct copy_job *copy, int from, char *beside, size_t size)
{
    struct stat source, target;
    bool there = stat(copy->target, &target) == 0;
    if (there && S_ISDIR(target.st_mode)) {
        errno = EISDIR;
        return -1;
    }
    if (!copy->in_place && (!there || S_ISREG(target.st_mode)))
        return create_beside(copy, beside, size);
    if (there && fstat(from, &source) == 0 && source.st_dev == target.st_dev && source.st_ino == target.st_ino) {
        errno = EINVAL; /* opening would empty it before it is read */
        return -1;
    }
    return open(copy->target, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK);
}

static void copy_work(struct job *job)
{
    struct copy_job *copy = (struct copy_job *)job;
    char beside[PATH_MAX] = "";
    struct stat status;
    int from = open(copy->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (from < 0) {
        error_errno(&copy->error, errno, "opening %s", copy->source);
        return;
    }
    if (fstat(from, &status) == 0 && S_ISDIR(status.st_mode)) {
        error_errno(&copy->error, EISDIR, "reading %s", copy->source);
        close(from);
        return;
    }
    int to = open_target(copy, from, beside, sizeof beside);
    if (to < 0) {
        error_errno(&copy->error, errno, "creating %s", copy->target);
        close(from);
        return;
    }
    copy->ok = wait_for_writer(copy, from) && move_bytes(copy, from, to, copy->target);
    close(from);
    if (close(to) != 0 && copy->ok)
        copy->ok = error_errno(&copy->error, errno, "writing %s", copy->target);
    if (beside[0] == '\0')
        return;
    if (copy->ok && rename(beside, copy->target) != 0)
        copy->ok = error_errno(&copy->error, errno, "creating %s", copy->target);
    if (!copy->ok)
        (void)unlink(beside);
}

static void copy_release(struct job *job)
{
    struct copy_job *copy = (struct copy_job *)job;
    free(copy->source);
    free(copy->target);
    free(copy);
}

struct copy_job *copy_job_create(const char *source, const char *target, bool in_place)
{
    struct copy_job *copy = calloc(1, sizeof *copy);
    if (copy == NULL)
        return NULL;
    copy->job.work = copy_work;
    copy->job.release = copy_release;
    copy->source = strdup(source);
    copy->target = strdup(target);
    copy->in_place = in_place;
    if (copy->source == NULL || copy->target == NULL) {
        copy_release(&copy->job);
        return NULL;
    }
    return copy;
}
