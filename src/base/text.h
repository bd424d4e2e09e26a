#pragma once
/* Names of files for people. Any thread. */

enum { NAME_TEXT_SIZE = 300 };

/* The name with what would spoil a line of text (control characters, what is no UTF-8) written as \xNN; cut when it is long.  Returns out. */
const char *name_text(const char *name, char out[NAME_TEXT_SIZE]);
