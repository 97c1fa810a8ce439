/* SPDX-License-Identifier: Apache-2.0
 *
 * What each term and penalty of the objective added to each listed item. */
#ifndef BR_HOST_PIPELINE_OBJECTIVE_TERMS_H
#define BR_HOST_PIPELINE_OBJECTIVE_TERMS_H

#include "host/pipeline/job.h"

/* Fetches the terms of a unit and turns them into contributions: lists.term_BK, NaN in unused
 * slots. lists.item_BK must hold listed rows still. */
br_status br_terms_fetch(br_job *job, br_batch *batch);

/* What a term weighs: from what was computed for a pair, the logit (with c_k) or probability. */
double br_terms_raw(const br_job *job, const br_term *term, float raw);

/* value x logit (with c_k), or x probability, of a listed item; raw: of the batch's term_BK. */
double br_terms_unweighted(const br_job *job, int32_t t, int32_t item, float raw);

/* All that penalties take off a listed item of customer b. */
double br_terms_penalty(const br_job *job, const br_batch *batch, int64_t b, int32_t item);

#endif
