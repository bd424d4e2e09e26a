/* See beside.h. */
#include "base/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int beside_create(const char *path, mode_t mode, char *beside, size_t size)
{
    static atomic_uint serial;
    const char *slash = strrchr(path, '/');
    int folder = slash != NULL ? (int)(slash - path + 1) : 0, fd;
    do {
        unsigned number = atomic_fetch_add(&serial, 1);
        fd = -1;
        if ((size_t)snprintf(beside, size, "%.*s.ocmlua-%d-%u.part", folder, path, (int)getpid(), number) >= size)
            errno = ENAMETOOLONG;
        else
            fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EEXIST);
    if (fd < 0)
        beside[0] = '\0';
    return fd;
}
