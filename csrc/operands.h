/* operands.h -- the operands of a layer's products: in float32 the arrays themselves, in bfloat16 rounded copies in the memory
 * layout that the products require. */
#ifndef NNC_OPERANDS_H
#define NNC_OPERANDS_H

#include "network.h"
#include "product.h"

/* The layout of a map (height, width, groups channels) in padded copies of rows x columns pixels, one copy for each group of
 * channels: pixel (y, x) holds the map's pixels (y - top, x - left + t dilation) for the kernel positions t = 0, ...,
 * positions - 1, one after the other, and zeros for those outside the map. The padding makes every window complete; with
 * positions > 1, a row of a dilated window is contiguous in memory. A window may extend `shared` pixels beyond the end of a
 * row, into the zeros at the beginning of the next one. */
struct nnc_frame {
    size_t height, width, channels, groups; /* channels of a group */
    size_t rows, columns, positions, dilation;
    ptrdiff_t top, left;
    size_t shared;
};

/* A layer's copies in bfloat16. */
struct nnc_rounded {
    struct nnc_frame x_frame, dz_frame;
    size_t ldx, ldz;
    uint16_t *x;           /* (B, ldx) the input of the layer */
    uint16_t *transposed;  /* (ldx, samples rounded up to 32) its transpose in the last backward pass; 0 beyond the samples */
    uint16_t *dz;          /* (B, ldz); NULL if dx is not needed */
    uint32_t *pairs;       /* (B / 2, layer->ld) dz, two samples interleaved */
};

/* A row of n elements as a map of one pixel. */
static inline struct nnc_frame nnc_flat(size_t n) {
    return (struct nnc_frame){1, 1, n, 1, 1, 1, 1, 1, 0, 0, 0};
}

/* Elements from the copy of one group to the next. */
static inline size_t nnc_frame_size(const struct nnc_frame *f) {
    return (f->rows * f->columns + f->shared) * f->positions * f->channels;
}

/* The frame in which adjacent rows share their zeros, if it has one kernel position per pixel; else the same frame. */
struct nnc_frame nnc_share_zeros(struct nnc_frame frame);

/* Allocates the copies for batches of up to B samples, if the layer's precision requires them. */
void nnc_rounded_lay_out(struct nnc_layer *layer, const struct nnc_frame *x, const struct nnc_frame *dz, size_t B,
                         struct nnc_arena *arena);

/* The layer whose copy in bfloat16 is written by the gather, by layer l; NULL: none. */
const struct nnc_layer *nnc_reader_of_batch(const struct nnc_plan *plan, const struct nnc_pass *pass);
const struct nnc_layer *nnc_reader_of(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass);

/* Copies row i of the reader's input; a block (m, n) of the outputs of `writer`: one row after the other, or contiguous in one
 * row. */
void nnc_round_row(const struct nnc_layer *reader, size_t i, const float *x);
void nnc_round_block(const struct nnc_layer *reader, const struct nnc_layer *writer, size_t m, size_t n, struct nnc_read a);

/* The first makes the copies for the forward pass, unless the code that wrote the input has made them; the second, once dz is
 * computed, those that the backward pass also needs. Every worker calls them; in float32 they do nothing. */
void nnc_round_input(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker);
void nnc_round_gradient(const struct nnc_layer *layer, size_t m, struct nnc_worker *worker);

/* x of z = x W; x of dW = x^T dz, of m samples; dz of dx = dz W^T; dz of dW = x^T dz. */
struct nnc_operand nnc_input_of_forward(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass);
struct nnc_operand nnc_input_of_gradient(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass);
struct nnc_operand nnc_gradient_of_input(const struct nnc_layer *layer);
struct nnc_operand nnc_gradient_of_kernel(const struct nnc_layer *layer);

#endif
