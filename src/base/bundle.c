/* Bundles: see bundle.h.
 *
 * The directory is walked anew for each file that is looked for: it has a handful of entries, and so there is nothing to allocate. */
#include "base/bundle.h"
#include "base/beside.h"
#include "base/crc32.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The records' sizes without names, and where their fields are (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16). */
enum { END_SIZE = 22, ENTRY_SIZE = 46, LOCAL_SIZE = 30 };
static const uint32_t END_MARK = 0x06054b50, ENTRY_MARK = 0x02014b50, LOCAL_MARK = 0x04034b50;

static uint32_t number(const unsigned char *at, unsigned size)
{
    uint32_t value = 0;
    while (size-- > 0)
        value = value << 8 | at[size];
    return value;
}

static bool damaged(struct error *e, const char *how) { return error_set(e, EINVAL, "the bundle at the end of this program is damaged: %s", how); }

/* The entry at *at, which moves behind it. */
static bool read_entry(const struct bundle *bundle, size_t *at, struct bundle_file *file, struct error *e)
{
    const unsigned char *entry = bundle->bytes + *at;
    if (bundle->end - *at < ENTRY_SIZE || number(entry, 4) != ENTRY_MARK)
        return damaged(e, "its directory is cut short");
    size_t name_length = number(entry + 28, 2);
    size_t size = ENTRY_SIZE + name_length + number(entry + 30, 2) + number(entry + 32, 2);
    if (bundle->end - *at < size)
        return damaged(e, "its directory is cut short");
    if (name_length == 0 || name_length >= sizeof bundle->script || memchr(entry + ENTRY_SIZE, '\0', name_length) != NULL)
        return damaged(e, "the name of a file is empty, too long, or not a text");
    if (number(entry + 10, 2) != 0 || (number(entry + 8, 2) & 1) != 0 || number(entry + 20, 4) != number(entry + 24, 4))
        return damaged(e, "a file is compressed or encrypted");
    size_t local = number(entry + 42, 4), length = number(entry + 24, 4);
    if (local > bundle->directory || bundle->directory - local < LOCAL_SIZE || number(bundle->bytes + local, 4) != LOCAL_MARK)
        return damaged(e, "a file is not where its directory says");
    const unsigned char *header = bundle->bytes + local;
    size_t skip = LOCAL_SIZE + number(header + 26, 2) + number(header + 28, 2);
    if (bundle->directory - local < skip || bundle->directory - local - skip < length)
        return damaged(e, "a file is cut short");
    *file = (struct bundle_file){(const char *)entry + ENTRY_SIZE, name_length, (const char *)header + skip, length, number(entry + 16, 4)};
    *at += size;
    return true;
}

bool bundle_read(struct bundle *bundle, const void *bytes, size_t length, struct error *e)
{
    struct bundle_file file = {0};
    const unsigned char *last = (const unsigned char *)bytes + (length < END_SIZE ? 0 : length - END_SIZE);
    *bundle = (struct bundle){.bytes = bytes};
    if (length < END_SIZE || number(last, 4) != END_MARK)
        return error_set(e, ENOENT, "there is no bundle");
    size_t size = number(last + 12, 4);
    bundle->end = length - END_SIZE;
    bundle->directory = number(last + 16, 4);
    bundle->count = number(last + 10, 2);
    if (bundle->directory > bundle->end || bundle->end - bundle->directory != size || number(last + 4, 4) != 0 || number(last + 8, 2) != bundle->count || number(last + 20, 2) != 0)
        return damaged(e, "its directory is not where its end says");
    if (bundle->count == 0)
        return damaged(e, "it is empty");
    size_t at = bundle->directory;
    for (unsigned i = 0; i < bundle->count; i++) {
        if (!read_entry(bundle, &at, &file, e))
            return false;
        if (i == 0)
            memcpy(bundle->script, file.name, file.name_length);
    }
    return at == bundle->end || damaged(e, "there is more in its directory than it says");
}

bool bundle_find(const struct bundle *bundle, const char *name, struct bundle_file *file, struct error *e)
{
    size_t length = strlen(name), at = bundle->directory;
    for (unsigned i = 0; i < bundle->count; i++) {
        if (!read_entry(bundle, &at, file, e))
            return false;
        if (file->name_length == length && memcmp(file->name, name, length) == 0)
            return crc32_of(0, file->bytes, file->length) == file->crc || error_set(e, EINVAL, "the bundle at the end of this program is damaged: the checksum of %s", name);
    }
    *file = (struct bundle_file){0};
    return true;
}

/* ---- this program ---- */

/* Its file.  Without /proc, what the kernel was told to execute. */
static int open_program(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const char *path = fd < 0 ? (const char *)getauxval(AT_EXECFN) : NULL; // NOLINT: an address is what it gives
    return path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : fd;
}

bool bundle_open(struct bundle *bundle, struct error *e)
{
    unsigned char last[END_SIZE];
    *bundle = (struct bundle){0};
    int fd = open_program();
    off_t length = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    bool ok = true;
    if (length >= END_SIZE && pread(fd, last, sizeof last, length - END_SIZE) == END_SIZE && number(last, 4) == END_MARK) {
        void *bytes = mmap(NULL, (size_t)length, PROT_READ, MAP_PRIVATE, fd, 0); /* nobody can write into a file that is being executed */
        ok = bytes == MAP_FAILED ? error_errno(e, errno, "reading the bundle at the end of this program") : bundle_read(bundle, bytes, (size_t)length, e);
    }
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

bool bundle_is_cut(void)
{
    Elf64_Ehdr header;
    struct stat about;
    int fd = open_program();
    bool cut = fd >= 0 && fstat(fd, &about) == 0 && pread(fd, &header, sizeof header, 0) == sizeof header && header.e_ident[EI_CLASS] == ELFCLASS64 &&
               (uint64_t)about.st_size > header.e_shoff + (uint64_t)header.e_shentsize * header.e_shnum; /* the sections' table ends a program */
    if (fd >= 0)
        (void)close(fd);
    return cut;
}

/* ---- writing ---- */

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && errno != EINTR)
            return false;
        bytes += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* From a name to another that must not be there. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS) /* not every filesystem can */
        return -1;
    return link(from, to) == 0 ? unlink(from) : -1;
}

bool bundle_write(const char *path, const void *bytes, size_t length, bool replace, struct error *e)
{
    char beside[PATH_MAX];
    int fd = beside_create(path, 0777, beside, sizeof beside); /* its name begins with a dot: no plugin, while it is made */
    if (fd < 0)
        return error_errno(e, errno, "writing %s", path);
    bool ok = write_all(fd, bytes, length);
    int reason = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        reason = errno;
    }
    if (ok && (replace ? rename(beside, path) : rename_new(beside, path)) != 0) {
        ok = false;
        reason = errno;
    }
    if (!ok)
        (void)unlink(beside);
    return ok || error_errno(e, reason, "writing %s", path);
}
