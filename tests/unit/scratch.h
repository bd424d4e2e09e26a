#pragma once
/* A folder of the test's own: $TMPDIR names it, and it goes with everything in it.  For cmocka's setup and teardown:
 * cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown). */
#include <stdbool.h>
#include <stddef.h>

int scratch_setup(void **state);
int scratch_teardown(void **state);

/* "<folder>/<name>"; the text stays until the sixteenth call after it. An empty name: the folder itself. */
const char *scratch(const char *name);

/* Makes the file `name` of these bytes; returns its path. */
const char *scratch_write(const char *name, const void *bytes, size_t length);

/* The file's bytes with a NUL behind them, to be freed; NULL: there is no such file. */
char *scratch_read(const char *path, size_t *length);

bool exists(const char *path); /* follows no link */

/* How many entries the folder `path` has, hidden ones too; -1: there is none. */
int entries(const char *path);
