/* team.c -- threads: the team of a call, its barrier, and how it adapts to a machine that other programs also use.
 *
 * OpenMP provides the threads, or, if it cannot, the pool of pool.c. The barrier is custom, since a phase of a small step is
 * shorter than libgomp's barrier: it spins while the missing workers are running, and sleeps when one of them is not. */

#include "team.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "nnc.h"
#include "os.h"
#include "pool.h"

enum {
    CACHE_LINE = 64,
    SPINS = 1000,          /* checks of a barrier before the clock is read: some tens of microseconds */
    SPINS_BETWEEN = 2000,  /* and between two readings */
    WATCHED = 64,          /* workers whose clocks are read */
    NEVER = INT_MAX,
};

static const double POLL_EVERY = 0.05; /* seconds between two calls of the function that can stop the call */

/* The state of a worker that others read. */
struct place {
    _Alignas(CACHE_LINE) atomic_uint arrived; /* rounds */
    atomic_bool known;                        /* is `clock` set? */
    nnc_clock clock;                          /* the thread's CPU-time clock */
};

struct nnc_team {
    _Alignas(CACHE_LINE) atomic_uint arrived; /* only incremented; round r is complete at r n */
    atomic_uint sleeping;
    _Alignas(CACHE_LINE) atomic_bool stopping;
    atomic_int last_round; /* after which all workers leave, or NEVER */
    bool spins;
    atomic_bool crowded;
    double began;
    bool (*poll)(void);
    bool may_stop; /* worker 0's */
    double next_poll;
    struct place *places; /* (WATCHED) */
};

/* ---- other programs on the same CPUs ------------------------------------------------------------------------------------
 *
 * A worker that waits at a barrier reads the CPU clock of the worker that it waits for. If that clock does not advance, another
 * program occupies the CPU, and the time is lost. If much time is lost, teams are smaller for a while, then try again. Where
 * threads have no such clock, no loss can be seen, and teams keep their size. */

static const double LOST = 1e-3, LOST_PART = 0.2; /* seconds lost, and part of the teams' time, on a busy machine: at least */
static const double START = 3e-4;                 /* seconds that a thread may take to start */
static const double MEMORY = 0.025;               /* seconds over which lost time is accumulated */
static const double PAUSE = 0.05, MOST_PAUSE = 0.8; /* seconds before the next try; doubled each time it fails */

static struct {
    nnc_mutex mutex;
    double lost, elapsed;        /* in recent calls */
    double until, pause;
    atomic_int n;                /* maximum number of threads until then; 0: no limit */
} crowd = {.mutex = NNC_MUTEX};

static bool ignores_others;

void nnc_team_ignore_others(bool ignore) {
    ignores_others = ignore;
}

static int uncrowded(int n) {
    const int most = atomic_load_explicit(&crowd.n, memory_order_relaxed);
    if (most == 0 || most >= n || ignores_others) return n;
    nnc_lock(&crowd.mutex);
    if (nnc_seconds() >= crowd.until) atomic_store_explicit(&crowd.n, 0, memory_order_relaxed), crowd.lost = crowd.elapsed = 0;
    else n = most;
    nnc_unlock(&crowd.mutex);
    return n;
}

static void note_lost(struct nnc_team *team, int n, double lost) {
    const double now = nnc_seconds();
    nnc_lock(&crowd.mutex);
    crowd.lost += lost;
    const double elapsed = crowd.elapsed + (now - team->began);
    if (crowd.lost >= LOST && crowd.lost >= LOST_PART * elapsed &&
        !atomic_load_explicit(&team->crowded, memory_order_relaxed)) {
        const bool again = now - crowd.until < 4 * PAUSE; /* the last try has just been made */
        crowd.pause = again && 2 * crowd.pause <= MOST_PAUSE ? 2 * crowd.pause : again ? crowd.pause : PAUSE;
        crowd.until = now + crowd.pause;
        crowd.lost = crowd.elapsed = 0;
        atomic_store_explicit(&crowd.n, n > 2 ? n - 1 : 1, memory_order_relaxed);
        atomic_store_explicit(&team->crowded, true, memory_order_relaxed);
    }
    nnc_unlock(&crowd.mutex);
}

static void end_account(const struct nnc_team *team) {
    const double elapsed = nnc_seconds() - team->began;
    nnc_lock(&crowd.mutex);
    crowd.elapsed += elapsed;
    if (crowd.elapsed > MEMORY) {
        const double kept = MEMORY / 2 / crowd.elapsed;
        crowd.elapsed *= kept, crowd.lost *= kept;
    }
    nnc_unlock(&crowd.mutex);
}

bool nnc_team_is_crowded(const struct nnc_worker *worker) {
    return worker->n > 1 && !ignores_others && atomic_load_explicit(&worker->team->crowded, memory_order_relaxed);
}

/* ---- the barrier -------------------------------------------------------------------------------------------------------- */

static bool is_complete(const struct nnc_team *team, unsigned target) {
    return (int)(atomic_load_explicit(&team->arrived, memory_order_acquire) - target) >= 0;
}

/* Checks repeatedly, for some microseconds; true: the round is complete. */
static bool spin(const struct nnc_team *team, unsigned target, int spins) {
    for (; spins > 0; spins--) {
        if (is_complete(team, target)) return true;
        nnc_pause();
    }
    return false;
}

static void sleep_until(struct nnc_team *team, unsigned target) {
    atomic_fetch_add(&team->sleeping, 1);
    for (unsigned seen; (int)((seen = atomic_load(&team->arrived)) - target) < 0;) nnc_sleep_while(&team->arrived, seen);
    atomic_fetch_sub(&team->sleeping, 1);
}

/* The first worker that has not arrived; NULL: none that is watched. */
static struct place *missing(const struct nnc_worker *w) {
    for (int i = 0; i < w->n && i < WATCHED; i++) {
        struct place *place = &w->team->places[i];
        if (i != w->id && (int)(atomic_load_explicit(&place->arrived, memory_order_relaxed) - w->round) < 0) return place;
    }
    return NULL;
}

/* Seconds that the thread has run; 0 before it has published its clock. */
static double time_of(const struct place *place) {
    return place && atomic_load_explicit(&place->known, memory_order_acquire) ? nnc_seconds_of(place->clock) : 0;
}

static void wait_longer(const struct nnc_worker *w, unsigned target) {
    struct nnc_team *team = w->team;
    const struct place *other = missing(w);
    const double began = nnc_seconds(), ran_before = time_of(other);
    double now = began, ran = ran_before;
    for (bool runs = true; runs;) {
        if (spin(team, target, SPINS_BETWEEN)) return;
        const double then = now, had = ran;
        now = nnc_seconds(), ran = time_of(other);
        runs = had > 0 && ran - had > (now - then) / 2;
    }
    sleep_until(team, target);
    double lost = nnc_seconds() - began - (ran_before > 0 ? time_of(other) - ran_before : START);
    if (other && lost > 0 && nnc_has_thread_clocks()) note_lost(team, w->n, lost);
}

void nnc_team_barrier(struct nnc_worker *w) {
    struct nnc_team *team = w->team;
    const unsigned target = ++w->round * (unsigned)w->n;
    if (w->id == 0 && atomic_load_explicit(&team->stopping, memory_order_relaxed) &&
        atomic_load_explicit(&team->last_round, memory_order_relaxed) == NEVER)
        atomic_store_explicit(&team->last_round, (int)w->round, memory_order_relaxed);
    if (w->n == 1) return;
    if (w->id < WATCHED) atomic_store_explicit(&team->places[w->id].arrived, w->round, memory_order_relaxed);
    if (atomic_fetch_add(&team->arrived, 1) + 1 == target) {
        if (atomic_load(&team->sleeping)) nnc_wake(&team->arrived);
    } else if (!team->spins) {
        sleep_until(team, target);
    } else if (!spin(team, target, SPINS)) {
        wait_longer(w, target);
    }
}

/* ---- requests to stop --------------------------------------------------------------------------------------------------- */

static _Thread_local bool (*poll_here)(void);

void nnc_set_poll_here(bool (*poll)(void)) {
    poll_here = poll;
}

bool nnc_team_is_polled(const struct nnc_worker *worker) {
    return worker->team->poll;
}

void nnc_team_may_stop(struct nnc_worker *worker, bool may) {
    if (worker->id == 0) worker->team->may_stop = may;
}

bool nnc_team_look(struct nnc_worker *worker) {
    struct nnc_team *team = worker->team;
    worker->work = 0;
    if (worker->id == 0 && team->poll && team->may_stop && !atomic_load_explicit(&team->stopping, memory_order_relaxed)) {
        const double now = nnc_seconds();
        if (team->next_poll == 0) {
            team->next_poll = now + POLL_EVERY;
        } else if (now >= team->next_poll) {
            if (team->poll()) atomic_store_explicit(&team->stopping, true, memory_order_relaxed);
            team->next_poll = nnc_seconds() + POLL_EVERY;
        }
    }
    return atomic_load_explicit(&team->stopping, memory_order_relaxed);
}

bool nnc_team_has_stopped(const struct nnc_worker *worker) {
    return atomic_load_explicit(&worker->team->last_round, memory_order_relaxed) <= (int)worker->round;
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

/* ---- fork: OpenMP's threads do not exist in the child, and its next team would wait for them forever --------------------- */

static bool in_child;

static void after_fork_in_child(void) {
    in_child = true;
    crowd.mutex = (nnc_mutex)NNC_MUTEX;
    nnc_pool_after_fork();
}

__attribute__((constructor)) static void watch_forks(void) {
    in_child = nnc_is_forked(); /* other code may have used OpenMP in the parent before nnc was loaded */
    nnc_at_fork(after_fork_in_child);
}

/* ---- teams -------------------------------------------------------------------------------------------------------------- */

struct run {
    struct nnc_team *team;
    void (*body)(void *arg, struct nnc_worker *worker);
    void *arg;
    nnc_cpus cpus; /* that the caller may run on; set for teams of several threads */
};

static void introduce(struct nnc_team *team, int id) {
    if (id >= WATCHED || !nnc_clock_here(&team->places[id].clock)) return;
    atomic_store_explicit(&team->places[id].known, true, memory_order_release);
}

static void work(void *arg, int id, int n) {
    const struct run *run = arg;
    struct nnc_worker worker = {.id = id, .n = n, .team = run->team};
    if (n > 1) introduce(run->team, id);
    if (id > 0) nnc_follow_cpus(&run->cpus);
    const fp_state before = flush_denormals();
    run->body(run->arg, &worker);
    restore(before);
}

#ifdef _OPENMP

enum { NEEDED_STACK = 512 << 10 }; /* bytes; the kernels take less than 256 KB */

static atomic_int stacks_are; /* of OpenMP's threads */
enum { UNKNOWN, LARGE, SMALL };

static void look_at_stack(void) {
    const size_t size = nnc_stack_size();
    atomic_store(&stacks_are, size && size < NEEDED_STACK ? SMALL : LARGE);
}

/* Is the size chosen by the environment, which OpenMP reads when it is loaded? Such stacks may not fit in memory. */
static bool stacks_are_chosen;

__attribute__((constructor)) static void look_at_environment(void) {
    static const char *const variables[] = {"OMP_STACKSIZE", "OMP_STACKSIZE_ALL", "GOMP_STACKSIZE", "KMP_STACKSIZE"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        if (getenv(variables[i])) stacks_are_chosen = true;
}

/* Can OpenMP create a team of *n? libgomp terminates the process if it cannot start a thread, so test threads are started
 * first to find out how many are possible. Its threads and they have the system's default stack size. */
static bool openmp_can(int *n) {
    static _Thread_local int had = 1; /* size of this thread's last team, whose threads libgomp keeps */
    if (in_child || stacks_are_chosen) return false;
    if (*n > had) *n = had + nnc_startable_threads(*n - had);
    if (*n == 1) return true;
    if (atomic_load(&stacks_are) == UNKNOWN) {
#pragma omp parallel num_threads(2)
        if (omp_get_thread_num() > 0) look_at_stack();
    }
    if (atomic_load(&stacks_are) == SMALL) return false;
    had = *n;
    return true;
}

static void run_by_openmp(int n, struct run *run) {
#pragma omp parallel num_threads(n)
    work(run, omp_get_thread_num(), omp_get_num_threads()); /* which may be fewer than requested */
}

#else

static bool openmp_can(int *n) {
    (void)n;
    return false;
}

static void run_by_openmp(int n, struct run *run) {
    (void)n, (void)run;
}

#endif

static void run_together(int n, struct run *run) {
    struct nnc_team *team = run->team;
    struct place places[WATCHED] = {0};
    /* With more workers than CPUs, the missing worker may need this core. */
    team->spins = n <= nnc_cpus_here(&run->cpus);
    team->places = places;
    team->began = nnc_seconds();
    if (openmp_can(&n)) run_by_openmp(n, run);
    else nnc_pool_run(n, work, run);
    if (team->spins) end_account(team);
}

void nnc_team_run(int n, void (*body)(void *arg, struct nnc_worker *worker), void *arg) {
    struct nnc_team team = {.last_round = NEVER, .poll = poll_here, .may_stop = true};
    struct run run = {.team = &team, .body = body, .arg = arg};
    if (n > 1) n = uncrowded(n);
    if (n > 1) run_together(n, &run);
    else work(&run, 0, 1);
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
