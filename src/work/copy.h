#pragma once
/* The first job: copies a file (or what comes out of a named pipe) to another, and takes its SHA-256 on the way. */
#include "base/error.h"
#include "work/pool.h"

#include <stdbool.h>
#include <stdint.h>

struct copy_job {
    struct job job;
    char *source, *target; /* paths; owned */
    bool in_place;         /* the target is there and ours: write into it. Otherwise it appears whole or not at all (written beside, renamed). */

    /* the result, valid in reap */
    bool ok;
    struct error error;      /* code: an errno value */
    uint64_t bytes;          /* read, and written */
    char digest[7 + 64 + 1]; /* "sha256:…", lower-case hexadecimal */
};

/* Copies both paths. NULL when there is no memory.  The caller sets job.reap, submits it, and ends it with job_abandon or release. */
struct copy_job *copy_job_create(const char *source, const char *target, bool in_place);
