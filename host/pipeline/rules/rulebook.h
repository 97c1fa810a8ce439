/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of a job (docs/RULES.md): who gets no list and why, which items a customer may not see,
 * who is held out. Joined once per job, before items are listed; applied to each work unit in the
 * reading thread, so that rules act before selection. */
#ifndef BR_HOST_PIPELINE_RULES_RULEBOOK_H
#define BR_HOST_PIPELINE_RULES_RULEBOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/decide/calendar.h"
#include "host/decide/contact.h"
#include "host/decide/expr/expr.h"
#include "host/decide/rules/rules.h"
#include "host/io/keys.h"
#include "host/io/sets/key_set.h"
#include "host/pipeline/rules/rule_columns.h"

#define BR_MAX_HOLDS      64
#define BR_MAX_CONDITIONS 32
#define BR_MAX_FILES      16
#define BR_MAX_QUIET      8
#define BR_MAX_RECENT     8
#define BR_MAX_ARMS       16
#define BR_MAX_HEATS      16
#define BR_MAX_STRATA     64

struct br_setup;

/* A rule that can hold a customer back. */
typedef enum {
    BR_HOLD_CONSENT,
    BR_HOLD_SUPPRESSION,
    BR_HOLD_CONDITION,
    BR_HOLD_QUIET,
    BR_HOLD_CAP,
    BR_HOLD_HOUSEHOLD
} br_hold_kind;

typedef struct br_hold {
    const char  *name;
    br_hold_kind kind;
    int32_t      place; /* among its kind */
} br_hold;

typedef struct br_recent {
    const char *name;
    int32_t     feed; /* -1: /contact */
    int32_t     days;
} br_recent;

/* Grows with the largest unit. */
typedef struct br_rule_scratch {
    uint8_t  *hit_B;
    int64_t   n_rows;
    int32_t  *item_S;
    double   *penalty_S;
    uint64_t *order_S;
    int64_t   n_items;
} br_rule_scratch;

typedef struct br_rulebook {
    int32_t n_holds;
    br_hold hold[BR_MAX_HOLDS]; /* in precedence */

    br_rule_columns customers;
    br_rule_columns items;
    int32_t        *place_C; /* of each customer column in the request; -1: not read */
    int32_t         n_conditions;
    br_expr        *condition[BR_MAX_CONDITIONS];
    br_key_set      suppression[BR_MAX_FILES];

    int32_t        n_zones;
    br_calendar   *calendar;   /* NULL: no rule counts days */
    int32_t        zone_place; /* of the zones' column in the request; -1: all live in zone 0 */
    int32_t       *zone_of_category;
    int32_t        n_quiet;
    uint8_t       *quiet_QZ; /* [n_quiet, n_zones] */
    int32_t        n_caps;
    br_contact_cap cap[BR_CONTACT_MAX_CAPS];
    int32_t        n_recent;
    br_recent      recent[BR_MAX_RECENT];

    int32_t  household_place; /* in the request; -1: no such rule */
    int64_t *household_first; /* row of the member who gets a list; -1: none; NULL: not scanned */

    br_rules *rules; /* on items; NULL: none */
    int32_t   n_rules;
    br_rule   rule[BR_RULES_MAX];
    char      rule_where[BR_RULES_MAX][48];
    uint64_t *require_N; /* by catalogue row; NULL: no bits at all */
    uint8_t  *reason_N;  /* 1 + the rule that forbids the item to everyone; NULL: none does */
    int64_t   n_forbidden;

    int32_t strata_place; /* in the request; -1: one stratum */
    int32_t n_strata;     /* categories, then "missing" */
    br_keys strata_key;

    int32_t  n_heats; /* strata of the policy */
    br_expr *heat[BR_MAX_HEATS];

    int32_t n_arms;
    int32_t first_A[BR_MAX_ARMS + 1];

    br_rule_scratch scratch;
} br_rulebook;

/* Everything that does not need the rows: compiles, reads files and zones, adds to the request.
 * BR_E_USAGE, BR_E_INPUT with the place in the configuration. Before items are listed. */
br_status br_rulebook_open(struct br_setup *setup);
void      br_rulebook_close(br_rulebook *book);

#endif
