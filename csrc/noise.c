/* noise.c -- the layers gaussian_noise and gaussian_dropout: a = x + s z and a = x (1 + s z) in training, z standard normal.
 *
 * z of element e of the batch, in row-major order, is sqrt(-2 ln u) cos(2 pi v) with u = (word 2 e + 1) / 2^32 and v = word
 * (2 e + 1) / 2^32 of the random stream of (seed, layer, step, epoch) (Box and Muller 1958), computed in float64. */

#include <math.h>

#include "activation.h"

enum { SOME = 64, WORK_OF_A_NUMBER = 32 }; /* random numbers generated at a time; the cost of one, in multiply-adds */

struct noise {
    float stddev; /* s */
};

static const struct nnc_field fields[] = {FIELD(struct noise, stddev, FLOAT)};

static struct nnc_fault settle(struct nnc_layer *layer) {
    const struct noise *own = layer->own;
    if (!(own->stddev >= 0 && isfinite(own->stddev)))
        return (struct nnc_fault){"stddev must be at least 0, of features", layer->I};
    return (struct nnc_fault){0};
}

/* z[j] = s times the random number of element first + j, j < n <= SOME. */
static void draw(const struct noise *own, const struct nnc_stream *stream, size_t first, size_t n, float *z) {
    uint32_t words[2 * SOME];
    nnc_kernels->random_words(stream, 2 * first, 2 * n, words);
    for (size_t j = 0; j < n; j++) {
        const double u = (words[2 * j] + 1.0) * 0x1p-32, v = words[2 * j + 1] * 0x1p-32;
        z[j] = (float)((double)own->stddev * sqrt(-2 * log(u)) * cos(6.283185307179586477 * v));
    }
}

static void add(size_t n, const float *x, const float *z, float *d, float *a) {
    (void)d;
    for (size_t j = 0; j < n; j++) a[j] = x[j] + z[j];
}

static void scale(size_t n, const float *x, const float *z, float *d, float *a) {
    for (size_t j = 0; j < n; j++) d[j] = 1 + z[j], a[j] = x[j] * d[j];
}

typedef void combine(size_t n, const float *x, const float *z, float *d, float *a);

static void run(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker, combine *with) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_stream stream = nnc_stream_of(plan, l, pass);
    const struct nnc_read x = nnc_input(plan, l, pass);
    size_t i0, i1;
    nnc_share(worker, pass->m, &i0, &i1);
    for (size_t i = i0; i < i1 && !nnc_stopped(worker, WORK_OF_A_NUMBER * layer->O); i++) {
        float *a = layer->a + i * layer->ld, *d = layer->d ? layer->d + i * layer->ld : NULL;
        for (size_t j = 0; j < layer->O; j += SOME) {
            const size_t n = least(SOME, layer->O - j);
            float z[SOME] = {0};
            if (pass->training) draw(layer->own, &stream, i * layer->O + j, n, z);
            with(n, x.at + i * x.ld + j, z, d ? d + j : NULL, a + j);
        }
    }
}

static void noise_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    run(plan, l, pass, worker, add);
}

static void dropout_forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    run(plan, l, pass, worker, scale);
}

static void noise_backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l], *before = layer - 1;
    size_t i0, i1;
    if (!layer->needs_dx) return;
    nnc_share(worker, pass->m, &i0, &i1);
    const struct nnc_read da = nnc_reading(nnc_rows_of(layer, layer->da, i0));
    nnc_copy_rows(i1 - i0, layer->O, da, nnc_rows_of(before, before->da, i0));
}

const struct nnc_layer_kind nnc_layer_gaussian_noise = {
    .name = "gaussian_noise",
    .flags = LAYER_TRAINING_ONLY,
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .own_size = sizeof(struct noise),
    .settle = settle,
    .forward = noise_forward,
    .backward = noise_backward,
};

const struct nnc_layer_kind nnc_layer_gaussian_dropout = {
    .name = "gaussian_dropout",
    .flags = LAYER_KEEPS_D | LAYER_TRAINING_ONLY,
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .own_size = sizeof(struct noise),
    .settle = settle,
    .forward = dropout_forward,
    .backward = nnc_multiply_by_d,
};
