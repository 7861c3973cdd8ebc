/* update.h -- parameters: their layout, their penalties, their gradients and how an optimizer uses these; reading and writing. */
#ifndef NNC_UPDATE_H
#define NNC_UPDATE_H

#include "arena.h"
#include "kernels.h"
#include "optimizers.h"
#include "sizes.h"
#include "team.h"

/* W (rows, cols) as the forward product reads it: panels of PANEL columns, `stride` elements apart. In bfloat16 each `run` of rows
 * is filled up with zeros to `padded` rows, a sum that begins on a step of its own, and pairs of rows are interleaved. */
struct nnc_panels {
    void *at; /* in float32 W itself */
    size_t run, padded, stride;
};

/* W transposed, for the product that gives dx. The rows of W (taps channels, filters) are (tap, channel); what the backward
 * pass reads are panels of 32 channels with rows (tap, filter), the taps in another order: element (channel c, filter f) of a
 * tap is at at[place + c / PANEL panel + f PANEL + c % PANEL]. In bfloat16 pairs of rows are interleaved, and `place` counts from
 * the panel's beginning, PANEL for each row. Only the update and writing refresh it. */
struct nnc_transposed {
    void *at; /* NULL: not kept */
    size_t channels;
    struct nnc_tap {
        size_t place, panel;
    } *taps;
};

/* What a parameter is brought to after each update. Norms are those of the runs w[first + r norm_stride], r < norm_length, of the
 * row-major values: w *= (norm_rate clip(norm, min_norm, max_norm) + (1 - norm_rate) norm) / (1e-7 + norm). */
struct nnc_constraint {
    bool nonnegative; /* what is below 0 becomes 0 */
    size_t norm_length, norm_stride; /* norm_length 0: no norm is looked at */
    double min_norm, max_norm, norm_rate;
};

/* A matrix (rows, cols) of parameters in panels (see kernels.h): cols is the last axis of its shape, rows all others. All
 * arrays have `size` floats. It is updated in tiles of up to 32 rows of a panel: the gradient of a tile is made, used and
 * forgotten. */
struct nnc_param {
    nnc_parameter info;
    size_t rows, cols, size;
    size_t row_tiles, n_tiles; /* tile t: panel t / row_tiles, rows from (t % row_tiles) 32 on */
    float l1, l2;
    struct nnc_constraint constraint;
    float *w;
    enum nnc_precision precision; /* of the products that read it */
    struct nnc_panels panels;
    struct nnc_transposed transposed;
    float *g; /* only where the gradient is kept: clipping by norm, gradients without an update */
    size_t n_slots; /* 0 where it is not trainable */
    float *slots[NNC_MAX_SLOTS];
    double *tile_sums; /* (n_tiles) penalty, or squared norm of the gradient */
};

/* What becomes of a tile's gradient. */
enum nnc_apply { APPLY_UPDATE, APPLY_STORE };

struct nnc_update {
    struct nnc_optimizer optimizer;
    bool clips_norm; /* the norm of the gradient is needed before the update */
    bool constrains; /* a parameter has a constraint */
    enum nnc_apply apply;
    struct nnc_hyper hyper; /* of this step */
    double penalty_factor; /* of this step: 1, or 1 / the weights of the batch where the loss is `by_weight` */
};

/* Sizes and arrays of a parameter with `info` and its penalties. */
struct nnc_param nnc_param_lay_out(const nnc_parameter *info, size_t n_slots, struct nnc_arena *arena);

/* Room for a copy of W in bfloat16, each `run` of its rows filled up to a whole number of steps. */
void nnc_round_panels(struct nnc_param *param, size_t run, struct nnc_arena *arena);

/* Room for the gradients, which only clipping by norm and gradients without an update keep: taken once, for free(*memory). */
nnc_status nnc_keep_gradients(struct nnc_param *params, size_t n_params, float **memory);

/* Element (k, j) of a parameter's arrays. */
static inline size_t nnc_param_offset(const struct nnc_param *p, size_t k, size_t j) {
    return (j / PANEL * p->rows + k) * PANEL + j % PANEL;
}

/* Where tile t begins and its number of floats. */
static inline size_t nnc_tile(const struct nnc_param *param, size_t tile, size_t *n) {
    size_t row = tile % param->row_tiles * PANEL;
    *n = least(PANEL, param->rows - row) * PANEL;
    return (tile / param->row_tiles * param->rows + row) * PANEL;
}

/* Use the gradient g of tile t (as the weights lie, at most TILE floats): update the weights or keep it. */
void nnc_apply_tile(const struct nnc_update *update, struct nnc_param *param, size_t tile, const float *g);

/* Can the update take the gradient of whole tiles of this parameter as they are made, in the registers of gemm_sgd? */
bool nnc_takes_products(const struct nnc_update *update, const struct nnc_param *param);
/* Then: the same for the gradient a b of a tile of PANEL columns. */
void nnc_apply_product(const struct nnc_update *update, struct nnc_param *param, size_t tile,
                       const struct nnc_products *products, const struct nnc_product *product, const void *a, const void *b);

/* Clipping by norm: the norms first, from the stored gradients, then the update. Every worker calls it. */
void nnc_update_clipped(const struct nnc_update *update, struct nnc_param *params, size_t n_params, struct nnc_worker *worker);

static inline bool nnc_has_constraint(const struct nnc_constraint *constraint) {
    return constraint->nonnegative || constraint->norm_length;
}

/* Behind an update: what the constraints make of the parameters. Every worker calls it. */
void nnc_constrain(struct nnc_param *params, size_t n_params, struct nnc_worker *worker);

/* Sum of the penalties: those that the last backward pass left in tile_sums; those of the present weights. */
double nnc_summed_penalty(const struct nnc_param *params, size_t n_params);
double nnc_present_penalty(const struct nnc_param *params, size_t n_params);

/* Room for a copy of all parameters and slots: taken once, for free(*memory). Each worker copies its share of them there, or puts it back. */
nnc_status nnc_room_to_keep(const struct nnc_param *params, size_t n_params, float **memory);
void nnc_keep(const struct nnc_param *params, size_t n_params, float *kept, bool put_back, const struct nnc_worker *worker);

/* Between the private layout and row-major `values`; what as in nnc_plan_read. */
void nnc_param_read(const struct nnc_param *param, int what, float *values);
void nnc_param_write(struct nnc_param *param, int what, const float *values);

#endif
