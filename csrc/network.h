/* network.h -- the contents of a plan, for the layers and for the code that builds plans (plan.c) and runs them (phases.c). */
#ifndef NNC_NETWORK_H
#define NNC_NETWORK_H

#include "layer.h"
#include "losses.h"
#include "metrics.h"
#include "team_size.h"
#include "zeros.h"

struct nnc_plan {
    void *memory;
    float *gradients;          /* allocated on first use */
    size_t bytes, capacity, batch_size;
    uint64_t seed;
    enum nnc_precision precision;

    size_t n_inputs, n_outputs, n_layers, n_params;
    size_t n_specs;            /* number of layers in the specification; n_layers remain after merging */
    struct nnc_layer *layers;
    struct nnc_param *params;
    float *x;                  /* (B, n_inputs) the gathered batch */
    size_t ldx;
    struct nnc_zeros zeros;
    float x_scale, x_offset;   /* an initial Rescaling layer is applied in the gather */

    struct nnc_activation_of output_activation; /* fused with the loss, so omitted from the last layer; else linear */

    bool has_loss;
    struct nnc_loss_rule loss;
    size_t n_metrics;
    struct nnc_metric_rule *metrics;
    int32_t *ids;              /* (B) targets of the batch */
    float *y;                  /* (B, n_outputs) */
    size_t ldy;
    float *weights;            /* (B) */
    double *values;            /* (B) loss of each row */
    double *metric_values;     /* (B, n_metrics) */

    bool has_optimizer;
    struct nnc_update update;
    struct nnc_team_size team_size; /* of training */
    float *kept;               /* a copy of the parameters and slots from before a long step; allocated on first use */
    nnc_bad_row bad_row;       /* the last that the gather found */
    bool written;              /* parameters were written since the layers were last prepared */
    struct {
        size_t rows;           /* of an nnc_plan_step_forward whose backward pass is pending; 0: none */
        bool training, is_long;
    } open_step;
};

static inline const struct nnc_layer *nnc_last_layer(const struct nnc_plan *plan) {
    return &plan->layers[plan->n_layers - 1];
}

static inline const struct nnc_products *nnc_products_of(const struct nnc_plan *plan) {
    return nnc_products(plan->precision);
}

/* In inference, layers that are active in training only are skipped: their outputs are those of the layer before. The last
 * layer is not skipped, since its outputs are returned. */
static inline bool nnc_is_idle(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    return pass->mode == INFER && l + 1 < plan->n_layers && nnc_has(&plan->layers[l], LAYER_TRAINING_ONLY);
}

/* The input of layer l: the output of the layer before, or the batch. */
static inline struct nnc_read nnc_input(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    while (l && nnc_is_idle(plan, l - 1, pass)) l--;
    if (l) return (struct nnc_read){plan->layers[l - 1].a, plan->layers[l - 1].ld};
    return pass->x.at ? pass->x : (struct nnc_read){plan->x, plan->ldx};
}

/* Rows of a layer's arrays, starting at row i. */
static inline struct nnc_write nnc_rows_of(const struct nnc_layer *layer, float *array, size_t i) {
    return (struct nnc_write){array ? array + i * layer->ld : NULL, layer->ld};
}

static inline struct nnc_read nnc_rows_from(struct nnc_read rows, size_t i) {
    return (struct nnc_read){rows.at + i * rows.ld, rows.ld};
}

/* The random stream of layer l in one step: see kernels.h. */
static inline struct nnc_stream nnc_stream_of(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    const uint64_t seed = plan->layers[l].seed < 0 ? plan->seed : (uint64_t)plan->layers[l].seed;
    return (struct nnc_stream){{(uint32_t)seed, (uint32_t)(seed >> 32)},
                               {plan->layers[l].index, (uint32_t)pass->step, (uint32_t)pass->epoch}};
}

#endif
