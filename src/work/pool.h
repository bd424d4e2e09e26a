#pragma once
/* Worker threads for everything that may take long: they move bytes, and never see a lua_State.
 *
 * A job is a struct that begins with struct job.  Its life: pool_submit hands it to the pool; a worker calls `work`; the
 * main thread, told by the eventfd, calls pool_reap, which calls `reap`.  Between submit and reap the job belongs to the
 * pool: its owner may only set `cancelled`, or let go of it with job_abandon.  `work` looks at `cancelled` at least every
 * few hundred milliseconds and gives up when it is set.
 *
 * Threads start when work waits and none is idle, up to a maximum, and stay. Every function but `work` and job_notify: main thread. */
#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>

struct job {
    void (*work)(struct job *);    /* worker thread */
    void (*reap)(struct job *);    /* main thread, once, after work */
    void (*release)(struct job *); /* main thread: frees the job and what it owns */
    void (*notified)(struct job *); /* main thread, some time after job_notify; only for jobs that call it */
    atomic_bool cancelled;
    void *owner;    /* the submitter's, for its reap */
    bool in_flight; /* between submit and reap */
    bool abandoned; /* nobody waits: reap is skipped and release called */
    struct job *next;
    struct pool *pool;        /* while it is in flight */
    struct job *next_telling; /* the pool's */
    bool tells;
};

struct pool;

/* `threads`: the most that will be started. NULL with e filled when there is no memory or no eventfd. */
struct pool *pool_create(unsigned threads, struct error *e);

/* Readable when finished jobs wait for pool_reap. */
int pool_fd(const struct pool *pool);

/* False: no worker could be started, or there is no pool any more (NULL); the job is not taken. */
bool pool_submit(struct pool *pool, struct job *job, struct error *e);

/* Calls reap for every finished job. */
void pool_reap(struct pool *pool);

/* Waits until `job`, or any other, has finished or `milliseconds` have passed (-1: no limit), then reaps. Returns early on a signal. */
void pool_wait(struct pool *pool, int milliseconds);

/* From `work`, or a thread that it started and will join: has `notified` called. */
void job_notify(struct job *job);

/* Cancels the job if it is in flight, and frees it now or when its worker is done with it. */
void job_abandon(struct job *job);

/* Cancels everything, waits up to `milliseconds` for the workers, frees the pool and the abandoned jobs; other jobs are their
 * owners' again.  False when a worker did not come back: the pool is then left as it is, and the process should end. */
bool pool_destroy(struct pool *pool, int milliseconds);
