/* plan.c -- from a list of layers to sizes, one allocation and named pointers; parameters in and out.
 *
 * The layout is written down once, in lay_out(), and run twice: first with no memory, to count, then to hand out. */

#define _GNU_SOURCE
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __linux__
#include <sys/mman.h>
#endif

enum {
    LINE = 64,                 /* bytes of a cache line: every array begins on one */
    HUGE_PAGE = 2 << 20,
    INFER_ROWS = 128,          /* rows at a time in inference, at least */
    LEAST_SPARSE = 128,        /* inputs from which on looking for zeros may pay */
};
static const size_t MOST_FLOATS = (size_t)1 << 38; /* products of sizes below this do not overflow */

/* ---- activations by name ------------------------------------------------------------------------------------------- */

enum { KEEPS_A, KEEPS_D };

static const struct {
    const char *name;
    bool keeps_d;
} activations[N_ACTIVATIONS] = {
#define ACTIVATION(name, keeps, f, df) [ACTIVATION_##name] = {#name, KEEPS_##keeps == KEEPS_D},
#include "activations.def"
#undef ACTIVATION
    [ACTIVATION_softmax] = {"softmax", false},
};

int nnc_activation_id(const char *name) {
    for (int i = 0; i < N_ACTIVATIONS; i++)
        if (!strcmp(name, activations[i].name)) return i;
    return -1;
}

bool nnc_activation_keeps_d(int id) {
    return activations[id].keeps_d;
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

struct arena {
    char *base; /* NULL while counting */
    size_t used;
};

static void *take(struct arena *arena, size_t count, size_t size) {
    void *p = arena->base ? arena->base + arena->used : NULL;
    arena->used += nnc_round_up(count * size, LINE);
    return p;
}

static float *take_floats(struct arena *arena, size_t count) {
    return take(arena, count, sizeof(float));
}

static void *allocate(size_t bytes) {
    const size_t alignment = bytes >= HUGE_PAGE ? HUGE_PAGE : LINE;
    void *memory = aligned_alloc(alignment, nnc_round_up(bytes, alignment));
    if (!memory) return NULL;
#ifdef __linux__
    if (alignment == HUGE_PAGE) madvise(memory, nnc_round_up(bytes, alignment), MADV_HUGEPAGE);
#endif
    return memset(memory, 0, bytes);
}

/* Floats from one row to the next: room to load whole panels, and an odd number of cache lines, so that rows do not
 * compete for the same sets of the cache. */
static size_t leading_dimension(size_t n) {
    return nnc_round_up(n, PANEL) + LINE / sizeof(float);
}

/* ---- layout -------------------------------------------------------------------------------------------------------- */

static struct nnc_param *add_param(struct nnc_plan *plan, struct arena *arena, const char *name, size_t rows, size_t cols,
                                   float l1, float l2) {
    struct nnc_param *p = arena->base ? &plan->params[plan->n_params] : NULL;
    struct nnc_param param = {.name = name, .rows = rows, .cols = cols, .l1 = l1, .l2 = l2};
    param.size = nnc_round_up(cols, PANEL) * rows;
    param.row_tiles = (rows + PANEL - 1) / PANEL;
    param.n_tiles = nnc_round_up(cols, PANEL) / PANEL * param.row_tiles;
    param.w = take_floats(arena, param.size);
    for (int s = 0; s < plan->n_slots; s++) param.slots[s] = take_floats(arena, param.size);
    param.tile_sums = take(arena, param.n_tiles, sizeof(double));
    if (p) *p = param;
    plan->n_params++;
    return p;
}

/* A plain activation after a linear dense layer is that layer's own. */
static bool folds(const nnc_layer_spec *spec, const nnc_layer_spec *before) {
    return spec->kind == NNC_ACTIVATION && before->kind == NNC_DENSE && before->activation == ACTIVATION_linear;
}

/* Images have many zeros; a net's own activations hardly ever whole groups of them. */
static struct nnc_zeros lay_out_zeros(struct arena *arena, size_t B, size_t n_inputs) {
    struct nnc_zeros zeros = {.groups = n_inputs / GROUP};
    zeros.blocks = (zeros.groups + GROUP_BLOCK - 1) / GROUP_BLOCK;
    zeros.dense = take(arena, B, sizeof *zeros.dense);
    zeros.of_row = take(arena, B * zeros.groups, sizeof *zeros.of_row);
    zeros.starts = take(arena, B * (zeros.blocks + 1), sizeof *zeros.starts);
    zeros.of_group = take(arena, zeros.groups * B, sizeof *zeros.of_group);
    zeros.counts = take(arena, zeros.groups, sizeof *zeros.counts);
    return zeros;
}

static void lay_out(struct nnc_plan *plan, struct arena *arena, const nnc_plan_spec *spec) {
    nnc_layer_spec *specs = take(arena, spec->n_layers + 1, sizeof *specs);
    uint32_t *indices = take(arena, spec->n_layers + 1, sizeof *indices);
    plan->layers = take(arena, spec->n_layers + 1, sizeof *plan->layers);
    plan->params = take(arena, 2 * spec->n_layers, sizeof *plan->params);
    plan->metrics = take(arena, spec->n_metrics, sizeof *plan->metrics);
    plan->n_params = 0;

    /* The layers as they will run. Only their sizes count towards the memory, which folding can only lower, so the
     * counting run takes them as they were given. */
    size_t n = 0;
    plan->x_scale = 1, plan->x_offset = 0;
    for (size_t l = 0; l < spec->n_layers; l++) {
        const nnc_layer_spec *layer = &spec->layers[l];
        if (specs && l == 0 && layer->kind == NNC_RESCALING) {
            plan->x_scale = layer->scale, plan->x_offset = layer->offset;
        } else if (specs && n && folds(layer, &specs[n - 1])) {
            specs[n - 1].activation = layer->activation;
            specs[n - 1].alpha = layer->alpha;
            specs[n - 1].group = layer->group;
        } else {
            if (specs) specs[n] = *layer, indices[n] = (uint32_t)l;
            n++;
        }
    }
    if (n == 0) { /* nothing to do is a layer too: the outputs are the inputs */
        if (specs) specs[0] = (nnc_layer_spec){.kind = NNC_ACTIVATION, .activation = ACTIVATION_linear, .group = 1};
        n = 1;
    }
    plan->n_layers = n;

    const size_t B = plan->capacity;
    size_t width = spec->n_inputs;
    plan->ldx = leading_dimension(width);
    plan->x = take_floats(arena, B * plan->ldx);
    if (width % GROUP == 0 && width >= LEAST_SPARSE && width / GROUP <= UINT16_MAX && B <= UINT16_MAX)
        plan->zeros = lay_out_zeros(arena, B, width);
    for (size_t l = 0; l < n; l++) {
        const nnc_layer_spec *s = specs ? &specs[l] : l < spec->n_layers ? &spec->layers[l] : NULL;
        struct nnc_layer layer = {.I = width, .needs_dx = plan->n_params > 0};
        if (s) layer.spec = *s;
        if (specs) layer.index = indices[l];
        if (s && s->kind == NNC_DENSE) {
            width = s->units;
            layer.kernel = add_param(plan, arena, "kernel", layer.I, width, s->l1[0], s->l2[0]);
            if (s->use_bias) layer.bias = add_param(plan, arena, "bias", 1, width, s->l1[1], s->l2[1]);
        } else if (s && s->kind == NNC_PRELU) {
            layer.kernel = add_param(plan, arena, "alpha", 1, width, s->l1[0], s->l2[0]);
        }
        layer.O = width;
        layer.ld = leading_dimension(width);
        layer.a = take_floats(arena, B * layer.ld);
        layer.d = take_floats(arena, B * layer.ld);
        layer.da = take_floats(arena, B * layer.ld);
        if (plan->layers) plan->layers[l] = layer;
    }
    plan->n_outputs = width;
    plan->ids = take(arena, B, sizeof *plan->ids);
    plan->ldy = leading_dimension(width);
    plan->y = take_floats(arena, B * plan->ldy);
    plan->weights = take_floats(arena, B);
    plan->values = take(arena, B, sizeof *plan->values);
    plan->metric_values = take(arena, B * spec->n_metrics, sizeof *plan->metric_values);
}

/* Which layers keep f'(z), where dz is made, and whether the last activation is left to the loss. */
static void link_layers(struct nnc_plan *plan) {
    struct nnc_layer *last = &plan->layers[plan->n_layers - 1];
    const bool activated = last->spec.kind == NNC_DENSE || last->spec.kind == NNC_ACTIVATION;
    plan->output_activation = ACTIVATION_linear;
    if (plan->has_loss && activated && last->spec.activation != ACTIVATION_linear && !plan->loss.from_logits &&
        last->spec.activation == nnc_loss_link(plan->loss.kind) &&
        (last->spec.activation != ACTIVATION_softmax || last->spec.group == last->O)) {
        plan->output_activation = last->spec.activation;
        plan->output_group = last->spec.group;
        last->spec.activation = ACTIVATION_linear;
        plan->loss.from_logits = true;
    }
    for (size_t l = 0; l < plan->n_layers; l++) {
        struct nnc_layer *layer = &plan->layers[l];
        const bool has_activation = layer->spec.kind == NNC_DENSE || layer->spec.kind == NNC_ACTIVATION;
        if (!(has_activation && activations[layer->spec.activation].keeps_d) && layer->spec.kind != NNC_DROPOUT)
            layer->d = NULL;
        /* The loss works on whole rows and can do any activation; a dense layer on blocks of columns only elementwise ones. */
        layer->dz_done = l + 1 == plan->n_layers || (layer->spec.kind == NNC_DENSE && layer[1].spec.kind == NNC_DENSE &&
                                                     layer->spec.activation != ACTIVATION_softmax);
    }
}

static nnc_status refuse(char message[NNC_MESSAGE], const char *what, size_t value) {
    snprintf(message, NNC_MESSAGE, "%s, got %zu", what, value);
    return NNC_INVALID;
}

static nnc_status check(const nnc_plan_spec *spec, char message[NNC_MESSAGE]) {
    if (spec->n_inputs < 1 || spec->n_inputs >= MOST_FLOATS) return refuse(message, "n_inputs must be at least 1", spec->n_inputs);
    if (spec->batch_size < 1 || spec->batch_size >= (size_t)1 << 31)
        return refuse(message, "batch_size must be at least 1 and below 2^31", spec->batch_size);
    size_t width = spec->n_inputs, total = 0;
    for (size_t l = 0; l < spec->n_layers; l++) {
        const nnc_layer_spec *layer = &spec->layers[l];
        const bool dense = layer->kind == NNC_DENSE, activation = layer->kind == NNC_ACTIVATION;
        if ((dense || activation) && (layer->activation < 0 || layer->activation >= N_ACTIVATIONS))
            return refuse(message, "unknown activation in layer", l);
        if (dense) {
            if (layer->units < 1 || layer->units >= MOST_FLOATS / (width + PANEL))
                return refuse(message, "units must be at least 1, and inputs times units below 2^38", layer->units);
            total += nnc_round_up(layer->units, PANEL) * width;
            width = layer->units;
        }
        if ((dense || activation) && layer->activation == ACTIVATION_softmax && (layer->group < 1 || width % layer->group))
            return refuse(message, "softmax's group must divide the features", layer->group);
        if (layer->kind == NNC_DROPOUT && !(layer->rate >= 0 && layer->rate < 1))
            return refuse(message, "dropout's rate must be in [0, 1) in layer", l);
        if (total >= MOST_FLOATS || width >= MOST_FLOATS / (spec->batch_size + INFER_ROWS))
            return refuse(message, "the network is too large for memory at layer", l);
    }
    return NNC_OK;
}

nnc_status nnc_plan_create(nnc_plan **result, const nnc_plan_spec *spec, char message[NNC_MESSAGE]) {
    *result = NULL;
    nnc_status status = check(spec, message);
    if (status) return status;
    struct nnc_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return NNC_NO_MEMORY;
    plan->n_inputs = spec->n_inputs;
    plan->batch_size = spec->batch_size;
    plan->capacity = spec->batch_size > INFER_ROWS ? spec->batch_size : INFER_ROWS;
    plan->seed = spec->seed;
    plan->n_metrics = spec->n_metrics;
    plan->has_loss = spec->loss != NULL;
    plan->has_optimizer = spec->optimizer != NULL;
    if (spec->optimizer) {
        plan->optimizer = *spec->optimizer;
        plan->n_slots = nnc_optimizer_slots(spec->optimizer);
        plan->separate_update = spec->optimizer->clipnorm != 0 || spec->optimizer->global_clipnorm != 0;
    }
    struct arena arena = {0};
    lay_out(plan, &arena, spec);
    plan->bytes = arena.used;
    plan->memory = allocate(arena.used);
    if (!plan->memory) {
        snprintf(message, NNC_MESSAGE, "no memory for a network of %zu bytes", arena.used);
        free(plan);
        return NNC_NO_MEMORY;
    }
    arena = (struct arena){.base = plan->memory};
    lay_out(plan, &arena, spec);
    if (spec->n_metrics) memcpy(plan->metrics, spec->metrics, spec->n_metrics * sizeof *spec->metrics);
    if (spec->loss) plan->loss = *spec->loss;
    link_layers(plan);
    if (plan->layers[0].spec.kind != NNC_DENSE) plan->zeros.groups = 0;
    if (plan->has_loss) plan->loss_kernel = nnc_loss_kernel(plan->loss.kind, plan->loss.from_logits);
    *result = plan;
    return NNC_OK;
}

/* Gradients are kept only by those who ask for them. */
nnc_status nnc_plan_keep_gradients(struct nnc_plan *plan) {
    if (plan->gradients) return NNC_OK;
    size_t total = 0;
    for (size_t i = 0; i < plan->n_params; i++) total += plan->params[i].size;
    plan->gradients = allocate(total ? total * sizeof(float) : 1);
    if (!plan->gradients) return NNC_NO_MEMORY;
    float *g = plan->gradients;
    for (size_t i = 0; i < plan->n_params; g += plan->params[i++].size) plan->params[i].g = g;
    return NNC_OK;
}

void nnc_plan_free(nnc_plan *plan) {
    if (!plan) return;
    free(plan->gradients);
    free(plan->memory);
    free(plan);
}

size_t nnc_plan_outputs(const nnc_plan *plan) {
    return plan->n_outputs;
}

size_t nnc_plan_bytes(const nnc_plan *plan) {
    return plan->bytes;
}

size_t nnc_plan_parameters(const nnc_plan *plan) {
    return plan->n_params;
}

const char *nnc_plan_parameter(const nnc_plan *plan, size_t i, size_t *rows, size_t *cols) {
    *rows = plan->params[i].rows;
    *cols = plan->params[i].cols;
    return plan->params[i].name;
}

/* ---- parameters in and out -------------------------------------------------------------------------------------------- */

static float *array_of(const struct nnc_param *param, int what) {
    return what == NNC_WEIGHT ? param->w : what == NNC_GRADIENT ? param->g : param->slots[what];
}

/* Runs of a row that lie together in both layouts: f(inside, outside, bytes). */
#define EACH_RUN(param, inside, outside, body)                                                                          \
    for (size_t k_ = 0; k_ < (param)->rows; k_++)                                                                       \
        for (size_t j_ = 0; j_ < (param)->cols; j_ += PANEL) {                                                          \
            size_t bytes = least((param)->cols - j_, PANEL) * sizeof(float);                                            \
            size_t inside = nnc_param_offset(param, k_, j_), outside = k_ * (param)->cols + j_;                         \
            body;                                                                                                       \
        }

void nnc_plan_read(const nnc_plan *plan, size_t i, int what, float *values) {
    const float *packed = array_of(&plan->params[i], what);
    EACH_RUN(&plan->params[i], in, out, memcpy(values + out, packed + in, bytes))
}

void nnc_plan_write(nnc_plan *plan, size_t i, int what, const float *values) {
    float *packed = array_of(&plan->params[i], what);
    EACH_RUN(&plan->params[i], in, out, memcpy(packed + in, values + out, bytes))
}
