// Times whole processes, with posix_spawn and wait4, so that no interpreter's fork is in the figure.
//   spawn exit RUNS -- PROGRAM ARGUMENT...     from the spawn until the process is reaped, its stdout read to the end
//   spawn healthz RUNS -- PROGRAM ARGUMENT...  from the spawn of a plugin until GET /healthz is answered: what an `ocm`
//       command waits for; and as "stop" the time from SIGINT until the process is reaped. When a plugin announces itself
//       before it listens, the connection is tried again every 0.1 ms.
// The program's stderr goes to /dev/null. An exit code other than 0 or an answer other than 200 ends the measurement.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "connect.h"

extern char **environ;

struct child {
  pid_t pid;
  int output;  // the reading end of its stdout
};

struct sample {
  double wall_ms, cpu_ms, stop_ms;
  long max_rss_kib;
};

static _Noreturn void die(const char *what) {
  fprintf(stderr, "spawn: %s: %s\n", what, errno ? strerror(errno) : "failed");
  exit(1);
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct child child_start(char **argv) {
  int ends[2];
  struct child child = {0};
  posix_spawn_file_actions_t actions;
  if (pipe2(ends, O_CLOEXEC) != 0) die("pipe");
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  errno = posix_spawnp(&child.pid, argv[0], &actions, NULL, argv, environ);
  if (errno) die(argv[0]);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  child.output = ends[0];
  return child;
}

static void child_reap(struct child *child, struct sample *sample) {
  struct rusage usage;
  int status;
  close(child->output);
  while (wait4(child->pid, &status, 0, &usage) < 0)
    if (errno != EINTR) die("wait4");
  errno = 0;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) die("the program's exit code");
  sample->cpu_ms = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
  sample->max_rss_kib = usage.ru_maxrss;
}

static void measure_exit(char **argv, struct sample *sample) {
  char bytes[65536];
  double start = now_ms();
  struct child child = child_start(argv);
  while (read(child.output, bytes, sizeof bytes) > 0) continue;
  child_reap(&child, sample);
  sample->wall_ms = now_ms() - start;
}

// The first line of stdout that names a location; every other one is ignored, as the plugin manager does.
static void read_handshake(int output, char *line, size_t size) {
  size_t used = 0;
  for (;;) {
    ssize_t n = read(output, line + used, 1);
    errno = n < 0 ? errno : 0;
    if (n <= 0 || used + 2 > size) die("no handshake line");
    if (line[used++] != '\n') continue;
    line[used - 1] = '\0';
    if (strncmp(line, "http", 4) == 0) return;
    used = 0;
  }
}

static int connect_patiently(const struct endpoint *endpoint) {
  const struct timespec pause = {.tv_nsec = 100000};
  for (int tries = 0; tries < 50000; tries++) {
    int fd = endpoint_connect(endpoint);
    if (fd >= 0) return fd;
    nanosleep(&pause, NULL);
  }
  die("connect");
}

static void get_healthz(const struct endpoint *endpoint) {
  static const char request[] = "GET /healthz HTTP/1.1\r\nHost: unix\r\n\r\n";
  struct answer answer;
  char bytes[4096];
  int fd = connect_patiently(endpoint);
  if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0) die("send");
  answer_start(&answer, 0);
  while (answer.state != ANSWER_DONE && answer.state != ANSWER_BAD) {
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) die("recv");
    answer_feed(&answer, bytes, (size_t)n);
  }
  errno = 0;
  if (answer.status != 200) die("answer of /healthz");
  close(fd);
}

static void measure_healthz(char **argv, struct sample *sample) {
  char location[4096];
  struct endpoint endpoint;
  double start = now_ms();
  struct child child = child_start(argv);
  read_handshake(child.output, location, sizeof location);
  if (!endpoint_parse(&endpoint, location)) exit(1);
  get_healthz(&endpoint);
  sample->wall_ms = now_ms() - start;

  double stop = now_ms();
  kill(child.pid, SIGINT);
  child_reap(&child, sample);
  sample->stop_ms = now_ms() - stop;
}

static int compare(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static void print_median(const char *name, double *values, size_t count) {
  qsort(values, count, sizeof *values, compare);
  double median = count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
  printf("\"%s\":{\"min\":%.4f,\"median\":%.4f}", name, values[0], median);
}

static void print_samples(const struct sample *samples, size_t count) {
  static const struct {
    const char *name;
    size_t offset;
  } figures[] = {{"wall_ms", offsetof(struct sample, wall_ms)}, {"cpu_ms", offsetof(struct sample, cpu_ms)}, {"stop_ms", offsetof(struct sample, stop_ms)}};
  double *values = calloc(count, sizeof *values);
  if (!values) die("memory");
  printf("{\"runs\":%zu", count);
  for (size_t figure = 0; figure < sizeof figures / sizeof *figures; figure++) {
    for (size_t i = 0; i < count; i++) memcpy(&values[i], (const char *)&samples[i] + figures[figure].offset, sizeof *values);
    putchar(',');
    print_median(figures[figure].name, values, count);
  }
  printf(",\"max_rss_kib\":%ld}\n", samples[count - 1].max_rss_kib);
  free(values);
}

int main(int argc, char **argv) {
  int runs = argc > 4 ? atoi(argv[2]) : 0;
  _Bool is_exit = argc > 4 && strcmp(argv[1], "exit") == 0, is_healthz = argc > 4 && strcmp(argv[1], "healthz") == 0;
  if (runs < 1 || strcmp(argv[3], "--") != 0 || !(is_exit || is_healthz)) {
    fputs("usage: spawn exit|healthz RUNS -- PROGRAM ARGUMENT...\n", stderr);
    return 2;
  }
  struct sample *samples = calloc((size_t)runs, sizeof *samples);
  if (!samples) die("memory");
  for (int i = 0; i < runs; i++) (is_exit ? measure_exit : measure_healthz)(argv + 4, &samples[i]);
  print_samples(samples, (size_t)runs);
  free(samples);
  return 0;
}
