/* SPDX-License-Identifier: Apache-2.0
 *
 * What is found out about one (customer, item) pair, and by whom; private to this folder. */
#ifndef BR_HOST_PIPELINE_LOOK_EXPLAIN_FACTS_H
#define BR_HOST_PIPELINE_LOOK_EXPLAIN_FACTS_H

#include "host/io/export/run_reader.h"
#include "host/pipeline/job.h"
#include "host/pipeline/look/explain/scorer.h"

#define BR_EXPLAIN_EVENTS 50 /* of each modality, the latest, are left out one by one */
#define BR_EXPLAIN_SHOWN  5  /* of those, the most influential */
#define BR_EXPLAIN_NEVER  (2 * BR_MAX_RECENT + BR_CUSTOMERS_MAX_MODALITIES)

/* Everything open, the customer run again, and the stored list beside it. */
typedef struct br_explained {
    const char    *path;
    br_config     *config;
    br_setup      *setup;
    br_job        *job;
    br_batch       batch;
    br_run_reader *reader;
    bool           is_same_build; /* program and device of the run */
    bool           is_allocated;  /* constraints over all customers chose among the best */
    int64_t        row;           /* of the customer */
    int64_t        item;          /* catalogue row */
    br_lists       part;          /* the stored lists */
    int64_t        at;            /* the customer's place in the part */
} br_explained;

/* What stands on the never-list, and why. */
typedef enum { BR_NEVER_EXCLUDE, BR_NEVER_HISTORY, BR_NEVER_RECENT } br_never_kind;

typedef struct br_never_fact {
    br_never_kind kind;
    const char   *name; /* of the timeline, or the rule; "" for /exclude */
} br_never_fact;

typedef struct br_item_facts {
    int32_t       listed; /* listed row, -1: cannot be listed */
    bool          has_no_vector;
    bool          is_invalid;   /* at as_of */
    int32_t       forbidden_by; /* the item rule that forbids it to everyone, -1: none */
    uint64_t      forbid;       /* bit r: item rule r forbids it to this customer */
    uint64_t      required;     /* /item/segment */
    uint64_t      had;          /* /segment of the customer */
    int32_t       n_never;
    br_never_fact never[BR_EXPLAIN_NEVER];
    bool          is_eligible;
    int32_t       slot;   /* of the stored list, -1: not listed */
    uint8_t       source; /* of the slot */
} br_item_facts;

typedef struct br_term_fact {
    const char *name;
    const char *what; /* "score", "logit", "probability", "penalty" ... */
    double      raw;  /* NaN: a penalty */
    double      weight;
    double      value;
    double      contribution; /* penalties are negative */
} br_term_fact;

typedef struct br_pair_facts {
    bool         has_score; /* false: the item cannot be listed */
    bool         is_by_popularity;
    bool         is_drawn;
    float        score; /* what the run ranks by */
    int32_t      n_terms;
    br_term_fact term[BR_MAX_TERMS + BR_MAX_PENALTIES + 2];
    int32_t      n_heads;
    float        probability[BR_MAX_HEADS];
    int64_t      n_eligible;
    int64_t      rank;   /* 1: no eligible item stands before it */
    float        last;   /* score of the last listed of its kind; NaN: nothing is */
    double       margin; /* last - score */
    /* expected_value: who does not reach the candidates is not ranked by it */
    bool         is_candidate;
    float        linear; /* score by which candidates are found; NaN: no such step */
    int64_t      linear_rank;
    float        last_candidate;   /* its linear score; NaN: all are candidates */
    float        heat;             /* temperature or epsilon of a draw */
    double       log_propensity_1; /* at slot 1; NaN: takes no part in the draw, or none is made */
} br_pair_facts;

typedef struct br_event_fact {
    int32_t modality;
    int64_t time;
    float   change; /* what the score would lose without the event */
    char    key[BR_KEY_TEXT_BYTES];
} br_event_fact;

typedef struct br_event_facts {
    int32_t       n_tried;
    int32_t       n;
    br_event_fact event[BR_EXPLAIN_SHOWN]; /* greatest change first */
} br_event_facts;

typedef enum {
    BR_WHY_HELD_BACK,
    BR_WHY_HELD_OUT,
    BR_WHY_NOT_LISTABLE,
    BR_WHY_RULE,
    BR_WHY_SEGMENT,
    BR_WHY_NEVER,
    BR_WHY_OUTSCORED,
    BR_WHY_CONSTRAINTS,
    BR_WHY_SHAPE,
    BR_WHY_NOT_DRAWN,
    BR_WHY_LISTED
} br_why;

typedef struct br_facts {
    const br_explained *x;
    uint64_t            held; /* bit h: rule h of the precedence holds the customer back */
    br_item_facts       item;
    br_pair_facts       pair;
    br_event_facts      events;
    br_why              why;
} br_facts;

/* --- inputs.c: the inputs are those of the run; the list is the stored one --- */
br_status br_explain_check_inputs(br_explained *x);
br_status br_explain_compare(br_explained *x);
/* BR_E_SELFCHECK, or BR_E_INPUT where program or device are not those of the run. */
br_status br_explain_differs(const br_explained *x);

/* --- item.c --- */
br_status br_explain_item(br_explained *x, br_item_facts *out);

/* --- pair.c, terms.c: score, rank, contributions --- */
br_status br_explain_pair(br_explained *x, const br_item_facts *item, br_scorer *scorer,
                          br_pair_facts *out);
br_status br_explain_terms(br_explained *x, const br_item_facts *item, br_pair_facts *out);
/* The repetition penalties of the customer for the item, in order of the objective; what is not
 * such a penalty: 0. Their sum as the run subtracts it. */
float     br_explain_repetitions(const br_explained *x, double penalty_P[BR_MAX_PENALTIES]);

/* --- events.c: leave one out --- */
br_status br_explain_events(br_explained *x, const br_item_facts *item, br_scorer *scorer,
                            br_event_facts *out);

#endif
