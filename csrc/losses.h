/* losses.h -- losses by name, and the properties that a plan needs. */
#ifndef NNC_LOSSES_H
#define NNC_LOSSES_H

#include "kernels.h"

struct nnc_loss_rule {
    int kind, kernel; /* enum nnc_loss_kernel: the loss by its name, and the kernel that computes it */
    bool from_logits;
    float label_smoothing;
    float param; /* huber: delta; margin_hinge: margin; categorical_crossentropy: normalizes probabilities; focal: gamma */
    float of_0, of_1; /* factors of the focal losses of targets 0 and 1 */
    double value_factor, gradient_factor; /* factors of a row's loss as reported, and as minimized */
    double target_range[2]; /* the lowest and the highest value of targets in rows, both finite */
    bool by_weight; /* the losses of the batch and the penalties are divided by the sum of its weights, not by its rows */
};

nnc_status nnc_loss_read(struct nnc_loss_rule *loss, const nnc_spec *spec, char message[NNC_MESSAGE]);

/* The activation that converts the logits of this loss to outputs; linear: none. */
int nnc_loss_link(const struct nnc_loss_rule *loss);
/* Switches to the kernel that takes logits. */
void nnc_loss_take_logits(struct nnc_loss_rule *loss);
/* false: ids must be converted to one-hot rows first. */
bool nnc_loss_takes_ids(const struct nnc_loss_rule *loss);
/* The divisor of the summed losses of a batch; weights (m) or NULL. */
double nnc_loss_divisor(const struct nnc_loss_rule *loss, size_t m, const float *weights);
/* A block (m, n) with the fields that depend on the loss. */
struct nnc_loss_block nnc_loss_block_of(const struct nnc_loss_rule *loss, size_t m, size_t n);

#endif
