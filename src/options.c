/* The command line: `ocmlua PLUGIN capabilities`, `ocmlua PLUGIN --config JSON`, where the program's own name may stand for PLUGIN; and
 * `ocmlua COMMAND …`. */
#include "base/bundle.h"
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Where a program called by its bare name was found: the first executable of that name in $PATH. */
static bool find_in_path(const char *name, char *found, size_t size)
{
    const char *path = getenv("PATH");
    while (path != NULL && *path != '\0') {
        size_t length = strcspn(path, ":");
        if ((size_t)snprintf(found, size, "%.*s%s%s", (int)length, path, length > 0 ? "/" : "", name) < size && access(found, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

/* Under its own name the program takes PLUGIN as an argument; under any other, the script stands beside it. */
static bool script_from_name(struct options *options, const char *program, struct error *e)
{
    char found[PATH_MAX];
    const char *path = program;
    if (strchr(program, '/') == NULL && find_in_path(program, found, sizeof found))
        path = found;
    if ((size_t)snprintf(options->script, sizeof options->script, "%s.lua", path) >= sizeof options->script)
        return error_set(e, ENAMETOOLONG, "the path is too long: %s", path);
    if (access(options->script, R_OK) == 0)
        return true;
    int reason = errno;
    if (bundle_is_cut())
        return error_set(e, reason, "the bundle at the end of %s is damaged: its end is missing. Get it anew, or run 'ocmlua bundle' again", path);
    return error_set(e, reason, "there is no script %s beside %s: a copy or link of ocmlua named NAME runs NAME.lua", options->script, path);
}

/* What a plugin is asked: the manager's two calls. */
static bool is_call(const char *argument) { return strcmp(argument, "capabilities") == 0 || strncmp(argument, "--config", 8) == 0; }

/* A word that is followed by neither of the manager's calls. A path is a plugin, whatever follows. */
static bool is_command(int argc, char **argv) { return strpbrk(argv[1], "/.") == NULL && (argc == 2 || !is_call(argv[2])); }

bool options_read(struct options *options, const char *bundled, int argc, char **argv, struct error *e)
{
    static char help[] = "help", *no_arguments[] = {help, NULL};
    *options = (struct options){.what = RUN_COMMAND};
    if (argc < 1)
        return error_set(e, EINVAL, "there is no argument at all, not even the program's name");
    int at = 1;
    if (bundled != NULL) {
        (void)snprintf(options->script, sizeof options->script, "%s", bundled);
    } else if (strncmp(base_name(argv[0]), "ocmlua", 6) == 0) {
        if (argc == 1 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
            options->arguments = no_arguments;
            options->argument_count = 1;
            return true;
        }
        if (strcmp(argv[1], "--version") == 0) {
            options->what = RUN_VERSION;
            return true;
        }
        if (argv[1][0] == '-')
            return error_set(e, EINVAL, "unknown option %s: see ocmlua --help", argv[1]);
        if (is_command(argc, argv)) {
            options->arguments = argv + 1;
            options->argument_count = argc - 1;
            return true;
        }
        if ((size_t)snprintf(options->script, sizeof options->script, "%s", argv[1]) >= sizeof options->script)
            return error_set(e, ENAMETOOLONG, "the path is too long: %s", argv[1]);
        at = 2;
    } else if (!script_from_name(options, argv[0], e)) {
        return false;
    }
    options->arguments = argv + at - 1;
    options->argument_count = argc - at + 1;
    for (int i = at; i < argc; i++) {
        if (strcmp(argv[i], "capabilities") == 0) {
            options->what = RUN_CAPABILITIES;
        } else if (strcmp(argv[i], "--config") == 0) {
            if (i + 1 == argc)
                return error_set(e, EINVAL, "--config needs a JSON object behind it");
            options->config = argv[++i];
        } else if (strncmp(argv[i], "--config=", 9) == 0) {
            options->config = argv[i] + 9;
        } else {
            return error_set(e, EINVAL, "unknown argument \"%s\": expected capabilities or --config JSON", argv[i]);
        }
    }
    if (options->what != RUN_CAPABILITIES) {
        const char *name = base_name(bundled != NULL ? argv[0] : options->script);
        if (options->config == NULL)
            return error_set(e, EINVAL, "--config is missing: expected '%s capabilities' or '%s --config JSON'", name, name);
        options->what = RUN_PLUGIN;
    }
    return true;
}
