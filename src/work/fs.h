#pragma once
/* Work on files and folders that may take long, as jobs of the pool.
 *
 * The creators (main thread) copy what they are given and return NULL when there is no memory; the caller sets job.reap, submits the
 * job and ends it with job_abandon.  A cancelled job ends soon, and leaves what it has not yet come to. */
#include "base/buffer.h"
#include "work/pool.h"
#include "work/tree.h"

#include <stdint.h>
#include <sys/stat.h>

struct fs_job {
    struct job job;
    bool (*act)(struct fs_job *fs);
    char *path;
    mode_t mode;
    bool sync, unlock;
    size_t limit;

    /* the result, valid in reap */
    bool ok;
    struct error error; /* code: an errno value; message: "reading /x: No such file or directory" */
    struct buffer bytes;
    uint64_t count;
};

enum { FS_USUAL_MODE = 07777777 }; /* no mode: what the umask leaves of 0666, or of 0777 */

/* Reads a file whole to `bytes`; more than `limit` is EFBIG. No pipes and sockets (EINVAL): they would be waited for. */
struct fs_job *fs_read(const char *path, size_t limit);

/* Writes a file whole: it has its old content, or none, or all of the new, whoever looks and whatever fails.  A new file, of this mode,
 * takes the place of the old one or of a link.  `sync`: when it succeeds, it survives the machine's failing, too. */
struct fs_job *fs_write(const char *path, const char *bytes, size_t length, mode_t mode, bool sync);

/* Makes a folder and those that it is in, as far as they are missing, the last of this mode, the others of the usual; `count`: how many. */
struct fs_job *fs_make_dirs(const char *path, mode_t mode);

/* Removes a file, a link (not what it points to), or a folder with all below it. `count`: how many; nothing there is 0, and no failure.
 * What fails ends it; what was removed before is gone.  `unlock`: folders that this user may not write to are made writable first. */
struct fs_job *fs_remove_all(const char *path, bool unlock);

/* ---- walking ---- */

struct fs_entry {
    char *path;          /* from the root */
    char *target;        /* of a link; NULL otherwise */
    struct stat status;  /* of what it points to, where links are followed */
    int code;            /* errno: a folder that could not be entered; ELOOP: it is being walked already; 0 */
};

struct fs_walk_options {
    bool follow, hidden; /* hidden: also names that begin with a dot */
    uint64_t depth;      /* levels; 1: only what is in the folder itself */
};

/* The next entries of a walk. Its tree is handed from job to job: the caller takes it out of a finished one. */
struct fs_walk {
    struct job job;
    struct fs_walk_options options;
    char *path;      /* the root: opened by the first job */
    bool opened;
    struct tree tree;

    bool ok, end;    /* end: there are no more */
    struct error error;
    struct fs_entry *entries;
    size_t count;
};

struct fs_walk *fs_walk(const char *path, struct fs_walk_options options);

/* For the next job: forgets the entries. */
void fs_walk_again(struct fs_walk *walk);
