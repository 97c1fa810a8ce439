/* SPDX-License-Identifier: Apache-2.0
 *
 * What lists are ranked by (eq. 7-8; docs/OBJECTIVES.md): the terms and penalties of the
 * configuration, joined to the model's heads and the catalogue's value columns. Plain data. */
#ifndef BR_HOST_PIPELINE_SETUP_OBJECTIVE_H
#define BR_HOST_PIPELINE_SETUP_OBJECTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/config/config.h"
#include "models/spec.h"

#define BR_MAX_TERMS            16
#define BR_MAX_PENALTIES        16
#define BR_WEIGHTING_NAME_BYTES 64

struct br_setup;

/* weight x value x logit (or probability): an item's value is 1 without a column. */
typedef struct br_term {
    const char *name;
    int32_t     head;    /* of the model; -1: the score itself */
    bool        is_pair; /* of a pair head: no part of the linear sum, only of expected values */
    double      weight;
    int32_t     value; /* the catalogue's value column; -1: none */
} br_term;

typedef struct br_penalty {
    const char *name;
    int32_t     type; /* BR_PENALTY_... */
    double      weight;
    double      half_life_s; /* repetition */
    int32_t     feed;        /* repetition: the timeline; -1: /contact */
    int32_t     value;       /* low_value */
    double      floor;
} br_penalty;

/* The linear sum is of the terms that are not pair heads', or the score where there are none. Its
 * query has one block of D columns per distinct value column of these terms, and so have the items,
 * theirs multiplied by the value. */
typedef struct br_objective {
    int32_t    type; /* BR_OBJECTIVE_... */
    int32_t    n_terms;
    br_term    term[BR_MAX_TERMS];
    int32_t    n_linear;      /* of the terms: those of the linear sum */
    int32_t    n_repetitions; /* of the penalties */
    int32_t    n_penalties;
    br_penalty penalty[BR_MAX_PENALTIES];
    int32_t    n_blocks; /* 1 for the plain score */
    int32_t    block_value[BR_MAX_TERMS];
    double     block_scale[BR_MAX_TERMS]; /* a power of 2 near the values' size: taken off the items
                                             and put on the query, so that no block drowns another
                                             when both are screened in few bits */
    int32_t    width;                     /* Q = n_blocks x D */
    int32_t    n_candidates;              /* that are ranked again; 0: none are */
} br_objective;

/* Other weights of the same terms, by which lists are made beside those of the objective: a
 * shadow's (section `shadow`), or one of a sweep. */
typedef struct br_weighting {
    char   name[BR_WEIGHTING_NAME_BYTES];
    double weight_T[BR_MAX_TERMS];
} br_weighting;

/* BR_E_USAGE where a head or column is not there. Items must have been joined. */
br_status br_setup_join_objective(struct br_setup *setup);

/* An item's factor in a term, by catalogue row. */
double br_objective_value(const struct br_setup *setup, int32_t value, int32_t row);
/* What a low_value penalty takes off an item, >= 0. */
double br_objective_low_value(const struct br_setup *setup, const br_penalty *p, int32_t row);

#endif
