/* Failing allocations, by the linker's --wrap: see faults.h. */
#include "faults.h"

#include <errno.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);

static _Thread_local long seen, failing;
static _Thread_local bool on;

void faults_memory(long first, bool forever)
{
    seen = 0;
    failing = first;
    on = forever;
}

long faults_seen(void) { return seen; }

static bool fails(void)
{
    seen++;
    if (failing == 0 || (on ? seen < failing : seen != failing))
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }

void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : __real_calloc(count, size); }

void *__wrap_realloc(void *block, size_t size) { return fails() ? NULL : __real_realloc(block, size); }

char *__wrap_strdup(const char *text) { return fails() ? NULL : __real_strdup(text); }
