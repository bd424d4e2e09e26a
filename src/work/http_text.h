#pragma once
/* The parts of HTTP that are text alone (RFC 9110, RFC 3986): URLs, header fields, dates, when to try again.  Pure; any thread. */
#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a URL's parts are.  `userinfo` is NULL when there is none. */
struct http_url {
    bool secure;            /* https */
    const char *userinfo;   /* "user:password", percent-encoded */
    size_t userinfo_length;
    const char *host;       /* "[::1]", "example.com" */
    size_t host_length;
    unsigned port;          /* 80 or 443 when the URL does not say */
    const char *rest;       /* path, query and fragment */
};

/* False, with a text that holds nothing of the URL but its scheme: no http or https URL, no host, a wrong port, a blank or control byte. */
bool http_url_parse(const char *text, struct http_url *url, struct error *e);

/* Appends the URL without userinfo, query and fragment, which may hold secrets, for people. A text that is no URL: nothing but "…". */
bool http_url_public(struct buffer *out, const char *text);

/* Appends it without userinfo and fragment, for the wire. */
bool http_url_plain(struct buffer *out, const struct http_url *url);

/* Scheme, host and port are the same: what is meant for one may be sent to the other. */
bool http_same_origin(const struct http_url *a, const struct http_url *b);

/* RFC 9110 section 5: a field's name is a token; its value has no control byte but tabs. */
bool http_is_token(const char *text);
bool http_is_value(const char *text);

/* Whether a request's field is for its origin alone (Authorization, Cookie, PRIVATE-TOKEN, X-Api-Key, …). */
bool http_is_secret_field(const char *name);

/* A method that may be sent twice (RFC 9110 section 9.2.2). */
bool http_is_idempotent(const char *method);

/* An answer that another try may better: 429, 500, 502, 503, 504. */
bool http_is_passing(int status);

/* "Sun, 06 Nov 1994 08:49:37 GMT" to seconds since 1970. False: it is no date of that form, the only one that is sent today. */
bool http_date(const char *text, int64_t *seconds);

/* Retry-After (seconds, or a date) as seconds from `now`, at least 0; -1: it says nothing. */
double http_retry_after(const char *text, int64_t now);

/* Seconds before try `attempt` (the first repetition is 1): 0.25 doubled with each, at most 30, of which `random` (0 to 1) takes up to a half. */
double http_backoff(unsigned attempt, double random);

/* "bytes 5-9/10": *total is -1 when it is "*". */
bool http_content_range(const char *text, int64_t *first, int64_t *last, int64_t *total);

/* "Not Found"; "" for a status that has no name here. */
const char *http_reason(int status);
