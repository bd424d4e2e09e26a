/* See libarchive.h. */
#include "work/libarchive.h"
#include "base/lazy.h"

#include <stddef.h>

static struct libarchive archive;

#define SYMBOL(name) {#name, (void **)(void *)&archive.name}

static const struct lazy_symbol symbols[] = {
    SYMBOL(archive_read_new),
    SYMBOL(archive_read_free),
    SYMBOL(archive_read_support_format_tar),
    SYMBOL(archive_read_support_format_zip_seekable),
    SYMBOL(archive_read_set_callback_data),
    SYMBOL(archive_read_set_read_callback),
    SYMBOL(archive_read_set_seek_callback),
    SYMBOL(archive_read_set_skip_callback),
    SYMBOL(archive_read_open1),
    SYMBOL(archive_read_next_header),
    SYMBOL(archive_read_data_block),
    SYMBOL(archive_error_string),
    SYMBOL(archive_entry_pathname),
    SYMBOL(archive_entry_symlink),
    SYMBOL(archive_entry_hardlink),
    SYMBOL(archive_entry_filetype),
    SYMBOL(archive_entry_perm),
    SYMBOL(archive_entry_size),
    SYMBOL(archive_entry_size_is_set),
    SYMBOL(archive_entry_is_encrypted),
    SYMBOL(archive_format_name),
    SYMBOL(archive_write_new),
    SYMBOL(archive_write_free),
    SYMBOL(archive_write_set_format_zip),
    SYMBOL(archive_write_set_format_option),
    SYMBOL(archive_write_set_bytes_per_block),
    SYMBOL(archive_write_open),
    SYMBOL(archive_write_header),
    SYMBOL(archive_write_data),
    SYMBOL(archive_write_close),
    SYMBOL(archive_entry_new),
    SYMBOL(archive_entry_free),
    SYMBOL(archive_entry_clear),
    SYMBOL(archive_entry_set_pathname),
    SYMBOL(archive_entry_set_mode),
    SYMBOL(archive_entry_set_size),
    SYMBOL(archive_entry_set_symlink),
    {NULL, NULL},
};

static const char *const sonames[] = {"libarchive.so.13", NULL};

static struct lazy_library library = {"libarchive", sonames, "libarchive13", symbols, PTHREAD_MUTEX_INITIALIZER, false};

const struct libarchive *libarchive_load(struct error *e) { return lazy_load(&library, e) ? &archive : NULL; }
