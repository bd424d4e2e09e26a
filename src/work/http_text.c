/* HTTP's texts: see http_text.h. */
#include "work/http_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

/* ---- URLs ---- */

static bool parse_port(const char *text, size_t length, unsigned *port)
{
    unsigned value = 0;
    if (length == 0 || length > 5)
        return length == 0; /* "http://host:/": the default */
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *port = value;
    return value > 0 && value <= 65535;
}

bool http_url_parse(const char *text, struct http_url *url, struct error *e)
{
    *url = (struct http_url){0};
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return error_set(e, EINVAL, "a URL has no blanks and no control bytes: they are written as %%XX");
    if (strncasecmp(text, "https://", 8) == 0)
        url->secure = true;
    else if (strncasecmp(text, "http://", 7) != 0)
        return error_set(e, EINVAL, "it begins with http:// or https://");
    const char *authority = text + (url->secure ? 8 : 7);
    size_t length = strcspn(authority, "/?#\\");
    url->rest = authority + length;
    if (*url->rest == '\\')
        return error_set(e, EINVAL, "a URL has no backslash");
    for (size_t i = length; i > 0 && url->userinfo == NULL; i--)
        if (authority[i - 1] == '@') {
            url->userinfo = authority;
            url->userinfo_length = i - 1;
        }
    url->host = url->userinfo != NULL ? url->userinfo + url->userinfo_length + 1 : authority;
    size_t rest = (size_t)(url->rest - url->host);
    const char *bracket = *url->host == '[' ? memchr(url->host, ']', rest) : NULL;
    const char *search = bracket != NULL ? bracket : url->host;
    const char *colon = memchr(search, ':', (size_t)(url->rest - search));
    url->host_length = colon != NULL ? (size_t)(colon - url->host) : rest;
    url->port = url->secure ? 443 : 80;
    if (url->host_length == 0)
        return error_set(e, EINVAL, "it names no host");
    if (colon != NULL && !parse_port(colon + 1, (size_t)(url->rest - colon - 1), &url->port))
        return error_set(e, EINVAL, "its port is no number from 1 to 65535");
    return true;
}

/* Scheme, host and, where it is not the default, port. */
static bool append_origin(struct buffer *out, const struct http_url *url)
{
    bool ok = buffer_puts(out, url->secure ? "https://" : "http://") && buffer_append(out, url->host, url->host_length);
    if (ok && url->port != (url->secure ? 443 : 80))
        ok = buffer_printf(out, ":%u", url->port);
    return ok;
}

bool http_url_public(struct buffer *out, const char *text)
{
    struct http_url url;
    if (!http_url_parse(text, &url, NULL))
        return buffer_puts(out, "…");
    return append_origin(out, &url) && buffer_append(out, url.rest, strcspn(url.rest, "?#"));
}

bool http_url_plain(struct buffer *out, const struct http_url *url)
{
    return append_origin(out, url) && (*url->rest == '/' || buffer_add(out, '/')) && buffer_append(out, url->rest, strcspn(url->rest, "#"));
}

bool http_same_origin(const struct http_url *a, const struct http_url *b)
{
    return a->secure == b->secure && a->port == b->port && a->host_length == b->host_length && strncasecmp(a->host, b->host, a->host_length) == 0;
}

/* ---- fields and methods ---- */

bool http_is_token(const char *text)
{
    const char *c = text;
    while (*c != '\0' && (isalnum((unsigned char)*c) || strchr("!#$%&'*+-.^_`|~", *c) != NULL))
        c++;
    return c != text && *c == '\0';
}

bool http_is_value(const char *text)
{
    for (; *text != '\0'; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

bool http_is_secret_field(const char *name)
{
    static const char *const words[] = {"auth", "cookie", "token", "key", "secret", "password", "signature", "credential", NULL};
    for (const char *const *word = words; *word != NULL; word++)
        if (strcasestr(name, *word) != NULL)
            return true;
    return false;
}

bool http_is_idempotent(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND", NULL};
    for (const char *const *each = methods; *each != NULL; each++)
        if (strcmp(method, *each) == 0)
            return true;
    return false;
}

bool http_is_passing(int status) { return status == 429 || status == 500 || (status >= 502 && status <= 504); }

/* ---- dates, and when to try again ---- */

bool http_date(const char *text, int64_t *seconds)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4] = "", zone[4] = "";
    struct tm time = {0};
    int used = 0;
    text += strspn(text, " \t");
    if (sscanf(text, "%*3[A-Za-z], %2d %3s %4d %2d:%2d:%2d %3s%n", &time.tm_mday, month, &time.tm_year, &time.tm_hour, &time.tm_min, &time.tm_sec, zone, &used) != 7)
        return false;
    const char *found = strlen(month) == 3 ? strstr(months, month) : NULL;
    if (found == NULL || (found - months) % 3 != 0 || strcmp(zone, "GMT") != 0 || text[used + (int)strspn(text + used, " \t")] != '\0')
        return false;
    if (time.tm_mday < 1 || time.tm_mday > 31 || time.tm_hour < 0 || time.tm_hour > 23 || time.tm_min < 0 || time.tm_min > 59 || time.tm_sec < 0 ||
        time.tm_sec > 60 || time.tm_year < 1900)
        return false;
    time.tm_mon = (int)((found - months) / 3);
    time.tm_year -= 1900;
    *seconds = (int64_t)timegm(&time);
    return true;
}

double http_retry_after(const char *text, int64_t now)
{
    int64_t date;
    text += strspn(text, " \t");
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && text[digits + strspn(text + digits, " \t")] == '\0')
        return strtod(text, NULL);
    if (!http_date(text, &date))
        return -1;
    return date > now ? (double)(date - now) : 0;
}

double http_backoff(unsigned attempt, double random)
{
    double most = 0.25 * ldexp(1, attempt > 8 ? 7 : (int)attempt - 1);
    if (most > 30)
        most = 30;
    return most * (1 - random / 2);
}

/* A number without sign; moves *text behind it. */
static bool parse_count(const char **text, int64_t *count)
{
    char *end;
    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    *count = strtoll(*text, &end, 10);
    *text = end;
    return errno == 0;
}

bool http_content_range(const char *text, int64_t *first, int64_t *last, int64_t *total)
{
    *total = -1;
    text += strspn(text, " \t");
    if (strncasecmp(text, "bytes ", 6) != 0)
        return false;
    text += 6;
    if (!parse_count(&text, first) || *text++ != '-' || !parse_count(&text, last) || *text++ != '/' || *last < *first)
        return false;
    if (*text == '*')
        text++;
    else if (!parse_count(&text, total) || *total <= *last)
        return false;
    return text[strspn(text, " \t")] == '\0';
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"}, {304, "Not Modified"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"},
        {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"}, {407, "Proxy Authentication Required"},
        {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {411, "Length Required"}, {412, "Precondition Failed"}, {413, "Content Too Large"},
        {415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"}, {422, "Unprocessable Content"}, {429, "Too Many Requests"},
        {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"}, {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "";
}
