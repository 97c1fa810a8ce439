/* SPDX-License-Identifier: Apache-2.0
 *
 * What each term and penalty of the objective added to each listed item. */
#ifndef BR_HOST_PIPELINE_CHOOSE_TERMS_H
#define BR_HOST_PIPELINE_CHOOSE_TERMS_H

#include "host/pipeline/job.h"

/* Fetches the terms of a unit and turns them into contributions: lists.term_BK, NaN in unused
 * slots. lists.item_BK must hold listed rows still. */
br_status br_terms_fetch(br_job *job, br_batch *batch);

#endif
