/* Any bytes as what a client sends: target, headers, body.
 *
 * The real server runs over a unix socket with a plugin that echoes what it is given.  What must hold: the server lives,
 * what it answers begins like HTTP, and no request stays open.  One server serves all inputs. */
#include "base/tempdir.h"
#include "base/uri.h"
#include "serve/listener.h"
#include "serve/server.h"
#include "vm/vm.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char script[] =
    "local ocm = require 'ocm'\n"
    "local function echo(r) return { body = ocm.json.encode { r.path, r.params, r.query, r.headers } } end\n"
    "return ocm.plugin {\n"
    "  componentVersionRepository = { types = { 'Fuzz/v1' }, ListComponentVersions = function(r) return { r.name } end,\n"
    "    AddComponentVersion = function() end },\n"
    "  inputRepository = { types = { 'Input/v1' } },\n"
    "  handlers = { ['GET /a/{b}/{c}'] = echo, ['POST /a/{b}'] = echo, ['DELETE /'] = echo },\n"
    "  limits = { body = 4096, header = 16384 } }\n";

static struct {
    struct vm *vm;
    struct server *server;
    struct listener listener;
    struct tempdir dir;
} here;

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "broken: %s\n", what);
    abort();
}

static void on_shutdown(void *context) { (void)context; }

static void remove_directory(void) { tempdir_remove(&here.dir); }

static void start(void)
{
    struct error e;
    char path[PATH_MAX], name[] = "fuzz";
    char *argv[] = {name, NULL};
    struct buffer problems = {0};
    int null = open("/dev/null", O_WRONLY);
    require(null >= 0 && dup2(null, STDOUT_FILENO) >= 0, "/dev/null");
    require(tempdir_create(&here.dir, "fuzz", &e), "run directory");
    (void)atexit(remove_directory);
    int fd = tempdir_file(&here.dir, path, sizeof path, &e);
    require(fd >= 0 && write(fd, script, sizeof script - 1) == (ssize_t)sizeof script - 1, "script");
    close(fd);
    here.vm = vm_create(1, argv, VM_PLUGIN, &e);
    require(here.vm != NULL && vm_load(here.vm, path, NULL, &problems), "loading");
    require(listener_open(&here.listener, false, "", &here.dir, &e), "listening");
    require(vm_start(here.vm, &here.dir, "{}", 2, &e), "starting");
    here.server = server_create(&here.listener, here.vm, on_shutdown, NULL, &e);
    require(here.server != NULL, "serving");
}

static void decode(const char *text, size_t size)
{
    struct buffer out = {0};
    struct error e;
    if (uri_decode(&out, text, size, false, &e))
        require(out.length <= size, "decoding makes text shorter");
    char *query = strndup(text, size);
    const char *rest = query;
    struct uri_pair pair;
    while (query != NULL && uri_next_pair(&rest, &pair))
        require(pair.name >= query && pair.value + pair.value_length <= query + strlen(query), "pairs are pieces of the query");
    free(query);
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { TURNS = 200 };
    if (here.server == NULL)
        start();
    decode((const char *)data, size);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, here.listener.path, sizeof address.sun_path);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    require(client >= 0 && connect(client, (const struct sockaddr *)&address, sizeof address) == 0, "connecting");
    size_t sent = 0, got = 0;
    char head[8] = "";
    bool ended = false;
    for (int turn = 0; turn < TURNS && !ended; turn++) {
        if (sent < size) {
            ssize_t written = send(client, data + sent, size - sent, MSG_NOSIGNAL);
            if (written > 0)
                sent += (size_t)written;
            if (sent == size)
                (void)shutdown(client, SHUT_WR);
        } else if (size == 0) {
            (void)shutdown(client, SHUT_WR);
        }
        server_run(here.server);
        vm_run(here.vm);
        char chunk[4096];
        ssize_t read = recv(client, chunk, sizeof chunk, 0);
        for (ssize_t i = 0; i < read && got < 7; i++)
            head[got++] = chunk[i];
        ended = read == 0;
    }
    close(client);
    for (int turn = 0; turn < TURNS && server_active(here.server) > 0; turn++) {
        server_run(here.server);
        vm_run(here.vm);
    }
    require(got == 0 || strncmp(head, "HTTP/1.", got) == 0, "answers are HTTP");
    return 0;
}
