/* metrics.c -- metrics of one row, by name. Counted, not summed along vectors: plain C is fast enough here. */

#include <math.h>
#include <string.h>

#include "plan.h"

/* Target of output j: y is a row of targets, or NULL where the id says all. */
static float target(const float *y, const int32_t *id, size_t j) {
    return y ? y[j] : (size_t)*id == j ? 1.0f : 0.0f;
}

static size_t argmax(size_t n, const float *x) {
    size_t best = 0;
    for (size_t j = 1; j < n; j++)
        if (x[j] > x[best]) best = j;
    return best;
}

static size_t class_of(size_t n, const float *y, const int32_t *id) {
    return id ? (size_t)*id : argmax(n, y);
}

typedef double metric_fn(size_t n, const float *a, const float *y, const int32_t *id, float param);

static double binary_accuracy(size_t n, const float *a, const float *y, const int32_t *id, float threshold) {
    size_t right = 0;
    for (size_t j = 0; j < n; j++) right += (a[j] > threshold ? 1.0f : 0.0f) == target(y, id, j);
    return (double)right / (double)n;
}

static double categorical_accuracy(size_t n, const float *a, const float *y, const int32_t *id, float param) {
    (void)param;
    return argmax(n, a) == class_of(n, y, id);
}

/* True if fewer than k outputs are larger than that of the class. */
static double top_k(size_t n, const float *a, const float *y, const int32_t *id, float k) {
    size_t larger = 0;
    float own = a[class_of(n, y, id)];
    for (size_t j = 0; j < n; j++) larger += a[j] > own;
    return isfinite(own) && (double)larger < (double)k;
}

static double mean_squared_error(size_t n, const float *a, const float *y, const int32_t *id, float param) {
    (void)param;
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        double e = (double)a[j] - (double)target(y, id, j);
        sum += e * e;
    }
    return sum / (double)n;
}

static double mean_absolute_error(size_t n, const float *a, const float *y, const int32_t *id, float param) {
    (void)param;
    double sum = 0;
    for (size_t j = 0; j < n; j++) sum += fabs((double)a[j] - (double)target(y, id, j));
    return sum / (double)n;
}

static const struct {
    const char *name;
    metric_fn *row;
} metrics[] = {
    {"binary_accuracy", binary_accuracy},
    {"categorical_accuracy", categorical_accuracy},
    {"top_k_categorical_accuracy", top_k},
    {"mean_squared_error", mean_squared_error},
    {"mean_absolute_error", mean_absolute_error},
};

int nnc_metric_id(const char *name) {
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        if (!strcmp(name, metrics[i].name)) return (int)i;
    return -1;
}

double nnc_metric_row(const nnc_metric_spec *spec, size_t n, const float *a, const float *y, const int32_t *id) {
    return metrics[spec->kind].row(n, a, y, id, spec->param);
}
