/* layer.h -- the descriptor of a kind of layer, and a layer of a plan.
 *
 * Each kind exports a descriptor from its file; layers.def lists them. Every phase of a step is a function that all workers
 * of a team call: each does its share and returns, and the caller adds a barrier. How the work is divided depends on the number
 * of threads; the order of the sums does not. */
#ifndef NNC_LAYER_H
#define NNC_LAYER_H

#include "ahead.h"
#include "arena.h"
#include "kernels.h"
#include "settings.h"
#include "sizes.h"
#include "team.h"
#include "update.h"

enum { NNC_LAYER_PARAMS = 4 }; /* arrays of one layer, at most */

struct nnc_plan;
struct nnc_layer_kind;
struct nnc_rounded;

/* The activation f of a layer. */
struct nnc_activation_of {
    int id;       /* enum nnc_activation */
    float alpha;  /* its parameter */
    size_t group; /* activations of rows act on runs of `group` features */
};

struct nnc_layer {
    const struct nnc_layer_kind *kind;
    void *own;        /* the kind's own struct: settings, and state kept between its passes */
    uint32_t index;   /* in the caller's list: part of the key of random numbers */
    size_t I, O;      /* features of a row before and after the layer */
    size_t columns;   /* features after which the layer repeats its operation: filters, channels; else O */
    struct nnc_activation_of activation;
    nnc_geometry geometry;
    enum nnc_precision precision;  /* of its products */
    struct nnc_rounded *rounded;   /* their bfloat16 operands: operands.h; NULL in float32 */
    struct nnc_param *params[NNC_LAYER_PARAMS]; /* in the order of the kind; NULL: not used */
    struct nnc_rules {
        float l1, l2; /* penalties */
        bool undecayed; /* exempt from weight decay */
        struct nnc_constraint constraint;
    } rules[NNC_LAYER_PARAMS]; /* for the trainable ones */
    float *a;         /* (B, O) */
    float *d;         /* (B, O): f'(z), a mask, or the winners of pooling; NULL if a is sufficient */
    float *da;        /* (B, O): gradient with respect to a, converted to dz in place; NULL if not needed */
    size_t ld;        /* of a, d and da */
    bool trainable;   /* a setting: its parameters are updated; if frozen, they are constant, batch statistics are not used */
    double seed;      /* a setting: of its random numbers, instead of the plan's; below 0: none */
    bool needs_backward; /* it or a layer before it has parameters that are updated */
    bool needs_dx;    /* a layer before this one has such parameters */
    bool gets_dz;     /* the code that writes da converts it to dz at once, while the block is in the cache */
    bool finishes_next; /* a product: in inference it also applies the next layer to its results */
};

enum nnc_mode { INFER, TRAIN };

/* The array to which the time since the last reading is added: see nnc_schedule. */
struct nnc_clock {
    double last, *seconds;
};

/* A pass over one batch. */
struct nnc_pass {
    size_t m;             /* rows */
    enum nnc_mode mode;   /* TRAIN: keep what the backward pass needs */
    bool training;        /* random layers are active, a batch is normalized by its own statistics */
    bool applied;         /* the backward pass updates the parameters, and moving statistics change */
    uint64_t epoch, step; /* keys of random numbers */
    struct nnc_read x;    /* INFER: the rows in the caller's memory; NULL: in plan->x */
    const struct nnc_ahead *ahead; /* TRAIN: the next batch, to be prefetched during a product; NULL: unknown */
    struct nnc_clock *clock; /* TRAIN: read by worker 0 after each phase, or NULL */
};

/* What is wrong with a layer's settings, and the wrong value; what is NULL if nothing is wrong. */
struct nnc_fault {
    const char *what;
    size_t value;
};

enum nnc_layer_flags {
    LAYER_PRODUCT = 1,        /* its outputs are a product: it reads rows with any stride and can convert the da that it
                               * writes for the layer before to dz */
    LAYER_ACTIVATED = 2,      /* any activation can be applied in the pass that computes the outputs; */
    LAYER_ELEMENTWISE = 4,    /* with this flag only an elementwise one */
    LAYER_KEEPS_D = 8,        /* needs d for every activation */
    LAYER_TRAINING_ONLY = 16, /* in inference its outputs are its inputs */
    LAYER_STOPS_GRADIENT = 32, /* must come before every layer with parameters */
    LAYER_COPIES = 64,        /* its forward pass calls nnc_round_block for every block of its output */
};

typedef void nnc_layer_fn(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker);

struct nnc_layer_kind {
    const char *name;
    unsigned flags;
    const struct nnc_field *fields; /* settings in the kind's own struct */
    size_t n_fields, own_size;
    const void *defaults;           /* of the own struct; NULL: zeros */
    bool has_geometry;              /* nnc_geometry's fields are settings as well */

    /* Checks the settings for layer->I inputs and sets what follows from them: O and columns, which are initialized to I. */
    struct nnc_fault (*settle)(struct nnc_layer *layer);
    /* Names and shapes of the parameters that the kind can have, each at its index; no axes: the settings of this layer exclude
     * it. NULL: the kind has none. */
    void (*parameters)(const struct nnc_layer *layer, nnc_parameter list[NNC_LAYER_PARAMS]);
    /* Merges the layer into the one before it (NULL: the inputs), which saves a separate pass; false: not possible. */
    bool (*merge)(struct nnc_plan *plan, const struct nnc_layer *layer, struct nnc_layer *before);
    /* Allocates the memory of the own struct for batches of up to B rows. */
    void (*lay_out)(struct nnc_layer *layer, size_t B, struct nnc_arena *arena);
    /* Called by one thread before passes with this `training`; `written`: parameters may have changed since the last call. */
    void (*prepare)(struct nnc_layer *layer, bool training, bool written);
    /* In inference: applies the layer in place to columns [j, j + n) of m rows that the product before it has computed. */
    void (*finish)(const struct nnc_layer *layer, size_t m, size_t j, size_t n, struct nnc_write a);

    /* Computes a from the input. */
    nnc_layer_fn *forward;
    /* Given da of the output (dz if gets_dz), passes the gradients of the layer's parameters to the update and, if needs_dx,
     * writes da of the layer before. NULL if the layer stops gradients. */
    nnc_layer_fn *backward;
};

#define LAYER(name) extern const struct nnc_layer_kind nnc_layer_##name;
#include "layers.def"
#undef LAYER

static inline bool nnc_has(const struct nnc_layer *layer, unsigned flag) {
    return layer->kind->flags & flag;
}

#endif
