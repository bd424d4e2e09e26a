/* HTTP as a stream: see http.h.  Here is decided what is sent, where, how often, and which answer is the one; an exchange itself is
 * http_transfer.c's.
 *
 * A read starts an exchange if none runs and lets it go on until there are bytes.  When an exchange is over it was the answer,
 * or another follows: to where a redirect leads, after a pause because it failed, or for the rest of a body that broke off. */
#include "work/http.h"
#include "base/log.h"
#include "work/http_state.h"
#include "work/http_text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static const double MOST_WAIT = 60; /* that Retry-After may ask for; who wants more is not asked again */

double http_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

bool http_fail(struct http *h, int code, const char *format, ...)
{
    char text[sizeof h->failure.message];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    h->failed = true;
    return error_set(&h->failure, code, "%s %s: %s", h->method, h->shown.data, text);
}

const char *http_answer_field(const struct http *h, const char *name)
{
    for (size_t at = 0; at < h->fields.length;) {
        const char *field = h->fields.data + at, *value = field + strlen(field) + 1;
        if (strcmp(field, name) == 0)
            return value;
        at = (size_t)(value - h->fields.data) + strlen(value) + 1;
    }
    return NULL;
}

/* ---- trying again ---- */

static bool sends_stream(const struct http *h) { return h->options.body == HTTP_STREAM; }

/* Whether another try is allowed, `reached`: this one got to the server. */
static bool may_repeat(const struct http *h, bool reached)
{
    return h->tries <= h->options.retries && (!reached || http_is_idempotent(h->options.method)) && !(sends_stream(h) && h->touched);
}

/* Seconds to wait before the next try; -1: there is no time for one. */
static double repeat_after(const struct http *h, const char *retry_after)
{
    unsigned char random = 0;
    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    double wait = http_backoff(h->tries, random / 255.0);
    double asked = retry_after != NULL ? http_retry_after(retry_after, (int64_t)time(NULL)) : -1;
    if (asked > MOST_WAIT)
        return -1;
    if (asked > wait)
        wait = asked;
    return h->deadline > 0 && http_now() + wait >= h->deadline ? -1 : wait;
}

static bool set_texts(struct buffer *out, const char *text, size_t length)
{
    buffer_clear(out);
    return buffer_append(out, text, length) && buffer_add(out, '\0');
}

/* The next exchange is a try from the beginning. */
static bool begin_anew(struct http *h)
{
    h->method = h->options.method;
    h->foreign = h->bodiless = false;
    h->hops = 0;
    h->tries++;
    return set_texts(&h->url, h->first.data, strlen(h->first.data)) && set_texts(&h->shown, h->first_shown.data, strlen(h->first_shown.data));
}

static bool wait_for(struct http *h, double seconds, struct error *e)
{
    for (double until = http_now() + seconds, left; (left = until - http_now()) > 0;) {
        if (left > STREAM_POLL / 1e3)
            left = STREAM_POLL / 1e3;
        if (flow_over(h->stream.flow))
            return error_set(e, ECANCELED, "cancelled");
        struct timespec pause = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* ---- the head of an answer ---- */

static bool is_redirect(const struct http *h)
{
    bool status = h->status == 301 || h->status == 302 || h->status == 303 || h->status == 307 || h->status == 308;
    return status && h->options.redirects > 0 && http_answer_field(h, "location") != NULL;
}

/* The strong validator of the answer (RFC 9110 section 8.8), or NULL. */
static const char *strong_validator(const struct http *h)
{
    const char *etag = http_answer_field(h, "etag"), *modified = http_answer_field(h, "last-modified"), *date = http_answer_field(h, "date");
    int64_t changed, sent;
    if (etag != NULL)
        return *etag == '"' ? etag : NULL;
    return modified != NULL && date != NULL && http_date(modified, &changed) && http_date(date, &sent) && changed < sent ? modified : NULL;
}

/* The answer to a request for the rest. */
static bool judge_rest(struct http *h)
{
    const char *validator = http_answer_field(h, h->validator.data[0] == '"' ? "etag" : "last-modified"), *range = http_answer_field(h, "content-range");
    int64_t first = 0, last = 0, total = -1;
    bool same = validator != NULL && strcmp(validator, h->validator.data) == 0;
    if (h->status == 206)
        same = (same || validator == NULL) && range != NULL && http_content_range(range, &first, &last, &total) && first == (int64_t)h->given &&
               (total < 0 || h->total < 0 || total == h->total);
    else
        h->skip = h->given; /* all of it once more */
    if (!same)
        return http_fail(h, EIO, "it changed while it was read");
    h->given -= h->skip;
    h->fate = FATE_GIVE;
    return true;
}

static bool judge_first(struct http *h)
{
    curl_off_t length = -1;
    char is[COUNT_SIZE], wanted[COUNT_SIZE];
    bool head = strcmp(h->method, "HEAD") == 0, success = h->status / 100 == 2;
    (void)curl.curl_easy_getinfo(h->line->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (success && !head && h->options.size >= 0 && length >= 0 && length != h->options.size)
        return http_fail(h, EMSGSIZE, "%s bytes instead of the %s that were expected", count_text((uint64_t)length, is), count_text((uint64_t)h->options.size, wanted));
    h->fate = FATE_GIVE;
    h->total = length;
    buffer_clear(&h->validator);
    const char *validator = h->options.resume && h->status == 200 && strcmp(h->method, "GET") == 0 ? strong_validator(h) : NULL;
    for (size_t i = 0; i < h->options.field_count; i++)
        if (strcasecmp(h->options.fields[i].name, "range") == 0)
            validator = NULL;
    return validator == NULL || set_texts(&h->validator, validator, strlen(validator)) || http_fail(h, ENOMEM, "out of memory");
}

bool http_judge(struct http *h)
{
    long status = 0;
    (void)curl.curl_easy_getinfo(h->line->easy, CURLINFO_RESPONSE_CODE, &status);
    h->status = (int)status;
    h->wait = http_is_passing(h->status) && may_repeat(h, true) ? repeat_after(h, http_answer_field(h, "retry-after")) : -1;
    if (is_redirect(h))
        h->fate = FATE_FOLLOW;
    else if (h->wait >= 0)
        h->fate = FATE_AGAIN;
    else if (h->status / 100 != 2 && (!h->options.any_status || h->given > 0))
        h->fate = FATE_REFUSE;
    else
        return h->given > 0 ? judge_rest(h) : judge_first(h);
    return true;
}

/* ---- the end of an exchange ---- */

/* `name`: "status" or "error" */
static void log_exchange(struct http *h, const char *name, const char *outcome)
{
    char milliseconds[32], tries[16];
    (void)snprintf(milliseconds, sizeof milliseconds, "%.1f ms", (http_now() - h->started) * 1e3);
    (void)snprintf(tries, sizeof tries, "%u", h->tries);
    log_event(LEVEL_DEBUG, "http request", "method", h->method, "url", h->shown.data, name, outcome, "took", milliseconds, "try", tries, NULL);
}

static bool refuse(struct http *h)
{
    const char *reason = http_reason(h->status), *space = *reason != '\0' ? " " : "";
    size_t length = h->text.length;
    while (length > 0 && strchr(" \t\r\n", h->text.data[length - 1]) != NULL)
        length--;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)h->text.data[i] < ' ')
            h->text.data[i] = ' ';
    return http_fail(h, EIO, "%d%s%s%s%.*s", h->status, space, reason, length > 0 ? ": " : "", (int)length, length > 0 ? h->text.data : "");
}

/* To where the redirect leads. libcurl knows at the end of the exchange. */
static bool follow(struct http *h)
{
    char *location = NULL;
    struct http_url here, there, first;
    struct error e;
    (void)curl.curl_easy_getinfo(h->line->easy, CURLINFO_REDIRECT_URL, &location);
    if (h->hops >= h->options.redirects)
        return http_fail(h, ELOOP, "more than %u redirects", h->options.redirects);
    if (location == NULL)
        return http_fail(h, EINVAL, "it redirects to nowhere");
    if (!http_url_parse(location, &there, &e))
        return http_fail(h, EINVAL, "it redirects to what is no URL: %s", e.message);
    if (!http_url_parse(h->url.data, &here, &e) || !http_url_parse(h->first.data, &first, &e))
        return http_fail(h, EINVAL, "%s", e.message);
    if (here.secure && !there.secure)
        return http_fail(h, EPERM, "it redirects from https to http, which is refused");
    bool post = strcmp(h->method, "POST") == 0, head = strcmp(h->method, "HEAD") == 0;
    if ((h->status == 303 && !head) || ((h->status == 301 || h->status == 302) && post)) {
        h->method = "GET";
        h->bodiless = true;
    }
    if (!h->bodiless && sends_stream(h) && h->touched)
        return http_fail(h, EIO, "it redirects when its body has been sent, which can't be read again");
    h->foreign |= !http_same_origin(&there, &first);
    h->hops++;
    buffer_clear(&h->url);
    buffer_clear(&h->shown);
    return (http_url_plain(&h->url, &there) && buffer_add(&h->url, '\0') && http_url_public(&h->shown, location) && buffer_add(&h->shown, '\0')) ||
           http_fail(h, ENOMEM, "out of memory");
}

/* Whether libcurl's failure is one that another try may not meet. */
static bool is_passing(CURLcode result)
{
    static const CURLcode codes[] = {
        CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_PARTIAL_FILE, CURLE_OPERATION_TIMEDOUT, CURLE_SSL_CONNECT_ERROR,
        CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_HTTP2, CURLE_HTTP2_STREAM,
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] == result)
            return true;
    return false;
}

/* The exchange failed. */
static bool broke_off(struct http *h)
{
    long sent = 0;
    char text[CURL_ERROR_SIZE];
    const char *reason = http_transfer_reason(h, text, sizeof text);
    (void)curl.curl_easy_getinfo(h->line->easy, CURLINFO_REQUEST_SIZE, &sent);
    h->given += h->skip;
    h->skip = 0;
    bool fresh = h->given == 0 || h->validator.length > 0;
    h->wait = is_passing(h->result) && fresh && may_repeat(h, sent > 0) ? repeat_after(h, NULL) : -1;
    log_exchange(h, "error", reason);
    if (h->wait >= 0)
        return true;
    const char *again = h->tries > 1 ? " (tried several times)" : "";
    return http_fail(h, EIO, "%s%s", reason, again);
}

/* libcurl does not ask for a body of no bytes. */
static bool is_empty_as_announced(struct http *h)
{
    char byte;
    size_t got = 0;
    if (!sends_stream(h) || h->options.length != 0)
        return true;
    h->failed = !stream_read(h->stream.from, &byte, 1, &got, &h->failure);
    return !h->failed && (got == 0 || http_fail(h, EIO, "its body is longer than the 0 bytes that were announced"));
}

static bool complete(struct http *h)
{
    char is[COUNT_SIZE], wanted[COUNT_SIZE];
    bool head = strcmp(h->method, "HEAD") == 0, success = h->status / 100 == 2;
    int64_t size = head || !success ? -1 : h->options.size >= 0 ? h->options.size : h->validator.length > 0 ? h->total : -1;
    if (h->skip > 0 || (size >= 0 && h->given != (uint64_t)size)) {
        uint64_t all = h->skip > 0 ? h->given + h->skip : (uint64_t)size;
        return http_fail(h, EMSGSIZE, "%s bytes instead of the %s that were expected", count_text(h->given, is), count_text(all, wanted));
    }
    curl_line_give(h->line, true);
    h->line = NULL;
    h->ended = true;
    return is_empty_as_announced(h);
}

/* The exchange is over: it was the answer, or another follows, or it is an error. */
static bool conclude(struct http *h, struct error *e)
{
    char outcome[16];
    bool cut = h->result == CURLE_WRITE_ERROR && h->fate != FATE_OPEN && h->fate != FATE_GIVE; /* enough was seen of it */
    bool ok = !h->failed;
    h->wait = h->fate == FATE_AGAIN ? h->wait : 0;
    if (ok && h->result != CURLE_OK && !cut) {
        ok = broke_off(h);
        h->fate = FATE_AGAIN;
    } else if (ok) {
        ok = h->fate != FATE_OPEN || http_judge(h);
        (void)snprintf(outcome, sizeof outcome, "%d", h->status);
        log_exchange(h, "status", outcome);
    }
    if (ok && h->fate == FATE_REFUSE)
        ok = refuse(h);
    if (ok && h->fate == FATE_FOLLOW)
        ok = follow(h);
    http_transfer_end(h);
    if (ok && h->fate == FATE_AGAIN)
        ok = wait_for(h, h->wait, e) ? begin_anew(h) || http_fail(h, ENOMEM, "out of memory") : false;
    if (ok && h->fate == FATE_GIVE)
        ok = complete(h);
    if (!ok && h->failed)
        *e = h->failure;
    return ok;
}

/* ---- the stream ---- */

static bool begin(struct http *h, struct error *e)
{
    if (h->unfit.code != 0) {
        *e = h->unfit;
        return false;
    }
    h->begun = true;
    if (sends_stream(h) && h->options.length < 0)
        h->options.length = stream_size(h->stream.from);
    h->deadline = h->options.timeout > 0 ? http_now() + h->options.timeout : 0;
    return begin_anew(h) || error_set(e, ENOMEM, "out of memory");
}

static bool start(struct http *h, struct error *e)
{
    struct error why;
    if (http_transfer_start(h, &why))
        return true;
    http_transfer_end(h);
    return error_set(e, why.code, "%s %s: %s", h->method, h->shown.data, why.message);
}

static bool in_time(struct http *h, struct error *e)
{
    if (flow_over(h->stream.flow))
        return error_set(e, ECANCELED, "cancelled");
    if (h->deadline > 0 && http_now() > h->deadline)
        return error_set(e, ETIMEDOUT, "%s %s: timed out after %g s", h->method, h->shown.data, h->options.timeout);
    if (h->options.idle > 0 && http_now() - h->moved_at > h->options.idle)
        return error_set(e, ETIMEDOUT, "%s %s: nothing came for %g s", h->method, h->shown.data, h->options.idle);
    return true;
}

static void take_rest(struct http *h)
{
    size_t left = h->rest.length - h->rest_at;
    h->got = left < h->room ? left : h->room;
    if (h->got == 0)
        return;
    memcpy(h->to, h->rest.data + h->rest_at, h->got);
    h->rest_at += h->got;
    if (h->rest_at == h->rest.length) {
        h->rest_at = 0;
        buffer_clear(&h->rest);
    }
}

static bool http_read(struct stream *s, char *data, size_t size, size_t *got, struct error *e)
{
    struct http *h = (struct http *)s;
    bool ok = h->begun || begin(h, e);
    h->to = data;
    h->room = size;
    h->got = 0;
    h->moved_at = http_now(); /* the reader may have been away for long */
    take_rest(h);
    while (ok && h->got == 0 && !h->ended) {
        ok = h->running || start(h, e);
        if (ok && !h->done)
            http_transfer_step(h);
        if (ok && h->got == 0)
            ok = h->done ? conclude(h, e) : in_time(h, e);
    }
    *got = ok ? h->got : 0;
    return ok;
}

static void http_free(struct stream *s)
{
    struct http *h = (struct http *)s;
    if (h->line != NULL)
        http_transfer_end(h);
    curl_line_give(h->line, false);
    if (h->fd >= 0)
        close(h->fd);
    struct buffer *const buffers[] = {&h->user, &h->password, &h->first, &h->first_shown, &h->url, &h->shown, &h->fields, &h->text, &h->validator, &h->rest};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_free(buffers[i]);
    free(h->texts);
    free(h);
}

struct stream *http_create(const struct http_options *options)
{
    static const struct stream_type type = {.name = "http", .read = http_read, .free = http_free};
    struct http *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->stream.type = &type;
    h->fd = -1;
    if (!http_options_keep(h, options)) {
        http_free(&h->stream);
        return NULL;
    }
    h->stream.subject = h->first_shown.data;
    return &h->stream;
}

struct stream *http_source_create(const char *url)
{
    struct http_options options = http_defaults;
    options.url = url;
    return http_create(&options);
}

struct http_answer http_answer(const struct stream *s)
{
    const struct http *h = (const struct http *)s;
    return (struct http_answer){h->status, h->url.data != NULL ? h->url.data : "", h->fields.data, h->fields.length, h->tries};
}
