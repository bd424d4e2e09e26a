/* The one loop: see loop.h, and src/README.md for how it fits together.
 *
 * One epoll waits for libmicrohttpd's own epoll descriptor, for the pool's eventfd and for the eventfd that signals write.
 * Signals are caught by a handler, not a signalfd: the second one has to end the process even when a script holds the
 * main thread. Shutting down goes through the states below, each left when its work is done or its time is over. */
#include "serve/loop.h"
#include "base/log.h"
#include "serve/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const uint64_t SECOND = 1000000000;
static const uint64_t DRAIN = 5 * SECOND;     /* for requests in flight to finish */
static const uint64_t FLUSH = SECOND;         /* for the answers of those that were cancelled */

static volatile sig_atomic_t signals, stop_fd = -1;

static void on_signal(int number)
{
    int saved = errno;
    if (signals++ > 0)
        _exit(128 + number);
    vm_interrupt();
    uint64_t one = 1;
    (void)!write((int)stop_fd, &one, sizeof one);
    errno = saved;
}

static void ignore(int number) { (void)number; }

bool loop_catch_signals(struct loop *loop, struct error *e)
{
    loop->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->stop < 0)
        return error_errno(e, errno, "creating an eventfd");
    stop_fd = loop->stop;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    struct sigaction nothing = {.sa_handler = ignore, .sa_flags = SA_RESTART}; /* a handler, since SIG_IGN would be inherited by child processes */
    sigemptyset(&nothing.sa_mask);
    if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0 || sigaction(SIGPIPE, &nothing, NULL) != 0)
        return error_errno(e, errno, "catching signals");
    return true;
}

bool loop_stopped(void) { return signals > 0; }

static void on_shutdown(void *context)
{
    const char **reason = context;
    *reason = "/shutdown was requested";
}

static bool watch(int epoll, int fd, struct error *e)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 || error_errno(e, errno, "waiting for events");
}

static int earlier(int a, int b) { return a < 0 ? b : b < 0 ? a : a < b ? a : b; }

static int until(uint64_t deadline, uint64_t now)
{
    uint64_t milliseconds = deadline > now ? (deadline - now) / 1000000 + 1 : 0;
    return milliseconds < 3600000 ? (int)milliseconds : 3600000;
}

/* One turn: waits for something to do, at most until the deadline (0: none), and does it. */
static void turn(int epoll, struct loop *loop, struct server *server, uint64_t deadline)
{
    struct epoll_event events[4];
    int timeout = earlier(vm_timeout(loop->vm), server_timeout(server));
    if (deadline != 0)
        timeout = earlier(timeout, until(deadline, vm_now()));
    int count = epoll_wait(epoll, events, 4, timeout);
    log_hold();
    bool work = count <= 0, requests = count <= 0;
    for (int i = 0; i < count; i++) {
        work |= events[i].data.fd == vm_fd(loop->vm);
        requests |= events[i].data.fd == server_fd(server);
    }
    if (work || vm_timeout(loop->vm) == 0) {
        vm_run(loop->vm);
        requests = true; /* what was answered is resumed there */
    }
    if (requests || server_timeout(server) == 0)
        server_run(server);
    log_release();
}

/* Serves until there is a reason to stop. */
static const char *serve(int epoll, struct loop *loop, struct server *server, const char **shutdown)
{
    uint64_t idle_since = vm_now(), served = server_served(server);
    bool was_busy = false;
    while (*shutdown == NULL && !loop_stopped()) {
        uint64_t now = vm_now();
        bool busy = server_active(server) > 0 || vm_works(loop->vm) > 0;
        if (busy || was_busy || served != server_served(server)) {
            idle_since = now;
            served = server_served(server);
        }
        was_busy = busy;
        uint64_t deadline = idle_since + loop->idle_timeout;
        if (deadline < idle_since)
            deadline = UINT64_MAX;
        if (!busy && now >= deadline)
            return "it was idle";
        turn(epoll, loop, server, busy ? 0 : deadline);
    }
    return *shutdown != NULL ? *shutdown : "a signal";
}

/* Until no request is open, or the time is over. */
static void drain(int epoll, struct loop *loop, struct server *server, uint64_t time)
{
    uint64_t deadline = vm_now() + time;
    while (server_active(server) > 0 && vm_now() < deadline)
        turn(epoll, loop, server, deadline);
}

static void announce(int handshake, const char *location)
{
    size_t length = strlen(location);
    char line[520];
    (void)snprintf(line, sizeof line, "%s\n", location);
    for (size_t sent = 0; sent < length + 1;) {
        ssize_t written = write(handshake, line + sent, length + 1 - sent);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            log_event(LEVEL_WARN, "nobody reads the location", "location", location, "error", strerror(errno), NULL);
            return;
        }
        sent += (size_t)written;
    }
}

bool loop_serve(struct loop *loop, int handshake, struct error *e)
{
    const char *shutdown = NULL;
    bool ok = false;
    struct server *server = server_create(loop->listener, loop->vm, on_shutdown, &shutdown, e);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        error_errno(e, errno, "waiting for events");
    if (server == NULL || epoll < 0 || !watch(epoll, server_fd(server), e) || !watch(epoll, vm_fd(loop->vm), e) || !watch(epoll, loop->stop, e))
        goto out;
    ok = true;
    announce(handshake, loop->listener->announced);
    const char *reason = serve(epoll, loop, server, &shutdown);
    log_event(LEVEL_INFO, "gracefully shutting down plugin", "reason", reason, NULL);
    (void)epoll_ctl(epoll, EPOLL_CTL_DEL, loop->stop, NULL);
    vm_interrupt(); /* whatever the reason: nothing may hold the main thread for longer than the drain */
    server_quiesce(server);
    listener_remove(loop->listener);
    drain(epoll, loop, server, DRAIN);
    if (server_active(server) > 0)
        log_event(LEVEL_WARN, "requests are still running: cancelling them", NULL);
    vm_cancel(loop->vm);
    drain(epoll, loop, server, FLUSH);
out:
    server_destroy(server);
    if (epoll >= 0)
        close(epoll);
    return ok;
}
