/* A growable run of bytes: doubling, with an optional limit. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

bool buffer_reserve(struct buffer *b, size_t more)
{
    if (more <= b->capacity - b->length)
        return true;
    if (more > SIZE_MAX / 4 - b->length)
        return false;
    size_t needed = b->length + more;
    if (b->limit != 0 && needed > b->limit)
        return false;
    size_t capacity = b->capacity < 64 ? 64 : b->capacity * 2;
    if (capacity < needed)
        capacity = needed;
    if (b->limit != 0 && capacity > b->limit)
        capacity = b->limit;
    char *data = realloc(b->data, capacity);
    if (data == NULL)
        return false;
    b->data = data;
    b->capacity = capacity;
    return true;
}

bool buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int needed = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (needed < 0 || !buffer_reserve(b, (size_t)needed + 1))
        return false;
    va_start(arguments, format);
    (void)vsnprintf(b->data + b->length, (size_t)needed + 1, format, arguments);
    va_end(arguments);
    b->length += (size_t)needed;
    return true;
}

char *buffer_take(struct buffer *b, size_t *length)
{
    char *data = b->data;
    *length = b->length;
    b->data = NULL;
    b->length = b->capacity = 0;
    return data;
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    b->data = NULL;
    b->length = b->capacity = 0;
}
