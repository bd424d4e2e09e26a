#pragma once
/* The header of an entry in a tar archive, byte for byte as Go's archive/tar writes it for the `dir` input of OCM: POSIX ustar where
 * everything fits, else pax records for what does not (paths beyond 100 bytes that cannot be split, what is not ASCII, files from 8 GiB on).
 * Owners and times are zero, names of owners empty. */
#include "base/buffer.h"

#include <stdint.h>

enum { TAR_BLOCK = 512 };

struct tar_entry {
    char kind;          /* '0' a file, '2' a symbolic link, '5' a directory, whose name ends with a slash */
    unsigned mode;      /* permission bits */
    uint64_t size;      /* of a file */
    const char *name;
    const char *target; /* of a link; else "" */
};

/* Appends the header, one block or several. False: no memory. */
bool tar_header(struct buffer *out, const struct tar_entry *entry);

/* Zero bytes behind `size` bytes, up to the next block. */
size_t tar_padding(uint64_t size);
