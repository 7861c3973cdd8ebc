/* metrics.h -- metrics of one row, by name. */
#ifndef NNC_METRICS_H
#define NNC_METRICS_H

#include "nnc.h"

struct nnc_metric_rule {
    int kind;
    float param; /* binary_accuracy: threshold; top_k_categorical_accuracy: k */
};

nnc_status nnc_metric_read(struct nnc_metric_rule *metric, const nnc_spec *spec, char message[NNC_MESSAGE]);

/* The metric of outputs a (n) and the target: a row y (n), or NULL if the id is the target. */
double nnc_metric_row(const struct nnc_metric_rule *metric, size_t n, const float *a, const float *y, const int32_t *id);

#endif
