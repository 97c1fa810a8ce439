/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranked lists of a run of customers, in host memory, and their HDF5 form (docs/FORMATS.md): one
 * part of a run directory, or the one file of `topk -o`. */
#ifndef BR_HOST_IO_LISTS_H
#define BR_HOST_IO_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/decide/source.h"
#include "host/io/keys.h"

#define BR_LISTS_FORMAT      "batchrank-lists"
#define BR_LISTS_MAX_COLUMNS 64
#define BR_LISTS_NAME_BYTES  64

/* Why a list is as it is (bits of flags_B); docs/FORMATS.md explains them to readers. */
typedef enum {
    BR_FLAG_SHORT           = 1 << 0, /* fewer than k items were eligible */
    BR_FLAG_NO_CONSENT      = 1 << 1, /* empty: the channel is not consented to */
    BR_FLAG_NO_EVENTS       = 1 << 2, /* no usable event in any modality */
    BR_FLAG_FALLBACK        = 1 << 3, /* filled by popularity */
    BR_FLAG_NOTHING_ALLOWED = 1 << 4, /* no eligible item at all */
    BR_FLAG_HELD_OUT        = 1 << 5, /* in the hold-out of an experiment: nothing is sent */
    BR_FLAG_HELD_BACK       = 1 << 6, /* empty: a rule holds the customer back */
    BR_FLAG_NO_CAPACITY     = 1 << 7, /* short or empty: capacity went to others */
    BR_FLAG_REPAIRED        = 1 << 8, /* changed to hold a constraint: no propensities */
    BR_FLAG_DIVERSE         = 1 << 9, /* the model's items stand by diversity, not by score */
    BR_FLAG_GROUPS_FULL     = 1 << 10 /* short: items were left out as their groups were full */
} br_list_flag;

/* What says that a list is empty. */
#define BR_FLAG_EMPTY                                                                              \
    (BR_FLAG_NO_CONSENT | BR_FLAG_NOTHING_ALLOWED | BR_FLAG_HELD_OUT | BR_FLAG_HELD_BACK)

/* A named array of counts that adds up over parts (histograms, waterfall). */
typedef struct br_counts {
    char     name[BR_LISTS_NAME_BYTES];
    int64_t  n;
    int64_t *count;
} br_counts;

/* What a survival head says of each customer; all NaN without a list from the model. */
typedef struct br_curve {
    char    name[BR_LISTS_NAME_BYTES];
    int32_t n_periods; /* 1..BR_LISTS_MAX_COLUMNS */
    int64_t period_s;
    float  *survival_BP; /* S at the end of each period */
} br_curve;

/* Lists by other weights of the objective, for comparison: never sent out. */
#define BR_LISTS_MAX_SHADOWS 4
typedef struct br_shadow {
    char     name[BR_LISTS_NAME_BYTES];
    int32_t *item_BK; /* as the lists' own */
    float   *score_BK;
} br_shadow;

typedef struct br_lists {
    int64_t   first_row;
    int64_t   n_rows; /* B */
    int32_t   k;
    br_keys   key;
    int32_t  *n_B;
    uint32_t *flags_B;
    int32_t  *item_BK;   /* catalogue rows; -1 unused */
    float    *score_BK;  /* NaN unused */
    uint8_t  *source_BK; /* br_list_source */
    int32_t   n_heads;
    char      head_name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    float    *probability_BK[BR_LISTS_MAX_COLUMNS];
    int32_t   n_terms; /* what the objective added up for each item, penalties negative */
    char      term_name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    float    *term_BK[BR_LISTS_MAX_COLUMNS];
    int32_t   n_shadows;
    br_shadow shadow[BR_LISTS_MAX_SHADOWS];
    int32_t   n_curves;
    br_curve  curve[BR_LISTS_MAX_COLUMNS];
    float    *log_propensity_BK; /* NULL: not written */
    float    *log_normaliser_B;  /* NULL: not written */
    float    *log_remaining_B;   /* NULL: not written */
    int32_t  *rule_B; /* the rule that holds the customer back, -1: none; NULL: no rules */
    int32_t  *arm_B;  /* NULL: all 0, probability 1 */
    float    *arm_probability_B;
    int32_t   vector_dim; /* 0: not written */
    float    *vector_BD;
    int32_t   n_gates; /* modalities; 0: not written */
    char      gate_name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    float    *alpha_BM;
    float    *gate_BM;
    int32_t   n_counts;
    br_counts counts[BR_LISTS_MAX_COLUMNS];
} br_lists;

/* The HDF5 image of the lists: 1.10 format, no times, fixed order, Fletcher32: the same lists give
 * the same bytes. `item_key` adds /item/key (NULL: left out). *image: br_free. */
br_status          br_lists_image(const br_lists *lists, const br_keys *item_key, void **image,
                                  size_t *image_bytes);
/* Reads such a file (or its keys and vectors); checks what it uses. br_lists_free it. */
br_status          br_lists_read(const char *path, br_lists *out);
br_status          br_lists_read_vectors(const char *path, br_lists *out);
void               br_lists_free(br_lists *lists);
/* Does the list of customer b hold items of the model? */
static inline bool br_lists_is_by_model(const br_lists *lists, int64_t b)
{
    for (int32_t j = 0; j < lists->n_B[b]; j++)
        if (lists->source_BK[b * lists->k + j] == BR_SOURCE_MODEL)
            return true;
    return false;
}

/* What a lists file says of itself, without reading the lists; also of lists.h5, the view. */
typedef struct br_lists_about {
    int64_t  n_rows;
    int32_t  k;
    int64_t  n_items; /* of /item/key; -1: not in the file */
    bool     is_view;
    bool     key_is_number;
    int32_t  key_width_bytes;
    bool     has_logging;
    int32_t  vector_dim;
    int32_t  n_heads;
    char     head_name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    int32_t  n_terms;
    char     term_name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    int32_t  n_shadows;
    char     shadow_name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    int32_t  n_curves;
    br_curve curve[BR_LISTS_MAX_COLUMNS]; /* without values */
    int32_t  n_counts;
    char     count_name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    int32_t  n_gates;
    char     gate_name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
} br_lists_about;
br_status br_lists_describe(const char *path, br_lists_about *out);

/* The promises that the values of the lists keep: items in [0, n_items) (-1: no upper bound) and
 * unique within a list, scores finite, best first (score descending, then item row ascending,
 * the model's items among themselves, unless the flags say diverse), unused slots -1 and NaN, a
 * short list flagged, an empty one where consent is missing, survival in [0, 1] and never rising
 * where a list is from the model, else NaN; a shadow's lists likewise. BR_E_INPUT naming `name`,
 * row, slot or period. */
br_status br_lists_check(const br_lists *lists, int64_t n_items, const char *name);
br_status br_lists_check_rows(const br_lists *lists, int64_t n_items, const char *name,
                              int64_t first, int64_t *bad); /* from `first` on; -1: none */

#endif
