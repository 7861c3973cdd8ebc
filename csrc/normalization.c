/* normalization.c -- batch and layer normalization: a = gamma (x - mean) / sqrt(variance + epsilon) + beta.
 *
 * A row has `positions` (pixels, say) of `group` adjacent features. Batch normalization takes the mean and variance of each of
 * the `group` features over all positions of the batch, layer normalization those of each position.
 *
 * Sums over the batch are computed in parts that depend on the shape only. Each part is computed by one worker and fits in the
 * L1 cache; the parts are added in order, in float64. The variance of a part is computed about the part's own mean while the
 * part is in the cache, and the parts are combined by
 *     sum (x - mean)^2 = sum over the parts of [sum (x - mean_p)^2 + n_p (mean_p - mean)^2]       (Chan et al. 1979)
 * This avoids cancellation, and the batch is read once for both moments. */

#include <math.h>
#include <string.h>

#include "activation.h"
#include "operands.h"

enum {
    PART_FLOATS = 8192, /* approximate size of a part: 32 KB */
    SMALL_MAP = 2048,   /* up to this size a complete sample is a row of batch normalization's blocks */
    FEW_CHANNELS = 128, /* in a larger map with fewer channels than this, a row combines several positions */
};

enum { GAMMA, BETA, MOVING_MEAN, MOVING_VARIANCE };

/* Settings, and the division of a batch into parts. */
struct normalization {
    size_t group;
    double epsilon;
    bool scale, center;   /* is there a gamma, a beta? */
    size_t positions;
    size_t blocks;        /* parts of a sample; 0: a part is several samples */
    size_t per_part;      /* maximum number of positions, or samples, in a part */
    size_t repeat;        /* adjacent positions that a kernel processes as one row, so that few channels fill its vectors */
    size_t width;         /* repeat group, rounded up to panels */
    float *partials;      /* (parts, 3, width) */
};

/* Coefficients of each column, (width) each. */
enum { MEAN, SCALE, SHIFT, SUM, PRODUCT, N_COEFFICIENTS };

struct batch_normalization {
    struct normalization common;
    double momentum;      /* moving = moving momentum + batch (1 - momentum) */
    float *coefficients;  /* (N_COEFFICIENTS, width) */
    double *moments;      /* (2, group): mean, variance in use */
    bool of_batch;        /* the coefficients come from the batch, not from the moving statistics */
};

struct layer_normalization {
    struct normalization common;
    float *statistics;    /* (B positions, 2): mean, 1 / sqrt(variance + epsilon) */
};

#define COMMON_FIELDS                                                                       \
    FIELD(struct normalization, group, SIZE), FIELD(struct normalization, epsilon, DOUBLE), \
        FIELD(struct normalization, scale, FLAG), FIELD(struct normalization, center, FLAG)

static const struct nnc_field batch_fields[] = {COMMON_FIELDS, FIELD(struct batch_normalization, momentum, DOUBLE)};
static const struct nnc_field layer_fields[] = {COMMON_FIELDS};

static struct nnc_fault settle(struct nnc_layer *layer) {
    const struct normalization *common = layer->own;
    if (common->group < 1 || layer->I % common->group)
        return (struct nnc_fault){"a normalization's group must divide the features", common->group};
    layer->columns = common->group;
    return (struct nnc_fault){0};
}

static void parameters(const struct nnc_layer *layer, nnc_parameter list[NNC_LAYER_PARAMS]) {
    const struct normalization *common = layer->own;
    list[GAMMA] = (nnc_parameter){.name = "gamma", .n_axes = common->scale, .shape = {common->group}, .trainable = true};
    list[BETA] = (nnc_parameter){.name = "beta", .n_axes = common->center, .shape = {common->group}, .trainable = true};
}

static void batch_parameters(const struct nnc_layer *layer, nnc_parameter list[NNC_LAYER_PARAMS]) {
    const struct normalization *common = layer->own;
    parameters(layer, list);
    list[MOVING_MEAN] = (nnc_parameter){.name = "moving_mean", .n_axes = 1, .shape = {common->group}};
    list[MOVING_VARIANCE] = (nnc_parameter){.name = "moving_variance", .n_axes = 1, .shape = {common->group}};
}

/* Determines how rows of O features are divided; samples_are_rows: a small sample may be one row of a part. */
static void cut(struct normalization *common, size_t O, bool samples_are_rows) {
    common->positions = O / common->group;
    common->repeat = 1, common->blocks = 0;
    if (common->positions == 1 || (samples_are_rows && O <= SMALL_MAP)) {
        common->repeat = common->positions;
        common->per_part = O < PART_FLOATS ? PART_FLOATS / O : 1;
    } else {
        const size_t blocks = nnc_parts(O, PART_FLOATS);
        while (samples_are_rows && common->group < FEW_CHANNELS && common->group * common->repeat % PANEL) common->repeat *= 2;
        common->per_part = nnc_round_up(nnc_parts(common->positions, blocks), common->repeat);
        common->blocks = nnc_parts(common->positions, common->per_part);
    }
    common->width = nnc_round_up(common->repeat * common->group, PANEL);
}

/* ---- parts ----------------------------------------------------------------------------------------------------------- */

static size_t parts_of(const struct normalization *common, size_t m) {
    return common->blocks ? m * common->blocks : nnc_parts(m, common->per_part);
}

static void batch_lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    struct batch_normalization *own = layer->own;
    struct normalization *common = &own->common;
    cut(common, layer->O, true);
    common->partials = nnc_take_floats(arena, parts_of(common, B) * 3 * common->width);
    own->coefficients = nnc_take_floats(arena, N_COEFFICIENTS * common->width);
    own->moments = nnc_take(arena, 2 * common->group, sizeof(double));
    own->of_batch = true;
}

static void layer_lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    struct layer_normalization *own = layer->own;
    struct normalization *common = &own->common;
    cut(common, layer->O, false);
    common->partials = nnc_take_floats(arena, parts_of(common, B) * 3 * common->width);
    own->statistics = nnc_take_floats(arena, B * common->positions * 2);
}

/* A matrix (m, n) with ld floats from row to row that begins at `offset` in the layer's input and output. */
struct block {
    size_t m, n, ld, offset;
};

/* A part is one block whose rows are `repeat` adjacent positions, and one block of the remaining positions. */
struct part {
    size_t positions, first; /* first: number of its first position in the batch */
    struct block blocks[2];
    int n_blocks;
};

static struct part part_of(const struct nnc_layer *layer, size_t m, size_t index) {
    const struct normalization *common = layer->own;
    const size_t group = common->group, length = common->repeat * group;
    if (!common->blocks) {
        const size_t row = index * common->per_part, rows = least(common->per_part, m - row);
        return (struct part){
            rows * common->positions, row * common->positions, {{rows, length, layer->ld, row * layer->ld}}, 1};
    }
    const size_t row = index / common->blocks, first = index % common->blocks * common->per_part;
    const size_t positions = least(common->per_part, common->positions - first), offset = row * layer->ld + first * group;
    const size_t rows = positions / common->repeat, rest = positions % common->repeat;
    return (struct part){positions,
                         row * common->positions + first,
                         {{rows, length, length, offset}, {1, rest * group, 0, offset + rows * length}},
                         rest ? 2 : 1};
}

/* A block of an array of the layer's shape, which both the input and the output have. */
static struct nnc_read reading(const float *array, struct block k) {
    return (struct nnc_read){array + k.offset, k.ld};
}

static struct nnc_write writing(float *array, struct block k) {
    return (struct nnc_write){array ? array + k.offset : NULL, k.ld};
}

static float *partial(const struct normalization *common, size_t part, size_t which) {
    return common->partials + (part * 3 + which) * common->width;
}

/* Adds the sums of adjacent positions to those of the first. */
static void fold(const struct normalization *common, float *sums) {
    for (size_t left = common->repeat; left > 1;) { /* by halves */
        const size_t half = (left + 1) / 2;
        for (size_t c = 0; c < (left - half) * common->group; c++) sums[c] += sums[half * common->group + c];
        left = half;
    }
}

/* Copies the coefficients of the first position to the adjacent ones. */
static void repeat(const struct normalization *common, float *numbers, size_t first, size_t last) {
    for (size_t r = 1; r < common->repeat; r++)
        for (size_t c = first; c < last; c++) numbers[r * common->group + c] = numbers[c];
}

/* Columns [j, j + PANEL) of partial sum `which` of m rows, added over the parts. */
static void add_parts(const struct normalization *common, size_t m, size_t which, size_t j, double sum[PANEL]) {
    const size_t parts = parts_of(common, m);
    for (size_t c = 0; c < PANEL; c++) sum[c] = 0;
    for (size_t p = 0; p < parts; p++) {
        const float *of_part = partial(common, p, which) + j;
        for (size_t c = 0; c < PANEL; c++) sum[c] += (double)of_part[c];
    }
}

/* Applies the gradient of gamma or beta in columns [j, j + n). */
static void apply(struct nnc_plan *plan, struct nnc_param *param, size_t j, size_t n, const double *gradient) {
    float g[PANEL] = {0};
    if (!param) return;
    for (size_t c = 0; c < n; c++) g[c] = (float)gradient[c];
    nnc_apply_tile(&plan->update, param, j / PANEL, g);
}

/* ---- batch normalization ----------------------------------------------------------------------------------------------- */

enum { SUMS, CENTERS, SQUARES };          /* partial results of a part in the forward pass */
enum { GRADIENT_SUMS, GRADIENT_PRODUCTS }; /* and in the backward pass */

static float *coefficients(const struct batch_normalization *own, size_t which) {
    return own->coefficients + which * own->common.width;
}

/* The coefficients of the columns starting at j. */
static struct nnc_coefficients coefficients_at(const struct batch_normalization *own, size_t j) {
    return (struct nnc_coefficients){coefficients(own, MEAN) + j, coefficients(own, SCALE) + j, coefficients(own, SHIFT) + j,
                                     coefficients(own, SUM) + j, coefficients(own, PRODUCT) + j};
}

static double root(const struct batch_normalization *own, size_t c) {
    return sqrt(own->moments[own->common.group + c] + own->common.epsilon);
}

/* Sets the coefficients of (x - mean) scale + shift for channels [first, last) from the moments. */
static void set_coefficients(const struct nnc_layer *layer, size_t first, size_t last) {
    const struct batch_normalization *own = layer->own;
    const struct nnc_param *gamma = layer->params[GAMMA], *beta = layer->params[BETA];
    float *mean = coefficients(own, MEAN), *scale = coefficients(own, SCALE), *shift = coefficients(own, SHIFT);
    for (size_t c = first; c < last; c++) {
        mean[c] = (float)own->moments[c];
        scale[c] = (float)((gamma ? (double)gamma->w[c] : 1.0) / root(own, c));
        shift[c] = beta ? beta->w[c] : 0;
    }
    for (size_t which = MEAN; which <= SHIFT; which++) repeat(&own->common, coefficients(own, which), first, last);
}

/* The moving statistics are used in passes that are not in training, and in all passes by a frozen layer. */
static void batch_prepare(struct nnc_layer *layer, bool in_training, bool written) {
    struct batch_normalization *own = layer->own;
    const size_t group = own->common.group;
    const bool training = in_training && layer->trainable;
    if (!training && (written || own->of_batch)) {
        for (size_t c = 0; c < group; c++) {
            own->moments[c] = (double)layer->params[MOVING_MEAN]->w[c];
            own->moments[group + c] = (double)layer->params[MOVING_VARIANCE]->w[c];
        }
        set_coefficients(layer, 0, group);
    }
    own->of_batch = training;
}

static void batch_finish(const struct nnc_layer *layer, size_t m, size_t j, size_t n, struct nnc_write a) {
    const struct nnc_coefficients of = coefficients_at(layer->own, j);
    nnc_kernels->normalize(m, n, nnc_reading(a), &of, a);
}

static void sum_part(const struct nnc_layer *layer, const float *x, size_t m, size_t index) {
    const struct normalization *common = layer->own;
    const struct part p = part_of(layer, m, index);
    float *sums = partial(common, index, SUMS), *centers = partial(common, index, CENTERS);
    float *squares = partial(common, index, SQUARES);
    memset(sums, 0, 3 * common->width * sizeof *sums);
    for (int b = 0; b < p.n_blocks; b++) nnc_kernels->add_sums(p.blocks[b].m, p.blocks[b].n, reading(x, p.blocks[b]), sums);
    fold(common, sums);
    for (size_t c = 0; c < common->group; c++) centers[c] = sums[c] / (float)p.positions;
    repeat(common, centers, 0, common->group);
    for (int b = 0; b < p.n_blocks; b++)
        nnc_kernels->add_squares(p.blocks[b].m, p.blocks[b].n, reading(x, p.blocks[b]), centers, squares);
    fold(common, squares);
}

/* Computes the moments of channels [j, j + n) from the parts. */
static void set_moments(const struct nnc_layer *layer, size_t m, size_t j, size_t n) {
    const struct batch_normalization *own = layer->own;
    const struct normalization *common = &own->common;
    const size_t parts = parts_of(common, m), positions = m * common->positions;
    double mean[PANEL], squares[PANEL];
    add_parts(common, m, SUMS, j, mean);
    for (size_t c = 0; c < PANEL; c++) mean[c] /= (double)positions;
    add_parts(common, m, SQUARES, j, squares);
    for (size_t p = 0; p < parts; p++) {
        const float *center = partial(common, p, CENTERS) + j;
        const double weight = (double)part_of(layer, m, p).positions;
        for (size_t c = 0; c < PANEL; c++) {
            const double off = (double)center[c] - mean[c];
            squares[c] += weight * off * off;
        }
    }
    for (size_t c = 0; c < n; c++) {
        own->moments[j + c] = mean[c];
        own->moments[common->group + j + c] = squares[c] / (double)positions;
    }
}

/* Computes the coefficients from the batch x. */
static void use_batch(const struct nnc_layer *layer, const float *x, size_t m, struct nnc_worker *worker) {
    const struct normalization *common = layer->own;
    size_t first, last;
    nnc_share(worker, parts_of(common, m), &first, &last);
    for (size_t p = first; p < last && !nnc_stopped(worker, PART_FLOATS); p++) sum_part(layer, x, m, p);
    nnc_team_barrier(worker);
    nnc_share(worker, nnc_parts(common->group, PANEL), &first, &last);
    for (size_t tile = first; tile < last; tile++) {
        const size_t j = tile * PANEL, n = least(PANEL, common->group - j);
        set_moments(layer, m, j, n);
        set_coefficients(layer, j, j + n);
    }
    nnc_team_barrier(worker);
}

static void batch_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct batch_normalization *own = layer->own;
    size_t first, last;
    if (pass->mode == INFER && l && layer[-1].finishes_next) return;
    const float *x = nnc_input(plan, l, pass).at; /* its ld is the layer's own: the widths are the same */
    const struct nnc_coefficients of = coefficients_at(own, 0);
    const struct nnc_layer *reader = nnc_reader_of(plan, l, pass);
    float *d = pass->mode == TRAIN ? layer->d : NULL;
    if (own->of_batch) use_batch(layer, x, pass->m, worker);
    nnc_share(worker, parts_of(&own->common, pass->m), &first, &last);
    for (size_t index = first; index < last && !nnc_stopped(worker, PART_FLOATS); index++) {
        const struct part p = part_of(layer, pass->m, index);
        for (int b = 0; b < p.n_blocks; b++) {
            const struct block k = p.blocks[b];
            const struct nnc_write a = writing(layer->a, k);
            nnc_kernels->normalize(k.m, k.n, reading(x, k), &of, a);
            if (layer->activation.id != ACTIVATION_linear) nnc_activate(&layer->activation, k.m, k.n, a, writing(d, k));
            if (reader) nnc_round_block(reader, layer, k.m, k.n, nnc_reading(a));
        }
    }
}

/* moving = moving momentum + batch (1 - momentum). */
static void move(double momentum, struct nnc_param *moving, const double *of_batch, size_t first, size_t last) {
    for (size_t c = first; c < last; c++)
        moving->w[c] = (float)(momentum * (double)moving->w[c] + (1 - momentum) * of_batch[c]);
}

/* With s = scale, z = (x - mean) / root and means over the batch: dx = s (dz - mean(dz) - z mean(z dz)); the means are 0
 * if the statistics are not the batch's. */
static void batch_gradients(struct nnc_plan *plan, const struct nnc_layer *layer, const struct nnc_pass *pass, size_t j,
                            size_t n) {
    const struct batch_normalization *own = layer->own;
    const struct normalization *common = &own->common;
    const double positions = own->of_batch ? (double)(pass->m * common->positions) : INFINITY;
    double sum[PANEL], product[PANEL];
    float *of_sum = coefficients(own, SUM) + j, *of_product = coefficients(own, PRODUCT) + j;
    add_parts(common, pass->m, GRADIENT_SUMS, j, sum);
    add_parts(common, pass->m, GRADIENT_PRODUCTS, j, product);
    for (size_t c = 0; c < n; c++) {
        const double inverse = 1 / root(own, j + c);
        product[c] *= inverse;
        of_sum[c] = (float)(sum[c] / positions);
        of_product[c] = (float)(product[c] * inverse / positions);
    }
    repeat(common, coefficients(own, SUM), j, j + n), repeat(common, coefficients(own, PRODUCT), j, j + n);
    apply(plan, layer->params[GAMMA], j, n, product);
    apply(plan, layer->params[BETA], j, n, sum);
    if (pass->applied && layer->trainable) {
        move(own->momentum, layer->params[MOVING_MEAN], own->moments, j, j + n);
        move(own->momentum, layer->params[MOVING_VARIANCE], own->moments + common->group, j, j + n);
    }
}

/* Computes the sums over a part of dz and of dz (x - mean), and dz itself if necessary. */
static void sum_gradients(const struct nnc_layer *layer, const float *x, struct part p, float *sums, float *products) {
    const struct batch_normalization *own = layer->own;
    const struct normalization *common = &own->common;
    memset(sums, 0, 2 * common->width * sizeof *sums);
    for (int b = 0; b < p.n_blocks; b++) {
        const struct block k = p.blocks[b];
        if (!layer->gets_dz)
            nnc_activate_backward(&layer->activation, k.m, k.n, reading(layer->a, k), nnc_reading(writing(layer->d, k)),
                                  writing(layer->da, k));
        nnc_kernels->add_gradient_sums(k.m, k.n, reading(x, k), coefficients(own, MEAN), reading(layer->da, k), sums, products);
    }
    fold(common, sums), fold(common, products);
}

static void batch_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct batch_normalization *own = layer->own;
    const struct normalization *common = &own->common;
    const float *x = nnc_input(plan, l, pass).at;
    size_t first_part, last_part, first, last;
    nnc_share(worker, parts_of(common, pass->m), &first_part, &last_part);
    for (size_t index = first_part; index < last_part && !nnc_stopped(worker, PART_FLOATS); index++)
        sum_gradients(layer, x, part_of(layer, pass->m, index), partial(common, index, GRADIENT_SUMS),
                      partial(common, index, GRADIENT_PRODUCTS));
    nnc_team_barrier(worker);
    nnc_share(worker, nnc_parts(common->group, PANEL), &first, &last);
    for (size_t tile = first; tile < last; tile++)
        batch_gradients(plan, layer, pass, tile * PANEL, least(PANEL, common->group - tile * PANEL));
    if (!layer->needs_dx) return;
    nnc_team_barrier(worker);
    const struct nnc_coefficients of = coefficients_at(own, 0);
    for (size_t index = first_part; index < last_part && !nnc_stopped(worker, PART_FLOATS); index++) {
        const struct part p = part_of(layer, pass->m, index);
        for (int b = 0; b < p.n_blocks; b++) {
            const struct block k = p.blocks[b];
            nnc_kernels->normalize_backward(k.m, k.n, reading(x, k), &of, reading(layer->da, k), writing(layer[-1].da, k));
        }
    }
}

const struct nnc_layer_kind nnc_layer_batch_normalization = {
    .name = "batch_normalization",
    .flags = LAYER_ACTIVATED | LAYER_ELEMENTWISE | LAYER_COPIES,
    .fields = batch_fields,
    .n_fields = sizeof batch_fields / sizeof *batch_fields,
    .own_size = sizeof(struct batch_normalization),
    .settle = settle,
    .parameters = batch_parameters,
    .lay_out = batch_lay_out,
    .prepare = batch_prepare,
    .finish = batch_finish,
    .forward = batch_forward,
    .backward = batch_backward,
};

/* ---- layer normalization ----------------------------------------------------------------------------------------------- */

/* The arguments of the kernels for the positions starting at `first`. */
static struct nnc_row_normalization rows_of(const struct nnc_layer *layer, size_t first) {
    const struct layer_normalization *own = layer->own;
    const struct nnc_param *gamma = layer->params[GAMMA], *beta = layer->params[BETA];
    return (struct nnc_row_normalization){.gamma = gamma ? gamma->w : NULL,
                                          .beta = beta ? beta->w : NULL,
                                          .epsilon = (float)own->common.epsilon,
                                          .statistics = own->statistics + 2 * first};
}

static void layer_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const float *x = nnc_input(plan, l, pass).at;
    size_t first, last;
    nnc_share(worker, parts_of(layer->own, pass->m), &first, &last);
    for (size_t index = first; index < last && !nnc_stopped(worker, PART_FLOATS); index++) {
        const struct part p = part_of(layer, pass->m, index);
        const struct block k = p.blocks[0];
        const struct nnc_row_normalization of = rows_of(layer, p.first);
        nnc_kernels->normalize_rows(k.m, k.n, reading(x, k), &of, writing(layer->a, k));
    }
}

static void layer_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct normalization *common = layer->own;
    const float *x = nnc_input(plan, l, pass).at;
    float *dx = layer->needs_dx ? layer[-1].da : NULL;
    size_t first, last;
    nnc_share(worker, parts_of(common, pass->m), &first, &last);
    for (size_t index = first; index < last && !nnc_stopped(worker, PART_FLOATS); index++) {
        const struct part p = part_of(layer, pass->m, index);
        const struct block k = p.blocks[0];
        struct nnc_row_normalization of = rows_of(layer, p.first);
        of.dbeta = partial(common, index, GRADIENT_SUMS), of.dgamma = partial(common, index, GRADIENT_PRODUCTS);
        memset(of.dbeta, 0, 2 * common->width * sizeof *of.dbeta);
        nnc_kernels->normalize_rows_backward(k.m, k.n, reading(x, k), &of, reading(layer->da, k), writing(dx, k));
    }
    nnc_team_barrier(worker);
    nnc_share(worker, nnc_parts(common->group, PANEL), &first, &last);
    for (size_t tile = first; tile < last; tile++) {
        const size_t j = tile * PANEL, n = least(PANEL, common->group - j);
        double sum[PANEL], product[PANEL];
        add_parts(common, pass->m, GRADIENT_SUMS, j, sum);
        add_parts(common, pass->m, GRADIENT_PRODUCTS, j, product);
        apply(plan, layer->params[GAMMA], j, n, product);
        apply(plan, layer->params[BETA], j, n, sum);
    }
}

const struct nnc_layer_kind nnc_layer_layer_normalization = {
    .name = "layer_normalization",
    .fields = layer_fields,
    .n_fields = sizeof layer_fields / sizeof *layer_fields,
    .own_size = sizeof(struct layer_normalization),
    .settle = settle,
    .parameters = parameters,
    .lay_out = layer_lay_out,
    .forward = layer_forward,
    .backward = layer_backward,
};
