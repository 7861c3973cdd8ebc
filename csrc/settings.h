/* settings.h -- stores the caller's named settings in the fields of structs. */
#ifndef NNC_SETTINGS_H
#define NNC_SETTINGS_H

#include "nnc.h"

enum nnc_field_type {
    FIELD_SIZE,   /* size_t */
    FIELD_OFFSET, /* ptrdiff_t */
    FIELD_FLAG,   /* bool */
    FIELD_FLOAT,
    FIELD_DOUBLE,
    FIELD_PAIR,   /* double[2] */
    FIELD_SIZES,  /* struct nnc_sizes */
    FIELD_WORD,   /* int, by look_up */
};

/* A list of sizes. */
struct nnc_sizes {
    size_t n, at[NNC_MAX_VALUES];
};

struct nnc_field {
    const char *name;
    enum nnc_field_type type;
    bool optional;  /* if the setting is missing, the field keeps its default */
    size_t offset;  /* in the struct */
    int (*look_up)(const char *word); /* -1: unknown */
};

/* A setting with the name of a struct's field. */
#define FIELD(type_, name_, how) {.name = #name_, .type = FIELD_##how, .offset = offsetof(type_, name_)}
#define OPTIONAL_FIELD(type_, name_, how) \
    {.name = #name_, .type = FIELD_##how, .optional = true, .offset = offsetof(type_, name_)}

/* Some fields of a struct, and the struct's address. */
struct nnc_fields {
    const struct nnc_field *fields;
    size_t n;
    void *base;
};

/* Index of `word` in n names; -1: not found. */
int nnc_place_of(const char *word, const char *const *names, int n);

/* Stores every setting of `spec` in the field of that name in one of the `n` structs. Fails if a setting is unknown, missing or
 * out of its type's range; `message` then names it. */
nnc_status nnc_read_settings(const nnc_spec *spec, const struct nnc_fields *structs, size_t n, char message[NNC_MESSAGE]);

#endif
