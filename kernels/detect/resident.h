/* SPDX-License-Identifier: Apache-2.0
 *
 * What stays in device memory for a whole run, piece by piece, and its digest: a changed bit is
 * found however it came about (docs/DETECTORS.md). Part of the seam (ops.h includes it); used a few
 * times per run. */
#ifndef BR_KERNELS_DETECT_RESIDENT_H
#define BR_KERNELS_DETECT_RESIDENT_H

#include "kernels/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Called for each piece, a dense view; `what` names it for messages. */
typedef br_status (*br_resident_fn)(void *context, const char *what, br_mat piece);

/* A prepared weight (NULL: nothing) and a prepared catalogue, which are the backend's own. */
br_status br_prepared_visit(const br_prepared *weight, br_resident_fn fn, void *context);
br_status br_items_visit(const br_items *items, br_resident_fn fn, void *context);

/* Goes on with *digest (begin with 0) over a dense view, whatever its type; downloads it in slices.
 * Every bit counts: views that differ in one have other digests, if they do not differ elsewhere.
 */
br_status br_dev_digest(br_dev *dev, br_mat mat, uint64_t *digest);

#ifdef __cplusplus
}
#endif

#endif
