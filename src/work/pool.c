/* Worker threads: see pool.h.  One mutex guards the two lists; an eventfd wakes the main thread. */
#include "work/pool.h"
#include "work/thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct list {
    struct job *first, **end;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wanted;  /* workers wait for jobs */
    struct list waiting, finished;
    struct job *telling;    /* jobs that said something: job_notify */
    struct job **running;   /* a slot a thread: what it works on */
    pthread_t *threads;
    unsigned limit, started, idle, gone;
    bool stopping;
    int fd;
};

static void append(struct list *list, struct job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
}

static struct job *take_first(struct list *list)
{
    struct job *job = list->first;
    if (job != NULL && (list->first = job->next) == NULL)
        list->end = &list->first;
    return job;
}

static void wake(struct pool *pool)
{
    uint64_t one = 1;
    (void)!write(pool->fd, &one, sizeof one);
}

static void *worker(void *argument)
{
    struct pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    unsigned slot = 0;
    while (!pthread_equal(pool->threads[slot], pthread_self()))
        slot++;
    for (;;) {
        pool->idle++;
        while (pool->waiting.first == NULL && !pool->stopping)
            pthread_cond_wait(&pool->wanted, &pool->lock);
        pool->idle--;
        struct job *job = take_first(&pool->waiting);
        if (job == NULL)
            break;
        pool->running[slot] = job;
        pthread_mutex_unlock(&pool->lock);
        job->work(job);
        pthread_mutex_lock(&pool->lock);
        pool->running[slot] = NULL;
        append(&pool->finished, job);
        wake(pool);
    }
    pool->gone++;
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct pool *pool_create(unsigned threads, struct error *e)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL || (pool->threads = calloc(threads, sizeof *pool->threads)) == NULL || (pool->running = calloc(threads, sizeof *pool->running)) == NULL ||
        (pool->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        error_errno(e, errno, "creating the worker pool");
        if (pool != NULL) {
            free(pool->threads);
            free(pool->running);
            free(pool);
        }
        return NULL;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wanted, NULL);
    pool->waiting.end = &pool->waiting.first;
    pool->finished.end = &pool->finished.first;
    pool->limit = threads;
    return pool;
}

int pool_fd(const struct pool *pool) { return pool->fd; }

/* The lock is held. */
static int start_worker(struct pool *pool)
{
    if (!thread_start(&pool->threads[pool->started], worker, pool))
        return errno;
    pool->started++;
    return 0;
}

bool pool_submit(struct pool *pool, struct job *job, struct error *e)
{
    int failed = 0;
    if (pool == NULL)
        return error_set(e, ECANCELED, "the program is ending");
    pthread_mutex_lock(&pool->lock);
    size_t queued = 1;
    for (struct job *other = pool->waiting.first; other != NULL && queued <= pool->idle; other = other->next)
        queued++;
    if (queued > pool->idle && pool->started < pool->limit)
        failed = start_worker(pool);
    bool taken = pool->started > 0;
    if (taken) {
        job->in_flight = true;
        job->pool = pool;
        append(&pool->waiting, job);
        pthread_cond_signal(&pool->wanted);
    }
    pthread_mutex_unlock(&pool->lock);
    return taken || error_errno(e, failed, "starting a worker thread");
}

void pool_reap(struct pool *pool)
{
    uint64_t count;
    (void)!read(pool->fd, &count, sizeof count);
    pthread_mutex_lock(&pool->lock);
    struct job *job = pool->finished.first;
    pool->finished.first = NULL;
    pool->finished.end = &pool->finished.first;
    for (struct job *told; (told = pool->telling) != NULL;) { /* first: what is finished may be freed */
        pool->telling = told->next_telling;
        told->tells = false;
        pthread_mutex_unlock(&pool->lock);
        if (!told->abandoned)
            told->notified(told);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    while (job != NULL) {
        struct job *next = job->next;
        job->in_flight = false;
        if (job->abandoned)
            job->release(job);
        else
            job->reap(job);
        job = next;
    }
}

void job_notify(struct job *job)
{
    struct pool *pool = job->pool;
    pthread_mutex_lock(&pool->lock);
    if (!job->tells) {
        job->tells = true;
        job->next_telling = pool->telling;
        pool->telling = job;
        wake(pool);
    }
    pthread_mutex_unlock(&pool->lock);
}

void pool_wait(struct pool *pool, int milliseconds)
{
    struct pollfd fd = {pool->fd, POLLIN, 0};
    if (poll(&fd, 1, milliseconds) > 0)
        pool_reap(pool);
}

void job_abandon(struct job *job)
{
    if (job->in_flight) {
        job->abandoned = true;
        atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
    } else {
        job->release(job);
    }
}

bool pool_destroy(struct pool *pool, int milliseconds)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    for (struct job *job; (job = take_first(&pool->waiting)) != NULL;)
        append(&pool->finished, job);
    for (unsigned i = 0; i < pool->started; i++)
        if (pool->running[i] != NULL)
            atomic_store_explicit(&pool->running[i]->cancelled, true, memory_order_relaxed);
    pthread_cond_broadcast(&pool->wanted);
    pthread_mutex_unlock(&pool->lock);

    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (milliseconds % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    for (unsigned i = 0; i < pool->started; i++)
        if (pthread_timedjoin_np(pool->threads[i], NULL, &until) != 0)
            return false;

    for (struct job *job; (job = take_first(&pool->finished)) != NULL;) {
        job->in_flight = false;
        if (job->abandoned)
            job->release(job);
    }
    close(pool->fd);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wanted);
    free(pool->threads);
    free(pool->running);
    free(pool);
    return true;
}
