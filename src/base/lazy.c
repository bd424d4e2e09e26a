/* dlopen at first use: see lazy.h. */
#include "base/lazy.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

bool lazy_load(struct lazy_library *library, struct error *e)
{
    bool ok = true;
    pthread_mutex_lock(&library->lock);
    if (!library->loaded) {
        void *handle = NULL;
        for (const char *const *soname = library->sonames; handle == NULL && *soname != NULL; soname++)
            handle = dlopen(*soname, RTLD_NOW | RTLD_LOCAL);
        if (handle == NULL)
            ok = error_set(e, ENOENT, "%s is not installed: apt-get install %s", library->name, library->package);
        for (const struct lazy_symbol *symbol = library->symbols; ok && symbol->name != NULL; symbol++) {
            *symbol->slot = dlsym(handle, symbol->name);
            if (*symbol->slot == NULL)
                ok = error_set(e, ENOSYS, "%s has no %s: apt-get install a newer %s", library->name, symbol->name, library->package);
        }
        if (handle != NULL && !ok)
            dlclose(handle);
        library->loaded = ok;
    }
    pthread_mutex_unlock(&library->lock);
    return ok;
}
