#pragma once
/* Writing a zip by libarchive: entry by entry, to a buffer that whoever calls takes the bytes out of.  Like tar_header's, its entries have no
 * owners and times (which a zip says as 0 and 1980).  Names have to be UTF-8.  Memory: what libarchive keeps of each entry for the directory
 * at the end, some 100 bytes and the name.  One thread at a time. */
#include "base/buffer.h"
#include "base/error.h"
#include "work/tar_header.h"

struct zip;

/* Loads libarchive. `level`: 0 (stored) to 9.  NULL: e filled. */
struct zip *zip_create(struct buffer *out, int level, struct error *e);

bool zip_entry(struct zip *z, const struct tar_entry *entry, struct error *e);
bool zip_data(struct zip *z, const char *data, size_t size, struct error *e); /* of the file that was the last entry */
bool zip_end(struct zip *z, struct error *e);

void zip_free(struct zip *z); /* NULL: nothing */
