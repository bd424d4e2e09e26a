/* Deadlines of connections: see peer.h.
 *
 * libmicrohttpd's own timeout starts anew with every byte, so a sender that drips is never late; and it does not tell when
 * the first byte of a request comes.  For a connection kept open that moment is seen by an epoll of our own, which a
 * connection joins when it has been quiet for a second: those that are busy cost nothing. */
#include "serve/peer.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint64_t SECOND = 1000000000, SLOW = 15 * SECOND, KEPT = 120 * SECOND;
enum { ENOUGH_BYTES = 64 * 1024 };

void peers_init(struct peers *peers) { *peers = (struct peers){.watch = -1}; }

void peers_free(struct peers *peers)
{
    if (peers->watch >= 0)
        close(peers->watch);
    peers->watch = -1;
}

static void due(struct peers *peers, uint64_t when)
{
    if (peers->next_sweep == 0 || when < peers->next_sweep)
        peers->next_sweep = when;
}

static void unwatch(struct peers *peers, struct peer *peer)
{
    if (!peer->watched)
        return;
    struct epoll_event event = {0};
    (void)epoll_ctl(peers->watch, EPOLL_CTL_DEL, peer->fd, &event);
    peer->watched = 0;
    peers->watched--;
}

struct peer *peer_add(struct peers *peers, int fd, uint64_t now)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    *peer = (struct peer){.fd = fd, .state = PEER_HEAD, .deadline = now + SLOW, .next = peers->first};
    if (peer->next != NULL)
        peer->next->previous = peer;
    peers->first = peer;
    due(peers, peer->deadline);
    return peer;
}

void peer_remove(struct peers *peers, struct peer *peer)
{
    unwatch(peers, peer);
    *(peer->previous != NULL ? &peer->previous->next : &peers->first) = peer->next;
    if (peer->next != NULL)
        peer->next->previous = peer->previous;
    free(peer);
}

void peer_head(struct peers *peers, struct peer *peer, uint64_t now)
{
    unwatch(peers, peer);
    if (peer->state == PEER_HEAD)
        return; /* it began before */
    peer->state = PEER_HEAD;
    peer->deadline = now + SLOW;
    due(peers, peer->deadline);
}

void peer_body(struct peers *peers, struct peer *peer, uint64_t now)
{
    unwatch(peers, peer);
    peer->state = PEER_BODY;
    peer->deadline = now + SLOW;
    peer->progress = 0;
    due(peers, peer->deadline);
}

void peer_progress(struct peer *peer, size_t bytes, uint64_t now)
{
    peer->progress += bytes;
    if (peer->progress < ENOUGH_BYTES)
        return;
    peer->progress = 0;
    peer->deadline = now + SLOW;
}

void peer_busy(struct peer *peer)
{
    peer->state = PEER_BUSY;
    peer->deadline = 0;
}

void peer_kept(struct peers *peers, struct peer *peer, uint64_t now)
{
    peer->state = PEER_KEPT;
    peer->deadline = now + KEPT;
    due(peers, now + SECOND);
}

void peers_look(struct peers *peers, uint64_t now)
{
    struct epoll_event events[32];
    int count = peers->watched > 0 ? epoll_wait(peers->watch, events, 32, 0) : 0;
    for (int i = 0; i < count; i++) {
        struct peer *peer = events[i].data.ptr;
        unwatch(peers, peer);
        peer->state = PEER_HEAD;
        peer->deadline = now + SLOW;
        due(peers, peer->deadline);
    }
}

/* From now on the watch reports its next byte. Without one, the longer deadline has to do. */
static void watch(struct peers *peers, struct peer *peer)
{
    if (peers->watch < 0)
        peers->watch = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data.ptr = peer};
    if (peers->watch < 0 || epoll_ctl(peers->watch, EPOLL_CTL_ADD, peer->fd, &event) != 0)
        return;
    peer->watched = 1;
    peers->watched++;
}

void peers_sweep(struct peers *peers, uint64_t now)
{
    if (peers->next_sweep == 0 || now < peers->next_sweep)
        return;
    peers->next_sweep = 0;
    for (struct peer *peer = peers->first; peer != NULL; peer = peer->next) {
        if (peer->deadline == 0)
            continue;
        if (now >= peer->deadline) {
            (void)shutdown(peer->fd, SHUT_RDWR);
            peer->deadline = 0;
            continue;
        }
        if (peer->state == PEER_KEPT && !peer->watched) {
            if (peer->deadline - KEPT + SECOND <= now)
                watch(peers, peer);
            else
                due(peers, peer->deadline - KEPT + SECOND);
        }
        due(peers, peer->deadline);
    }
}
