/* SPDX-License-Identifier: Apache-2.0
 *
 * What several devices hold alike, a part of the seam (ops.h includes it): a hash that tells
 * whether they do, the handles by which host/comm moves it between them, and where it comes from.
 * Used a few times per job. */
#ifndef BR_KERNELS_SHARE_H
#define BR_KERNELS_SHARE_H

#include "kernels/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* hash: of a view's n bytes, taken as words w_0, w_1, ... of 4 (the last one padded with zeros):
 *   out_11 = mix(n) + sum of mix(w_i + (i + 1) g), modulo 2^64; mix and g are splitmix64's
 *   in     x_RC of any type, dense (ld == n_cols), from a multiple of 4 bytes on
 *   out    out_11 u64 [1, 1]
 *   bounds views that differ in one word have different hashes; others but for one in 2^64
 *   cost   reads x_RC once
 *   agrees with ref: the same bits */
br_status br_op_hash(br_dev *dev, br_mat x_RC, br_mat out_11);

/* ---- native handles: for host/comm/nccl alone (scripts/check_layers.py) ---- */

/* The stream that ops enqueue on; NULL: memory is the host's. */
void     *br_dev_stream(const br_dev *dev);
/* Of a view's first element. */
void     *br_dev_address(br_mat mat);
/* Whether all that was enqueued is done; does not wait. BR_E_DEVICE: it failed. */
br_status br_dev_poll(br_dev *dev, bool *is_done);

/* ---- where data comes from that all ranks hold alike (weights, the catalogue) ---- */

typedef struct br_share {
    void *context;
    bool  is_source; /* what this process uploads, the others get */
    br_status (*send)(void *context, const char *what, br_mat mat);
} br_share;

/* NULL, as at first: every process uploads its own. *share is borrowed. */
void      br_dev_share_by(br_dev *dev, const br_share *share);
/* Whether br_dev_share's data has to be uploaded here first. */
bool      br_dev_is_source(const br_dev *dev);
/* A dense view, the same on all devices once it returns; `what` names it for messages. Collective
 * where data is shared, in the same order on all ranks. */
br_status br_dev_share(br_dev *dev, const char *what, br_mat mat);

#ifdef __cplusplus
}
#endif

#endif
