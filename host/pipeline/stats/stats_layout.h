/* SPDX-License-Identifier: Apache-2.0
 *
 * The layout of the counts: [0] customers by fate, [1] norm of x_u, [2] score of listed items, then
 * per encoder [3+3m] events by fate, [4+3m] alpha, [5+3m] gate; at BR_LEDGER_AT the ledger's
 * customers and items (ledger.h), then draws (draws.h). */
#ifndef BR_HOST_PIPELINE_STATS_STATS_LAYOUT_H
#define BR_HOST_PIPELINE_STATS_STATS_LAYOUT_H

/* What became of a customer; every customer has exactly one. */
typedef enum {
    BR_FATE_MODEL,
    BR_FATE_MODEL_SHORT,
    BR_FATE_FALLBACK,
    BR_FATE_FALLBACK_SHORT,
    BR_FATE_NO_CONSENT,
    BR_FATE_NOTHING_ALLOWED,
    BR_FATE_HELD_BACK,
    BR_FATE_HELD_OUT,
    BR_N_FATES
} br_fate;

#define BR_LEDGER_AT(n_encoders) (3 + 3 * (n_encoders))

#define BR_N_EVENT_FATES 6 /* the fields of br_event_counts */
#define BR_NORM_BINS     64
#define BR_SCORE_BINS    128
#define BR_SHARE_BINS    20

/* Half-octave bins: bin `zero_at` starts at 0.5; 2 * zero_at bins in all, the ends open. */
int    br_stats_log_bin(double x, int zero_at);
double br_stats_log_edge(int bin, int zero_at);

#endif
