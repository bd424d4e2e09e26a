#pragma once
/* What http.c (when to send, again, elsewhere, and whether the answer is the one) and http_transfer.c (one exchange with libcurl) share. */
#include "base/buffer.h"
#include "work/http.h"
#include "work/http_curl.h"

/* What becomes of the body of the answer that is coming in. */
enum http_fate {
    FATE_OPEN,   /* its head is not complete */
    FATE_GIVE,   /* it is what is read */
    FATE_FOLLOW, /* a redirect's: dropped */
    FATE_AGAIN,  /* dropped, for another try */
    FATE_REFUSE, /* dropped but for its beginning, which the error quotes */
};

struct http {
    struct stream stream;
    struct http_options options; /* its texts are in `texts`, username and password may be in `user`, `password` */
    char *texts;
    struct buffer user, password; /* of the URL */
    struct error unfit;           /* code 0, or why the URL can't be used */
    struct buffer first, first_shown; /* the URL as it is sent, and for people; NUL behind */
    bool ended;
    double deadline;              /* 0: none, or not begun */
    bool begun;
    unsigned tries, hops;

    /* where the next exchange goes */
    struct buffer url, shown;
    const char *method;
    bool foreign;  /* not the first URL's origin: what is that one's alone is not sent */
    bool bodiless; /* a redirect made a GET of it */

    /* the exchange */
    struct curl_line *line;
    struct curl_slist *slist;
    char reason[CURL_ERROR_SIZE];
    bool running, paused;
    bool done;       /* libcurl is through with it: `result` */
    CURLcode result;
    bool failed;     /* by us, in a callback: `failure` */
    struct error failure;
    double started, moved_at;
    uint64_t moved;  /* bytes in both directions when it was last looked at */

    /* the request's body */
    int fd;            /* HTTP_FILE's; -1: not open */
    int64_t file_size;
    int64_t sent;
    bool touched;      /* HTTP_STREAM: something was read, so that it can't be sent again */

    /* the answer */
    struct buffer fields; /* as in struct http_answer */
    size_t field_bytes, field_lines;
    bool fields_end;      /* what still comes are trailers, or the head of another answer */
    int status;
    enum http_fate fate;
    double wait;          /* FATE_AGAIN: seconds */
    struct buffer text;   /* the beginning of a body that is not given */
    uint64_t dropped;

    /* what was given: `given` bytes of a body that can go on after a break if `validator` is not empty */
    uint64_t given, skip; /* skip: bytes to come that were given before, in an answer that begins anew */
    int64_t total;        /* of the whole body; -1: not known */
    struct buffer validator; /* for If-Range; NUL behind */

    /* the reader's */
    char *to;
    size_t room, got;
    struct buffer rest;   /* what came and did not fit */
    size_t rest_at;
};

double http_now(void);

/* The value of a field of the answer (the first of that name), or NULL. `name` in lower case. */
const char *http_answer_field(const struct http *h, const char *name);

/* ---- http_transfer.c: one exchange ---- */

/* Starts it. */
bool http_transfer_start(struct http *h, struct error *e);

/* Lets libcurl work until there are bytes for the reader, or it is done, or STREAM_POLL has passed. */
void http_transfer_step(struct http *h);

/* Ends it. The line stays; its connection too, when the exchange was complete. */
void http_transfer_end(struct http *h);

/* What libcurl's failure was, for people. */
const char *http_transfer_reason(struct http *h, char *out, size_t size);

/* ---- http_options.c ---- */

/* Copies them, and makes of the URL what is sent, what is shown, and the credentials in it. False: no memory. */
bool http_options_keep(struct http *h, const struct http_options *options);

/* ---- http.c ---- */

/* The head of an answer is complete: sets its fate. False: it is not to be read on; failed and failure are set. */
bool http_judge(struct http *h);

/* Sets failed and failure. Returns false. */
__attribute__((format(printf, 3, 4))) bool http_fail(struct http *h, int code, const char *format, ...);
