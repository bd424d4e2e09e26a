#pragma once
/* A plugin's life as a process (protocol sections 1 and 3): start, serve until something ends it, shut down in order. Main thread. */
#include "base/error.h"
#include "base/tempdir.h"
#include "serve/listener.h"
#include "vm/vm.h"

#include <stdbool.h>
#include <stdint.h>

struct loop {
    struct vm *vm;
    struct listener *listener;
    uint64_t idle_timeout; /* nanoseconds */
    int stop;              /* eventfd, written by the signal handler */
};

/* From now on SIGINT and SIGTERM end the process in order; a second one ends it at once.  SIGPIPE does nothing. */
bool loop_catch_signals(struct loop *loop, struct error *e);

/* Whether one of them came. */
bool loop_stopped(void);

/* Serves until a signal, /shutdown or idleness, then drains.  When it returns, no request is open and nobody is connected.  `handshake`
 * gets the announced location. False: it could not start. */
bool loop_serve(struct loop *loop, int handshake, struct error *e);
