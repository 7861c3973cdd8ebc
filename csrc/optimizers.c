/* optimizers.c -- optimizers by name, and what of a rule depends on the step. The rules are in kernels/optimizers.inc. */

#include <math.h>
#include <string.h>

#include "plan.h"

static const char *const names[N_OPTIMIZERS] = {
    [OPTIMIZER_sgd] = "sgd",
    [OPTIMIZER_adam] = "adam",
    [OPTIMIZER_rmsprop] = "rmsprop",
};

int nnc_optimizer_id(const char *name) {
    for (int i = 0; i < N_OPTIMIZERS; i++)
        if (!strcmp(name, names[i])) return i;
    return -1;
}

int nnc_optimizer_slots(const nnc_optimizer_spec *spec) {
    switch (spec->kind) {
    case OPTIMIZER_sgd: return spec->momentum != 0;
    case OPTIMIZER_adam: return 2 + spec->amsgrad;
    default: return 1 + (spec->momentum != 0) + spec->centered;
    }
}

struct nnc_hyper nnc_hyper_of(const nnc_optimizer_spec *spec, float learning_rate, uint64_t step) {
    const double t = (double)step + 1, rate = (double)learning_rate;
    return (struct nnc_hyper){
        .learning_rate = learning_rate,
        .keep = (float)(1 - spec->weight_decay * rate),
        .momentum = (float)spec->momentum,
        .nesterov = spec->nesterov,
        .rest_1 = (float)(1 - spec->beta_1),
        .rest_2 = (float)(1 - spec->beta_2),
        .epsilon = (float)spec->epsilon,
        .adam_rate = (float)(rate * sqrt(1 - pow(spec->beta_2, t)) / (1 - pow(spec->beta_1, t))),
        .amsgrad = spec->amsgrad,
        .rho = (float)spec->rho,
        .rest_rho = (float)(1 - spec->rho),
        .centered = spec->centered,
        .clipvalue = (float)spec->clipvalue,
        .gradient_scale = 1,
    };
}

float nnc_clip_scale(double clip, double squared_norm) {
    double norm = sqrt(squared_norm);
    return norm > clip ? (float)(clip / norm) : 1.0f;
}
