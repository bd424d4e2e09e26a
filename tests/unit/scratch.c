/* A test's own folder: see scratch.h. */
#include "scratch.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[PATH_MAX / 2];
static char *before; /* $TMPDIR, as it was */

int scratch_setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    before = tmp != NULL ? strdup(tmp) : NULL;
    if (tmp != NULL && strlen(tmp) > 40) /* a socket's path has at most 107 bytes */
        tmp = NULL;
    if ((size_t)snprintf(folder, sizeof folder, "%s/ocmlua-unit-XXXXXX", tmp != NULL ? tmp : "/tmp") >= sizeof folder || mkdtemp(folder) == NULL)
        return -1;
    return setenv("TMPDIR", folder, 1);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status, (void)kind, (void)at;
    (void)remove(path);
    return 0;
}

int scratch_teardown(void **state)
{
    (void)state;
    int left = before != NULL ? setenv("TMPDIR", before, 1) : unsetenv("TMPDIR");
    free(before);
    (void)nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return left != 0 || exists(folder) ? -1 : 0;
}

const char *scratch(const char *name)
{
    static char paths[16][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 16];
    (void)snprintf(path, sizeof paths[0], *name != '\0' ? "%s/%s" : "%s", folder, name);
    return path;
}

const char *scratch_write(const char *name, const void *bytes, size_t length)
{
    const char *path = scratch(name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0) {
        perror(path);
        abort();
    }
    return path;
}

char *scratch_read(const char *path, size_t *length)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    size_t size = fstat(fileno(file), &status) == 0 ? (size_t)status.st_size : 0;
    char *bytes = malloc(size + 1);
    if (bytes == NULL || fread(bytes, 1, size, file) != size) {
        perror(path);
        abort();
    }
    (void)fclose(file);
    bytes[size] = '\0';
    *length = size;
    return bytes;
}

bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

int entries(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -1;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    (void)closedir(dir);
    return count;
}
