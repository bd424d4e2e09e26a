#pragma once
/* What went wrong, for people: a code and a message.
 *
 * Everything below vm/ reports failure by returning false (or NULL) after filling a struct error that the caller owns.
 * Nothing here has to allocate, so running out of memory can be reported like anything else.  Any thread. */
#include <stdarg.h>
#include <stdbool.h>

struct error {
    int code;           /* an errno value, or an HTTP status where the function says so; 0: no particular code */
    char message[1024]; /* UTF-8 text without a newline at its end; cut when it is longer, credentials taken out first */
};

/* Fills *e, if e is not NULL.  Returns false, always: `return error_set(e, EINVAL, "…")`. */
__attribute__((format(printf, 3, 4))) bool error_set(struct error *e, int code, const char *format, ...);

__attribute__((format(printf, 3, 0))) bool error_format(struct error *e, int code, const char *format, va_list arguments);

/* The same with ": strerror(code)" added to the text. */
__attribute__((format(printf, 3, 4))) bool error_errno(struct error *e, int code, const char *format, ...);
