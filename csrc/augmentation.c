/* augmentation.c -- random transformations of the samples in training: rotated, zoomed, shifted and flipped images.
 *
 * Coordinates on a map are computed in float64, as in the reference, and with + - * / only, so that they are the same on
 * every machine. There is no gradient for the inputs: no layer before has parameters. */

#include <math.h>
#include <string.h>

#include "geometry.h"
#include "network.h"

enum fill { FILL_CONSTANT, FILL_NEAREST, FILL_REFLECT, FILL_WRAP, N_FILLS };
enum interpolation { NEAREST, BILINEAR, N_INTERPOLATIONS };
enum { WORK_OF_A_PIXEL = 16 }; /* cost of a float of an image, in multiply-adds */

/* Ranges [lo, hi]. rotation: in turns, counter-clockwise; zoom: the content becomes 1 / (1 + zoom) times as large; shift: down
 * and to the right, as fractions of the map. */
struct affine {
    double rotation[2], zoom_height[2], zoom_width[2], shift_height[2], shift_width[2];
    bool flip_height, flip_width; /* flip vertically, horizontally, each with probability 1/2 */
    int fill;          /* how pixels outside the map are filled */
    float fill_value;
    int interpolation;
    float *beyond;     /* (channels) the constant pixel outside the map */
};

static int fill_id(const char *name) {
    static const char *const names[N_FILLS] = {"constant", "nearest", "reflect", "wrap"};
    return nnc_place_of(name, names, N_FILLS);
}

static int interpolation_id(const char *name) {
    static const char *const names[N_INTERPOLATIONS] = {"nearest", "bilinear"};
    return nnc_place_of(name, names, N_INTERPOLATIONS);
}

static const struct nnc_field fields[] = {
    FIELD(struct affine, rotation, PAIR),
    FIELD(struct affine, zoom_height, PAIR),
    OPTIONAL_FIELD(struct affine, zoom_width, PAIR), /* missing: the width uses the number drawn for the height */
    FIELD(struct affine, shift_height, PAIR),
    FIELD(struct affine, shift_width, PAIR),
    OPTIONAL_FIELD(struct affine, flip_height, FLAG),
    OPTIONAL_FIELD(struct affine, flip_width, FLAG),
    {.name = "fill", .type = FIELD_WORD, .offset = offsetof(struct affine, fill), .look_up = fill_id},
    FIELD(struct affine, fill_value, FLOAT),
    {.name = "interpolation",
     .type = FIELD_WORD,
     .offset = offsetof(struct affine, interpolation),
     .look_up = interpolation_id},
};

/* __builtin_nanf, since NAN is not a constant in some versions of Windows's headers. */
static const struct affine defaults = {.zoom_width = {__builtin_nanf(""), __builtin_nanf("")}};

static bool is_range(const double range[2], double low) {
    const double high = 1000; /* coordinates on a map, times zoom, are exact integers in float64 */
    return range[0] > low && range[0] <= range[1] && range[1] < high;
}

static bool one_zoom(const struct affine *own) {
    return isnan(own->zoom_width[0]);
}

static struct nnc_fault settle(struct nnc_layer *layer) {
    const struct affine *own = layer->own;
    const double *zoom_width = one_zoom(own) ? own->zoom_height : own->zoom_width;
    if (!is_range(own->rotation, -1000) || !is_range(own->zoom_height, -1) || !is_range(zoom_width, -1) ||
        !is_range(own->shift_height, -1000) || !is_range(own->shift_width, -1000))
        return (struct nnc_fault){"random_affine's ranges must rise, below 1000, with zooms above -1", 0};
    return nnc_check_map(&layer->geometry, layer->I);
}

static void lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    struct affine *own = layer->own;
    const size_t channels = layer->geometry.channels;
    (void)B;
    own->beyond = nnc_take_floats(arena, channels);
    for (size_t c = 0; own->beyond && c < channels; c++) own->beyond[c] = own->fill_value;
}

/* Pixel (oy, ox) of the result samples the map at (cy + zoom[0] (cos v + sin u), cx + zoom[1] (cos u - sin v)), where
 * (v, u) = (oy - cy - shift[0], ox - cx - shift[1]) and (cy, cx) is the center of the map. */
struct view {
    double sin, cos, zoom[2], shift[2], center[2];
};

/* Sine and cosine of an angle in turns: reduced by the nearest quarter turn to at most pi / 4, then by their series. */
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

/* Draws the view of sample i from words 8 i, ..., 8 i + 6 of the layer's stream. A flip is a negative zoom. */
static struct view draw_view(const struct nnc_layer *layer, const struct nnc_stream *stream, size_t i) {
    const struct affine *own = layer->own;
    const double *zoom_width = one_zoom(own) ? own->zoom_height : own->zoom_width;
    const double *ranges[] = {own->rotation, own->zoom_height, zoom_width, own->shift_height, own->shift_width};
    const double height = (double)layer->geometry.height, width = (double)layer->geometry.width;
    uint32_t words[7];
    double values[5];
    nnc_kernels->random_words(stream, 8 * i, 7, words);
    for (int k = 0; k < 5; k++) values[k] = ranges[k][0] + words[k] * 0x1p-32 * (ranges[k][1] - ranges[k][0]);
    struct view view = {.zoom = {1 + values[1], 1 + values[one_zoom(own) ? 1 : 2]},
                        .shift = {values[3] * height, values[4] * width},
                        .center = {(height - 1) / 2, (width - 1) / 2}};
    if (own->flip_height && words[5] >> 31) view.zoom[0] = -view.zoom[0];
    if (own->flip_width && words[6] >> 31) view.zoom[1] = -view.zoom[1];
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

/* The pixel, of `size` along an axis, that fills index i; -1: none. */
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

/* The pixel at (row, column): (channels) floats of the sample x, or the constant pixel outside the map. */
static const float *pixel(const struct nnc_layer *layer, const float *x, ptrdiff_t row, ptrdiff_t column) {
    const struct affine *own = layer->own;
    const nnc_geometry *g = &layer->geometry;
    row = seen(row, g->height, own->fill), column = seen(column, g->width, own->fill);
    return row < 0 || column < 0 ? own->beyond : x + ((size_t)row * g->width + (size_t)column) * g->channels;
}

/* Computes row oy of a sample: y (width, channels). */
static void draw_row(const struct nnc_layer *layer, const struct view *view, const float *x, size_t oy, float *y) {
    const struct affine *own = layer->own;
    const nnc_geometry *g = &layer->geometry;
    const double v = (double)oy - view->center[0] - view->shift[0];
    const ptrdiff_t last_row = (ptrdiff_t)g->height - 1, last_column = (ptrdiff_t)g->width - 1;
    for (size_t ox = 0; ox < g->width; ox++, y += g->channels) {
        const double u = (double)ox - view->center[1] - view->shift[1];
        const double iy = view->center[0] + view->zoom[0] * (view->cos * v + view->sin * u);
        const double ix = view->center[1] + view->zoom[1] * (view->cos * u - view->sin * v);
        if (own->interpolation == NEAREST) {
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

static void forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_stream stream = nnc_stream_of(plan, l, pass);
    const size_t height = layer->geometry.height, width = layer->O / height;
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t first, last;
    nnc_share(worker, pass->m * height, &first, &last);
    struct view view = {0};
    for (size_t row = first; row < last && !nnc_stopped(worker, WORK_OF_A_PIXEL * width); row++) {
        const size_t i = row / height, oy = row % height;
        float *y = layer->a + i * layer->ld + oy * width;
        if (pass->training && (row == first || oy == 0)) view = draw_view(layer, &stream, i);
        if (pass->training) draw_row(layer, &view, x.at + i * x.ld, oy, y);
        else memcpy(y, x.at + i * x.ld + oy * width, width * sizeof *y);
    }
}

const struct nnc_layer_kind nnc_layer_random_affine = {
    .name = "random_affine",
    .flags = LAYER_TRAINING_ONLY | LAYER_STOPS_GRADIENT,
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .own_size = sizeof(struct affine),
    .defaults = &defaults,
    .has_geometry = true,
    .settle = settle,
    .lay_out = lay_out,
    .forward = forward,
};
