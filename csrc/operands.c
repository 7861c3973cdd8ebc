/* operands.c -- see operands.h. */

#include "operands.h"

#include <string.h>

/* Elements from one sample's copy to the next: a step may be read after the last pixel; an odd number of cache lines. */
static size_t leading_dimension(const struct nnc_frame *f) {
    return nnc_round_up(f->groups * nnc_frame_size(f) + BF16_STEP, 2 * BF16_STEP) + BF16_STEP;
}

struct nnc_frame nnc_share_zeros(struct nnc_frame f) {
    if (f.positions > 1 || f.left <= 0) return f;
    const size_t left = (size_t)f.left, seen = f.columns, end = least(left + f.width, seen);
    f.columns = seen > end + left ? seen - left : end;
    f.shared = seen - f.columns;
    return f;
}

void nnc_rounded_lay_out(struct nnc_layer *layer, const struct nnc_frame *x, const struct nnc_frame *dz, size_t B,
                         struct nnc_arena *arena) {
    if (layer->precision != PRECISION_bfloat16) return;
    const size_t samples = nnc_round_up(B, BF16_STEP);
    struct nnc_rounded r = {.x_frame = *x, .dz_frame = *dz, .ldx = leading_dimension(x), .ldz = leading_dimension(dz)};
    layer->rounded = nnc_take(arena, 1, sizeof *layer->rounded);
    r.x = nnc_take(arena, B * r.ldx, sizeof *r.x);
    r.transposed = nnc_take(arena, r.ldx * samples, sizeof *r.transposed);
    if (layer->needs_dx) r.dz = nnc_take(arena, B * r.ldz, sizeof *r.dz);
    r.pairs = nnc_take(arena, samples / 2 * layer->ld, sizeof *r.pairs);
    if (layer->rounded) *layer->rounded = r;
}

/* Copies elements [at, at + n) of a map into its frame, which has one group and one position per pixel; the padding is 0 from the allocation
 * and is not written. */
static void round_part(const struct nnc_frame *f, size_t at, size_t n, const float *from, uint16_t *copy) {
    const size_t row = f->width * f->channels;
    const ptrdiff_t shift = f->left * (ptrdiff_t)f->channels, end = (ptrdiff_t)(f->columns * f->channels) - shift;
    for (size_t part; n > 0; at += part, n -= part, from += part) {
        const ptrdiff_t y = (ptrdiff_t)(at / row) + f->top;
        const size_t x = at % row, first = shift < 0 && x < (size_t)-shift ? (size_t)-shift : x;
        part = least(row - x, n);
        const size_t last = end < 0 ? 0 : least(x + part, (size_t)end);
        if (y < 0 || y >= (ptrdiff_t)f->rows || first >= last) continue;
        uint16_t *to = copy + (size_t)y * f->columns * f->channels + (size_t)((ptrdiff_t)first + shift);
        nnc_kernels->round_bf16(1, last - first, (struct nnc_read){from + (first - x), 0}, to, 0);
    }
}

/* Copies a group of channels of a map into its frame, with any number of positions. */
static void round_group(const struct nnc_frame *f, const float *map, uint16_t *copy) {
    const size_t C = f->channels, pixel = f->groups * C;
    for (size_t row = 0; row < f->rows; row++) {
        const ptrdiff_t y = (ptrdiff_t)row - f->top;
        if (y < 0 || y >= (ptrdiff_t)f->height) continue;
        const float *from = map + (size_t)y * f->width * pixel;
        uint16_t *to = copy + row * f->columns * f->positions * C;
        for (size_t t = 0; t < f->positions; t++) {
            /* pixel x of the map goes to column x + shift */
            const ptrdiff_t shift = f->left - (ptrdiff_t)(t * f->dilation);
            const size_t x0 = shift < 0 ? (size_t)-shift : 0;
            const ptrdiff_t end = (ptrdiff_t)f->columns - shift;
            const size_t x1 = end < 0 ? 0 : least(f->width, (size_t)end);
            if (x0 >= x1) continue;
            const size_t first = (size_t)((ptrdiff_t)x0 + shift);
            nnc_kernels->round_bf16(x1 - x0, C, (struct nnc_read){from + x0 * pixel, pixel},
                                    to + (first * f->positions + t) * C, f->positions * C);
        }
    }
}

static void round_map(const struct nnc_frame *f, const float *map, uint16_t *copy) {
    if (f->positions == 1 && f->groups == 1) {
        round_part(f, 0, f->height * f->width * f->channels, map, copy);
        return;
    }
    for (size_t g = 0; g < f->groups; g++) round_group(f, map + g * f->channels, copy + g * nnc_frame_size(f));
}

/* The layer that reads the output of the layer before l. */
static const struct nnc_layer *reader_from(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    while (l < plan->n_layers && nnc_is_idle(plan, l, pass)) l++;
    return l < plan->n_layers && plan->layers[l].rounded ? &plan->layers[l] : NULL;
}

const struct nnc_layer *nnc_reader_of_batch(const struct nnc_plan *plan, const struct nnc_pass *pass) {
    return pass->x.at ? NULL : reader_from(plan, 0, pass);
}

const struct nnc_layer *nnc_reader_of(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    const struct nnc_layer *layer = &plan->layers[l], *reader = reader_from(plan, l + 1, pass);
    const bool by_blocks = nnc_has(layer, LAYER_COPIES) && nnc_is_elementwise(layer->activation.id);
    const struct nnc_frame *f = reader ? &reader->rounded->x_frame : NULL;
    return by_blocks && f && f->positions == 1 && f->groups == 1 ? reader : NULL;
}

void nnc_round_row(const struct nnc_layer *reader, size_t i, const float *x) {
    const struct nnc_rounded *r = reader->rounded;
    round_map(&r->x_frame, x, r->x + i * r->ldx);
}

void nnc_round_block(const struct nnc_layer *reader, const struct nnc_layer *writer, size_t m, size_t n, struct nnc_read a) {
    const struct nnc_rounded *r = reader->rounded;
    const size_t at = (size_t)(a.at - writer->a), i = at / writer->ld, j = at % writer->ld;
    const bool by_rows = a.ld == writer->ld;
    const struct nnc_frame row = nnc_flat(reader->I);
    if (!memcmp(&r->x_frame, &row, sizeof row))
        nnc_kernels->round_bf16(m, n, a, r->x + i * r->ldx + j, by_rows ? r->ldx : a.ld);
    else
        for (size_t q = 0; q < (by_rows ? m : 1); q++)
            round_part(&r->x_frame, j, by_rows ? n : m * n, a.at + q * a.ld, r->x + (i + q) * r->ldx);
}

/* Has the code that wrote the input of layer l made its copy? */
static bool is_copied(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    size_t after = l;
    while (after && nnc_is_idle(plan, after - 1, pass)) after--;
    const struct nnc_layer *reader = after ? nnc_reader_of(plan, after - 1, pass) : nnc_reader_of_batch(plan, pass);
    return reader == &plan->layers[l];
}

void nnc_round_input(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    size_t first, last;
    if (!layer->rounded || is_copied(plan, l, pass)) return;
    const struct nnc_read x = nnc_input(plan, l, pass);
    nnc_share(worker, pass->m, &first, &last);
    for (size_t i = first; i < last; i++) nnc_round_row(layer, i, x.at + i * x.ld);
    nnc_team_barrier(worker);
}

/* Transposes features [f, f + n) of all m samples: n <= PANEL. Pairs of samples are moved together. */
static void transpose(const struct nnc_rounded *r, size_t m, size_t f, size_t n) {
    enum { PAIRS = BF16_STEP / 2 };
    float pairs[PAIRS * PANEL]; /* pairs of bfloat16, moved as floats */
    const size_t samples = nnc_round_up(m, BF16_STEP);
    for (size_t i = 0; i < samples; i += BF16_STEP) {
        for (size_t p = 0; p < PAIRS; p++) {
            const size_t at = i + 2 * p;
            const uint16_t *even = r->x + at * r->ldx + f;
            if (at < m) nnc_kernels->pair_halves(n, even, at + 1 < m ? even + r->ldx : NULL, pairs + p * PANEL);
            else memset(pairs + p * PANEL, 0, n * sizeof *pairs);
        }
        void *to = r->transposed + f * samples + i;
        nnc_kernels->products[PRECISION_float32].pack(PAIRS, n, (struct nnc_read){pairs, PANEL}, to, samples / 2);
    }
}

void nnc_round_gradient(const struct nnc_layer *layer, size_t m, struct nnc_worker *worker) {
    const struct nnc_rounded *r = layer->rounded;
    size_t first, last;
    if (!r) return;
    nnc_share(worker, nnc_round_up(m, BF16_STEP) / 2, &first, &last);
    for (size_t p = first; p < last; p++) {
        const float *even = layer->da + 2 * p * layer->ld, *odd = even + layer->ld;
        if (2 * p < m) nnc_kernels->pair_bf16(layer->O, even, 2 * p + 1 < m ? odd : NULL, r->pairs + p * layer->ld);
        else memset(r->pairs + p * layer->ld, 0, layer->O * sizeof *r->pairs);
        for (size_t i = 2 * p; i < least(2 * p + 2, m) && r->dz; i++)
            round_map(&r->dz_frame, layer->da + i * layer->ld, r->dz + i * r->ldz);
    }
    nnc_share(worker, nnc_parts(r->ldx, PANEL), &first, &last);
    for (size_t f = first * PANEL; f < least(last * PANEL, r->ldx); f += PANEL) transpose(r, m, f, least(PANEL, r->ldx - f));
    nnc_team_barrier(worker);
}

struct nnc_operand nnc_input_of_forward(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    const struct nnc_rounded *r = plan->layers[l].rounded;
    if (r) return (struct nnc_operand){r->x, r->ldx, 1};
    const struct nnc_read x = nnc_input(plan, l, pass);
    return (struct nnc_operand){x.at, x.ld, 1};
}

struct nnc_operand nnc_input_of_gradient(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass) {
    const struct nnc_rounded *r = plan->layers[l].rounded;
    if (r) return (struct nnc_operand){r->transposed, 1, nnc_round_up(pass->m, BF16_STEP)};
    return nnc_input_of_forward(plan, l, pass);
}

struct nnc_operand nnc_gradient_of_input(const struct nnc_layer *layer) {
    const struct nnc_rounded *r = layer->rounded;
    return r ? (struct nnc_operand){r->dz, r->ldz, 1} : (struct nnc_operand){layer->da, layer->ld, 1};
}

struct nnc_operand nnc_gradient_of_kernel(const struct nnc_layer *layer) {
    const struct nnc_rounded *r = layer->rounded;
    return r ? (struct nnc_operand){r->pairs, layer->ld, 2} : (struct nnc_operand){layer->da, layer->ld, 1};
}
