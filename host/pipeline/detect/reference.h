/* SPDX-License-Identifier: Apache-2.0
 *
 * The same job on the reference backend, for one customer at a time: plain loops in float64 over
 * the whole catalogue, on weights and a catalogue of its own. It takes what was read of a customer,
 * and the x_u that the device made, and makes the list. One thread at a time uses it. */
#ifndef BR_HOST_PIPELINE_DETECT_REFERENCE_H
#define BR_HOST_PIPELINE_DETECT_REFERENCE_H

#include "host/pipeline/detect/agree.h"

typedef struct br_reference br_reference;

/* `of` must be open and outlives it. */
br_status br_reference_open(br_job *of, br_reference **out);
void      br_reference_close(br_reference **reference);

/* The list of customer b of the batch from x_D, its x_u; *list is its first and only one, until the
 * next call. *off: how far the reference's own x_u is from x_D, of max(1, max|x_D|). */
br_status br_reference_list(br_reference *reference, const br_batch *batch, int64_t b,
                            const float *x_D, const br_lists **list, double *off);

/* Customer `at` of `lists`, made from the same x_D, against the list that was just made. */
const char *br_reference_agree(const br_reference *reference, const br_lists *lists, int64_t at,
                               br_agree_report *report);

#endif
