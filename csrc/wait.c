/* wait.c -- see wait.h. Linux can wait on the number itself (futex); elsewhere all threads share one condition variable. */

#define _GNU_SOURCE
#include "wait.h"

#ifdef __linux__

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void nnc_sleep_while(atomic_uint *number, unsigned seen) {
    syscall(SYS_futex, number, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

void nnc_wake(atomic_uint *number) {
    syscall(SYS_futex, number, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void nnc_wait_after_fork(void) {
}

#else

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

void nnc_sleep_while(atomic_uint *number, unsigned seen) {
    pthread_mutex_lock(&mutex);
    while (atomic_load(number) == seen) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

void nnc_wake(atomic_uint *number) {
    (void)number;
    pthread_mutex_lock(&mutex);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

void nnc_wait_after_fork(void) {
    mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

#endif
