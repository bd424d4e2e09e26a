#pragma once
/* Patterns for paths, in two dialects.  Any thread. */
#include <stdbool.h>

/* As Go's filepath.Match, which the `dir` input of OCM uses: the whole path has to match; `*` is any number of bytes but `/`, `?` one
 * character but `/`, `[a-z]` and `[^a-z]` one of a class, `\` takes the next character as it is. */
bool glob_match(const char *glob, const char *path);

/* Whether it is well-formed; what is not matches nothing. */
bool glob_valid(const char *glob);

/* As in a .gitignore: `**` also crosses slashes, a glob without a slash stands for a name at any depth, and what matches a directory
 * matches everything in it.  There are no classes and no escapes. */
bool glob_match_deep(const char *glob, const char *path);
