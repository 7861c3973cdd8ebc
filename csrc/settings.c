/* settings.c -- see settings.h. */

#include "settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double WHOLE = 4611686018427387904.0; /* 2^62: fits in a size_t and in a ptrdiff_t */

int nnc_place_of(const char *word, const char *const *names, int n) {
    for (int i = 0; i < n; i++)
        if (!strcmp(word, names[i])) return i;
    return -1;
}

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

static bool store_sizes(const nnc_setting *setting, struct nnc_sizes *to) {
    to->n = setting->n_values;
    for (size_t i = 0; i < to->n; i++) {
        if (!is_whole(setting->values[i], 1)) return false;
        to->at[i] = (size_t)setting->values[i];
    }
    return true;
}

/* Stores a setting; returns NULL, or what the setting must be if it is invalid. */
static const char *store(const struct nnc_field *field, const nnc_setting *setting, char *base) {
    void *to = base + field->offset;
    const double x = setting->values[0];
    if ((field->type == FIELD_WORD) != (setting->word != NULL)) return setting->word ? "a number" : "a name";
    switch (field->type) {
    case FIELD_SIZE:
        if (!is_whole(x, 0)) return "an integer from 0 to 2^62";
        *(size_t *)to = (size_t)x;
        break;
    case FIELD_OFFSET:
        if (!is_whole(x, -WHOLE)) return "an integer from -2^62 to 2^62";
        *(ptrdiff_t *)to = (ptrdiff_t)x;
        break;
    case FIELD_FLAG: *(bool *)to = x != 0; break;
    case FIELD_FLOAT: *(float *)to = (float)x; break;
    case FIELD_DOUBLE: *(double *)to = x; break;
    case FIELD_PAIR: memcpy(to, setting->values, 2 * sizeof *setting->values); break;
    case FIELD_SIZES:
        if (!store_sizes(setting, to)) return "a list of whole numbers from 1 to 2^62";
        break;
    case FIELD_WORD:
        *(int *)to = field->look_up(setting->word);
        if (*(int *)to < 0) return "a known name";
        break;
    }
    return NULL;
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
        const char *must_be = store(field, setting, base);
        if (!must_be) continue;
        int used = snprintf(message, NNC_MESSAGE, "%.64s of %.64s must be %s, got ", setting->name, spec->name, must_be);
        if (setting->word) snprintf(message + used, (size_t)(NNC_MESSAGE - used), "'%.32s'", setting->word);
        else snprintf(message + used, (size_t)(NNC_MESSAGE - used), "%g", setting->values[0]);
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
