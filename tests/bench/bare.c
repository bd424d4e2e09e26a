// The bound for /healthz: a server of one thread that parses nothing. Whatever comes in one piece is a request, and gets the
// same few bytes that a plugin answers to GET /healthz. What it reaches, the machine and the load generator allow.
// It announces itself as a plugin does, and ends at SIGINT.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void on_signal(int number) {
  (void)number;
  unlink(address.sun_path);
  _exit(0);
}

static int die(const char *what) {
  perror(what);
  return 1;
}

static int watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void serve(int fd) {
  char request[64 * 1024];
  if (recv(fd, request, sizeof request, 0) <= 0 || send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0) close(fd);
}

int main(int argc, char **argv) {
  if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) {
    fputs("usage: bare SOCKET\n", stderr);
    return 2;
  }
  strcpy(address.sun_path, argv[1]);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), epoll = epoll_create1(0);
  if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 511) != 0) return die(argv[1]);
  if (epoll < 0 || watch(epoll, listener) != 0) return die("epoll");
  signal(SIGINT, on_signal);
  printf("http+unix://%s\n", argv[1]);
  fflush(stdout);
  for (struct epoll_event events[64];;) {
    int count = epoll_wait(epoll, events, 64, -1);
    if (count < 0 && errno != EINTR) return die("epoll_wait");
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd != listener) {
        serve(events[i].data.fd);
        continue;
      }
      int fd = accept(listener, NULL, NULL);
      if (fd >= 0 && watch(epoll, fd) != 0) close(fd);
    }
  }
}
