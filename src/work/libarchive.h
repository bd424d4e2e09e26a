#pragma once
/* libarchive, loaded at first use: what reading archives and writing zips takes. Any thread. */
#include "base/error.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>

struct libarchive {
    struct archive *(*archive_read_new)(void);
    int (*archive_read_free)(struct archive *);
    int (*archive_read_support_format_tar)(struct archive *);
    int (*archive_read_support_format_zip_seekable)(struct archive *);
    int (*archive_read_set_callback_data)(struct archive *, void *);
    int (*archive_read_set_read_callback)(struct archive *, archive_read_callback *);
    int (*archive_read_set_seek_callback)(struct archive *, archive_seek_callback *);
    int (*archive_read_set_skip_callback)(struct archive *, archive_skip_callback *);
    int (*archive_read_open1)(struct archive *);
    int (*archive_read_next_header)(struct archive *, struct archive_entry **);
    int (*archive_read_data_block)(struct archive *, const void **, size_t *, la_int64_t *);
    const char *(*archive_error_string)(struct archive *);
    const char *(*archive_entry_pathname)(struct archive_entry *);
    const char *(*archive_entry_symlink)(struct archive_entry *);
    const char *(*archive_entry_hardlink)(struct archive_entry *);
    __LA_MODE_T (*archive_entry_filetype)(struct archive_entry *);
    __LA_MODE_T (*archive_entry_perm)(struct archive_entry *);
    la_int64_t (*archive_entry_size)(struct archive_entry *);
    int (*archive_entry_size_is_set)(struct archive_entry *);
    int (*archive_entry_is_encrypted)(struct archive_entry *);
    const char *(*archive_format_name)(struct archive *);
    struct archive *(*archive_write_new)(void);
    int (*archive_write_free)(struct archive *);
    int (*archive_write_set_format_zip)(struct archive *);
    int (*archive_write_set_format_option)(struct archive *, const char *, const char *, const char *);
    int (*archive_write_set_bytes_per_block)(struct archive *, int);
    int (*archive_write_open)(struct archive *, void *, archive_open_callback *, archive_write_callback *, archive_close_callback *);
    int (*archive_write_header)(struct archive *, struct archive_entry *);
    la_ssize_t (*archive_write_data)(struct archive *, const void *, size_t);
    int (*archive_write_close)(struct archive *);
    struct archive_entry *(*archive_entry_new)(void);
    void (*archive_entry_free)(struct archive_entry *);
    struct archive_entry *(*archive_entry_clear)(struct archive_entry *);
    void (*archive_entry_set_pathname)(struct archive_entry *, const char *);
    void (*archive_entry_set_mode)(struct archive_entry *, __LA_MODE_T);
    void (*archive_entry_set_size)(struct archive_entry *, la_int64_t);
    void (*archive_entry_set_symlink)(struct archive_entry *, const char *);
};

/* NULL: it is not there; e filled. */
const struct libarchive *libarchive_load(struct error *e);
