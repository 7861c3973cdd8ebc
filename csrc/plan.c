/* plan.c -- builds a plan from a list of layers: sizes, one allocation and named pointers.
 *
 * The list is read and checked, then reduced to the layers that will run, which are then linked with their neighbors. The
 * memory layout is defined in lay_out(), which runs twice: first without memory, to compute the size, then to assign it. */

#include "network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "activation.h"
#include "geometry.h"

enum {
    INFER_ROWS = 128,          /* minimum capacity for inference, in rows, */
    INFER_FLOATS = 1 << 20,    /* or fewer rows if the widest layer would need more floats than this */
    NAMES = 64,                /* characters of a setting's name: the parameter and the rule */
};
static const size_t MOST_FLOATS = (size_t)1 << 38; /* sizes below this do not overflow when multiplied */

static const struct nnc_layer_kind *const kinds[] = {
#define LAYER(name) &nnc_layer_##name,
#include "layers.def"
#undef LAYER
};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* The layers before they belong to a plan. */
struct net {
    size_t n;
    struct nnc_layer *layers; /* (n) */
    char *own;                /* (n, most_own) the own structs of the kinds */
    size_t most_own;
};

/* ---- reading the list ------------------------------------------------------------------------------------------------ */

static const struct nnc_layer_kind *kind_of(const char *name) {
    for (int i = 0; i < N_KINDS; i++)
        if (!strcmp(name, kinds[i]->name)) return kinds[i];
    return NULL;
}

static void declare_parameters(const struct nnc_layer *layer, nnc_parameter list[NNC_LAYER_PARAMS]) {
    memset(list, 0, NNC_LAYER_PARAMS * sizeof *list);
    if (layer->kind->parameters) layer->kind->parameters(layer, list);
    for (size_t i = 0; i < NNC_LAYER_PARAMS; i++) list[i].trainable = list[i].trainable && layer->trainable;
}

static const struct nnc_field common_fields[] = {OPTIONAL_FIELD(struct nnc_layer, trainable, FLAG),
                                                 OPTIONAL_FIELD(struct nnc_layer, seed, DOUBLE)};

/* Settings of each trainable parameter, prefixed with its name: "kernel_l1". */
static const struct nnc_field rule_fields[] = {
    OPTIONAL_FIELD(struct nnc_rules, l1, FLOAT),
    OPTIONAL_FIELD(struct nnc_rules, l2, FLOAT),
    OPTIONAL_FIELD(struct nnc_rules, undecayed, FLAG),
    OPTIONAL_FIELD(struct nnc_rules, constraint.nonnegative, FLAG),
    OPTIONAL_FIELD(struct nnc_rules, constraint.norm_length, SIZE),
    OPTIONAL_FIELD(struct nnc_rules, constraint.norm_stride, SIZE),
    OPTIONAL_FIELD(struct nnc_rules, constraint.min_norm, DOUBLE),
    OPTIONAL_FIELD(struct nnc_rules, constraint.max_norm, DOUBLE),
    OPTIONAL_FIELD(struct nnc_rules, constraint.norm_rate, DOUBLE),
};

enum { N_RULES = sizeof rule_fields / sizeof *rule_fields };

/* Reads the settings of a kind and the rules for its parameters. */
static nnc_status read_settings(struct nnc_layer *layer, const nnc_spec *spec, char message[NNC_MESSAGE]) {
    const struct nnc_layer_kind *kind = layer->kind;
    nnc_parameter list[NNC_LAYER_PARAMS];
    char names[NNC_LAYER_PARAMS * N_RULES][NAMES];
    struct nnc_field fields[NNC_LAYER_PARAMS * N_RULES];
    size_t n = 0;
    declare_parameters(layer, list);
    for (size_t i = 0; i < NNC_LAYER_PARAMS; i++)
        for (size_t rule = 0; rule < N_RULES && list[i].name && list[i].trainable; rule++, n++) {
            const char *dot = strchr(rule_fields[rule].name, '.');
            snprintf(names[n], NAMES, "%s_%s", list[i].name, dot ? dot + 1 : rule_fields[rule].name);
            fields[n] = rule_fields[rule];
            fields[n].name = names[n];
            fields[n].offset += offsetof(struct nnc_layer, rules) + i * sizeof *layer->rules;
        }
    const struct nnc_fields structs[] = {
        {kind->fields, kind->n_fields, layer->own},
        {nnc_activation_fields, nnc_has(layer, LAYER_ACTIVATED) ? nnc_n_activation_fields : 0, &layer->activation},
        {nnc_geometry_fields, kind->has_geometry ? nnc_n_geometry_fields : 0, &layer->geometry},
        {common_fields, sizeof common_fields / sizeof *common_fields, layer},
        {fields, n, layer},
    };
    return nnc_read_settings(spec, structs, sizeof structs / sizeof *structs, message);
}

/* Checks a layer that follows others and sets its O and columns; returns what is wrong. */
static struct nnc_fault settle(struct nnc_layer *layer, bool has_params) {
    layer->O = layer->columns = layer->I;
    if (nnc_has(layer, LAYER_STOPS_GRADIENT) && has_params)
        return (struct nnc_fault){"no gradient flows through it: it must come before every layer with parameters, features",
                                  layer->I};
    if (layer->kind->settle) {
        const struct nnc_fault fault = layer->kind->settle(layer);
        if (fault.what) return fault;
    }
    const struct nnc_activation_of *f = &layer->activation;
    if (!nnc_is_elementwise(f->id) && nnc_has(layer, LAYER_ELEMENTWISE))
        return (struct nnc_fault){"an activation of rows needs a separate activation layer here, features", layer->O};
    if (!nnc_is_elementwise(f->id) && (f->group < 1 || layer->columns % f->group))
        return (struct nnc_fault){"an activation's group must divide the features", f->group};
    return (struct nnc_fault){0};
}

/* Floats of a parameter with its padding; sizes are multiplied as doubles, which do not overflow. */
static double size_of(const nnc_parameter *parameter) {
    double size = parameter->n_axes ? (double)nnc_round_up(parameter->shape[parameter->n_axes - 1], PANEL) : 0;
    for (size_t axis = 0; axis + 1 < parameter->n_axes; axis++) size *= (double)parameter->shape[axis];
    return size;
}

static double parameters_of(const struct nnc_layer *layer) {
    nnc_parameter list[NNC_LAYER_PARAMS];
    double size = 0;
    declare_parameters(layer, list);
    for (size_t i = 0; i < NNC_LAYER_PARAMS; i++) size += size_of(&list[i]);
    return size;
}

/* What is wrong with the constraints of a layer. */
static struct nnc_fault check_constraints(const struct nnc_layer *layer) {
    nnc_parameter list[NNC_LAYER_PARAMS];
    declare_parameters(layer, list);
    for (size_t i = 0; i < NNC_LAYER_PARAMS; i++) {
        const struct nnc_constraint *c = &layer->rules[i].constraint;
        double size = 1;
        for (size_t axis = 0; axis < list[i].n_axes; axis++) size *= (double)list[i].shape[axis];
        if (!list[i].n_axes || !c->norm_length) continue;
        if (c->nonnegative) return (struct nnc_fault){"a constraint is nonnegative or on norms, norm_length", c->norm_length};
        if (!c->norm_stride || fmod(size, (double)c->norm_length * (double)c->norm_stride) != 0)
            return (struct nnc_fault){"norm_length norm_stride must divide the weights, norm_length", c->norm_length};
    }
    return (struct nnc_fault){0};
}

static nnc_status refuse(char message[NNC_MESSAGE], const char *what, size_t value) {
    snprintf(message, NNC_MESSAGE, "%s, got %zu", what, value);
    return NNC_INVALID;
}

static nnc_status unknown_kind(const char *name, char message[NNC_MESSAGE]) {
    int used = snprintf(message, NNC_MESSAGE, "unknown layer kind '%.32s'; available:", name);
    for (int i = 0; i < N_KINDS && used < NNC_MESSAGE; i++)
        used += snprintf(message + used, (size_t)(NNC_MESSAGE - used), "%s %s", i ? "," : "", kinds[i]->name);
    return NNC_INVALID;
}

/* Reads layer l of the list, for `width` inputs, after layers that have `*total` floats of parameters. */
static nnc_status read_layer(const nnc_plan_spec *spec, size_t l, size_t width, double *total, struct nnc_layer *layer,
                             char message[NNC_MESSAGE]) {
    layer->kind = kind_of(spec->layers[l].name);
    if (!layer->kind) return unknown_kind(spec->layers[l].name, message);
    layer->index = (uint32_t)l, layer->I = width, layer->trainable = true, layer->seed = -1;
    layer->activation = (struct nnc_activation_of){ACTIVATION_linear, 0, 1};
    layer->geometry = (nnc_geometry){.kernel_height = 1,
                                     .kernel_width = 1,
                                     .stride_height = 1,
                                     .stride_width = 1,
                                     .dilation_height = 1,
                                     .dilation_width = 1};
    if (layer->kind->defaults) memcpy(layer->own, layer->kind->defaults, layer->kind->own_size);
    nnc_status status = read_settings(layer, &spec->layers[l], message);
    if (status) {
        char what[NNC_MESSAGE];
        memcpy(what, message, sizeof what);
        snprintf(message, NNC_MESSAGE, "layer %zu: %.*s", l, NNC_MESSAGE - 32, what);
        return status;
    }
    struct nnc_fault fault = settle(layer, *total > 0);
    if (!fault.what) fault = check_constraints(layer);
    if (fault.what) {
        snprintf(message, NNC_MESSAGE, "layer %zu: %s, got %zu", l, fault.what, fault.value);
        return NNC_INVALID;
    }
    *total += parameters_of(layer);
    if (*total >= (double)MOST_FLOATS || layer->O >= MOST_FLOATS / (spec->batch_size + INFER_ROWS))
        return refuse(message, "the network is too large for memory at layer", l);
    return NNC_OK;
}

/* Appends a layer to the others, or merges it into the last one. */
static void append(struct nnc_plan *plan, struct net *net, const struct nnc_layer *layer) {
    struct nnc_layer *before = net->n ? &net->layers[net->n - 1] : NULL;
    if (!layer->kind->merge || !layer->kind->merge(plan, layer, before)) net->layers[net->n++] = *layer;
}

/* Reads the layers as they will run. */
static nnc_status read_layers(struct nnc_plan *plan, const nnc_plan_spec *spec, struct net *net, char message[NNC_MESSAGE]) {
    size_t width = spec->n_inputs;
    double total = 0;
    for (size_t l = 0; l < spec->n_layers; l++) {
        struct nnc_layer layer = {.own = net->own + l * net->most_own};
        const nnc_status status = read_layer(spec, l, width, &total, &layer, message);
        if (status) return status;
        width = layer.O;
        append(plan, net, &layer);
    }
    if (net->n == 0) /* a plan needs a layer: the identity */
        net->layers[net->n++] = (struct nnc_layer){.kind = &nnc_layer_activation,
                                                   .own = net->own,
                                                   .I = width,
                                                   .O = width,
                                                   .columns = width,
                                                   .activation = {ACTIVATION_linear, 0, 1}};
    plan->n_layers = net->n, plan->n_outputs = width;
    return NNC_OK;
}

/* ---- links ------------------------------------------------------------------------------------------------------------- */

static bool has_parameters(const struct nnc_layer *layer) {
    return parameters_of(layer) > 0;
}

/* Fuses the last activation with the loss if the loss has a kernel for its logits. */
static void link_loss(struct nnc_plan *plan, struct nnc_layer *last) {
    const struct nnc_activation_of *f = &last->activation;
    plan->output_activation = (struct nnc_activation_of){ACTIVATION_linear, 0, 1};
    if (!plan->has_loss || plan->loss.from_logits || f->id == ACTIVATION_linear || f->id != nnc_loss_link(&plan->loss)) return;
    if (!nnc_is_elementwise(f->id) && f->group != last->O) return;
    plan->output_activation = (struct nnc_activation_of){f->id, 0, last->O};
    last->activation.id = ACTIVATION_linear;
    nnc_loss_take_logits(&plan->loss);
}

/* Determines which gradients are needed, where dz is computed, and which products also apply the next layer. */
static void link_layers(struct nnc_plan *plan, struct net *net) {
    link_loss(plan, &net->layers[net->n - 1]);
    bool needs_backward = false;
    for (size_t l = 0; l < net->n; l++) {
        struct nnc_layer *layer = &net->layers[l];
        const struct nnc_layer *next = l + 1 < net->n ? layer + 1 : NULL;
        const int f = layer->activation.id;
        layer->needs_dx = needs_backward;
        layer->needs_backward = needs_backward = needs_backward || (layer->trainable && has_parameters(layer));
        /* The loss processes complete rows and supports any activation; a product, on blocks of columns, elementwise ones. */
        layer->gets_dz = !next || (nnc_has(next, LAYER_PRODUCT) && nnc_has(layer, LAYER_ACTIVATED) && nnc_is_elementwise(f));
        layer->finishes_next = next && nnc_has(layer, LAYER_PRODUCT) && f == ACTIVATION_linear && next->kind->finish &&
                               next->columns == layer->columns;
    }
}

/* ---- layout -------------------------------------------------------------------------------------------------------- */

/* Adds the parameters of a layer to those of the layers before; on the second run layer->params point to them. */
static void lay_out_params(struct nnc_plan *plan, struct nnc_layer *layer, struct nnc_arena *arena) {
    nnc_parameter list[NNC_LAYER_PARAMS];
    declare_parameters(layer, list);
    for (size_t i = 0; i < NNC_LAYER_PARAMS; i++) {
        if (!list[i].n_axes) continue;
        struct nnc_param param = nnc_param_lay_out(&list[i], plan->update.optimizer.n_slots, arena);
        if (layer->trainable && list[i].trainable) {
            const struct nnc_rules *rules = &layer->rules[i];
            param.l1 = rules->l1, param.l2 = rules->l2, param.constraint = rules->constraint;
            param.undecayed = rules->undecayed;
            plan->update.constrains = plan->update.constrains || nnc_has_constraint(&rules->constraint);
        }
        if (arena->base) {
            layer->params[i] = &plan->params[plan->n_params];
            *layer->params[i] = param;
        }
        plan->n_params++;
    }
}

static void lay_out(struct nnc_plan *plan, struct nnc_arena *arena, const struct net *net) {
    const size_t B = plan->capacity, width = plan->n_inputs;
    plan->layers = nnc_take(arena, net->n, sizeof *plan->layers);
    plan->params = nnc_take(arena, NNC_LAYER_PARAMS * net->n, sizeof *plan->params);
    plan->metrics = nnc_take(arena, plan->n_metrics, sizeof *plan->metrics);
    plan->n_params = 0;
    plan->ldx = nnc_leading_dimension(width);
    plan->x = nnc_take_floats(arena, B * plan->ldx);
    if (net->layers[0].kind == &nnc_layer_dense && nnc_products_of(plan)->skips_zeros)
        plan->zeros = nnc_zeros_lay_out(B, width, arena);
    for (size_t l = 0; l < net->n; l++) {
        struct nnc_layer layer = net->layers[l];
        void *own = nnc_take(arena, layer.kind->own_size, 1);
        if (own) layer.own = memcpy(own, layer.own, layer.kind->own_size);
        layer.ld = nnc_leading_dimension(layer.O);
        layer.precision = plan->precision;
        lay_out_params(plan, &layer, arena);
        layer.a = nnc_take_floats(arena, B * layer.ld);
        if (nnc_has(&layer, LAYER_KEEPS_D) || nnc_activation_keeps_d(layer.activation.id))
            layer.d = nnc_take_floats(arena, B * layer.ld);
        if (plan->n_params || l + 1 == net->n) layer.da = nnc_take_floats(arena, B * layer.ld);
        if (layer.kind->lay_out) layer.kind->lay_out(&layer, B, arena);
        if (plan->layers) plan->layers[l] = layer;
    }
    plan->ids = nnc_take(arena, B, sizeof *plan->ids);
    plan->ldy = nnc_leading_dimension(plan->n_outputs);
    plan->y = nnc_take_floats(arena, B * plan->ldy);
    plan->weights = nnc_take_floats(arena, B);
    plan->values = nnc_take(arena, B, sizeof *plan->values);
    plan->metric_values = nnc_take(arena, B * plan->n_metrics, sizeof *plan->metric_values);
}

/* Rows for which the plan has memory: a batch, or for inference as many as keep the widest layer in the cache. */
static size_t capacity_of(const nnc_plan_spec *spec, const struct net *net) {
    size_t widest = spec->n_inputs;
    for (size_t l = 0; l < net->n; l++)
        if (net->layers[l].O > widest) widest = net->layers[l].O;
    const size_t rows = least(INFER_ROWS, INFER_FLOATS / widest);
    return rows > spec->batch_size ? rows : spec->batch_size;
}

/* ---- plans ------------------------------------------------------------------------------------------------------------ */

static nnc_status read_precision(struct nnc_plan *plan, const char *name, char message[NNC_MESSAGE]) {
    static const char *const names[N_PRECISIONS] = {[PRECISION_float32] = "float32", [PRECISION_bfloat16] = "bfloat16"};
    for (int i = 0; i < N_PRECISIONS; i++)
        if (!strcmp(name ? name : names[PRECISION_float32], names[i])) {
            plan->precision = (enum nnc_precision)i;
            return nnc_find_products(plan->precision, message);
        }
    snprintf(message, NNC_MESSAGE, "precision must be float32 or bfloat16, got '%.32s'", name);
    return NNC_INVALID;
}

/* Reads the loss, optimizer, precision and sizes. */
static nnc_status read_spec(struct nnc_plan *plan, const nnc_plan_spec *spec, char message[NNC_MESSAGE]) {
    if (spec->n_inputs < 1 || spec->n_inputs >= MOST_FLOATS)
        return refuse(message, "n_inputs must be at least 1", spec->n_inputs);
    if (spec->batch_size < 1 || spec->batch_size >= (size_t)1 << 31)
        return refuse(message, "batch_size must be at least 1 and below 2^31", spec->batch_size);
    *plan = (struct nnc_plan){.n_inputs = spec->n_inputs,
                              .n_specs = spec->n_layers,
                              .batch_size = spec->batch_size,
                              .seed = spec->seed,
                              .n_metrics = spec->n_metrics,
                              .has_loss = spec->loss,
                              .has_optimizer = spec->optimizer,
                              .x_scale = 1,
                              .written = true};
    nnc_status status = read_precision(plan, spec->precision, message);
    if (spec->loss && !status) status = nnc_loss_read(&plan->loss, spec->loss, message);
    if (spec->optimizer && !status) {
        const struct nnc_optimizer *o = &plan->update.optimizer;
        status = nnc_optimizer_read(&plan->update.optimizer, spec->optimizer, message);
        plan->update.clips_norm = o->clipnorm != 0 || o->global_clipnorm != 0;
    }
    return status;
}

/* Builds the layers, the memory and the pointers. */
static nnc_status build(struct nnc_plan *plan, const nnc_plan_spec *spec, struct net *net, char message[NNC_MESSAGE]) {
    nnc_status status = read_layers(plan, spec, net, message);
    if (status) return status;
    link_layers(plan, net);
    plan->capacity = capacity_of(spec, net);
    struct nnc_arena arena = {0};
    lay_out(plan, &arena, net);
    plan->bytes = arena.used;
    plan->memory = nnc_allocate(arena.used);
    if (!plan->memory) {
        snprintf(message, NNC_MESSAGE, "no memory for a network of %zu bytes", arena.used);
        return NNC_NO_MEMORY;
    }
    arena = (struct nnc_arena){.base = plan->memory};
    lay_out(plan, &arena, net);
    for (size_t i = 0; i < spec->n_metrics && !status; i++)
        status = nnc_metric_read(&plan->metrics[i], &spec->metrics[i], message);
    return status;
}

nnc_status nnc_plan_create(nnc_plan **result, const nnc_plan_spec *spec, char message[NNC_MESSAGE]) {
    struct net net = {0};
    *result = NULL;
    for (int i = 0; i < N_KINDS; i++)
        if (kinds[i]->own_size > net.most_own) net.most_own = kinds[i]->own_size;
    net.most_own = nnc_round_up(net.most_own, 16);
    struct nnc_plan *plan = calloc(1, sizeof *plan);
    net.layers = calloc(spec->n_layers + 1, sizeof *net.layers);
    net.own = calloc(spec->n_layers + 1, net.most_own);
    nnc_status status = NNC_NO_MEMORY;
    if (plan && net.layers && net.own) {
        status = read_spec(plan, spec, message);
        if (!status) status = build(plan, spec, &net, message);
        if (status) nnc_release(plan->memory);
    }
    free(net.layers);
    free(net.own);
    if (status) free(plan);
    else *result = plan;
    return status;
}

void nnc_plan_free(nnc_plan *plan) {
    if (!plan) return;
    nnc_release(plan->gradients);
    nnc_release(plan->kept);
    nnc_release(plan->memory);
    free(plan);
}

size_t nnc_plan_outputs(const nnc_plan *plan) {
    return plan->n_outputs;
}

size_t nnc_plan_slots(const nnc_plan *plan) {
    return plan->update.optimizer.n_slots;
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

nnc_bad_row nnc_plan_bad_row(const nnc_plan *plan) {
    return plan->bad_row;
}

void nnc_plan_read(const nnc_plan *plan, size_t i, int what, float *values) {
    nnc_param_read(&plan->params[i], what, values);
}

void nnc_plan_read_part(const nnc_plan *plan, size_t i, int what, size_t first, size_t n, float *values) {
    nnc_param_read_part(&plan->params[i], what, first, n, values);
}

void nnc_plan_write(nnc_plan *plan, size_t i, int what, const float *values) {
    plan->written = true;
    nnc_param_write(&plan->params[i], what, values);
}
