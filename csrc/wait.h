/* wait.h -- waiting for another thread: spin briefly, then sleep until a number changes. */
#ifndef NNC_WAIT_H
#define NNC_WAIT_H

#include <stdatomic.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Between two reads of memory that another core writes. */
static inline void nnc_pause(void) {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Sleep while *number is `seen`; may return early. The thread that changes it then calls nnc_wake. */
void nnc_sleep_while(atomic_uint *number, unsigned seen);
void nnc_wake(atomic_uint *number);

/* Called in a forked child, where the sleeping threads do not exist. */
void nnc_wait_after_fork(void);

#endif
