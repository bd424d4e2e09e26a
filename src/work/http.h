#pragma once
/* An HTTP request as a stream: it gives the answer's body (RFC 9110, by libcurl, which is loaded at the first use).
 *
 * As a source it sends no body, or one of its own; as a stage it sends what it reads.  It runs in the thread that reads from it,
 * on a connection that is kept for the next request (http_curl.h).
 *
 * - Redirects are followed. What is the origin's alone (credentials, client certificate, fields such as Authorization) goes to
 *   no other scheme, host or port; from https to http nothing goes.
 * - A failure that may pass (no connection, a connection that broke, an answer 429, 500, 502, 503, 504) is tried again when the
 *   method is idempotent, or the request did not leave, and the body can be sent again.
 * - A GET whose body breaks off goes on where it was (Range, If-Range) when the server says, with a strong validator, that the
 *   rest belongs to the same.
 * - Errors read "GET http://host/path: text".  No error, log line or subject has userinfo or the query of a URL. */
#include "work/stream.h"

struct http_field {
    const char *name, *value;
};

enum http_body {
    HTTP_NO_BODY,
    HTTP_BYTES,  /* `data`, `length` */
    HTTP_FILE,   /* `data`: the path of a regular file, opened with the request */
    HTTP_STREAM, /* what the stage reads; `length` bytes, or -1: not known */
};

struct http_options {
    const char *method;              /* a token, upper case as a rule; NULL: GET */
    const char *url;                 /* with userinfo: the username and password unless those are given */
    const struct http_field *fields; /* of the request */
    size_t field_count;
    enum http_body body;
    const char *data;
    int64_t length;
    bool any_status;      /* an answer outside of 2xx is given like others; else it is an error with the beginning of its text */
    bool resume;
    int64_t size;         /* of a 2xx answer's body: another is an error; -1: any */
    double timeout;       /* seconds for all of it, tries and waits included; 0: none */
    double connect_timeout;
    double idle;          /* seconds without a byte in either direction; 0: any */
    unsigned redirects;   /* the most that are followed; 0: a redirect is an answer as any other */
    unsigned retries;     /* tries after the first */
    const char *username, *password; /* Basic; NULL: none */
    const char *bearer;              /* Authorization: Bearer */
    const char *ca;                  /* trusted instead of the system's: the path of a PEM file, or PEM text */
    const char *certificate, *key;   /* the client's: the same */
    const char *unix_socket;         /* path */
};

/* What an easy request looks like: nothing set but the defaults. */
extern const struct http_options http_defaults;

/* Copies everything. NULL: no memory.  What is wrong with the options shows in the first read, but for http_check, which is there to tell before. */
struct stream *http_create(const struct http_options *options);

/* False: a method, URL or field that can't be sent; e says which. */
bool http_check(const struct http_options *options, struct error *e);

/* A GET of this URL with the defaults. */
struct stream *http_source_create(const char *url);

/* The answer, when the stream has been read to its end. The pointers are the stream's. */
struct http_answer {
    int status;
    const char *url;     /* the one that answered in the end, without userinfo */
    const char *fields;  /* name NUL value NUL, as they came, names in lower case; obsolete folding and control bytes replaced by spaces */
    size_t fields_length;
    unsigned tries;
};
struct http_answer http_answer(const struct stream *s);
