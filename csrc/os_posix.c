/* os_posix.c -- os.h for Linux and macOS. */

#ifndef _WIN32

#define _GNU_SOURCE
#include "os.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#endif

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

void *nnc_aligned_alloc(size_t alignment, size_t bytes) {
    return aligned_alloc(alignment, bytes);
}

void nnc_aligned_free(void *memory) {
    free(memory);
}

void nnc_use_huge_pages(void *memory, size_t bytes) {
#ifdef __linux__
    madvise(memory, bytes, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

/* ---- CPUs ------------------------------------------------------------------------------------------------------------- */

static int online(void) {
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

#ifdef __linux__

_Static_assert(sizeof(nnc_cpus) == sizeof(cpu_set_t), "nnc_cpus contains a cpu_set_t");

int nnc_cpus_here(nnc_cpus *cpus) {
    cpu_set_t set;
    const bool known = sched_getaffinity(0, sizeof set, &set) == 0;
    if (!known) CPU_ZERO(&set);
    memcpy(cpus, &set, sizeof set);
    return known ? CPU_COUNT(&set) : online();
}

static nnc_cpus cpus_at_first; /* initial affinity of the process, which its threads inherit until it is changed */

__attribute__((constructor)) static void look_at_cpus(void) {
    nnc_cpus_here(&cpus_at_first);
}

void nnc_follow_cpus(const nnc_cpus *cpus) {
    static _Thread_local struct {
        bool known;
        nnc_cpus cpus;
    } mine;
    static const nnc_cpus none;
    if (!mine.known) mine.cpus = cpus_at_first, mine.known = true;
    if (!memcmp(cpus, &mine.cpus, sizeof *cpus) || !memcmp(cpus, &none, sizeof *cpus)) return;
    if (sched_setaffinity(0, sizeof *cpus, (const cpu_set_t *)(const void *)cpus) == 0) mine.cpus = *cpus;
}

#else

int nnc_cpus_here(nnc_cpus *cpus) {
    memset(cpus, 0, sizeof *cpus);
    return online();
}

void nnc_follow_cpus(const nnc_cpus *cpus) {
    (void)cpus;
}

#endif

bool nnc_request_amx(void) {
#if defined(__linux__) && defined(__x86_64__) && defined(SYS_arch_prctl)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
#else
    return false;
#endif
}

/* ---- threads ---------------------------------------------------------------------------------------------------------- */

bool nnc_thread_start(nnc_thread *thread, void *(*body)(void *arg), void *arg, size_t stack) {
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes)) return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited by the thread: signals are for the program's own threads */
    const bool started =
        !(stack && pthread_attr_setstacksize(&attributes, stack)) && !pthread_create(thread, &attributes, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

void nnc_thread_join(nnc_thread thread) {
    pthread_join(thread, NULL);
}

void nnc_thread_detach(nnc_thread thread) {
    pthread_detach(thread);
}

size_t nnc_stack_size(void) {
    size_t size = 0;
#ifdef __linux__
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes)) return 0;
    pthread_attr_getstacksize(&attributes, &size);
    pthread_attr_destroy(&attributes);
#endif
    return size;
}

void nnc_lock(nnc_mutex *mutex) {
    pthread_mutex_lock(mutex);
}

void nnc_unlock(nnc_mutex *mutex) {
    pthread_mutex_unlock(mutex);
}

void nnc_once(nnc_once_flag *flag, void (*function)(void)) {
    pthread_once(flag, function);
}

/* ---- waiting: Linux can wait on the number itself (futex); elsewhere all threads share one condition variable ---------- */

#ifdef __linux__

void nnc_sleep_while(atomic_uint *number, unsigned seen) {
    syscall(SYS_futex, number, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

void nnc_wake(atomic_uint *number) {
    syscall(SYS_futex, number, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void forget_waiting(void) {
}

#else

static pthread_mutex_t waiting = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

void nnc_sleep_while(atomic_uint *number, unsigned seen) {
    pthread_mutex_lock(&waiting);
    while (atomic_load(number) == seen) pthread_cond_wait(&changed, &waiting);
    pthread_mutex_unlock(&waiting);
}

void nnc_wake(atomic_uint *number) {
    (void)number;
    pthread_mutex_lock(&waiting);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&waiting);
}

static void forget_waiting(void) {
    waiting = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

#endif

/* ---- clocks ----------------------------------------------------------------------------------------------------------- */

double nnc_seconds_of(nnc_clock clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double nnc_seconds(void) {
    return nnc_seconds_of(CLOCK_MONOTONIC);
}

#if defined(_POSIX_THREAD_CPUTIME) && _POSIX_THREAD_CPUTIME >= 0
bool nnc_has_thread_clocks(void) {
    return true;
}

bool nnc_clock_here(nnc_clock *clock) {
    return pthread_getcpuclockid(pthread_self(), clock) == 0;
}
#else
bool nnc_has_thread_clocks(void) {
    return false;
}

bool nnc_clock_here(nnc_clock *clock) {
    (void)clock;
    return false;
}
#endif

/* ---- fork ------------------------------------------------------------------------------------------------------------- */

/* The flag PF_FORKNOEXEC of the process's first thread is in the ninth field of its stat, the seventh after the name's ')'. */
bool nnc_is_forked(void) {
    enum { PF_FORKNOEXEC = 0x40 };
    char line[512];
    FILE *f = fopen("/proc/self/stat", "r");
    if (!f) return false;
    const bool ok = fgets(line, sizeof line, f);
    fclose(f);
    const char *behind = ok ? strrchr(line, ')') : NULL;
    unsigned flags = 0;
    return behind && sscanf(behind, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && flags & PF_FORKNOEXEC;
}

static void (*called_in_child)(void);

static void after_fork(void) {
    forget_waiting();
    called_in_child();
}

void nnc_at_fork(void (*in_child)(void)) {
    called_in_child = in_child;
    pthread_atfork(NULL, NULL, after_fork);
}

#endif
