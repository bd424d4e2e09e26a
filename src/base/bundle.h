#pragma once
/* Bundles: a plugin's script and modules in a zip at the end of this program (`ocmlua bundle`), found and read by the program itself.
 *
 * The zip is the simplest there is (APPNOTE.TXT 4.3): files stored as they are, no comment behind it, offsets counted from the
 * program's beginning.  Its first entry is the script, the others are what it requires.  Nothing is copied: the bytes belong to
 * whoever gave them to bundle_read, and bundle_open's are there until the process ends.  Everything in them is checked before it
 * is used.  Any thread. */
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bundle_file {
    const char *name; /* not NUL-terminated, without NUL, at least one byte; NULL: there is no such file */
    size_t name_length;
    const char *bytes;
    size_t length;
    uint32_t crc;
};

struct bundle {
    const unsigned char *bytes; /* the program; NULL: it has no bundle */
    size_t directory, end;      /* where the central directory begins, and ends */
    unsigned count;             /* of its entries, at least 1 */
    char script[256];           /* the first one's name */
};

/* Reads the zip at the end of `bytes`.  False: there is none, or it is damaged. */
bool bundle_read(struct bundle *bundle, const void *bytes, size_t length, struct error *e);

/* Looks for a file, whose name becomes NULL where there is none.  False: it is damaged. */
bool bundle_find(const struct bundle *bundle, const char *name, struct bundle_file *file, struct error *e);

/* Reads the bundle of this program; its `bytes` are NULL where there is none, which costs a read of 22 bytes.  False: it is damaged. */
bool bundle_open(struct bundle *bundle, struct error *e);

/* Whether bytes stand behind a program's end that are no bundle: one that was cut.  For an error's text. */
bool bundle_is_cut(void);

/* Writes a program: whole, executable, or not at all.  Without `replace`, a file that is there is an error (EEXIST).  Main thread. */
bool bundle_write(const char *path, const void *bytes, size_t length, bool replace, struct error *e);
