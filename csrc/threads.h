/* threads.h -- the CPUs that this thread may run on. */
#ifndef NNC_THREADS_H
#define NNC_THREADS_H

#include <stdbool.h>

#ifdef __linux__
#include <sched.h>
typedef cpu_set_t nnc_cpus;
#else
typedef int nnc_cpus;
#endif

/* Their number; stores the set in *cpus. */
int nnc_cpus_here(nnc_cpus *cpus);

/* Gives this thread, a worker, the CPU affinity of the calling thread if that has changed. */
void nnc_follow_cpus(const nnc_cpus *cpus);

#endif
