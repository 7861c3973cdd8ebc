/* settings.c -- see settings.h. */

#include "settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double WHOLE = 4611686018427387904.0; /* 2^62: what a size_t and a ptrdiff_t hold for certain */

static const struct nnc_field *find(const char *name, const struct nnc_fields *structs, size_t n, char **base) {
    for (size_t s = 0; s < n; s++)
        for (size_t f = 0; f < structs[s].n; f++)
            if (!strcmp(name, structs[s].fields[f].name)) {
                *base = structs[s].base;
                return &structs[s].fields[f];
            }
    return NULL;
}

static bool is_whole(double x, double low) {
    return x >= low && x <= WHOLE && x == floor(x);
}

/* false: the setting is not of the field's type. */
static bool store(const struct nnc_field *field, const nnc_setting *setting, char *base) {
    void *to = base + field->offset;
    const double x = setting->values[0];
    if ((field->type == FIELD_WORD) != (setting->word != NULL)) return false;
    switch (field->type) {
    case FIELD_SIZE:
        if (!is_whole(x, 0)) return false;
        *(size_t *)to = (size_t)x;
        return true;
    case FIELD_OFFSET:
        if (!is_whole(x, -WHOLE)) return false;
        *(ptrdiff_t *)to = (ptrdiff_t)x;
        return true;
    case FIELD_FLAG: *(bool *)to = x != 0; return true;
    case FIELD_FLOAT: *(float *)to = (float)x; return true;
    case FIELD_DOUBLE: *(double *)to = x; return true;
    case FIELD_PAIR: memcpy(to, setting->values, sizeof setting->values); return true;
    case FIELD_WORD: *(int *)to = field->look_up(setting->word); return *(int *)to >= 0;
    }
    return false;
}

static bool has(const nnc_spec *spec, const char *name) {
    for (size_t i = 0; i < spec->n_settings; i++)
        if (!strcmp(name, spec->settings[i].name)) return true;
    return false;
}

nnc_status nnc_read_settings(const nnc_spec *spec, const struct nnc_fields *structs, size_t n, char message[NNC_MESSAGE]) {
    for (size_t i = 0; i < spec->n_settings; i++) {
        const nnc_setting *setting = &spec->settings[i];
        char *base = NULL;
        const struct nnc_field *field = find(setting->name, structs, n, &base);
        if (!field) {
            snprintf(message, NNC_MESSAGE, "%.64s has no setting '%.64s'", spec->name, setting->name);
            return NNC_INVALID;
        }
        if (store(field, setting, base)) continue;
        if (setting->word) {
            snprintf(message, NNC_MESSAGE, "unknown %.64s '%.64s' of %.64s", setting->name, setting->word, spec->name);
        } else {
            snprintf(message, NNC_MESSAGE, "%.64s of %.64s is %g, which does not fit", setting->name, spec->name,
                     setting->values[0]);
        }
        return NNC_INVALID;
    }
    for (size_t s = 0; s < n; s++)
        for (size_t f = 0; f < structs[s].n; f++)
            if (!structs[s].fields[f].optional && !has(spec, structs[s].fields[f].name)) {
                snprintf(message, NNC_MESSAGE, "%.64s needs the setting '%.64s'", spec->name, structs[s].fields[f].name);
                return NNC_INVALID;
            }
    return NNC_OK;
}
