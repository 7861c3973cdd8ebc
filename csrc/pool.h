/* pool.h -- a team of POSIX threads, for builds without OpenMP and where OpenMP's threads cannot be used. */
#ifndef NNC_POOL_H
#define NNC_POOL_H

/* Run work(arg, id, n) for each id below n, 0 here and the others in threads of their own, and wait for all. n is as many as
 * were asked for, or fewer if no more threads can be started. Threads are kept for the next call. */
void nnc_pool_run(int n, void (*work)(void *arg, int id, int n), void *arg);

/* Can n threads more be started? Gives how many, at most n. */
int nnc_startable_threads(int n);

/* To be called in a forked child, which has none of the threads. */
void nnc_pool_after_fork(void);

#endif
