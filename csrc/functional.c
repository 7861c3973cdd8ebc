/* functional.c -- single kernels over the caller's buffers, for people who write their own training loop. The same kernels
 * as a plan's; one thread; operands that a kernel wants in panels are packed into scratch first. */

#include <stdlib.h>
#include <string.h>

#include "plan.h"

enum { KC = 512 }; /* depth of a packed panel: 64 KB on the stack */

struct gemm_call {
    size_t M, N, K;
    const float *a;
    size_t ars, acs;
    const float *b;
    size_t brs, bcs;
    const float *init;
    float *c;
    size_t ldc;
};

static void gemm_body(void *arg, struct nnc_worker *worker) {
    const struct gemm_call *t = arg;
    const float zeros[PANEL] = {0};
    float panel[KC * PANEL];
    (void)worker;
    for (size_t j = 0; j < t->N; j += PANEL) {
        const size_t n = least(PANEL, t->N - j);
        if (n < PANEL) memset(panel, 0, sizeof panel); /* the columns that fill it up */
        const float *init = t->init ? t->init + j : zeros;
        size_t ldinit = 0, p = 0;
        float row[PANEL] = {0};
        memcpy(row, init, n * sizeof *row);
        init = row;
        do { /* once even for K = 0: c is init then */
            const size_t k = least(KC, t->K - p);
            const float *b = t->b + p * t->brs + j * t->bcs;
            if (t->bcs == 1) nnc_copy_rows(k, n, b, t->brs, panel, PANEL);
            else nnc_kernels->transpose(n, k, b, t->bcs, panel, PANEL);
            const struct nnc_product product = {.m = t->M, .n = n, .k = k, .segments = 1, .blocks = 1, .rs = t->ars,
                                                .cs = t->acs, .ldb = PANEL, .ldinit = ldinit, .ldc = t->ldc};
            nnc_kernels->gemm(&product, t->a + p * t->acs, panel, init, t->c + j);
            init = t->c + j, ldinit = t->ldc, p += k;
        } while (p < t->K);
    }
}

nnc_status nnc_gemm(size_t M, size_t N, size_t K, const float *a, size_t ars, size_t acs, const float *b, size_t brs,
                    size_t bcs, const float *init, float *c, size_t ldc) {
    if ((ars != 1 && acs != 1) || (brs != 1 && bcs != 1)) return NNC_INVALID;
    struct gemm_call t = {M, N, K, a, ars, acs, b, brs, bcs, init, c, ldc};
    nnc_team_run(1, gemm_body, &t);
    return NNC_OK;
}

struct activation_call {
    int id;
    size_t M, N;
    const float *z, *da;
    float *out, *a;
    float alpha;
};

static void activation_forward_body(void *arg, struct nnc_worker *worker) {
    const struct activation_call *t = arg;
    (void)worker;
    if (t->id == ACTIVATION_softmax)
        for (size_t i = 0; i < t->M; i++) nnc_kernels->softmax_forward(t->N, t->z + i * t->N, t->out + i * t->N);
    else nnc_kernels->activation_forward[t->id](1, t->M * t->N, t->z, 0, t->out, 0, NULL, 0, t->alpha);
}

void nnc_activation_forward(int id, size_t M, size_t N, const float *z, float *a, float alpha) {
    if (M == 0 || N == 0) return;
    struct activation_call t = {.id = id, .M = M, .N = N, .z = z, .out = a, .alpha = alpha};
    nnc_team_run(1, activation_forward_body, &t);
}

enum { IN_CACHE = 2048 }; /* numbers that are worked on together: what is made between stays in the L1 cache */

static void activation_backward_body(void *arg, struct nnc_worker *worker) {
    const struct activation_call *t = arg;
    (void)worker;
    const size_t n = t->M * t->N;
    float a[IN_CACHE], d[IN_CACHE];
    for (size_t i = 0, c; i < n && t->id != ACTIVATION_softmax; i += c) {
        c = n - i < IN_CACHE ? n - i : IN_CACHE;
        nnc_kernels->activation_forward[t->id](1, c, t->z + i, 0, a, 0, d, 0, t->alpha);
        if (t->out != t->da) memcpy(t->out + i, t->da + i, c * sizeof *t->out);
        nnc_kernels->activation_backward[t->id](1, c, nnc_activation_keeps_d(t->id) ? d : a, 0, t->out + i, 0, t->alpha);
    }
    for (size_t i = 0; i < t->M && t->id == ACTIVATION_softmax; i++) {
        nnc_kernels->softmax_forward(t->N, t->z + i * t->N, t->a);
        if (t->out != t->da) memcpy(t->out + i * t->N, t->da + i * t->N, t->N * sizeof *t->out);
        nnc_kernels->softmax_backward(t->N, t->a, t->out + i * t->N);
    }
}

nnc_status nnc_activation_backward(int id, size_t M, size_t N, const float *z, const float *da, float *dz, float alpha) {
    if (M == 0 || N == 0) return NNC_OK;
    float *row = id == ACTIVATION_softmax ? malloc(N * sizeof *row) : NULL;
    if (id == ACTIVATION_softmax && !row) return NNC_NO_MEMORY;
    struct activation_call t = {.id = id, .M = M, .N = N, .z = z, .da = da, .out = dz, .a = row, .alpha = alpha};
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

nnc_status nnc_loss(const nnc_loss_spec *spec, size_t M, size_t N, const float *a, const nnc_data *targets, double *value,
                    float *da) {
    *value = 0;
    if (M == 0) return NNC_OK;
    const bool spread = targets->ids && !nnc_loss_takes_ids(spec);
    double *values = malloc(M * sizeof *values);
    float *one_hot = spread ? calloc(M * N, sizeof *one_hot) : NULL;
    if (!values || (spread && !one_hot)) {
        free(values);
        free(one_hot);
        return NNC_NO_MEMORY;
    }
    for (size_t i = 0; spread && i < M; i++) one_hot[i * N + (size_t)targets->ids[i]] = 1;
    struct loss_call t = {nnc_loss_block_of(spec, M, N), nnc_loss_kernel(spec->kind, spec->from_logits)};
    t.block.a = a, t.block.lda = N;
    t.block.y = spread ? one_hot : targets->rows, t.block.ldy = N;
    t.block.ids = spread ? NULL : targets->ids;
    t.block.weights = targets->weights;
    t.block.scale = (float)(1.0 / (double)M);
    t.block.value = values;
    t.block.da = da, t.block.ldda = N;
    nnc_team_run(1, loss_body, &t);
    for (size_t i = 0; i < M; i++) *value += values[i];
    *value /= (double)M;
    free(one_hot);
    free(values);
    return NNC_OK;
}

nnc_status nnc_metric(const nnc_metric_spec *spec, size_t M, size_t N, const float *a, const nnc_data *targets,
                      double *value) {
    *value = 0;
    for (size_t i = 0; i < M; i++)
        *value += nnc_metric_row(spec, N, a + i * N, targets->rows ? targets->rows + i * N : NULL,
                                 targets->ids ? targets->ids + i : NULL);
    if (M) *value /= (double)M;
    return NNC_OK;
}

struct update_call {
    struct nnc_run run;
    struct nnc_hyper hyper;
    int kind;
    double clip;
};

static void update_body(void *arg, struct nnc_worker *worker) {
    struct update_call *t = arg;
    (void)worker;
    if (t->clip != 0) t->hyper.gradient_scale = nnc_clip_scale(t->clip, nnc_kernels->sum_squares(t->run.n, t->run.g));
    nnc_kernels->update[t->kind](&t->run, &t->hyper);
}

void nnc_update(const nnc_optimizer_spec *spec, size_t n, float *w, const float *g, float *const *slots,
                float learning_rate, uint64_t step) {
    struct update_call t = {{.n = n, .w = w, .g = g}, nnc_hyper_of(spec, learning_rate, step), spec->kind,
                            spec->clipnorm != 0 ? spec->clipnorm : spec->global_clipnorm};
    for (int s = 0; s < nnc_optimizer_slots(spec); s++) t.run.slots[s] = slots[s];
    nnc_team_run(1, update_body, &t);
}

void nnc_column_sums(size_t M, size_t N, const float *dz, float *db) {
    nnc_kernels->column_sums(M, N, dz, N, db);
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
