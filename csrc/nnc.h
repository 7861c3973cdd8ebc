/* nnc.h -- the C core of nnc: training and inference of small neural networks on a CPU.
 *
 * This header is the manual of the C API. The core does not depend on Python: it takes a list of layers, a loss and an
 * optimizer, builds a plan (all sizes, one allocation) and runs many training steps in one call.
 *
 * Notation: B rows in a batch, I inputs, O outputs; M, N, K in products. Matrices are row-major; `ld` is the number of
 * elements from one row to the next. Everything is float32; losses are summed in float64. A plan with precision "bfloat16"
 * rounds the operands of products and nothing else.
 *
 * Reproducibility: the result is a function of the seed and the data. It is bitwise the same for any number of threads, for any
 * position of a row in a batch, and on AVX2, AVX-512 and NEON, because every output element of a product is one chain of
 * fused multiply-adds in the order of k (in bfloat16, the sums of AMX's instruction), and the order of every other sum
 * depends on its shape only.
 */
#ifndef NNC_H
#define NNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NNC_MAX_SLOTS = 3, NNC_MAX_AXES = 4, NNC_MAX_VALUES = 8, NNC_MESSAGE = 256 };

typedef enum nnc_status {
    NNC_OK = 0,
    NNC_NO_MEMORY,
    NNC_INVALID,    /* an argument is out of range; the message names it */
    NNC_NOT_FINITE, /* the loss of a batch was NaN or infinite; that step was not applied */
    NNC_BAD_ROW,    /* a target, weight or entry of the order was out of range when it was read; that step was not applied:
                       see nnc_plan_bad_row */
    NNC_STOPPED,    /* stopped on request, see nnc_set_poll_here; the step in progress was not applied */
} nnc_status;

/* ---- machine ---------------------------------------------------------------------------------------------------- */

/* Select the instruction set: a name as in nnc_isa_name, or NULL for the environment variable NNC_ISA, else the best that the
 * CPU supports. Fails if it is unknown, not compiled in or not supported; `message` then lists the available ones. */
nnc_status nnc_choose_isa(const char *name, char message[NNC_MESSAGE]);
const char *nnc_isa_name(void);           /* the one in use */
int nnc_isa_count(void);                  /* number of those that this build contains and this CPU can run, slowest first */
const char *nnc_isa_available(int index);
int nnc_isa_tile_rows(void);              /* MR of the one in use */

/* The implementation of products that bfloat16 plans use: "amx", or "exact, avx512", fused multiply-adds with bitwise the same
 * results. NULL if the CPU supports neither; `message` then says what is missing. The environment variable NNC_BF16 (amx or
 * exact) overrides the choice. */
const char *nnc_bf16_name(char message[NNC_MESSAGE]);
/* Select it: "amx", "exact", or NULL for the environment variable NNC_BF16, else the fastest available. */
nnc_status nnc_choose_bf16(const char *name, char message[NNC_MESSAGE]);
/* Number of tile instructions executed so far, in a build with -DNNC_EMULATE_AMX; 0 in other builds. Also the cache lines that
 * their loads and stores had to fetch into an L1 cache of 48 KB and an L2 cache of 2 MB that hold nothing else. */
struct nnc_tile_counts {
    uint64_t loads, stores, products, l1_lines, l2_lines;
};
struct nnc_tile_counts nnc_emulated_tiles(void);

int nnc_threads(void);                    /* threads that a call may use */
void nnc_set_threads(int n);              /* n >= 1: set; 0: reset to what the machine and the environment allow */
void nnc_use_all_threads(bool all);       /* for tests: use all that a call may use, even where fewer are faster */
int nnc_set_threads_here(int n);          /* the same for calls from this thread only; 0: unset. Returns the old value */
const char *nnc_threads_source(void);     /* what determines the count: "CPU affinity", "cgroup quota", ... */
bool nnc_has_openmp(void);                /* false: POSIX threads */
const char *nnc_compiler(void);

/* Set the function that can stop calls made from this thread: while a call runs, this thread calls `poll` about every 50 ms; if
 * it returns true, the call ends with NNC_STOPPED. NULL: no polling. */
void nnc_set_poll_here(bool (*poll)(void));

/* ---- components of a plan --------------------------------------------------------------------------------------- */

/* Layers, optimizers, losses and metrics are described by a name and named settings, so a new one needs no declaration
 * here; its settings are defined in its own file. A number is in values[0], a pair in the first two values, a list of sizes in
 * the first n_values, a name (for example of an activation) in word. An unknown name or a missing setting is an error. */
typedef struct nnc_setting {
    const char *name;
    double values[NNC_MAX_VALUES];
    size_t n_values; /* of a list */
    const char *word;
} nnc_setting;

typedef struct nnc_spec {
    const char *name;            /* of the kind: see layers.def, optimizers.def, losses.c, metrics.c */
    size_t n_settings;
    const nnc_setting *settings; /* (n_settings) */
} nnc_spec;

/* Windows on a map (height, width, channels), which is stored as a row of height * width * channels features. Kernel position
 * (ky, kx) of the window of output pixel (oy, ox) reads the input pixel
 *     (oy stride_height + ky dilation_height - pad_top, ox stride_width + kx dilation_width - pad_left).
 * Input pixels outside the map are 0 in a convolution and ignored in pooling. A window may be completely outside the map in
 * a convolution, but not in pooling. */
typedef struct nnc_geometry {
    size_t height, width, channels; /* of the input */
    size_t kernel_height, kernel_width, stride_height, stride_width, dilation_height, dilation_width;
    ptrdiff_t pad_top, pad_left;
    size_t out_height, out_width;
} nnc_geometry;

/* Activations by name; -1 if the name is unknown. The table is in activations.def. */
int nnc_activation_id(const char *name);
bool nnc_activation_keeps_d(int id); /* the backward pass needs the stored derivative d; a alone does not determine f' */

/* ---- plans ------------------------------------------------------------------------------------------------------ */

typedef struct nnc_plan nnc_plan;

typedef struct nnc_plan_spec {
    size_t n_inputs;
    size_t n_layers;
    const nnc_spec *layers;             /* (n_layers) */
    const nnc_spec *loss;               /* NULL: a plan for inference, or for a loss computed by the caller */
    size_t n_metrics;
    const nnc_spec *metrics;            /* (n_metrics) */
    const nnc_spec *optimizer;          /* NULL: none */
    size_t batch_size;                  /* the largest batch of a training step */
    uint64_t seed;                      /* of the random numbers */
    const char *precision;              /* of products: "bfloat16", or "float32" or NULL */
} nnc_plan_spec;

nnc_status nnc_plan_create(nnc_plan **plan, const nnc_plan_spec *spec, char message[NNC_MESSAGE]);
void nnc_plan_free(nnc_plan *plan);

size_t nnc_plan_outputs(const nnc_plan *plan);
size_t nnc_plan_slots(const nnc_plan *plan);       /* optimizer arrays per trainable parameter, such as momentum */
size_t nnc_plan_bytes(const nnc_plan *plan);       /* size of the plan's single allocation */
size_t nnc_plan_parameters(const nnc_plan *plan);  /* number of parameter arrays */

/* Parameter i, in the order of the layers. A parameter that is not trainable, such as a moving statistic, has no slots, and
 * its gradient is 0. */
typedef struct nnc_parameter {
    const char *name;           /* "kernel", "bias", "alpha", "gamma", "beta", "moving_mean", "moving_variance" */
    size_t n_axes, shape[NNC_MAX_AXES];
    bool trainable;
} nnc_parameter;
nnc_parameter nnc_plan_parameter(const nnc_plan *plan, size_t i);

/* Copy a parameter, its slot s (0 <= s < slots) or its gradient between the internal memory layout and row-major `values`
 * (shape). what: NNC_WEIGHT, NNC_GRADIENT or a slot number. */
enum { NNC_GRADIENT = -2, NNC_WEIGHT = -1 };
void nnc_plan_read(const nnc_plan *plan, size_t i, int what, float *values);
void nnc_plan_write(nnc_plan *plan, size_t i, int what, const float *values);
/* Copies only elements [first, first + n) of the row-major array. */
void nnc_plan_read_part(const nnc_plan *plan, size_t i, int what, size_t first, size_t n, float *values);

/* Rows to train or evaluate on. The targets are in either ids or rows; ids represent one-hot rows. The caller owns the arrays
 * and may change them while a call runs: each target, weight and entry of the order is read once, and one that is out of range
 * ends the call with NNC_BAD_ROW. Rows must be finite and in the range of the loss, weights finite. */
typedef struct nnc_data {
    const void *x;              /* (n, n_inputs), float or uint8_t, features adjacent */
    bool x_is_u8;
    ptrdiff_t x_stride;         /* bytes from one row to the next; may be negative or 0 */
    const int32_t *ids;         /* (n) or NULL */
    const float *rows;          /* (n, n_outputs) or NULL */
    const float *weights;       /* (n) weight of each row in the loss, or NULL */
    size_t n;
} nnc_data;

/* Totals of a call: sums over rows; loss = sum over batches of the loss times the rows. */
typedef struct nnc_sums {
    size_t steps, rows;
    double loss;
    double *metrics;            /* (n_metrics) */
    float *outputs;             /* (rows, n_outputs) receives the outputs for the rows of this call, in their order, as the
                                   metrics use them; or NULL */
} nnc_sums;

typedef struct nnc_schedule {
    const int64_t *order;       /* row numbers in training order; NULL: 0, 1, 2, ... */
    size_t start, stop;         /* part of the order that this call may use */
    size_t batch_size;          /* at most the plan's */
    const float *learning_rates; /* (n_steps) one for each step */
    size_t n_steps;
    uint64_t epoch, step;       /* of the first step: keys of the random numbers, t of Adam */
    double budget;              /* seconds after which no further step starts */
    double *seconds;            /* (n_layers of the spec + 1, 2): the time of each layer's forward and backward pass is added;
                                   the last row is for the gather and the rest; NULL: no timing */
} nnc_schedule;

/* Train: up to n_steps steps, each gather -> forward -> loss -> backward -> update. At least one step runs unless the call
 * fails or is stopped; whatever the status, `sums` reports how many steps were completed. The losses and metrics of the steps
 * are added one by one to the values in `sums`, so their rounding does not depend on how steps are divided between calls. */
nnc_status nnc_plan_train(nnc_plan *plan, const nnc_data *data, const nnc_schedule *schedule, nnc_sums *sums);

/* The cause of the last NNC_BAD_ROW: the number of a row in the data and its id, target or weight; or a position in the order
 * and the row number found there. */
enum nnc_bad_value { NNC_BAD_ENTRY, NNC_BAD_ID, NNC_BAD_TARGET, NNC_BAD_WEIGHT };
typedef struct nnc_bad_row {
    enum nnc_bad_value of;
    size_t row;
    int64_t integer; /* an entry of the order or an id */
    float number;    /* a target or a weight */
} nnc_bad_row;
nnc_bad_row nnc_plan_bad_row(const nnc_plan *plan);

/* Early stopping: training ends after the first epoch that makes `count` larger than `patience`. An epoch with
 * loss > best - tolerance increases `count`; any other resets it to 0. `best` is the lowest loss so far. Both are updated. */
typedef struct nnc_patience {
    double best, tolerance, count, patience;
} nnc_patience;

/* Several complete epochs, each equivalent to nnc_plan_train followed by nnc_plan_evaluate on `held_out`. Row e of the arrays
 * belongs to epoch `epoch` + e. Ends after an epoch if `budget` seconds have passed or `patience` is exhausted. */
typedef struct nnc_epochs {
    size_t n, n_steps, batch_size;
    const int64_t *orders;        /* (n, n_rows) or NULL: rows in the order of the data */
    size_t n_rows;                /* of an epoch */
    const float *learning_rates;  /* (n, n_steps) */
    uint64_t epoch, step;
    double budget;
    const nnc_data *held_out;     /* NULL: none */
    nnc_patience *patience;       /* NULL: none */
    double *sums; /* (n, 2, 2 + n_metrics): rows, loss, metrics of training and of held_out (with penalties) */
    size_t done; /* output: number of completed epochs */
    size_t steps_of_next; /* output, if the status is not NNC_OK: completed steps of the epoch that ended early */
} nnc_epochs;
nnc_status nnc_plan_train_epochs(nnc_plan *plan, const nnc_data *data, nnc_epochs *epochs);

/* Loss (without penalties) and metrics of rows [start, stop) in inference mode. */
nnc_status nnc_plan_evaluate(nnc_plan *plan, const nnc_data *data, size_t start, size_t stop, nnc_sums *sums);

/* Outputs (n, n_outputs) in inference mode. */
nnc_status nnc_plan_forward(nnc_plan *plan, const nnc_data *data, float *outputs);

/* Loss and gradient of one batch of at most batch_size rows; read the gradients with nnc_plan_read. Dropout and random_affine
 * are active, and a batch is normalized by its own statistics, only if `training`. Neither the parameters nor the moving
 * statistics change. */
nnc_status nnc_plan_gradients(nnc_plan *plan, const nnc_data *data, bool training, uint64_t epoch, uint64_t step, double *loss);

/* One step in two halves, for a loss computed by the caller. First the outputs (n, n_outputs), with `training` as in
 * nnc_plan_gradients; then, from dL/d outputs of the same n rows, either the update (only if `training`) or the gradients
 * alone, to be read with nnc_plan_read. */
nnc_status nnc_plan_step_forward(nnc_plan *plan, const nnc_data *data, bool training, uint64_t epoch, uint64_t step,
                                 float *outputs);
nnc_status nnc_plan_step_backward(nnc_plan *plan, size_t n, const float *d_outputs, float learning_rate, uint64_t step);
nnc_status nnc_plan_step_gradients(nnc_plan *plan, size_t n, const float *d_outputs);

/* Sum of the regularizers' penalties for the current weights. */
double nnc_plan_penalty(nnc_plan *plan);

/* ---- single kernels over the caller's buffers --------------------------------------------------------------------- */

/* A matrix whose element (i, j) is at data[i rs + j cs]. */
typedef struct nnc_matrix {
    const float *data;
    size_t rows, cols, rs, cs;
} nnc_matrix;

/* c (M, N) = init + a b with a (M, K), b (K, N); init is NULL for 0, or one row (N) that initializes every row; rows of c are
 * ldc apart. One stride of a and one of b must be 1. */
nnc_status nnc_gemm(const nnc_matrix *a, const nnc_matrix *b, const float *init, float *c, size_t ldc);

/* a = f(z) over (M, N) dense rows; softmax and log_softmax along N. */
void nnc_activation_forward(int id, size_t M, size_t N, const float *z, float *a, float alpha);
/* dz = da f'(z), computed from z or, if z is NULL, from the output a = f(z); a determines f' unless the activation keeps d, and
 * only for alpha >= 0. dz may be da, z or a. */
nnc_status nnc_activation_backward(int id, size_t M, size_t N, const float *z, const float *a, const float *da, float *dz,
                                   float alpha);

/* Value and gradient da (M, N) of the mean loss over rows; targets, weights as in nnc_data (x is not read, n is M). */
nnc_status nnc_loss(const nnc_spec *spec, size_t N, const float *a, const nnc_data *targets, double *value, float *da,
                    char message[NNC_MESSAGE]);
/* Mean of a metric over rows. */
nnc_status nnc_metric(const nnc_spec *spec, size_t N, const float *a, const nnc_data *targets, double *value,
                      char message[NNC_MESSAGE]);

/* An optimizer outside a plan. */
typedef struct nnc_optimizer nnc_optimizer;
nnc_status nnc_optimizer_create(nnc_optimizer **optimizer, const nnc_spec *spec, char message[NNC_MESSAGE]);
void nnc_optimizer_free(nnc_optimizer *optimizer);
size_t nnc_optimizer_slots(const nnc_optimizer *optimizer);

/* One update of n weights in place; slots (nnc_optimizer_slots) of n floats each; step counts from 0. Clipping by norm
 * treats these n weights as one parameter. */
typedef struct nnc_weights {
    size_t n;
    float *w;
    const float *g;
    float *slots[NNC_MAX_SLOTS];
} nnc_weights;
void nnc_optimizer_update(const nnc_optimizer *optimizer, const nnc_weights *weights, float learning_rate, uint64_t step);

/* db (N) = sum over the rows of dz (M, N). */
void nnc_column_sums(size_t M, size_t N, const float *dz, float *db);

/* Elementary functions of the kernels, for accuracy tests: "exp", "expm1", "log", "log1p", "tanh", "sigmoid". False for any
 * other name. */
bool nnc_elementary(const char *name, size_t n, const float *x, float *y);

#endif
