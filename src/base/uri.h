#pragma once
/* The target of a request (RFC 3986, RFC 9112 section 3.2): percent-decoding of its path and its query. Any thread. */
#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Decodes %XX in place of `length` bytes into out (which is cleared first); with `plus`, '+' is a space, as in queries.
 * False: a '%' without two hexadecimal digits (EINVAL), or no memory (ENOMEM). */
bool uri_decode(struct buffer *out, const char *text, size_t length, bool plus, struct error *e);

/* Splits one `name=value` off the query at *query and moves it on; the parts are not decoded yet. False at its end.
 * A name without '=' has an empty value; empty pieces ("a=1&&b") are passed over. */
struct uri_pair {
    const char *name, *value;
    size_t name_length, value_length;
};
bool uri_next_pair(const char **query, struct uri_pair *pair);
