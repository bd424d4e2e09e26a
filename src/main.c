/* ocmlua: a plugin of the Open Component Model whose contract is a Lua script. Chooses what to do; the parts do it. */
#include "base/bundle.h"
#include "base/log.h"
#include "base/tempdir.h"
#include "options.h"
#include "serve/listener.h"
#include "serve/loop.h"
#include "vm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double CLEANUP_SECONDS = 4; /* the manager waits ten for a plugin to end; draining may take five */
enum { LOG_MILLISECONDS = 1000 }; /* only a reader that does not read takes them; a busy machine may need some */

static int complain(const struct error *e)
{
    (void)fprintf(stderr, "ocmlua: %s\n", e->message);
    return 1;
}

/* Descriptors 0 to 2 have to be there: what is opened later must not become somebody's stdout. */
static void open_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
}

/* Writes to stderr, and gives up when nobody reads it for a second: a plugin that does not start shall not hang. */
static void say(const char *text, size_t length)
{
    enum { PATIENCE_MILLISECONDS = 1000 };
    struct pollfd fd = {STDERR_FILENO, POLLOUT, 0};
    while (length > 0 && poll(&fd, 1, PATIENCE_MILLISECONDS) > 0) {
        ssize_t written = write(STDERR_FILENO, text, length < PIPE_BUF ? length : PIPE_BUF);
        if (written <= 0 && errno != EINTR)
            return;
        text += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
}

static struct bundle bundle; /* this program's own */

static struct vm *load(const struct options *options, int *status)
{
    struct error e;
    struct buffer problems = {0};
    struct vm *vm = vm_create(options->argument_count, options->arguments, VM_PLUGIN, &e);
    *status = 1;
    if (vm == NULL) {
        complain(&e);
        return NULL;
    }
    if (!vm_load(vm, options->script, bundle.bytes != NULL ? &bundle : NULL, &problems)) {
        if (buffer_add(&problems, '\n'))
            say(problems.data, problems.length);
        buffer_free(&problems);
        (void)vm_destroy(vm, *status);
        return NULL;
    }
    buffer_free(&problems);
    return vm;
}

static int print_capabilities(const struct options *options)
{
    int status, stdout_copy = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (stdout_copy < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) { /* what the script starts must not write between */
        struct error e;
        error_errno(&e, errno, "duplicating stdout");
        return complain(&e);
    }
    struct vm *vm = load(options, &status);
    if (vm == NULL)
        return status;
    size_t length;
    const char *text = vm_capabilities(vm, &length);
    FILE *out = fdopen(stdout_copy, "w");
    bool written = out != NULL && fwrite(text, 1, length, out) == length && fputc('\n', out) != EOF && fclose(out) == 0;
    if (!written) {
        struct error e;
        error_errno(&e, errno, "writing to stdout");
        _exit(complain(&e));
    }
    (void)fflush(stderr);
    _exit(0); /* the kernel frees faster than we do, and this runs at every command of the CLI */
}

static struct tempdir run_directory = {.fd = -1};

static void remove_run_directory(void) { tempdir_remove(&run_directory); } /* os.exit in a script ends up here */

static int run_plugin(const struct options *options)
{
    struct error e;
    struct config config;
    struct listener listener;
    int status, handshake;
    if (!config_read(&config, options->config, strlen(options->config), &e))
        return complain(&e);
    if (!log_start(&handshake, &e))
        return complain(&e);
    struct vm *vm = load(options, &status);
    if (vm == NULL) {
        log_stop(LOG_MILLISECONDS);
        return status;
    }
    struct loop loop = {.vm = vm, .listener = &listener, .idle_timeout = config.idle_timeout, .stop = -1};
    status = 1;
    if (!loop_catch_signals(&loop, &e) || !tempdir_create(&run_directory, config.id, &e))
        goto out;
    (void)atexit(remove_run_directory);
    if (!listener_open(&listener, config.transport == TRANSPORT_TCP, config.location, &run_directory, &e))
        goto out;
    (void)tempdir_sweep(&run_directory);
    log_event(LEVEL_INFO, "starting up plugin", "id", config.id, "location", listener.announced, NULL);
    status = 0;
    struct error reason;
    if (!vm_start(vm, &run_directory, config.text, config.length, &reason) && !loop_stopped())
        log_event(LEVEL_ERROR, "the plugin's start failed: every request gets this answer", "error", reason.message, NULL);
    if (loop_stopped())
        listener_remove(&listener);
    else if (!loop_serve(&loop, handshake, &e)) {
        listener_remove(&listener);
        status = 1;
    }
    vm_cleanup(vm, CLEANUP_SECONDS);
out:
    if (status != 0)
        log_event(LEVEL_ERROR, e.message, NULL);
    tempdir_remove(&run_directory);
    bool joined = vm_destroy(vm, status);
    log_stop(LOG_MILLISECONDS);
    if (!joined)
        _exit(status); /* a worker hangs in the kernel: nothing is left to wait for */
    return status;
}

/* Everything that is for people: lua/command. */
static int run_command(const struct options *options)
{
    struct error e;
    struct loop loop = {.stop = -1};
    int status = 1;
    struct vm *vm = vm_create(options->argument_count, options->arguments, VM_COMMAND, &e);
    if (vm == NULL)
        return complain(&e);
    if (!loop_catch_signals(&loop, &e) || !tempdir_create(&run_directory, "command", &e)) {
        complain(&e);
    } else {
        (void)atexit(remove_run_directory);
        (void)tempdir_sweep(&run_directory);
        if (!vm_command(vm, &run_directory, &status, &e) && !loop_stopped())
            complain(&e);
        tempdir_remove(&run_directory);
    }
    (void)fflush(stdout);
    if (loop_stopped())
        status = 130; /* as a shell has it */
    if (!vm_destroy(vm, status))
        _exit(status);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    struct error e;
    open_standard_descriptors();
    if (!bundle_open(&bundle, &e) || !options_read(&options, bundle.bytes != NULL ? bundle.script : NULL, argc, argv, &e))
        return complain(&e);
    switch (options.what) {
    case RUN_VERSION: return printf("ocmlua %s\n", OCMLUA_VERSION) < 0;
    case RUN_CAPABILITIES: return print_capabilities(&options);
    case RUN_PLUGIN: return run_plugin(&options);
    case RUN_COMMAND: break;
    }
    return run_command(&options);
}
