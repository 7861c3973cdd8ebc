/* operands.h -- what the products of a layer read: in float32 the arrays of floats themselves, in bfloat16 rounded copies of
 * them, laid out as products want them. */
#ifndef NNC_OPERANDS_H
#define NNC_OPERANDS_H

#include "network.h"
#include "product.h"

/* How a map (height, width, channels) lies in a copy of rows x columns pixels: pixel (y, x) holds the map's pixels
 * (y - top, x - left + t dilation) for t = 0, ..., taps - 1, one behind the other, and zeros for those that are outside. With
 * room at the edges every window sees all of its taps; with several taps a row of a dilated window is a run of memory. A window
 * may reach `shared` pixels beyond the end of a row: into the zeros at the beginning of the next one. */
struct nnc_frame {
    size_t height, width, channels;
    size_t rows, columns, taps, dilation;
    ptrdiff_t top, left;
    size_t shared;
};

/* The copies of a layer in bfloat16. */
struct nnc_rounded {
    struct nnc_frame x_frame, dz_frame;
    size_t ldx, ldz;
    uint16_t *x;           /* (B, ldx) what the layer reads */
    uint16_t *transposed;  /* (ldx, samples rounded up to 32) the same of the last backward pass; beyond the samples 0 */
    uint16_t *dz;          /* (B, ldz); NULL where no dx is wanted */
    uint32_t *pairs;       /* (B / 2, layer->ld) dz, two samples interleaved */
};

/* A row of n numbers, as a map of one pixel. */
static inline struct nnc_frame nnc_flat(size_t n) {
    return (struct nnc_frame){1, 1, n, 1, 1, 1, 1, 0, 0, 0};
}

/* The frame whose rows share their zeros, where its pixels are those of the map. */
struct nnc_frame nnc_share_zeros(struct nnc_frame frame);

/* Room for the copies of batches of up to B samples, where the layer's precision wants them. */
void nnc_rounded_lay_out(struct nnc_layer *layer, const struct nnc_frame *x, const struct nnc_frame *dz, size_t B,
                         struct nnc_arena *arena);

/* Makes the copies that the forward pass reads; those that the backward pass reads beside them, once dz is there. Every
 * worker calls them; in float32 they do nothing. */
void nnc_round_input(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker);
void nnc_round_gradient(const struct nnc_layer *layer, size_t m, struct nnc_worker *worker);

/* x of z = x W; x of dW = x^T dz, of m samples; dz of dx = dz W^T; dz of dW = x^T dz. */
struct nnc_operand nnc_input_of_forward(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass);
struct nnc_operand nnc_input_of_gradient(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass);
struct nnc_operand nnc_gradient_of_input(const struct nnc_layer *layer);
struct nnc_operand nnc_gradient_of_kernel(const struct nnc_layer *layer);

#endif
