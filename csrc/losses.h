/* losses.h -- losses by name, and what a plan needs to know of them. */
#ifndef NNC_LOSSES_H
#define NNC_LOSSES_H

#include "kernels.h"

struct nnc_loss_rule {
    int kind, kernel; /* enum nnc_loss_kernel: the loss as it is named, and the one that serves it */
    bool from_logits;
    float label_smoothing;
    float param; /* huber: delta; margin_hinge: margin; categorical_crossentropy: normalizes probabilities; focal: gamma */
    float of_0, of_1; /* factors of the focal losses of targets 0 and 1 */
    double value_factor, gradient_factor; /* of a row's loss as it is reported, and as it is made small */
    bool by_weight; /* the batch's losses and the penalties are divided by the sum of its weights, not by its rows */
};

nnc_status nnc_loss_read(struct nnc_loss_rule *loss, const nnc_spec *spec, char message[NNC_MESSAGE]);

/* The activation that turns this loss's logits into outputs; linear: none. */
int nnc_loss_link(const struct nnc_loss_rule *loss);
/* The outputs are logits from now on. */
void nnc_loss_take_logits(struct nnc_loss_rule *loss);
/* false: ids must be spread into one-hot rows first. */
bool nnc_loss_takes_ids(const struct nnc_loss_rule *loss);
/* What the sum of the losses of a batch is divided by; weights (m) or NULL. */
double nnc_loss_divisor(const struct nnc_loss_rule *loss, size_t m, const float *weights);
/* What follows from the loss for a block (m, n). */
struct nnc_loss_block nnc_loss_block_of(const struct nnc_loss_rule *loss, size_t m, size_t n);

#endif
