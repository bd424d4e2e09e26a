// Where a plugin listens: the line that it prints as its handshake, `http+unix:///path` or `http://host:port`.
#ifndef BENCH_CONNECT_H
#define BENCH_CONNECT_H

#include <sys/socket.h>

struct endpoint {
  struct sockaddr_storage address;
  socklen_t size;
};

// Reads a location; false, and a message on stderr, when it is neither of the two.
_Bool endpoint_parse(struct endpoint *endpoint, const char *location);

// A connected, blocking, close-on-exec socket; -1 and errno when nobody listens.
int endpoint_connect(const struct endpoint *endpoint);

#endif
