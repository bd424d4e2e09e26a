/* Numbers in JSON: see json_number.h, and json.h for what is written.
 *
 * In both directions a number passes through `struct decimal`. Short arithmetic converts what people write; libc converts
 * the rest, in a notation without a decimal point, since setlocale may change what that is. */
#include "base/json_number.h"

#include "base/json.h"

#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* digits * 10^exponent; digits doesn't end in 0, unless it is 0 */
struct decimal {
    uint64_t digits;
    int exponent;
};

static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* The nearest double. */
static double decimal_to_double(struct decimal d)
{
    /* both operands are exact, so the one operation rounds as IEEE 754 wants it */
    if (FLT_EVAL_METHOD == 0 && d.digits <= UINT64_C(1) << 53 && d.exponent >= -22 && d.exponent <= 22)
        return d.exponent < 0 ? (double)d.digits / powers[-d.exponent] : (double)d.digits * powers[d.exponent];
    char text[48];
    (void)snprintf(text, sizeof text, "%" PRIu64 "e%d", d.digits, d.exponent);
    return strtod(text, NULL);
}

static struct decimal without_zeros(uint64_t digits, int exponent)
{
    for (; digits != 0 && digits % 10 == 0; digits /= 10)
        exponent++;
    return (struct decimal){digits, exponent};
}

/* The decimal number with the fewest digits that reads back as `value`, which is positive and finite. */
static struct decimal shortest_decimal(double value)
{
    /* Most have few places.  At most 15 digits: no two such decimals are one double, so the first that fits is it. */
    for (int places = 0; FLT_EVAL_METHOD == 0 && places <= 15; places++) {
        double scaled = value * powers[places] + 0.5;
        if (scaled >= 1e15)
            break;
        uint64_t digits = (uint64_t)scaled;
        if (digits != 0 && (double)digits / powers[places] == value)
            return without_zeros(digits, -places);
    }
    int exponent;
    bool power_of_two = frexp(value, &exponent) == 0.5;
    for (int precision = value < DBL_MIN ? 1 : 15;; precision++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%.*e", precision - 1, value);
        uint64_t digits = 0;
        const char *at = text;
        for (; *at != 'e'; at++)
            if (is_digit(*at)) /* and not the point, whatever it is */
                digits = digits * 10 + (uint64_t)(*at - '0');
        exponent = (int)strtol(at + 1, NULL, 10) - (precision - 1);
        if (precision == 17 || decimal_to_double((struct decimal){digits, exponent}) == value)
            return without_zeros(digits, exponent);
        /* doubles lie denser below a power of two than above: there the second nearest may be near enough */
        if (power_of_two && decimal_to_double((struct decimal){digits + 1, exponent}) == value)
            return without_zeros(digits + 1, exponent);
    }
}

static void take_digit(struct number *n, int digit)
{
    if (digit == 0) {
        if (n->digits != 0)
            n->exponent++;
        return;
    }
    /* the zeros since the last digit were significant, after all: there are n->exponent of them */
    for (; n->exponent > 0 && n->significant <= 19; n->exponent--) {
        n->digits *= n->significant < 19 ? 10 : 1;
        n->significant++;
    }
    n->exponent = 0;
    if (n->significant < 19)
        n->digits = n->digits * 10 + (uint64_t)digit;
    if (n->significant <= 19)
        n->significant++;
}

const char *number_scan(const char **at, const char *end, struct number *n)
{
    const char *p = *at;
    *n = (struct number){.integral = true};
    if (p < end && *p == '-') {
        n->negative = true;
        p++;
    }
    *at = p;
    if (p == end || !is_digit(*p))
        return NULL;
    if (*p == '0')
        p++;
    else
        for (; p < end && is_digit(*p); p++)
            take_digit(n, *p - '0');
    int64_t shift = 0, zeros = n->exponent;
    if (p < end && *p == '.') {
        n->integral = false;
        *at = ++p;
        if (p == end || !is_digit(*p))
            return NULL;
        const char *point = p;
        for (; p < end && is_digit(*p); p++)
            take_digit(n, *p - '0');
        shift = -(int64_t)(p - point);
        zeros = n->exponent;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        n->integral = false;
        p++;
        bool negative = p < end && *p == '-';
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        *at = p;
        if (p == end || !is_digit(*p))
            return NULL;
        int64_t exponent = 0;
        for (; p < end && is_digit(*p); p++)
            if (exponent < INT64_MAX / 100)
                exponent = exponent * 10 + (*p - '0');
        shift += negative ? -exponent : exponent;
    }
    n->exponent = zeros + shift;
    return p;
}

bool number_to_integer(const struct number *n, int64_t *value)
{
    if (!n->integral || n->significant + n->exponent > 19 || (n->negative && n->digits == 0))
        return false;
    uint64_t magnitude = n->digits, limit = (uint64_t)INT64_MAX + (n->negative ? 1 : 0);
    for (int64_t zeros = n->exponent; zeros > 0; zeros--)
        magnitude *= 10;
    if (magnitude > limit)
        return false;
    *value = n->negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool number_to_double(const struct number *n, double *value)
{
    double magnitude = 0;
    if (n->digits != 0) {
        /* a shortest form has never more than 17 digits; exponents as far out are beyond any double */
        if (n->significant > 17 || n->exponent < -400 || n->exponent > 400)
            return false;
        struct decimal d = {n->digits, (int)n->exponent};
        magnitude = decimal_to_double(d);
        if (n->significant > 15 || d.exponent < -290 || d.exponent > 290) {
            if (magnitude == 0 || isinf(magnitude))
                return false;
            struct decimal s = shortest_decimal(magnitude);
            if (s.digits != d.digits || s.exponent != d.exponent)
                return false;
        }
    }
    *value = n->negative ? -magnitude : magnitude;
    return true;
}

bool json_is_number(const char *text, size_t length)
{
    struct number n;
    const char *at = text;
    return length > 0 && number_scan(&at, text + length, &n) == text + length;
}

/* Writes the digits so that they end before `end`; returns where they begin. */
static char *format_digits(char *end, uint64_t value)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
                                "4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495969798"
                                "99";
    for (; value >= 100; value /= 100)
        end = memcpy(end - 2, pairs + value % 100 * 2, 2);
    if (value >= 10)
        return memcpy(end - 2, pairs + value * 2, 2);
    *--end = (char)('0' + value);
    return end;
}

bool json_write_integer(struct buffer *out, int64_t value)
{
    char text[24], *end = text + sizeof text;
    char *at = format_digits(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    if (value < 0)
        *--at = '-';
    return buffer_append(out, at, (size_t)(end - at));
}

bool json_write_double(struct buffer *out, double value, struct error *e)
{
    if (!isfinite(value))
        return error_set(e, EDOM, isnan(value) ? "NaN is not JSON" : "an infinite number is not JSON");
    if (!buffer_reserve(out, 32)) /* more than any of the forms below needs, so that none of the steps can fail */
        return error_set(e, ENOMEM, "out of memory");
    char digits[24], *end = digits + sizeof digits;
    struct decimal d = value == 0 ? (struct decimal){0, 0} : shortest_decimal(fabs(value));
    const char *at = format_digits(end, d.digits);
    int count = (int)(end - at), point = count + d.exponent; /* 0.digits * 10^point */
    if (signbit(value))
        buffer_add(out, '-');
    if (point > 16 || point < -3) {
        buffer_add(out, *at);
        if (count > 1) {
            buffer_add(out, '.');
            buffer_append(out, at + 1, (size_t)count - 1);
        }
        buffer_puts(out, point > 0 ? "e+" : "e-");
        at = format_digits(end, (uint64_t)abs(point - 1));
        buffer_append(out, at, (size_t)(end - at));
    } else if (point <= 0) {
        buffer_puts(out, "0.");
        buffer_append(out, "000", (size_t)-point);
        buffer_append(out, at, (size_t)count);
    } else if (point >= count) {
        buffer_append(out, at, (size_t)count);
        buffer_append(out, "000000000000000", (size_t)(point - count));
        buffer_puts(out, ".0");
    } else {
        buffer_append(out, at, (size_t)point);
        buffer_add(out, '.');
        buffer_append(out, at + point, (size_t)(count - point));
    }
    return true;
}
