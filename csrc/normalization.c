/* normalization.c -- batch and layer normalization: a = gamma (x - mean) / sqrt(variance + epsilon) + beta.
 *
 * A batch is rows of `positions` runs of `group` features. Batch normalization takes the mean and variance of a feature's
 * place in its run over all runs of the batch (a channel, over all pixels), layer normalization those of each run.
 *
 * Sums over the batch are made in parts that the shape alone decides, each by one worker and small enough for the L1 cache,
 * and the parts are added in their order in float64. A variance is that of the part about the part's own mean, while it is
 * in the cache, put together by
 *     sum (x - mean)^2 = sum over the parts of [sum (x - mean_p)^2 + n_p (mean_p - mean)^2]       (Chan et al. 1979)
 * so that nothing cancels and the batch is read once for both. */

#include <math.h>
#include <string.h>

#include "plan.h"

enum {
    PART_FLOATS = 8192, /* of a part, about: 32 KB */
    SMALL_MAP = 2048,   /* up to this a whole sample is a row of batch normalization's blocks */
    FEW_CHANNELS = 128, /* of a larger one, runs are put side by side below this */
};

/* Coefficients of batch normalization, each (width). */
enum { MEAN, SCALE, SHIFT, SUM, PRODUCT, N_COEFFICIENTS };

void nnc_normalization_lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    struct nnc_normalization *z = &layer->normalization;
    const size_t group = layer->spec.group;
    const bool batch = layer->spec.kind == NNC_BATCH_NORMALIZATION;
    z->positions = layer->O / group;
    z->repeat = 1;
    if (z->positions == 1 || (batch && layer->O <= SMALL_MAP)) {
        z->repeat = z->positions;
        z->per_part = layer->O < PART_FLOATS ? PART_FLOATS / layer->O : 1;
    } else {
        const size_t blocks = (layer->O + PART_FLOATS - 1) / PART_FLOATS;
        while (batch && group < FEW_CHANNELS && group * z->repeat % PANEL) z->repeat *= 2;
        z->per_part = nnc_round_up((z->positions + blocks - 1) / blocks, z->repeat);
        z->blocks = (z->positions + z->per_part - 1) / z->per_part;
    }
    z->width = nnc_round_up(z->repeat * group, PANEL);
    const size_t parts = z->blocks ? B * z->blocks : (B + z->per_part - 1) / z->per_part;
    z->partials = nnc_take(arena, parts * 3 * z->width, sizeof(float));
    if (batch) {
        z->coefficients = nnc_take(arena, N_COEFFICIENTS * z->width, sizeof(float));
        z->moments = nnc_take(arena, 2 * group, sizeof(double));
    } else {
        z->statistics = nnc_take(arena, B * z->positions * 2, sizeof(float));
    }
}

/* ---- parts ----------------------------------------------------------------------------------------------------------- */

static size_t parts_of(const struct nnc_layer *layer, size_t m) {
    const struct nnc_normalization *z = &layer->normalization;
    return z->blocks ? m * z->blocks : (m + z->per_part - 1) / z->per_part;
}

/* A matrix (m, n) with ld floats from row to row that begins at `offset` in the layer's input and output. */
struct block {
    size_t m, n, ld, offset;
};

/* A part is one block whose rows are `repeat` runs side by side, and one of the runs that are left over. */
struct part {
    size_t runs, first; /* first: number of its first run in the batch */
    struct block blocks[2];
    int n_blocks;
};

static struct part part_of(const struct nnc_layer *layer, size_t m, size_t index) {
    const struct nnc_normalization *z = &layer->normalization;
    const size_t group = layer->spec.group, length = z->repeat * group;
    if (!z->blocks) {
        const size_t row = index * z->per_part, rows = least(z->per_part, m - row);
        return (struct part){rows * z->positions, row * z->positions, {{rows, length, layer->ld, row * layer->ld}}, 1};
    }
    const size_t row = index / z->blocks, first = index % z->blocks * z->per_part, offset = row * layer->ld + first * group;
    const size_t runs = least(z->per_part, z->positions - first), rows = runs / z->repeat, rest = runs % z->repeat;
    return (struct part){runs, row * z->positions + first,
                         {{rows, length, length, offset}, {1, rest * group, 0, offset + rows * length}}, rest ? 2 : 1};
}

static float *partial(const struct nnc_layer *layer, size_t part, size_t which) {
    const struct nnc_normalization *z = &layer->normalization;
    return z->partials + (part * 3 + which) * z->width;
}

/* The sums of runs side by side into those of the first. */
static void fold(const struct nnc_layer *layer, float *sums) {
    const size_t group = layer->spec.group;
    for (size_t left = layer->normalization.repeat; left > 1;) { /* by halves */
        const size_t half = (left + 1) / 2;
        for (size_t c = 0; c < (left - half) * group; c++) sums[c] += sums[half * group + c];
        left = half;
    }
}

/* The numbers of the first run to the runs beside it. */
static void repeat(const struct nnc_layer *layer, float *numbers, size_t first, size_t last) {
    const size_t group = layer->spec.group;
    for (size_t r = 1; r < layer->normalization.repeat; r++)
        for (size_t c = first; c < last; c++) numbers[r * group + c] = numbers[c];
}

/* Columns [j, j + PANEL) of partial sum `which`, added over the parts. */
static void add_parts(const struct nnc_layer *layer, size_t m, size_t which, size_t j, double sum[PANEL]) {
    const size_t parts = parts_of(layer, m);
    for (size_t c = 0; c < PANEL; c++) sum[c] = 0;
    for (size_t p = 0; p < parts; p++) {
        const float *of_part = partial(layer, p, which) + j;
        for (size_t c = 0; c < PANEL; c++) sum[c] += (double)of_part[c];
    }
}

/* The gradient of gamma or beta in columns [j, j + n), used at once. */
static void apply(struct nnc_plan *plan, struct nnc_param *param, size_t j, size_t n, const double *gradient) {
    float g[PANEL] = {0};
    if (!param) return;
    for (size_t c = 0; c < n; c++) g[c] = (float)gradient[c];
    nnc_apply_tile(plan, param, j / PANEL, g);
}

/* ---- batch normalization ----------------------------------------------------------------------------------------------- */

enum { SUMS, CENTERS, SQUARES };          /* what a part leaves on the way forward */
enum { GRADIENT_SUMS, GRADIENT_PRODUCTS }; /* and back */

static float *coefficients(const struct nnc_layer *layer, size_t which) {
    return layer->normalization.coefficients + which * layer->normalization.width;
}

static double root(const struct nnc_layer *layer, size_t c) {
    return sqrt(layer->normalization.moments[layer->spec.group + c] + layer->spec.epsilon);
}

/* (x - mean) scale + shift of channels [first, last), from the moments. */
static void set_coefficients(const struct nnc_layer *layer, size_t first, size_t last) {
    float *mean = coefficients(layer, MEAN), *scale = coefficients(layer, SCALE), *shift = coefficients(layer, SHIFT);
    for (size_t c = first; c < last; c++) {
        mean[c] = (float)layer->normalization.moments[c];
        scale[c] = (float)((layer->kernel ? (double)layer->kernel->w[c] : 1.0) / root(layer, c));
        shift[c] = layer->bias ? layer->bias->w[c] : 0;
    }
    repeat(layer, mean, first, last), repeat(layer, scale, first, last), repeat(layer, shift, first, last);
}

void nnc_use_moving_statistics(struct nnc_plan *plan, bool training) {
    for (size_t l = 0; l < plan->n_layers && !training && plan->moments_moved; l++) {
        const struct nnc_layer *layer = &plan->layers[l];
        const size_t group = layer->spec.group;
        if (layer->spec.kind != NNC_BATCH_NORMALIZATION) continue;
        for (size_t c = 0; c < group; c++) {
            layer->normalization.moments[c] = (double)layer->moving_mean->w[c];
            layer->normalization.moments[group + c] = (double)layer->moving_variance->w[c];
        }
        set_coefficients(layer, 0, group);
    }
    plan->moments_moved = training;
}

static void sum_part(const struct nnc_layer *layer, const float *x, size_t m, size_t index) {
    const struct part p = part_of(layer, m, index);
    float *sums = partial(layer, index, SUMS), *centers = partial(layer, index, CENTERS);
    float *squares = partial(layer, index, SQUARES);
    memset(sums, 0, 3 * layer->normalization.width * sizeof *sums);
    for (int b = 0; b < p.n_blocks; b++) {
        const struct block k = p.blocks[b];
        nnc_kernels->add_sums(k.m, k.n, x + k.offset, k.ld, sums);
    }
    fold(layer, sums);
    for (size_t c = 0; c < layer->spec.group; c++) centers[c] = sums[c] / (float)p.runs;
    repeat(layer, centers, 0, layer->spec.group);
    for (int b = 0; b < p.n_blocks; b++) {
        const struct block k = p.blocks[b];
        nnc_kernels->add_squares(k.m, k.n, x + k.offset, k.ld, centers, squares);
    }
    fold(layer, squares);
}

/* Moments of channels [j, j + n) from the parts. */
static void set_moments(const struct nnc_layer *layer, size_t m, size_t j, size_t n) {
    const size_t parts = parts_of(layer, m), runs = m * layer->normalization.positions;
    double mean[PANEL], squares[PANEL];
    add_parts(layer, m, SUMS, j, mean);
    for (size_t c = 0; c < PANEL; c++) mean[c] /= (double)runs;
    add_parts(layer, m, SQUARES, j, squares);
    for (size_t p = 0; p < parts; p++) {
        const float *center = partial(layer, p, CENTERS) + j;
        const double weight = (double)part_of(layer, m, p).runs;
        for (size_t c = 0; c < PANEL; c++) {
            const double off = (double)center[c] - mean[c];
            squares[c] += weight * off * off;
        }
    }
    for (size_t c = 0; c < n; c++) {
        layer->normalization.moments[j + c] = mean[c];
        layer->normalization.moments[layer->spec.group + j + c] = squares[c] / (double)runs;
    }
}

void nnc_batch_normalization_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const size_t group = layer->spec.group;
    size_t ldx, first, last;
    if (pass->mode == INFER && l && plan->layers[l - 1].takes_next) return;
    const float *x = nnc_input(plan, l, pass, &ldx); /* ldx is the layer's own: the widths are the same */
    float *d = pass->mode == TRAIN ? layer->d : NULL;
    if (pass->training) {
        nnc_share(worker, parts_of(layer, pass->m), &first, &last);
        for (size_t p = first; p < last; p++) sum_part(layer, x, pass->m, p);
        nnc_team_barrier(worker);
        nnc_share(worker, (group + PANEL - 1) / PANEL, &first, &last);
        for (size_t tile = first; tile < last; tile++) {
            const size_t j = tile * PANEL, n = least(PANEL, group - j);
            set_moments(layer, pass->m, j, n);
            set_coefficients(layer, j, j + n);
        }
        nnc_team_barrier(worker);
    }
    nnc_share(worker, parts_of(layer, pass->m), &first, &last);
    for (size_t index = first; index < last; index++) {
        const struct part p = part_of(layer, pass->m, index);
        for (int b = 0; b < p.n_blocks; b++) {
            const struct block k = p.blocks[b];
            float *a = layer->a + k.offset;
            nnc_kernels->normalize(k.m, k.n, x + k.offset, k.ld, coefficients(layer, MEAN), coefficients(layer, SCALE),
                                   coefficients(layer, SHIFT), a, k.ld);
            if (layer->spec.activation != ACTIVATION_linear)
                nnc_kernels->activation_forward[layer->spec.activation](k.m, k.n, a, k.ld, a, k.ld, d ? d + k.offset : NULL,
                                                                        k.ld, layer->spec.alpha);
        }
    }
}

/* moving = moving momentum + batch (1 - momentum). */
static void move(const struct nnc_layer *layer, struct nnc_param *moving, const double *of_batch, size_t first, size_t last) {
    const double momentum = layer->spec.momentum;
    for (size_t c = first; c < last; c++)
        moving->w[c] = (float)(momentum * (double)moving->w[c] + (1 - momentum) * of_batch[c]);
}

/* With s = scale, z = (x - mean) / root and means over the batch: dx = s (dz - mean(dz) - z mean(z dz)); the means are 0
 * where the statistics are not the batch's. */
static void batch_gradients(struct nnc_plan *plan, const struct nnc_layer *layer, const struct nnc_pass *pass, size_t j,
                            size_t n) {
    const double *moments = layer->normalization.moments;
    const double runs = pass->training ? (double)(pass->m * layer->normalization.positions) : INFINITY;
    double sum[PANEL], product[PANEL];
    float *of_sum = coefficients(layer, SUM) + j, *of_product = coefficients(layer, PRODUCT) + j;
    add_parts(layer, pass->m, GRADIENT_SUMS, j, sum);
    add_parts(layer, pass->m, GRADIENT_PRODUCTS, j, product);
    for (size_t c = 0; c < n; c++) {
        const double inverse = 1 / root(layer, j + c);
        product[c] *= inverse;
        of_sum[c] = (float)(sum[c] / runs);
        of_product[c] = (float)(product[c] * inverse / runs);
    }
    repeat(layer, coefficients(layer, SUM), j, j + n), repeat(layer, coefficients(layer, PRODUCT), j, j + n);
    apply(plan, layer->kernel, j, n, product);
    apply(plan, layer->bias, j, n, sum);
    if (pass->applied) {
        move(layer, layer->moving_mean, moments, j, j + n);
        move(layer, layer->moving_variance, moments + layer->spec.group, j, j + n);
    }
}

void nnc_batch_normalization_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const size_t group = layer->spec.group;
    size_t ldx, first_part, last_part, first, last;
    const float *x = nnc_input(plan, l, pass, &ldx), *kept = layer->d ? layer->d : layer->a;
    nnc_share(worker, parts_of(layer, pass->m), &first_part, &last_part);
    for (size_t index = first_part; index < last_part; index++) {
        const struct part p = part_of(layer, pass->m, index);
        float *sums = partial(layer, index, GRADIENT_SUMS), *products = partial(layer, index, GRADIENT_PRODUCTS);
        memset(sums, 0, 2 * layer->normalization.width * sizeof *sums);
        for (int b = 0; b < p.n_blocks; b++) {
            const struct block k = p.blocks[b];
            float *da = layer->da + k.offset;
            if (!layer->dz_done && layer->spec.activation != ACTIVATION_linear)
                nnc_kernels->activation_backward[layer->spec.activation](k.m, k.n, kept + k.offset, k.ld, da, k.ld,
                                                                         layer->spec.alpha);
            nnc_kernels->add_gradient_sums(k.m, k.n, x + k.offset, k.ld, coefficients(layer, MEAN), da, k.ld, sums, products);
        }
        fold(layer, sums), fold(layer, products);
    }
    nnc_team_barrier(worker);
    nnc_share(worker, (group + PANEL - 1) / PANEL, &first, &last);
    for (size_t tile = first; tile < last; tile++)
        batch_gradients(plan, layer, pass, tile * PANEL, least(PANEL, group - tile * PANEL));
    if (!layer->needs_dx) return;
    nnc_team_barrier(worker);
    float *dx = plan->layers[l - 1].da;
    for (size_t index = first_part; index < last_part; index++) {
        const struct part p = part_of(layer, pass->m, index);
        for (int b = 0; b < p.n_blocks; b++) {
            const struct block k = p.blocks[b];
            nnc_kernels->normalize_backward(k.m, k.n, x + k.offset, k.ld, coefficients(layer, MEAN), coefficients(layer, SCALE),
                                            coefficients(layer, SUM), coefficients(layer, PRODUCT), layer->da + k.offset,
                                            k.ld, dx + k.offset, k.ld);
        }
    }
}

/* ---- layer normalization ----------------------------------------------------------------------------------------------- */

void nnc_layer_normalization_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    size_t ldx, first, last;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, parts_of(layer, pass->m), &first, &last);
    for (size_t index = first; index < last; index++) {
        const struct part p = part_of(layer, pass->m, index);
        const struct block k = p.blocks[0];
        nnc_kernels->normalize_rows(k.m, k.n, x + k.offset, k.ld, layer->kernel ? layer->kernel->w : NULL,
                                    layer->bias ? layer->bias->w : NULL, (float)layer->spec.epsilon, layer->a + k.offset,
                                    k.ld, layer->normalization.statistics + 2 * p.first);
    }
}

void nnc_layer_normalization_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const size_t group = layer->spec.group;
    size_t ldx, first, last;
    const float *x = nnc_input(plan, l, pass, &ldx);
    float *dx = layer->needs_dx ? plan->layers[l - 1].da : NULL;
    nnc_share(worker, parts_of(layer, pass->m), &first, &last);
    for (size_t index = first; index < last; index++) {
        const struct part p = part_of(layer, pass->m, index);
        const struct block k = p.blocks[0];
        float *sums = partial(layer, index, GRADIENT_SUMS), *products = partial(layer, index, GRADIENT_PRODUCTS);
        memset(sums, 0, 2 * layer->normalization.width * sizeof *sums);
        nnc_kernels->normalize_rows_backward(k.m, k.n, x + k.offset, k.ld, layer->kernel ? layer->kernel->w : NULL,
                                             layer->normalization.statistics + 2 * p.first, layer->da + k.offset, k.ld,
                                             dx ? dx + k.offset : NULL, k.ld, sums, products);
    }
    nnc_team_barrier(worker);
    nnc_share(worker, (group + PANEL - 1) / PANEL, &first, &last);
    for (size_t tile = first; tile < last; tile++) {
        const size_t j = tile * PANEL, n = least(PANEL, group - j);
        double sum[PANEL], product[PANEL];
        add_parts(layer, pass->m, GRADIENT_SUMS, j, sum);
        add_parts(layer, pass->m, GRADIENT_PRODUCTS, j, product);
        apply(plan, layer->kernel, j, n, product);
        apply(plan, layer->bias, j, n, sum);
    }
}
