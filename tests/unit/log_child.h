#pragma once
/* The log is the process's, so each scenario of a test runs in a child whose stderr and stdout are the test's pipes; what it
 * wrote is then read by the test.  A child that blocks is ended by its alarm. */
#include "base/buffer.h"

#include <stddef.h>
#include <sys/types.h>

enum { SECONDS = 60 }; /* for a scenario, under any sanitizer */

struct child {
    pid_t pid;
    int err, out; /* its stderr and stdout */
    int talk;     /* a byte is a sign from one to the other */
};

/* Runs the scenario in a child; start_on: with this pair as stderr. */
struct child start(void (*scenario)(void));
struct child start_on(void (*scenario)(void), int reader, int writer);

/* The child's end of `talk`, in the child. */
extern int talk;
void tell(int fd);
void await(int fd);

/* What comes until the other side is closed, with a NUL behind it; closes fd. */
struct buffer read_all(int fd);

/* Reads one line, byte for byte (what is behind it stays in the pipe), and puts a NUL behind it. */
void read_line(int fd, struct buffer *text);

/* Waits for the child's end: it must have come there by itself. */
void finish(const struct child *child);

/* Runs the scenario; what it wrote on stderr. */
struct buffer output_of(void (*scenario)(void));

struct line {
    char level[8];
    struct buffer msg;
    const char *rest; /* what stands behind the msg, without the brace: `,"id":"x"` */
    size_t rest_length;
};

/* Takes the line at *text, which must be what the manager can read, and moves on behind it. */
struct line take_line(const char **text);

/* Takes a line, which must be this one. */
void assert_line(const char **text, const char *level, const char *msg, const char *rest);

/* `shift` bytes of 's', then the filling over and over, whole, up to *size bytes, which becomes the length. The caller frees it. */
char *filled(const char *filling, size_t *size, size_t shift);
