/* libcurl and its connections: see http_curl.h.
 *
 * The list of lines is short and sorted by when they came back, the latest first: what a plugin uses stays warm, what it used once
 * is closed when it has waited long, or when there are too many.  They are looked at when a line is taken or given; when nothing
 * is, a few idle sockets stay until the process ends. */
#include "work/http_curl.h"
#include "base/lazy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_LINES = 16, MOST_CONNECTIONS = 4 }; /* waiting; of each */
static const double IDLE_SECONDS = 60;

struct curl_functions curl;

#define SYMBOL(name) {#name, (void **)(void *)&curl.name}

static const struct lazy_symbol symbols[] = {
    SYMBOL(curl_global_init), SYMBOL(curl_version_info), SYMBOL(curl_easy_init), SYMBOL(curl_easy_reset), SYMBOL(curl_easy_cleanup),
    SYMBOL(curl_easy_setopt), SYMBOL(curl_easy_getinfo), SYMBOL(curl_easy_pause), SYMBOL(curl_easy_strerror), SYMBOL(curl_multi_init),
    SYMBOL(curl_multi_cleanup), SYMBOL(curl_multi_setopt), SYMBOL(curl_multi_add_handle), SYMBOL(curl_multi_remove_handle), SYMBOL(curl_multi_perform),
    SYMBOL(curl_multi_poll), SYMBOL(curl_multi_info_read), SYMBOL(curl_slist_append), SYMBOL(curl_slist_free_all), {NULL, NULL},
};

static const char *const sonames[] = {"libcurl.so.4", "libcurl-gnutls.so.4", NULL};

static struct lazy_library libcurl = {"libcurl", sonames, "libcurl4", symbols, PTHREAD_MUTEX_INITIALIZER, false};

static struct {
    pthread_mutex_t lock;
    bool initialised;
    struct curl_line *first;
} waiting = {.lock = PTHREAD_MUTEX_INITIALIZER};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool load(struct error *e)
{
    if (!lazy_load(&libcurl, e))
        return false;
    pthread_mutex_lock(&waiting.lock);
    bool ok = waiting.initialised || (waiting.initialised = curl.curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK);
    pthread_mutex_unlock(&waiting.lock);
    return ok || error_set(e, EIO, "libcurl can't be initialised");
}

static void line_free(struct curl_line *line)
{
    if (line->easy != NULL)
        curl.curl_easy_cleanup(line->easy);
    if (line->multi != NULL)
        (void)curl.curl_multi_cleanup(line->multi);
    free(line);
}

/* Closing takes system calls, and the lock is for the list alone. */
static void free_all(struct curl_line *line)
{
    for (struct curl_line *next; line != NULL; line = next) {
        next = line->next;
        line_free(line);
    }
}

/* Cuts the list behind the lines that may wait on; returns the rest. The lock is held. */
static struct curl_line *expire(double time)
{
    struct curl_line **at = &waiting.first, *rest;
    for (unsigned count = 0; *at != NULL && count < MOST_LINES && time - (*at)->idle_since < IDLE_SECONDS; count++)
        at = &(*at)->next;
    rest = *at;
    *at = NULL;
    return rest;
}

static struct curl_line *line_create(void)
{
    struct curl_line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return NULL;
    line->easy = curl.curl_easy_init();
    line->multi = curl.curl_multi_init();
    if (line->easy == NULL || line->multi == NULL) {
        line_free(line);
        return NULL;
    }
    (void)curl.curl_multi_setopt(line->multi, CURLMOPT_MAXCONNECTS, (long)MOST_CONNECTIONS);
    return line;
}

struct curl_line *curl_line_take(const char *host, struct error *e)
{
    if (!load(e))
        return NULL;
    pthread_mutex_lock(&waiting.lock);
    struct curl_line *old = expire(now());
    struct curl_line **at = &waiting.first;
    while (*at != NULL && strcmp((*at)->host, host) != 0)
        at = &(*at)->next;
    struct curl_line *line = *at;
    if (line != NULL)
        *at = line->next;
    pthread_mutex_unlock(&waiting.lock);
    free_all(old);
    if (line == NULL && (line = line_create()) == NULL) {
        error_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    line->next = NULL;
    (void)snprintf(line->host, sizeof line->host, "%s", host);
    return line;
}

void curl_line_give(struct curl_line *line, bool keep)
{
    if (line == NULL)
        return;
    if (!keep) {
        line_free(line);
        return;
    }
    curl.curl_easy_reset(line->easy); /* forgets the request, its credentials too */
    pthread_mutex_lock(&waiting.lock);
    line->idle_since = now();
    line->next = waiting.first;
    waiting.first = line;
    struct curl_line *old = expire(line->idle_since);
    pthread_mutex_unlock(&waiting.lock);
    free_all(old);
}
