/* SPDX-License-Identifier: Apache-2.0
 *
 * What a policy showed, with the probabilities it had, and the weights that turn its rewards into
 * those of another policy. R rows shown, in L lists: the rows of a list are adjacent, best first.
 */
#ifndef BR_HOST_DECIDE_ESTIMATE_SHOWN_H
#define BR_HOST_DECIDE_ESTIMATE_SHOWN_H

#include <stdbool.h>
#include <stdint.h>

typedef struct br_shown_log {
    int64_t  n_rows;
    int64_t  n_lists;
    int32_t  n_positions;      /* the largest position */
    int32_t  longest;          /* rows of the longest list */
    int32_t  n_strata;         /* 0: none */
    int64_t *first_L1;         /* list l owns rows [first_L1[l], first_L1[l + 1]) */
    bool    *is_kept_L;        /* false: its propensities do not hold; NaN ones may be in it */
    int32_t *stratum_L;        /* below n_strata, -1 none; NULL without strata */
    int32_t *position_R;       /* 1, 2, ... in a list; a list of one row may stand anywhere */
    double  *log_propensity_R; /* of the item shown, given the items above it */
    double  *reward_R;
} br_shown_log;

/* How much of a list the ratio of a slot takes in. What must be true for the estimate to be, apart
 * from right propensities above 0 wherever the other policy shows something:
 *   SLOT     a slot is drawn without regard to the others, and its reward does not depend on them
 *   CASCADE  the reward of a slot does not depend on the slots below it
 *   LIST     nothing more
 * Each next one is noisier. In lists of one row they are the same. */
typedef enum { BR_FORM_SLOT, BR_FORM_CASCADE, BR_FORM_LIST, BR_N_FORMS } br_form;

extern const char *const br_form_name[BR_N_FORMS];

/* weight_R: probability under the target over probability when shown, of the slot (SLOT), of the
 * slots down to it (CASCADE), of the whole list (LIST, the same in each of its rows). log_target_R
 * is like log_propensity_R; -inf: the target never shows that. Weights stop at e^300, far past
 * where an estimate is refused, so that sums of their squares stay finite. Lists not kept get 0. */
void br_shown_weigh(const br_shown_log *log, const double *log_target_R, br_form form,
                    double *weight_R);

#endif
