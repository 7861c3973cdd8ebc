/* os_windows.c -- os.h for Windows 8 and newer. */

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0602
#include <windows.h>

#include <malloc.h>
#include <process.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

void *nnc_aligned_alloc(size_t alignment, size_t bytes) {
    return _aligned_malloc(bytes, alignment);
}

void nnc_aligned_free(void *memory) {
    _aligned_free(memory);
}

void nnc_use_huge_pages(void *memory, size_t bytes) {
    (void)memory, (void)bytes; /* they need a privilege that few users have */
}

/* ---- CPUs: a thread belongs to one group of up to 64 CPUs -------------------------------------------------------------- */

_Static_assert(sizeof(GROUP_AFFINITY) <= sizeof(nnc_cpus), "nnc_cpus contains a GROUP_AFFINITY");

int nnc_cpus_here(nnc_cpus *cpus) {
    GROUP_AFFINITY here = {0};
    memset(cpus, 0, sizeof *cpus);
    if (!GetThreadGroupAffinity(GetCurrentThread(), &here) || here.Mask == 0) {
        const DWORD n = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
        return n > 0 ? (int)n : 1;
    }
    memcpy(cpus, &here, sizeof here);
    return __builtin_popcountll(here.Mask);
}

void nnc_follow_cpus(const nnc_cpus *cpus) {
    static _Thread_local struct {
        bool known;
        nnc_cpus cpus;
    } mine;
    GROUP_AFFINITY wanted;
    memcpy(&wanted, cpus, sizeof wanted);
    if (!mine.known) nnc_cpus_here(&mine.cpus), mine.known = true;
    if (!memcmp(cpus, &mine.cpus, sizeof *cpus) || wanted.Mask == 0) return;
    if (SetThreadGroupAffinity(GetCurrentThread(), &wanted, NULL)) mine.cpus = *cpus;
}

bool nnc_request_amx(void) {
    return false; /* not tested on Windows */
}

/* ---- threads ---------------------------------------------------------------------------------------------------------- */

struct start {
    void *(*body)(void *arg);
    void *arg;
};

static unsigned __stdcall run(void *arg) {
    const struct start start = *(const struct start *)arg;
    free(arg);
    start.body(start.arg);
    return 0;
}

bool nnc_thread_start(nnc_thread *thread, void *(*body)(void *arg), void *arg, size_t stack) {
    struct start *start = malloc(sizeof *start);
    if (!start) return false;
    *start = (struct start){body, arg};
    *thread = (nnc_thread)_beginthreadex(NULL, (unsigned)stack, run, start, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    if (!*thread) free(start);
    return *thread;
}

void nnc_thread_join(nnc_thread thread) {
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

void nnc_thread_detach(nnc_thread thread) {
    CloseHandle(thread);
}

size_t nnc_stack_size(void) {
    ULONG_PTR low, high;
    GetCurrentThreadStackLimits(&low, &high);
    return high - low;
}

_Static_assert(sizeof(nnc_mutex) == sizeof(SRWLOCK), "nnc_mutex is an SRWLOCK");
_Static_assert(sizeof(nnc_once_flag) == sizeof(INIT_ONCE), "nnc_once_flag is an INIT_ONCE");

void nnc_lock(nnc_mutex *mutex) {
    AcquireSRWLockExclusive((SRWLOCK *)(void *)mutex);
}

void nnc_unlock(nnc_mutex *mutex) {
    ReleaseSRWLockExclusive((SRWLOCK *)(void *)mutex);
}

void nnc_once(nnc_once_flag *flag, void (*function)(void)) {
    BOOL first = FALSE;
    INIT_ONCE *once = (INIT_ONCE *)(void *)flag;
    if (!InitOnceBeginInitialize(once, 0, &first, NULL) || !first) return;
    function();
    InitOnceComplete(once, 0, NULL);
}

/* ---- waiting ---------------------------------------------------------------------------------------------------------- */

void nnc_sleep_while(atomic_uint *number, unsigned seen) {
    WaitOnAddress((volatile void *)number, &seen, sizeof seen, INFINITE);
}

void nnc_wake(atomic_uint *number) {
    WakeByAddressAll((void *)number);
}

/* ---- clocks ----------------------------------------------------------------------------------------------------------- */

double nnc_seconds(void) {
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (double)ticks.QuadPart / (double)per_second.QuadPart;
}

/* GetThreadTimes advances once per timer interrupt, 64 times per second: too coarse. */
bool nnc_has_thread_clocks(void) {
    return false;
}

bool nnc_clock_here(nnc_clock *clock) {
    (void)clock;
    return false;
}

double nnc_seconds_of(nnc_clock clock) {
    (void)clock;
    return 0;
}

/* ---- fork: Windows has none ------------------------------------------------------------------------------------------- */

bool nnc_is_forked(void) {
    return false;
}

void nnc_at_fork(void (*in_child)(void)) {
    (void)in_child;
}

#endif
