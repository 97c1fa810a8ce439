/* SPDX-License-Identifier: Apache-2.0
 *
 * On the device, of a batch: what is drawn of a shard (kernels/draw/part.h). */
#ifndef BR_HOST_PIPELINE_SHARDS_PART_MATS_H
#define BR_HOST_PIPELINE_SHARDS_PART_MATS_H

#include "kernels/ops.h"

/* M items of each customer. Absent where nothing is drawn, or the catalogue is whole. */
typedef struct br_part_mats {
    br_mat item_BM; /* by the shard's rows */
    br_mat score_BM;
    br_mat key_BM;
    br_mat best_B; /* then of the whole catalogue */
    br_mat n_B;
    br_mat left_B2;
} br_part_mats;

#endif
