/* activation.h -- activations, their derivatives, and when a layer's da becomes dz. */
#ifndef NNC_ACTIVATION_H
#define NNC_ACTIVATION_H

#include "network.h"
#include "product.h"

/* activation, alpha, group: settings of the kinds that have an activation. */
extern const struct nnc_field nnc_activation_fields[];
extern const size_t nnc_n_activation_fields;

/* a = f(z) in place, softmax included, on rows [0, m) from the given pointers. d as in kernels.h. */
void nnc_activate(const struct nnc_activation_of *f, size_t m, size_t n, struct nnc_write a, struct nnc_write d);
/* da *= f' likewise; d.at is NULL where a says all. */
void nnc_activate_backward(const struct nnc_activation_of *f, size_t m, size_t n, struct nnc_read a, struct nnc_read d,
                           struct nnc_write da);

/* da becomes dz in rows [i0, i1) of the layer, if nobody has done it. */
void nnc_take_derivative(const struct nnc_layer *layer, size_t i0, size_t i1);
/* The same for this worker's share of m rows, which all workers may then read; nothing at all where it is done already. */
void nnc_take_derivative_shared(const struct nnc_layer *layer, size_t m, struct nnc_worker *worker);
/* Softmax after a product, whose blocks of columns cannot do it, on this worker's share of m rows. */
void nnc_activate_whole_rows(const struct nnc_layer *layer, size_t m, struct nnc_worker *worker);

/* What comes after a forward product of layer l: where its rows go, and what is done with a block while it is hot: in
 * inference the layer after it, if it can, and the elementwise activation. */
struct nnc_after_product {
    const struct nnc_layer *target; /* whose a and d the product writes */
    const struct nnc_layer *finish; /* NULL, or the layer that is done on the results */
    bool keeps_d;
    size_t ld;                      /* floats between the rows of a block: target->ld, or pixels */
};
struct nnc_after_product nnc_after_product_of(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass);
void nnc_apply_after_product(const void *of, size_t m, size_t j, size_t n, float *c);

/* What comes after a product that makes da of `before`: dz, where that is asked for. */
struct nnc_epilogue nnc_after_input_gradient(const struct nnc_layer *before);

#endif
