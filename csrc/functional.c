/* functional.c -- single kernels over the caller's buffers, for custom training loops. The same kernels as in a plan, on one
 * thread. */

#include <stdlib.h>
#include <string.h>

#include "activation.h"
#include "product.h"

struct gemm_call {
    const nnc_matrix *a, *b;
    const float *init;
    struct nnc_write c;
    float *scratch;
};

static void gemm_body(void *arg, struct nnc_worker *worker) {
    const struct gemm_call *t = arg;
    (void)worker;
    nnc_product_matrices(&nnc_kernels->products[PRECISION_float32], t->a, t->b, t->init, t->c, t->scratch);
}

nnc_status nnc_gemm(const nnc_matrix *a, const nnc_matrix *b, const float *init, float *c, size_t ldc) {
    if ((a->rs != 1 && a->cs != 1) || (b->rs != 1 && b->cs != 1) || a->cols != b->rows) return NNC_INVALID;
    const size_t scratch = nnc_product_scratch(a, b);
    struct gemm_call t = {a, b, init, {c, ldc}, scratch ? nnc_allocate(scratch * sizeof(float)) : NULL};
    if (scratch && !t.scratch) return NNC_NO_MEMORY;
    if (a->rows) nnc_team_run(1, gemm_body, &t);
    nnc_release(t.scratch);
    return NNC_OK;
}

struct activation_call {
    int id;
    size_t M, N;
    const float *z, *a, *da; /* backward: z or a, the other NULL */
    float *out;
    float *row;              /* (N), for an activation of rows */
    float alpha;
};

static void activation_forward_body(void *arg, struct nnc_worker *worker) {
    const struct activation_call *t = arg;
    (void)worker;
    if (!nnc_is_elementwise(t->id))
        for (size_t i = 0; i < t->M; i++)
            nnc_kernels->row_activation_forward[t->id - N_ELEMENTWISE](t->N, t->z + i * t->N, t->out + i * t->N);
    else
        nnc_kernels->activation_forward[t->id](1, t->M * t->N, (struct nnc_read){t->z, 0}, (struct nnc_write){t->out, 0},
                                               (struct nnc_write){0}, t->alpha);
}

void nnc_activation_forward(int id, size_t M, size_t N, const float *z, float *a, float alpha) {
    if (M == 0 || N == 0 || (id == ACTIVATION_linear && a == z)) return;
    struct activation_call t = {.id = id, .M = M, .N = N, .z = z, .out = a, .alpha = alpha};
    nnc_team_run(1, activation_forward_body, &t);
}

enum { IN_CACHE = 512 }; /* elements that are processed together: intermediate results stay in the L1 cache */

/* The array from which f' of elements [i, i + n) is computed: a or d, computed from z; or the caller's a, copied if dz
 * overwrites it. */
static const float *kept_for_derivative(const struct activation_call *t, size_t i, size_t n, float *a, float *d) {
    if (!t->z && t->out != t->a) return t->a + i;
    if (!t->z) memcpy(a, t->a + i, n * sizeof *a);
    else if (!nnc_is_elementwise(t->id)) nnc_kernels->row_activation_forward[t->id - N_ELEMENTWISE](n, t->z + i, a);
    else
        nnc_kernels->activation_forward[t->id](1, n, (struct nnc_read){t->z + i, 0}, (struct nnc_write){a, 0},
                                               (struct nnc_write){d, 0}, t->alpha);
    return nnc_activation_keeps_d(t->id) ? d : a;
}

static void activation_backward_body(void *arg, struct nnc_worker *worker) {
    const struct activation_call *t = arg;
    (void)worker;
    const bool of_rows = !nnc_is_elementwise(t->id);
    const size_t n = t->M * t->N, together = of_rows ? t->N : IN_CACHE;
    float a[IN_CACHE], d[IN_CACHE];
    for (size_t i = 0; i < n; i += together) {
        const size_t c = least(n - i, together);
        const float *kept = kept_for_derivative(t, i, c, of_rows ? t->row : a, d);
        if (t->out != t->da) memcpy(t->out + i, t->da + i, c * sizeof *t->out);
        if (of_rows) nnc_kernels->row_activation_backward[t->id - N_ELEMENTWISE](c, kept, t->out + i);
        else
            nnc_kernels->activation_backward[t->id](1, c, (struct nnc_read){kept, 0}, (struct nnc_write){t->out + i, 0},
                                                    t->alpha);
    }
}

nnc_status nnc_activation_backward(int id, size_t M, size_t N, const float *z, const float *a, const float *da, float *dz,
                                   float alpha) {
    if (M == 0 || N == 0) return NNC_OK;
    if (!z && nnc_activation_keeps_d(id)) return NNC_INVALID;
    const bool of_rows = !nnc_is_elementwise(id);
    float *row = of_rows ? malloc(N * sizeof *row) : NULL;
    if (of_rows && !row) return NNC_NO_MEMORY;
    struct activation_call t = {.id = id, .M = M, .N = N, .z = z, .a = a, .da = da, .out = dz, .row = row, .alpha = alpha};
    nnc_team_run(1, activation_backward_body, &t);
    free(row);
    return NNC_OK;
}

struct loss_call {
    struct nnc_loss_block block;
    int kernel;
};

static void loss_body(void *arg, struct nnc_worker *worker) {
    const struct loss_call *t = arg;
    (void)worker;
    nnc_kernels->loss[t->kernel](&t->block);
}

nnc_status nnc_loss(const nnc_spec *spec, size_t N, const float *a, const nnc_data *targets, double *value, float *da,
                    char message[NNC_MESSAGE]) {
    struct nnc_loss_rule loss;
    const nnc_status status = nnc_loss_read(&loss, spec, message);
    const size_t M = targets->n;
    *value = 0;
    if (status || M == 0) return status;
    const bool spread = targets->ids && !nnc_loss_takes_ids(&loss);
    double *values = malloc(M * sizeof *values);
    float *one_hot = spread ? calloc(M * N, sizeof *one_hot) : NULL;
    if (!values || (spread && !one_hot)) {
        free(values);
        free(one_hot);
        return NNC_NO_MEMORY;
    }
    for (size_t i = 0; spread && i < M; i++) one_hot[i * N + (size_t)targets->ids[i]] = 1;
    struct loss_call t = {nnc_loss_block_of(&loss, M, N), loss.kernel};
    t.block.a = a, t.block.lda = N;
    t.block.y = spread ? one_hot : targets->rows, t.block.ldy = N;
    t.block.ids = spread ? NULL : targets->ids;
    t.block.weights = targets->weights;
    const double divisor = nnc_loss_divisor(&loss, M, targets->weights);
    t.block.scale = (float)(loss.gradient_factor / divisor);
    t.block.value = values;
    t.block.da = da, t.block.ldda = N;
    nnc_team_run(1, loss_body, &t);
    for (size_t i = 0; i < M; i++) *value += values[i];
    *value = *value * loss.value_factor / divisor;
    free(one_hot);
    free(values);
    return NNC_OK;
}

nnc_status nnc_metric(const nnc_spec *spec, size_t N, const float *a, const nnc_data *targets, double *value,
                      char message[NNC_MESSAGE]) {
    struct nnc_metric_rule metric;
    const nnc_status status = nnc_metric_read(&metric, spec, message);
    const size_t M = targets->n;
    *value = 0;
    for (size_t i = 0; i < M && !status; i++)
        *value += nnc_metric_row(&metric, N, a + i * N, targets->rows ? targets->rows + i * N : NULL,
                                 targets->ids ? targets->ids + i : NULL);
    if (M) *value /= (double)M;
    return status;
}

nnc_status nnc_optimizer_create(nnc_optimizer **optimizer, const nnc_spec *spec, char message[NNC_MESSAGE]) {
    *optimizer = malloc(sizeof **optimizer);
    if (!*optimizer) return NNC_NO_MEMORY;
    const nnc_status status = nnc_optimizer_read(*optimizer, spec, message);
    if (status) {
        free(*optimizer);
        *optimizer = NULL;
    }
    return status;
}

void nnc_optimizer_free(nnc_optimizer *optimizer) {
    free(optimizer);
}

size_t nnc_optimizer_slots(const nnc_optimizer *optimizer) {
    return optimizer->n_slots;
}

struct update_call {
    struct nnc_stretch stretch;
    struct nnc_hyper hyper;
    int rule;
    double clip;
};

static void update_body(void *arg, struct nnc_worker *worker) {
    struct update_call *t = arg;
    (void)worker;
    if (t->clip != 0) t->hyper.gradient_scale = nnc_clip_scale(t->clip, nnc_kernels->sum_squares(t->stretch.n, t->stretch.g));
    nnc_kernels->update[t->rule](&t->stretch, &t->hyper);
}

void nnc_optimizer_update(const nnc_optimizer *o, const nnc_weights *weights, float learning_rate, uint64_t step) {
    struct update_call t = {.stretch = {.n = weights->n, .w = weights->w, .g = weights->g, .n_slots = o->n_slots},
                            .hyper = nnc_hyper_of(o, learning_rate, step),
                            .rule = o->rule,
                            .clip = o->clipnorm != 0 ? o->clipnorm : o->global_clipnorm};
    memcpy(t.stretch.slots, weights->slots, sizeof t.stretch.slots);
    nnc_team_run(1, update_body, &t);
}

void nnc_column_sums(size_t M, size_t N, const float *dz, float *db) {
    nnc_kernels->column_sums(M, N, (struct nnc_read){dz, N}, db);
}

struct elementary_call {
    const char *name;
    size_t n;
    const float *x;
    float *y;
    bool found;
};

static void elementary_body(void *arg, struct nnc_worker *worker) {
    struct elementary_call *t = arg;
    (void)worker;
    t->found = nnc_kernels->elementary(t->name, t->n, t->x, t->y);
}

bool nnc_elementary(const char *name, size_t n, const float *x, float *y) {
    struct elementary_call t = {name, n, x, y, false};
    nnc_team_run(1, elementary_body, &t);
    return t.found;
}
