/* Lines out of pieces of text: see log_lines.h.
 *
 * Whole lines are redacted together, since a credential may have several.  Only of the last, unfinished one a part may
 * stay behind; at its end it is no beginning of anything any more. */
#include "base/log_lines.h"
#include "base/secret.h"

enum {
    LONGEST = 5 * 1024,      /* each byte may become six, as in \u0001, and the log's lines are below 32 KiB */
    SPLIT_MOST = 8 * LONGEST, /* what is longer, and is there at once, is shortened by the log */
};

/* The length without a UTF-8 sequence that may not be whole yet at the end. */
static size_t cut_before_last(const char *text, size_t length)
{
    size_t at = length;
    while (at > 0 && length - at < 3 && ((unsigned char)text[at - 1] & 0xC0) == 0x80)
        at--;
    return at > 1 && (unsigned char)text[at - 1] >= 0xC0 ? at - 1 : length;
}

static void drop(struct buffer *b, size_t count)
{
    if (count > 0)
        memmove(b->data, b->data + count, b->length - count);
    b->length -= count;
}

/* Logs what is whole or too long of `line`; all of it if it is at its end. */
static void put(struct log_lines *lines, bool end)
{
    const struct buffer *line = &lines->line;
    size_t at = 0;
    while (at < line->length) {
        const char *text = line->data + at, *newline = memchr(text, '\n', line->length - at);
        size_t length = newline != NULL ? (size_t)(newline - text) : line->length - at;
        if (length > LONGEST && length <= SPLIT_MOST) {
            length = cut_before_last(text, LONGEST);
            newline = NULL;
        } else if (length <= LONGEST && newline == NULL && !end) {
            break;
        }
        if (length > 0)
            log_write(lines->level, text, length, &lines->attribute, lines->attribute.name != NULL ? 1 : 0);
        at += newline != NULL ? length + 1 : length;
    }
    drop(&lines->line, at);
}

/* A line of which a part is missing may end with half a credential. */
static void lose(struct log_lines *lines)
{
    buffer_free(&lines->pending);
    buffer_free(&lines->line);
    lines->lost = true;
}

void log_lines_add(struct log_lines *lines, const char *text, size_t length)
{
    if (lines->lost) {
        const char *newline = memchr(text, '\n', length);
        if (newline == NULL)
            return;
        length -= (size_t)(newline + 1 - text);
        text = newline + 1;
        lines->lost = false;
    }
    struct buffer *pending = &lines->pending;
    if (!buffer_append(pending, text, length)) {
        lose(lines);
        return;
    }
    const char *newline = pending->length > 0 ? memrchr(pending->data, '\n', pending->length) : NULL;
    size_t whole = newline != NULL ? (size_t)(newline + 1 - pending->data) : 0, used = 0;
    if (secret_redact(&lines->line, pending->data, whole) && secret_redact_start(&lines->line, pending->data + whole, pending->length - whole, &used)) {
        drop(pending, whole + used);
        put(lines, false);
    } else {
        lose(lines);
    }
}

void log_lines_end(struct log_lines *lines)
{
    if (secret_redact(&lines->line, lines->pending.data, lines->pending.length))
        put(lines, true);
    buffer_free(&lines->pending);
    buffer_free(&lines->line);
    lines->lost = false;
}
