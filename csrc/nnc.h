/* nnc.h -- the C core of nnc: training and inference of small neural networks on a CPU.
 *
 * This header is the manual. The core knows nothing of Python: it is given a list of layers, a loss and an optimizer,
 * makes a plan (all sizes, one allocation) and runs whole stretches of training in one call.
 *
 * Words and shapes: B rows of a batch, I inputs, O outputs; in products M, N, K. Matrices are row-major; `ld` counts
 * the elements from one row to the next. Everything is float32; losses are summed in float64. A plan of precision "bfloat16"
 * rounds what products multiply, and nothing else.
 *
 * Promise: the result is a function of the seed and the data. It has the same bits for any number of threads, for any
 * position of a row in a batch, and for AVX2, AVX-512 and NEON alike, because every output element of a product is one
 * chain of fused multiply-adds in the order of k (in bfloat16 the sums of AMX's instruction), and every other sum is split by
 * shape alone.
 */
#ifndef NNC_H
#define NNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NNC_MAX_SLOTS = 3, NNC_MAX_AXES = 4, NNC_MESSAGE = 256 };

typedef enum nnc_status {
    NNC_OK = 0,
    NNC_NO_MEMORY,
    NNC_INVALID,    /* an argument out of range; the message says which */
    NNC_NOT_FINITE, /* the loss of a batch was NaN or infinite; that step was not applied */
    NNC_BAD_ROW,    /* a label or an order was out of range where it was read; that step was not applied: nnc_plan_bad_row */
    NNC_STOPPED,    /* asked to, see nnc_set_poll_here; the step under way was not applied */
} nnc_status;

/* ---- machine ---------------------------------------------------------------------------------------------------- */

/* Choose the instruction set: a name as in nnc_isa_name, or NULL for NNC_ISA of the environment, else the best that the
 * CPU has. Refuses one that is unknown, not compiled in or not there; `message` then says which there are. */
nnc_status nnc_choose_isa(const char *name, char message[NNC_MESSAGE]);
const char *nnc_isa_name(void);           /* the one in use */
int nnc_isa_count(void);                  /* those that this build has and this CPU can run, slowest first */
const char *nnc_isa_available(int index);
int nnc_isa_tile_rows(void);              /* MR of the one in use */

/* Which products plans of bfloat16 use: "amx", or "exact, avx512": fused multiply-adds that give the same bits. NULL
 * where the CPU has neither; `message` then says what it lacks. NNC_BF16=amx or exact in the environment chooses. */
const char *nnc_bf16_name(char message[NNC_MESSAGE]);
/* Choose them: "amx", "exact", or NULL for NNC_BF16 of the environment, else the faster ones that there are. */
nnc_status nnc_choose_bf16(const char *name, char message[NNC_MESSAGE]);
/* Tile instructions so far, in a build with -DNNC_EMULATE_AMX; elsewhere 0. And the cache lines that their loads and stores had
 * to fetch into an L1 cache of 48 KB and into an L2 cache of 2 MB, where nothing else is in these. */
struct nnc_tile_counts {
    uint64_t loads, stores, products, l1_lines, l2_lines;
};
struct nnc_tile_counts nnc_emulated_tiles(void);

int nnc_threads(void);                    /* threads that a call may use */
void nnc_set_threads(int n);              /* n >= 1: set; 0: back to what the machine and the environment allow */
void nnc_use_all_threads(bool all);       /* for tests: as many as a call may use, even where fewer are faster */
int nnc_set_threads_here(int n);          /* the same for the calls of this thread alone; 0: as for all. Gives what it was */
const char *nnc_threads_source(void);     /* where the count comes from: "CPU affinity", "cgroup quota", ... */
bool nnc_has_openmp(void);                /* else POSIX threads */
const char *nnc_compiler(void);

/* How the calls of this thread are asked to stop: `poll` is called by this thread about every 50 ms while one runs, true: it is to
 * end with NNC_STOPPED. NULL: it is not asked. */
void nnc_set_poll_here(bool (*poll)(void));

/* ---- what a plan is made of ------------------------------------------------------------------------------------- */

/* Layers, optimizers, losses and metrics are described by a name and named settings, so that a new one needs no new
 * declaration here: which settings each has stands in its own file. A number is in values[0], a pair in both, a name (of an
 * activation, say) in word. A name that is not known, or a setting that is missing, makes an error that says so. */
typedef struct nnc_setting {
    const char *name;
    double values[2];
    const char *word;
} nnc_setting;

typedef struct nnc_spec {
    const char *name;            /* of the kind of layer: layers.def; optimizers.def; losses.c; metrics.c */
    size_t n_settings;
    const nnc_setting *settings; /* (n_settings) */
} nnc_spec;

/* Windows on a map (height, width, channels), which is a row of height width channels features. Output pixel (oy, ox)
 * sees through tap (ky, kx) of its window the input pixel
 *     (oy stride_height + ky dilation_height - pad_top, ox stride_width + kx dilation_width - pad_left).
 * Taps outside the input are dropped: a convolution takes them as 0, pooling leaves them out. A convolution's window may
 * lie outside altogether, one of pooling may not. */
typedef struct nnc_geometry {
    size_t height, width, channels; /* of the input */
    size_t kernel_height, kernel_width, stride_height, stride_width, dilation_height, dilation_width;
    ptrdiff_t pad_top, pad_left;
    size_t out_height, out_width;
} nnc_geometry;

/* Activations by name; -1 if there is none. The table is in activations.def. */
int nnc_activation_id(const char *name);
bool nnc_activation_keeps_d(int id); /* f' is told from d, not from a */

/* ---- plans ------------------------------------------------------------------------------------------------------ */

typedef struct nnc_plan nnc_plan;

typedef struct nnc_plan_spec {
    size_t n_inputs;
    size_t n_layers;
    const nnc_spec *layers;             /* (n_layers) */
    const nnc_spec *loss;               /* NULL: a plan for inference, or for a loss outside */
    size_t n_metrics;
    const nnc_spec *metrics;            /* (n_metrics) */
    const nnc_spec *optimizer;          /* NULL: none */
    size_t batch_size;                  /* the largest batch of a training step */
    uint64_t seed;                      /* keys random numbers */
    const char *precision;              /* of products: "bfloat16", or "float32" or NULL */
} nnc_plan_spec;

nnc_status nnc_plan_create(nnc_plan **plan, const nnc_plan_spec *spec, char message[NNC_MESSAGE]);
void nnc_plan_free(nnc_plan *plan);

size_t nnc_plan_outputs(const nnc_plan *plan);
size_t nnc_plan_slots(const nnc_plan *plan);       /* per trainable parameter: momentum buffers and the like */
size_t nnc_plan_bytes(const nnc_plan *plan);       /* size of the one allocation */
size_t nnc_plan_parameters(const nnc_plan *plan);  /* number of parameter arrays */

/* Parameter i of the layers in their order. One that is not trainable is a layer's memory of its batches: it has no slots,
 * and its gradient is 0. */
typedef struct nnc_parameter {
    const char *name;           /* "kernel", "bias", "alpha", "gamma", "beta", "moving_mean", "moving_variance" */
    size_t n_axes, shape[NNC_MAX_AXES];
    bool trainable;
} nnc_parameter;
nnc_parameter nnc_plan_parameter(const nnc_plan *plan, size_t i);

/* Copy a parameter, slot s of it (0 <= s < slots) or its gradient between the private layout and row-major `values`
 * (shape). what: NNC_WEIGHT, NNC_GRADIENT or a slot number. */
enum { NNC_GRADIENT = -2, NNC_WEIGHT = -1 };
void nnc_plan_read(const nnc_plan *plan, size_t i, int what, float *values);
void nnc_plan_write(nnc_plan *plan, size_t i, int what, const float *values);

/* Rows to train or evaluate on. Either ids or rows holds the targets; ids stand for one-hot rows. The arrays stay the caller's,
 * and may change while a call runs: ids and orders are looked at once, and one that is out of range ends the call with
 * NNC_BAD_ROW. */
typedef struct nnc_data {
    const void *x;              /* (n, n_inputs), float or uint8_t, features adjacent */
    bool x_is_u8;
    ptrdiff_t x_stride;         /* bytes from one row to the next; may be negative or 0 */
    const int32_t *ids;         /* (n) or NULL */
    const float *rows;          /* (n, n_outputs) or NULL */
    const float *weights;       /* (n) weight of each row in the loss, or NULL */
    size_t n;
} nnc_data;

/* What a stretch of steps adds up to: sums over rows; loss_sum = sum over batches of loss times rows. */
typedef struct nnc_sums {
    size_t steps, rows;
    double loss;
    double *metrics;            /* (n_metrics) */
    float *outputs;             /* (rows, n_outputs) for what the model gave for the rows of this call, in their order, as its
                                   metrics saw it; or NULL */
} nnc_sums;

typedef struct nnc_schedule {
    const int64_t *order;       /* row numbers in the order of training; NULL: 0, 1, 2, ... */
    size_t start, stop;         /* part of the order that this call may use */
    size_t batch_size;          /* at most the plan's */
    const float *learning_rates; /* (n_steps) one for each step */
    size_t n_steps;
    uint64_t epoch, step;       /* of the first step: keys of random numbers, t of Adam */
    double budget;              /* seconds after which no further step is begun */
    double *seconds;            /* (n_layers of the spec + 1, 2) to add the time of each layer's way forward and back to, and
                                   in the last row of the gather and of all the rest; NULL: no clock is read */
} nnc_schedule;

/* Train: up to n_steps steps, each gather -> forward -> loss -> backward -> update. At least one step is done unless it is
 * refused or asked to stop; whatever the status, `sums` says how many were. The steps' losses and metrics are added one by one to
 * what `sums` holds, so that their rounding does not depend on where calls end. */
nnc_status nnc_plan_train(nnc_plan *plan, const nnc_data *data, const nnc_schedule *schedule, nnc_sums *sums);

/* The row that the last NNC_BAD_ROW was about: its number in the data and its label, or its place in the order and the number
 * of a row that stands there. */
typedef struct nnc_bad_row {
    bool of_order;
    size_t row;
    int64_t value;
} nnc_bad_row;
nnc_bad_row nnc_plan_bad_row(const nnc_plan *plan);

/* Ends epochs whose loss does not improve: behind the first one that makes `count` larger than `patience`. An epoch with
 * loss > best - tolerance counts; any other sets `count` to 0. `best` is the least loss so far. Both are updated. */
typedef struct nnc_patience {
    double best, tolerance, count, patience;
} nnc_patience;

/* Several whole epochs, each as nnc_plan_train and, on `held_out`, nnc_plan_evaluate do them. Row e of the arrays is of epoch
 * `epoch` + e. Ends behind an epoch when `budget` seconds are over, or when `patience` says so. */
typedef struct nnc_epochs {
    size_t n, n_steps, batch_size;
    const int64_t *orders;        /* (n, n_rows) or NULL: rows as they lie */
    size_t n_rows;                /* of an epoch */
    const float *learning_rates;  /* (n, n_steps) */
    uint64_t epoch, step;
    double budget;
    const nnc_data *held_out;     /* NULL: none */
    nnc_patience *patience;       /* NULL: none */
    double *sums; /* (n, 2, 2 + n_metrics): rows, loss, metrics of training and of held_out (with penalties) */
    size_t done; /* set: epochs that were finished */
    size_t steps_of_next; /* set: steps of the epoch that ended early, where the status says so */
} nnc_epochs;
nnc_status nnc_plan_train_epochs(nnc_plan *plan, const nnc_data *data, nnc_epochs *epochs);

/* Loss (without penalties) and metrics of rows start..stop in inference mode. */
nnc_status nnc_plan_evaluate(nnc_plan *plan, const nnc_data *data, size_t start, size_t stop, nnc_sums *sums);

/* Outputs (n, n_outputs) in inference mode. */
nnc_status nnc_plan_forward(nnc_plan *plan, const nnc_data *data, float *outputs);

/* Loss and gradient of one batch, at most batch_size rows; read the gradients with nnc_plan_read. Only if `training` do
 * dropout and random_affine act and is a batch normalized by its own statistics. The parameters do not change, moving
 * statistics neither. */
nnc_status nnc_plan_gradients(nnc_plan *plan, const nnc_data *data, bool training, uint64_t epoch, uint64_t step, double *loss);

/* One step in two halves, for a loss computed outside: outputs (n, n_outputs), with `training` as in nnc_plan_gradients; then,
 * given dL/d outputs of the same n rows, either the update (after `training` only) or the gradients alone, to be read with
 * nnc_plan_read. */
nnc_status nnc_plan_step_forward(nnc_plan *plan, const nnc_data *data, bool training, uint64_t epoch, uint64_t step,
                                 float *outputs);
nnc_status nnc_plan_step_backward(nnc_plan *plan, size_t n, const float *d_outputs, float learning_rate, uint64_t step);
nnc_status nnc_plan_step_gradients(nnc_plan *plan, size_t n, const float *d_outputs);

/* Sum of the regularizers' penalties on the present weights. */
double nnc_plan_penalty(nnc_plan *plan);

/* ---- single kernels over the caller's buffers --------------------------------------------------------------------- */

/* A matrix whose element (i, j) is at data[i rs + j cs]. */
typedef struct nnc_matrix {
    const float *data;
    size_t rows, cols, rs, cs;
} nnc_matrix;

/* c (M, N) = init + a b with a (M, K), b (K, N); init is NULL for 0, or one row (N) that every row starts from; rows of c are
 * ldc apart. One stride of a and one of b must be 1. */
nnc_status nnc_gemm(const nnc_matrix *a, const nnc_matrix *b, const float *init, float *c, size_t ldc);

/* a = f(z) over (M, N) dense rows; softmax along N. */
void nnc_activation_forward(int id, size_t M, size_t N, const float *z, float *a, float alpha);
/* dz = da f'(z), from z, or where z is NULL from the output a = f(z), which tells f' unless the activation keeps d, and for
 * alpha >= 0 only. dz may be da, z or a. */
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
 * takes these n weights as one parameter. */
typedef struct nnc_weights {
    size_t n;
    float *w;
    const float *g;
    float *slots[NNC_MAX_SLOTS];
} nnc_weights;
void nnc_optimizer_update(const nnc_optimizer *optimizer, const nnc_weights *weights, float learning_rate, uint64_t step);

/* db (N) = sum over the rows of dz (M, N). */
void nnc_column_sums(size_t M, size_t N, const float *dz, float *db);

/* Elementary functions of the kernels, for accuracy tests: "exp", "expm1", "log", "log1p", "tanh", "sigmoid". False: no such name. */
bool nnc_elementary(const char *name, size_t n, const float *x, float *y);

#endif
