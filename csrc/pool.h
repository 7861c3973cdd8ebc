/* pool.h -- a team of threads, for builds without OpenMP and where OpenMP's threads cannot be used. */
#ifndef NNC_POOL_H
#define NNC_POOL_H

/* Run work(arg, id, n) for each id below n, 0 in this thread and the others in separate threads, and wait for all. n is the
 * requested number, or fewer if no more threads can be started. Threads are kept for the next call. */
void nnc_pool_run(int n, void (*work)(void *arg, int id, int n), void *arg);

/* How many more threads can be started, at most n. */
int nnc_startable_threads(int n);

/* Called in a forked child, where the threads do not exist. */
void nnc_pool_after_fork(void);

#endif
