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

/* How many they are, and which. */
int nnc_cpus_here(nnc_cpus *cpus);

/* Let this thread, a worker, run where the one that called it may, if that has changed. */
void nnc_follow_cpus(const nnc_cpus *cpus);

#endif
