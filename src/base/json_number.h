#pragma once
/* How the reader of JSON sees a number (RFC 8259 section 6).  For base/json.c; everybody else includes base/json.h. */
#include <stdbool.h>
#include <stdint.h>

/* A number as it is written. */
struct number {
    bool negative, integral;
    int significant;  /* digits without the zeros around them; more than 19: `digits` isn't all of them */
    uint64_t digits;  /* the significant ones */
    int64_t exponent; /* of `digits`, saturated far outside of what a double can be */
};

/* The end of the number that begins at `*at`.  Where there is none: NULL, and *at is where a digit was expected. */
const char *number_scan(const char **at, const char *end, struct number *n);

/* Whether it is a whole number that fits int64_t, and which. */
bool number_to_integer(const struct number *n, int64_t *value);

/* Whether it is a double that would be written with the same value, and which. */
bool number_to_double(const struct number *n, double *value);
