/* See tar_header.h: struct posix_header of POSIX.1-1988, and the extended header of POSIX.1-2001. */
#include "work/tar_header.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], kind, target[100], magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == TAR_BLOCK, "a header is one block");

static const uint64_t SIZE_MOST = ((uint64_t)1 << 33) - 1; /* eleven octal digits */

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* `size` digits less one, and a NUL. What is too large becomes zero: its pax record counts. */
static void put_octal(char *field, size_t size, uint64_t value)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%0*" PRIo64, (int)size - 1, value);
    if (length != (int)size - 1)
        memset(digits, '0', size - 1);
    memcpy(field, digits, size - 1);
    field[size - 1] = '\0';
}

/* The ASCII of the text, cut; what is cut does not end with a slash, which would make it a directory. */
static void put_text(char *field, size_t size, const char *text)
{
    size_t length = 0, all = 0;
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x80) {
            if (length < size)
                field[length++] = *text;
            all++;
        }
    if (all > size && field[size - 1] == '/') {
        size_t end = size - 1;
        while (end > 0 && field[end - 1] == '/')
            end--;
        field[end] = '\0';
    }
}

static bool append(struct buffer *out, struct header *header)
{
    unsigned sum = 0;
    memcpy(header->magic, "ustar", 6);
    memcpy(header->version, "00", 2);
    memset(header->checksum, ' ', sizeof header->checksum);
    for (size_t i = 0; i < sizeof *header; i++)
        sum += ((const unsigned char *)header)[i];
    put_octal(header->checksum, 7, sum);
    return buffer_append(out, header, sizeof *header);
}

size_t tar_padding(uint64_t size) { return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK); }

/* "<length> <key>=<value>\n"; the length counts its own digits, too. */
static bool add_record(struct buffer *out, const char *key, const char *value)
{
    size_t rest = strlen(key) + strlen(value) + 3, length = rest, before;
    do {
        before = length;
        length = rest + (size_t)snprintf(NULL, 0, "%zu", before);
    } while (length != before);
    return buffer_printf(out, "%zu %s=", length, key) && buffer_puts(out, value) && buffer_add(out, '\n');
}

/* The extended header, its name the entry's with PaxHeaders.0 in it. */
static bool add_extended(struct buffer *out, const struct tar_entry *entry, const struct buffer *records)
{
    static const char zeros[TAR_BLOCK];
    struct header header = {0};
    const char *slash = strrchr(entry->name, '/');
    size_t folder = slash != NULL ? (size_t)(slash - entry->name) + 1 : 0;
    struct buffer name = {0};
    bool ok = buffer_append(&name, entry->name, folder) && buffer_puts(&name, "PaxHeaders.0") &&
              (entry->name[folder] == '\0' || (buffer_add(&name, '/') && buffer_puts(&name, entry->name + folder))) && buffer_add(&name, '\0');
    if (ok) {
        put_text(header.name, sizeof header.name, name.data);
        for (size_t end = strnlen(header.name, sizeof header.name); end > 0 && header.name[end - 1] == '/'; end--)
            header.name[end - 1] = '\0';
    }
    buffer_free(&name);
    put_octal(header.mode, sizeof header.mode, 0);
    put_octal(header.uid, sizeof header.uid, 0);
    put_octal(header.gid, sizeof header.gid, 0);
    put_octal(header.size, sizeof header.size, records->length);
    put_octal(header.mtime, sizeof header.mtime, 0);
    header.kind = 'x';
    return ok && append(out, &header) && buffer_append(out, records->data, records->length) && buffer_append(out, zeros, tar_padding(records->length));
}

/* Where ustar can split the path into prefix and name: the slash's place; 0: it cannot. */
static size_t split(const char *name)
{
    size_t length = strlen(name), end = length;
    if (length <= sizeof((struct header *)0)->name || !is_ascii(name))
        return 0;
    if (length > sizeof((struct header *)0)->prefix + 1)
        end = sizeof((struct header *)0)->prefix + 1;
    else if (name[length - 1] == '/')
        end--;
    while (end > 0 && name[end - 1] != '/')
        end--;
    if (end <= 1)
        return 0;
    size_t rest = length - end;
    return rest > 0 && rest <= sizeof((struct header *)0)->name && end - 1 <= sizeof((struct header *)0)->prefix ? end - 1 : 0;
}

bool tar_header(struct buffer *out, const struct tar_entry *entry)
{
    struct header header = {0};
    struct buffer records = {0};
    char size[24];
    bool name_fits = strlen(entry->name) <= sizeof header.name && is_ascii(entry->name);
    bool target_fits = strlen(entry->target) <= sizeof header.target && is_ascii(entry->target);
    size_t prefix = split(entry->name);
    bool extended = !(name_fits || prefix > 0) || !target_fits || entry->size > SIZE_MOST, ok = true;
    if (extended) { /* sorted by key */
        (void)snprintf(size, sizeof size, "%" PRIu64, entry->size);
        ok = (target_fits || add_record(&records, "linkpath", entry->target)) && (name_fits || add_record(&records, "path", entry->name)) &&
             (entry->size <= SIZE_MOST || add_record(&records, "size", size)) && add_extended(out, entry, &records);
    }
    buffer_free(&records);
    if (!extended && prefix > 0) {
        memcpy(header.prefix, entry->name, prefix);
        put_text(header.name, sizeof header.name, entry->name + prefix + 1);
    } else {
        put_text(header.name, sizeof header.name, entry->name);
    }
    put_octal(header.mode, sizeof header.mode, entry->mode);
    put_octal(header.uid, sizeof header.uid, 0);
    put_octal(header.gid, sizeof header.gid, 0);
    put_octal(header.size, sizeof header.size, entry->size);
    put_octal(header.mtime, sizeof header.mtime, 0);
    header.kind = entry->kind;
    put_text(header.target, sizeof header.target, entry->target);
    put_octal(header.major, sizeof header.major, 0);
    put_octal(header.minor, sizeof header.minor, 0);
    return ok && append(out, &header);
}
