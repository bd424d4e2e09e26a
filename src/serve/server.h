#pragma once
/* The HTTP side: libmicrohttpd's daemon, driven by the caller's loop.  Main thread.
 *
 * A request becomes an exchange when its head has been read; its body is collected (limits.body), then it is a builtin
 * (/healthz, /shutdown) or goes to the vm, and is answered when that is done. */
#include "base/error.h"
#include "serve/listener.h"
#include "vm/vm.h"

#include <stdbool.h>
#include <stdint.h>

struct server;

/* Listens on the listener's socket.  on_shutdown is called when /shutdown was asked for. */
struct server *server_create(const struct listener *listener, struct vm *vm, void (*on_shutdown)(void *context), void *context, struct error *e);

/* For the loop: wait for server_fd, at most server_timeout milliseconds (-1: no limit); then call server_run. */
int server_fd(const struct server *server);
int server_timeout(struct server *server);
void server_run(struct server *server);

/* Requests whose answer is not sent yet. */
unsigned server_active(const struct server *server);
/* Goes up with every request: the idle timer sees that there was one, however short. */
uint64_t server_served(const struct server *server);

/* Accepts no more connections; requests that still come on open ones get 503. */
void server_quiesce(struct server *server);

/* Closes all connections and frees the server. No request may be in the vm any more. */
void server_destroy(struct server *server);
