/* plan.h -- the inside of a plan, for plan.c, train.c and the layers' files.
 *
 * Every phase of a step is a function that all workers of a team call; it does its share and returns, and the caller
 * puts a barrier after it. How the work is shared differs with the number of threads, the sums that it makes do not. */
#ifndef NNC_PLAN_H
#define NNC_PLAN_H

#include "kernels.h"
#include "team.h"

/* A matrix (rows, cols) of parameters in panels (see kernels.h): cols is the last axis of its shape, rows all others. All
 * arrays have `size` floats. It is updated in tiles of up to 32 rows of a panel: the gradient of a tile is made, used and
 * forgotten. */
struct nnc_param {
    nnc_parameter info;
    size_t rows, cols, size;
    size_t row_tiles, n_tiles; /* tile t: panel t / row_tiles, rows from (t % row_tiles) 32 on */
    float l1, l2;
    float *w;
    float *g;                  /* only where the gradient is kept: clipping by norm, nnc_plan_gradients */
    float *slots[NNC_MAX_SLOTS]; /* of trainable ones */
    double *tile_sums;         /* (n_tiles) penalty, or squared norm of the gradient */
};

/* How a normalization cuts a batch, samples of `positions` runs of `group` features each, into parts, whose sums are made
 * apart and added in their order. */
struct nnc_normalization {
    size_t positions;
    size_t blocks;        /* parts of a sample; 0: a part is several samples */
    size_t per_part;      /* runs of a part, at most; or samples */
    size_t repeat;        /* runs side by side that a kernel takes as one row, so that few channels fill its vectors */
    size_t width;         /* repeat group, rounded up to panels */
    float *partials;      /* (parts, 3, width) */
    float *coefficients;  /* batch normalization (5, width): mean, scale, shift; sum, product: see kernels.h */
    double *moments;      /* batch normalization (2, group): mean, variance in use */
    float *statistics;    /* layer normalization (B positions, 2): mean, 1 / sqrt(variance + epsilon) */
};

struct nnc_layer {
    nnc_layer_spec spec;
    uint32_t index;   /* in the list that the caller gave: keys dropout */
    size_t I, O;
    struct nnc_param *kernel; /* dense (I, O); conv2d (kernel_height kernel_width channels, units); slope, gamma: (1, ...) */
    struct nnc_param *bias;   /* dense, conv2d (1, units); beta (1, group); NULL: none, as for gamma */
    struct nnc_param *moving_mean, *moving_variance; /* batch normalization (1, group) */
    struct nnc_normalization normalization;
    float *beyond;    /* random_affine (channels): the pixel beyond the edge */
    float *a;         /* (B, O) */
    float *d;         /* (B, O): f'(z), or dropout's mask; NULL if a says all */
    float *da;        /* (B, O): gradient wrt a, turned into dz in place; NULL where nobody asks for it */
    size_t ld;        /* of a, d and da */
    bool needs_dx;    /* there are parameters before this layer */
    bool dz_done;     /* has an activation: whoever writes da turns it into dz at once */
    bool takes_next;  /* dense, conv2d: in inference it does the batch normalization after it, too */
    struct {
        float *turned;     /* W as the way back wants it */
        float *kernel_parts, *bias_parts; /* gradients of shards of the batch, as the parameters lie */
    } conv;
};

/* Where the batch is 0: kept for a first dense layer. Lists hold at most 65,536 rows and groups. */
struct nnc_zeros {
    size_t groups, blocks;   /* of a row; 0 groups: not kept */
    bool *dense;             /* (B) a row that has few zeros and no list */
    uint16_t *of_row;        /* (B, groups) see nnc_groups */
    uint16_t *starts;        /* (B, blocks + 1) */
    uint16_t *of_group;      /* (groups, B) the rows of a group that are not 0 throughout, ascending */
    uint16_t *counts;        /* (groups) how many */
};

enum nnc_mode { INFER, TRAIN };

enum nnc_fill { FILL_CONSTANT, FILL_NEAREST, FILL_REFLECT, FILL_WRAP, N_FILLS }; /* named in augmentation.c */

/* What becomes of a tile's gradient. */
enum nnc_apply { APPLY_UPDATE, APPLY_STORE };

struct nnc_plan {
    void *memory;
    float *gradients;          /* made when first asked for */
    size_t bytes, capacity, batch_size;
    uint64_t seed;

    size_t n_inputs, n_outputs, n_layers, n_params;
    size_t n_specs;            /* layers as they were given; n_layers are left of them */
    struct nnc_layer *layers;
    struct nnc_param *params;
    float *x;                  /* (B, n_inputs) the gathered batch */
    size_t ldx;
    struct nnc_zeros zeros;
    float x_scale, x_offset;   /* a first Rescaling layer is done in the gather */

    int output_activation;     /* fused with the loss, so left out of the last layer; else ACTIVATION_linear */
    size_t output_group;

    bool has_loss;
    nnc_loss_spec loss;
    int loss_kernel;
    size_t n_metrics;
    nnc_metric_spec *metrics;
    int32_t *ids;              /* (B) targets of the batch */
    float *y;                  /* (B, n_outputs) */
    size_t ldy;
    float *weights;            /* (B) */
    double *values;            /* (B) loss of each row */
    double *metric_values;     /* (B, n_metrics) */

    bool has_optimizer;
    nnc_optimizer_spec optimizer;
    int n_slots;
    bool separate_update;      /* the norm of the gradient is needed before the update */
    enum nnc_apply apply;
    bool moments_moved;        /* batch normalizations' coefficients are not those of their moving statistics */
    struct nnc_hyper hyper;
};

static inline const struct nnc_layer *nnc_last_layer(const struct nnc_plan *plan) {
    return &plan->layers[plan->n_layers - 1];
}

static inline size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static inline size_t nnc_round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

/* Element (k, j) of a parameter's arrays. */
static inline size_t nnc_param_offset(const struct nnc_param *p, size_t k, size_t j) {
    return (j / PANEL * p->rows + k) * PANEL + j % PANEL;
}

/* Memory that is handed out in order; base is NULL while its size is counted. */
struct nnc_arena {
    char *base;
    size_t used;
};
/* `count` things of `size` bytes, from a new cache line on. */
void *nnc_take(struct nnc_arena *arena, size_t count, size_t size);

/* What a convolution over up to B rows needs beside its parameters and outputs. */
void nnc_conv_lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena);
void nnc_normalization_lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena);

/* Room for the gradients: clipping by norm and nnc_plan_gradients keep them. */
nnc_status nnc_plan_keep_gradients(struct nnc_plan *plan);

/* Use the gradient g of tile t (as the weights lie, at most TILE floats): update the weights or keep it. */
void nnc_apply_tile(struct nnc_plan *plan, struct nnc_param *param, size_t tile, float *g);
/* The same for the gradient a b of a tile of PANEL columns, where the update can take it as it is made; else false, and
 * nothing is done. */
bool nnc_apply_product(struct nnc_plan *plan, struct nnc_param *param, size_t tile, const struct nnc_product *product,
                       const float *a, const float *b);
/* Where tile t begins and its number of floats. */
size_t nnc_tile(const struct nnc_param *param, size_t tile, size_t *n);

/* Where the time since the last reading goes: see nnc_schedule. */
struct nnc_clock {
    double last, *seconds;
};

/* A pass over one batch. */
struct nnc_pass {
    size_t m;             /* rows */
    enum nnc_mode mode;   /* TRAIN: what the way back needs is kept */
    bool training;        /* random layers act, a batch is normalized by its own statistics */
    bool applied;         /* the way back changes the parameters: moving statistics move */
    uint64_t epoch, step; /* key random numbers */
    const float *x;       /* INFER: the rows where the caller has them; NULL: in plan->x */
    size_t ldx;
    struct nnc_clock *clock; /* TRAIN: to be read by worker 0 after each phase, or NULL */
};

/* In inference the layers that act in training only are passed over: their outputs are those of the layer before. The last
 * layer is not, since its outputs are delivered. */
static inline bool nnc_is_idle(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    const nnc_layer_kind kind = plan->layers[l].spec.kind;
    return pass->mode == INFER && l + 1 < plan->n_layers &&
           (kind == NNC_DROPOUT || kind == NNC_SPATIAL_DROPOUT || kind == NNC_RANDOM_AFFINE);
}

/* What layer l reads: the output of the layer before, or the batch. */
static inline const float *nnc_input(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, size_t *ld) {
    while (l && nnc_is_idle(plan, l - 1, pass)) l--;
    *ld = l ? plan->layers[l - 1].ld : pass->x ? pass->ldx : plan->ldx;
    return l ? plan->layers[l - 1].a : pass->x ? pass->x : plan->x;
}

typedef void nnc_layer_fn(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker);

/* A pair for each layer kind. forward: a from the input. backward: given da of the output, it uses up the gradients of the
 * layer's parameters and, where needs_dx, writes da of the layer before. A dense layer is given dz where dz_done says so. */
nnc_layer_fn nnc_dense_forward, nnc_dense_backward;
nnc_layer_fn nnc_activation_layer_forward, nnc_activation_layer_backward;
nnc_layer_fn nnc_prelu_forward, nnc_prelu_backward;
nnc_layer_fn nnc_dropout_forward, nnc_dropout_backward;
nnc_layer_fn nnc_rescaling_forward, nnc_rescaling_backward;
nnc_layer_fn nnc_conv_forward, nnc_conv_backward;
nnc_layer_fn nnc_max_pooling_forward, nnc_max_pooling_backward;
nnc_layer_fn nnc_average_pooling_forward, nnc_average_pooling_backward;
nnc_layer_fn nnc_zero_padding_forward, nnc_zero_padding_backward;
nnc_layer_fn nnc_batch_normalization_forward, nnc_batch_normalization_backward;
nnc_layer_fn nnc_layer_normalization_forward, nnc_layer_normalization_backward;
nnc_layer_fn nnc_spatial_dropout_forward, nnc_spatial_dropout_backward;
nnc_layer_fn nnc_random_affine_forward, nnc_random_affine_backward;

/* zeros.c: the lists of row i of the batch, x; those of groups [first, last); whether using them pays for m rows. */
void nnc_list_row(struct nnc_plan *plan, size_t i, const float *x);
void nnc_list_groups(struct nnc_plan *plan, size_t m, size_t first, size_t last);
bool nnc_zeros_pay(const struct nnc_plan *plan, size_t m);

/* Random numbers of a layer in one step: see kernels.h. */
struct nnc_stream {
    uint32_t key[2], counter[3];
};
static inline struct nnc_stream nnc_stream_of(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    return (struct nnc_stream){{(uint32_t)plan->seed, (uint32_t)(plan->seed >> 32)},
                               {plan->layers[l].index, (uint32_t)pass->step, (uint32_t)pass->epoch}};
}

/* Before a pass with `training`: coefficients of batch normalizations from their moving statistics, where these have
 * changed, or the coefficients. Called by one thread. */
void nnc_use_moving_statistics(struct nnc_plan *plan, bool training);

bool nnc_activation_keeps_d(int id); /* f' is told from d, not from a */
/* y = x, row by row. */
void nnc_copy_rows(size_t m, size_t n, const float *x, size_t ldx, float *y, size_t ldy);

/* Where a product of layer l (dense, conv2d) puts its rows. */
static inline const struct nnc_layer *nnc_product_target(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    return &plan->layers[pass->mode == INFER && plan->layers[l].takes_next ? l + 1 : l];
}
/* What comes after the product, in place while the block is hot: columns [j, j + n) of m rows a (ld from one to the next),
 * d beside them or NULL; in inference the normalization that was taken, and the elementwise activation. Softmax is left
 * to the caller, when whole rows are there. */
void nnc_finish_product(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, size_t m, size_t j, size_t n,
                        float *a, float *d, size_t ld);

/* a = f(z) in place, softmax included, on rows [0, m) from the given pointers. d as in kernels.h. */
void nnc_activate(int activation, size_t m, size_t n, float *a, size_t ld, float *d, float alpha, size_t group);
/* da *= f' likewise. */
void nnc_activate_backward(int activation, size_t m, size_t n, const float *a, const float *d, float *da, size_t ld,
                           float alpha, size_t group);

/* Loss and metrics. */
int nnc_loss_link(int kind); /* the activation that turns this loss's logits into outputs; linear: none */
int nnc_loss_kernel(int kind, bool from_logits);
bool nnc_loss_takes_ids(const nnc_loss_spec *spec); /* false: ids must be spread into one-hot rows first */
struct nnc_loss_block nnc_loss_block_of(const nnc_loss_spec *spec, size_t m, size_t n); /* what follows from the spec */
double nnc_metric_row(const nnc_metric_spec *spec, size_t n, const float *a, const float *y, const int32_t *id);

/* Optimizers: what depends on the step. */
struct nnc_hyper nnc_hyper_of(const nnc_optimizer_spec *spec, float learning_rate, uint64_t step);
/* What clipping to a norm leaves of a gradient of this squared norm. */
float nnc_clip_scale(double clip, double squared_norm);

#endif
