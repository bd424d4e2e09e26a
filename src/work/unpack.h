#pragma once
/* Archives that are extracted: sinks over libarchive and extract.h.
 *
 * untar takes all kinds of tar that libarchive knows, not compressed.  unzip needs to seek, so the archive is first written to a file
 * without a name beside the target.  Both fail, naming the entry, for what would be written elsewhere, for devices, fifos and sockets, for
 * links unless they are wanted, for what is cut short, altered, or (zip) encrypted or not of the size that it says.
 *
 * Permissions are the archive's, without setuid, setgid and sticky bits and the umask's; owners and times are those of any new file.
 * Nothing is seen in the directory before all of it has succeeded. */
#include "work/stream.h"

struct unpack_options {
    bool overwrite;
    bool links;    /* symbolic and (tar) hard links are made, if they stay inside */
    bool keep_modes; /* permissions are the archive's, whatever the umask is */
    unsigned strip; /* leading components of names that are dropped */
    uint64_t files; /* entries, at most */
    uint64_t bytes; /* in files, at most */
};

/* The path is copied. */
struct sink *untar_sink_create(const char *directory, const struct unpack_options *options);
struct sink *unzip_sink_create(const char *directory, const struct unpack_options *options);

/* How many entries there were. */
uint64_t unpack_entries(const struct sink *s);
