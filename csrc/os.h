/* os.h -- what the core requires of the operating system: memory, CPUs, threads, waiting, clocks. os_posix.c implements it for
 * Linux and macOS, os_windows.c for Windows; no other file depends on the system. */
#ifndef NNC_OS_H
#define NNC_OS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifdef _WIN32
typedef struct {
    void *pointer;
} nnc_mutex, nnc_once_flag; /* SRWLOCK and INIT_ONCE, whose header would define too many names here */
#define NNC_MUTEX {0}
#define NNC_ONCE {0}
typedef void *nnc_thread, *nnc_clock;
#else
#include <pthread.h>
#include <time.h>
typedef pthread_mutex_t nnc_mutex;
typedef pthread_once_t nnc_once_flag;
#define NNC_MUTEX PTHREAD_MUTEX_INITIALIZER
#define NNC_ONCE PTHREAD_ONCE_INIT
typedef pthread_t nnc_thread;
typedef clockid_t nnc_clock;
#endif

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

/* `bytes` is a multiple of `alignment`, a power of two. NULL: out of memory. */
void *nnc_aligned_alloc(size_t alignment, size_t bytes);
void nnc_aligned_free(void *memory);

/* Huge pages for memory that is aligned to them, if the system lets a program request them. */
void nnc_use_huge_pages(void *memory, size_t bytes);

/* ---- CPUs ------------------------------------------------------------------------------------------------------------- */

/* A set of CPUs, in the system's own layout. */
typedef struct {
    uint64_t words[16];
} nnc_cpus;

/* The number of CPUs that this thread may run on; stores the set in *cpus. */
int nnc_cpus_here(nnc_cpus *cpus);

/* Gives this thread, a worker, the CPU affinity of the calling thread if that has changed. */
void nnc_follow_cpus(const nnc_cpus *cpus);

/* Asks the system for AMX's registers; false: it does not save them. */
bool nnc_request_amx(void);

/* ---- threads ---------------------------------------------------------------------------------------------------------- */

/* stack: bytes, or 0 for the default. No signal handler runs in the thread. False: it cannot be started. Each thread is
 * joined or detached once. */
bool nnc_thread_start(nnc_thread *thread, void *(*body)(void *arg), void *arg, size_t stack);
void nnc_thread_join(nnc_thread thread);
void nnc_thread_detach(nnc_thread thread);

/* Bytes of this thread's stack; 0: not known. */
size_t nnc_stack_size(void);

void nnc_lock(nnc_mutex *mutex);
void nnc_unlock(nnc_mutex *mutex);

/* Calls `function` if this is the first call with the flag, and returns when it has been executed. */
void nnc_once(nnc_once_flag *flag, void (*function)(void));

/* ---- waiting for another thread: spin briefly, then sleep until a number changes -------------------------------------- */

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

/* ---- clocks ----------------------------------------------------------------------------------------------------------- */

/* Seconds of a monotonic clock. */
double nnc_seconds(void);

/* The CPU time of single threads, exact enough to see within microseconds whether a thread is running. */
bool nnc_has_thread_clocks(void);
bool nnc_clock_here(nnc_clock *clock); /* this thread's; false: there is none */
double nnc_seconds_of(nnc_clock clock);

/* ---- fork ------------------------------------------------------------------------------------------------------------- */

/* Is this process a forked child, without the threads of its parent? */
bool nnc_is_forked(void);

/* `in_child` is called in each child that is forked from now on, where nobody else waits or holds a lock. Called once. */
void nnc_at_fork(void (*in_child)(void));

#endif
