/* dense.c -- dense layers: a = f(x W + b) and the backward pass. */

#include "activation.h"
#include "operands.h"

enum { KERNEL, BIAS };
enum {
    ROWS_TO_SHARE = 16,        /* rows per worker from which inference divides rows */
    ROWS_TOGETHER = 128,       /* rows of the forward product between two checks for a stop request, at least; */
    WORK_TOGETHER = 1 << 27,   /* more if they take at most this many multiply-adds */
};

static const size_t MOST_WEIGHTS = (size_t)1 << 38; /* sizes below this do not overflow when multiplied */

struct dense {
    size_t units;
    bool use_bias;
};

static const struct nnc_field fields[] = {FIELD(struct dense, units, SIZE), FIELD(struct dense, use_bias, FLAG)};

static struct nnc_fault settle(struct nnc_layer *layer) {
    const struct dense *own = layer->own;
    if (own->units < 1 || own->units >= MOST_WEIGHTS / (layer->I + PANEL))
        return (struct nnc_fault){"units must be at least 1, and inputs times units below 2^38", own->units};
    layer->O = layer->columns = own->units;
    return (struct nnc_fault){0};
}

static void parameters(const struct nnc_layer *layer, nnc_parameter list[NNC_LAYER_PARAMS]) {
    const struct dense *own = layer->own;
    list[KERNEL] = (nnc_parameter){.name = "kernel", .n_axes = 2, .shape = {layer->I, own->units}, .trainable = true};
    list[BIAS] = (nnc_parameter){.name = "bias", .n_axes = own->use_bias, .shape = {own->units}, .trainable = true};
}

/* The lists of nonzero groups of x, if they exist and pay off; they exist for the inputs of the network only. */
static const struct nnc_zeros *zeros_of(const struct nnc_plan *plan, size_t l, size_t m) {
    const bool skips = l == 0 && plan->zeros.groups && nnc_products_of(plan)->skips_zeros && nnc_zeros_pay(&plan->zeros, m);
    return skips ? &plan->zeros : NULL;
}

/* Rows [i0, i1) and panels [p0, p1). */
static void forward_block(const struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, const size_t rows[2],
                          const size_t panels[2], struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const struct nnc_after_product after = nnc_after_product_of(plan, l, pass);
    const struct nnc_zeros *zeros = zeros_of(plan, l, pass->m);
    const size_t i0 = rows[0];
    struct nnc_groups groups;
    if (zeros)
        groups = (struct nnc_groups){zeros->groups, zeros->blocks, zeros->of_row + i0 * zeros->groups,
                                     zeros->starts + i0 * (zeros->blocks + 1)};
    const struct nnc_products *products = nnc_products_of(plan);
    const struct nnc_operand x = nnc_input_of_forward(plan, l, pass);
    const struct nnc_forward product = {products,
                                        layer->params[KERNEL],
                                        layer->params[BIAS],
                                        rows[1] - i0,
                                        {nnc_element(products, x.at, i0 * x.ld), x.ld, 1},
                                        zeros ? &groups : NULL,
                                        nnc_rows_of(after.target, after.target->a, i0),
                                        {nnc_apply_after_product, &after},
                                        worker};
    nnc_product_forward(&product, panels[0], panels[1]);
}

static void forward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    const size_t n_panels = nnc_parts(layer->O, PANEL), n = (size_t)worker->n;
    size_t rows[2] = {0, pass->m}, panels[2] = {0, n_panels};
    /* In training, divide by panels, so that a core keeps its part of W, which it also updates, in its own cache; by rows if
     * the panels do not divide evenly. In inference, by rows, so that cores do not share rows; by panels if rows are few. */
    if (pass->mode == INFER ? pass->m < ROWS_TO_SHARE * n : n_panels % n == 0 || n_panels >= 4 * n)
        nnc_share(worker, n_panels, &panels[0], &panels[1]);
    else nnc_share(worker, pass->m, &rows[0], &rows[1]);
    const size_t weights = (panels[1] - panels[0]) * PANEL * layer->I;
    size_t together = rows[1] - rows[0];
    if (together > ROWS_TOGETHER && together * weights > WORK_TOGETHER)
        together = WORK_TOGETHER / weights > ROWS_TOGETHER ? WORK_TOGETHER / weights : ROWS_TOGETHER;
    nnc_round_input(plan, l, pass, worker);
    for (size_t i = rows[0]; i < rows[1] && weights; i += together) {
        const size_t block[2] = {i, least(i + together, rows[1])};
        if (i > rows[0] && nnc_stopped(worker, NNC_WORK_BETWEEN)) break;
        forward_block(plan, l, pass, block, panels, worker);
    }
    const struct nnc_zeros *zeros = pass->mode == TRAIN ? zeros_of(plan, l, pass->m) : NULL;
    if (zeros) {
        size_t first, last;
        nnc_share(worker, zeros->groups, &first, &last);
        nnc_list_groups(zeros, pass->m, first, last);
    }
    nnc_activate_whole_rows(layer, pass->m, worker);
}

static void backward(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker) {
    const struct nnc_layer *layer = &plan->layers[l];
    struct nnc_param *W = layer->params[KERNEL], *b = layer->params[BIAS];
    const size_t m = pass->m;
    const struct nnc_read dz = {layer->da, layer->ld};
    const struct nnc_kernel_gradient dW = {
        nnc_products_of(plan),         &plan->update,        W,      m,          nnc_input_of_gradient(plan, l, pass),
        nnc_gradient_of_kernel(layer), zeros_of(plan, l, m), worker, pass->ahead};
    size_t first, last;
    nnc_take_derivative_shared(layer, m, worker);
    nnc_round_gradient(layer, m, worker);
    if (layer->needs_dx) {
        const struct nnc_layer *before = layer - 1;
        const struct nnc_input_gradient dx = {nnc_products_of(plan),
                                              W,
                                              m,
                                              nnc_gradient_of_input(layer),
                                              {before->da, before->ld},
                                              nnc_after_input_gradient(before),
                                              worker};
        /* Divide by rows of W: dx of a block reads rows that only this worker updates, and reads them before the update. */
        nnc_share(worker, W->row_tiles, &first, &last);
        for (size_t block = first; block < last; block++) {
            nnc_product_input_gradient(&dx, block);
            nnc_product_kernel_gradient_block(&dW, block, 0, W->n_tiles);
        }
    } else {
        nnc_share(worker, W->n_tiles, &first, &last);
        nnc_product_kernel_gradient(&dW, first, last);
    }
    if (!b) return;
    nnc_share(worker, b->n_tiles, &first, &last);
    for (size_t tile = first; tile < last; tile++) {
        const size_t j = tile * PANEL;
        float g[PANEL] = {0};
        nnc_kernels->column_sums(m, least(PANEL, layer->O - j), (struct nnc_read){dz.at + j, dz.ld}, g);
        nnc_apply_tile(&plan->update, b, tile, g);
    }
}

/* In bfloat16 the products read copies of x, dz, W and W^T, as in a convolution of one pixel and one kernel position. */
static void lay_out(struct nnc_layer *layer, size_t B, struct nnc_arena *arena) {
    const struct nnc_frame x = nnc_flat(layer->I), dz = nnc_flat(layer->O);
    if (layer->precision != PRECISION_bfloat16) return;
    nnc_rounded_lay_out(layer, &x, &dz, B, arena);
    struct nnc_param laid_out = {.rows = layer->I, .cols = layer->O};
    struct nnc_param *W = layer->params[KERNEL] ? layer->params[KERNEL] : &laid_out;
    nnc_round_panels(W, layer->I, arena);
    if (!layer->needs_dx) return;
    const size_t panel = nnc_round_up(layer->O, BF16_STEP) * PANEL;
    W->transposed = (struct nnc_transposed){.channels = layer->I, .groups = 1};
    W->transposed.at = nnc_take(arena, nnc_parts(layer->I, PANEL) * panel, sizeof(uint16_t));
    W->transposed.positions = nnc_take(arena, 1, sizeof *W->transposed.positions);
    if (W->transposed.positions) W->transposed.positions[0] = (struct nnc_position){0, panel};
}

const struct nnc_layer_kind nnc_layer_dense = {
    .name = "dense",
    .flags = LAYER_PRODUCT | LAYER_ACTIVATED | LAYER_COPIES,
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .own_size = sizeof(struct dense),
    .settle = settle,
    .parameters = parameters,
    .lay_out = lay_out,
    .forward = forward,
    .backward = backward,
};
