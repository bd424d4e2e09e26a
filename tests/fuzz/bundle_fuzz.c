/* Any bytes as a program with a bundle: it is refused with a text, or each of its files is found, within the bytes, or told to be damaged. */
#include "base/bundle.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool so)
{
    if (!so)
        abort();
}

/* What is found is read to its end, for the sanitizers. */
static void look_for(const struct bundle *bundle, const char *name, size_t size)
{
    struct bundle_file file;
    struct error e = {0};
    if (!bundle_find(bundle, name, &file, &e)) {
        require(strstr(e.message, "damaged") != NULL);
    } else if (file.name != NULL) {
        require(strlen(name) == file.name_length && memcmp(file.name, name, file.name_length) == 0);
        require(file.length <= size && file.bytes >= (const char *)bundle->bytes && file.bytes + file.length <= (const char *)bundle->bytes + size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bundle bundle;
    struct error e = {0};
    if (!bundle_read(&bundle, data, size, &e)) {
        require(e.message[0] != '\0');
        return 0;
    }
    require(bundle.count > 0 && bundle.script[0] != '\0' && memchr(bundle.script, '\0', sizeof bundle.script) != NULL);
    look_for(&bundle, bundle.script, size);
    look_for(&bundle, "util.lua", size);
    look_for(&bundle, "", size);
    return 0;
}
