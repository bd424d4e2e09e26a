#pragma once
/* Connections and how long they may take: a sender that is too slow must not hold what others need.
 *
 * | a connection that                          | is cut after                                       |
 * | has just been accepted                     | 15 s without a whole request head                  |
 * | has begun another request on an open one   | 15 s without a whole request head                  |
 * | sends a body                               | 15 s with less than 64 KiB of it                   |
 * | waits between requests                     | 120 s: longer than Go's clients keep one (90 s)    |
 *
 * "Cut" is shutdown(2) on its socket; libmicrohttpd then sees its end.  Main thread. */
#include <stddef.h>
#include <stdint.h>

struct peer {
    int fd;
    enum { PEER_HEAD, PEER_BODY, PEER_BUSY, PEER_KEPT } state;
    uint64_t deadline; /* 0: none */
    size_t progress;   /* bytes of the body since the deadline was set */
    int watched;       /* its next byte is reported by the watch */
    struct peer *next, *previous;
};

struct peers {
    struct peer *first;
    uint64_t next_sweep; /* 0: nothing is due */
    int watch;           /* epoll: kept connections whose next byte begins a request; -1 until one is */
    unsigned watched;
};

void peers_init(struct peers *peers);
void peers_free(struct peers *peers);

/* NULL when there is no memory. */
struct peer *peer_add(struct peers *peers, int fd, uint64_t now);
void peer_remove(struct peers *peers, struct peer *peer);

void peer_head(struct peers *peers, struct peer *peer, uint64_t now); /* a request line has been read */
void peer_body(struct peers *peers, struct peer *peer, uint64_t now); /* the head has been read */
void peer_progress(struct peer *peer, size_t bytes, uint64_t now);
void peer_busy(struct peer *peer);                                    /* the request has been read */
void peer_kept(struct peers *peers, struct peer *peer, uint64_t now); /* it is answered */

/* Before libmicrohttpd reads: notes which kept connections begin a request. */
void peers_look(struct peers *peers, uint64_t now);
/* Cuts those whose time is over, when something is due. */
void peers_sweep(struct peers *peers, uint64_t now);
