#pragma once
/* The run directory: `$TMPDIR/ocm-<id>-XXXXXX`, mode 0700, one a process, holding its socket and all its temporary files.
 *
 * Its owner keeps an flock on it, so that any later start can tell a directory whose process is gone from a living one,
 * and remove it.  Main thread, but for tempdir_file, tempdir_directory and tempdir_empty. */
#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct tempdir {
    int fd;              /* holds the lock; -1: there is none */
    char path[PATH_MAX]; /* absolute, no slash at its end */
};

/* Creates and locks a directory. What is not a letter, a digit, '.', '_' or '-' in the id becomes '_'; at most 32 bytes of it are used. */
bool tempdir_create(struct tempdir *dir, const char *id, struct error *e);

/* Removes the run directories of dead processes of this user beside `dir`. Silent: what cannot be removed is left. Returns how many went. */
size_t tempdir_sweep(const struct tempdir *dir);

/* Creates an empty file (mode 0600) in it and writes its absolute path to `path`.  Returns a descriptor (close-on-exec), or -1 with e filled. */
int tempdir_file(const struct tempdir *dir, char *path, size_t size, struct error *e);

/* Makes an empty directory (mode 0700) in it and writes its absolute path to `path`. */
bool tempdir_directory(const struct tempdir *dir, char *path, size_t size, struct error *e);

/* Removes it with everything in it, and lets go of the lock. */
void tempdir_remove(struct tempdir *dir);

/* Empties the directory that fd stands for, read-only folders in it, too, and closes it.  Follows no links.  `depth`: of the folders below it;
 * what is deeper is left, and so is, silently, what cannot be removed. */
void tempdir_empty(int fd, int depth);
