/* Reading archives and writing what is in them: see unpack.h.  Worker threads. */
#include "work/unpack.h"
#include "base/text.h"
#include "work/coder.h"
#include "work/extract.h"
#include "work/libarchive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct unpack {
    struct sink sink;
    struct unpack_options options;
    bool zip;
    char *directory;
    struct extract *extract;
    uint64_t entries, bytes;
    /* while it runs */
    const struct libarchive *api;
    struct archive *archive;
    struct stream *from;
    struct error *error;   /* of a callback */
    bool failed;           /* that one was filled */
    bool began;            /* something was read */
    int spool;             /* -1: there is none */
    uint64_t spooled, at;
    char *chunk;           /* STREAM_CHUNK bytes */
};

/* ---- what libarchive calls ---- */

static la_ssize_t fail_callback(struct unpack *u)
{
    u->failed = true;
    return -1;
}

static la_ssize_t read_stream(struct archive *archive, void *context, const void **data)
{
    struct unpack *u = context;
    size_t got;
    (void)archive;
    if (!stream_read(u->from, u->chunk, STREAM_CHUNK, &got, u->error))
        return fail_callback(u);
    u->began = u->began || got > 0;
    *data = u->chunk;
    return (la_ssize_t)got;
}

static la_ssize_t read_spool(struct archive *archive, void *context, const void **data)
{
    struct unpack *u = context;
    ssize_t got;
    (void)archive;
    if (flow_over(u->sink.flow)) {
        error_set(u->error, ECANCELED, "cancelled");
        return fail_callback(u);
    }
    do
        got = pread(u->spool, u->chunk, STREAM_CHUNK, (off_t)u->at);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        error_errno(u->error, errno, "reading a temporary file");
        return fail_callback(u);
    }
    u->at += (uint64_t)got;
    *data = u->chunk;
    return got;
}

static la_int64_t seek_spool(struct archive *archive, void *context, la_int64_t offset, int whence)
{
    struct unpack *u = context;
    (void)archive;
    int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (int64_t)u->at : (int64_t)u->spooled;
    if (offset < -base || offset > (int64_t)u->spooled - base)
        return ARCHIVE_FATAL;
    u->at = (uint64_t)(base + offset);
    return base + offset;
}

static la_int64_t skip_spool(struct archive *archive, void *context, la_int64_t count)
{
    struct unpack *u = context;
    (void)archive;
    uint64_t left = u->spooled - u->at, skipped = count < 0 ? 0 : (uint64_t)count < left ? (uint64_t)count : left;
    u->at += skipped;
    return (la_int64_t)skipped;
}

/* ---- errors ---- */

static const char *verb(const struct unpack *u) { return u->sink.type->name; }

static bool fail(const struct unpack *u, struct error *e, int code, const char *why)
{
    return error_set(e, code, "%s of %s: %s", verb(u), stream_subject(u->from), why);
}

/* Puts "untar of /tmp/x: " before a message about an entry. */
static bool fail_again(const struct unpack *u, struct error *e)
{
    struct error inner = *e;
    return fail(u, e, inner.code, inner.message);
}

static bool fail_entry(const struct unpack *u, struct archive_entry *entry, struct error *e, int code, const char *why)
{
    char text[NAME_TEXT_SIZE];
    const char *name = u->api->archive_entry_pathname(entry);
    return error_set(e, code, "%s of %s: entry \"%s\": %s", verb(u), stream_subject(u->from), name_text(name != NULL ? name : "", text), why);
}

/* libarchive has failed. `entry`: while that was read, or NULL. */
static bool fail_archive(const struct unpack *u, struct archive_entry *entry, struct error *e)
{
    char text[NAME_TEXT_SIZE];
    const char *why = u->api->archive_error_string(u->archive);
    if (u->failed)
        return false; /* the stream has, and has said why */
    if (!u->began)
        return fail(u, e, EPIPE, "unexpected end of file after 0 bytes");
    if (u->entries == 0 && why != NULL && strcmp(why, "Unrecognized archive format") == 0)
        return fail(u, e, EBADMSG, u->zip ? "not a zip archive" : "not a tar archive");
    (void)name_text(why != NULL ? why : "it is damaged", text);
    return entry != NULL ? fail_entry(u, entry, e, EBADMSG, text) : fail(u, e, EBADMSG, text);
}

/* ---- entries ---- */

static bool write_at(int fd, const char *data, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t count = pwrite(fd, data, size, (off_t)offset);
        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0) {
            data += count;
            size -= (size_t)count;
            offset += (uint64_t)count;
        }
    }
    return true;
}

/* Counts the file's bytes; holes count, too. */
static bool within(struct unpack *u, struct archive_entry *entry, uint64_t size, struct error *e)
{
    char count[COUNT_SIZE], why[80];
    if (size <= u->options.bytes - u->bytes)
        return true;
    (void)snprintf(why, sizeof why, "there are more than %s bytes in this archive", count_text(u->options.bytes, count));
    return fail_entry(u, entry, e, EFBIG, why);
}

/* Whether decompressing takes as much memory as the file has bytes, as far as its dictionary goes, which may be 4 GiB: libarchive takes
 * whatever the archive asks for. */
static bool is_greedy(const struct unpack *u)
{
    const char *format = u->zip ? u->api->archive_format_name(u->archive) : NULL; /* "ZIP 6.3 (lzma)" */
    return format != NULL && (strstr(format, "(lzma)") != NULL || strstr(format, "(xz)") != NULL);
}

static bool fail_greedy(struct unpack *u, struct archive_entry *entry, struct error *e)
{
    char why[120];
    (void)snprintf(why, sizeof why, "it was compressed as lzma or xz: decompressing more than %d MiB might take as much memory", DECODER_MEMORY_MIB);
    return fail_entry(u, entry, e, ENOMEM, why);
}

static bool write_content(struct unpack *u, struct archive_entry *entry, int fd, struct error *e)
{
    const void *data;
    size_t size;
    la_int64_t offset;
    uint64_t end = 0, written = 0, wanted = u->api->archive_entry_size_is_set(entry) ? (uint64_t)u->api->archive_entry_size(entry) : 0;
    int result;
    const bool greedy = is_greedy(u);
    while ((result = u->api->archive_read_data_block(u->archive, &data, &size, &offset)) == ARCHIVE_OK) {
        if (flow_over(u->sink.flow))
            return error_set(e, ECANCELED, "cancelled");
        if (offset < 0 || (uint64_t)offset > (uint64_t)INT64_MAX - size)
            return fail_entry(u, entry, e, EBADMSG, "it is damaged");
        end = (uint64_t)offset + size > end ? (uint64_t)offset + size : end;
        if (!within(u, entry, end, e))
            return false;
        if (greedy && end > (uint64_t)DECODER_MEMORY_MIB << 20)
            return fail_greedy(u, entry, e);
        if (fd >= 0 && !write_at(fd, data, size, (uint64_t)offset))
            return fail_entry(u, entry, e, errno, strerror(errno));
        written = size > 0 ? end : written;
    }
    if (result != ARCHIVE_EOF)
        return fail_archive(u, entry, e);
    end = wanted > end ? wanted : end;
    if (!within(u, entry, end, e))
        return false;
    if (fd >= 0 && end > written && ftruncate(fd, (off_t)end) != 0) /* it ends with a hole */
        return fail_entry(u, entry, e, errno, strerror(errno));
    u->bytes += end;
    return true;
}

static bool unpack_file(struct unpack *u, struct archive_entry *entry, const char *name, struct error *e)
{
    int fd;
    if (!extract_file(u->extract, name, u->api->archive_entry_perm(entry), &fd, e))
        return fail_again(u, e);
    bool ok = write_content(u, entry, fd, e);
    if (fd >= 0 && close(fd) != 0 && ok)
        ok = fail_entry(u, entry, e, errno, strerror(errno));
    return ok;
}

static bool unpack_link(struct unpack *u, struct archive_entry *entry, const char *name, struct error *e)
{
    const char *hard = u->api->archive_entry_hardlink(entry), *target = hard != NULL ? hard : u->api->archive_entry_symlink(entry);
    if (!u->options.links)
        return fail_entry(u, entry, e, EPERM, "a link is refused (links = true makes those that stay inside)");
    if (target == NULL)
        return fail_entry(u, entry, e, EBADMSG, "a link without a target");
    uint64_t size = 0;
    if (hard != NULL ? !extract_hard_link(u->extract, name, target, &size, e) : !extract_symbolic_link(u->extract, name, target, e))
        return fail_again(u, e);
    bool ok = within(u, entry, size, e); /* whoever reads the files reads it once more */
    u->bytes += ok ? size : 0;
    return ok;
}

static bool unpack_entry(struct unpack *u, struct archive_entry *entry, struct error *e)
{
    const char *name = u->api->archive_entry_pathname(entry);
    char count[COUNT_SIZE], why[80];
    if (name == NULL || *name == '\0')
        return fail(u, e, EBADMSG, "an entry has no name");
    if (u->entries == u->options.files) {
        (void)snprintf(why, sizeof why, "there are more than %s entries in this archive", count_text(u->options.files, count));
        return fail_entry(u, entry, e, EFBIG, why);
    }
    u->entries++;
    if (u->api->archive_entry_is_encrypted(entry))
        return fail_entry(u, entry, e, EACCES, "it is encrypted");
    if (u->api->archive_entry_hardlink(entry) != NULL)
        return unpack_link(u, entry, name, e);
    switch (u->api->archive_entry_filetype(entry)) {
    case AE_IFREG:
    case 0: /* zips may not say */
        return unpack_file(u, entry, name, e);
    case AE_IFDIR:
        return extract_directory(u->extract, name, u->api->archive_entry_perm(entry), e) || fail_again(u, e);
    case AE_IFLNK:
        return unpack_link(u, entry, name, e);
    case AE_IFIFO:
        return fail_entry(u, entry, e, EPERM, "a named pipe is refused");
    case AE_IFSOCK:
        return fail_entry(u, entry, e, EPERM, "a socket is refused");
    default:
        return fail_entry(u, entry, e, EPERM, "a device is refused");
    }
}

static bool unpack_all(struct unpack *u, struct error *e)
{
    struct archive_entry *entry;
    int result;
    while ((result = u->api->archive_read_next_header(u->archive, &entry)) == ARCHIVE_OK || result == ARCHIVE_WARN) { /* a warning: a name is no UTF-8 */
        if (flow_over(u->sink.flow))
            return error_set(e, ECANCELED, "cancelled");
        if (!unpack_entry(u, entry, e))
            return false;
    }
    return result == ARCHIVE_EOF || fail_archive(u, NULL, e);
}

/* ---- the sink ---- */

/* A file without a name in the directory that the target is in, or will be. */
static bool open_spool(struct unpack *u, struct error *e)
{
    char parent[PATH_MAX];
    size_t length = strlen(u->directory);
    while (length > 1 && u->directory[length - 1] == '/')
        length--;
    struct stat status;
    if (length >= sizeof parent)
        return error_set(e, ENAMETOOLONG, "making %s: %s", u->directory, strerror(ENAMETOOLONG));
    memcpy(parent, u->directory, length);
    parent[length] = '\0';
    if (stat(parent, &status) != 0) {
        char *slash = strrchr(parent, '/');
        if (slash == NULL)
            memcpy(parent, ".", 2);
        else
            slash[slash == parent] = '\0';
    }
    u->spool = open(parent, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (u->spool < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) { /* not every filesystem has it */
        if (length + sizeof "/.ocmlua-XXXXXX" > sizeof parent)
            return error_set(e, ENAMETOOLONG, "making %s: %s", u->directory, strerror(ENAMETOOLONG));
        memcpy(parent + strlen(parent), "/.ocmlua-XXXXXX", sizeof "/.ocmlua-XXXXXX");
        u->spool = mkostemp(parent, O_CLOEXEC);
        if (u->spool >= 0)
            (void)unlink(parent);
    }
    return u->spool >= 0 || error_errno(e, errno, "making a temporary file for %s", u->directory);
}

static bool spool_all(struct unpack *u, struct error *e)
{
    size_t got;
    if (!open_spool(u, e))
        return false;
    for (;;) {
        if (!stream_read(u->from, u->chunk, STREAM_CHUNK, &got, e))
            return false;
        if (got == 0)
            return true;
        if (!write_at(u->spool, u->chunk, got, u->spooled))
            return error_errno(e, errno, "writing a temporary file for %s", u->directory);
        u->spooled += got;
        u->began = true;
    }
}

static bool open_archive(struct unpack *u, struct error *e)
{
    const struct libarchive *api = u->api;
    u->archive = api->archive_read_new();
    if (u->archive == NULL)
        return fail(u, e, ENOMEM, "out of memory");
    if (u->zip) {
        (void)api->archive_read_support_format_zip_seekable(u->archive);
        (void)api->archive_read_set_seek_callback(u->archive, seek_spool);
        (void)api->archive_read_set_skip_callback(u->archive, skip_spool);
    } else {
        (void)api->archive_read_support_format_tar(u->archive);
    }
    (void)api->archive_read_set_callback_data(u->archive, u);
    (void)api->archive_read_set_read_callback(u->archive, u->zip ? read_spool : read_stream);
    return api->archive_read_open1(u->archive) == ARCHIVE_OK || fail_archive(u, NULL, e);
}

/* What is behind the archive's end counts as read, too. */
static bool read_rest(struct unpack *u, struct error *e)
{
    size_t got;
    do
        if (!stream_read(u->from, u->chunk, STREAM_CHUNK, &got, e))
            return false;
    while (got > 0);
    return true;
}

/* A zip of nothing but its end, which libarchive does not know for one.  In its comment there is no other end, which others would find. */
static bool is_empty_zip(const struct unpack *u)
{
    static const char end[20] = "PK\5\6"; /* no disks, no entries; the length of a comment follows */
    enum { WHOLE = sizeof end + 2, COMMENT_MOST = 65535, SIGNATURE = 4 };
    const unsigned char *start = (const unsigned char *)u->chunk;
    if (!u->zip || u->spooled < WHOLE || u->spooled > WHOLE + COMMENT_MOST || pread(u->spool, u->chunk, u->spooled, 0) != (ssize_t)u->spooled)
        return false;
    return memcmp(start, end, sizeof end) == 0 && WHOLE + (start[20] | start[21] << 8) == (int)u->spooled &&
           memmem(start + SIGNATURE, u->spooled - SIGNATURE, end, SIGNATURE) == NULL;
}

static bool unpack(struct unpack *u, struct error *e)
{
    struct error why;
    u->error = e;
    u->api = libarchive_load(&why);
    if (u->api == NULL)
        return fail(u, e, why.code, why.message);
    u->chunk = malloc(STREAM_CHUNK);
    if (u->chunk == NULL)
        return fail(u, e, ENOMEM, "out of memory");
    if (u->zip && !spool_all(u, e))
        return false;
    if (is_empty_zip(u))
        return extract_open(u->extract, e) || fail_again(u, e);
    if (!open_archive(u, e))
        return false;
    return (extract_open(u->extract, e) || fail_again(u, e)) && unpack_all(u, e) && read_rest(u, e);
}

static bool unpack_run(struct sink *s, struct stream *from, struct error *e)
{
    struct unpack *u = (struct unpack *)s;
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0); /* libarchive translates names to the locale's encoding */
    locale_t before = utf8 != (locale_t)0 ? uselocale(utf8) : (locale_t)0;
    u->from = from;
    bool ok = unpack(u, e);
    if (u->archive != NULL)
        (void)u->api->archive_read_free(u->archive);
    u->archive = NULL;
    free(u->chunk);
    u->chunk = NULL;
    if (utf8 != (locale_t)0) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    s->written = from->passed;
    return ok;
}

static bool unpack_commit(struct sink *s, struct error *e)
{
    struct unpack *u = (struct unpack *)s;
    return extract_commit(u->extract, e) || fail_again(u, e);
}

static void unpack_free(struct sink *s)
{
    struct unpack *u = (struct unpack *)s;
    extract_free(u->extract);
    if (u->spool >= 0)
        close(u->spool);
    free(u->directory);
    free(u);
}

static struct sink *create(const struct sink_type *type, const char *directory, const struct unpack_options *options, bool zip)
{
    struct unpack *u = calloc(1, sizeof *u);
    if (u == NULL)
        return NULL;
    u->sink.type = type;
    u->options = *options;
    u->zip = zip;
    u->spool = -1;
    u->directory = strdup(directory);
    u->extract = extract_create(directory, options->overwrite, options->keep_modes, options->strip);
    if (u->directory == NULL || u->extract == NULL) {
        unpack_free(&u->sink);
        return NULL;
    }
    return &u->sink;
}

struct sink *untar_sink_create(const char *directory, const struct unpack_options *options)
{
    static const struct sink_type type = {.name = "untar", .computes = true, .run = unpack_run, .commit = unpack_commit, .free = unpack_free};
    return create(&type, directory, options, false);
}

struct sink *unzip_sink_create(const char *directory, const struct unpack_options *options)
{
    static const struct sink_type type = {.name = "unzip", .computes = true, .run = unpack_run, .commit = unpack_commit, .free = unpack_free};
    return create(&type, directory, options, true);
}

uint64_t unpack_entries(const struct sink *s) { return ((const struct unpack *)s)->entries; }
