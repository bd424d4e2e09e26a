#pragma once
/* Allocations that fail when a test wants them to: malloc, calloc, realloc and strdup of what is linked into the test, but
 * not of shared libraries.  Counted in the calling thread only. */
#include <stdbool.h>

/* From now on the `first`th allocation fails (1: the next one), and, if `forever`, all after it. 0: none does. */
void faults_memory(long first, bool forever);

/* Allocations since then. */
long faults_seen(void);
