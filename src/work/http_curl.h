#pragma once
/* libcurl, loaded at the first use, and connections that outlive a request.  Worker threads.
 *
 * A line is an easy and a multi handle with the connections that they keep alive.  It belongs to one request at a time, so
 * that libcurl is never used by two threads at once; in between it waits in a list under a lock. */
#include "base/error.h"

#define CURL_DISABLE_TYPECHECK /* its macros expect to call the functions by name */
#include <curl/curl.h>
#include <stdbool.h>

struct curl_functions {
    CURLcode (*curl_global_init)(long);
    curl_version_info_data *(*curl_version_info)(CURLversion);
    CURL *(*curl_easy_init)(void);
    void (*curl_easy_reset)(CURL *);
    void (*curl_easy_cleanup)(CURL *);
    CURLcode (*curl_easy_setopt)(CURL *, CURLoption, ...);
    CURLcode (*curl_easy_getinfo)(CURL *, CURLINFO, ...);
    CURLcode (*curl_easy_pause)(CURL *, int);
    const char *(*curl_easy_strerror)(CURLcode);
    CURLM *(*curl_multi_init)(void);
    CURLMcode (*curl_multi_cleanup)(CURLM *);
    CURLMcode (*curl_multi_setopt)(CURLM *, CURLMoption, ...);
    CURLMcode (*curl_multi_add_handle)(CURLM *, CURL *);
    CURLMcode (*curl_multi_remove_handle)(CURLM *, CURL *);
    CURLMcode (*curl_multi_perform)(CURLM *, int *);
    CURLMcode (*curl_multi_poll)(CURLM *, struct curl_waitfd *, unsigned, int, int *);
    CURLMsg *(*curl_multi_info_read)(CURLM *, int *);
    struct curl_slist *(*curl_slist_append)(struct curl_slist *, const char *);
    void (*curl_slist_free_all)(struct curl_slist *);
};
extern struct curl_functions curl; /* filled by curl_line_take */

struct curl_line {
    CURL *easy;
    CURLM *multi;
    char host[128]; /* where it was used last: a request for it finds a connection there */
    double idle_since;
    struct curl_line *next;
};

/* A line that nobody else has, best one that was used for `host` before; its easy handle has no options set and is not in the multi handle.
 * NULL with e filled: libcurl is missing (e names the package) or there is no memory. */
struct curl_line *curl_line_take(const char *host, struct error *e);

/* Gives it back, its easy handle out of the multi handle. `keep` false: its connections are closed. NULL: nothing. */
void curl_line_give(struct curl_line *line, bool keep);
