/* See text.h. */
#include "base/text.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The bytes of the UTF-8 character at s; 0: it is none, or one that RFC 3629 rules out. */
static size_t character(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t bytes = s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : 0;
    for (size_t i = 1; i < bytes; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool wrong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f);
    return wrong ? 0 : bytes;
}

const char *name_text(const char *name, char out[NAME_TEXT_SIZE])
{
    const unsigned char *s = (const unsigned char *)name;
    size_t length = 0;
    while (*s != '\0') {
        size_t bytes = character(s);
        if (length + 5 > NAME_TEXT_SIZE - sizeof "…") {
            memcpy(out + length, "…", sizeof "…" - 1);
            length += sizeof "…" - 1;
            break;
        }
        if (bytes == 0 || *s < 0x20 || *s == 0x7f) {
            length += (size_t)snprintf(out + length, 5, "\\x%02x", *s++);
            continue;
        }
        memcpy(out + length, s, bytes);
        length += bytes;
        s += bytes;
    }
    out[length] = '\0';
    return out;
}

bool name_is_utf8(const char *name)
{
    size_t bytes = 1;
    for (const unsigned char *s = (const unsigned char *)name; *s != '\0' && bytes > 0; s += bytes)
        bytes = character(s);
    return bytes > 0;
}
