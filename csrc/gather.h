/* gather.h -- copies the rows of a batch from the caller's data into the plan. */
#ifndef NNC_GATHER_H
#define NNC_GATHER_H

#include <stdatomic.h>

#include "network.h"

/* The source of the rows of a batch: the order, starting at `first`; without targets if they are not needed. */
struct nnc_batch {
    const nnc_data *data;
    const int64_t *order; /* NULL: in the order of the data */
    size_t first;
    bool targets;
    atomic_bool *bad; /* set if a row, a target or a weight is out of range */
};

/* An inference pass over rows [first, first + m). A product reads float rows in place: it overlaps with loading them from
 * memory, which a copy could not. */
struct nnc_pass nnc_inference_pass(const struct nnc_plan *plan, const nnc_data *data, size_t first, size_t m);

/* The inputs of the m rows of a batch. */
struct nnc_ahead nnc_rows_ahead(const struct nnc_plan *plan, const struct nnc_batch *batch, size_t m);

/* Gathers rows [i0, i1) of the batch. The first worker that finds a row, target or weight out of range records it in the
 * plan. */
void nnc_gather(struct nnc_plan *plan, const struct nnc_batch *batch, size_t i0, size_t i1, const struct nnc_pass *pass);

#endif
