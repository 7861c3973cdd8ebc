/* product.h -- the products of layers: forward, dx and dW, of dense layers and of windows on maps.
 *
 * A layer specifies the operands in rows, columns and pixels; product.c and kernels/gemm.inc decide how they are divided,
 * packed and traversed. Every output is one chain of fused multiply-adds in an order that depends on the shape only. */
#ifndef NNC_PRODUCT_H
#define NNC_PRODUCT_H

#include "ahead.h"
#include "kernels.h"
#include "update.h"
#include "zeros.h"

/* Applied in place to columns [j, j + n) of m rows of a result while they are in the cache: c points to the first of them. */
struct nnc_epilogue {
    void (*apply)(const void *of, size_t m, size_t j, size_t n, float *c);
    const void *of;
};

/* ---- dense layers: three products over one W (I, O) ------------------------------------------------------------------ */

/* z (m, columns of the panels) = b + x W. */
struct nnc_forward {
    const struct nnc_products *products;
    const struct nnc_param *W, *b;    /* b NULL: 0 */
    size_t m;
    struct nnc_operand x;
    const struct nnc_groups *groups;  /* NULL, or the nonzero groups of x */
    struct nnc_write z;               /* (m, O) */
    struct nnc_epilogue epilogue;
    struct nnc_worker *worker;        /* which computes it, and ends early after a stop request */
};
/* Computes panels [first, last) of it. */
void nnc_product_forward(const struct nnc_forward *of, size_t first, size_t last);

/* dx (m, I) = dz W^T. */
struct nnc_input_gradient {
    const struct nnc_products *products;
    const struct nnc_param *W;
    size_t m;
    struct nnc_operand dz;
    struct nnc_write dx;
    struct nnc_epilogue epilogue;
    struct nnc_worker *worker;
};
/* Computes its columns starting at 32 block, at most 32. */
void nnc_product_input_gradient(const struct nnc_input_gradient *of, size_t block);

/* dW (I, O) = x^T dz, used by the update tile by tile. */
struct nnc_kernel_gradient {
    const struct nnc_products *products;
    const struct nnc_update *update;
    struct nnc_param *W;
    size_t m;
    struct nnc_operand x, dz;
    const struct nnc_zeros *zeros;    /* NULL, or lists of the nonzero rows of x */
    struct nnc_worker *worker;
    const struct nnc_ahead *ahead;    /* NULL, or rows to prefetch meanwhile: this worker's share */
};
/* Computes tiles [first, last) of it; only those whose rows begin at 32 block. */
void nnc_product_kernel_gradient(const struct nnc_kernel_gradient *of, size_t first, size_t last);
void nnc_product_kernel_gradient_block(const struct nnc_kernel_gradient *of, size_t block, size_t first, size_t last);

/* ---- windows on maps ---------------------------------------------------------------------------------------------- */

/* Maps of a batch, channels last: elements from one sample to the next, pixels from one row to the next, channels of a pixel,
 * each `step` elements apart (1 for windows). */
struct nnc_maps {
    size_t ld, width, channels, step;
};

/* A number of pixels or a distance: rows down, columns across. */
struct nnc_span {
    size_t down, across;
};

/* out (pixels, n) = init + sum over the kernel positions and channels of `in` times w. */
struct nnc_windows {
    size_t samples;
    struct nnc_span pixels;             /* of out, whose windows use the same positions */
    const void *in;                     /* the pixel at the first position of the first of them */
    struct nnc_maps in_maps;
    float *out;                         /* the first of them, first filter */
    struct nnc_maps out_maps;
    struct nnc_span in_step, out_step;  /* pixels from one to the next, of in and of out */
    struct nnc_span positions, dilation; /* that they use; pixels of in from one position to the next */
    size_t channels;                    /* of a position, the first ones of a pixel of in */
    bool lanes;                         /* each filter has a channel of its own, the next one; `channels` is 1 */
    const void *w;                      /* a panel, from their first position and filter on; rows (ky, kx, channel) */
    size_t window_row;                  /* rows of the panel for a row of the complete window */
    size_t first, last;                 /* rows of in, counted from that of the first position; all others are 0 */
    const float *init;                  /* (PANEL), or NULL: 0 */
    size_t n;                           /* filters, at most PANEL */
};
void nnc_product_windows(const struct nnc_products *products, const struct nnc_windows *of);

/* c (m, n), rows PANEL apart, += sum over pixels of x^T dz: m elements of x for each pixel of dz, n filters. */
struct nnc_pixel_sum {
    size_t samples;
    struct nnc_span pixels;             /* of dz */
    const void *x;                      /* the elements for the first of them */
    size_t x_row;                       /* elements of x from one row of c to the next */
    bool lanes;                         /* each filter has its own x, the next element */
    struct nnc_maps x_maps;
    struct nnc_span x_step;             /* pixels of x for one of dz */
    const void *dz;                     /* the first of them, first filter */
    struct nnc_maps dz_maps;
    size_t m, n;
    float *c;
};
void nnc_product_pixels(const struct nnc_products *products, const struct nnc_pixel_sum *of);

/* ---- any matrices ---------------------------------------------------------------------------------------------------- */

/* c = init + a b: see nnc_gemm. `scratch` has nnc_product_scratch floats; NULL if that is 0. */
size_t nnc_product_scratch(const nnc_matrix *a, const nnc_matrix *b);
void nnc_product_matrices(const struct nnc_products *products, const nnc_matrix *a, const nnc_matrix *b, const float *init,
                          struct nnc_write c, float *scratch);

#endif
