/* metrics.c -- see metrics.h. Scalar code: plain C is fast enough here. */

#include "metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "settings.h"
#include "sizes.h"

/* Target of output j: y is a row of targets, or NULL if the id is the target. */
static float target(const float *y, const int32_t *id, size_t j) {
    return y ? y[j] : (size_t)*id == j ? 1.0f : 0.0f;
}

static size_t class_of(size_t n, const float *y, const int32_t *id) {
    return id ? (size_t)*id : nnc_argmax(n, y);
}

typedef double metric_fn(size_t n, const float *a, const float *y, const int32_t *id, float param);

static double binary_accuracy(size_t n, const float *a, const float *y, const int32_t *id, float threshold) {
    size_t right = 0;
    for (size_t j = 0; j < n; j++) right += (a[j] > threshold ? 1.0f : 0.0f) == target(y, id, j);
    return (double)right / (double)n;
}

static double categorical_accuracy(size_t n, const float *a, const float *y, const int32_t *id, float param) {
    (void)param;
    return nnc_argmax(n, a) == class_of(n, y, id);
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

/* clang-format off */
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
/* clang-format on */

enum { N_METRICS = sizeof metrics / sizeof *metrics };

static const struct nnc_field fields[] = {OPTIONAL_FIELD(struct nnc_metric_rule, param, FLOAT)};

nnc_status nnc_metric_read(struct nnc_metric_rule *metric, const nnc_spec *spec, char message[NNC_MESSAGE]) {
    *metric = (struct nnc_metric_rule){.kind = -1};
    for (int i = 0; i < N_METRICS; i++)
        if (!strcmp(spec->name, metrics[i].name)) metric->kind = i;
    if (metric->kind < 0) {
        snprintf(message, NNC_MESSAGE, "unknown metric '%.64s'", spec->name);
        return NNC_INVALID;
    }
    const struct nnc_fields settings = {fields, sizeof fields / sizeof *fields, metric};
    return nnc_read_settings(spec, &settings, 1, message);
}

double nnc_metric_row(const struct nnc_metric_rule *metric, size_t n, const float *a, const float *y, const int32_t *id) {
    return metrics[metric->kind].row(n, a, y, id, metric->param);
}
