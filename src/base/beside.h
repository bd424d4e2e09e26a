#pragma once
/* A new file in the folder of another, whose place it will take when it is whole (rename).  Any thread. */
#include <stddef.h>
#include <sys/types.h>

/* Makes `.ocmlua-….part`, empty, with what the umask leaves of the mode, and writes its path to `beside`.  Returns a descriptor for writing
 * (close-on-exec); or -1 with errno, and `beside` is empty. */
int beside_create(const char *path, mode_t mode, char *beside, size_t size);
