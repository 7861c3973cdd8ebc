/* threads.c -- the allowed number of threads: the minimum of affinity, the container's quota and the environment. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nnc.h"
#include "os.h"

/* ---- the container's quota -------------------------------------------------------------------------------------------- */

static bool read_line(const char *path, char *line, size_t size) {
    FILE *f = fopen(path, "r");
    if (!f) return false;
    bool ok = fgets(line, (int)size, f) != NULL;
    fclose(f);
    return ok;
}

/* The number of complete CPUs that "quota period" allows, at least 1; 0: no limit. */
static int whole_cpus(double quota, double period) {
    if (quota <= 0 || period <= 0) return 0;
    return quota < period ? 1 : (int)(quota / period);
}

/* cgroup v2: the smallest cpu.max from the process's group up to the root; v1: cpu.cfs_quota_us of the mounted group. */
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

/* ---- the count -------------------------------------------------------------------------------------------------------- */

struct count {
    int n; /* 0: no limit */
    const char *source;
};

static atomic_int threads_set;
static _Thread_local int threads_here; /* for calls from this thread */
static struct count fixed;             /* the limits that do not change while the process runs */

static struct count fewer(struct count a, int n, const char *source) {
    return n >= 1 && (a.n == 0 || n < a.n) ? (struct count){n, source} : a;
}

static int number_of(const char *variable) {
    const char *value = getenv(variable);
    return value ? atoi(value) : 0;
}

static void find_fixed(void) {
    fixed = fewer(fixed, quota_count(), "cgroup quota");
    fixed = fewer(fixed, number_of("OMP_NUM_THREADS"), "OMP_NUM_THREADS");
    fixed = fewer(fixed, number_of("NNC_NUM_THREADS"), "NNC_NUM_THREADS");
}

static struct count count_threads(void) {
    static nnc_once_flag once = NNC_ONCE;
    nnc_cpus cpus;
    if (threads_here) return (struct count){threads_here, "nnc.threads"};
    if (threads_set) return (struct count){threads_set, "set_num_threads"};
    nnc_once(&once, find_fixed);
    const int allowed = nnc_cpus_here(&cpus); /* the affinity may have changed since the last call */
    return fixed.n && fixed.n < allowed ? fixed : (struct count){allowed, "CPU affinity"};
}

int nnc_threads(void) {
    return count_threads().n;
}

const char *nnc_threads_source(void) {
    return count_threads().source;
}

void nnc_set_threads(int n) {
    threads_set = n;
}

int nnc_set_threads_here(int n) {
    const int before = threads_here;
    threads_here = n;
    return before;
}
