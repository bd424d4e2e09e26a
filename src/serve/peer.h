#pragma once
/* Connections and how long they may take: a sender that is too slow must not hold what others need.
 *
 * | a connection that                          | is cut after                                       |
 * | has just been accepted                     | 15 s without a whole request head                  |
 * | has begun another request, by any byte     | 15 s without a whole request head                  |
 * | sends a body                               | 15 s with less than 64 KiB of it                   |
 * | waits between requests                     | 120 s: longer than Go's clients keep one (90 s)    |
 *
 * "Cut" is shutdown(2) on its socket; libmicrohttpd then sees its end.  Main thread; one struct peers a process, since
 * libmicrohttpd reads through peer.c. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEER_END_BYTES = 5 }; /* "0\r\n\r\n": the end of a chunked body */

struct peer {
    int fd;
    enum { PEER_HEAD, PEER_BODY, PEER_BUSY, PEER_KEPT } state;
    uint64_t deadline;         /* 0: none */
    size_t progress;           /* bytes of the body since the deadline was set */
    uint64_t received;         /* bytes read since the last request's end */
    uint64_t expected;         /* of them, the present request's */
    bool chunked;              /* nobody knows how many are */
    bool unclear;              /* some were read behind a chunked request, nobody knows how many */
    char last[PEER_END_BYTES]; /* read */
    struct peer *next, *previous;
};

struct peers {
    struct peer *first;
    uint64_t next_sweep;  /* 0: nothing is due */
    struct peer **by_fd;  /* whose descriptor it is */
    size_t fds;
    uint64_t now;         /* of this turn of the loop */
};

void peers_init(struct peers *peers);
void peers_free(struct peers *peers);

/* NULL when there is no memory. */
struct peer *peer_add(struct peers *peers, int fd, uint64_t now);
void peer_remove(struct peers *peers, struct peer *peer);

void peer_head(struct peers *peers, struct peer *peer, uint64_t now); /* a request line has been read */
/* The head has been read, of so many bytes; so many more shall follow (chunked: unknown). */
void peer_body(struct peers *peers, struct peer *peer, size_t head, uint64_t body, bool chunked, uint64_t now);
void peer_progress(struct peer *peer, size_t bytes, uint64_t now);
void peer_busy(struct peer *peer);                                    /* the request has been read */
void peer_kept(struct peers *peers, struct peer *peer, uint64_t now); /* it is answered */

/* Before libmicrohttpd reads: what it reads now was read at that time. */
void peers_look(struct peers *peers, uint64_t now);
/* Cuts those whose time is over, when something is due. */
void peers_sweep(struct peers *peers, uint64_t now);
