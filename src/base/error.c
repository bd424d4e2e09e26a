/* Errors as values: see error.h. */
#include "base/error.h"
#include "base/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is cut off may be the half of a credential, by which nobody could tell the other half: so those are taken out first.
 * The message has as much of the result as fits, else it is empty. */
__attribute__((format(printf, 2, 0))) static size_t redact_into(struct error *e, const char *format, va_list arguments, size_t length)
{
    struct buffer redacted = {0};
    char *text = malloc(length + 1);
    size_t fitting = 0;
    if (text != NULL && vsnprintf(text, length + 1, format, arguments) >= 0 && secret_redact(&redacted, text, length)) {
        fitting = redacted.length < sizeof e->message ? redacted.length : sizeof e->message - 1;
        if (fitting > 0)
            memcpy(e->message, redacted.data, fitting);
        length = redacted.length;
    }
    e->message[fitting] = '\0';
    free(text);
    buffer_free(&redacted);
    return length;
}

__attribute__((format(printf, 2, 0))) static size_t format_into(struct error *e, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int written = vsnprintf(e->message, sizeof e->message, format, arguments);
    size_t length = written > 0 ? (size_t)written : 0;
    if (length >= sizeof e->message && secret_any())
        length = redact_into(e, format, again, length);
    va_end(again);
    if (written < 0)
        e->message[0] = '\0';
    if (length < sizeof e->message || e->message[0] == '\0')
        return strlen(e->message);
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

bool error_format(struct error *e, int code, const char *format, va_list arguments)
{
    e->code = code;
    (void)format_into(e, format, arguments);
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
