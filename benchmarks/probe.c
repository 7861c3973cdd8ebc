/* What one core can do: multiply-adds on registers, and bytes moved. Compiled by probe.py once for each width.

   WIDTH is the vector's size in bytes. Nothing here is about neural networks. */

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef float vec __attribute__((vector_size(WIDTH)));

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

/* Floating-point operations per second: n rounds of 12 independent chains (12 + 2 registers of 16). */
double probe_fma(long n)
{
    volatile float factor = 0.999f, term = 0.001f;
    vec x = (vec){0} + factor, y = (vec){0} + term;
    vec a = x, b = a + y, c = b + y, d = c + y, e = d + y, f = e + y;
    vec g = f + y, h = g + y, i = h + y, j = i + y, k = j + y, l = k + y;
    double start = now();
    for (long t = 0; t < n; t++) {
        a = a * x + y, b = b * x + y, c = c * x + y, d = d * x + y, e = e * x + y, f = f * x + y;
        g = g * x + y, h = h * x + y, i = i * x + y, j = j * x + y, k = k * x + y, l = l * x + y;
        __asm__ volatile("" ::: "memory");
    }
    double seconds = now() - start;
    volatile vec sink = a + b + c + d + e + f + g + h + i + j + k + l;
    (void)sink;
    return 2.0 * 12 * (WIDTH / 4) * n / seconds;
}

/* Bytes per second of `passes` over an array of `size` bytes: read, or (update) read and written again. */
double probe_memory(size_t size, long passes, int update)
{
    size_t n = size / WIDTH / 8 * 8;
    vec *p = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    if (!p) return 0;
    memset(p, 0, size);
    volatile float factor = 0.999f, term = 0.001f;
    vec x = (vec){0} + factor, y = (vec){0} + term;
    vec s[8];
    for (int k = 0; k < 8; k++) s[k] = y;
    double start = 0;
    for (long pass = -1; pass < passes; pass++) { /* the first warms up */
        if (pass == 0) start = now();
        if (update)
            for (size_t i = 0; i < n; i += 8)
                for (int k = 0; k < 8; k++) p[i + k] = p[i + k] * x + y;
        else
            for (size_t i = 0; i < n; i += 8)
                for (int k = 0; k < 8; k++) s[k] += p[i + k];
        __asm__ volatile("" ::: "memory");
    }
    double seconds = now() - start;
    volatile vec sink = s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
    (void)sink;
    free(p);
    return (update ? 2.0 : 1.0) * WIDTH * n * passes / seconds;
}
