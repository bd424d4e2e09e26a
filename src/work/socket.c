/* See socket.h. A worker waits in poll() and looks up ten times a second whether it was cancelled. */
#include "work/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOK_MILLISECONDS = 100, CHUNK = 64 * 1024, BACKLOG = 64 };

int socket_listen(int *port, struct error *e)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, BACKLOG) == 0 && getsockname(fd, (struct sockaddr *)&address, &length) == 0) {
        *port = ntohs(address.sin_port);
        return fd;
    }
    error_errno(e, errno, "listening on 127.0.0.1");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Whether the socket is ready for `events`; sets the code when it will not be. */
static bool ready(struct socket_job *socket, short events)
{
    struct pollfd fd = {socket->fd, events, 0};
    while (!atomic_load(&socket->job.cancelled))
        if (poll(&fd, 1, LOOK_MILLISECONDS) > 0)
            return true;
    socket->code = ECANCELED;
    return false;
}

static bool again(int code) { return code == EINTR || code == EAGAIN || code == ECONNABORTED; }

static void accept_one(struct socket_job *socket)
{
    while (socket->accepted < 0 && socket->code == 0 && ready(socket, POLLIN)) {
        socket->accepted = accept4(socket->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (socket->accepted < 0 && !again(errno))
            socket->code = errno;
    }
}

static void read_some(struct socket_job *socket)
{
    while (socket->code == 0 && ready(socket, POLLIN)) {
        ssize_t got = recv(socket->fd, socket->data.data, CHUNK, 0);
        if (got >= 0) {
            socket->data.length = (size_t)got;
            return;
        }
        if (!again(errno))
            socket->code = errno;
    }
}

static void write_all(struct socket_job *socket)
{
    for (size_t sent = 0; sent < socket->data.length && socket->code == 0 && ready(socket, POLLOUT);) {
        ssize_t written = send(socket->fd, socket->data.data + sent, socket->data.length - sent, MSG_NOSIGNAL);
        if (written >= 0)
            sent += (size_t)written;
        else if (!again(errno))
            socket->code = errno;
    }
}

static void work(struct job *job)
{
    static void (*const steps[])(struct socket_job *) = {[SOCKET_ACCEPT] = accept_one, [SOCKET_READ] = read_some, [SOCKET_WRITE] = write_all};
    struct socket_job *socket = (struct socket_job *)job;
    steps[socket->step](socket);
}

static void release(struct job *job)
{
    struct socket_job *socket = (struct socket_job *)job;
    if (socket->fd >= 0)
        close(socket->fd);
    if (socket->accepted >= 0)
        close(socket->accepted);
    buffer_free(&socket->data);
    free(socket);
}

struct socket_job *socket_job_create(enum socket_step step, int fd, const char *data, size_t length, struct error *e)
{
    struct socket_job *socket = calloc(1, sizeof *socket);
    if (socket == NULL) {
        error_set(e, ENOMEM, "out of memory");
        return NULL;
    }
    socket->job.work = work;
    socket->job.release = release;
    socket->step = step;
    socket->accepted = -1;
    socket->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    bool ok = socket->fd >= 0 || error_errno(e, errno, "duplicating a socket");
    if (ok && !(step == SOCKET_READ ? buffer_reserve(&socket->data, CHUNK) : buffer_append(&socket->data, data, length)))
        ok = error_set(e, ENOMEM, "out of memory");
    if (ok)
        return socket;
    release(&socket->job);
    return NULL;
}
