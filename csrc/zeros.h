/* zeros.h -- which groups of columns of the batch are 0, for a first dense layer that leaves them out (kernels/sparse.inc). */
#ifndef NNC_ZEROS_H
#define NNC_ZEROS_H

#include "arena.h"
#include "kernels.h"

/* Lists hold at most 65,535 rows and groups. */
struct nnc_zeros {
    size_t rows;             /* that there is room for */
    size_t groups, blocks;   /* of a row; 0 groups: nothing is kept */
    bool *dense;             /* (rows) a row that has few zeros and no list */
    uint16_t *of_row;        /* (rows, groups) see nnc_groups */
    uint16_t *starts;        /* (rows, blocks + 1) */
    uint16_t *of_group;      /* (groups, rows) the rows of a group that are not 0 throughout, ascending */
    uint16_t *counts;        /* (groups) how many */
};

/* Room for the lists of up to B rows of n_inputs; no groups where looking for zeros cannot pay. */
struct nnc_zeros nnc_zeros_lay_out(size_t B, size_t n_inputs, struct nnc_arena *arena);

/* The lists of row i of the batch, x; those of groups [first, last) over m rows; whether using them pays for m rows. */
void nnc_list_row(const struct nnc_zeros *zeros, size_t i, const float *x);
void nnc_list_groups(const struct nnc_zeros *zeros, size_t m, size_t first, size_t last);
bool nnc_zeros_pay(const struct nnc_zeros *zeros, size_t m);

#endif
