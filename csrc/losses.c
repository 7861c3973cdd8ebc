/* losses.c -- losses by name, and what a plan needs to know of them. The formulas are in losses.def and kernels/losses.inc. */

#include <string.h>

#include "plan.h"

/* Public names; from_logits chooses the kernel. */
static const struct {
    const char *name;
    enum nnc_loss_kernel kernel, on_logits;
    int link;  /* the activation that makes logits of this loss into its outputs; linear: none */
} losses[] = {
    {"mean_squared_error", LOSS_mean_squared_error, LOSS_mean_squared_error, ACTIVATION_linear},
    {"mean_absolute_error", LOSS_mean_absolute_error, LOSS_mean_absolute_error, ACTIVATION_linear},
    {"huber", LOSS_huber, LOSS_huber, ACTIVATION_linear},
    {"binary_crossentropy", LOSS_binary_crossentropy, LOSS_binary_crossentropy_logits, ACTIVATION_sigmoid},
    {"categorical_crossentropy", LOSS_categorical_crossentropy, LOSS_categorical_crossentropy_logits, ACTIVATION_softmax},
    {"poisson", LOSS_poisson, LOSS_poisson, ACTIVATION_linear},
    {"euclidean", LOSS_euclidean, LOSS_euclidean, ACTIVATION_linear},
    {"margin_hinge", LOSS_margin_hinge, LOSS_margin_hinge, ACTIVATION_linear},
};

int nnc_loss_id(const char *name) {
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++)
        if (!strcmp(name, losses[i].name)) return (int)i;
    return -1;
}

int nnc_loss_kernel(int kind, bool from_logits) {
    return (int)(from_logits ? losses[kind].on_logits : losses[kind].kernel);
}

int nnc_loss_link(int kind) {
    return losses[kind].link;
}

bool nnc_loss_takes_ids(const nnc_loss_spec *spec) {
    int kernel = nnc_loss_kernel(spec->kind, spec->from_logits);
    return kernel == LOSS_margin_hinge || ((kernel == LOSS_categorical_crossentropy ||
                                            kernel == LOSS_categorical_crossentropy_logits) && spec->label_smoothing == 0);
}

struct nnc_loss_block nnc_loss_block_of(const nnc_loss_spec *spec, size_t m, size_t n) {
    /* Binary targets are smoothed towards 1/2, one-hot rows towards 1/N. */
    float share = losses[spec->kind].link == ACTIVATION_sigmoid ? 0.5f : 1.0f / (float)n;
    return (struct nnc_loss_block){
        .m = m,
        .n = n,
        .param = spec->param,
        .y_scale = 1 - spec->label_smoothing,
        .y_offset = spec->label_smoothing * share,
    };
}
