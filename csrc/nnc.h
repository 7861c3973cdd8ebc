/* nnc.h -- the C core of nnc: training and inference of small neural networks on a CPU.
 *
 * This header is the manual. The core knows nothing of Python: it is given a list of layers, a loss and an optimizer,
 * makes a plan (all sizes, one allocation) and runs whole stretches of training in one call.
 *
 * Words and shapes: B rows of a batch, I inputs, O outputs; in products M, N, K. Matrices are row-major; `ld` counts
 * the floats from one row to the next. Everything is float32; losses are summed in float64.
 *
 * Promise: the result is a function of the seed and the data. It has the same bits for any number of threads, for any
 * position of a row in a batch, and for AVX2, AVX-512 and NEON alike, because every output element of a product is one
 * chain of fused multiply-adds in the order of k, and every other sum is split by shape alone.
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
} nnc_status;

/* ---- machine ---------------------------------------------------------------------------------------------------- */

/* Choose the instruction set: a name as in nnc_isa_name, or NULL for NNC_ISA of the environment, else the best that the
 * CPU has. Refuses one that is unknown, not compiled in or not there; `message` then says which there are. */
nnc_status nnc_choose_isa(const char *name, char message[NNC_MESSAGE]);
const char *nnc_isa_name(void);           /* the one in use */
int nnc_isa_count(void);                  /* those that this build has and this CPU can run, slowest first */
const char *nnc_isa_available(int index);
int nnc_isa_tile_rows(void);              /* MR of the one in use */

int nnc_threads(void);                    /* threads that a call may use */
void nnc_set_threads(int n);              /* n >= 1: set; 0: back to what the machine and the environment allow */
const char *nnc_threads_source(void);     /* where the count comes from: "CPU affinity", "cgroup quota", ... */
bool nnc_has_openmp(void);
const char *nnc_compiler(void);

/* ---- what a plan is made of ------------------------------------------------------------------------------------- */

typedef enum nnc_layer_kind {
    NNC_DENSE,
    NNC_ACTIVATION,
    NNC_PRELU,
    NNC_DROPOUT,
    NNC_RESCALING,
    NNC_CONV2D,
    NNC_MAX_POOLING,
    NNC_AVERAGE_POOLING,
    NNC_ZERO_PADDING,
    NNC_BATCH_NORMALIZATION,
    NNC_LAYER_NORMALIZATION,
    NNC_SPATIAL_DROPOUT,
    NNC_RANDOM_AFFINE,
    NNC_LAYER_KINDS /* how many there are */
} nnc_layer_kind;

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

/* Ranges [lo, hi] of random_affine. rotation in turns, counter-clockwise; zoom: the content becomes 1 / (1 + zoom) times as
 * large; shift: down and to the right, as parts of the map. [0] of the height, [1] of the width. */
typedef struct nnc_affine {
    double rotation[2], zoom[2][2], shift[2][2];
    bool one_zoom;      /* the width takes the number that was drawn for the height */
    int fill;           /* an id from nnc_fill_id: what is seen beyond the edge */
    float fill_value;
    bool bilinear;      /* else the nearest pixel */
} nnc_affine;

typedef struct nnc_layer_spec {
    nnc_layer_kind kind;
    size_t units;     /* dense: O; conv2d: filters */
    bool use_bias;    /* dense, conv2d; normalizations: is there a beta? */
    bool use_scale;   /* normalizations: is there a gamma? */
    int activation;   /* dense, conv2d, activation: an id from nnc_activation_id */
    float alpha;      /* the activation's parameter */
    size_t group;     /* softmax acts on runs of `group` features; so does layer normalization; batch normalization's channels */
    float rate;       /* dropouts: part that is dropped, 0 <= rate < 1 */
    float scale, offset;              /* rescaling: a = x scale + offset */
    double momentum;                  /* batch normalization: moving = moving momentum + batch (1 - momentum) */
    double epsilon;                   /* normalizations: a = gamma (x - mean) / sqrt(variance + epsilon) + beta */
    float l1[2], l2[2];               /* penalties l1 sum|w| + l2 sum w^2: [0] kernel, slope or gamma, [1] bias or beta */
    nnc_geometry geometry;            /* conv2d, poolings; zero_padding: its pads and sizes; height, width and channels also of
                                       * random_affine, channels of spatial_dropout */
    nnc_affine affine;                /* random_affine */
} nnc_layer_spec;

typedef struct nnc_loss_spec {
    int kind;              /* an id from nnc_loss_id */
    bool from_logits;
    float label_smoothing;
    float param;           /* huber: delta; margin_hinge: margin */
} nnc_loss_spec;

typedef struct nnc_metric_spec {
    int kind;              /* an id from nnc_metric_id */
    float param;           /* binary_accuracy: threshold; top_k_categorical_accuracy: k */
} nnc_metric_spec;

typedef struct nnc_optimizer_spec {
    int kind;              /* an id from nnc_optimizer_id */
    double momentum;
    bool nesterov;
    double beta_1, beta_2, epsilon;
    bool amsgrad;
    double rho;
    bool centered;
    double weight_decay;
    double clipnorm, global_clipnorm, clipvalue; /* 0: off */
} nnc_optimizer_spec;

/* Ids by name; -1 if there is none. The tables are in activations.def, losses.c, metrics.c and optimizers.c. */
int nnc_activation_id(const char *name);
int nnc_fill_id(const char *name); /* "constant", "nearest", "reflect" or "wrap" */
int nnc_loss_id(const char *name);
int nnc_metric_id(const char *name);
int nnc_optimizer_id(const char *name);

/* Slots per parameter (momentum buffers and the like) that an optimizer needs. */
int nnc_optimizer_slots(const nnc_optimizer_spec *spec);

/* ---- plans ------------------------------------------------------------------------------------------------------ */

typedef struct nnc_plan nnc_plan;

typedef struct nnc_plan_spec {
    size_t n_inputs;
    size_t n_layers;
    const nnc_layer_spec *layers;       /* (n_layers) */
    const nnc_loss_spec *loss;          /* NULL: a plan for inference, or for a loss outside */
    size_t n_metrics;
    const nnc_metric_spec *metrics;     /* (n_metrics) */
    const nnc_optimizer_spec *optimizer; /* NULL: none */
    size_t batch_size;                  /* the largest batch of a training step */
    uint64_t seed;                      /* keys random numbers */
} nnc_plan_spec;

nnc_status nnc_plan_create(nnc_plan **plan, const nnc_plan_spec *spec, char message[NNC_MESSAGE]);
void nnc_plan_free(nnc_plan *plan);

size_t nnc_plan_outputs(const nnc_plan *plan);
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

/* Rows to train or evaluate on. Either ids or rows holds the targets; ids stand for one-hot rows. The caller has checked
 * that 0 <= ids < n_outputs and that orders are in range. */
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
} nnc_sums;

typedef struct nnc_schedule {
    const int64_t *order;       /* row numbers in the order of training; NULL: 0, 1, 2, ... */
    size_t start, stop;         /* part of the order that this call may use */
    size_t batch_size;          /* at most the plan's */
    const float *learning_rates; /* (n_steps) one for each step */
    size_t n_steps;
    uint64_t epoch, step;       /* of the first step: keys of random numbers, t of Adam */
    double budget;              /* seconds after which no further step is begun */
} nnc_schedule;

/* Train: up to n_steps steps, each gather -> forward -> loss -> backward -> update. At least one step is done. */
nnc_status nnc_plan_train(nnc_plan *plan, const nnc_data *data, const nnc_schedule *schedule, nnc_sums *sums);

/* Loss (without penalties) and metrics of rows start..stop in inference mode. */
nnc_status nnc_plan_evaluate(nnc_plan *plan, const nnc_data *data, size_t start, size_t stop, nnc_sums *sums);

/* Outputs (n, n_outputs) in inference mode. */
nnc_status nnc_plan_forward(nnc_plan *plan, const nnc_data *data, float *outputs);

/* Loss and gradient of one batch, at most batch_size rows; read the gradients with nnc_plan_read. Only if `training` do
 * dropout and random_affine act and is a batch normalized by its own statistics. The parameters do not change, moving
 * statistics neither. */
nnc_status nnc_plan_gradients(nnc_plan *plan, const nnc_data *data, bool training, uint64_t epoch, uint64_t step,
                              double *loss);

/* One step in two halves, for a loss computed outside: outputs (n, n_outputs) in training mode; then the update, given
 * dL/d outputs. */
nnc_status nnc_plan_step_forward(nnc_plan *plan, const nnc_data *data, uint64_t epoch, uint64_t step, float *outputs);
nnc_status nnc_plan_step_backward(nnc_plan *plan, size_t n, const float *d_outputs, float learning_rate, uint64_t step);

/* Sum of the regularizers' penalties on the present weights. */
double nnc_plan_penalty(nnc_plan *plan);

/* ---- single kernels over the caller's buffers --------------------------------------------------------------------- */

/* c (M, N) = init + a b, with a (M, K) at a[m ars + k acs], b (K, N) at b[k brs + n bcs]; init is NULL for 0, or one row
 * (N) that every row starts from. One of ars, acs must be 1. Needs scratch for one packed panel. */
nnc_status nnc_gemm(size_t M, size_t N, size_t K, const float *a, size_t ars, size_t acs, const float *b, size_t brs,
                    size_t bcs, const float *init, float *c, size_t ldc);

/* a = f(z) over (M, N) dense rows; softmax along N. */
void nnc_activation_forward(int id, size_t M, size_t N, const float *z, float *a, float alpha);
/* dz = da f'(z). */
nnc_status nnc_activation_backward(int id, size_t M, size_t N, const float *z, const float *da, float *dz, float alpha);

/* Value and gradient da (M, N) of the mean loss over rows; targets, weights as in nnc_data (x is not read). */
nnc_status nnc_loss(const nnc_loss_spec *spec, size_t M, size_t N, const float *a, const nnc_data *targets, double *value,
                    float *da);
/* Mean of a metric over rows. */
nnc_status nnc_metric(const nnc_metric_spec *spec, size_t M, size_t N, const float *a, const nnc_data *targets,
                      double *value);

/* One update of n weights in place; slots (nnc_optimizer_slots) of n floats each; step counts from 0. Clipping by norm
 * takes these n weights as one parameter. */
void nnc_update(const nnc_optimizer_spec *spec, size_t n, float *w, const float *g, float *const *slots,
                float learning_rate, uint64_t step);

/* db (N) = sum over the rows of dz (M, N). */
void nnc_column_sums(size_t M, size_t N, const float *dz, float *db);

/* Elementary functions of the kernels, for accuracy tests: "exp", "expm1", "log", "log1p", "tanh", "sigmoid". False: no such name. */
bool nnc_elementary(const char *name, size_t n, const float *x, float *y);

#endif
