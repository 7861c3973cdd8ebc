/* losses.c -- see losses.h. The formulas are in losses.def and kernels/losses.inc. */

#include "losses.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "settings.h"

static const char *const names[N_LOSSES] = {
#define LOSS(name, divisor, value, gradient) [LOSS_##name] = #name,
#include "losses.def"
#undef LOSS
    [LOSS_categorical_crossentropy] = "categorical_crossentropy",
    [LOSS_categorical_crossentropy_logits] = "categorical_crossentropy_logits",
    [LOSS_margin_hinge] = "margin_hinge",
    [LOSS_categorical_hinge] = "categorical_hinge",
    [LOSS_cosine_similarity] = "cosine_similarity",
    [LOSS_categorical_focal_crossentropy] = "categorical_focal_crossentropy",
    [LOSS_categorical_focal_crossentropy_logits] = "categorical_focal_crossentropy_logits",
};

/* The losses that have a second kernel for logits, and the activation that converts logits to outputs; linear if there is
 * none, as for the logarithms of rates. */
static const struct {
    int kind, on_logits, link;
} on_logits[] = {
    {LOSS_binary_crossentropy, LOSS_binary_crossentropy_logits, ACTIVATION_sigmoid},
    {LOSS_categorical_crossentropy, LOSS_categorical_crossentropy_logits, ACTIVATION_softmax},
    {LOSS_poisson, LOSS_poisson_logits, ACTIVATION_linear},
    {LOSS_binary_focal_crossentropy, LOSS_binary_focal_crossentropy_logits, ACTIVATION_sigmoid},
    {LOSS_categorical_focal_crossentropy, LOSS_categorical_focal_crossentropy_logits, ACTIVATION_softmax},
};

enum { N_ON_LOGITS = sizeof on_logits / sizeof *on_logits };

static const struct nnc_field fields[] = {
    OPTIONAL_FIELD(struct nnc_loss_rule, from_logits, FLAG),
    OPTIONAL_FIELD(struct nnc_loss_rule, label_smoothing, FLOAT),
    OPTIONAL_FIELD(struct nnc_loss_rule, param, FLOAT),
    OPTIONAL_FIELD(struct nnc_loss_rule, of_0, FLOAT),
    OPTIONAL_FIELD(struct nnc_loss_rule, of_1, FLOAT),
    OPTIONAL_FIELD(struct nnc_loss_rule, value_factor, DOUBLE),
    OPTIONAL_FIELD(struct nnc_loss_rule, gradient_factor, DOUBLE),
    OPTIONAL_FIELD(struct nnc_loss_rule, target_range, PAIR),
    OPTIONAL_FIELD(struct nnc_loss_rule, by_weight, FLAG),
};

static int kernel_of(const struct nnc_loss_rule *loss) {
    for (size_t i = 0; i < N_ON_LOGITS; i++)
        if (loss->from_logits && on_logits[i].kind == loss->kind) return on_logits[i].on_logits;
    return loss->kind;
}

nnc_status nnc_loss_read(struct nnc_loss_rule *loss, const nnc_spec *spec, char message[NNC_MESSAGE]) {
    *loss = (struct nnc_loss_rule){.kind = nnc_place_of(spec->name, names, N_LOSSES),
                                   .of_0 = 1,
                                   .of_1 = 1,
                                   .value_factor = 1,
                                   .gradient_factor = 1,
                                   .target_range = {-INFINITY, INFINITY}};
    if (loss->kind < 0) {
        snprintf(message, NNC_MESSAGE, "unknown loss '%.64s'", spec->name);
        return NNC_INVALID;
    }
    const struct nnc_fields settings = {fields, sizeof fields / sizeof *fields, loss};
    const nnc_status status = nnc_read_settings(spec, &settings, 1, message);
    loss->kernel = kernel_of(loss);
    loss->target_range[0] = fmax(loss->target_range[0], -FLT_MAX);
    loss->target_range[1] = fmin(loss->target_range[1], FLT_MAX);
    return status;
}

int nnc_loss_link(const struct nnc_loss_rule *loss) {
    for (size_t i = 0; i < N_ON_LOGITS; i++)
        if (on_logits[i].kind == loss->kind) return on_logits[i].link;
    return ACTIVATION_linear;
}

void nnc_loss_take_logits(struct nnc_loss_rule *loss) {
    loss->from_logits = true;
    loss->kernel = kernel_of(loss);
}

bool nnc_loss_takes_ids(const struct nnc_loss_rule *loss) {
    return loss->kind == LOSS_margin_hinge || (loss->kind == LOSS_categorical_crossentropy && loss->label_smoothing == 0);
}

double nnc_loss_divisor(const struct nnc_loss_rule *loss, size_t m, const float *weights) {
    if (!loss->by_weight || !weights) return (double)m;
    double sum = 0;
    for (size_t i = 0; i < m; i++) sum += (double)weights[i];
    return sum;
}

struct nnc_loss_block nnc_loss_block_of(const struct nnc_loss_rule *loss, size_t m, size_t n) {
    /* Binary targets are smoothed towards 1/2, one-hot rows towards 1/N. */
    const float share = nnc_loss_link(loss) == ACTIVATION_sigmoid ? 0.5f : 1.0f / (float)n;
    return (struct nnc_loss_block){
        .m = m,
        .n = n,
        .param = loss->param,
        .of_0 = loss->of_0,
        .of_1 = loss->of_1,
        .y_scale = 1 - loss->label_smoothing,
        .y_offset = loss->label_smoothing * share,
    };
}
