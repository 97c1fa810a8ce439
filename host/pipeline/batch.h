/* SPDX-License-Identifier: Apache-2.0
 *
 * One work unit on its way through the stages. Each stage fills its own group of fields and may
 * read the groups above it. A job uses a few batches again and again; their arrays grow alone. */
#ifndef BR_HOST_PIPELINE_BATCH_H
#define BR_HOST_PIPELINE_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/decide/rules/rules.h"
#include "host/io/customers.h"
#include "host/io/lists.h"
#include "host/pipeline/setup/setup.h"
#include "host/pipeline/shards/part_mats.h"
#include "models/spec.h"

/* An array that grows: `capacity` items are there. */
typedef struct br_span {
    void   *data;
    int64_t capacity;
} br_span;

br_status br_span_reserve(br_span *span, int64_t n_items, size_t item_bytes, const char *what);

/* The usable events of one modality, packed: those after the filters, the last max_length. */
typedef struct br_packed {
    int64_t  n_events;
    int64_t  n_chunks;
    int64_t *offset_B1;
    int32_t *item_E; /* embedding rows */
    int64_t *time_E;
    uint8_t *type_E;    /* NULL: the file has none */
    float   *weight_E;  /* NULL: the file has none */
    int64_t *chunk_row; /* [n_chunks + 1] first customer of each chunk */
    br_span  span[6];
} br_packed;

/* What became of the events of one modality; they add up to n_read. */
typedef struct br_event_counts {
    int64_t n_read;
    int64_t n_future;
    int64_t n_unknown;
    int64_t n_zero_weight;
    int64_t n_truncated;
    int64_t n_used;
} br_event_counts;

typedef struct br_batch {
    /* what to do: set by whoever drives the stages */
    int64_t unit;
    int64_t first_row;
    int64_t n_rows; /* B */

    /* read */
    br_keys         key;
    br_packed       packed[BR_MAX_MODALITIES];
    br_event_counts events[BR_MAX_MODALITIES];
    uint8_t        *present_BM;
    float          *confidence_BM;
    int32_t        *static_BC;
    float          *aggregate_BA;
    float          *vector_BD; /* ready-made x_u */
    int32_t        *rule_B;    /* the rule that holds a customer back, in precedence; -1: none */
    int32_t        *arm_B;     /* -1: held out */
    int32_t        *stratum_B; /* of the ledger */
    float          *heat_B;    /* temperature or epsilon; NULL: nothing is drawn */
    int32_t        *draw_stratum_B; /* of the policy: 0 the rest, 1 + its place */
    uint64_t       *customer_B;     /* whom the draws belong to */
    int32_t        *category_B;     /* of list.fallback_group, -1: none; NULL: not asked for */
    uint8_t        *wanted_B; /* 0: no list by scores, whatever they are; NULL: all want one */
    uint64_t       *have_B;   /* NULL: no item requires anything */
    br_rule_count   item_rule[BR_RULES_MAX];
    int64_t        *never_offset_B1;
    int32_t        *never_item_S; /* listed rows, ascending within a customer */
    /* items that may be listed for less: on the never-list, scored by themselves (choose.h) */
    int64_t        *extra_offset_B1; /* NULL: none */
    int32_t        *extra_item_P;    /* listed rows, ascending within a customer */
    float          *extra_penalty_P;
    float          *extra_part_PR; /* of each repetition penalty */
    /* both for score: the same arrays, or of them the rank's shard by its own rows (shards/) */
    int64_t        *held_offset_B1;
    int32_t        *held_item_S;
    int64_t        *held_extra_offset_B1;
    int32_t        *held_extra_item_P;
    float          *held_extra_penalty_P;
    br_span         span[10];
    br_span         rule_span[8];
    br_span         extra_span[5];
    br_span         held_span[5];

    /* encode, fuse: on the device, sized for the largest unit; what is wanted of it is fetched */
    br_mat state_BS;
    br_mat x_BD;
    br_mat alpha_BM;
    br_mat gate_BM;

    /* score: rules and results on the device */
    br_mat       self_B;   /* i32: 0, 1, 2, ... */
    br_mat       square_B; /* |x_u|^2 */
    br_mat       rule_have_B;
    br_mat       rule_wanted_B;
    br_mat       rule_offset_B1;
    br_mat       rule_never_S;
    br_mat       item_BK; /* listed rows, of a shard its own */
    br_mat       score_BK;
    br_mat       heat_mat_B;
    br_mat       customer_mat_B;
    br_mat       log_propensity_BK; /* absent: nothing is drawn */
    br_mat       log_normaliser_B, log_remaining_B;
    br_part_mats part; /* of lists that are drawn of a shard */
    br_mat       probability_BK[BR_MAX_HEADS];
    br_mat       term_BK[BR_MAX_TERMS]; /* logits or probabilities of the objective's terms */
    br_mat       hazard_BP[BR_MAX_HEADS];
    /* of shaped lists (choose/shaping.h); NULL: the best items are the lists */
    uint8_t     *source_BK;
    uint8_t     *short_B; /* br_short_reason */
    int64_t      n_slow;
    int64_t      n_rescored;
    br_witness   witness;        /* rows of the batch */
    uint64_t     vectors_digest; /* of x_u as it was made (detect/detect.h) */

    /* score, by other weights (choose/weightings.h) */
    int32_t             n_weighted; /* V */
    struct br_weighted *weighted_V;
    br_mat              seed_BK; /* lists whose items make floors (choose/floor.h); absent: none */
    float              *seed_score_BK; /* on the host */
    float              *floor_B;

    /* policy: what is written; it leaves the device by the lane */
    br_dev  *out_lane;
    float   *host_square_B;
    br_lists lists;
} br_batch;

void br_batch_free(br_batch *batch);
/* What a pass over rows from first_row on says of its sums; by any lane. */
void br_batch_add_witness(br_batch *batch, const br_witness *witness, int64_t first_row);

/* Has customer b a usable event? Ready-made vectors need none. */
bool br_batch_has_events(const br_batch *batch, int32_t n_encoders, int64_t b);

/* Points the batch at work unit `unit` of the plan. */
void br_batch_take_unit(br_batch *batch, const br_setup *setup, int64_t unit);

/* The place of a listed row among customer b's extras, -1: it is none. */
int64_t br_batch_extra(const br_batch *batch, int64_t b, int32_t row);

#endif
