#pragma once
/* The command line and --config (protocol section 1). */
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config {
    char id[256];
    enum { TRANSPORT_UNIX, TRANSPORT_TCP } transport;
    uint64_t idle_timeout; /* nanoseconds; one hour where it is absent */
    char location[1024];   /* empty: the plugin chooses */
    const char *text;      /* the JSON itself: what `start` gets */
    size_t length;
};

struct options {
    enum { RUN_COMMAND, RUN_VERSION, RUN_CAPABILITIES, RUN_PLUGIN } what;
    char script[4096];  /* path of the plugin's script */
    char **arguments;   /* of the script: arg[0] is the script as it was started; of a command: its name and what follows */
    int argument_count;
    const char *config; /* --config's text */
};

/* Reads argv.  `bundled`: the name of the script in this program's bundle, which is then the plugin whatever the program is called; NULL: it has none.
 * Otherwise, what is neither `capabilities` nor `--config` of a plugin is a command (lua/command), whose arguments are its own.
 * Run under another name than ocmlua*, it is the plugin `<that name>.lua` beside it. False: e says what is wrong. */
bool options_read(struct options *options, const char *bundled, int argc, char **argv, struct error *e);

/* Reads --config's JSON; `text` stays referenced. False: e says what is wrong. Unknown members are ignored. */
bool config_read(struct config *config, const char *text, size_t length, struct error *e);
