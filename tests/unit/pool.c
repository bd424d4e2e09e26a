/* work/pool: every job is worked on once and comes back once, whatever its owner does meanwhile. For the thread sanitizer, too. */
#include "work/pool.h"
#include "faults.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SECONDS = 60 };

/* ---- threads that cannot be started ---- */

static bool no_threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, run, argument);
}

/* ---- a job that counts what happens to it ---- */

struct probe {
    struct job job;
    atomic_int worked, stage; /* stage: the test's own use */
    int reaped, released;
    pthread_t main;
    struct pool *pool;
    struct probe *other;
};

static atomic_int running, most;

static void pause_shortly(void) { nanosleep(&(struct timespec){.tv_nsec = 200 * 1000}, NULL); }

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void count_work(struct job *job)
{
    struct probe *probe = (struct probe *)job;
    int present = atomic_fetch_add(&running, 1) + 1;
    for (int seen = atomic_load(&most); seen < present && !atomic_compare_exchange_weak(&most, &seen, present);) {
    }
    atomic_fetch_add(&probe->worked, 1);
    atomic_fetch_sub(&running, 1);
}

/* Works until it is cancelled. */
static void work_until_cancelled(struct job *job)
{
    struct probe *probe = (struct probe *)job;
    atomic_fetch_add(&probe->worked, 1);
    for (double end = now() + SECONDS; !atomic_load_explicit(&job->cancelled, memory_order_relaxed) && now() < end;)
        pause_shortly();
    atomic_store(&probe->stage, 1);
}

/* Works until its stage is 1, cancelled or not. */
static void work_until_told(struct job *job)
{
    struct probe *probe = (struct probe *)job;
    atomic_fetch_add(&probe->worked, 1);
    for (double end = now() + SECONDS; atomic_load(&probe->stage) == 0 && now() < end;)
        pause_shortly();
}

/* Works until four do. */
static void meet(struct job *job)
{
    struct probe *probe = (struct probe *)job;
    atomic_fetch_add(&running, 1);
    for (double end = now() + SECONDS; atomic_load(&running) < 4 && now() < end;)
        pause_shortly();
    atomic_fetch_add(&probe->worked, atomic_load(&running) >= 4);
}

static void count_reap(struct job *job)
{
    struct probe *probe = (struct probe *)job;
    assert_true(pthread_equal(pthread_self(), probe->main));
    assert_false(job->in_flight);
    assert_int_equal(atomic_load(&probe->worked), 1);
    probe->reaped++;
}

static void count_release(struct job *job)
{
    struct probe *probe = (struct probe *)job;
    assert_true(pthread_equal(pthread_self(), probe->main));
    assert_false(job->in_flight);
    probe->released++;
}

static struct probe *probes(size_t count, void (*work)(struct job *))
{
    struct probe *all = calloc(count, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < count; i++) {
        all[i].job.work = work;
        all[i].job.reap = count_reap;
        all[i].job.release = count_release;
        all[i].main = pthread_self();
    }
    return all;
}

static struct pool *create(unsigned threads)
{
    struct error e = {0};
    struct pool *pool = pool_create(threads, &e);
    if (pool == NULL)
        fail_msg("%s", e.message);
    atomic_store(&running, 0);
    atomic_store(&most, 0);
    return pool;
}

static void submit(struct pool *pool, struct probe *probe)
{
    struct error e = {0};
    if (!pool_submit(pool, &probe->job, &e))
        fail_msg("%s", e.message);
    assert_true(probe->job.in_flight);
}

/* Lets jobs come back until *count is what is wanted. */
static void reap_until(struct pool *pool, const int *count, int wanted)
{
    for (double end = now() + SECONDS; *count < wanted && now() < end;)
        pool_wait(pool, 100);
    assert_int_equal(*count, wanted);
}

/* Until a worker has begun with it. */
static void await_work(struct probe *probe)
{
    for (double end = now() + SECONDS; atomic_load(&probe->worked) == 0 && now() < end;)
        pause_shortly();
    assert_int_equal(atomic_load(&probe->worked), 1);
}

/* ---- tests ---- */

static void test_every_job_is_done_once(void **state)
{
    (void)state;
    enum { JOBS = 3000 };
    for (unsigned threads = 1; threads <= 8; threads *= 2) {
        struct pool *pool = create(threads);
        struct probe *all = probes(JOBS, count_work);
        for (size_t i = 0; i < JOBS; i++) {
            submit(pool, &all[i]);
            if (i % 7 == 0)
                pool_reap(pool);
        }
        for (size_t i = 0; i < JOBS; i++)
            reap_until(pool, &all[i].reaped, 1);
        assert_true((unsigned)atomic_load(&most) <= threads);
        for (size_t i = 0; i < JOBS; i++) {
            assert_int_equal(atomic_load(&all[i].worked), 1);
            assert_int_equal(all[i].reaped, 1);
            assert_int_equal(all[i].released, 0);
        }
        assert_true(pool_destroy(pool, SECONDS * 1000));
        free(all);
    }
}

static void test_jobs_run_beside_one_another(void **state)
{
    (void)state;
    struct pool *pool = create(4);
    struct probe *all = probes(4, meet);
    for (size_t i = 0; i < 4; i++)
        submit(pool, &all[i]);
    for (size_t i = 0; i < 4; i++)
        reap_until(pool, &all[i].reaped, 1); /* count_reap: they have met */
    assert_true(pool_destroy(pool, SECONDS * 1000));
    free(all);
}

static void test_the_descriptor_tells_that_a_job_is_done(void **state)
{
    (void)state;
    struct pool *pool = create(1);
    struct probe *probe = probes(1, work_until_told);
    struct pollfd fd = {pool_fd(pool), POLLIN, 0};
    submit(pool, probe);
    await_work(probe);
    assert_int_equal(poll(&fd, 1, 0), 0);
    pool_reap(pool); /* nothing yet */
    assert_int_equal(probe->reaped, 0);
    double before = now();
    pool_wait(pool, 50);
    assert_true(now() - before >= 0.04);
    assert_int_equal(probe->reaped, 0);
    atomic_store(&probe->stage, 1);
    assert_int_equal(poll(&fd, 1, SECONDS * 1000), 1);
    assert_int_equal(probe->reaped, 0);
    pool_reap(pool);
    assert_int_equal(probe->reaped, 1);
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_true(pool_destroy(pool, SECONDS * 1000));
    free(probe);
}

static void on_alarm(int unused) { (void)unused; }

static void test_waiting_ends_on_a_signal(void **state)
{
    (void)state;
    struct pool *pool = create(1);
    struct sigaction action = {.sa_handler = on_alarm}, before;
    sigaction(SIGALRM, &action, &before);
    struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    double start = now();
    pool_wait(pool, SECONDS * 1000);
    assert_true(now() - start < SECONDS / 2.0);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_true(pool_destroy(pool, SECONDS * 1000));
}

static void test_a_cancelled_job_still_comes_back(void **state)
{
    (void)state;
    struct pool *pool = create(2);
    struct probe *probe = probes(1, work_until_cancelled);
    submit(pool, probe);
    await_work(probe);
    atomic_store(&probe->job.cancelled, true);
    reap_until(pool, &probe->reaped, 1);
    assert_int_equal(atomic_load(&probe->stage), 1);
    assert_true(pool_destroy(pool, SECONDS * 1000));
    free(probe);
}

static void test_an_abandoned_job_is_freed_when_its_worker_is_done(void **state)
{
    (void)state;
    struct pool *pool = create(1);
    struct probe *all = probes(2, work_until_cancelled);
    submit(pool, &all[0]);
    await_work(&all[0]);
    submit(pool, &all[1]); /* waits behind it */
    job_abandon(&all[1].job);
    assert_int_equal(all[1].released, 0);
    job_abandon(&all[0].job);
    reap_until(pool, &all[0].released, 1);
    reap_until(pool, &all[1].released, 1);
    assert_int_equal(all[0].reaped + all[1].reaped, 0);
    assert_true(pool_destroy(pool, SECONDS * 1000));
    free(all);
}

static void test_a_job_that_is_not_in_flight_is_freed_at_once(void **state)
{
    (void)state;
    struct pool *pool = create(1);
    struct probe *all = probes(2, count_work);
    job_abandon(&all[0].job);
    assert_int_equal(all[0].released, 1);
    assert_int_equal(atomic_load(&all[0].worked), 0);
    submit(pool, &all[1]);
    reap_until(pool, &all[1].reaped, 1);
    job_abandon(&all[1].job);
    assert_int_equal(all[1].released, 1);
    assert_true(pool_destroy(pool, SECONDS * 1000));
    free(all);
}

static void reap_and_submit_other(struct job *job)
{
    struct probe *probe = (struct probe *)job;
    count_reap(job);
    if (probe->other != NULL)
        submit(probe->pool, probe->other);
}

static void reap_and_abandon_other(struct job *job)
{
    struct probe *probe = (struct probe *)job;
    count_reap(job);
    if (probe->other->job.in_flight)
        job_abandon(&probe->other->job);
}

static void test_reap_may_use_the_pool(void **state)
{
    (void)state;
    struct pool *pool = create(2);
    struct probe *all = probes(100, count_work), *pair = probes(2, count_work);
    for (size_t i = 0; i < 100; i++) {
        all[i].job.reap = reap_and_submit_other;
        all[i].pool = pool;
        all[i].other = i + 1 < 100 ? &all[i + 1] : NULL;
    }
    submit(pool, &all[0]);
    reap_until(pool, &all[99].reaped, 1);
    for (size_t i = 0; i < 2; i++) {
        pair[i].job.reap = reap_and_abandon_other; /* the first to come back ends the other, which may be done, too */
        pair[i].other = &pair[1 - i];
        submit(pool, &pair[i]);
    }
    await_work(&pair[0]);
    await_work(&pair[1]);
    for (double end = now() + SECONDS; pair[0].reaped + pair[0].released + pair[1].reaped + pair[1].released < 2 && now() < end;)
        pool_wait(pool, 100);
    assert_int_equal(pair[0].reaped + pair[1].reaped, 1);
    assert_int_equal(pair[0].released + pair[1].released, 1);
    assert_true(pool_destroy(pool, SECONDS * 1000));
    free(all);
    free(pair);
}

static void test_destroying_ends_running_jobs_and_begins_no_others(void **state)
{
    (void)state;
    enum { JOBS = 6 };
    struct pool *pool = create(2);
    struct probe *all = probes(JOBS, work_until_cancelled);
    for (size_t i = 0; i < JOBS; i++)
        submit(pool, &all[i]);
    await_work(&all[0]);
    await_work(&all[1]);
    for (size_t i = 1; i < JOBS; i += 2)
        job_abandon(&all[i].job);
    assert_true(pool_destroy(pool, SECONDS * 1000));
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(all[i].released, i % 2); /* what nobody waits for is freed, the rest is its owner's again */
        assert_int_equal(all[i].reaped, 0);
        assert_false(all[i].job.in_flight);
        if (i > 2) /* the third may have begun when the second was abandoned */
            assert_int_equal(atomic_load(&all[i].worked), 0);
    }
    free(all);
}

static void test_destroying_frees_what_was_not_reaped(void **state)
{
    (void)state;
    struct pool *pool = create(1);
    struct probe *all = probes(2, count_work);
    struct pollfd fd = {pool_fd(pool), POLLIN, 0};
    submit(pool, &all[0]);
    submit(pool, &all[1]);
    await_work(&all[1]);
    assert_int_equal(poll(&fd, 1, SECONDS * 1000), 1);
    job_abandon(&all[0].job);
    assert_true(pool_destroy(pool, SECONDS * 1000));
    assert_int_equal(all[0].released, 1);
    assert_int_equal(all[1].released + all[1].reaped, 0);
    assert_false(all[1].job.in_flight);
    free(all);
}

static void test_destroying_gives_up_on_a_worker_that_hangs(void **state)
{
    (void)state;
    struct pool *pool = create(1);
    struct probe *probe = probes(1, work_until_told);
    submit(pool, probe);
    await_work(probe);
    double before = now();
    assert_false(pool_destroy(pool, 100));
    assert_true(now() - before >= 0.09 && now() - before < SECONDS / 2.0);
    assert_true(atomic_load(&probe->job.cancelled));
    atomic_store(&probe->stage, 1);
    assert_true(pool_destroy(pool, SECONDS * 1000)); /* it came back after all */
    free(probe);
}

static void test_an_unused_pool_goes(void **state)
{
    (void)state;
    assert_true(pool_destroy(create(8), 0));
}

static void test_signals_are_the_main_threads(void **state)
{
    (void)state;
    sigset_t before, after;
    struct pool *pool = create(1);
    struct probe *probe = probes(1, count_work);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    submit(pool, probe);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int signal = 1; signal < SIGRTMAX; signal++)
        assert_int_equal(sigismember(&after, signal), sigismember(&before, signal));
    reap_until(pool, &probe->reaped, 1);
    assert_true(pool_destroy(pool, SECONDS * 1000));
    free(probe);
}

/* ---- what is not there ---- */

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        struct pollfd probe = {fd, 0, 0};
        count += poll(&probe, 1, 0) == 0 || !(probe.revents & POLLNVAL);
    }
    return count;
}

static void test_without_memory_there_is_no_pool(void **state)
{
    (void)state;
    int before = open_descriptors();
    struct pool *pool = NULL;
    for (long n = 1; pool == NULL; n++) {
        struct error e = {0};
        faults_memory(n, false);
        pool = pool_create(3, &e);
        faults_memory(0, false);
        if (pool == NULL) {
            assert_int_equal(e.code, ENOMEM);
            assert_int_equal(open_descriptors(), before);
        }
        assert_true(n < 20);
    }
    assert_true(pool_destroy(pool, 0));
    assert_int_equal(open_descriptors(), before);
}

static void test_without_a_thread_a_job_is_not_taken(void **state)
{
    (void)state;
    struct pool *pool = create(4);
    struct probe *all = probes(3, count_work);
    struct error e = {0};
    no_threads = true;
    assert_false(pool_submit(pool, &all[0].job, &e));
    assert_int_equal(e.code, EAGAIN);
    assert_non_null(strstr(e.message, "worker thread"));
    assert_false(all[0].job.in_flight);
    no_threads = false;
    submit(pool, &all[1]);
    no_threads = true;
    submit(pool, &all[2]); /* one is enough */
    submit(pool, &all[0]);
    no_threads = false;
    for (size_t i = 0; i < 3; i++)
        reap_until(pool, &all[i].reaped, 1);
    assert_true(pool_destroy(pool, SECONDS * 1000));
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_job_is_done_once),
        cmocka_unit_test(test_jobs_run_beside_one_another),
        cmocka_unit_test(test_the_descriptor_tells_that_a_job_is_done),
        cmocka_unit_test(test_waiting_ends_on_a_signal),
        cmocka_unit_test(test_a_cancelled_job_still_comes_back),
        cmocka_unit_test(test_an_abandoned_job_is_freed_when_its_worker_is_done),
        cmocka_unit_test(test_a_job_that_is_not_in_flight_is_freed_at_once),
        cmocka_unit_test(test_reap_may_use_the_pool),
        cmocka_unit_test(test_destroying_ends_running_jobs_and_begins_no_others),
        cmocka_unit_test(test_destroying_frees_what_was_not_reaped),
        cmocka_unit_test(test_destroying_gives_up_on_a_worker_that_hangs),
        cmocka_unit_test(test_an_unused_pool_goes),
        cmocka_unit_test(test_signals_are_the_main_threads),
        cmocka_unit_test(test_without_memory_there_is_no_pool),
        cmocka_unit_test(test_without_a_thread_a_job_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
