#pragma once
/* Files as sources and sinks.  Paths are copied. */
#include "work/stream.h"

/* Reads a file, or what comes out of a named pipe. */
struct stream *file_source_create(const char *path);

/* Writes a file. `in_place`: it is there and ours, and is written into (a temporary file), and empty when the chain fails. Otherwise it
 * appears whole or not at all: written beside, renamed at the end; what is no regular file (/dev/null, a named pipe) is written into.
 * Between file and file the kernel copies, sharing the blocks where the filesystem can. */
struct sink *file_sink_create(const char *path, bool in_place);
