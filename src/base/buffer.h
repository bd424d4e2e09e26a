#pragma once
/* A growable run of bytes.
 *
 * Zero-initialise it (`struct buffer b = {0};`), append, then buffer_free or buffer_take.  Not locked: one owner at a
 * time.  Appending returns false when memory runs out (or `limit` would be passed); the buffer is then unchanged. */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buffer {
    char *data;      /* NULL while nothing was reserved; not NUL-terminated */
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes allocated */
    size_t limit;    /* most bytes that it may hold; 0: no limit */
};

/* Makes room for `more` bytes after the present length. */
bool buffer_reserve(struct buffer *b, size_t more);

static inline bool buffer_append(struct buffer *b, const void *bytes, size_t count)
{
    if (count > b->capacity - b->length && !buffer_reserve(b, count))
        return false;
    if (count > 0)
        memcpy(b->data + b->length, bytes, count);
    b->length += count;
    return true;
}

static inline bool buffer_add(struct buffer *b, char byte)
{
    if (b->length == b->capacity && !buffer_reserve(b, 1))
        return false;
    b->data[b->length++] = byte;
    return true;
}

static inline bool buffer_puts(struct buffer *b, const char *text) { return buffer_append(b, text, strlen(text)); }

__attribute__((format(printf, 2, 3))) bool buffer_printf(struct buffer *b, const char *format, ...);

/* Hands the bytes to the caller, who frees them with free(); the buffer is empty afterwards. NULL when it holds nothing. */
char *buffer_take(struct buffer *b, size_t *length);

/* Forgets the content, keeps the memory. */
static inline void buffer_clear(struct buffer *b) { b->length = 0; }

void buffer_free(struct buffer *b);
