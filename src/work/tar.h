#pragma once
/* A directory as a tar archive, or a zip: a source, the same bytes for the same content, names and permissions.
 *
 * The bytes are those that the `dir` input of OCM makes with `reproducible: true`: an entry "./" for the directory itself, then depth
 * first, siblings sorted by the bytes of their names.  Unlike it, symbolic links can be kept or followed.  What is neither file, directory
 * nor link, and a file that changes its size while it is read, is an error.  Memory: the names of one directory a level; of a zip, see zip.h. */
#include "work/stream.h"

enum tar_links { TAR_KEEP_LINKS, TAR_FOLLOW_LINKS, TAR_REFUSE_LINKS };

enum { ARCHIVE_DEPTH = 256 }; /* directories in each other, at most; each takes a descriptor */

struct tar_options {
    const char *const *include, *const *exclude; /* globs, NULL behind the last; NULL: none. No include: everything */
    bool deep;        /* globs are glob_match_deep's; else they are glob_match's, and a directory that is not included is looked into */
    enum tar_links links;
    bool root;        /* an entry for the directory itself */
    bool preserve_dir; /* names begin with the directory's own */
    bool normal_modes; /* of the permissions, only "executable" is kept: 0644 or 0755 */
    bool zip;
    int level;         /* of a zip: 0 to 9 */
};

/* Everything is copied. */
struct stream *tar_source_create(const char *path, const struct tar_options *options);
