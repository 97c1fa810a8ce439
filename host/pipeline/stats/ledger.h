/* SPDX-License-Identifier: Apache-2.0
 *
 * The ledger: per stratum, which rule held how many customers back, how many were held out, and
 * what became of the others; per item rule, whom it concerned and how many pairs it forbade. Every
 * customer is counted once, so each stratum's row adds up to its customers. */
#ifndef BR_HOST_PIPELINE_STATS_LEDGER_H
#define BR_HOST_PIPELINE_STATS_LEDGER_H

#include "host/base/strbuf.h"
#include "host/io/lists.h"
#include "host/pipeline/batch.h"
#include "host/pipeline/setup/setup.h"

/* Behind the rules of a stratum's row. */
typedef enum {
    BR_LEDGER_HELD_OUT,
    BR_LEDGER_NOTHING_ALLOWED,
    BR_LEDGER_SHORT,
    BR_LEDGER_FULL,
    BR_N_LEDGER_ENDS
} br_ledger_end;

/* Lengths of the two counts: [n_strata, n_holds + BR_N_LEDGER_ENDS] and [n_rules, 2]. */
int64_t br_ledger_customers(const br_setup *setup);
int64_t br_ledger_items(const br_setup *setup);

/* The name that the configuration gives item rule r. */
const char *br_ledger_item_rule(const br_setup *setup, int32_t r);

/* Counts a unit; `customers` and `items` were zeroed. */
void br_ledger_count(const br_setup *setup, const br_batch *batch, int64_t *customers,
                     int64_t *items);

/* "ledger": {...}, and its metrics. */
void br_ledger_render(const br_setup *setup, const int64_t *customers, const int64_t *items,
                      br_strbuf *json, br_strbuf *metrics);

#endif
