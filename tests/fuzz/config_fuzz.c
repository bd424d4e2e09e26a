/* Any bytes as --config's JSON: it is refused with a text, or what it gives is usable. */
#include "options.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    struct error e = {0};
    if (config_read(&config, (const char *)data, size, &e)) {
        if (config.id[0] == '\0' || memchr(config.id, '\0', sizeof config.id) == NULL || memchr(config.location, '\0', sizeof config.location) == NULL || config.idle_timeout == 0)
            abort();
    } else if (strncmp(e.message, "--config: ", 10) != 0 || e.message[10] == '\0') {
        abort();
    }
    return 0;
}
