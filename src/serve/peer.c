/* Deadlines of connections: see peer.h.
 *
 * libmicrohttpd's own timeout starts anew with every byte, so a sender that drips is never late; and it tells nobody that
 * it has read a part of a request line.  So its recv is ours (the linker's --wrap), which counts: a byte read between two
 * requests begins the next one, and so does one that came with the end of the last one. */
#include "serve/peer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint64_t SECOND = 1000000000, SLOW = 15 * SECOND, KEPT = 120 * SECOND;
enum { ENOUGH_BYTES = 64 * 1024 };

static struct peers *reading; /* whose connections libmicrohttpd reads */

void peers_init(struct peers *peers)
{
    *peers = (struct peers){0};
    reading = peers;
}

void peers_free(struct peers *peers)
{
    free(peers->by_fd);
    *peers = (struct peers){0};
    reading = NULL;
}

static void set_deadline(struct peers *peers, struct peer *peer, uint64_t when)
{
    peer->deadline = when;
    if (peers->next_sweep == 0 || when < peers->next_sweep)
        peers->next_sweep = when;
}

struct peer *peer_add(struct peers *peers, int fd, uint64_t now)
{
    size_t at = (size_t)fd;
    if (at >= peers->fds) {
        size_t fds = 2 * at + 64;
        struct peer **by_fd = realloc(peers->by_fd, fds * sizeof(struct peer *));
        if (by_fd == NULL)
            return NULL;
        memset(by_fd + peers->fds, 0, (fds - peers->fds) * sizeof(struct peer *));
        peers->by_fd = by_fd;
        peers->fds = fds;
    }
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    *peer = (struct peer){.fd = fd, .state = PEER_HEAD, .next = peers->first};
    if (peer->next != NULL)
        peer->next->previous = peer;
    peers->first = peer;
    peers->by_fd[at] = peer;
    set_deadline(peers, peer, now + SLOW);
    return peer;
}

void peer_remove(struct peers *peers, struct peer *peer)
{
    peers->by_fd[peer->fd] = NULL;
    *(peer->previous != NULL ? &peer->previous->next : &peers->first) = peer->next;
    if (peer->next != NULL)
        peer->next->previous = peer->previous;
    free(peer);
}

void peer_head(struct peers *peers, struct peer *peer, uint64_t now)
{
    if (peer->state == PEER_HEAD)
        return; /* it began before */
    peer->state = PEER_HEAD;
    set_deadline(peers, peer, now + SLOW);
}

void peer_body(struct peers *peers, struct peer *peer, size_t head, uint64_t body, bool chunked, uint64_t now)
{
    peer->state = PEER_BODY;
    peer->progress = 0;
    peer->expected = body < UINT64_MAX - head ? head + body : UINT64_MAX;
    peer->chunked = chunked;
    set_deadline(peers, peer, now + SLOW);
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

/* A chunked request is over at its last chunk; trailers, which nobody sends, count as more. */
void peer_kept(struct peers *peers, struct peer *peer, uint64_t now)
{
    peer->unclear |= peer->chunked && memcmp(peer->last, "0\r\n\r\n", PEER_END_BYTES) != 0;
    bool more = peer->unclear || (!peer->chunked && peer->received > peer->expected);
    peer->received = more && !peer->chunked && peer->received > peer->expected ? peer->received - peer->expected : 0;
    peer->state = more ? PEER_HEAD : PEER_KEPT;
    set_deadline(peers, peer, now + (more ? SLOW : KEPT));
}

static void count(const char *bytes, size_t length, struct peer *peer)
{
    size_t more = length < PEER_END_BYTES ? length : PEER_END_BYTES;
    memmove(peer->last, peer->last + more, PEER_END_BYTES - more);
    memcpy(peer->last + PEER_END_BYTES - more, bytes + length - more, more);
    peer->received += length;
}

ssize_t __real_recv(int fd, void *bytes, size_t length, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t length, int flags);

__attribute__((used)) ssize_t __wrap_recv(int fd, void *bytes, size_t length, int flags)
{
    ssize_t got = __real_recv(fd, bytes, length, flags);
    if (got <= 0 || reading == NULL || (size_t)fd >= reading->fds || reading->by_fd[fd] == NULL)
        return got;
    struct peer *peer = reading->by_fd[fd];
    count(bytes, (size_t)got, peer);
    if (peer->state == PEER_KEPT)
        peer_head(reading, peer, reading->now);
    return got;
}

void peers_look(struct peers *peers, uint64_t now) { peers->now = now; }

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
        } else {
            set_deadline(peers, peer, peer->deadline);
        }
    }
}
