/* augmentation.c -- random changes of the samples in training: turned, zoomed and shifted images.
 *
 * Places on a map are worked out in float64, as the reference has them, and by + - * / alone, so that they are the same on
 * every machine. No gradient goes back: there is nothing to learn before. */

#include <math.h>
#include <string.h>

#include "plan.h"

int nnc_fill_id(const char *name) {
    static const char *const names[N_FILLS] = {"constant", "nearest", "reflect", "wrap"};
    for (int i = 0; i < N_FILLS; i++)
        if (!strcmp(name, names[i])) return i;
    return -1;
}

/* Pixel (oy, ox) of the result shows place (cy + zoom[0] (cos v + sin u), cx + zoom[1] (cos u - sin v)) of the map, where
 * (v, u) = (oy - cy - shift[0], ox - cx - shift[1]) and (cy, cx) is the map's centre. */
struct view {
    double sin, cos, zoom[2], shift[2], center[2];
};

/* Sine and cosine of a turn: of what is left of the nearest quarter, at most pi / 4, by their series. */
static void sine_cosine(double turn, double *sine, double *cosine) {
    const double quarters = floor(4 * turn + 0.5), t = 6.283185307179586477 * (turn - quarters / 4), t2 = t * t;
    double s = 1, c = 1;
    for (int k = 16; k >= 2; k -= 2) {
        s = 1 - t2 / (k * (k + 1)) * s;
        c = 1 - t2 / ((k - 1) * k) * c;
    }
    s *= t;
    switch ((int)quarters & 3) {
    case 0: *sine = s, *cosine = c; break;
    case 1: *sine = c, *cosine = -s; break;
    case 2: *sine = -s, *cosine = -c; break;
    default: *sine = -c, *cosine = s; break;
    }
}

/* The view of sample i, by words 8 i, ..., 8 i + 4 of the layer's stream. */
static struct view draw_view(const struct nnc_layer *layer, const struct nnc_stream *stream, size_t i) {
    const nnc_affine *affine = &layer->spec.affine;
    const double *ranges[] = {affine->rotation, affine->zoom[0], affine->zoom[1], affine->shift[0], affine->shift[1]};
    const double height = (double)layer->spec.geometry.height, width = (double)layer->spec.geometry.width;
    uint32_t words[5];
    double values[5];
    nnc_kernels->random_words(stream->key, stream->counter, 8 * i, 5, words);
    for (int k = 0; k < 5; k++) values[k] = ranges[k][0] + words[k] * 0x1p-32 * (ranges[k][1] - ranges[k][0]);
    struct view view = {.zoom = {1 + values[1], 1 + values[affine->one_zoom ? 1 : 2]},
                        .shift = {values[3] * height, values[4] * width},
                        .center = {(height - 1) / 2, (width - 1) / 2}};
    sine_cosine(values[0], &view.sin, &view.cos);
    return view;
}

static ptrdiff_t floor_of(double t) {
    const ptrdiff_t i = (ptrdiff_t)t;
    return i - (t < (double)i);
}

static ptrdiff_t modulo(ptrdiff_t i, ptrdiff_t n) {
    return i % n < 0 ? i % n + n : i % n;
}

/* The pixel, of n along an axis, that is seen at i; -1: none. */
static ptrdiff_t seen(ptrdiff_t i, size_t size, int fill) {
    const ptrdiff_t n = (ptrdiff_t)size;
    if (i >= 0 && i < n) return i;
    switch (fill) {
    case FILL_NEAREST: return i < 0 ? 0 : n - 1;
    case FILL_REFLECT: i = modulo(i, 2 * n); return i < n ? i : 2 * n - 1 - i;
    case FILL_WRAP: return modulo(i, n);
    default: return -1;
    }
}

/* What is seen at (row, column): (channels) floats of the sample x, or the pixel beyond the edge. */
static const float *pixel(const struct nnc_layer *layer, const float *x, ptrdiff_t row, ptrdiff_t column) {
    const nnc_geometry *g = &layer->spec.geometry;
    const int fill = layer->spec.affine.fill;
    row = seen(row, g->height, fill), column = seen(column, g->width, fill);
    return row < 0 || column < 0 ? layer->beyond : x + ((size_t)row * g->width + (size_t)column) * g->channels;
}

/* Row oy of a sample: y (width, channels). */
static void draw_row(const struct nnc_layer *layer, const struct view *view, const float *x, size_t oy, float *y) {
    const nnc_geometry *g = &layer->spec.geometry;
    const double v = (double)oy - view->center[0] - view->shift[0];
    const ptrdiff_t last_row = (ptrdiff_t)g->height - 1, last_column = (ptrdiff_t)g->width - 1;
    for (size_t ox = 0; ox < g->width; ox++, y += g->channels) {
        const double u = (double)ox - view->center[1] - view->shift[1];
        const double iy = view->center[0] + view->zoom[0] * (view->cos * v + view->sin * u);
        const double ix = view->center[1] + view->zoom[1] * (view->cos * u - view->sin * v);
        if (!layer->spec.affine.bilinear) {
            memcpy(y, pixel(layer, x, floor_of(iy + 0.5), floor_of(ix + 0.5)), g->channels * sizeof *y);
            continue;
        }
        const ptrdiff_t row = floor_of(iy), column = floor_of(ix);
        const float down = (float)(iy - (double)row), right = (float)(ix - (double)column);
        const float up = 1 - down, left = 1 - right;
        const bool inside = row >= 0 && row < last_row && column >= 0 && column < last_column;
        const float *p = inside ? x + ((size_t)row * g->width + (size_t)column) * g->channels : pixel(layer, x, row, column);
        const float *q = inside ? p + g->channels : pixel(layer, x, row, column + 1);
        const float *r = inside ? p + g->width * g->channels : pixel(layer, x, row + 1, column);
        const float *s = inside ? r + g->channels : pixel(layer, x, row + 1, column + 1);
        for (size_t c = 0; c < g->channels; c++)
            y[c] = up * left * p[c] + up * right * q[c] + down * left * r[c] + down * right * s[c];
    }
}

void nnc_random_affine_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_stream stream = nnc_stream_of(plan, l, pass);
    const size_t height = layer->spec.geometry.height, width = layer->O / height;
    size_t ldx, first, last;
    const float *x = nnc_input(plan, l, pass, &ldx);
    nnc_share(worker, pass->m * height, &first, &last);
    struct view view = {0};
    for (size_t row = first; row < last; row++) {
        const size_t i = row / height, oy = row % height;
        float *y = layer->a + i * layer->ld + oy * width;
        if (pass->training && (row == first || oy == 0)) view = draw_view(layer, &stream, i);
        if (pass->training) draw_row(layer, &view, x + i * ldx, oy, y);
        else memcpy(y, x + i * ldx + oy * width, width * sizeof *y);
    }
}

void nnc_random_affine_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    (void)plan, (void)l, (void)pass, (void)worker;
}
