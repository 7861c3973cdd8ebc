/* activation.h -- activations, their derivatives, and the step from a layer's da to dz. */
#ifndef NNC_ACTIVATION_H
#define NNC_ACTIVATION_H

#include "network.h"
#include "product.h"

/* activation, alpha, group: settings of the layer kinds that have an activation. */
extern const struct nnc_field nnc_activation_fields[];
extern const size_t nnc_n_activation_fields;

/* a = f(z) in place, those of rows included, on m rows from the given pointers. d as in kernels.h. */
void nnc_activate(const struct nnc_activation_of *f, size_t m, size_t n, struct nnc_write a, struct nnc_write d);
/* da *= f' in the same way; d.at is NULL if a is sufficient. */
void nnc_activate_backward(const struct nnc_activation_of *f, size_t m, size_t n, struct nnc_read a, struct nnc_read d,
                           struct nnc_write da);

/* Turns da into dz in rows [i0, i1) of the layer. */
void nnc_take_derivative(const struct nnc_layer *layer, size_t i0, size_t i1);
/* The same for this worker's share of m rows, followed by a barrier; does nothing if the layer receives dz (gets_dz). */
void nnc_take_derivative_shared(const struct nnc_layer *layer, size_t m, struct nnc_worker *worker);
/* The same for an activation of rows, on this worker's share of m rows: the epilogue of a product sees blocks of columns only. */
void nnc_activate_whole_rows(const struct nnc_layer *layer, size_t m, struct nnc_worker *worker);

/* The backward pass of a layer whose d is the derivative of each output by its input: da of the layer before is da d. */
void nnc_multiply_by_d(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker);

/* The epilogue of the forward product of layer l: where its rows are stored, and what is done with a block while it is in the
 * cache: in inference the next layer, if that supports it, the elementwise activation, and the copy for the next product. */
struct nnc_after_product {
    const struct nnc_layer *target; /* the layer whose a and d the product writes */
    const struct nnc_layer *finish; /* NULL, or the layer that is applied to the results */
    const struct nnc_layer *reader; /* NULL, or the layer whose copy of them is written */
    bool keeps_d;
    size_t ld;                      /* floats between the rows of a block: target->ld, or pixels */
};
struct nnc_after_product nnc_after_product_of(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass);
void nnc_apply_after_product(const void *of, size_t m, size_t j, size_t n, float *c);

/* The epilogue of a product that computes da of `before`: converts it to dz if `before` receives dz. */
struct nnc_epilogue nnc_after_input_gradient(const struct nnc_layer *before);

#endif
