/* pooling.c */
#include "plan.h"

#define TODO(name)                                                                                                      \
    void name(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {                \
        (void)plan, (void)l, (void)pass, (void)worker;                                                                  \
    }
TODO(nnc_max_pooling_forward)
TODO(nnc_max_pooling_backward)
TODO(nnc_average_pooling_forward)
TODO(nnc_average_pooling_backward)
TODO(nnc_zero_padding_forward)
TODO(nnc_zero_padding_backward)
TODO(nnc_batch_normalization_forward)
TODO(nnc_batch_normalization_backward)
TODO(nnc_layer_normalization_forward)
TODO(nnc_layer_normalization_backward)
TODO(nnc_spatial_dropout_forward)
TODO(nnc_spatial_dropout_backward)
TODO(nnc_random_affine_forward)
TODO(nnc_random_affine_backward)
