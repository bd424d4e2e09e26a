// Plain sockets for the benchmark's two clients: unix sockets, and TCP by numeric IPv4 address, which is all that a plugin prints.
#include "connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static _Bool parse_unix(struct endpoint *endpoint, const char *path) {
  struct sockaddr_un *to = (struct sockaddr_un *)&endpoint->address;
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof to->sun_path) return 0;
  to->sun_family = AF_UNIX;
  memcpy(to->sun_path, path, length + 1);
  endpoint->size = sizeof *to;
  return 1;
}

static _Bool parse_tcp(struct endpoint *endpoint, const char *host_port) {
  struct sockaddr_in *to = (struct sockaddr_in *)&endpoint->address;
  char host[INET_ADDRSTRLEN];
  const char *colon = strrchr(host_port, ':');
  if (!colon || (size_t)(colon - host_port) >= sizeof host) return 0;
  memcpy(host, host_port, (size_t)(colon - host_port));
  host[colon - host_port] = '\0';
  char *end = NULL;
  unsigned long port = strtoul(colon + 1, &end, 10);
  if (end == colon + 1 || *end || port > 65535) return 0;
  to->sin_family = AF_INET;
  to->sin_port = htons((in_port_t)port);
  endpoint->size = sizeof *to;
  return inet_pton(AF_INET, host, &to->sin_addr) == 1;
}

_Bool endpoint_parse(struct endpoint *endpoint, const char *location) {
  static const char unix_scheme[] = "http+unix://", tcp_scheme[] = "http://";
  memset(endpoint, 0, sizeof *endpoint);
  _Bool ok = 0;
  if (strncmp(location, unix_scheme, sizeof unix_scheme - 1) == 0)
    ok = parse_unix(endpoint, location + sizeof unix_scheme - 1);
  else if (strncmp(location, tcp_scheme, sizeof tcp_scheme - 1) == 0)
    ok = parse_tcp(endpoint, location + sizeof tcp_scheme - 1);
  if (!ok) fprintf(stderr, "not a location (http+unix:///path or http://1.2.3.4:port): %s\n", location);
  return ok;
}

int endpoint_connect(const struct endpoint *endpoint) {
  int fd = socket(endpoint->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int on = 1;
  if (endpoint->address.ss_family == AF_INET) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (const struct sockaddr *)&endpoint->address, endpoint->size) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}
