#pragma once
/* Where the plugin listens: a unix socket in the run directory, a port of the loopback interface, or the `location` that was asked for.
 * Main thread. */
#include "base/error.h"
#include "base/tempdir.h"

#include <stdbool.h>

struct listener {
    int fd;
    int lock;            /* flock on "<location>.lock"; -1: the socket is in the run directory, or there is none */
    bool tcp;
    char path[108];      /* of the unix socket: the size of sockaddr_un's */
    char host[256];      /* tcp: the host that was asked for, or "" */
    char announced[512]; /* "http+unix:///…" or "http://127.0.0.1:1234" */
};

/* `location` may be empty: a socket in `dir`, or a free port of 127.0.0.1.  For unix it is a path; a socket there whose owner is gone is
 * replaced, one that is in use is an error.  For tcp it is host:port, :port or port. */
bool listener_open(struct listener *listener, bool tcp, const char *location, const struct tempdir *dir, struct error *e);

/* Removes the socket's file, so that nobody finds it any more. The descriptor is left to whoever listens on it. */
void listener_remove(struct listener *listener);
