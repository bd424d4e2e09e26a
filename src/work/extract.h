#pragma once
/* Writing the entries of an archive below a directory, and nowhere else.
 *
 * Everything is first made in a fresh directory: beside the target when that does not exist (extract_commit then renames it), else inside
 * of it (its entries are then moved to their places; all of them are checked for conflicts before the first is moved).  Names are
 * walked component by component from there, following no link, so what an archive says cannot lead out.  Worker threads, one at a time.
 *
 * Names are the archive's: bytes without NUL, components divided by slashes.  Absolute ones, `..`, and more than EXTRACT_DEPTH components are refused. */
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXTRACT_DEPTH = 256 };

struct extract;

/* Opens nothing yet; the path is copied. `overwrite`: files that exist are replaced. `keep_modes`: the umask is not applied. `strip`: so many leading components are dropped. NULL: no memory. */
struct extract *extract_create(const char *directory, bool overwrite, bool keep_modes, unsigned strip);

bool extract_open(struct extract *x, struct error *e);

/* Each of these makes the directories above the entry where they are missing.  An entry that `strip` leaves nothing of is passed over: true, and
 * *fd is -1. `mode`: permission bits; others are dropped, and the umask is applied (see keep_modes); directories stay writable for their owner. */
bool extract_directory(struct extract *x, const char *name, unsigned mode, struct error *e);
bool extract_file(struct extract *x, const char *name, unsigned mode, int *fd, struct error *e); /* *fd: empty, open for writing, the caller's */
/* Their targets stay inside: a symbolic link's is relative, with `..` only in front, and no more of them than it has directories above it;
 * a hard link's is a file that was extracted before. */
bool extract_symbolic_link(struct extract *x, const char *name, const char *target, struct error *e);
bool extract_hard_link(struct extract *x, const char *name, const char *target, uint64_t *size, struct error *e); /* *size: the file's; 0: passed over */

/* Makes it all appear in the target. */
bool extract_commit(struct extract *x, struct error *e);

/* Removes what was not committed. */
void extract_free(struct extract *x); /* NULL: nothing */
