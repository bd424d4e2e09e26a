/* Sockets to listen on: see listener.h. */
#include "serve/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 511 };

/* Lets go of a location's lock, and of its file. */
static void unlock(struct listener *listener)
{
    char lock[sizeof listener->path + 8];
    if (listener->lock < 0)
        return;
    (void)snprintf(lock, sizeof lock, "%s.lock", listener->path);
    (void)unlink(lock);
    close(listener->lock);
    listener->lock = -1;
}

static bool fail(struct listener *listener, struct error *e, int code, const char *what, const char *where)
{
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
    unlock(listener);
    return error_errno(e, code, "%s %s", what, where);
}

/* A socket file that nobody listens on any more is removed; a live one, or any other file, is not touched. */
static bool make_room(const struct sockaddr_un *address, struct error *e)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0)
        return true;
    if (!S_ISSOCK(status.st_mode))
        return error_set(e, EEXIST, "%s is there and is not a socket", address->sun_path);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = probe < 0 ? -1 : connect(probe, (const struct sockaddr *)address, sizeof *address);
    int code = errno;
    if (probe >= 0)
        close(probe);
    if (result != 0 && code == ECONNREFUSED)
        return unlink(address->sun_path) == 0 || error_errno(e, errno, "removing the stale socket %s", address->sun_path);
    return error_set(e, EADDRINUSE, "%s is in use by another process", address->sun_path);
}

static bool open_unix(struct listener *listener, const char *location, const struct tempdir *dir, struct error *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[PATH_MAX] = "";
    if (location[0] != '\0' && location[0] != '/' && getcwd(folder, sizeof folder - 1) != NULL)
        strcat(folder, "/"); /* what is announced is absolute */
    int length = location[0] != '\0' ? snprintf(listener->path, sizeof listener->path, "%s%s", folder, location) : snprintf(listener->path, sizeof listener->path, "%s/socket", dir->path);
    if (length < 0 || (size_t)length >= sizeof listener->path)
        return error_set(e, ENAMETOOLONG, "the socket's path is longer than %zu bytes: %s", sizeof listener->path - 1, location[0] != '\0' ? location : dir->path);
    memcpy(address.sun_path, listener->path, sizeof address.sun_path);
    if (location[0] != '\0') { /* the lock settles who may remove a stale socket, and goes with its holder */
        char lock[sizeof listener->path + 8];
        (void)snprintf(lock, sizeof lock, "%s.lock", listener->path);
        listener->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (listener->lock < 0)
            return fail(listener, e, errno, "opening", lock);
        if (flock(listener->lock, LOCK_EX | LOCK_NB) != 0) {
            close(listener->lock); /* another's */
            listener->lock = -1;
            return fail(listener, e, EADDRINUSE, "listening on", listener->path);
        }
        if (!make_room(&address, e)) {
            unlock(listener);
            return false;
        }
    }
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return fail(listener, e, errno, "creating", "a socket");
    mode_t mask = umask(0177); /* no worker runs yet */
    int bound = bind(listener->fd, (const struct sockaddr *)&address, sizeof address);
    int code = errno;
    umask(mask);
    if (bound != 0)
        return fail(listener, e, code, "listening on", listener->path);
    if (listen(listener->fd, BACKLOG) != 0)
        return fail(listener, e, errno, "listening on", listener->path);
    (void)snprintf(listener->announced, sizeof listener->announced, "http+unix://%s", listener->path);
    return true;
}

/* "host:port", "[::1]:port", ":port", "port" */
static bool split(const char *location, char *host, size_t host_size, char *port, size_t port_size)
{
    const char *colon = strrchr(location, ':');
    const char *digits = colon != NULL ? colon + 1 : location;
    size_t length = colon != NULL ? (size_t)(colon - location) : 0;
    if (length >= 2 && location[0] == '[' && location[length - 1] == ']') {
        location++;
        length -= 2;
    }
    if (strlen(digits) >= port_size || length >= host_size || strspn(digits, "0123456789") != strlen(digits) || strtol(digits, NULL, 10) > 65535)
        return false;
    memcpy(host, location, length);
    host[length] = '\0';
    memcpy(port, digits, strlen(digits) + 1);
    return true;
}

static bool open_tcp(struct listener *listener, const char *location, struct error *e)
{
    char port[8] = "0";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    if (strncmp(location, "http://", 7) == 0)
        location += 7;
    if (location[0] != '\0' && !split(location, listener->host, sizeof listener->host, port, sizeof port))
        return error_set(e, EINVAL, "location: expected host:port, got \"%s\"", location);
    int failed = getaddrinfo(listener->host[0] != '\0' ? listener->host : "127.0.0.1", port[0] != '\0' ? port : "0", &hints, &found);
    if (failed != 0)
        return error_set(e, EINVAL, "location: %s: %s", listener->host, gai_strerror(failed));
    int code = EADDRNOTAVAIL;
    for (struct addrinfo *at = found; at != NULL && listener->fd < 0; at = at->ai_next) {
        int on = 1, fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
            listener->fd = fd;
        } else {
            code = errno;
            if (fd >= 0)
                close(fd);
        }
    }
    freeaddrinfo(found);
    if (listener->fd < 0)
        return error_errno(e, code, "listening on %s", location[0] != '\0' ? location : "127.0.0.1");
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[64], service[8];
    if (getsockname(listener->fd, (struct sockaddr *)&address, &size) != 0 || getnameinfo((struct sockaddr *)&address, size, host, sizeof host, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return fail(listener, e, errno, "asking for", "the socket's address");
    (void)snprintf(listener->announced, sizeof listener->announced, address.ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s", host, service);
    return true;
}

bool listener_open(struct listener *listener, bool tcp, const char *location, const struct tempdir *dir, struct error *e)
{
    *listener = (struct listener){.fd = -1, .lock = -1, .tcp = tcp};
    if (strncmp(location, "http+unix://", 12) == 0)
        location += 12;
    return tcp ? open_tcp(listener, location, e) : open_unix(listener, location, dir, e);
}

void listener_remove(struct listener *listener)
{
    if (listener->path[0] != '\0')
        (void)unlink(listener->path);
    unlock(listener);
    listener->path[0] = '\0';
}
