/* optimizers.h -- optimizers by name, and the scalars of a rule that depend on the step. */
#ifndef NNC_OPTIMIZERS_H
#define NNC_OPTIMIZERS_H

#include "kernels.h"

/* Settings, 0 where they are off; formulas in nnc/optimizers.py. */
struct nnc_optimizer {
    int rule;       /* enum nnc_optimizer_rule */
    size_t n_slots; /* arrays that it keeps per parameter */
    size_t slots;   /* the n_slots that the caller expects; a mismatch is an error */
    double momentum;
    bool nesterov;
    double beta_1, beta_2, epsilon;
    bool amsgrad;
    double rho;
    bool centered;
    double weight_decay;
    double clipnorm, global_clipnorm, clipvalue;
};

nnc_status nnc_optimizer_read(struct nnc_optimizer *optimizer, const nnc_spec *spec, char message[NNC_MESSAGE]);

/* The scalars of a step; steps count from 0. */
struct nnc_hyper nnc_hyper_of(const struct nnc_optimizer *optimizer, float learning_rate, uint64_t step);
/* The factor by which clipping to the norm `clip` scales a gradient of this squared norm. */
float nnc_clip_scale(double clip, double squared_norm);

#endif
