/* optimizers.c -- see optimizers.h. The rules are in optimizers.def. */

#include "optimizers.h"

#include <math.h>
#include <stdio.h>

#include "settings.h"

static const char *const names[N_OPTIMIZERS] = {
#define OPTIMIZER(name, slots, ...) [OPTIMIZER_##name] = #name,
#include "optimizers.def"
#undef OPTIMIZER
};

/* clang-format off */
static const struct nnc_field fields[] = {
    OPTIONAL_FIELD(struct nnc_optimizer, slots, SIZE),
    OPTIONAL_FIELD(struct nnc_optimizer, momentum, DOUBLE),
    OPTIONAL_FIELD(struct nnc_optimizer, nesterov, FLAG),
    OPTIONAL_FIELD(struct nnc_optimizer, beta_1, DOUBLE),
    OPTIONAL_FIELD(struct nnc_optimizer, beta_2, DOUBLE),
    OPTIONAL_FIELD(struct nnc_optimizer, epsilon, DOUBLE),
    OPTIONAL_FIELD(struct nnc_optimizer, amsgrad, FLAG),
    OPTIONAL_FIELD(struct nnc_optimizer, rho, DOUBLE),
    OPTIONAL_FIELD(struct nnc_optimizer, centered, FLAG),
    OPTIONAL_FIELD(struct nnc_optimizer, weight_decay, DOUBLE),
    OPTIONAL_FIELD(struct nnc_optimizer, clipnorm, DOUBLE),
    OPTIONAL_FIELD(struct nnc_optimizer, global_clipnorm, DOUBLE),
    OPTIONAL_FIELD(struct nnc_optimizer, clipvalue, DOUBLE),
};
/* clang-format on */

static size_t slots_of(const struct nnc_optimizer *o) {
    switch (o->rule) {
#define OPTIMIZER(name, slots, ...) \
    case OPTIMIZER_##name: return (size_t)(slots);
#include "optimizers.def"
#undef OPTIMIZER
    }
    return 0;
}

nnc_status nnc_optimizer_read(struct nnc_optimizer *optimizer, const nnc_spec *spec, char message[NNC_MESSAGE]) {
    *optimizer = (struct nnc_optimizer){.rule = nnc_place_of(spec->name, names, N_OPTIMIZERS), .slots = SIZE_MAX};
    if (optimizer->rule < 0) {
        snprintf(message, NNC_MESSAGE, "unknown optimizer '%.64s'", spec->name);
        return NNC_INVALID;
    }
    const struct nnc_fields settings = {fields, sizeof fields / sizeof *fields, optimizer};
    const nnc_status status = nnc_read_settings(spec, &settings, 1, message);
    if (status) return status;
    optimizer->n_slots = slots_of(optimizer);
    if (optimizer->slots == SIZE_MAX || optimizer->slots == optimizer->n_slots) return NNC_OK;
    snprintf(message, NNC_MESSAGE, "%.64s with these settings keeps %zu slots, got %zu", spec->name, optimizer->n_slots,
             optimizer->slots);
    return NNC_INVALID;
}

/* beta_1 (1 - 0.96^t / 2), the momentum coefficient of Nadam at step t, which counts from 1. */
static double nadam_share(double beta_1, double t) {
    return beta_1 * (1 - 0.5 * pow(0.96, t));
}

/* Product of the coefficients up to step t; after step 1000 they equal beta_1 to the last bit. */
static double nadam_product(double beta_1, double t) {
    double product = 1;
    for (double i = 1; i <= t && i <= 1000; i++) product *= nadam_share(beta_1, i);
    return t > 1000 ? product * pow(beta_1, t - 1000) : product;
}

struct nnc_hyper nnc_hyper_of(const struct nnc_optimizer *o, float learning_rate, uint64_t step) {
    const double t = (double)step + 1, rate = (double)learning_rate;
    const double power_1 = pow(o->beta_1, t), power_2 = pow(o->beta_2, t);
    const bool is_nadam = o->rule == OPTIMIZER_nadam;
    const double share = is_nadam ? nadam_share(o->beta_1, t) : 0, next = is_nadam ? nadam_share(o->beta_1, t + 1) : 0;
    const double product = is_nadam ? nadam_product(o->beta_1, t) : 0;
    return (struct nnc_hyper){
        .beta_2 = (float)o->beta_2,
        .adamax_rate = (float)(rate / (1 - power_1)),
        .unbias_2 = (float)(1 / (1 - power_2)),
        .nadam_m = (float)(next / (1 - product * next)),
        .nadam_g = (float)((1 - share) / (1 - product)),
        .learning_rate = learning_rate,
        .keep = (float)(1 - o->weight_decay * rate),
        .momentum = (float)o->momentum,
        .nesterov = o->nesterov,
        .rest_1 = (float)(1 - o->beta_1),
        .rest_2 = (float)(1 - o->beta_2),
        .epsilon = (float)o->epsilon,
        .adam_rate = (float)(rate * sqrt(1 - power_2) / (1 - power_1)),
        .amsgrad = o->amsgrad,
        .rho = (float)o->rho,
        .rest_rho = (float)(1 - o->rho),
        .centered = o->centered,
        .clipvalue = (float)o->clipvalue,
        .gradient_scale = 1,
    };
}

float nnc_clip_scale(double clip, double squared_norm) {
    double norm = sqrt(squared_norm);
    return norm > clip ? (float)(clip / norm) : 1.0f;
}
