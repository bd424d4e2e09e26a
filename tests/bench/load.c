// A small HTTP/1.1 load generator: N keep-alive connections, one request outstanding on each, always the same request.
// wrk, ab and hey do not speak to unix sockets, which is where plugins listen; and on a machine of two cores the client
// has to leave the server its core, so this one does as little as it can: one thread, edge-triggered epoll, a send buffer
// that takes a large request at once, the request laid out once, answers parsed only for their length and status.
// Every answer must be a 200; any other, and every broken connection, counts as a failure. Results are JSON on stdout.
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "connect.h"

enum { MAX_CONNECTIONS = 1024, READ_SIZE = 256 * 1024, SUB_BITS = 7, BUCKETS = (64 - SUB_BITS + 1) << SUB_BITS };

struct request {
  char *bytes;
  size_t size;
  _Bool head_only;
};

struct connection {
  int fd;
  size_t sent;        // of the request; equal to its size while the answer is awaited
  _Bool wants_write;  // EPOLLOUT is asked for: only while a request is half sent, since every read of the peer triggers it
  uint64_t start_ns;  // when its first byte was sent
  struct answer answer;
};

struct result {
  uint64_t requests, failures, reconnects, body_bytes, max_ns;
  uint64_t histogram[BUCKETS];  // of latencies
  char first_failure[256];
};

static struct options {
  int connections;
  double seconds, warmup;
  const char *method, *body_file, *location, *path;
  char headers[8192];
} options = {.connections = 16, .seconds = 2, .warmup = 0.5, .method = "GET"};

static struct endpoint endpoint;
static struct request request;
static struct result result;
static char read_buffer[READ_SIZE];
static int epoll_fd;

static const char usage[] =
    "usage: load [--connections N] [--seconds S] [--warmup S] [--method M] [--header 'Name: value']... [--body FILE]\n"
    "            LOCATION PATH\n"
    "LOCATION is what a plugin prints: http+unix:///path or http://127.0.0.1:port\n";

static _Noreturn void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Latencies go into buckets less than 1 % wide: exact below 2^(SUB_BITS+1) ns, then 2^SUB_BITS buckets per power of two.
static size_t bucket_of(uint64_t ns) {
  if (ns < (2u << SUB_BITS)) return (size_t)ns;
  unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - SUB_BITS;
  return ((size_t)shift << SUB_BITS) + (size_t)(ns >> shift);
}

static uint64_t bucket_ns(size_t bucket) {
  if (bucket < (2u << SUB_BITS)) return bucket;
  unsigned shift = (unsigned)(bucket >> SUB_BITS) - 1;
  return (uint64_t)(bucket - ((size_t)shift << SUB_BITS)) << shift;
}

static uint64_t percentile_ns(double part) {
  uint64_t wanted = (uint64_t)((double)result.requests * part), seen = 0;
  for (size_t i = 0; i < BUCKETS; i++)
    if ((seen += result.histogram[i]) > wanted) return bucket_ns(i);
  return result.max_ns;
}

static void failed(const char *why, int status) {
  result.failures++;
  if (!result.first_failure[0]) snprintf(result.first_failure, sizeof result.first_failure, "%s %d", why, status);
}

static void connection_watch(struct connection *connection, int operation, _Bool wants_write) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
  if (wants_write) event.events |= EPOLLOUT;
  if (epoll_ctl(epoll_fd, operation, connection->fd, &event) != 0) die("epoll_ctl");
  connection->wants_write = wants_write;
}

// The first request is sent by the first event, for which EPOLLOUT is asked.
static void connection_open(struct connection *connection) {
  int send_buffer = 512 * 1024;
  connection->fd = endpoint_connect(&endpoint);
  if (connection->fd < 0) die(options.location);
  connection->sent = 0;
  setsockopt(connection->fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
  connection_watch(connection, EPOLL_CTL_ADD, 1);
}

static void connection_reopen(struct connection *connection) {
  close(connection->fd);
  result.reconnects++;
  connection_open(connection);
}

// Sends what the socket takes; the rest follows when epoll says that it is writable again. False when it is broken.
static _Bool connection_send(struct connection *connection) {
  if (connection->sent == 0) {
    connection->start_ns = now_ns();
    answer_start(&connection->answer, request.head_only);
  }
  while (connection->sent < request.size) {
    ssize_t n = send(connection->fd, request.bytes + connection->sent, request.size - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) return 0;
    if (n < 0) break;
    connection->sent += (size_t)n;
  }
  _Bool wants_write = connection->sent < request.size;
  if (wants_write != connection->wants_write) connection_watch(connection, EPOLL_CTL_MOD, wants_write);
  return 1;
}

static void request_done(struct connection *connection) {
  uint64_t ns = now_ns() - connection->start_ns;
  if (connection->answer.status != 200) {
    failed("status", connection->answer.status);
    return;
  }
  result.requests++;
  result.body_bytes = connection->answer.body;
  result.histogram[bucket_of(ns)]++;
  if (ns > result.max_ns) result.max_ns = ns;
}

// Reads until there is no more. A short read means that the socket is empty: the next bytes are a new edge.
static _Bool connection_receive(struct connection *connection) {
  struct answer *answer = &connection->answer;
  for (;;) {
    ssize_t n = recv(connection->fd, read_buffer, sizeof read_buffer, MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return 0;
    size_t taken = answer_feed(answer, read_buffer, (size_t)n);
    if (answer->state == ANSWER_BAD || taken < (size_t)n) {
      errno = EBADMSG;
      return 0;
    }
    if (answer->state == ANSWER_DONE) {
      request_done(connection);
      if (connection->sent < request.size || answer->close) {  // answered before it had read the request, or says goodbye
        connection_reopen(connection);
        return 1;
      }
      connection->sent = 0;
      return connection_send(connection);
    }
    if ((size_t)n < sizeof read_buffer) return 1;
  }
}

static void connection_event(struct connection *connection, uint32_t events) {
  errno = 0;
  _Bool ok = connection->sent == request.size || connection_send(connection);
  if (ok && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))) ok = connection_receive(connection);
  if (ok) return;
  failed("connection broken, errno", errno);
  connection_reopen(connection);
}

static void run_until(uint64_t end_ns) {
  struct epoll_event events[64];
  for (uint64_t now = now_ns(); now < end_ns; now = now_ns()) {
    int count = epoll_wait(epoll_fd, events, 64, (int)((end_ns - now) / 1000000) + 1);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) connection_event(events[i].data.ptr, events[i].events);
  }
}

static char *read_whole(const char *path, size_t *size) {
  struct stat info;
  FILE *file = fopen(path, "rb");
  if (!file || fstat(fileno(file), &info) != 0) die(path);
  char *bytes = malloc((size_t)info.st_size + 1);
  if (!bytes || fread(bytes, 1, (size_t)info.st_size, file) != (size_t)info.st_size) die(path);
  fclose(file);
  *size = (size_t)info.st_size;
  return bytes;
}

static void request_build(void) {
  char head[sizeof options.headers + 4096];
  size_t body_size = 0;
  char *body = options.body_file ? read_whole(options.body_file, &body_size) : NULL;
  int size = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: unix\r\n%s", options.method, options.path, options.headers);
  if (size > 0 && body)
    size += snprintf(head + size, sizeof head - (size_t)size, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body_size);
  if (size < 0 || (size_t)size + 3 > sizeof head) die("request head");
  memcpy(head + size, "\r\n", 2);
  size += 2;
  request.size = (size_t)size + body_size;
  request.bytes = malloc(request.size);
  if (!request.bytes) die("request");
  memcpy(request.bytes, head, (size_t)size);
  if (body) memcpy(request.bytes + size, body, body_size);
  request.head_only = strcmp(options.method, "HEAD") == 0;
  free(body);
}

static void add_header(const char *header) {
  size_t used = strlen(options.headers), room = sizeof options.headers - used;
  if ((size_t)snprintf(options.headers + used, room, "%s\r\n", header) >= room) die("headers");
}

static _Bool set_option(const char *name, const char *value) {
  if (strcmp(name, "--connections") == 0)
    options.connections = atoi(value);
  else if (strcmp(name, "--seconds") == 0)
    options.seconds = atof(value);
  else if (strcmp(name, "--warmup") == 0)
    options.warmup = atof(value);
  else if (strcmp(name, "--method") == 0)
    options.method = value;
  else if (strcmp(name, "--header") == 0)
    add_header(value);
  else if (strcmp(name, "--body") == 0)
    options.body_file = value;
  else
    return 0;
  return 1;
}

static _Bool parse_options(int argc, char **argv) {
  int i = 1;
  while (i + 1 < argc && strncmp(argv[i], "--", 2) == 0) {
    if (!set_option(argv[i], argv[i + 1])) return 0;
    i += 2;
  }
  if (argc - i != 2 || options.connections < 1 || options.connections > MAX_CONNECTIONS) return 0;
  options.location = argv[i];
  options.path = argv[i + 1];
  return options.seconds > 0 && endpoint_parse(&endpoint, options.location);
}

static uint64_t in_seconds(double seconds) { return now_ns() + (uint64_t)(seconds * 1e9); }

static void print_result(double seconds, uint64_t warmup_requests) {
  printf("{\"requests\":%" PRIu64 ",\"warmup_requests\":%" PRIu64 ",\"seconds\":%.3f,\"per_second\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,"
         "\"failures\":%" PRIu64 ",\"first_failure\":\"%s\",\"reconnects\":%" PRIu64 ",\"answer_bytes\":%" PRIu64
         ",\"client_cpu_seconds\":%.3f}\n",
         result.requests, warmup_requests, seconds, (double)result.requests / seconds, (double)percentile_ns(0.5) / 1e3, (double)percentile_ns(0.99) / 1e3,
         (double)result.max_ns / 1e3, result.failures, result.first_failure, result.reconnects, result.body_bytes,
         (double)clock() / CLOCKS_PER_SEC);
}

int main(int argc, char **argv) {
  static struct connection connections[MAX_CONNECTIONS];
  if (!parse_options(argc, argv)) {
    fputs(usage, stderr);
    return 2;
  }
  request_build();
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) die("epoll_create1");
  for (int i = 0; i < options.connections; i++) connection_open(&connections[i]);

  run_until(in_seconds(options.warmup));
  uint64_t warmup_requests = result.requests, warmup_failures = result.failures;
  memset(&result, 0, offsetof(struct result, first_failure));
  result.failures = warmup_failures;  // a request that fails while warming up is a failure too
  uint64_t start = now_ns();
  run_until(in_seconds(options.seconds));
  print_result((double)(now_ns() - start) / 1e9, warmup_requests);
  return result.failures ? 1 : 0;
}
