/* test_core.c -- the core without Python: products next to inaccessible pages, training that converges, bitwise equal results
 * for any number of threads, errors. Exits with 1 if a check fails. */

#define _GNU_SOURCE
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "team_size.h"
#include "test/pages.h"

static int failures, checks;

#define CHECK(condition, ...)                                            \
    do {                                                                 \
        checks++;                                                        \
        if (!(condition)) {                                              \
            failures++;                                                  \
            printf("%s:%d: %s fails: ", __func__, __LINE__, #condition); \
            printf(__VA_ARGS__);                                         \
            putchar('\n');                                               \
        }                                                                \
    } while (0)

/* A small linear congruential generator: integers from -3 to 3, exact in any order of summation. */
static uint32_t state = 1;

static float small_integer(void) {
    state = state * 1664525u + 1013904223u;
    return (float)((int)((state >> 16) % 7) - 3);
}

/* n floats that end (or begin) directly at an inaccessible page. */
struct guarded {
    char *pages;
    size_t bytes;
    float *floats;
};

static struct guarded guard(size_t n, bool at_end) {
    const size_t page = page_size(), body = (n * sizeof(float) + page - 1) / page * page;
    struct guarded g = {.bytes = body + 2 * page};
    g.pages = map_pages(g.bytes);
    if (!g.pages || !forbid_pages(g.pages, page) || !forbid_pages(g.pages + page + body, page)) abort();
    g.floats = (float *)(void *)(g.pages + page + (at_end ? body - n * sizeof(float) : 0));
    for (size_t i = 0; i < n; i++) g.floats[i] = small_integer();
    return g;
}

static void unguard(struct guarded *g) {
    unmap_pages(g->pages, g->bytes);
}

/* gemm's contract: nothing beyond a (m, k) and c (m, n) is accessed; b's rows have PANEL floats. The arrays of several segments
 * follow each other. */
static void test_gemm_stays_inside(void) {
    const int mr = nnc_isa_tile_rows();
    const size_t sizes[] = {1, 2, 3, (size_t)mr - 1, (size_t)mr, (size_t)mr + 1, (size_t)(4 * mr) + 1};
    const size_t widths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32};
    const float zeros[PANEL] = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof widths / sizeof *widths; j++)
            for (size_t k = 1; k < 20; k += 6)
                for (int variant = 0; variant < 8; variant++) {
                    const size_t m = sizes[i], n = widths[j], segments = variant & 4 ? 3 : 1;
                    const bool at_end = variant & 1, by_rows = variant & 2;
                    struct guarded a = guard(segments * m * k, at_end), b = guard(segments * k * PANEL, at_end);
                    struct guarded c = guard(m * n, at_end);
                    const struct nnc_product product = {.m = m,
                                                        .n = n,
                                                        .k = k,
                                                        .segments = segments,
                                                        .blocks = 1,
                                                        .rs = by_rows ? k : 1,
                                                        .cs = by_rows ? 1 : m,
                                                        .a_segment = m * k,
                                                        .ldb = PANEL,
                                                        .b_segment = k * PANEL,
                                                        .ldc = n};
                    nnc_kernels->products[PRECISION_float32].gemm(&product, a.floats, b.floats, zeros, c.floats);
                    bool right = true;
                    for (size_t r = 0; r < m; r++)
                        for (size_t q = 0; q < n; q++) {
                            float sum = 0;
                            for (size_t s = 0; s < segments; s++)
                                for (size_t p = 0; p < k; p++)
                                    sum += a.floats[s * m * k + r * product.rs + p * product.cs] *
                                           b.floats[(s * k + p) * PANEL + q];
                            right = right && c.floats[r * n + q] == sum;
                        }
                    CHECK(right, "%s m %zu n %zu k %zu variant %d", nnc_isa_name(), m, n, k, variant);
                    unguard(&a), unguard(&b), unguard(&c);
                }
}

static uint16_t some_bf16(void) {
    const float x = small_integer() / 3 + small_integer() / 1000;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static float widened(uint16_t half) {
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Adds a segment to a sum: in steps of 32, the terms of even k and those of odd k are summed, and both are added. */
static float bf16_sum(float sum, size_t k, const uint16_t *a, const uint16_t *b, size_t j) {
    for (size_t step = 0; step < k; step += BF16_STEP) {
        float chains[2] = {0, 0};
        for (size_t p = step; p < k && p < step + BF16_STEP; p++)
            chains[p % 2] = fmaf(widened(a[p]), widened(b[p / 2 * 2 * PANEL + 2 * j + p % 2]), chains[p % 2]);
        sum += chains[0] + chains[1];
    }
    return sum;
}

/* Products of bfloat16, of the instruction set and of AMX, compared with the formula: nothing beyond a (m, k rounded up to 32),
 * b (as many rows of PANEL, zeros after k) and c (m, n) is accessed. Each segment of a begins `apart` rows after the one before,
 * at most after its m rows. */
static void test_bf16_products(const struct nnc_products *products, size_t apart_at_most) {
    const size_t sizes[] = {1, 2, 5, 6, 7, 15, 16, 17, 31, 33, 48, 64, 67}, widths[] = {1, 7, 16, 17, 32},
                 depths[] = {0, 1, 31, 32, 33, 70};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
            for (size_t d = 0; d < sizeof depths / sizeof *depths; d++)
                for (size_t segments = 1; segments < 4; segments += 2) {
                    const size_t m = sizes[i], n = widths[w], k = depths[d], padded = (k + 31) / 32 * 32;
                    const size_t apart = m < apart_at_most ? m : apart_at_most, rows = (segments - 1) * apart + m;
                    struct guarded a = guard(rows * padded / 2, true), b = guard(segments * padded * PANEL / 2, true);
                    struct guarded c = guard(m * n, true), init = guard(n, true);
                    uint16_t *as = (uint16_t *)(void *)a.floats, *bs = (uint16_t *)(void *)b.floats;
                    for (size_t q = 0; q < rows * padded; q++) as[q] = q % 7 ? some_bf16() : 0;
                    for (size_t q = 0; q < segments * padded * PANEL; q++) {
                        const size_t p = q / (2 * PANEL) * 2 + q % 2;
                        bs[q] = (padded ? p % padded : 0) < k ? some_bf16() : 0;
                    }
                    const struct nnc_product product = {.m = m,
                                                        .n = n,
                                                        .k = k,
                                                        .segments = segments,
                                                        .blocks = 1,
                                                        .rs = padded,
                                                        .cs = 1,
                                                        .a_segment = apart * padded,
                                                        .ldb = PANEL,
                                                        .b_segment = padded * PANEL,
                                                        .ldc = n};
                    if (products->begin) products->begin();
                    products->gemm(&product, as, bs, init.floats, c.floats);
                    if (products->end) products->end();
                    bool right = true;
                    for (size_t r = 0; r < m; r++)
                        for (size_t j = 0; j < n; j++) {
                            float sum = 0;
                            for (size_t s = 0; s < segments; s++)
                                sum = bf16_sum(sum, k, as + (s * apart + r) * padded, bs + s * padded * PANEL, j);
                            sum += init.floats[j];
                            right = right && !memcmp(&sum, c.floats + r * n + j, sizeof sum);
                        }
                    CHECK(right, "%s m %zu n %zu k %zu segments %zu, %zu apart", products->name, m, n, k, segments, apart);
                    unguard(&a), unguard(&b), unguard(&c), unguard(&init);
                }
}

static void test_bf16(void) {
    static const char *const names[] = {"exact", "amx"};
    char message[NNC_MESSAGE];
    for (int i = 0; i < 2; i++)
        if (nnc_choose_bf16(names[i], message) == NNC_OK) {
            test_bf16_products(nnc_products(PRECISION_bfloat16), SIZE_MAX);
            test_bf16_products(nnc_products(PRECISION_bfloat16), 16); /* rows that shift */
            printf("    bfloat16: %s\n", nnc_bf16_name(message));
        }
    CHECK(nnc_choose_bf16("tpu", message) == NNC_INVALID && strstr(message, "got 'tpu'"), "%s", message);
    CHECK(nnc_choose_bf16(NULL, message) == NNC_OK || strstr(message, "use float32"), "%s", message);
}

/* nnc_gemm accesses nothing beyond the matrices, stored by rows or by columns, with and without init. */
static void test_matrices_stay_inside(void) {
    const size_t shapes[][3] = {
        /* m, k, n: read in place, packed, transposed; of one panel and of several */
        {1, 1, 1},   {2, 0, 3},    {3, 5, 31},   {5, 1, 33},    {30, 7, 10},  {29, 1, 1},   {40, 100, 10}, {33, 200, 1},
        {61, 90, 3}, {70, 30, 28}, {65, 90, 17}, {28, 600, 70}, {29, 40, 40}, {7, 600, 10}, {100, 2, 32},  {64, 1100, 12},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int variant = 0; variant < 16; variant++) {
            const size_t m = shapes[s][0], k = shapes[s][1], n = shapes[s][2];
            const bool at_end = variant & 1, a_rows = variant & 2, b_rows = variant & 4, starts = variant & 8;
            struct guarded a = guard(m * k, at_end), b = guard(k * n, at_end), c = guard(m * n, at_end),
                           init = guard(n, at_end);
            const nnc_matrix left = {a.floats, m, k, a_rows ? k : 1, a_rows ? 1 : m};
            const nnc_matrix right = {b.floats, k, n, b_rows ? n : 1, b_rows ? 1 : k};
            CHECK(nnc_gemm(&left, &right, starts ? init.floats : NULL, c.floats, n) == NNC_OK, "shape %zu", s);
            bool equal = true;
            for (size_t i = 0; i < m; i++)
                for (size_t j = 0; j < n; j++) {
                    float sum = starts ? init.floats[j] : 0;
                    for (size_t p = 0; p < k; p++)
                        sum += a.floats[i * left.rs + p * left.cs] * b.floats[p * right.rs + j * right.cs];
                    equal = equal && c.floats[i * n + j] == sum;
                }
            CHECK(equal, "%s m %zu k %zu n %zu variant %d", nnc_isa_name(), m, k, n, variant);
            unguard(&a), unguard(&b), unguard(&c), unguard(&init);
        }
}

static void test_elementwise_stays_inside(void) {
    for (size_t n = 1; n < 70; n++)
        for (int id = 0; id < N_ACTIVATIONS; id++) {
            struct guarded z = guard(n, true), a = guard(n, true), da = guard(n, true);
            nnc_activation_forward(id, 1, n, z.floats, a.floats, 0.5f);
            struct guarded dz = guard(n, true);
            CHECK(nnc_activation_backward(id, 1, n, z.floats, NULL, da.floats, dz.floats, 0.5f) == NNC_OK, "%d", id);
            bool finite = true;
            for (size_t i = 0; i < n; i++) finite = finite && isfinite(dz.floats[i]);
            CHECK(finite, "%s activation %d of %zu", nnc_isa_name(), id, n);
            const bool keeps_d = nnc_activation_keeps_d(id);
            const nnc_status status = nnc_activation_backward(id, 1, n, NULL, a.floats, da.floats, a.floats, 0.5f);
            CHECK(status == (keeps_d ? NNC_INVALID : NNC_OK), "%d", id);
            CHECK(keeps_d || !memcmp(a.floats, dz.floats, n * sizeof(float)), "%s activation %d of %zu", nnc_isa_name(), id, n);
            unguard(&z), unguard(&a), unguard(&da), unguard(&dz);
        }
    for (size_t n = 1; n < 70; n++) {
        struct guarded x = guard(n, true), y = guard(n, true);
        CHECK(nnc_kernels->copy_within(n, x.floats, -3, 3, y.floats), "%s %zu", nnc_isa_name(), n);
        CHECK(!memcmp(x.floats, y.floats, n * sizeof(float)), "%s %zu", nnc_isa_name(), n);
        for (size_t i = 0; i < n; i++) {
            const float kept = x.floats[i];
            x.floats[i] = i % 2 ? NAN : 3.5f;
            CHECK(!nnc_kernels->copy_within(n, x.floats, -3, 3, y.floats), "%s %zu of %zu", nnc_isa_name(), i, n);
            x.floats[i] = kept;
        }
        unguard(&x), unguard(&y);
    }
}

/* Specifications as text: "dense units=130 activation=gelu rotation=-0.1:0.1"; the struct owns their memory. */
struct specs {
    char text[4096];
    nnc_setting settings[128];
    nnc_spec specs[16];
    size_t used, n_settings, n;
};

static const nnc_spec *add_spec(struct specs *s, const char *text) {
    char *at = s->text + s->used;
    const size_t length = strlen(text) + 1;
    if (s->used + length > sizeof s->text || s->n == sizeof s->specs / sizeof *s->specs) abort();
    memcpy(at, text, length);
    s->used += length;
    nnc_spec *spec = &s->specs[s->n++];
    *spec = (nnc_spec){.name = strtok(at, " "), .settings = s->settings + s->n_settings};
    for (char *word; (word = strtok(NULL, " ")); spec->n_settings++) {
        char *value = strchr(word, '='), *end;
        if (s->n_settings == sizeof s->settings / sizeof *s->settings) abort();
        *value++ = 0;
        nnc_setting *setting = &s->settings[s->n_settings++];
        *setting = (nnc_setting){.name = word};
        setting->values[0] = strtod(value, &end);
        if (end == value) setting->word = value;
        for (setting->n_values = 1; !setting->word && *end == ':'; setting->n_values++) {
            if (setting->n_values == NNC_MAX_VALUES) abort();
            setting->values[setting->n_values] = strtod(end + 1, &end);
        }
    }
    return spec;
}

static const nnc_spec *add_layer(struct specs *s, const char *kind, const nnc_geometry *g) {
    char text[512];
    snprintf(text, sizeof text,
             "%s height=%zu width=%zu channels=%zu kernel_height=%zu kernel_width=%zu stride_height=%zu stride_width=%zu "
             "dilation_height=%zu dilation_width=%zu pad_top=%td pad_left=%td out_height=%zu out_width=%zu",
             kind, g->height, g->width, g->channels, g->kernel_height, g->kernel_width, g->stride_height, g->stride_width,
             g->dilation_height, g->dilation_width, g->pad_top, g->pad_left, g->out_height, g->out_width);
    return add_spec(s, text);
}

static const nnc_spec *add_convolution(struct specs *s, size_t filters, size_t groups, const nnc_geometry *g) {
    char kind[64];
    snprintf(kind, sizeof kind, "conv2d use_bias=0 filters=%zu groups=%zu", filters, groups);
    return add_layer(s, kind, g);
}

enum { N = 97, INPUTS = 20, CLASSES = 3 };

/* Trains a net on three separable classes; returns the mean loss of the last epoch and the weights of the first layer. */
static double train(int threads, float *weights) {
    static float x[N * INPUTS];
    static int32_t ids[N];
    struct specs layers = {0}, others = {0};
    add_spec(&layers, "dense units=130 use_bias=1 activation=gelu");
    add_spec(&layers, "dropout rate=0.1");
    add_spec(&layers, "dense units=3 use_bias=1 activation=softmax group=3 kernel_l2=1e-4");
    const nnc_spec *loss = add_spec(&others, "categorical_crossentropy"), *accuracy = add_spec(&others, "categorical_accuracy");
    const nnc_spec *sgd = add_spec(&others, "sgd momentum=0.9");
    const nnc_plan_spec spec = {.n_inputs = INPUTS,
                                .n_layers = 3,
                                .layers = layers.specs,
                                .loss = loss,
                                .n_metrics = 1,
                                .metrics = accuracy,
                                .optimizer = sgd,
                                .batch_size = 32,
                                .seed = 5};
    char message[NNC_MESSAGE];
    nnc_plan *plan;
    nnc_set_threads(threads);
    CHECK(nnc_plan_create(&plan, &spec, message) == NNC_OK, "%s", message);
    state = 7;
    for (int i = 0; i < N; i++) {
        ids[i] = i % CLASSES;
        for (int f = 0; f < INPUTS; f++) x[i * INPUTS + f] = 0.3f * small_integer() + (f % CLASSES == ids[i] ? 1.0f : 0.0f);
    }
    for (size_t i = 0; i < nnc_plan_parameters(plan); i++) {
        float values[INPUTS * 130];
        const nnc_parameter p = nnc_plan_parameter(plan, i);
        const size_t size = p.shape[0] * (p.n_axes > 1 ? p.shape[1] : 1);
        for (size_t q = 0; q < size; q++) values[q] = p.n_axes > 1 ? 0.05f * small_integer() : 0.0f;
        nnc_plan_write(plan, i, NNC_WEIGHT, values);
    }
    const nnc_data data = {.x = x, .x_stride = INPUTS * sizeof(float), .ids = ids, .n = N};
    float rates[4] = {0.05f, 0.05f, 0.05f, 0.05f};
    double right = 0, last = 0;
    nnc_sums sums = {.metrics = &right};
    for (uint64_t epoch = 0; epoch < 20; epoch++) {
        const nnc_schedule schedule = {.stop = N,
                                       .batch_size = 32,
                                       .learning_rates = rates,
                                       .n_steps = 4,
                                       .epoch = epoch,
                                       .step = 4 * epoch,
                                       .budget = 10};
        sums.loss = right = 0;
        CHECK(nnc_plan_train(plan, &data, &schedule, &sums) == NNC_OK, "epoch %d", (int)epoch);
        CHECK(sums.steps == 4 && sums.rows == N, "%zu steps, %zu rows", sums.steps, sums.rows);
        last = sums.loss / (double)N;
    }
    CHECK(nnc_plan_evaluate(plan, &data, 0, N, &sums) == NNC_OK, "evaluate");
    CHECK(right > 0.95 * (double)N, "%g of %d right", right, N);
    nnc_plan_read(plan, 0, NNC_WEIGHT, weights);
    nnc_plan_free(plan);
    nnc_set_threads(0);
    return last;
}

static void test_training(void) {
    float one[INPUTS * 130], many[INPUTS * 130];
    double loss = train(1, one);
    CHECK(loss < 0.2, "loss %g", loss);
    for (int threads = 2; threads < 6; threads++) {
        double again = train(threads, many);
        CHECK(again == loss && !memcmp(one, many, sizeof one), "%d threads: loss %.17g and %.17g", threads, again, loss);
    }
}

/* Pooling and normalization access nothing beyond their maps. */
static void test_maps_stay_inside(void) {
    for (size_t channels = 1; channels < 36; channels++)
        for (int at_end = 0; at_end < 2; at_end++) {
            const nnc_geometry g = {5, 4, channels, 3, 2, 2, 1, 1, 1, 1, 1, 3, 5};
            const size_t in = g.height * g.width * channels, out = g.out_height * g.out_width * channels;
            struct guarded x = guard(in, at_end), y = guard(out, at_end), winner = guard(out, at_end), dx = guard(in, at_end);
            struct guarded numbers = guard(4 * in, at_end), statistics = guard(2 * g.height, at_end);
            for (size_t oy = 0; oy < g.out_height; oy++) {
                const size_t row = oy * g.out_width * channels;
                nnc_kernels->max_pooling(&g, oy, x.floats, y.floats + row, winner.floats + row);
                nnc_kernels->average_pooling(&g, oy, x.floats, y.floats + row);
            }
            for (size_t iy = 0; iy < g.height; iy++) {
                const size_t row = iy * g.width * channels;
                nnc_kernels->max_pooling_backward(&g, iy, winner.floats, y.floats, dx.floats + row);
                nnc_kernels->average_pooling_backward(&g, iy, y.floats, dx.floats + row);
            }
            const size_t m = g.height, n = in / m; /* blocks of five rows */
            float *a = numbers.floats, *b = a + n, *c = b + n, *d = c + n;
            const struct nnc_read in_rows = {x.floats, n}, dx_read = {dx.floats, n};
            const struct nnc_write dx_rows = {dx.floats, n};
            const struct nnc_coefficients columns = {a, b, c, c, d};
            const struct nnc_row_normalization rows = {
                .gamma = a, .beta = b, .epsilon = 1, .statistics = statistics.floats, .dgamma = d, .dbeta = c};
            nnc_kernels->add_sums(m, n, in_rows, d);
            nnc_kernels->add_squares(m, n, in_rows, a, d);
            nnc_kernels->normalize(m, n, in_rows, &columns, dx_rows);
            nnc_kernels->add_gradient_sums(m, n, in_rows, a, dx_read, c, d);
            nnc_kernels->normalize_backward(m, n, in_rows, &columns, dx_read, dx_rows);
            nnc_kernels->normalize_rows(m, n, in_rows, &rows, dx_rows);
            nnc_kernels->normalize_rows_backward(m, n, in_rows, &rows, dx_read, dx_rows);
            bool finite = true;
            for (size_t i = 0; i < in; i++) finite = finite && isfinite(dx.floats[i]);
            CHECK(finite, "%s %zu channels", nnc_isa_name(), channels);
            unguard(&x), unguard(&y), unguard(&winner), unguard(&dx), unguard(&numbers), unguard(&statistics);
        }
}

/* A few steps of a net on maps with every kind of layer; returns the loss and the moving statistics. */
static double train_maps(int threads, float statistics[6]) {
    enum { SIDE = 7, SAMPLE = SIDE * SIDE, SAMPLES = 23 };
    static float x[SAMPLES * SAMPLE];
    static int32_t ids[SAMPLES];
    struct specs layers = {0}, others = {0};
    add_spec(&layers, "random_affine height=7 width=7 channels=1 rotation=-0.1:0.1 zoom_height=-0.2:0.2 shift_height=-0.2:0.2 "
                      "shift_width=-0.1:0.1 fill=constant fill_value=0 interpolation=bilinear");
    add_layer(&layers, "zero_padding", &(nnc_geometry){SIDE, SIDE, 1, 1, 1, 1, 1, 1, 1, 1, 1, 9, 9});
    add_convolution(&layers, 3, 1, &(nnc_geometry){9, 9, 1, 3, 3, 1, 1, 1, 1, 0, 0, 7, 7});
    add_spec(&layers, "batch_normalization group=3 center=1 scale=1 momentum=0.9 epsilon=1e-3");
    add_spec(&layers, "activation activation=relu");
    add_layer(&layers, "max_pooling", &(nnc_geometry){7, 7, 3, 2, 2, 2, 2, 1, 1, 0, 0, 4, 4});
    add_layer(&layers, "zero_padding", &(nnc_geometry){4, 4, 3, 1, 1, 1, 1, 1, 1, -1, 1, 3, 6});
    add_spec(&layers, "spatial_dropout rate=0.2 channels=3");
    add_spec(&layers, "layer_normalization group=3 center=1 scale=0 epsilon=1e-3");
    add_layer(&layers, "average_pooling", &(nnc_geometry){3, 6, 3, 2, 2, 1, 1, 1, 1, 0, 0, 3, 6});
    add_spec(&layers, "dense units=3 use_bias=1 activation=softmax group=3");
    const nnc_spec *loss = add_spec(&others, "categorical_crossentropy"), *sgd = add_spec(&others, "sgd momentum=0.9");
    const nnc_plan_spec spec = {.n_inputs = SAMPLE,
                                .n_layers = layers.n,
                                .layers = layers.specs,
                                .loss = loss,
                                .optimizer = sgd,
                                .batch_size = 10,
                                .seed = 5};
    char message[NNC_MESSAGE] = "";
    nnc_plan *plan = NULL;
    nnc_set_threads(threads);
    CHECK(nnc_plan_create(&plan, &spec, message) == NNC_OK, "%s", message);
    state = 7;
    for (int i = 0; i < SAMPLES; i++) {
        ids[i] = i % CLASSES;
        for (int f = 0; f < SAMPLE; f++) x[i * SAMPLE + f] = 0.1f * small_integer() + (f % CLASSES == ids[i] ? 1.0f : 0.0f);
    }
    for (size_t i = 0; i < nnc_plan_parameters(plan); i++) {
        float values[256];
        const nnc_parameter p = nnc_plan_parameter(plan, i);
        size_t size = 1;
        for (size_t axis = 0; axis < p.n_axes; axis++) size *= p.shape[axis];
        for (size_t q = 0; q < size; q++) values[q] = 0.2f * small_integer() + 1;
        nnc_plan_write(plan, i, NNC_WEIGHT, values);
    }
    const nnc_data data = {.x = x, .x_stride = SAMPLE * sizeof(float), .ids = ids, .n = SAMPLES};
    float rates[] = {0.05f, 0.05f, 0.05f};
    nnc_sums sums = {0};
    const nnc_schedule schedule = {.stop = SAMPLES, .batch_size = 10, .learning_rates = rates, .n_steps = 3, .budget = 10};
    CHECK(nnc_plan_train(plan, &data, &schedule, &sums) == NNC_OK && sums.steps == 3, "%zu steps", sums.steps);
    CHECK(nnc_plan_evaluate(plan, &data, 0, SAMPLES, &sums) == NNC_OK && isfinite(sums.loss), "loss %g", sums.loss);
    size_t found = 0;
    for (size_t i = 0; i < nnc_plan_parameters(plan); i++)
        if (!nnc_plan_parameter(plan, i).trainable) nnc_plan_read(plan, i, NNC_WEIGHT, statistics + 3 * found++);
    CHECK(found == 2, "%zu moving statistics", found);
    nnc_plan_free(plan);
    nnc_set_threads(0);
    return sums.loss;
}

static void test_training_of_maps(void) {
    float one[6], many[6];
    const double loss = train_maps(1, one);
    for (int threads = 2; threads < 6; threads++) {
        const double again = train_maps(threads, many);
        CHECK(again == loss && !memcmp(one, many, sizeof one), "%d threads: loss %.17g and %.17g", threads, again, loss);
    }
}

static void test_threads_here(void) {
    nnc_set_threads(3);
    CHECK(nnc_set_threads_here(2) == 0 && nnc_threads() == 2, "%d", nnc_threads());
    CHECK(nnc_set_threads_here(0) == 2 && nnc_threads() == 3, "%d", nnc_threads());
    nnc_set_threads(0);
}

/* Convolutions of random geometries on small integers: equal to a plain loop over the kernel positions, with the same outputs
 * and weights after a step for any number of threads. */
static size_t some(size_t low, size_t high) {
    state = state * 1664525u + 1013904223u;
    return low + (state >> 16) % (high - low + 1);
}

static float convolved(const nnc_geometry *g, size_t groups, const float *x, const float *w, size_t F, size_t oy, size_t ox,
                       size_t f) {
    const size_t C = g->channels / groups, first = f / (F / groups) * C;
    float sum = 0;
    for (size_t ky = 0; ky < g->kernel_height; ky++)
        for (size_t kx = 0; kx < g->kernel_width; kx++) {
            const ptrdiff_t iy = (ptrdiff_t)(oy * g->stride_height + ky * g->dilation_height) - g->pad_top;
            const ptrdiff_t ix = (ptrdiff_t)(ox * g->stride_width + kx * g->dilation_width) - g->pad_left;
            if (iy < 0 || iy >= (ptrdiff_t)g->height || ix < 0 || ix >= (ptrdiff_t)g->width) continue;
            for (size_t c = 0; c < C; c++)
                sum += x[((size_t)iy * g->width + (size_t)ix) * g->channels + first + c] *
                       w[((ky * g->kernel_width + kx) * C + c) * F + f];
        }
    return sum;
}

static void test_convolution(void) {
    enum { MOST_C = 40, MOST_F = 80, MOST_IN = 9 * 9 * MOST_C, MOST_OUT = 10 * 10 * MOST_F, MOST_ROWS = 5 };
    enum { MOST_W = 4 * 4 * MOST_C * MOST_F + 1 };
    static float x[MOST_ROWS * MOST_IN], a[MOST_ROWS * MOST_OUT], da[MOST_ROWS * MOST_OUT], w[MOST_W], one[MOST_W],
        many[MOST_W];
    state = 11;
    for (int trial = 0; trial < 120; trial++) {
        /* One group; a few; as many as channels. */
        const size_t groups = trial % 3 == 0 ? 1 : trial % 3 == 1 ? some(2, 5) : some(1, MOST_C);
        const nnc_geometry g = {some(1, 9),
                                some(1, 9),
                                groups * (trial % 3 == 2 ? 1 : some(1, 20 / groups)),
                                some(1, 4),
                                some(1, 4),
                                some(1, 3),
                                some(1, 3),
                                some(1, 3),
                                some(1, 3),
                                (ptrdiff_t)some(0, 3),
                                (ptrdiff_t)some(0, 3),
                                some(1, 10),
                                some(1, 10)};
        const size_t F = groups * some(1, MOST_F / groups), m = some(1, MOST_ROWS), I = g.height * g.width * g.channels;
        const size_t n = g.kernel_height * g.kernel_width * (g.channels / groups) * F, O = g.out_height * g.out_width * F;
        struct specs layers = {0}, others = {0};
        add_convolution(&layers, g.channels, 1,
                        &(nnc_geometry){g.height, g.width, g.channels, 1, 1, 1, 1, 1, 1, 0, 0, g.height, g.width});
        add_convolution(&layers, F, groups, &g);
        const nnc_plan_spec spec = {.n_inputs = I,
                                    .n_layers = 2,
                                    .layers = layers.specs,
                                    .optimizer = add_spec(&others, "sgd"),
                                    .batch_size = MOST_ROWS};
        for (size_t i = 0; i < m * I; i++) x[i] = small_integer();
        for (size_t i = 0; i < m * O; i++) da[i] = small_integer();
        for (size_t i = 0; i < n; i++) w[i] = small_integer();
        for (int threads = 1; threads < 4; threads += 2) {
            float identity[MOST_C * MOST_C] = {0};
            for (size_t c = 0; c < g.channels; c++) identity[c * g.channels + c] = 1;
            char message[NNC_MESSAGE] = "";
            nnc_plan *plan = NULL;
            nnc_set_threads(threads);
            CHECK(nnc_plan_create(&plan, &spec, message) == NNC_OK, "%s", message);
            nnc_plan_write(plan, 0, NNC_WEIGHT, identity);
            nnc_plan_write(plan, 1, NNC_WEIGHT, w);
            const nnc_data data = {.x = x, .x_stride = (ptrdiff_t)(I * sizeof(float)), .n = m};
            CHECK(nnc_plan_step_forward(plan, &data, true, 0, 0, a) == NNC_OK, "trial %d", trial);
            bool right = true;
            for (size_t i = 0; i < m * O; i++)
                right = right &&
                        a[i] == convolved(&g, groups, x + i / O * I, w, F, i % O / F / g.out_width, i / F % g.out_width, i % F);
            CHECK(right, "%s trial %d, %zu groups, %d threads", nnc_isa_name(), trial, groups, threads);
            CHECK(nnc_plan_step_backward(plan, m, da, 1, 0) == NNC_OK, "trial %d", trial);
            nnc_plan_read(plan, 0, NNC_WEIGHT, identity);
            float *weights = threads == 1 ? one : many, sum = 0;
            nnc_plan_read(plan, 1, NNC_WEIGHT, weights);
            for (size_t c = 0; c < g.channels * g.channels; c++) sum += identity[c];
            weights[n] = sum; /* a checksum of dx: integers, whose sum is exact */
            nnc_plan_free(plan);
        }
        CHECK(!memcmp(one, many, (n + 1) * sizeof *one), "%s trial %d", nnc_isa_name(), trial);
    }
    nnc_set_threads(0);
}

/* Teams are measured, and the fastest is found again after the machine changes. `cost` is the cost of a barrier, in rows; a
 * team that has just been changed does nothing for 0.3 ms. */
static int settled_team(struct nnc_team_size *size, int most, double flops, double cost) {
    int n = 0, before = 0;
    double longest = 0, cold = 0;
    for (double spent = 0; spent < 3;) {
        double stretch;
        const int team = nnc_team_size_next(size, most, flops, &stretch);
        const double seconds = fmin(stretch, 0.05), per_row = 1e-6 * (1.0 / team + cost * team);
        if (team != before) before = team, cold = 3e-4;
        const double idle = fmin(cold, seconds);
        cold -= idle;
        nnc_team_size_note(size, (seconds - idle) / per_row, seconds);
        if (seconds >= longest && spent > 1) longest = seconds, n = team;
        spent += seconds;
    }
    return n;
}

static void test_team_size(void) {
    struct nnc_team_size size = {0};
    const double costs[] = {0.001, 0.3, 0.02, 1, 0.001};
    const int teams[] = {8, 2, 8, 1, 8};
    for (int i = 0; i < 5; i++) {
        const int n = settled_team(&size, 8, 5e6, costs[i]);
        CHECK(n == teams[i], "%d threads where a barrier costs %g rows", n, costs[i]);
    }
    CHECK(settled_team(&size, 3, 5e6, 0.001) == 3, "%d threads", size.most >> size.level);
    double stretch;
    CHECK(nnc_team_size_next(&size, 8, 1e3, &stretch) == 1 && stretch > 1e9, "a tiny step on several threads");
    CHECK(nnc_team_size_next(&size, 8, 1e10, &stretch) == 8 && stretch > 1e9, "a large step on few threads");
}

/* A step that is stopped at any point has no effect: training that continues from there is bitwise the same as without it. */
static int asked, stop_at;

static bool poll(void) {
    return ++asked == stop_at;
}

static void test_stopping(void) {
    enum { ROWS = 4096, WIDE = 256 };
    static float x[ROWS * INPUTS], expected[INPUTS * WIDE], found[INPUTS * WIDE];
    static int32_t ids[ROWS];
    struct specs layers = {0}, others = {0};
    add_spec(&layers, "dense units=256 use_bias=1 activation=tanh");
    for (int l = 0; l < 6; l++) add_spec(&layers, "dense units=256 use_bias=1 activation=tanh");
    add_spec(&layers, "batch_normalization group=256 center=1 scale=1 momentum=0.9 epsilon=1e-3");
    add_spec(&layers, "dense units=3 use_bias=1 activation=softmax group=3");
    const nnc_plan_spec spec = {.n_inputs = INPUTS,
                                .n_layers = layers.n,
                                .layers = layers.specs,
                                .loss = add_spec(&others, "categorical_crossentropy"),
                                .optimizer = add_spec(&others, "sgd momentum=0.9"),
                                .batch_size = ROWS};
    static float values[WIDE * WIDE];
    char message[NNC_MESSAGE] = "";
    state = 3;
    for (int i = 0; i < ROWS * INPUTS; i++) x[i] = small_integer();
    for (int i = 0; i < ROWS; i++) ids[i] = i % CLASSES;
    for (int i = 0; i < WIDE * WIDE; i++) values[i] = 0.02f * small_integer() + 0.01f;
    const nnc_data data = {.x = x, .x_stride = INPUTS * sizeof(float), .ids = ids, .n = ROWS};
    float rate = 0.1f;
    const nnc_schedule schedule = {.stop = ROWS, .batch_size = ROWS, .learning_rates = &rate, .n_steps = 1, .budget = 1e9};
    for (int polled = 0; polled < 2; polled++) {
        nnc_plan *plan = NULL;
        nnc_sums sums = {0};
        CHECK(nnc_plan_create(&plan, &spec, message) == NNC_OK, "%s", message);
        for (size_t i = 0; i < nnc_plan_parameters(plan); i++) nnc_plan_write(plan, i, NNC_WEIGHT, values);
        for (int step = 0; step < 2; step++) {
            nnc_set_poll_here(polled ? poll : NULL);
            /* Stop at the first poll, at the second, ..., until the step ends before that many polls. */
            for (stop_at = 1; polled && stop_at < 5; stop_at++) {
                asked = 0;
                const nnc_status status = nnc_plan_train(plan, &data, &schedule, &sums);
                CHECK(status == (asked >= stop_at ? NNC_STOPPED : NNC_OK), "%d of %d questions: %d", asked, stop_at, status);
                if (status == NNC_OK) break;
                CHECK(sums.steps == 0, "%zu steps", sums.steps);
            }
            nnc_set_poll_here(NULL);
            if (!polled || sums.steps == 0) CHECK(nnc_plan_train(plan, &data, &schedule, &sums) == NNC_OK, "step %d", step);
        }
        nnc_plan_read(plan, 0, NNC_WEIGHT, polled ? found : expected);
        nnc_plan_free(plan);
    }
    CHECK(!memcmp(expected, found, sizeof found), "%s: the weights differ", nnc_isa_name());
}

/* Labels and orders that are out of range when they are read: nothing changes, and the row is reported. */
static void test_bad_rows(void) {
    static float x[N * INPUTS];
    int32_t ids[N] = {0};
    int64_t order[N];
    struct specs layers = {0}, others = {0};
    add_spec(&layers, "dense units=3 use_bias=1 activation=softmax group=3");
    const nnc_plan_spec spec = {.n_inputs = INPUTS,
                                .n_layers = 1,
                                .layers = layers.specs,
                                .loss = add_spec(&others, "categorical_crossentropy"),
                                .optimizer = add_spec(&others, "sgd"),
                                .batch_size = 32};
    char message[NNC_MESSAGE] = "";
    nnc_plan *plan = NULL;
    CHECK(nnc_plan_create(&plan, &spec, message) == NNC_OK, "%s", message);
    for (int i = 0; i < N; i++) order[i] = N - 1 - i;
    const nnc_data data = {.x = x, .x_stride = INPUTS * sizeof(float), .ids = ids, .n = N};
    float rates[4] = {1, 1, 1, 1};
    const nnc_schedule schedule = {
        .order = order, .stop = N, .batch_size = 32, .learning_rates = rates, .n_steps = 4, .budget = 1e9};
    nnc_sums sums = {0};
    ids[20] = CLASSES;
    CHECK(nnc_plan_train(plan, &data, &schedule, &sums) == NNC_BAD_ROW && sums.steps == 2, "%zu steps", sums.steps);
    nnc_bad_row bad = nnc_plan_bad_row(plan);
    CHECK(bad.of == NNC_BAD_ID && bad.row == 20 && bad.integer == CLASSES, "row %zu", bad.row);
    order[40] = -7;
    CHECK(nnc_plan_train(plan, &data, &schedule, &sums) == NNC_BAD_ROW && sums.steps == 1, "%zu steps", sums.steps);
    bad = nnc_plan_bad_row(plan);
    CHECK(bad.of == NNC_BAD_ENTRY && bad.row == 40 && bad.integer == -7, "row %zu", bad.row);
    CHECK(nnc_plan_evaluate(plan, &data, 0, N, &sums) == NNC_BAD_ROW, "evaluate");
    nnc_plan_free(plan);
}

/* The same for targets in rows, for losses with and without a range, and for weights. */
static void test_bad_values(void) {
    static const struct {
        const char *loss;
        float low, high; /* allowed */
    } cases[] = {
        {"binary_crossentropy from_logits=1 target_range=0:1", 0, 1},
        {"mean_squared_error", -FLT_MAX, FLT_MAX},
        {"mean_squared_error target_range=2:3", 2, 3}, /* 0, which fills up vectors, is not in the range */
    };
    enum { LAST = 20, OUTPUTS = 19 };
    static float x[N * INPUTS], rows[N * OUTPUTS], weights[N];
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct specs layers = {0}, others = {0};
        add_spec(&layers, "dense units=19 use_bias=1");
        const nnc_plan_spec spec = {.n_inputs = INPUTS,
                                    .n_layers = 1,
                                    .layers = layers.specs,
                                    .loss = add_spec(&others, cases[c].loss),
                                    .optimizer = add_spec(&others, "sgd"),
                                    .batch_size = 32};
        char message[NNC_MESSAGE] = "";
        nnc_plan *plan = NULL;
        CHECK(nnc_plan_create(&plan, &spec, message) == NNC_OK, "%s", message);
        for (int i = 0; i < N * OUTPUTS; i++) rows[i] = i % 2 ? fminf(cases[c].high, 9) : fmaxf(cases[c].low, -9);
        for (int i = 0; i < N; i++) weights[i] = i % 3 ? 1 : -2;
        const nnc_data data = {.x = x, .x_stride = INPUTS * sizeof(float), .rows = rows, .weights = weights, .n = N};
        float rates[2] = {1e-3f, 1e-3f}, before[OUTPUTS], after[OUTPUTS];
        const nnc_schedule schedule = {.stop = N, .batch_size = 32, .learning_rates = rates, .n_steps = 2, .budget = 1e9};
        nnc_sums sums = {0};
        /* not the number next to 0, which is denormal: it counts as 0 */
        const float below = cases[c].low == 0 ? -FLT_MIN : nextafterf(cases[c].low, -INFINITY);
        const float wrong[] = {NAN, INFINITY, -INFINITY, below, nextafterf(cases[c].high, INFINITY)};
        for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++)
            for (int j = 0; j < OUTPUTS; j += 6) {
                const float kept = rows[LAST * OUTPUTS + j];
                nnc_plan_read(plan, 1, NNC_WEIGHT, before);
                rows[LAST * OUTPUTS + j] = wrong[w];
                CHECK(nnc_plan_train(plan, &data, &schedule, &sums) == NNC_BAD_ROW && sums.steps == 0, "%zu steps", sums.steps);
                nnc_bad_row bad = nnc_plan_bad_row(plan);
                CHECK(bad.of == NNC_BAD_TARGET && bad.row == LAST && !memcmp(&bad.number, &wrong[w], sizeof(float)), "%g",
                      bad.number);
                CHECK(nnc_plan_evaluate(plan, &data, 0, N, &sums) == NNC_BAD_ROW, "%g", wrong[w]);
                nnc_plan_read(plan, 1, NNC_WEIGHT, after);
                CHECK(!memcmp(before, after, sizeof before), "%g", wrong[w]);
                rows[LAST * OUTPUTS + j] = kept;
            }
        for (int w = 0; w < 3; w++) {
            const float kept = weights[LAST + 32];
            weights[LAST + 32] = wrong[w];
            CHECK(nnc_plan_train(plan, &data, &schedule, &sums) == NNC_BAD_ROW && sums.steps == 1, "%zu steps", sums.steps);
            nnc_bad_row bad = nnc_plan_bad_row(plan);
            CHECK(bad.of == NNC_BAD_WEIGHT && bad.row == LAST + 32 && !memcmp(&bad.number, &wrong[w], sizeof(float)), "%g",
                  bad.number);
            weights[LAST + 32] = kept;
            CHECK(nnc_plan_train(plan, &data, &schedule, &sums) == NNC_OK && sums.steps == 2, "%zu steps", sums.steps);
        }
        nnc_plan_free(plan);
    }
}

enum { ROWS = 10, EPOCHS = 6, STEPS = 3 };

/* Complete epochs in one call on a small regression, ROWS rows in STEPS batches. */
struct small_run {
    nnc_plan *plan;
    float x[ROWS * 3], y[ROWS], rates[EPOCHS * STEPS];
    double sums[EPOCHS * 4];
    nnc_data data;
};

/* Starts from the same initial weights, with the same learning rate in every step. */
static void begin(struct small_run *run, float rate) {
    static const float weights[3] = {0.3f, -0.2f, 0.1f};
    nnc_plan_write(run->plan, 0, NNC_WEIGHT, weights);
    for (int i = 0; i < EPOCHS * STEPS; i++) run->rates[i] = rate;
    memset(run->sums, 0, sizeof run->sums);
}

static nnc_epochs epochs_of(struct small_run *run, double budget, nnc_patience *patience) {
    return (nnc_epochs){.n = EPOCHS,
                        .n_steps = STEPS,
                        .batch_size = 4,
                        .n_rows = ROWS,
                        .learning_rates = run->rates,
                        .budget = budget,
                        .patience = patience,
                        .sums = run->sums};
}

/* At a rate of 0 all epochs have the same loss. */
static void check_patience(struct small_run *run) {
    begin(run, 0);
    nnc_epochs e = epochs_of(run, INFINITY, NULL);
    CHECK(nnc_plan_train_epochs(run->plan, &run->data, &e) == NNC_OK && e.done == EPOCHS, "%zu epochs", e.done);
    const double loss = run->sums[1] / run->sums[0];
    CHECK(run->sums[0] == (double)ROWS && loss > 0, "%g rows, loss %g", run->sums[0], loss);
    const struct {
        nnc_patience rule;
        size_t done;
        double best, count; /* afterwards */
    } cases[] = {
        {{.best = 0, .patience = 0}, 1, 0, 1},
        {{.best = 0, .patience = 1}, 2, 0, 2},
        {{.best = 0, .patience = 1, .count = 1}, 1, 0, 2},
        {{.best = 0, .patience = INFINITY}, EPOCHS, 0, EPOCHS},
        {{.best = INFINITY, .patience = 0}, EPOCHS, loss, 0}, /* a loss that is as good does not count */
        {{.best = INFINITY, .patience = 0, .count = 5}, EPOCHS, loss, 0},
        {{.best = INFINITY, .patience = 1, .tolerance = 1e-3}, 3, loss, 2}, /* the first is better than infinity */
        {{.best = loss, .patience = 2, .tolerance = 1e-3}, 3, loss, 3},
        {{.best = loss, .patience = 2, .tolerance = -1e-3}, EPOCHS, loss, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(run, 0);
        nnc_patience rule = cases[i].rule;
        e = epochs_of(run, INFINITY, &rule);
        CHECK(nnc_plan_train_epochs(run->plan, &run->data, &e) == NNC_OK, "case %zu", i);
        CHECK(e.done == cases[i].done, "case %zu: %zu epochs", i, e.done);
        CHECK(rule.best == cases[i].best && rule.count == cases[i].count, "case %zu: %g, %g", i, rule.best, rule.count);
    }
}

/* One epoch runs even with a budget of 0; the sums equal those of single steps, however steps are divided between calls. */
static void check_budgets(struct small_run *run) {
    static const double budgets[] = {-1, 0, INFINITY};
    double expected[EPOCHS];
    begin(run, 0.01f);
    for (size_t epoch = 0; epoch < EPOCHS; epoch++) {
        nnc_sums sums = {.rows = 0};
        for (size_t step = 0, start = 0; step < STEPS; step++, start += sums.rows) {
            const nnc_schedule schedule = {
                .start = start, .stop = ROWS, .batch_size = 4, .learning_rates = run->rates, .n_steps = 1, .step = step};
            CHECK(nnc_plan_train(run->plan, &run->data, &schedule, &sums) == NNC_OK, "step %zu", step);
        }
        expected[epoch] = sums.loss;
    }
    CHECK(expected[EPOCHS - 1] < expected[0], "%g, then %g", expected[0], expected[EPOCHS - 1]);
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        begin(run, 0.01f);
        nnc_epochs e = epochs_of(run, budgets[i], NULL);
        CHECK(nnc_plan_train_epochs(run->plan, &run->data, &e) == NNC_OK, "budget %g", budgets[i]);
        CHECK(e.done == (budgets[i] > 0 ? EPOCHS : 1), "budget %g: %zu epochs", budgets[i], e.done);
        for (size_t epoch = 0; epoch < e.done; epoch++)
            CHECK(run->sums[4 * epoch + 1] == expected[epoch], "budget %g: loss of epoch %zu", budgets[i], epoch);
    }
}

/* An epoch whose loss is not finite is not completed, and does not change the early stopping state. */
static void check_divergence(struct small_run *run) {
    for (size_t step = 0; step < EPOCHS * STEPS - 1; step++) {
        begin(run, 0);
        run->rates[step] = INFINITY; /* the weights are not finite in the next step */
        nnc_patience rule = {.best = 0, .patience = INFINITY};
        nnc_epochs e = epochs_of(run, INFINITY, &rule);
        CHECK(nnc_plan_train_epochs(run->plan, &run->data, &e) == NNC_NOT_FINITE, "step %zu", step);
        CHECK(e.done == (step + 1) / STEPS && e.steps_of_next == (step + 1) % STEPS, "step %zu: %zu epochs, %zu steps", step,
              e.done, e.steps_of_next);
        CHECK(rule.count == (double)e.done && rule.best == 0, "step %zu: %g", step, rule.count);
    }
}

static void test_epochs(void) {
    struct specs layers = {0}, others = {0};
    add_spec(&layers, "dense units=1 use_bias=0");
    const nnc_plan_spec spec = {.n_inputs = 3,
                                .n_layers = 1,
                                .layers = layers.specs,
                                .loss = add_spec(&others, "mean_squared_error"),
                                .optimizer = add_spec(&others, "sgd"),
                                .batch_size = 4};
    char message[NNC_MESSAGE] = "";
    struct small_run run = {0};
    CHECK(nnc_plan_create(&run.plan, &spec, message) == NNC_OK, "%s", message);
    state = 3;
    for (int i = 0; i < ROWS * 3; i++) run.x[i] = small_integer();
    for (int i = 0; i < ROWS; i++) run.y[i] = small_integer() + 0.1f;
    run.data = (nnc_data){.x = run.x, .x_stride = 3 * sizeof(float), .rows = run.y, .n = ROWS};
    check_patience(&run);
    check_budgets(&run);
    check_divergence(&run);
    nnc_plan_free(run.plan);
}

/* An invalid list of layers is an error whose message names the cause. */
static void test_refusals(void) {
    static const char *const wrong[][2] = {
        {"dense units=0 use_bias=1", "units"},
        {"dense units=1125899906842624 use_bias=1", "units"},
        {"dense units=2.5 use_bias=1", "units"},
        {"dense use_bias=1", "needs the setting 'units'"},
        {"dense units=3 use_bias=1 rate=1", "no setting 'rate'"},
        {"dense units=3 use_bias=1 activation=cubic", "activation of dense must be a known name, got 'cubic'"},
        {"dense units=3 use_bias=1 activation=softmax group=2", "group"},
        {"transformer", "available: dense, conv2d"},
        {"prelu kernel_l2=1", "no setting 'kernel_l2'"},
    };
    char message[NNC_MESSAGE] = "";
    nnc_plan *plan;
    CHECK(nnc_choose_isa("avx9000", message) == NNC_INVALID && strstr(message, "generic"), "%s", message);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct specs layers = {0};
        const nnc_plan_spec spec = {.n_inputs = 3, .n_layers = 1, .layers = add_spec(&layers, wrong[i][0]), .batch_size = 1};
        CHECK(nnc_plan_create(&plan, &spec, message) == NNC_INVALID && strstr(message, wrong[i][1]), "%s", message);
        CHECK(!plan, "%s", wrong[i][0]);
    }
    const nnc_plan_spec empty_batch = {.n_inputs = 3};
    CHECK(nnc_plan_create(&plan, &empty_batch, message) == NNC_INVALID && strstr(message, "batch_size"), "%s", message);
    struct specs others = {0};
    const nnc_plan_spec optimizer = {.n_inputs = 3, .batch_size = 1, .optimizer = add_spec(&others, "sgdd")};
    CHECK(nnc_plan_create(&plan, &optimizer, message) == NNC_INVALID && strstr(message, "'sgdd'"), "%s", message);
    const nnc_spec metric = {.name = "taste"};
    const nnc_plan_spec metrics = {.n_inputs = 3, .batch_size = 1, .n_metrics = 1, .metrics = &metric};
    CHECK(nnc_plan_create(&plan, &metrics, message) == NNC_INVALID && strstr(message, "'taste'"), "%s", message);
}

int main(void) {
    char message[NNC_MESSAGE];
    nnc_use_all_threads(true);
    for (int i = 0; i < nnc_isa_count(); i++) {
        CHECK(nnc_choose_isa(nnc_isa_available(i), message) == NNC_OK, "%s", message);
        int before = failures;
        test_gemm_stays_inside();
        test_matrices_stay_inside();
        test_bf16();
        test_elementwise_stays_inside();
        test_training();
        test_maps_stay_inside();
        test_training_of_maps();
        test_convolution();
        printf("%s: %s\n", nnc_isa_name(), failures == before ? "ok" : "failed");
    }
    test_threads_here();
    test_stopping();
    test_bad_rows();
    test_bad_values();
    test_epochs();
    test_team_size();
    test_refusals();
    printf("%d passed, %d failed\n", checks - failures, failures);
    return failures != 0;
}
