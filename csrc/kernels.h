/* kernels.h -- the set of kernels that dispatch.c selects: one struct per instruction set, which contains a struct for the
 * products of each precision.
 *
 * Block sizes are defined next to the kernels that use them. Weights are stored in panels of PANEL columns for every
 * instruction set, so that only the kernels differ: element (k, j) of a matrix of `rows` rows is at
 * ((j / PANEL) rows + k) PANEL + j % PANEL, and the columns that pad the last panel are 0.
 */
#ifndef NNC_KERNELS_H
#define NNC_KERNELS_H

#include <string.h>

#include "nnc.h"

enum {
    PANEL = 32,          /* columns of a packed panel, and rows of a gradient tile: a tile has at most 1024 floats */
    TILE = PANEL * PANEL,
    GROUP = 4,           /* adjacent columns of x that are skipped together if all are 0 */
    BF16_STEP = 32,      /* terms that a bfloat16 product adds at once */
    WIDEST = 16,         /* columns of the widest vector, and of a bfloat16 tile */
    GROUP_BLOCK = 12,    /* groups whose rows of W, times 128 columns, stay in the L1 cache: 24 KB */
};

enum { KEEPS_A, KEEPS_D }; /* what the derivative of an activation is computed from: see activations.def */

enum nnc_activation {
#define ACTIVATION(name, keeps, f, df) ACTIVATION_##name,
#define ROW_ACTIVATION(name) ACTIVATION_##name,
#include "activations.def"
#undef ACTIVATION
#undef ROW_ACTIVATION
    N_ACTIVATIONS,
    N_ELEMENTWISE = ACTIVATION_softmax
};

static inline bool nnc_is_elementwise(int activation) {
    return activation < N_ELEMENTWISE;
}

enum nnc_loss_kernel {
#define LOSS(name, divisor, value, gradient) LOSS_##name,
#include "losses.def"
#undef LOSS
    LOSS_categorical_crossentropy,
    LOSS_categorical_crossentropy_logits,
    LOSS_margin_hinge,
    LOSS_categorical_hinge,
    LOSS_cosine_similarity,
    LOSS_categorical_focal_crossentropy,
    LOSS_categorical_focal_crossentropy_logits,
    N_LOSSES
};

enum nnc_optimizer_rule {
#define OPTIMIZER(name, slots, ...) OPTIMIZER_##name,
#include "optimizers.def"
#undef OPTIMIZER
    N_OPTIMIZERS
};

/* Rows of floats to read, or to write: row i begins at at[i ld]. */
struct nnc_read {
    const float *at;
    size_t ld;
};
struct nnc_write {
    float *at;
    size_t ld;
};

/* An operand of a product: element f of row i is at i ld + f step. */
struct nnc_operand {
    const void *at;
    size_t ld, step;
};

static inline struct nnc_read nnc_reading(struct nnc_write rows) {
    return (struct nnc_read){rows.at, rows.ld};
}

/* y = x, row by row. Rows of one panel have a separate loop with an inlined memcpy: a call takes longer than the copy. */
static inline void nnc_copy_rows(size_t m, size_t n, struct nnc_read x, struct nnc_write y) {
    for (size_t i = 0; i < m && n == PANEL; i++) memcpy(y.at + i * y.ld, x.at + i * x.ld, PANEL * sizeof *y.at);
    for (size_t i = 0; i < m && n != PANEL; i++) memcpy(y.at + i * y.ld, x.at + i * x.ld, n * sizeof *y.at);
}

/* A block of rows of a loss. */
struct nnc_loss_block {
    size_t m, n;
    const float *a;     /* (m, n) outputs or logits */
    size_t lda;
    const float *y;     /* (m, n) targets, or NULL if ids are the targets */
    size_t ldy;
    const int32_t *ids; /* (m) or NULL */
    const float *weights; /* (m) or NULL */
    float scale;        /* 1 / B: the gradient is of the mean over the batch */
    float param;        /* huber's delta, the margin, the focal losses' gamma */
    float of_0, of_1;   /* factors of the focal losses of targets 0 and 1 */
    float y_scale, y_offset; /* label smoothing: the target is y y_scale + y_offset */
    double *value;      /* (m) weighted loss of each row */
    float *da;          /* (m, n) gradient of the mean */
    size_t ldda;
};

/* The shape of a product c (m, n) = init (m, n) + a b, n <= PANEL, where the sum has up to three levels: `blocks` of
 * `segments` of k terms. product.c fills it in.
 *
 * Distances are in elements. Element (i, p) of segment s of block q of a is at a[i rs + p cs + s a_segment + q a_block],
 * with rs = 1 or cs = 1; row p of b in that segment is at b[p ldb + s b_segment + q b_block] and has n readable elements,
 * rounded up to a multiple of WIDEST; rows of init are ldinit apart (0: one row for all), those of c ldc. Each element of c is
 * one chain of fused multiply-adds in the order of (q, s, p). A product of matrices has one segment; a convolution sums over
 * the rows of a window, each contiguous in memory.
 *
 * With `lanes`, only in float32, each column of c has an a of its own: (i, p) of column j is at the above address + j. Then rs
 * and cs are any numbers.
 *
 * This is the float32 layout. In bfloat16, cs is 1, and rows p and p + 1 of b, p even, are interleaved: b's element (p, j) is
 * element 2 j + p % 2 of the pair. A segment is summed in steps of k_step terms from its start; the sum of each step is added
 * to a float32 that starts at 0 and to which init is added at the end: see kernels/bfloat16.inc. */
struct nnc_product {
    size_t m, n, k, segments, blocks;
    size_t rs, cs, a_segment, a_block;
    size_t ldb, b_segment, b_block;
    size_t ldinit, ldc;
    bool lanes;
    const struct nnc_pixels *pixels; /* NULL, or the meaning of its rows (only with takes_pixels); ldinit is then 0 */
    void (*beside)(void *of); /* NULL, or work to do while the product is computed (only with works_beside, for m <= PANEL) */
    void *beside_of;
};

/* The m rows of a are the pixels of a map, row by row, starting with the first that a window covers; c has no rows for the
 * pixels at the end of each row of the map. The same for each of several maps. */
struct nnc_pixels {
    size_t maps, a_map, c_map;    /* number of maps; elements of a and of c from one map to the next */
    size_t width, kept;           /* pixels from one row of the map to the next; how many of them, the first ones, are in c */
    size_t c_row;                 /* elements of c from one row of the map to the next */
    size_t dilation, first, last; /* segment s of pixel (y, x) is 0 unless first <= y + s dilation < last */
};

/* The groups of each row of x that contain a nonzero element. */
struct nnc_groups {
    size_t groups, blocks;  /* of a row: groups, and blocks of GROUP_BLOCK groups */
    const uint16_t *lists;  /* (m, groups) their numbers, ascending */
    const uint16_t *starts; /* (m, blocks + 1) position in the list where each block begins, and the end of the list */
};

/* The scalars of an update; one for each step. */
struct nnc_hyper {
    float learning_rate;
    float keep;         /* 1 - weight_decay learning_rate */
    float momentum;
    bool nesterov;
    float rest_1, rest_2; /* 1 - beta_1, 1 - beta_2 */
    float beta_2;
    float epsilon;
    float adamax_rate;  /* learning_rate / (1 - beta_1^t) */
    float unbias_2;     /* 1 / (1 - beta_2^t) */
    float nadam_m, nadam_g; /* factors of m and of the gradient, see nnc/optimizers.py */
    float adam_rate;    /* learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t) */
    bool amsgrad;
    float rho, rest_rho; /* rho, 1 - rho */
    bool centered;
    float clipvalue;    /* 0: off */
    float gradient_scale; /* factor of clipping by norm; 1: not clipped */
};

/* Contiguous weights with their gradient and slots, to be updated; the gradient of the penalties is added in the update. */
struct nnc_stretch {
    size_t n;
    float *w;
    const float *g;
    float *slots[NNC_MAX_SLOTS];
    size_t n_slots;
    float l1, l2;
};

/* Random numbers of a layer in one step: Philox4x32-10 with this key and the counter (block, layer, step, epoch). */
struct nnc_stream {
    uint32_t key[2], counter[3];
};

/* Coefficients of each column for batch normalization: y = (x - mean) scale + shift;
 * dx = (dy - sum - (x - mean) product) scale. */
struct nnc_coefficients {
    const float *mean, *scale, *shift, *sum, *product;
};

/* Layer normalization: y = gamma (x - mean) / sqrt(variance + epsilon) + beta, with the statistics of each row. */
struct nnc_row_normalization {
    const float *gamma, *beta; /* NULL for 1, for 0 */
    float epsilon;
    float *statistics;         /* (m, 2): mean, 1 / sqrt(variance + epsilon) */
    float *dgamma, *dbeta;     /* (n) backward: the sums over the rows of dy z and of dy are added to them */
};

/* A relu: z where z > threshold, at most `most`; elsewhere slope (z - threshold). */
struct nnc_thresholds {
    float slope, threshold, most;
};

/* The products of one precision with one instruction set. a and b have elements of this precision, c is float32. */
struct nnc_products {
    size_t mr;            /* rows of a register tile */
    size_t k_step;        /* terms that are summed together: the rows of b of each sum are padded with zeros to a multiple of
                           * it, and the k elements of a are followed by as many, which tiles multiply by those zeros */
    size_t interleaved;   /* rows of b that are interleaved, element by element */
    size_t element_size;  /* bytes of an element of a and b */
    bool skips_zeros;     /* terms that are 0 may be omitted from a sum */
    bool takes_pixels;    /* see struct nnc_pixels */
    bool works_beside;    /* its unit multiplies while the CPU does other work: see struct nnc_product */
    const char *name;     /* in bfloat16: the implementation */

    /* NULL, or functions that each thread calls before and after the products of a team's run. */
    void (*begin)(void);
    void (*end)(void);

    /* c (m, n) = init + a b for n <= PANEL, summed over segments: see struct nnc_product. c may be init. NULL: this instruction
     * set does not support products of this precision. */
    void (*gemm)(const struct nnc_product *product, const void *a, const void *b, const float *init, float *c);
    /* The same product, but c, the gradient of complete rows of a panel, is not stored: plain SGD (no l1, no clipping) applies
     * it at once. The m <= PANEL rows of W begin at stretch->w. NULL: not available. */
    void (*gemm_sgd)(const struct nnc_product *product, const void *a, const void *b, const struct nnc_stretch *stretch,
                     const struct nnc_hyper *h);
    /* c (n) = init + x W for one row x (k), W (k, n) in panels `stride` elements apart. init (NULL: 0) and c are padded to
     * complete panels. */
    void (*gemv)(size_t n, size_t k, const void *x, const void *w, size_t stride, const float *init, float *c);
    /* The same for m rows that are 0 outside the groups in the lists; w.ld is the stride. Only with skips_zeros. */
    void (*gemm_rows)(size_t m, size_t n, struct nnc_read x, const struct nnc_groups *groups, struct nnc_read w,
                      const float *init, struct nnc_write c);
    /* c (GROUP, n) = sum over the `count` listed rows p of x[p]^T dz[p], for a group of x and n <= PANEL columns of dz. */
    void (*gemm_listed)(size_t n, size_t count, const uint16_t *list, struct nnc_read x, struct nnc_read dz,
                        struct nnc_write c);
    /* Transposes columns of weights into rows of a panel: y[j ldy + i] = x[i ld + j] for i < m, j < n. */
    void (*pack)(size_t m, size_t n, struct nnc_read x, void *y, size_t ldy);
};

/* The address n elements after `at`. */
static inline const void *nnc_element(const struct nnc_products *products, const void *at, size_t n) {
    return (const char *)at + n * products->element_size;
}

enum nnc_precision { PRECISION_float32, PRECISION_bfloat16, N_PRECISIONS };

struct nnc_kernels {
    const char *isa;
    struct nnc_products products[N_PRECISIONS];

    /* y (m, n) = the nearest bfloat16 of x, ties to even; rows of y are ldy apart. */
    void (*round_bf16)(size_t m, size_t n, struct nnc_read x, uint16_t *y, size_t ldy);
    /* pairs (n) of 32 bits = two interleaved rows of bfloat16, `even` in the lower halves; odd NULL: 0. */
    void (*pair_bf16)(size_t n, const float *even, const float *odd, void *pairs);
    void (*pair_halves)(size_t n, const uint16_t *even, const uint16_t *odd, void *pairs);
    /* Are none of them infinite or NaN? */
    bool (*is_finite_bf16)(size_t n, const uint16_t *x);
    /* y = x scale + offset. */
    void (*rescale_u8)(size_t n, const uint8_t *x, float scale, float offset, float *y);
    void (*rescale)(size_t n, const float *x, float scale, float offset, float *y);
    /* y = x. Are all of them within [low, high]? If 0 is not, the answer may be false although they are. */
    bool (*copy_within)(size_t n, const float *x, float low, float high, float *y);
    /* y = x d. */
    void (*multiply)(size_t n, const float *x, const float *d, float *y);
    /* y += x. */
    void (*add)(size_t n, const float *x, float *y);
    /* y (n) = sum over the m rows of x. */
    void (*column_sums)(size_t m, size_t n, struct nnc_read x, float *y);
    double (*sum_squares)(size_t n, const float *x);
    double (*sum_abs)(size_t n, const float *x);

    /* a = f(z) and, if the activation keeps it, d = f'(z) (d.at may be NULL: inference); a may be z. */
    void (*activation_forward[N_ELEMENTWISE])(size_t m, size_t n, struct nnc_read z, struct nnc_write a, struct nnc_write d,
                                              float alpha);
    /* da *= f', from kept = a or d. */
    void (*activation_backward[N_ELEMENTWISE])(size_t m, size_t n, struct nnc_read kept, struct nnc_write da, float alpha);
    /* The activations from N_ELEMENTWISE on, of one row; a may be z. */
    void (*row_activation_forward[N_ACTIVATIONS - N_ELEMENTWISE])(size_t n, const float *z, float *a);
    void (*row_activation_backward[N_ACTIVATIONS - N_ELEMENTWISE])(size_t n, const float *a, float *da);
    /* a = z where z > 0, else slope z; and backward: dx = da (1 or slope), dslope (n) = sum over m of da z where z <= 0. */
    void (*prelu_forward)(size_t m, size_t n, struct nnc_read z, const float *slope, struct nnc_write a);
    void (*prelu_backward)(size_t m, size_t n, struct nnc_read z, const float *slope, struct nnc_read da, struct nnc_write dx,
                           float *dslope);

    /* The relu of these thresholds; and backward: dx = da times 1 (threshold < z < most), 0 (z >= most) or slope. */
    void (*thresholded_relu_forward)(size_t n, const float *z, const struct nnc_thresholds *of, float *a);
    void (*thresholded_relu_backward)(size_t n, const float *z, const struct nnc_thresholds *of, const float *da, float *dx);

    /* mask[i] = scale if word `first + i` of the stream is >= threshold, else 0. */
    void (*dropout_mask)(const struct nnc_stream *stream, size_t first, size_t n, uint32_t threshold, float scale, float *mask);
    /* Words first, ..., first + n - 1 of the stream. */
    void (*random_words)(const struct nnc_stream *stream, size_t first, size_t n, uint32_t *words);

    /* Output row oy (out_width, channels) of pooling over the map x (height, width, channels). winner, unless NULL, receives
     * the pixel of each maximum, as int32 in the memory of the floats. */
    void (*max_pooling)(const nnc_geometry *g, size_t oy, const float *x, float *y, float *winner);
    void (*average_pooling)(const nnc_geometry *g, size_t oy, const float *x, float *y);
    /* Row iy (width, channels) of the input gradient dx, from dy and winner (out_height, out_width, channels). */
    void (*max_pooling_backward)(const nnc_geometry *g, size_t iy, const float *winner, const float *dy, float *dx);
    void (*average_pooling_backward)(const nnc_geometry *g, size_t iy, const float *dy, float *dx);

    /* Batch normalization on a block (m, n), with separate coefficients for every column.
     * y (n) += sum over the rows of x, or of (x - center)^2. */
    void (*add_sums)(size_t m, size_t n, struct nnc_read x, float *y);
    void (*add_squares)(size_t m, size_t n, struct nnc_read x, const float *center, float *y);
    /* y may be x. */
    void (*normalize)(size_t m, size_t n, struct nnc_read x, const struct nnc_coefficients *of, struct nnc_write y);
    /* sum (n) += sum over the rows of dy, product (n) += sum over the rows of dy (x - mean). */
    void (*add_gradient_sums)(size_t m, size_t n, struct nnc_read x, const float *mean, struct nnc_read dy, float *sum,
                              float *product);
    void (*normalize_backward)(size_t m, size_t n, struct nnc_read x, const struct nnc_coefficients *of, struct nnc_read dy,
                               struct nnc_write dx);
    /* Layer normalization; dx.at may be NULL: not computed. */
    void (*normalize_rows)(size_t m, size_t n, struct nnc_read x, const struct nnc_row_normalization *of, struct nnc_write y);
    void (*normalize_rows_backward)(size_t m, size_t n, struct nnc_read x, const struct nnc_row_normalization *of,
                                    struct nnc_read dy, struct nnc_write dx);

    void (*loss[N_LOSSES])(const struct nnc_loss_block *block);
    void (*update[N_OPTIMIZERS])(const struct nnc_stretch *stretch, const struct nnc_hyper *h);
    /* g += l1 sign(w) + 2 l2 w. */
    void (*regularize)(size_t n, const float *w, float *g, float l1, float l2);

    bool (*elementary)(const char *name, size_t n, const float *x, float *y);
};

extern const struct nnc_kernels *nnc_kernels; /* the set in use; assigned by dispatch.c */

/* The products in use; those of bfloat16 only after nnc_find_products has succeeded. */
const struct nnc_products *nnc_products(enum nnc_precision precision);
/* The products without tiles: in bfloat16, those by fused multiply-adds. They are for sums so short that tiles would consist
 * mostly of zeros, and for elements of a that are not finite: they do not read what follows the k elements of a sum, which tiles
 * multiply by the zeros in b. */
const struct nnc_products *nnc_products_without_tiles(enum nnc_precision precision);
/* Selects them, or explains in `message` why none are available. */
nnc_status nnc_find_products(enum nnc_precision precision, char message[NNC_MESSAGE]);

#endif
