/* zeros.h -- the groups of columns of the batch that are 0, which a first dense layer skips (kernels/sparse.inc). */
#ifndef NNC_ZEROS_H
#define NNC_ZEROS_H

#include "arena.h"
#include "kernels.h"

/* Lists hold at most 65,535 rows and groups. */
struct nnc_zeros {
    size_t rows;             /* capacity */
    size_t groups, blocks;   /* of a row; 0 groups: no lists */
    bool *dense;             /* (rows) the row has few zeros and no list */
    uint16_t *of_row;        /* (rows, groups) see nnc_groups */
    uint16_t *starts;        /* (rows, blocks + 1) */
    uint16_t *of_group;      /* (groups, rows) the rows in which a group has a nonzero element, ascending */
    uint16_t *counts;        /* (groups) the number of these rows */
};

/* Allocates the lists for up to B rows of n_inputs; no groups if skipping zeros cannot pay off. */
struct nnc_zeros nnc_zeros_lay_out(size_t B, size_t n_inputs, struct nnc_arena *arena);

/* Makes the lists of row i of the batch, x; those of groups [first, last) over m rows; tests whether using them pays off for
 * m rows. */
void nnc_list_row(const struct nnc_zeros *zeros, size_t i, const float *x);
void nnc_list_groups(const struct nnc_zeros *zeros, size_t m, size_t first, size_t last);
bool nnc_zeros_pay(const struct nnc_zeros *zeros, size_t m);

#endif
