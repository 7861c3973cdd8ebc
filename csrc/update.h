/* update.h -- parameters: memory layout, penalties, gradients and their use by an optimizer; reading and writing. */
#ifndef NNC_UPDATE_H
#define NNC_UPDATE_H

#include "arena.h"
#include "kernels.h"
#include "optimizers.h"
#include "sizes.h"
#include "team.h"

/* W (rows, cols) as the forward product reads it: panels of PANEL columns, `stride` elements apart. In bfloat16 each `run` of
 * rows is padded with zeros to `padded` rows, so that its sum starts a new step, and pairs of rows are interleaved. */
struct nnc_panels {
    void *at; /* in float32, W itself */
    size_t run, padded, stride;
};

/* W transposed, for the product that computes dx. The rows of W (positions channels, groups filters) are (kernel position,
 * channel), both channels and filters those of a group; the backward pass reads panels of 32 of the groups' channels with rows
 * (position, filter), the positions in a different order: element (channel c, filter f) of a position and group g is at
 * at[place + C / PANEL panel + f PANEL + C % PANEL] with C = g channels + c. In bfloat16 pairs of rows are interleaved, and
 * `place` is relative to the start of the panel, with PANEL for each row. Only the update and nnc_param_write refresh it. */
struct nnc_transposed {
    void *at; /* NULL: not kept */
    size_t channels, groups;
    struct nnc_position {
        size_t place, panel;
    } *positions;
};

/* A constraint applied to a parameter after each update. Norms are those of the vectors w[first + r norm_stride],
 * r < norm_length, of the row-major values: w *= (norm_rate clip(norm, min_norm, max_norm) + (1 - norm_rate) norm) /
 * (1e-7 + norm). */
struct nnc_constraint {
    bool nonnegative; /* negative values become 0 */
    size_t norm_length, norm_stride; /* norm_length 0: no constraint on norms */
    double min_norm, max_norm, norm_rate;
};

/* A matrix (rows, cols) of parameters in panels (see kernels.h): cols is the last axis of its shape, rows the product of the
 * others. All arrays have `size` floats; w, and the copies of it that products read, have WIDEST columns more, since a product
 * may begin at any column of the last panel. It is updated in tiles of up to 32 rows of a panel: the gradient of a tile is
 * computed, used and discarded. */
struct nnc_param {
    nnc_parameter info;
    size_t rows, cols, size;
    size_t row_tiles, n_tiles; /* tile t: panel t / row_tiles, rows from (t % row_tiles) 32 on */
    float l1, l2;
    bool undecayed; /* exempt from weight decay */
    struct nnc_constraint constraint;
    float *w;
    enum nnc_precision precision; /* of the products that read it */
    struct nnc_panels panels;
    struct nnc_transposed transposed;
    float *g; /* only if the gradient is stored: clipping by norm, gradients without an update */
    size_t n_slots; /* 0 if it is not trainable */
    float *slots[NNC_MAX_SLOTS];
    double *tile_sums; /* (n_tiles) penalty, or squared norm of the gradient */
};

/* What to do with a tile's gradient. */
enum nnc_apply { APPLY_UPDATE, APPLY_STORE };

struct nnc_update {
    struct nnc_optimizer optimizer;
    bool clips_norm; /* the norm of the gradient is needed before the update */
    bool constrains; /* a parameter has a constraint */
    enum nnc_apply apply;
    struct nnc_hyper hyper, undecayed; /* of this step; undecayed: without weight decay */
    double penalty_factor; /* of this step: 1, or 1 / the weights of the batch where the loss is `by_weight` */
};

/* Sets the optimizer's scalars for a step. */
void nnc_begin_step(struct nnc_update *update, float learning_rate, uint64_t step);

/* A parameter with `info`, its sizes and arrays. */
struct nnc_param nnc_param_lay_out(const nnc_parameter *info, size_t n_slots, struct nnc_arena *arena);

/* Allocates a copy of W in bfloat16, with each `run` of its rows padded to complete steps. */
void nnc_round_panels(struct nnc_param *param, size_t run, struct nnc_arena *arena);

/* Allocates the gradients, which only clipping by norm and gradients without an update store, unless *memory is already set;
 * release them with free(*memory). */
nnc_status nnc_keep_gradients(struct nnc_param *params, size_t n_params, float **memory);

/* The number of columns from `column` to `last` that are in the same panel and the same group of `width` columns. */
static inline size_t nnc_columns_together(size_t column, size_t last, size_t width) {
    return least(last - column, least(PANEL - column % PANEL, width - column % width));
}

/* Element (k, j) of a parameter's arrays. */
static inline size_t nnc_param_offset(const struct nnc_param *p, size_t k, size_t j) {
    return (j / PANEL * p->rows + k) * PANEL + j % PANEL;
}

/* Offset of tile t, and its number of floats. */
static inline size_t nnc_tile(const struct nnc_param *param, size_t tile, size_t *n) {
    size_t row = tile % param->row_tiles * PANEL;
    *n = least(PANEL, param->rows - row) * PANEL;
    return (tile / param->row_tiles * param->rows + row) * PANEL;
}

/* Uses the gradient g of tile t (in the layout of the weights, at most TILE floats): updates the weights or stores it. */
void nnc_apply_tile(const struct nnc_update *update, struct nnc_param *param, size_t tile, const float *g);

/* Can gemm_sgd apply the gradient of complete tiles of this parameter while it is in registers? */
bool nnc_takes_products(const struct nnc_update *update, const struct nnc_param *param);
/* In that case: the same as nnc_apply_tile for the gradient a b of a tile of PANEL columns. */
void nnc_apply_product(const struct nnc_update *update, struct nnc_param *param, size_t tile,
                       const struct nnc_products *products, const struct nnc_product *product, const void *a, const void *b);

/* Clipping by norm: computes the norms from the stored gradients, then updates. Every worker calls it. */
void nnc_update_clipped(const struct nnc_update *update, struct nnc_param *params, size_t n_params, struct nnc_worker *worker);

static inline bool nnc_has_constraint(const struct nnc_constraint *constraint) {
    return constraint->nonnegative || constraint->norm_length;
}

/* Applies the constraints to the parameters after an update. Every worker calls it. */
void nnc_constrain(struct nnc_param *params, size_t n_params, struct nnc_worker *worker);

/* Sum of the penalties: as stored in tile_sums by the last backward pass; for the current weights. */
double nnc_summed_penalty(const struct nnc_param *params, size_t n_params);
double nnc_present_penalty(const struct nnc_param *params, size_t n_params);

/* Allocates a copy of all parameters and slots, unless *memory is already set; release it with free(*memory). With nnc_keep
 * each worker copies its share there, or restores it (put_back). */
nnc_status nnc_room_to_keep(const struct nnc_param *params, size_t n_params, float **memory);
void nnc_keep(const struct nnc_param *params, size_t n_params, float *kept, bool put_back, const struct nnc_worker *worker);

/* Copy between the internal memory layout and row-major `values`; what as in nnc_plan_read. */
void nnc_param_read(const struct nnc_param *param, int what, float *values);
void nnc_param_read_part(const struct nnc_param *param, int what, size_t first, size_t n, float *values);
void nnc_param_write(struct nnc_param *param, int what, const float *values);

#endif
