/* plan.c -- from a list of layers to sizes, one allocation and named pointers; parameters in and out.
 *
 * The list is checked, then simplified to the layers as they will run. The layout is written down once, in lay_out(), and
 * run twice: first with no memory, to count, then to hand out. */

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
    INFER_ROWS = 128,          /* rows at a time in inference, at least, where a layer has no more floats than this: */
    INFER_FLOATS = 1 << 20,
    MOST_PARAMS = 4,           /* arrays of one layer */
    MOST_PIXELS = 1 << 30,     /* along an axis of a map: products of two stay far from overflow */
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

void *nnc_take(struct nnc_arena *arena, size_t count, size_t size) {
    void *p = arena->base ? arena->base + arena->used : NULL;
    arena->used += nnc_round_up(count * size, LINE);
    return p;
}

static float *take_floats(struct nnc_arena *arena, size_t count) {
    return nnc_take(arena, count, sizeof(float));
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

/* ---- the layers as they will run ------------------------------------------------------------------------------------- */

struct net {
    size_t n;
    nnc_layer_spec *layers; /* (n) */
    uint32_t *indices;      /* (n) places in the list that was given */
    float x_scale, x_offset;
};

static bool is_product(nnc_layer_kind kind) {
    return kind == NNC_DENSE || kind == NNC_CONV2D;
}

static bool is_normalization(nnc_layer_kind kind) {
    return kind == NNC_BATCH_NORMALIZATION || kind == NNC_LAYER_NORMALIZATION;
}

static bool has_activation(nnc_layer_kind kind) {
    return is_product(kind) || kind == NNC_ACTIVATION || kind == NNC_BATCH_NORMALIZATION;
}

/* A plain activation after a layer that can do it itself, in the pass that makes its outputs. */
static bool folds(const nnc_layer_spec *spec, const nnc_layer_spec *before) {
    const bool normalization = before->kind == NNC_BATCH_NORMALIZATION && spec->activation != ACTIVATION_softmax;
    return spec->kind == NNC_ACTIVATION && before->activation == ACTIVATION_linear &&
           (is_product(before->kind) || normalization);
}

/* Zeros around a map before a convolution are taps outside the map: nothing, if nothing of the map is cut off. */
static bool pads(const nnc_layer_spec *spec, const nnc_layer_spec *before) {
    const nnc_geometry *g = &before->geometry;
    return spec->kind == NNC_CONV2D && before->kind == NNC_ZERO_PADDING && g->pad_top >= 0 && g->pad_left >= 0 &&
           (size_t)g->pad_top + g->height <= g->out_height && (size_t)g->pad_left + g->width <= g->out_width;
}

static void simplify(struct net *net, const nnc_plan_spec *spec) {
    net->x_scale = 1, net->x_offset = 0;
    for (size_t l = 0; l < spec->n_layers; l++) {
        nnc_layer_spec layer = spec->layers[l], *before = net->n ? &net->layers[net->n - 1] : NULL;
        if (!has_activation(layer.kind) || layer.kind == NNC_BATCH_NORMALIZATION) layer.activation = ACTIVATION_linear;
        if (l == 0 && layer.kind == NNC_RESCALING) { /* done in the gather */
            net->x_scale = layer.scale, net->x_offset = layer.offset;
        } else if (before && folds(&layer, before)) {
            before->activation = layer.activation, before->alpha = layer.alpha;
            if (before->kind != NNC_BATCH_NORMALIZATION) before->group = layer.group;
        } else if (before && pads(&layer, before)) {
            layer.geometry.height = before->geometry.height, layer.geometry.width = before->geometry.width;
            layer.geometry.pad_top += before->geometry.pad_top, layer.geometry.pad_left += before->geometry.pad_left;
            *before = layer, net->indices[net->n - 1] = (uint32_t)l;
        } else {
            net->layers[net->n] = layer, net->indices[net->n++] = (uint32_t)l;
        }
    }
    if (net->n == 0) /* nothing to do is a layer too: the outputs are the inputs */
        net->layers[net->n++] = (nnc_layer_spec){.kind = NNC_ACTIVATION, .activation = ACTIVATION_linear, .group = 1};
}

/* Features of a row after the layer. */
static size_t outputs_of(const nnc_layer_spec *spec, size_t width) {
    const nnc_geometry *g = &spec->geometry;
    switch (spec->kind) {
    case NNC_DENSE: return spec->units;
    case NNC_CONV2D: return g->out_height * g->out_width * spec->units;
    case NNC_MAX_POOLING:
    case NNC_AVERAGE_POOLING:
    case NNC_ZERO_PADDING: return g->out_height * g->out_width * g->channels;
    default: return width;
    }
}

/* ---- layout -------------------------------------------------------------------------------------------------------- */

/* A parameter, with its penalties if it is trainable. */
static struct nnc_param *add_param(struct nnc_plan *plan, struct nnc_arena *arena, nnc_parameter info, const float *l1,
                                   const float *l2) {
    struct nnc_param *p = arena->base ? &plan->params[plan->n_params] : NULL;
    struct nnc_param param = {.info = info, .rows = 1, .cols = info.shape[info.n_axes - 1]};
    for (size_t axis = 0; axis + 1 < info.n_axes; axis++) param.rows *= info.shape[axis];
    param.size = nnc_round_up(param.cols, PANEL) * param.rows;
    param.row_tiles = (param.rows + PANEL - 1) / PANEL;
    param.n_tiles = nnc_round_up(param.cols, PANEL) / PANEL * param.row_tiles;
    param.w = take_floats(arena, param.size);
    if (info.trainable) {
        param.l1 = *l1, param.l2 = *l2;
        for (int s = 0; s < plan->n_slots; s++) param.slots[s] = take_floats(arena, param.size);
    }
    param.tile_sums = nnc_take(arena, param.n_tiles, sizeof(double));
    if (p) *p = param;
    plan->n_params++;
    return p;
}

static void add_params(struct nnc_plan *plan, struct nnc_arena *arena, struct nnc_layer *layer) {
    const nnc_layer_spec *s = &layer->spec;
    const nnc_geometry *g = &s->geometry;
    nnc_parameter kernel = {.trainable = true}, bias = {.n_axes = 1, .trainable = true};
    switch (s->kind) {
    case NNC_DENSE:
        kernel.name = "kernel", kernel.n_axes = 2, kernel.shape[0] = layer->I, kernel.shape[1] = s->units;
        if (s->use_bias) bias.name = "bias", bias.shape[0] = s->units;
        break;
    case NNC_CONV2D:
        kernel.name = "kernel", kernel.n_axes = 4, kernel.shape[0] = g->kernel_height, kernel.shape[1] = g->kernel_width;
        kernel.shape[2] = g->channels, kernel.shape[3] = s->units;
        if (s->use_bias) bias.name = "bias", bias.shape[0] = s->units;
        break;
    case NNC_PRELU: kernel.name = "alpha", kernel.n_axes = 1, kernel.shape[0] = layer->O; break;
    case NNC_BATCH_NORMALIZATION:
    case NNC_LAYER_NORMALIZATION:
        if (s->use_scale) kernel.name = "gamma", kernel.n_axes = 1, kernel.shape[0] = s->group;
        if (s->use_bias) bias.name = "beta", bias.shape[0] = s->group;
        break;
    default: break;
    }
    if (kernel.name) layer->kernel = add_param(plan, arena, kernel, &s->l1[0], &s->l2[0]);
    if (bias.name) layer->bias = add_param(plan, arena, bias, &s->l1[1], &s->l2[1]);
    if (s->kind == NNC_BATCH_NORMALIZATION) {
        nnc_parameter mean = {.name = "moving_mean", .n_axes = 1, .shape = {s->group}}, variance = mean;
        variance.name = "moving_variance";
        layer->moving_mean = add_param(plan, arena, mean, NULL, NULL);
        layer->moving_variance = add_param(plan, arena, variance, NULL, NULL);
    }
}

/* Images have many zeros; a net's own activations hardly ever whole groups of them. */
static struct nnc_zeros lay_out_zeros(struct nnc_arena *arena, size_t B, size_t n_inputs) {
    struct nnc_zeros zeros = {.groups = n_inputs / GROUP};
    zeros.blocks = (zeros.groups + GROUP_BLOCK - 1) / GROUP_BLOCK;
    zeros.all = nnc_take(arena, zeros.groups, sizeof *zeros.all);
    zeros.of_row = nnc_take(arena, B * zeros.groups, sizeof *zeros.of_row);
    zeros.starts = nnc_take(arena, B * (zeros.blocks + 1), sizeof *zeros.starts);
    zeros.of_group = nnc_take(arena, zeros.groups * B, sizeof *zeros.of_group);
    zeros.counts = nnc_take(arena, zeros.groups, sizeof *zeros.counts);
    for (size_t g = 0; arena->base && g < zeros.groups; g++) zeros.all[g] = (uint16_t)g;
    return zeros;
}

/* Do the layer's workings need a second array beside its outputs: f'(z), a mask, or which input was the largest? */
static bool keeps_d(const nnc_layer_spec *spec) {
    return activations[spec->activation].keeps_d || spec->kind == NNC_DROPOUT || spec->kind == NNC_SPATIAL_DROPOUT ||
           spec->kind == NNC_MAX_POOLING;
}

static void lay_out(struct nnc_plan *plan, struct nnc_arena *arena, const nnc_plan_spec *spec, const struct net *net) {
    const size_t B = plan->capacity;
    size_t width = spec->n_inputs;
    plan->layers = nnc_take(arena, net->n, sizeof *plan->layers);
    plan->params = nnc_take(arena, MOST_PARAMS * net->n, sizeof *plan->params);
    plan->metrics = nnc_take(arena, spec->n_metrics, sizeof *plan->metrics);
    plan->n_params = 0;
    plan->ldx = leading_dimension(width);
    plan->x = take_floats(arena, B * plan->ldx);
    if (net->layers[0].kind == NNC_DENSE && width % GROUP == 0 && width >= LEAST_SPARSE && width / GROUP <= UINT16_MAX &&
        B <= UINT16_MAX)
        plan->zeros = lay_out_zeros(arena, B, width);
    for (size_t l = 0; l < net->n; l++) {
        struct nnc_layer layer = {.spec = net->layers[l], .index = net->indices[l], .I = width};
        layer.needs_dx = plan->n_params > 0;
        width = layer.O = outputs_of(&layer.spec, width);
        layer.ld = leading_dimension(width);
        add_params(plan, arena, &layer);
        layer.a = take_floats(arena, B * layer.ld);
        if (keeps_d(&layer.spec)) layer.d = take_floats(arena, B * layer.ld);
        if (plan->n_params || l + 1 == net->n) layer.da = take_floats(arena, B * layer.ld);
        if (layer.spec.kind == NNC_CONV2D) nnc_conv_lay_out(&layer, B, arena);
        if (is_normalization(layer.spec.kind)) nnc_normalization_lay_out(&layer, B, arena);
        if (layer.spec.kind == NNC_RANDOM_AFFINE) {
            const size_t channels = layer.spec.geometry.channels;
            layer.beyond = take_floats(arena, channels);
            for (size_t c = 0; arena->base && c < channels; c++) layer.beyond[c] = layer.spec.affine.fill_value;
        }
        if (plan->layers) plan->layers[l] = layer;
    }
    plan->n_outputs = width;
    plan->ids = nnc_take(arena, B, sizeof *plan->ids);
    plan->ldy = leading_dimension(width);
    plan->y = take_floats(arena, B * plan->ldy);
    plan->weights = take_floats(arena, B);
    plan->values = nnc_take(arena, B, sizeof *plan->values);
    plan->metric_values = nnc_take(arena, B * spec->n_metrics, sizeof *plan->metric_values);
}

/* Where dz is made, what a product does of the layer after it, and whether the last activation is left to the loss. */
static void link_layers(struct nnc_plan *plan) {
    struct nnc_layer *last = &plan->layers[plan->n_layers - 1];
    plan->output_activation = ACTIVATION_linear;
    if (plan->has_loss && last->spec.activation != ACTIVATION_linear && !plan->loss.from_logits &&
        last->spec.activation == nnc_loss_link(plan->loss.kind) &&
        (last->spec.activation != ACTIVATION_softmax || last->spec.group == last->O)) {
        plan->output_activation = last->spec.activation;
        plan->output_group = last->O;
        last->spec.activation = ACTIVATION_linear;
        plan->loss.from_logits = true;
    }
    for (size_t l = 0; l < plan->n_layers; l++) {
        struct nnc_layer *layer = &plan->layers[l];
        const bool is_last = l + 1 == plan->n_layers;
        const bool to_product = !is_last && is_product(layer[1].spec.kind);
        /* The loss works on whole rows and can do any activation; a product on blocks of columns only elementwise ones. */
        layer->dz_done = is_last || (to_product && has_activation(layer->spec.kind) && layer->spec.kind != NNC_ACTIVATION &&
                                     layer->spec.activation != ACTIVATION_softmax);
        layer->takes_next = !is_last && is_product(layer->spec.kind) && layer->spec.activation == ACTIVATION_linear &&
                            layer[1].spec.kind == NNC_BATCH_NORMALIZATION && layer[1].spec.group == layer->spec.units;
    }
}

/* ---- checks ---------------------------------------------------------------------------------------------------------- */

/* What is wrong with a specification, and the number that is; NULL: nothing. Sizes are multiplied as doubles, which cannot
 * overflow. */
struct fault {
    const char *what;
    size_t value;
};

static bool divides(size_t group, size_t width) {
    return group >= 1 && width % group == 0;
}

static bool in_map(size_t size) {
    return size >= 1 && size < MOST_PIXELS;
}

static bool pad_in_map(ptrdiff_t pad) {
    return pad > -(ptrdiff_t)MOST_PIXELS && pad < (ptrdiff_t)MOST_PIXELS;
}

/* Every window has a tap inside: those at both ends of an axis do. */
static bool meets(size_t size, size_t kernel, size_t stride, ptrdiff_t pad, size_t out) {
    const ptrdiff_t first = -pad, last = first + (ptrdiff_t)((out - 1) * stride);
    return first + (ptrdiff_t)kernel > 0 && last < (ptrdiff_t)size;
}

static struct fault check_geometry(const nnc_layer_spec *spec, size_t width) {
    const nnc_geometry *g = &spec->geometry;
    const double pixels = (double)g->out_height * (double)g->out_width;
    const bool conv = spec->kind == NNC_CONV2D, pooling = spec->kind == NNC_MAX_POOLING || spec->kind == NNC_AVERAGE_POOLING;
    if ((double)g->height * (double)g->width * (double)g->channels != (double)width || width == 0)
        return (struct fault){"height, width and channels must make up the features", width};
    if (!in_map(g->height) || !in_map(g->width)) return (struct fault){"sizes of maps must be from 1 to 2^30", g->height};
    if (spec->kind == NNC_RANDOM_AFFINE) return (struct fault){0};
    if (!in_map(g->out_height) || !in_map(g->out_width) || !pad_in_map(g->pad_top) || !pad_in_map(g->pad_left))
        return (struct fault){"sizes of maps must be from 1 to 2^30", g->out_height};
    const size_t steps[] = {g->kernel_height, g->kernel_width, g->stride_height, g->stride_width, g->dilation_height,
                            g->dilation_width};
    for (size_t i = 0; i < sizeof steps / sizeof *steps && (conv || pooling); i++)
        if (!in_map(steps[i])) return (struct fault){"kernels, strides and dilations must be from 1 to 2^30", steps[i]};
    if (pooling && (g->dilation_height != 1 || g->dilation_width != 1))
        return (struct fault){"pooling has no dilation", g->dilation_height};
    if (spec->kind == NNC_MAX_POOLING && (double)g->height * (double)g->width > INT32_MAX)
        return (struct fault){"max_pooling's map must have fewer than 2^31 pixels, of height", g->height};
    if (pooling && !meets(g->height, g->kernel_height, g->stride_height, g->pad_top, g->out_height))
        return (struct fault){"a window lies wholly above or below the map, of height", g->height};
    if (pooling && !meets(g->width, g->kernel_width, g->stride_width, g->pad_left, g->out_width))
        return (struct fault){"a window lies wholly left or right of the map, of width", g->width};
    const double filters = (double)(conv ? spec->units : g->channels);
    const double taps = (double)g->kernel_height * (double)g->kernel_width * (double)g->channels;
    if (conv && (filters < 1 || taps * (filters + PANEL) >= (double)MOST_FLOATS))
        return (struct fault){"filters must be at least 1, and the kernel's size below 2^38", spec->units};
    if (pixels * filters >= (double)MOST_FLOATS)
        return (struct fault){"the map must be smaller than 2^38, of height", g->out_height};
    return (struct fault){0};
}

static bool is_range(const double range[2], double low) {
    const double high = 1000; /* places on a map, times zoom, stay whole numbers in float64 */
    return range[0] > low && range[0] <= range[1] && range[1] < high;
}

static struct fault check_affine(const nnc_affine *a) {
    if (!is_range(a->rotation, -1000) || !is_range(a->zoom[0], -1) || !is_range(a->zoom[1], -1) ||
        !is_range(a->shift[0], -1000) || !is_range(a->shift[1], -1000))
        return (struct fault){"random_affine's ranges must rise, below 1000, with zooms above -1", 0};
    if (a->fill < 0 || a->fill >= N_FILLS) return (struct fault){"unknown fill", (size_t)a->fill};
    return (struct fault){0};
}

static struct fault check_layer(const nnc_layer_spec *spec, size_t width, bool has_params) {
    const struct fault none = {0};
    if (has_activation(spec->kind) && spec->kind != NNC_BATCH_NORMALIZATION) {
        if (spec->activation < 0 || spec->activation >= N_ACTIVATIONS)
            return (struct fault){"unknown activation", (size_t)spec->activation};
        const size_t features = spec->kind == NNC_ACTIVATION ? width : spec->units;
        if (spec->activation == ACTIVATION_softmax && !divides(spec->group, features))
            return (struct fault){"softmax's group must divide the features", spec->group};
    }
    switch (spec->kind) {
    case NNC_DENSE:
        if (spec->units < 1 || spec->units >= MOST_FLOATS / (width + PANEL))
            return (struct fault){"units must be at least 1, and inputs times units below 2^38", spec->units};
        break;
    case NNC_CONV2D:
    case NNC_MAX_POOLING:
    case NNC_AVERAGE_POOLING:
    case NNC_ZERO_PADDING: return check_geometry(spec, width);
    case NNC_BATCH_NORMALIZATION:
    case NNC_LAYER_NORMALIZATION:
        if (!divides(spec->group, width))
            return (struct fault){"a normalization's group must divide the features", spec->group};
        break;
    case NNC_SPATIAL_DROPOUT:
        if (!divides(spec->geometry.channels, width))
            return (struct fault){"channels must divide the features", spec->geometry.channels};
        /* fall through */
    case NNC_DROPOUT:
        if (!(spec->rate >= 0 && spec->rate < 1)) return (struct fault){"dropout's rate must be in [0, 1), of features", width};
        break;
    case NNC_RANDOM_AFFINE:
        if (has_params)
            return (struct fault){"random_affine must come before every layer with parameters, features", width};
        return check_affine(&spec->affine).what ? check_affine(&spec->affine) : check_geometry(spec, width);
    default: break;
    }
    return none;
}

/* Floats of the parameters that a layer adds, padding included. */
static size_t parameters_of(const nnc_layer_spec *spec, size_t width) {
    const nnc_geometry *g = &spec->geometry;
    const size_t columns = nnc_round_up(spec->units, PANEL);
    switch (spec->kind) {
    case NNC_DENSE: return columns * (width + 1);
    case NNC_CONV2D: return columns * (g->kernel_height * g->kernel_width * g->channels + 1);
    case NNC_PRELU: return nnc_round_up(width, PANEL);
    case NNC_BATCH_NORMALIZATION: return 4 * nnc_round_up(spec->group, PANEL);
    case NNC_LAYER_NORMALIZATION: return 2 * nnc_round_up(spec->group, PANEL);
    default: return 0;
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
        const struct fault fault = check_layer(&spec->layers[l], width, total > 0);
        if (fault.what) {
            snprintf(message, NNC_MESSAGE, "layer %zu: %s, got %zu", l, fault.what, fault.value);
            return NNC_INVALID;
        }
        total += parameters_of(&spec->layers[l], width);
        width = outputs_of(&spec->layers[l], width);
        if (total >= MOST_FLOATS || width >= MOST_FLOATS / (spec->batch_size + INFER_ROWS))
            return refuse(message, "the network is too large for memory at layer", l);
    }
    return NNC_OK;
}

/* Rows that the plan has room for: a batch, and in inference as many as keep the widest layer in the cache. */
static size_t capacity_of(const nnc_plan_spec *spec, const struct net *net) {
    size_t width = spec->n_inputs, widest = width;
    for (size_t l = 0; l < net->n; l++) {
        width = outputs_of(&net->layers[l], width);
        if (width > widest) widest = width;
    }
    const size_t rows = least(INFER_ROWS, INFER_FLOATS / widest);
    return rows > spec->batch_size ? rows : spec->batch_size;
}

/* Sizes, memory, pointers. */
static nnc_status build(struct nnc_plan *plan, const nnc_plan_spec *spec, struct net *net, char message[NNC_MESSAGE]) {
    simplify(net, spec);
    plan->capacity = capacity_of(spec, net);
    plan->x_scale = net->x_scale, plan->x_offset = net->x_offset;
    struct nnc_arena arena = {0};
    lay_out(plan, &arena, spec, net);
    plan->bytes = arena.used;
    plan->memory = allocate(arena.used);
    if (!plan->memory) {
        snprintf(message, NNC_MESSAGE, "no memory for a network of %zu bytes", arena.used);
        return NNC_NO_MEMORY;
    }
    arena = (struct nnc_arena){.base = plan->memory};
    lay_out(plan, &arena, spec, net);
    return NNC_OK;
}

nnc_status nnc_plan_create(nnc_plan **result, const nnc_plan_spec *spec, char message[NNC_MESSAGE]) {
    *result = NULL;
    nnc_status status = check(spec, message);
    if (status) return status;
    struct nnc_plan *plan = calloc(1, sizeof *plan);
    struct net net = {.layers = calloc(spec->n_layers + 1, sizeof *net.layers),
                      .indices = calloc(spec->n_layers + 1, sizeof *net.indices)};
    if (plan && net.layers && net.indices) {
        plan->n_inputs = spec->n_inputs;
        plan->batch_size = spec->batch_size;
        plan->seed = spec->seed;
        plan->n_metrics = spec->n_metrics;
        plan->has_loss = spec->loss != NULL;
        plan->has_optimizer = spec->optimizer != NULL;
        if (spec->optimizer) {
            plan->optimizer = *spec->optimizer;
            plan->n_slots = nnc_optimizer_slots(spec->optimizer);
            plan->separate_update = spec->optimizer->clipnorm != 0 || spec->optimizer->global_clipnorm != 0;
        }
        status = build(plan, spec, &net, message);
        plan->n_layers = net.n;
    } else {
        status = NNC_NO_MEMORY;
    }
    free(net.layers);
    free(net.indices);
    if (status) {
        free(plan);
        return status;
    }
    if (spec->n_metrics) memcpy(plan->metrics, spec->metrics, spec->n_metrics * sizeof *spec->metrics);
    if (spec->loss) plan->loss = *spec->loss;
    link_layers(plan);
    plan->moments_moved = true;
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

nnc_parameter nnc_plan_parameter(const nnc_plan *plan, size_t i) {
    return plan->params[i].info;
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
    plan->moments_moved = true;
    EACH_RUN(&plan->params[i], in, out, memcpy(packed + in, values + out, bytes))
}
