/* See zip.h. */
#include "work/zip.h"
#include "base/text.h"
#include "work/libarchive.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

struct zip {
    const struct libarchive *api;
    struct archive *archive;
    struct archive_entry *entry;
    struct buffer *out;
    bool failed;   /* there was no memory in append */
    locale_t utf8; /* libarchive marks names as UTF-8 when the locale is */
};

/* Says that all is well, always: libarchive leaks what it has when this fails (its pull request 2664). */
static la_ssize_t append(struct archive *archive, void *context, const void *data, size_t size)
{
    struct zip *z = context;
    (void)archive;
    z->failed = z->failed || !buffer_append(z->out, data, size);
    return (la_ssize_t)size;
}

/* `ok`: libarchive's word. */
static bool check(const struct zip *z, bool ok, struct error *e)
{
    char text[NAME_TEXT_SIZE];
    if (ok && !z->failed)
        return true;
    const char *why = !ok && z->archive != NULL ? z->api->archive_error_string(z->archive) : NULL;
    return error_set(e, why != NULL ? EIO : ENOMEM, "%s", why != NULL ? name_text(why, text) : "out of memory");
}

struct zip *zip_create(struct buffer *out, int level, struct error *e)
{
    const char text[] = {(char)('0' + level), '\0'};
    const struct libarchive *api = libarchive_load(e);
    struct zip *z = api != NULL ? calloc(1, sizeof *z) : NULL;
    if (z == NULL) {
        if (api != NULL)
            error_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    *z = (struct zip){.api = api, .out = out, .archive = api->archive_write_new(), .entry = api->archive_entry_new()};
    z->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (z->archive != NULL && z->entry != NULL && z->utf8 != (locale_t)0 && api->archive_write_set_format_zip(z->archive) == ARCHIVE_OK &&
        api->archive_write_set_format_option(z->archive, "zip", "compression-level", text) == ARCHIVE_OK &&
        api->archive_write_set_bytes_per_block(z->archive, 0) == ARCHIVE_OK &&
        api->archive_write_open(z->archive, z, NULL, append, NULL) == ARCHIVE_OK)
        return z;
    (void)check(z, false, e);
    zip_free(z);
    return NULL;
}

bool zip_entry(struct zip *z, const struct tar_entry *entry, struct error *e)
{
    const struct libarchive *api = z->api;
    if (!name_is_utf8(entry->name)) /* which would be marked as if it were, and read by nobody */
        return error_set(e, EILSEQ, "a name that is no UTF-8 has no place in a zip, exclude it");
    locale_t before = uselocale(z->utf8);
    (void)api->archive_entry_clear(z->entry);
    api->archive_entry_set_pathname(z->entry, entry->name);
    api->archive_entry_set_mode(z->entry, (entry->kind == '5' ? AE_IFDIR : entry->kind == '2' ? AE_IFLNK : AE_IFREG) | (__LA_MODE_T)entry->mode);
    api->archive_entry_set_size(z->entry, (la_int64_t)entry->size);
    if (entry->kind == '2')
        api->archive_entry_set_symlink(z->entry, entry->target);
    bool ok = check(z, api->archive_write_header(z->archive, z->entry) == ARCHIVE_OK, e);
    (void)uselocale(before);
    return ok;
}

bool zip_data(struct zip *z, const char *data, size_t size, struct error *e)
{
    return check(z, z->api->archive_write_data(z->archive, data, size) == (la_ssize_t)size, e);
}

bool zip_end(struct zip *z, struct error *e) { return check(z, z->api->archive_write_close(z->archive) == ARCHIVE_OK, e); }

void zip_free(struct zip *z)
{
    if (z == NULL)
        return;
    struct buffer rest = {0}; /* freeing closes, which writes an end: to where nobody looks */
    z->out = &rest;
    if (z->archive != NULL)
        (void)z->api->archive_write_free(z->archive);
    buffer_free(&rest);
    if (z->entry != NULL)
        z->api->archive_entry_free(z->entry);
    if (z->utf8 != (locale_t)0)
        freelocale(z->utf8);
    free(z);
}
