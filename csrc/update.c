/* update.c -- see update.h. */

#include "update.h"

#include <math.h>
#include <string.h>

void nnc_begin_step(struct nnc_update *update, float learning_rate, uint64_t step) {
    update->hyper = update->undecayed = nnc_hyper_of(&update->optimizer, learning_rate, step);
    update->undecayed.keep = 1;
}

static const struct nnc_hyper *hyper_for(const struct nnc_update *update, const struct nnc_param *param) {
    return param->undecayed ? &update->undecayed : &update->hyper;
}

struct nnc_param nnc_param_lay_out(const nnc_parameter *info, size_t n_slots, struct nnc_arena *arena) {
    struct nnc_param param = {.info = *info, .rows = 1, .cols = info->shape[info->n_axes - 1]};
    for (size_t axis = 0; axis + 1 < info->n_axes; axis++) param.rows *= info->shape[axis];
    param.size = nnc_round_up(param.cols, PANEL) * param.rows;
    param.row_tiles = nnc_parts(param.rows, PANEL);
    param.n_tiles = nnc_parts(param.cols, PANEL) * param.row_tiles;
    param.n_slots = info->trainable ? n_slots : 0;
    for (size_t s = 0; s < param.n_slots; s++) param.slots[s] = nnc_take_floats(arena, param.size);
    /* w is last: with its additional columns between w and a slot, which an update stores and loads alternately, addresses that
     * are equal modulo 4096 would be those of adjacent vectors, and a load would wait for the store before it. */
    param.w = nnc_take_floats(arena, param.size + WIDEST);
    param.panels = (struct nnc_panels){param.w, param.rows, param.rows, param.rows * PANEL};
    param.tile_sums = nnc_take(arena, param.n_tiles, sizeof(double));
    return param;
}

void nnc_round_panels(struct nnc_param *param, size_t run, struct nnc_arena *arena) {
    const size_t padded = nnc_round_up(run, BF16_STEP), rows = param->rows / run * padded;
    void *at = nnc_take(arena, nnc_parts(param->cols, PANEL) * rows * PANEL + 2 * WIDEST, sizeof(uint16_t));
    param->precision = PRECISION_bfloat16;
    param->panels = (struct nnc_panels){at, run, padded, rows * PANEL};
}

nnc_status nnc_keep_gradients(struct nnc_param *params, size_t n_params, float **memory) {
    size_t total = 0;
    if (*memory) return NNC_OK;
    for (size_t i = 0; i < n_params; i++) total += params[i].size;
    float *g = *memory = nnc_allocate(total * sizeof *g);
    if (!g) return NNC_NO_MEMORY;
    for (size_t i = 0; i < n_params; g += params[i++].size) params[i].g = g;
    return NNC_OK;
}

/* ---- copies of W for products ----------------------------------------------------------------------------------------- */

/* The start of the pair of interleaved rows that contains row R of a panel. */
static uint16_t *pair_of(uint16_t *panel, size_t R) {
    return panel + R / 2 * (2 * PANEL);
}

/* Rounds rows [r0, r1) of W's panel, which begin at w, to bfloat16. If a pair is not complete here, its other half belongs to
 * another tile. */
static void round_rows(const struct nnc_panels *to, size_t panel, size_t r0, size_t r1, const float *w) {
    uint16_t *at = (uint16_t *)to->at + panel * to->stride;
    for (size_t r = r0, rows; r < r1; r += rows, w += rows * PANEL) {
        const size_t in_run = r % to->run, R = r / to->run * to->padded + in_run;
        const bool last = in_run + 1 == to->run; /* followed by zeros */
        rows = R % 2 == 0 && !last && r + 1 < r1 ? 2 : 1;
        if (rows == 2 || (R % 2 == 0 && last)) {
            nnc_kernels->pair_bf16(PANEL, w, rows == 2 ? w + PANEL : NULL, pair_of(at, R));
            continue;
        }
        uint16_t row[PANEL];
        nnc_kernels->round_bf16(1, PANEL, (struct nnc_read){w, PANEL}, row, PANEL);
        for (size_t j = 0; j < PANEL; j++) pair_of(at, R)[2 * j + R % 2] = row[j];
    }
}

/* Rounds `columns` columns of rows R, R + 1, ... of a transposed panel to bfloat16, starting at `column`: each is a row of W
 * with `filters` elements. */
static void round_columns(uint16_t *panel, size_t R, size_t filters, size_t column, size_t columns, struct nnc_read w,
                          bool alone) {
    uint16_t halves[PANEL * PANEL];
    float pairs[TILE / 2]; /* pairs of bfloat16, moved as floats */
    nnc_kernels->round_bf16(columns, filters, w, halves, PANEL);
    for (size_t c = 0; c < columns && filters % 2; c++) halves[c * PANEL + filters] = 0;
    if (R % 2 == 0 && (filters % 2 == 0 || alone)) { /* no pair is shared with another position */
        memcpy(pairs, halves, columns * PANEL * sizeof *halves);
        void *to = pair_of(panel, R) + 2 * column;
        nnc_kernels->products[PRECISION_float32].pack(columns, nnc_parts(filters, 2), (struct nnc_read){pairs, PANEL / 2}, to,
                                                      PANEL);
        return;
    }
    for (size_t f = 0; f < filters; f++)
        for (size_t c = 0; c < columns; c++) pair_of(panel, R + f)[2 * (column + c) + (R + f) % 2] = halves[c * PANEL + f];
}

/* Updates the part of W^T that corresponds to rows [r0, r1) and columns [j, j + n) of W, which are filters of one group, in
 * runs of rows that are channels of one position and one panel. */
static void refresh_group(const struct nnc_param *param, size_t r0, size_t r1, size_t j, size_t n) {
    const struct nnc_transposed *t = &param->transposed;
    const size_t width = param->cols / t->groups, group = j / width, f = j % width;
    const bool alone = t->channels == param->rows && f + n == width;
    for (size_t r = r0, rows; r < r1; r += rows) {
        const size_t position = r / t->channels, first = group * t->channels, c = first + r % t->channels;
        rows = nnc_columns_together(c, c + r1 - r, t->channels);
        const struct nnc_read w = {param->w + nnc_param_offset(param, r, j), PANEL};
        const size_t panel = c / PANEL * t->positions[position].panel, place = t->positions[position].place + f * PANEL;
        if (param->precision == PRECISION_bfloat16)
            round_columns((uint16_t *)t->at + panel, place / PANEL, n, c % PANEL, rows, w, alone);
        else nnc_kernels->products[PRECISION_float32].pack(rows, n, w, (float *)t->at + panel + place + c % PANEL, PANEL);
    }
}

/* Updates the part of W^T that corresponds to the tile. */
static void refresh_transposed(const struct nnc_param *param, size_t tile) {
    size_t n;
    nnc_tile(param, tile, &n);
    const size_t r = tile % param->row_tiles * PANEL, first = tile / param->row_tiles * PANEL;
    const size_t last = least(first + PANEL, param->cols), width = param->cols / param->transposed.groups;
    for (size_t j = first, columns; j < last; j += columns) {
        columns = nnc_columns_together(j, last, width);
        refresh_group(param, r, r + n / PANEL, j, columns);
    }
}

/* Updates the copies of the tile that products read in addition to W. */
static void refresh(const struct nnc_param *param, size_t tile) {
    size_t n;
    const size_t first = nnc_tile(param, tile, &n), r0 = tile % param->row_tiles * PANEL;
    if (param->panels.at != param->w) round_rows(&param->panels, tile / param->row_tiles, r0, r0 + n / PANEL, param->w + first);
    if (param->transposed.at) refresh_transposed(param, tile);
}

/* ---- the gradient of a tile, and the update --------------------------------------------------------------------------- */

static double tile_penalty(const struct nnc_param *param, size_t first, size_t n) {
    double sum = 0;
    if (param->l1 != 0) sum += (double)param->l1 * nnc_kernels->sum_abs(n, param->w + first);
    if (param->l2 != 0) sum += (double)param->l2 * nnc_kernels->sum_squares(n, param->w + first);
    return sum;
}

/* A penalty's coefficient in this step. */
static float penalized(const struct nnc_update *update, float coefficient) {
    return (float)((double)coefficient * update->penalty_factor);
}

/* Fills in a stretch without penalties, field by field: copying a struct that was just written takes longer than writing it,
 * because its fields are stored singly and loaded as vectors. */
static void take_stretch(const struct nnc_param *param, size_t first, size_t n, const float *g, struct nnc_stretch *stretch) {
    stretch->n = n, stretch->w = param->w + first, stretch->g = g;
    stretch->n_slots = param->n_slots;
    for (size_t s = 0; s < param->n_slots; s++) stretch->slots[s] = param->slots[s] + first;
    stretch->l1 = stretch->l2 = 0;
}

void nnc_apply_tile(const struct nnc_update *update, struct nnc_param *param, size_t tile, const float *g) {
    if (!param->info.trainable) return;
    size_t n, first = nnc_tile(param, tile, &n);
    param->tile_sums[tile] = tile_penalty(param, first, n);
    if (update->apply == APPLY_STORE) {
        memcpy(param->g + first, g, n * sizeof *g);
        nnc_kernels->regularize(n, param->w + first, param->g + first, penalized(update, param->l1),
                                penalized(update, param->l2));
        return;
    }
    struct nnc_stretch stretch;
    take_stretch(param, first, n, g, &stretch);
    stretch.l1 = penalized(update, param->l1), stretch.l2 = penalized(update, param->l2);
    nnc_kernels->update[update->optimizer.rule](&stretch, hyper_for(update, param));
    refresh(param, tile);
}

bool nnc_takes_products(const struct nnc_update *update, const struct nnc_param *param) {
    return param->info.trainable && update->apply == APPLY_UPDATE && update->optimizer.rule == OPTIMIZER_sgd &&
           param->l1 == 0 && update->hyper.clipvalue == 0;
}

void nnc_apply_product(const struct nnc_update *update, struct nnc_param *param, size_t tile,
                       const struct nnc_products *products, const struct nnc_product *product, const void *a, const void *b) {
    size_t n, first = nnc_tile(param, tile, &n);
    param->tile_sums[tile] = tile_penalty(param, first, n);
    struct nnc_stretch stretch;
    take_stretch(param, first, n, NULL, &stretch);
    stretch.l2 = penalized(update, param->l2);
    products->gemm_sgd(product, a, b, &stretch, hyper_for(update, param));
    refresh(param, tile);
}

static double sum_tiles(const struct nnc_param *param) {
    double sum = 0;
    for (size_t t = 0; t < param->n_tiles; t++) sum += param->tile_sums[t];
    return sum;
}

void nnc_update_clipped(const struct nnc_update *update, struct nnc_param *params, size_t n_params, struct nnc_worker *worker) {
    size_t t0, t1, n;
    for (struct nnc_param *param = params; param < params + n_params; param++) {
        if (!param->info.trainable) continue;
        nnc_share(worker, param->n_tiles, &t0, &t1);
        for (size_t t = t0; t < t1; t++) {
            const size_t first = nnc_tile(param, t, &n);
            param->tile_sums[t] = nnc_kernels->sum_squares(n, param->g + first);
        }
    }
    nnc_team_barrier(worker);
    const struct nnc_optimizer *o = &update->optimizer;
    double all = 0;
    for (size_t i = 0; i < n_params; i++) all += sum_tiles(&params[i]);
    for (struct nnc_param *param = params; param < params + n_params; param++) {
        if (!param->info.trainable) continue;
        struct nnc_hyper hyper = *hyper_for(update, param);
        hyper.gradient_scale =
            o->clipnorm != 0 ? nnc_clip_scale(o->clipnorm, sum_tiles(param)) : nnc_clip_scale(o->global_clipnorm, all);
        nnc_share(worker, param->n_tiles, &t0, &t1);
        for (size_t t = t0; t < t1; t++) {
            const size_t first = nnc_tile(param, t, &n);
            struct nnc_stretch stretch;
            take_stretch(param, first, n, param->g + first, &stretch);
            nnc_kernels->update[o->rule](&stretch, &hyper);
            refresh(param, t);
        }
    }
    nnc_team_barrier(worker);
}

/* ---- constraints ------------------------------------------------------------------------------------------------------- */

/* `width` adjacent runs whose elements are also adjacent. */
struct strip {
    size_t first, width; /* first: index of the first run's first element in the row-major values */
};

/* Are runs that begin in the same row and panel adjacent for their full length? */
static bool runs_stay_together(const struct nnc_param *param) {
    return param->constraint.norm_stride % param->cols == 0;
}

static size_t strips_of(const struct nnc_param *param) {
    const struct nnc_constraint *c = &param->constraint;
    if (!c->norm_length) return 0;
    const size_t runs = param->rows * param->cols / c->norm_length;
    return runs_stay_together(param) ? runs / param->cols * nnc_parts(param->cols, PANEL) : runs;
}

static struct strip strip_at(const struct nnc_param *param, size_t number) {
    const size_t stride = param->constraint.norm_stride, block = param->constraint.norm_length * stride;
    if (!runs_stay_together(param)) return (struct strip){number / stride * block + number % stride, 1};
    const size_t panels = nnc_parts(param->cols, PANEL), row = number / panels, j = number % panels * PANEL;
    const size_t rows = stride / param->cols; /* rows of a block in which runs begin */
    return (struct strip){row / rows * block + row % rows * param->cols + j, least(PANEL, param->cols - j)};
}

static float *run_at(const struct nnc_param *param, const struct strip *strip, size_t r) {
    const size_t place = strip->first + r * param->constraint.norm_stride;
    return param->w + nnc_param_offset(param, place / param->cols, place % param->cols);
}

static float norm_factor(const struct nnc_constraint *c, double squares) {
    const double norm = sqrt(squares), limited = norm < c->min_norm ? c->min_norm : norm > c->max_norm ? c->max_norm : norm;
    return (float)((c->norm_rate * limited + (1 - c->norm_rate) * norm) / (1e-7 + norm));
}

static void constrain_strip(struct nnc_param *param, const struct strip *strip) {
    const struct nnc_constraint *c = &param->constraint;
    double squares[PANEL] = {0};
    float factors[PANEL];
    for (size_t r = 0; r < c->norm_length; r++) {
        const float *w = run_at(param, strip, r);
        for (size_t j = 0; j < strip->width; j++) squares[j] += (double)w[j] * (double)w[j];
    }
    for (size_t j = 0; j < strip->width; j++) factors[j] = norm_factor(c, squares[j]);
    for (size_t r = 0; r < c->norm_length; r++) {
        float *w = run_at(param, strip, r);
        for (size_t j = 0; j < strip->width; j++) w[j] *= factors[j];
    }
}

static void make_nonnegative(float *w, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (w[i] < 0) w[i] = 0;
}

void nnc_constrain(struct nnc_param *params, size_t n_params, struct nnc_worker *worker) {
    size_t first, last, n;
    for (struct nnc_param *param = params; param < params + n_params; param++) {
        nnc_share(worker, strips_of(param), &first, &last);
        for (size_t s = first; s < last; s++) {
            const struct strip strip = strip_at(param, s);
            constrain_strip(param, &strip);
        }
    }
    nnc_team_barrier(worker);
    for (struct nnc_param *param = params; param < params + n_params; param++) {
        if (!nnc_has_constraint(&param->constraint)) continue;
        nnc_share(worker, param->n_tiles, &first, &last);
        for (size_t t = first; t < last; t++) {
            const size_t at = nnc_tile(param, t, &n);
            if (param->constraint.nonnegative) make_nonnegative(param->w + at, n);
            refresh(param, t);
        }
    }
    nnc_team_barrier(worker);
}

/* ---- penalties -------------------------------------------------------------------------------------------------------- */

double nnc_summed_penalty(const struct nnc_param *params, size_t n_params) {
    double sum = 0;
    for (size_t i = 0; i < n_params; i++)
        if (params[i].l1 != 0 || params[i].l2 != 0) sum += sum_tiles(&params[i]);
    return sum;
}

double nnc_present_penalty(const struct nnc_param *params, size_t n_params) {
    double all = 0;
    for (size_t i = 0; i < n_params; i++) {
        double sum = 0;
        for (size_t tile = 0; tile < params[i].n_tiles; tile++) {
            size_t n, first = nnc_tile(&params[i], tile, &n);
            sum += tile_penalty(&params[i], first, n);
        }
        all += sum;
    }
    return all;
}

static float *array_of(const struct nnc_param *param, int what) {
    return what == NNC_WEIGHT ? param->w : what == NNC_GRADIENT ? param->g : param->slots[what];
}

/* ---- undoing a step --------------------------------------------------------------------------------------------------- */

static size_t size_with_slots(const struct nnc_param *param) {
    return (1 + param->n_slots) * param->size;
}

nnc_status nnc_room_to_keep(const struct nnc_param *params, size_t n_params, float **memory) {
    size_t total = 0;
    if (*memory) return NNC_OK;
    for (size_t i = 0; i < n_params; i++) total += size_with_slots(&params[i]);
    *memory = nnc_allocate(total * sizeof **memory);
    return *memory ? NNC_OK : NNC_NO_MEMORY;
}

/* `kept` holds the weights and slots of each parameter, one array after the other. */
void nnc_keep(const struct nnc_param *params, size_t n_params, float *kept, bool put_back, const struct nnc_worker *worker) {
    for (const struct nnc_param *param = params; param < params + n_params; kept += size_with_slots(param++)) {
        size_t first, last, n;
        nnc_share(worker, param->n_tiles, &first, &last);
        for (size_t tile = first; tile < last; tile++) {
            const size_t at = nnc_tile(param, tile, &n);
            for (int what = NNC_WEIGHT; what < (int)param->n_slots; what++) {
                float *here = array_of(param, what) + at, *there = kept + (size_t)(what + 1) * param->size + at;
                memcpy(put_back ? here : there, put_back ? there : here, n * sizeof *here);
            }
            if (put_back) refresh(param, tile);
        }
    }
}

/* ---- reading and writing parameters ----------------------------------------------------------------------------------- */

void nnc_param_read(const struct nnc_param *param, int what, float *values) {
    nnc_param_read_part(param, what, 0, param->rows * param->cols, values);
}

void nnc_param_read_part(const struct nnc_param *param, int what, size_t first, size_t n, float *values) {
    const float *packed = array_of(param, what);
    const size_t cols = param->cols;
    size_t k = n ? first / cols : 0, j = n ? first % cols : 0;
    for (size_t done = 0, run; done < n; done += run) {
        run = least(least(PANEL - j % PANEL, cols - j), n - done);
        memcpy(values + done, packed + nnc_param_offset(param, k, j), run * sizeof *values);
        j += run;
        if (j == cols) j = 0, k++;
    }
}

void nnc_param_write(struct nnc_param *param, int what, const float *values) {
    float *packed = array_of(param, what);
    for (size_t k = 0; k < param->rows; k++)
        for (size_t j = 0; j < param->cols; j += PANEL)
            memcpy(packed + nnc_param_offset(param, k, j), values + k * param->cols + j,
                   least(PANEL, param->cols - j) * sizeof *values);
    for (size_t t = 0; what == NNC_WEIGHT && t < param->n_tiles; t++) refresh(param, t);
}
