#pragma once
/* A thread that moves bytes: a small stack, all signals blocked (they are the main thread's). */
#include <pthread.h>
#include <stdbool.h>

/* False: there is none to be had (errno says why). */
bool thread_start(pthread_t *thread, void *(*run)(void *), void *argument);

/* How many processors this process may run on; `most`, if there are more. */
unsigned thread_processors(unsigned most);
