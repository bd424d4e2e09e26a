#pragma once
/* JSON text (RFC 8259): a pull reader and a writer of single values, without a tree between, and without Lua.
 *
 * The reader walks text that the caller keeps; a string without escapes is handed out as a piece of that text.
 * One reader belongs to one thread; the functions keep no state of their own. */
#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_LIMIT = 512 }; /* arrays and objects within one another; one more is an error */

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_INTEGER, /* fits int64_t, written without fraction or exponent; not "-0" */
    JSON_DOUBLE,  /* a double whose shortest decimal form has the same value as the text, and "-0" */
    JSON_NUMBER,  /* any other number: its text, as it stood */
    JSON_STRING,
    JSON_KEY, /* a member's name; its value comes next */
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_END /* after the one value and the white space behind it */
};

struct json_event {
    enum json_kind kind;
    int64_t integer;  /* JSON_INTEGER */
    double number;    /* JSON_DOUBLE */
    const char *text; /* JSON_STRING, JSON_KEY (decoded UTF-8, may hold NUL), JSON_NUMBER; valid until the next call */
    size_t length;
};

struct json_reader {
    const char *start, *at, *end;
    struct buffer *scratch; /* strings that had escapes: `own`, or a longer-lived one that the caller sets after init */
    struct buffer own;
    unsigned depth;
    unsigned char state;
    unsigned char nesting[JSON_DEPTH_LIMIT / 8]; /* a bit a level: array or object */
};

/* Reads `length` bytes at `text`, which must stay as they are while the reader is used.  Free it with json_reader_free. */
void json_reader_init(struct json_reader *r, const char *text, size_t length);
void json_reader_free(struct json_reader *r);

/* The next event.  False at the first thing that is not JSON, with where and what was expected, never with the text
 * itself (it may be a credential): "line 3, column 17: expected ',' or '}'".  Invalid UTF-8 (also half a surrogate pair), control characters in strings, nesting
 * beyond the limit and anything after the value are errors; error.code is EINVAL, or ENOMEM. */
bool json_next(struct json_reader *r, struct json_event *event, struct error *e);

/* Reads on to the end of the value that `event` has begun (nothing to do for scalars); of a key, to the end of its value. */
bool json_skip(struct json_reader *r, const struct json_event *event, struct error *e);

/* Writing.  All return false only when the buffer cannot grow (code ENOMEM), or as said; the buffer is then unchanged. */

/* A string in quotes.  Invalid UTF-8 is refused: false, with e filled (code EILSEQ) saying at which byte. */
bool json_write_string(struct buffer *out, const char *text, size_t length, struct error *e);

/* The same for text of unknown origin (log lines): what is not UTF-8 becomes U+FFFD, one for each bad byte. */
bool json_write_lenient(struct buffer *out, const char *text, size_t length);

bool json_write_integer(struct buffer *out, int64_t value);

/* The shortest text that reads back as the same double and stays a float ("1.0", "1e+300", "-0.0"). NaN and infinities: false, e filled (EDOM). */
bool json_write_double(struct buffer *out, double value, struct error *e);

/* Whether text is exactly one JSON number (RFC 8259 section 6). */
bool json_is_number(const char *text, size_t length);
