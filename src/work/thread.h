#pragma once
/* A thread that moves bytes: a small stack, all signals blocked (they are the main thread's). */
#include <pthread.h>
#include <stdbool.h>

/* False: there is none to be had (errno says why). */
bool thread_start(pthread_t *thread, void *(*run)(void *), void *argument);

/* A condition for thread_wait. */
void thread_condition_init(pthread_cond_t *condition);
/* Waits until it is signalled, or so many milliseconds have passed. The lock is held. */
void thread_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int milliseconds);

/* How many processors this process may run on; `most`, if there are more. */
unsigned thread_processors(unsigned most);
