#pragma once
/* TCP on 127.0.0.1, as jobs: for the small servers that tests stand in place of a service. Main thread, but for the work. */
#include "base/buffer.h"
#include "work/pool.h"

enum socket_step {
    SOCKET_ACCEPT, /* waits for a connection */
    SOCKET_READ,   /* waits for bytes; none: the other end has closed */
    SOCKET_WRITE,  /* all of `data` */
};

struct socket_job {
    struct job job; /* first */
    enum socket_step step;
    int fd;             /* a duplicate of its own */
    int accepted;       /* ACCEPT: the connection, or -1; taken by who reads it */
    struct buffer data; /* READ: what came; WRITE: what goes */
    int code;           /* an errno value; ECANCELED: it was cancelled; 0 */
};

/* Listens on a free port, which is stored. A descriptor (close-on-exec), or -1 with e filled. */
int socket_listen(int *port, struct error *e);

/* One step of a socket, which the caller may close meanwhile. WRITE: the bytes are copied. NULL with e filled: no memory, no descriptor. */
struct socket_job *socket_job_create(enum socket_step step, int fd, const char *data, size_t length, struct error *e);
