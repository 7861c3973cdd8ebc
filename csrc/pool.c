/* pool.c -- see pool.h. Idle threads are kept in a list; a call takes threads from it and starts more if needed. */

#include "pool.h"

#include "os.h"

enum {
    STACK = 2 << 20, /* bytes; the kernels take less than 256 KB, sanitizers more */
    SPINS = 2000,    /* checks for the end of a call, or for the next one, before sleeping: some tens of microseconds */
    CACHE_LINE = 64,
};

/* State shared by the threads of one call. */
struct call {
    void (*work)(void *arg, int id, int n);
    void *arg;
    int n;
    _Alignas(CACHE_LINE) atomic_uint running;
};

struct thread {
    _Alignas(CACHE_LINE) atomic_uint calls; /* incremented when there is work */
    struct call *call;
    int id;
    struct thread *next; /* in the list */
};

static nnc_mutex mutex = NNC_MUTEX;
static struct thread *idle;

/* Until *number is no longer `seen`. */
static void wait_while(atomic_uint *number, unsigned seen) {
    for (int spins = 0; spins < SPINS; spins++) {
        if (atomic_load_explicit(number, memory_order_acquire) != seen) return;
        nnc_pause();
    }
    while (atomic_load_explicit(number, memory_order_acquire) == seen) nnc_sleep_while(number, seen);
}

static void make_idle(struct thread *thread) {
    nnc_lock(&mutex);
    thread->next = idle;
    idle = thread;
    nnc_unlock(&mutex);
}

static void *serve(void *arg) {
    struct thread *thread = arg;
    for (unsigned calls = 0;; calls++) {
        wait_while(&thread->calls, calls);
        struct call *call = thread->call;
        call->work(call->arg, thread->id, call->n);
        /* The caller waits for this and then returns the thread to the list: `call` must not be used afterwards. */
        atomic_uint *running = &call->running;
        if (atomic_fetch_sub_explicit(running, 1, memory_order_acq_rel) == 1) nnc_wake(running);
    }
    return NULL;
}

static struct thread *take_thread(void) {
    nnc_lock(&mutex);
    struct thread *thread = idle;
    if (thread) idle = thread->next;
    nnc_unlock(&mutex);
    if (thread) return thread;
    nnc_thread handle;
    thread = nnc_aligned_alloc(CACHE_LINE, sizeof *thread);
    if (!thread) return NULL;
    *thread = (struct thread){0};
    if (!nnc_thread_start(&handle, serve, thread, STACK)) {
        nnc_aligned_free(thread);
        return NULL;
    }
    nnc_thread_detach(handle);
    return thread;
}

void nnc_pool_run(int n, void (*work)(void *arg, int id, int n), void *arg) {
    struct thread *threads = NULL;
    struct call call = {.work = work, .arg = arg, .n = 1};
    for (; call.n < n; call.n++) {
        struct thread *thread = take_thread();
        if (!thread) break;
        thread->next = threads, thread->id = call.n, thread->call = &call;
        threads = thread;
    }
    atomic_store_explicit(&call.running, (unsigned)call.n - 1, memory_order_relaxed);
    for (struct thread *thread = threads; thread; thread = thread->next) {
        atomic_fetch_add_explicit(&thread->calls, 1, memory_order_release);
        nnc_wake(&thread->calls);
    }
    work(arg, 0, call.n);
    for (unsigned left; (left = atomic_load_explicit(&call.running, memory_order_acquire)) > 0;)
        wait_while(&call.running, left);
    while (threads) {
        struct thread *thread = threads;
        threads = thread->next;
        make_idle(thread);
    }
}

void nnc_pool_after_fork(void) {
    mutex = (nnc_mutex)NNC_MUTEX;
    idle = NULL; /* leaks the old list, a hundred bytes per thread */
}

/* ---- how many threads can be started ------------------------------------------------------------------------------------ */

static void *wait_for_end(void *arg) {
    wait_while(arg, 0);
    return NULL;
}

int nnc_startable_threads(int n) {
    enum { MOST = 1024 };
    nnc_thread threads[MOST];
    atomic_uint end = 0;
    int started = 0;
    while (started < n && started < MOST && nnc_thread_start(&threads[started], wait_for_end, &end, 0)) started++;
    atomic_store(&end, 1);
    nnc_wake(&end);
    for (int i = 0; i < started; i++) nnc_thread_join(threads[i]);
    return started;
}
