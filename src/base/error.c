/* Errors as values: see error.h. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 0))) static size_t format_into(struct error *e, const char *format, va_list arguments)
{
    int written = vsnprintf(e->message, sizeof e->message, format, arguments);
    if (written < 0) {
        e->message[0] = '\0';
        return 0;
    }
    if ((size_t)written < sizeof e->message)
        return (size_t)written;
    size_t end = sizeof e->message - 1; /* cut: not in the middle of a UTF-8 sequence */
    size_t at = end;
    while (at > 0 && end - at < 3 && ((unsigned char)e->message[at - 1] & 0xC0) == 0x80)
        at--;
    unsigned char lead = at > 0 ? (unsigned char)e->message[at - 1] : 0;
    size_t needed = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (needed > end - at + 1)
        end = at - 1;
    e->message[end] = '\0';
    return end;
}

bool error_set(struct error *e, int code, const char *format, ...)
{
    if (e == NULL)
        return false;
    e->code = code;
    va_list arguments;
    va_start(arguments, format);
    format_into(e, format, arguments);
    va_end(arguments);
    return false;
}

bool error_errno(struct error *e, int code, const char *format, ...)
{
    if (e == NULL)
        return false;
    e->code = code;
    va_list arguments;
    va_start(arguments, format);
    size_t used = format_into(e, format, arguments);
    va_end(arguments);
    char reason[128];
    const char *text = strerror_r(code, reason, sizeof reason);
    (void)snprintf(e->message + used, sizeof e->message - used, ": %s", text);
    return false;
}
