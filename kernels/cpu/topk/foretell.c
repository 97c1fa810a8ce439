/* SPDX-License-Identifier: Apache-2.0
 *
 * A fair sample of a share f of the items holds X of a customer's k best ones, X binomial (k, f).
 * If X < r, then the r-th best score of the sample is not above the k-th best of all: a threshold
 * that loses nothing. r is chosen so that X >= r is rare; the list's last score tells in the end,
 * and a customer whose threshold was too high gets a second pass. Called once per call of
 * score_topk. */
#include "kernels/cpu/topk/foretell.h"

#include <math.h>

#define RARE         3e-5
#define FIRST_PANELS 1 /* 32 items */

int32_t br_foretell_rank(int32_t k, double share)
{
    double log_term, below; /* P(X = r), P(X < r) */

    if (share >= 1.0)
        return k + 1;
    log_term = k * log1p(-share);
    below    = exp(log_term);
    for (int32_t r = 1; r <= k; r++) {
        if (1.0 - below <= RARE)
            return r;
        log_term += log((double)(k - r + 1) / r * (share / (1.0 - share)));
        below += exp(log_term);
    }
    return k + 1;
}

/* Approximate scores may stand in another order than the exact ones: a few ranks more. */
static int32_t with_room(int32_t k, int32_t rank, double share)
{
    return rank + 1 + (int32_t)(share * k / 16);
}

br_checkpoints br_foretell_plan(const br_cpu_items *items, int32_t k)
{
    br_checkpoints c         = {0};
    int64_t        in_sample = items->n_sample / BR_SCREEN_COLS;

    for (int64_t panel = FIRST_PANELS; panel <= in_sample && panel < items->n_panels; panel *= 2) {
        double share = (double)(panel * BR_SCREEN_COLS) / (double)items->N;

        c.at[c.n++] = (br_checkpoint){panel, with_room(k, br_foretell_rank(k, share), share)};
    }
    /* past the sample: all that is scanned holds at most the k best */
    for (int64_t step = FIRST_PANELS; in_sample + step < items->n_panels; step *= 2)
        c.at[c.n++] = (br_checkpoint){in_sample + step, with_room(k, k + 1, 1.0)};
    return c;
}
