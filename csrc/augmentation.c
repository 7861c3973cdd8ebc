/* augmentation.c -- random changes of the samples in training: turned, zoomed and shifted images. */

#include <string.h>

#include "plan.h"

int nnc_fill_id(const char *name) {
    static const char *const names[N_FILLS] = {"constant", "nearest", "reflect", "wrap"};
    for (int i = 0; i < N_FILLS; i++)
        if (!strcmp(name, names[i])) return i;
    return -1;
}
