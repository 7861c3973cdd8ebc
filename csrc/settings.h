/* settings.h -- named settings, as the caller gives them, into the fields of structs. */
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
    FIELD_WORD,   /* int, by look_up */
};

struct nnc_field {
    const char *name;
    enum nnc_field_type type;
    bool optional;  /* the struct's own default stays where the setting is missing */
    size_t offset;  /* in the struct */
    int (*look_up)(const char *word); /* -1: unknown */
};

/* A field of a struct under its own name. */
#define FIELD(type_, name_, how) {.name = #name_, .type = FIELD_##how, .offset = offsetof(type_, name_)}
#define OPTIONAL_FIELD(type_, name_, how) \
    {.name = #name_, .type = FIELD_##how, .optional = true, .offset = offsetof(type_, name_)}

/* Part of a struct's fields, and where the struct is. */
struct nnc_fields {
    const struct nnc_field *fields;
    size_t n;
    void *base;
};

/* Place of `word` among n names; -1: it is none of them. */
int nnc_place_of(const char *word, const char *const *names, int n);

/* Every setting of `spec` into the field of its name in one of the `n` structs. Refuses settings that are unknown, missing or
 * out of the type's range; `message` then says which. */
nnc_status nnc_read_settings(const nnc_spec *spec, const struct nnc_fields *structs, size_t n, char message[NNC_MESSAGE]);

#endif
