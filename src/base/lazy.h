#pragma once
/* Shared libraries loaded at their first use, so that a plugin which never needs one never pays for it. Any thread. */
#include "base/error.h"

#include <pthread.h>
#include <stdbool.h>

struct lazy_symbol {
    const char *name;
    void **slot; /* a function pointer's address */
};

struct lazy_library {
    const char *name;                  /* for people: "libcrypto" */
    const char *const *sonames;        /* tried in order; NULL behind the last */
    const char *package;               /* what to install when none is there: "libssl3" */
    const struct lazy_symbol *symbols; /* name NULL behind the last */
    pthread_mutex_t lock;
    bool loaded;
};

/* Loads it and fills all slots, once.  False: the library or a symbol is missing; e names the package to install. */
bool lazy_load(struct lazy_library *library, struct error *e);
