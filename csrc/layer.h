/* layer.h -- what a kind of layer is, and what a layer of a plan is.
 *
 * Each kind is one file, which exports one descriptor; layers.def lists them. Every phase of a step is a function that all
 * workers of a team call; it does its share and returns, and the caller puts a barrier after it. How the work is shared differs
 * with the number of threads, the sums that it makes do not. */
#ifndef NNC_LAYER_H
#define NNC_LAYER_H

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

/* f of z, for layers that have one. */
struct nnc_activation_of {
    int id;       /* enum nnc_activation */
    float alpha;  /* its parameter */
    size_t group; /* softmax acts on runs of `group` features */
};

struct nnc_layer {
    const struct nnc_layer_kind *kind;
    void *own;        /* the kind's own struct: settings, and what it keeps between its passes */
    uint32_t index;   /* in the list that the caller gave: keys random numbers */
    size_t I, O;      /* features of a row before and after the layer */
    size_t columns;   /* features after which it does the same again: filters, channels; else O */
    struct nnc_activation_of activation;
    nnc_geometry geometry;
    enum nnc_precision precision;  /* of its products */
    struct nnc_rounded *rounded;   /* what they read in bfloat16: operands.h; NULL in float32 */
    struct nnc_param *params[NNC_LAYER_PARAMS]; /* as the kind numbers them; NULL: not there */
    struct nnc_rules {
        float l1, l2; /* penalties */
        struct nnc_constraint constraint;
    } rules[NNC_LAYER_PARAMS]; /* for them, where they are trainable */
    float *a;         /* (B, O) */
    float *d;         /* (B, O): f'(z), a mask, or the winners of pooling; NULL if a says all */
    float *da;        /* (B, O): gradient wrt a, turned into dz in place; NULL where nobody asks for it */
    size_t ld;        /* of a, d and da */
    bool trainable;   /* a setting: its parameters move; frozen, they stay and batch statistics are not used */
    double seed;      /* a setting: of its random numbers, in place of the plan's; below 0: none */
    bool learns;      /* it or a layer before it has parameters that move */
    bool needs_dx;    /* a layer before this one has */
    bool gets_dz;     /* whoever writes da turns it into dz at once, while a block of it is hot */
    bool finishes_next; /* a product: in inference it does the layer after it on its results, too */
};

enum nnc_mode { INFER, TRAIN };

/* Where the time since the last reading goes: see nnc_schedule. */
struct nnc_clock {
    double last, *seconds;
};

/* A pass over one batch. */
struct nnc_pass {
    size_t m;             /* rows */
    enum nnc_mode mode;   /* TRAIN: what the backward pass needs is kept */
    bool training;        /* random layers act, a batch is normalized by its own statistics */
    bool applied;         /* the backward pass changes the parameters: moving statistics move */
    uint64_t epoch, step; /* key random numbers */
    struct nnc_read x;    /* INFER: the rows where the caller has them; NULL: in plan->x */
    struct nnc_clock *clock; /* TRAIN: to be read by worker 0 after each phase, or NULL */
};

/* What is wrong with a layer's settings, and the number that is; NULL: nothing. */
struct nnc_fault {
    const char *what;
    size_t value;
};

enum nnc_layer_flags {
    LAYER_PRODUCT = 1,        /* its outputs are a product: it reads rows at any distance and can turn the da that it writes
                               * for the layer before into dz */
    LAYER_ACTIVATED = 2,      /* an activation can be done in the pass that makes the outputs, any; */
    LAYER_ELEMENTWISE = 4,    /* with this flag only an elementwise one */
    LAYER_KEEPS_D = 8,        /* needs d whatever its activation */
    LAYER_TRAINING_ONLY = 16, /* in inference its outputs are its inputs */
    LAYER_STOPS_GRADIENT = 32, /* must come before every layer with parameters */
};

typedef void nnc_layer_fn(struct nnc_plan *plan, size_t l, const struct nnc_pass *pass, struct nnc_worker *worker);

struct nnc_layer_kind {
    const char *name;
    unsigned flags;
    const struct nnc_field *fields; /* of the kind's own struct */
    size_t n_fields, own_size;
    const void *defaults;           /* of the own struct; NULL: zeros */
    bool has_geometry;              /* nnc_geometry's fields are settings, too */

    /* Checks the settings for layer->I inputs and says what follows from them: O and columns, which are I before. */
    struct nnc_fault (*settle)(struct nnc_layer *layer);
    /* Names and shapes of the parameters that the kind can have, each in its place; no axes: this layer does without it, as its
     * settings say. NULL: it has none. */
    void (*parameters)(const struct nnc_layer *layer, nnc_parameter list[NNC_LAYER_PARAMS]);
    /* Joins the layer with what comes before it (NULL: the inputs), so that it needs no pass of its own; false: it does. */
    bool (*merge)(struct nnc_plan *plan, const struct nnc_layer *layer, struct nnc_layer *before);
    /* What the own struct needs of memory for batches of up to B rows. */
    void (*lay_out)(struct nnc_layer *layer, size_t B, struct nnc_arena *arena);
    /* Called by one thread before passes with this `training`; `written`: parameters may have changed since the last call. */
    void (*prepare)(struct nnc_layer *layer, bool training, bool written);
    /* In inference, in place on columns [j, j + n) of m rows that a product before it has made. */
    void (*finish)(const struct nnc_layer *layer, size_t m, size_t j, size_t n, struct nnc_write a);

    /* a from the input. */
    nnc_layer_fn *forward;
    /* Given da of the output (dz where gets_dz says so), it uses up the gradients of the layer's parameters and, where
     * needs_dx, writes da of the layer before. NULL where gradients stop. */
    nnc_layer_fn *backward;
};

#define LAYER(name) extern const struct nnc_layer_kind nnc_layer_##name;
#include "layers.def"
#undef LAYER

static inline bool nnc_has(const struct nnc_layer *layer, unsigned flag) {
    return layer->kind->flags & flag;
}

#endif
