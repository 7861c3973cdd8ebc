/* test_memory.c -- out of memory: every allocation of a call fails in turn; the call must report it and must not leak memory.
 * Linked with replacements of malloc, calloc, free, nnc_aligned_alloc and nnc_aligned_free (see the Makefile). Exits with 1 if a
 * check fails. */

#include <stdio.h>
#include <stdlib.h>

#include "nnc.h"
#include "os.h"

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void __real_free(void *memory);
void *__real_nnc_aligned_alloc(size_t alignment, size_t bytes);
void __real_nnc_aligned_free(void *memory);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void __wrap_free(void *memory);
void *__wrap_nnc_aligned_alloc(size_t alignment, size_t bytes);
void __wrap_nnc_aligned_free(void *memory);

static long allocations, fails_at, held; /* made in this call; number of the one that fails, 0: none; not yet freed */

static void *count_held(void *memory) {
    if (memory) held++;
    return memory;
}

static bool fails(void) {
    return ++allocations == fails_at;
}

void *__wrap_malloc(size_t bytes) {
    return fails() ? NULL : count_held(__real_malloc(bytes));
}

void *__wrap_calloc(size_t n, size_t bytes) {
    return fails() ? NULL : count_held(__real_calloc(n, bytes));
}

void __wrap_free(void *memory) {
    if (memory) held--;
    __real_free(memory);
}

void *__wrap_nnc_aligned_alloc(size_t alignment, size_t bytes) {
    return fails() ? NULL : count_held(__real_nnc_aligned_alloc(alignment, bytes));
}

void __wrap_nnc_aligned_free(void *memory) {
    const long others = held - (memory != NULL);
    __real_nnc_aligned_free(memory); /* which may call free, and be counted there */
    held = others;
}

enum { ROWS = 40, INPUTS = 600, OUTPUTS = 200 };

static float x[ROWS * INPUTS], w[INPUTS * OUTPUTS], y[ROWS * OUTPUTS], da[ROWS * OUTPUTS];
static int32_t ids[ROWS];

/* A plan that stores its gradients: create it, train, compute gradients. */
static nnc_status use_a_plan(const char *precision) {
    const nnc_setting units[] = {{.name = "units", .values = {OUTPUTS}}, {.name = "use_bias", .values = {1}}};
    const nnc_setting rules[] = {{.name = "momentum", .values = {0.5}}, {.name = "global_clipnorm", .values = {1}}};
    const nnc_spec dense = {"dense", 2, units}, layers[] = {dense, dense}, sgd = {"sgd", 2, rules};
    const nnc_spec loss = {.name = "categorical_crossentropy"};
    const nnc_plan_spec spec = {.n_inputs = INPUTS,
                                .n_layers = 2,
                                .layers = layers,
                                .loss = &loss,
                                .optimizer = &sgd,
                                .batch_size = ROWS,
                                .precision = precision};
    const nnc_data data = {.x = x, .x_stride = INPUTS * sizeof(float), .ids = ids, .n = ROWS};
    const float rate = 0.1f;
    const nnc_schedule schedule = {.stop = ROWS, .batch_size = ROWS, .n_steps = 1, .learning_rates = &rate, .budget = 1};
    char message[NNC_MESSAGE] = "";
    nnc_plan *plan;
    nnc_sums sums = {0};
    double mean;
    nnc_status status = nnc_plan_create(&plan, &spec, message);
    if (status == NNC_INVALID) printf("%s\n", message);
    if (!status) status = nnc_plan_train(plan, &data, &schedule, &sums);
    if (!status) status = nnc_plan_gradients(plan, &data, true, 0, 0, &mean);
    nnc_plan_free(plan);
    return status;
}

static nnc_status use_float32(void) {
    return use_a_plan(NULL);
}

static nnc_status use_bfloat16(void) {
    return use_a_plan("bfloat16");
}

static nnc_status multiply(void) {
    const nnc_matrix a = {x, ROWS, INPUTS, INPUTS, 1}, b = {w, INPUTS, OUTPUTS, OUTPUTS, 1};
    return nnc_gemm(&a, &b, NULL, y, OUTPUTS);
}

static nnc_status differentiate_softmax(void) {
    return nnc_activation_backward(nnc_activation_id("softmax"), ROWS, OUTPUTS, y, NULL, da, da, 0);
}

static nnc_status compute_a_loss(void) {
    const nnc_spec loss = {.name = "euclidean"};
    const nnc_data targets = {.ids = ids, .n = ROWS};
    char message[NNC_MESSAGE];
    double value;
    return nnc_loss(&loss, OUTPUTS, y, &targets, &value, da, message);
}

static nnc_status make_an_optimizer(void) {
    const nnc_spec sgd = {.name = "sgd"};
    char message[NNC_MESSAGE];
    nnc_optimizer *optimizer;
    const nnc_status status = nnc_optimizer_create(&optimizer, &sgd, message);
    nnc_optimizer_free(optimizer);
    return status;
}

static const struct {
    const char *name;
    nnc_status (*call)(void);
} calls[] = {
    {"a plan", use_float32},
    {"a plan in bfloat16", use_bfloat16},
    {"gemm", multiply},
    {"softmax backward", differentiate_softmax},
    {"a loss of labels", compute_a_loss},
    {"an optimizer", make_an_optimizer},
};

int main(void) {
    int failures = 0;
    char message[NNC_MESSAGE];
    held = 0; /* in a static program, the C library's own allocations before main are counted, too */
    nnc_set_threads(1); /* a thread that cannot be started is not an error: the team is smaller */
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].call == use_bfloat16 && !nnc_bf16_name(message)) continue;
        fails_at = allocations = 0;
        nnc_status status = calls[i].call();
        const long n = allocations;
        if (status || n == 0 || held) failures++, printf("%s: status %d, %ld kept of %ld\n", calls[i].name, status, held, n);
        for (fails_at = 1; fails_at <= n; fails_at++) {
            allocations = 0;
            status = calls[i].call();
            if (status == NNC_NO_MEMORY && held == 0) continue;
            failures++;
            printf("%s: status %d where allocation %ld fails, %ld kept\n", calls[i].name, status, fails_at, held);
            held = 0;
        }
        fails_at = 0;
        printf("%s: each of %ld allocations can fail\n", calls[i].name, n);
    }
    return failures != 0;
}
