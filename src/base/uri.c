/* Percent-decoding and queries: see uri.h. */
#include "base/uri.h"

#include <errno.h>

static int hexadecimal(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool uri_decode(struct buffer *out, const char *text, size_t length, bool plus, struct error *e)
{
    buffer_clear(out);
    if (!buffer_reserve(out, length + 1))
        return error_set(e, ENOMEM, "out of memory");
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '%') {
            int high = i + 1 < length ? hexadecimal(text[i + 1]) : -1;
            int low = i + 2 < length ? hexadecimal(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return error_set(e, EINVAL, "byte %zu: '%%' needs two hexadecimal digits behind it", i + 1);
            c = (char)(high * 16 + low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        out->data[out->length++] = c;
    }
    out->data[out->length] = '\0'; /* not counted: for those that want a C string */
    return true;
}

bool uri_next_pair(const char **query, struct uri_pair *pair)
{
    const char *at = *query;
    while (*at == '&')
        at++;
    if (*at == '\0')
        return false;
    size_t length = strcspn(at, "&");
    const char *equals = memchr(at, '=', length);
    pair->name = at;
    pair->name_length = equals != NULL ? (size_t)(equals - at) : length;
    pair->value = equals != NULL ? equals + 1 : at + length;
    pair->value_length = equals != NULL ? length - pair->name_length - 1 : 0;
    *query = at + length;
    return true;
}
