/* team.c -- threads: the team of a call, its barrier, how many threads there may be, and what a fork leaves.
 *
 * OpenMP gives the threads; the barrier is our own, since a phase of a small step is shorter than libgomp's. It spins,
 * which is right only on cores that are really ours, and gives the core away after a while where they are not. */

#define _GNU_SOURCE
#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "nnc.h"

enum { CACHE_LINE = 64, SPINS = 4000 };

static int affinity_count(void);

struct nnc_barrier {
    _Alignas(CACHE_LINE) atomic_uint arrived; /* counts up for ever; round r is complete at r n */
};

static void pause_briefly(void) {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void nnc_team_barrier(struct nnc_worker *w) {
    if (w->n == 1) return;
    const unsigned target = ++w->round * (unsigned)w->n;
    atomic_fetch_add_explicit(&w->barrier->arrived, 1, memory_order_acq_rel);
    for (unsigned spins = 0; (int)(atomic_load_explicit(&w->barrier->arrived, memory_order_acquire) - target) < 0;) {
        if (++spins < w->spins) pause_briefly();
        else sched_yield();
    }
}

/* ---- floating-point state: round to nearest, denormals are zero ---------------------------------------------------- */

#if defined(__x86_64__)
typedef unsigned fp_state;
static fp_state flush_denormals(void) {
    fp_state before = _mm_getcsr();
    _mm_setcsr(0x1f80 | 0x8040); /* the default, all exceptions masked, and FTZ, DAZ */
    return before;
}
static void restore(fp_state before) {
    _mm_setcsr(before);
}
#elif defined(__aarch64__)
typedef uint64_t fp_state;
static fp_state flush_denormals(void) {
    fp_state before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"((fp_state)1 << 24)); /* FZ */
    return before;
}
static void restore(fp_state before) {
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
}
#else
typedef int fp_state;
static fp_state flush_denormals(void) {
    return 0;
}
static void restore(fp_state before) {
    (void)before;
}
#endif

/* ---- fork: libgomp's threads are not in the child and waiting for them would hang, so a child runs alone -------------- */

static atomic_bool team_used, in_child;

static void after_fork_in_child(void) {
    if (atomic_load(&team_used)) atomic_store(&in_child, true);
}

static void watch_forks(void) {
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

void nnc_team_run(int n, void (*body)(void *arg, struct nnc_worker *worker), void *arg) {
    struct nnc_barrier barrier = {0};
    if (atomic_load(&in_child)) n = 1;
#ifdef _OPENMP
    if (n > 1) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        pthread_once(&once, watch_forks);
        atomic_store(&team_used, true);
        /* With more workers than CPUs, the one that is waited for may need this very core. */
        const unsigned spins = n <= affinity_count() ? SPINS : 0;
#pragma omp parallel num_threads(n)
        {
            /* OpenMP may grant fewer threads than asked for. */
            struct nnc_worker worker = {omp_get_thread_num(), omp_get_num_threads(), &barrier, 0, spins};
            fp_state before = flush_denormals();
            body(arg, &worker);
            restore(before);
        }
        return;
    }
#else
    (void)watch_forks, (void)n; /* serial */
#endif
    struct nnc_worker worker = {0, 1, &barrier, 0, 0};
    fp_state before = flush_denormals();
    body(arg, &worker);
    restore(before);
}

/* ---- how many threads: the least of affinity, the container's quota and the environment -------------------------------- */

static int threads_set;
static _Thread_local int threads_here; /* of the calls that this thread makes */
static int threads_found;
static char threads_source[64];

static void at_most(int n, const char *source) {
    if (n >= 1 && (threads_found == 0 || n < threads_found)) {
        threads_found = n;
        snprintf(threads_source, sizeof threads_source, "%s", source);
    }
}

static int affinity_count(void) {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

static bool read_line(const char *path, char *line, size_t size) {
    FILE *f = fopen(path, "r");
    if (!f) return false;
    bool ok = fgets(line, (int)size, f) != NULL;
    fclose(f);
    return ok;
}

/* Whole CPUs that "quota period" allows, at least 1; 0: no limit. */
static int whole_cpus(double quota, double period) {
    if (quota <= 0 || period <= 0) return 0;
    return quota < period ? 1 : (int)(quota / period);
}

/* cgroup v2: the tightest cpu.max from the process's group up to the root; v1: cpu.cfs_quota_us of the mounted group. */
static int quota_count(void) {
    int least = 0;
    char line[512], path[1024];
    FILE *groups = fopen("/proc/self/cgroup", "r");
    while (groups && fgets(line, sizeof line, groups)) {
        if (strncmp(line, "0::", 3) != 0) continue;
        line[strcspn(line, "\n")] = 0;
        for (char *group = line + 3; group;) {
            snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", strcmp(group, "/") ? group : "");
            char limit[64];
            double quota, period;
            if (read_line(path, limit, sizeof limit) && sscanf(limit, "%lf %lf", &quota, &period) == 2) {
                int n = whole_cpus(quota, period);
                if (n && (!least || n < least)) least = n;
            }
            char *slash = strrchr(group, '/');
            if (!slash || !*group) break;
            *slash = 0;
        }
    }
    if (groups) fclose(groups);
    char quota[64], period[64];
    if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota) &&
        read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period)) {
        int n = whole_cpus(atof(quota), atof(period));
        if (n && (!least || n < least)) least = n;
    }
    return least;
}

static void at_most_environment(const char *name) {
    const char *value = getenv(name);
    if (value) at_most(atoi(value), name);
}

static void find_threads(void) {
    at_most(affinity_count(), "CPU affinity");
    at_most(quota_count(), "cgroup quota");
    at_most_environment("OMP_NUM_THREADS");
    at_most_environment("NNC_NUM_THREADS");
}

int nnc_threads(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!nnc_has_openmp()) return 1;
    if (threads_here) return threads_here;
    if (threads_set) return threads_set;
    pthread_once(&once, find_threads);
    return threads_found;
}

void nnc_set_threads(int n) {
    threads_set = n;
}

int nnc_set_threads_here(int n) {
    const int before = threads_here;
    threads_here = n;
    return before;
}

const char *nnc_threads_source(void) {
    if (!nnc_has_openmp()) return "built without OpenMP";
    nnc_threads();
    return threads_here ? "nnc.threads" : threads_set ? "set_num_threads" : threads_source;
}

bool nnc_has_openmp(void) {
#ifdef _OPENMP
    return true;
#else
    return false;
#endif
}

const char *nnc_compiler(void) {
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}
