/* One exchange of an HTTP request with libcurl: see http_state.h.
 *
 * All of it runs in the thread that reads the stream, inside of http_transfer_step.  The body's bytes go from libcurl straight to
 * the reader's memory; what does not fit waits in `rest`, at most what one callback brought, and the transfer is paused. */
#include "base/lazy.h"
#include "work/http_state.h"
#include "work/http_text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MOST_FIELD_BYTES = 256 * 1024, /* of all answers of an exchange */
    MOST_FIELD_LINES = 1000,
    MOST_REST = 4 * 1024 * 1024,   /* libcurl brings 16 KiB at a time; never reached */
    QUOTED = 1024,                 /* of a refused body */
    MOST_DROPPED = 256 * 1024,     /* of a body nobody wants; a longer one costs more than a new connection */
    SEND_CHUNK = 256 * 1024,
};

/* ---- the answer's fields ---- */

static bool append_value(struct buffer *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!buffer_add(out, (c < ' ' && c != '\t') || c == 0x7f ? ' ' : (char)c))
            return false;
    }
    return buffer_add(out, '\0');
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && isspace((unsigned char)(*text)[*length - 1]))
        --*length;
    while (*length > 0 && isspace((unsigned char)**text)) {
        ++*text;
        --*length;
    }
}

static bool add_field(struct http *h, const char *text, size_t length)
{
    const char *colon = memchr(text, ':', length);
    if (*text == ' ' || *text == '\t') { /* goes on with the last one (obsolete line folding) */
        trim(&text, &length);
        if (h->fields.length == 0)
            return true;
        h->fields.data[h->fields.length - 1] = ' ';
        return append_value(&h->fields, text, length);
    }
    if (colon == NULL || colon == text)
        return true;
    for (const char *c = text; c < colon; c++)
        if (!buffer_add(&h->fields, (unsigned char)*c <= ' ' || *c == 0x7f ? ' ' : (char)tolower((unsigned char)*c)))
            return false;
    const char *value = colon + 1;
    length -= (size_t)(value - text);
    trim(&value, &length);
    return buffer_add(&h->fields, '\0') && append_value(&h->fields, value, length);
}

static size_t on_field(char *data, size_t size, size_t count, void *context)
{
    struct http *h = context;
    size_t length = size * count, whole = length;
    h->field_bytes += length;
    if (h->field_bytes > MOST_FIELD_BYTES || ++h->field_lines > MOST_FIELD_LINES) {
        http_fail(h, EMSGSIZE, "more than %d KiB or %d lines of header", MOST_FIELD_BYTES / 1024, MOST_FIELD_LINES);
        return 0;
    }
    while (length > 0 && (data[length - 1] == '\n' || data[length - 1] == '\r'))
        length--;
    if (length > 5 && memcmp(data, "HTTP/", 5) == 0 && (h->fields_end || h->fields.length == 0)) { /* 100 Continue comes before the answer */
        buffer_clear(&h->fields);
        h->fields_end = false;
    } else if (length == 0) {
        h->fields_end = true;
    } else if (!h->fields_end && !add_field(h, data, length)) {
        http_fail(h, ENOMEM, "out of memory");
        return 0;
    }
    return whole;
}

/* ---- the answer's body ---- */

static size_t drop(struct http *h, const char *data, size_t length)
{
    size_t room = QUOTED - h->text.length;
    if (h->fate == FATE_REFUSE)
        (void)buffer_append(&h->text, data, length < room ? length : room);
    h->dropped += length;
    return h->dropped <= MOST_DROPPED ? length : 0;
}

static bool give(struct http *h, const char *data, size_t length)
{
    size_t old = h->skip < length ? (size_t)h->skip : length;
    h->given += length;
    h->skip -= old;
    data += old;
    length -= old;
    if (h->options.size >= 0 && h->status / 100 == 2 && h->given > (uint64_t)h->options.size) {
        char count[COUNT_SIZE];
        return http_fail(h, EMSGSIZE, "more than the %s bytes that were expected", count_text((uint64_t)h->options.size, count));
    }
    size_t fits = length < h->room - h->got ? length : h->room - h->got;
    if (fits > 0)
        memcpy(h->to + h->got, data, fits);
    h->got += fits;
    h->rest.limit = MOST_REST;
    return buffer_append(&h->rest, data + fits, length - fits) || http_fail(h, ENOMEM, "out of memory");
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct http *h = context;
    size_t length = size * count;
    if (h->fate == FATE_OPEN && !http_judge(h))
        return 0;
    if (h->fate != FATE_GIVE)
        return drop(h, data, length);
    if (h->got == h->room && h->rest.length > 0) {
        h->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    return give(h, data, length) ? length : 0;
}

/* ---- the request's body ---- */

static bool read_file(struct http *h, char *data, size_t size, size_t *got)
{
    ssize_t length;
    while ((length = pread(h->fd, data, size, (off_t)h->sent)) < 0 && errno == EINTR)
        ;
    *got = length > 0 ? (size_t)length : 0;
    if (length < 0)
        return http_fail(h, errno, "reading %s: %s", h->options.data, strerror(errno));
    return length > 0 || http_fail(h, EIO, "%s became shorter while it was sent", h->options.data);
}

/* When its length is known, also that it ends there. */
static bool read_stream(struct http *h, char *data, size_t size, size_t *got)
{
    struct error e;
    char extra, count[COUNT_SIZE];
    int64_t length = h->options.length;
    if (!stream_read(h->stream.from, data, size, got, &e)) {
        h->failed = true;
        h->failure = e; /* as it is: it says what failed */
        return false;
    }
    h->touched |= *got > 0;
    if (length < 0)
        return true;
    size_t more = 0;
    bool last = h->sent + (int64_t)*got == length;
    if (*got == 0 && size > 0)
        return http_fail(h, EIO, "its body is shorter than the %s bytes that were announced", count_text((uint64_t)length, count));
    if (last && !stream_read(h->stream.from, &extra, 1, &more, &e)) {
        h->failed = true;
        h->failure = e;
        return false;
    }
    return more == 0 || http_fail(h, EIO, "its body is longer than the %s bytes that were announced", count_text((uint64_t)length, count));
}

static int64_t body_length(const struct http *h)
{
    return h->options.body == HTTP_FILE ? h->file_size : h->options.body == HTTP_NO_BODY ? 0 : h->options.length;
}

static size_t on_send(char *data, size_t size, size_t count, void *context)
{
    struct http *h = context;
    size_t room = size * count, got = 0;
    int64_t length = body_length(h);
    bool ok = true;
    if (length >= 0 && (int64_t)room > length - h->sent)
        room = (size_t)(length - h->sent);
    if (room == 0)
        return 0;
    if (h->options.body == HTTP_BYTES)
        memcpy(data, h->options.data + h->sent, got = room);
    else
        ok = h->options.body == HTTP_FILE ? read_file(h, data, room, &got) : read_stream(h, data, room, &got);
    h->sent += (int64_t)got;
    return ok ? got : CURL_READFUNC_ABORT;
}

/* libcurl begins anew when a kept connection turns out to be closed, which it can't tell from one that was closed upon the request:
 * what may not be sent twice is not. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct http *h = context;
    bool once = (h->options.body == HTTP_STREAM && h->touched) || !http_is_idempotent(h->method);
    if (origin != SEEK_SET || offset < 0 || (once && h->sent > 0))
        return CURL_SEEKFUNC_CANTSEEK;
    h->sent = offset;
    return CURL_SEEKFUNC_OK;
}

static bool open_file(struct http *h, struct error *e)
{
    struct stat status;
    if (h->fd < 0)
        h->fd = open(h->options.data, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (h->fd < 0 || fstat(h->fd, &status) != 0)
        return error_errno(e, errno, "opening %s", h->options.data);
    if (!S_ISREG(status.st_mode))
        return error_set(e, EINVAL, "sending %s: it is no regular file", h->options.data);
    h->file_size = status.st_size;
    return true;
}

/* ---- starting ---- */

static bool append_line(struct http *h, const char *name, const char *value)
{
    struct buffer line = {0};
    struct curl_slist *longer = NULL;
    bool ok = *value != '\0' ? buffer_puts(&line, name) && buffer_puts(&line, ": ") && buffer_puts(&line, value) : buffer_puts(&line, name) && buffer_add(&line, ';');
    if (ok && buffer_add(&line, '\0') && (longer = curl.curl_slist_append(h->slist, line.data)) != NULL)
        h->slist = longer;
    buffer_free(&line);
    return longer != NULL;
}

static bool append_fields(struct http *h)
{
    const struct http_options *options = &h->options;
    for (size_t i = 0; i < options->field_count; i++) {
        bool body = strncasecmp(options->fields[i].name, "content-", 8) == 0;
        if ((h->foreign && http_is_secret_field(options->fields[i].name)) || (h->bodiless && body))
            continue;
        if (!append_line(h, options->fields[i].name, options->fields[i].value))
            return false;
    }
    if (options->bearer != NULL && !h->foreign) {
        struct buffer value = {0};
        bool ok = buffer_puts(&value, "Bearer ") && buffer_puts(&value, options->bearer) && buffer_add(&value, '\0') && append_line(h, "Authorization", value.data);
        buffer_free(&value);
        if (!ok)
            return false;
    }
    return h->given == 0 || append_line(h, "If-Range", h->validator.data);
}

static bool is_pem(const char *text) { return strstr(text, "-----BEGIN ") != NULL; }

static CURLcode set_pem(CURL *easy, CURLoption path, CURLoption blob, const char *text)
{
    if (!is_pem(text))
        return curl.curl_easy_setopt(easy, path, text);
    struct curl_blob data = {(char *)(uintptr_t)text, strlen(text), CURL_BLOB_COPY};
    return curl.curl_easy_setopt(easy, blob, &data);
}

static bool set_tls(struct http *h, CURL *easy, struct error *e)
{
    const struct http_options *options = &h->options;
    CURLcode result = CURLE_OK;
    if (options->ca != NULL) {
        (void)curl.curl_easy_setopt(easy, CURLOPT_CAPATH, (char *)NULL);
        result = set_pem(easy, CURLOPT_CAINFO, CURLOPT_CAINFO_BLOB, options->ca);
    }
    if (options->certificate == NULL || h->foreign)
        return result == CURLE_OK || error_set(e, ENOTSUP, "this libcurl takes no ca as text: apt-get install libcurl4");
    const char *tls = curl.curl_version_info(CURLVERSION_NOW)->ssl_version;
    if ((is_pem(options->certificate) || (options->key != NULL && is_pem(options->key))) && (tls == NULL || strncmp(tls, "OpenSSL", 7) != 0))
        return error_set(e, ENOTSUP, "this libcurl takes no certificate as text: apt-get install libcurl4");
    if (result == CURLE_OK)
        result = set_pem(easy, CURLOPT_SSLCERT, CURLOPT_SSLCERT_BLOB, options->certificate);
    if (result == CURLE_OK && options->key != NULL)
        result = set_pem(easy, CURLOPT_SSLKEY, CURLOPT_SSLKEY_BLOB, options->key);
    return result == CURLE_OK || error_set(e, ENOTSUP, "certificate: %s", curl.curl_easy_strerror(result));
}

static bool set_body(struct http *h, CURL *easy)
{
    bool ok = true;
    if (h->options.body == HTTP_NO_BODY || h->bodiless)
        return curl.curl_easy_setopt(easy, strcmp(h->method, "HEAD") == 0 ? CURLOPT_NOBODY : CURLOPT_HTTPGET, 1L) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)body_length(h)) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send) == CURLE_OK && curl.curl_easy_setopt(easy, CURLOPT_READDATA, h) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek) == CURLE_OK && curl.curl_easy_setopt(easy, CURLOPT_SEEKDATA, h) == CURLE_OK;
    if (body_length(h) == 0 && !http_is_idempotent(h->method)) /* on_seek is not asked */
        ok = ok && curl.curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK;
    (void)curl.curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_CHUNK);
    return ok;
}

static bool set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    if (curl.curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK)
        return true;
#endif
    enum { PROTOCOLS = 181 }; /* CURLOPT_PROTOCOLS, which newer headers warn of and older libraries need */
    return curl.curl_easy_setopt(easy, (CURLoption)PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS)) == CURLE_OK;
}

static bool set_common(struct http *h, CURL *easy)
{
    const struct http_options *options = &h->options;
    char range[32];
    bool ok = set_protocols(easy);
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_URL, h->url.data) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, h->method) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_HTTPHEADER, h->slist) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, h->reason) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK && curl.curl_easy_setopt(easy, CURLOPT_WRITEDATA, h) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_field) == CURLE_OK && curl.curl_easy_setopt(easy, CURLOPT_HEADERDATA, h) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(options->connect_timeout * 1000)) == CURLE_OK;
    ok = ok && curl.curl_easy_setopt(easy, CURLOPT_USERAGENT, "ocmlua/" OCMLUA_VERSION) == CURLE_OK;
    if (ok && options->unix_socket != NULL)
        ok = curl.curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, options->unix_socket) == CURLE_OK;
    if (ok && options->username != NULL && !h->foreign) {
        ok = curl.curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK;
        ok = ok && curl.curl_easy_setopt(easy, CURLOPT_USERNAME, options->username) == CURLE_OK;
        ok = ok && curl.curl_easy_setopt(easy, CURLOPT_PASSWORD, options->password != NULL ? options->password : "") == CURLE_OK;
    }
    if (ok && h->given > 0) {
        (void)snprintf(range, sizeof range, "%llu-", (unsigned long long)h->given);
        ok = curl.curl_easy_setopt(easy, CURLOPT_RANGE, range) == CURLE_OK;
    }
    (void)curl.curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)STREAM_CHUNK); /* what is read at a time: then all of it fits */
    (void)curl.curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl.curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    (void)curl.curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* ends without waiting for a name server that does not answer */
#endif
    return ok;
}

bool http_transfer_start(struct http *h, struct error *e)
{
    char host[sizeof h->line->host];
    struct http_url url;
    if (h->options.body == HTTP_FILE && !open_file(h, e))
        return false;
    if (!http_url_parse(h->url.data, &url, e))
        return false;
    (void)snprintf(host, sizeof host, "%.*s", (int)url.host_length, url.host);
    if (h->line == NULL && (h->line = curl_line_take(host, e)) == NULL)
        return false;
    h->sent = 0;
    h->fate = FATE_OPEN;
    h->status = 0;
    h->dropped = h->moved = 0;
    h->field_bytes = h->field_lines = 0;
    h->fields_end = h->done = h->paused = h->failed = false;
    h->reason[0] = '\0';
    buffer_clear(&h->fields);
    buffer_clear(&h->text);
    if (!append_fields(h) || !set_body(h, h->line->easy) || !set_common(h, h->line->easy))
        return error_set(e, ENOMEM, "out of memory");
    if (!set_tls(h, h->line->easy, e))
        return false;
    h->running = curl.curl_multi_add_handle(h->line->multi, h->line->easy) == CURLM_OK;
    h->started = h->moved_at = http_now();
    return h->running || error_set(e, ENOMEM, "out of memory");
}

/* ---- running ---- */

static void look(struct http *h)
{
    int left;
    for (CURLMsg *message; (message = curl.curl_multi_info_read(h->line->multi, &left)) != NULL;)
        if (message->msg == CURLMSG_DONE) {
            h->done = true;
            h->result = message->data.result;
        }
}

void http_transfer_step(struct http *h)
{
    int running, ready;
    if (h->paused) {
        h->paused = false;
        (void)curl.curl_easy_pause(h->line->easy, CURLPAUSE_CONT); /* gives what it held back, too */
    }
    if (h->got > 0)
        return;
    CURLMcode code = curl.curl_multi_perform(h->line->multi, &running);
    look(h);
    if (code != CURLM_OK && !h->done) {
        h->done = true;
        h->result = CURLE_OUT_OF_MEMORY;
    }
    if (h->got > 0 || h->done)
        return;
    (void)curl.curl_multi_poll(h->line->multi, NULL, 0, STREAM_POLL, &ready);
    curl_off_t up = 0, down = 0;
    (void)curl.curl_easy_getinfo(h->line->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    (void)curl.curl_easy_getinfo(h->line->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    uint64_t moved = (uint64_t)up + (uint64_t)down + h->field_bytes;
    if (moved != h->moved)
        h->moved_at = http_now();
    h->moved = moved;
}

void http_transfer_end(struct http *h)
{
    if (h->running)
        (void)curl.curl_multi_remove_handle(h->line->multi, h->line->easy);
    h->running = false;
    if (h->line != NULL)
        curl.curl_easy_reset(h->line->easy);
    if (h->slist != NULL)
        curl.curl_slist_free_all(h->slist);
    h->slist = NULL;
}

/* ---- what went wrong ---- */

static const char *system_reason(struct http *h, const char *otherwise, char *out, size_t size)
{
    long code = 0;
    (void)curl.curl_easy_getinfo(h->line->easy, CURLINFO_OS_ERRNO, &code);
    (void)snprintf(out, size, "%s", code > 0 && code != EINPROGRESS ? strerror((int)code) : otherwise);
    if (isupper((unsigned char)out[0]))
        out[0] = (char)tolower((unsigned char)out[0]);
    return out;
}

const char *http_transfer_reason(struct http *h, char *out, size_t size)
{
    char count[COUNT_SIZE];
    switch (h->result) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "there is no such host, or no name server answers";
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "there is no such host as the proxy";
    case CURLE_COULDNT_CONNECT:
        return system_reason(h, "no connection", out, size);
    case CURLE_OPERATION_TIMEDOUT:
        (void)snprintf(out, size, "no connection within %g s", h->options.connect_timeout);
        return out;
    case CURLE_GOT_NOTHING:
        return "the connection was closed without an answer";
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_SEND_FAIL_REWIND:
        (void)snprintf(out, size, "the connection broke off after %s bytes", count_text(h->given, count));
        return out;
    case CURLE_SSL_CONNECT_ERROR: /* these texts are of the other side, and of files */
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        if (strstr(h->reason, "wrong version number") != NULL)
            return "the server does not speak TLS there: it may be http";
        if (h->reason[0] != '\0') {
            (void)snprintf(out, size, "%s", h->reason);
            return out;
        }
        /* fall through */
    default: /* libcurl's longer texts may quote a proxy's password */
        return curl.curl_easy_strerror(h->result);
    }
}
