/* Matching by going back to the last star: see glob.h.  Time is at most the product of both lengths, squared where `*` and `**` meet. */
#include "base/glob.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The character at s, which is not at its end; returns its bytes: one where it is no UTF-8. */
static size_t character(const char *s, uint32_t *value)
{
    static const struct {
        unsigned char mask, lead;
        size_t bytes;
    } forms[] = {{0xe0, 0xc0, 2}, {0xf0, 0xe0, 3}, {0xf8, 0xf0, 4}};
    const unsigned char *b = (const unsigned char *)s;
    *value = b[0] < 0x80 ? b[0] : 0xfffd;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if ((b[0] & forms[i].mask) != forms[i].lead)
            continue;
        uint32_t found = b[0] & (unsigned char)~forms[i].mask;
        for (size_t k = 1; k < forms[i].bytes; k++) {
            if ((b[k] & 0xc0) != 0x80)
                return 1;
            found = found << 6 | (b[k] & 0x3f);
        }
        *value = found;
        return forms[i].bytes;
    }
    return 1;
}

/* One bound of a class's range.  NULL: malformed. */
static const char *bound(const char *p, uint32_t *value)
{
    if (*p == '-' || *p == ']')
        return NULL;
    if (*p == '\\')
        p++;
    if (*p == '\0')
        return NULL;
    p += character(p, value);
    return *p != '\0' ? p : NULL;
}

/* A class, p behind its bracket.  Returns what is behind it; NULL: malformed. */
static const char *class(const char *p, uint32_t value, bool *matches)
{
    bool negated = *p == '^', found = false;
    if (negated)
        p++;
    for (bool first = true; first || *p != ']'; first = false) {
        uint32_t low, high;
        p = bound(p, &low);
        if (p == NULL)
            return NULL;
        high = low;
        if (*p == '-' && (p = bound(p + 1, &high)) == NULL)
            return NULL;
        found = found || (low <= value && value <= high);
    }
    *matches = found != negated;
    return p + 1;
}

/* One element of the glob, which is no star, at s.  Returns what is behind it, NULL: malformed; *bytes of s match, 0: none do. */
static const char *element(const char *p, const char *s, size_t *bytes)
{
    uint32_t value = 0;
    size_t length = *s != '\0' ? character(s, &value) : 0;
    bool matches = false;
    *bytes = 0;
    if (*p == '[') {
        p = class(p + 1, value, &matches);
        if (matches)
            *bytes = length;
        return p;
    }
    if (*p == '?') {
        *bytes = *s != '/' ? length : 0;
        return p + 1;
    }
    if (*p == '\\' && *++p == '\0')
        return NULL;
    *bytes = *s == *p;
    return p + 1;
}

bool glob_valid(const char *glob)
{
    size_t bytes;
    while (glob != NULL && *glob != '\0')
        glob = *glob == '*' ? glob + 1 : element(glob, "", &bytes);
    return glob != NULL;
}

bool glob_match(const char *glob, const char *path)
{
    const char *star = NULL, *from = NULL; /* what follows the last star, and where that was tried */
    for (;;) {
        size_t bytes = 0;
        if (*glob == '*') {
            star = ++glob;
            from = path;
            continue;
        }
        if (*glob == '\0' && *path == '\0')
            return true;
        const char *behind = *glob != '\0' ? element(glob, path, &bytes) : glob;
        if (behind == NULL)
            return false;
        if (bytes > 0) {
            glob = behind;
            path += bytes;
        } else if (star != NULL && *from != '\0' && *from != '/') {
            glob = star;
            path = ++from;
        } else {
            return false;
        }
    }
}

/* The start of the next component; NULL: there is none. */
static const char *next_component(const char *path)
{
    const char *slash = strchr(path, '/');
    return slash != NULL ? slash + 1 : NULL;
}

/* The glob ends at `end`. `anywhere`: it may begin at any component. */
static bool match_deep(const char *glob, const char *end, const char *path, bool anywhere)
{
    const char *star = NULL, *star_from = NULL, *deep = NULL, *deep_from = NULL;
    bool components = false; /* the last `**` goes from one component to another */
    if (anywhere) {
        deep = glob;
        deep_from = path;
        components = true;
    }
    for (;;) {
        if (glob < end && *glob == '*') {
            bool two = glob + 1 < end && glob[1] == '*';
            glob += two ? 2 : 1;
            if (two) {
                components = glob < end && *glob == '/';
                deep = glob += components;
                deep_from = path;
                star = NULL;
            } else {
                star = glob;
                star_from = path;
            }
            continue;
        }
        if (glob == end && (*path == '\0' || *path == '/'))
            return true;
        uint32_t value;
        size_t bytes = glob == end || *path == '\0' ? 0 : *glob == '?' ? (*path != '/' ? character(path, &value) : 0) : *glob == *path;
        if (bytes > 0) {
            glob++;
            path += bytes;
        } else if (star != NULL && *star_from != '\0' && *star_from != '/') {
            glob = star;
            path = ++star_from;
        } else if (deep != NULL && *deep_from != '\0' && (deep_from = components ? next_component(deep_from) : deep_from + 1) != NULL) {
            glob = deep;
            path = deep_from;
            star = NULL;
        } else {
            return false;
        }
    }
}

bool glob_match_deep(const char *glob, const char *path)
{
    const char *end = glob + strlen(glob);
    if (end > glob && end[-1] == '/')
        end--;
    bool anywhere = memchr(glob, '/', (size_t)(end - glob)) == NULL;
    while (glob < end && *glob == '/')
        glob++;
    return glob < end && match_deep(glob, end, path, anywhere);
}
