#pragma once
/* Names of files. Any thread. */
#include <stdbool.h>

enum { NAME_TEXT_SIZE = 300 };

/* For people: the name with what would spoil a line of text (control characters, what is no UTF-8) written as \xNN; cut when it is long.  Returns out. */
const char *name_text(const char *name, char out[NAME_TEXT_SIZE]);

bool name_is_utf8(const char *name);
