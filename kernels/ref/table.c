/* SPDX-License-Identifier: Apache-2.0
 *
 * The ref backend's table. */
#include "kernels/ref/ref.h"

const br_backend_table br_backend_ref = {
    .name           = "ref",
    .open           = br_ref_open,
    .close          = br_ref_close,
    .allocate       = br_ref_allocate,
    .release        = br_ref_release,
    .upload         = br_ref_upload,
    .download       = br_ref_download,
    .sync           = br_ref_sync,
    .embed          = br_ref_embed,
    .layer_norm     = br_ref_layer_norm,
    .linear         = br_ref_linear,
    .attention      = br_ref_attention,
    .attention_last = br_ref_attention_last,
    .last_rows      = br_ref_last_rows,
    .gru            = br_ref_gru,
    .decay_pool     = br_ref_decay_pool,
    .gather_rows    = br_ref_gather_rows,
    .copy_rows      = br_ref_copy_rows,
    .fuse_inputs    = br_ref_fuse_inputs,
    .fuse           = br_ref_fuse,
    .norm_band      = br_ref_norm_band,
    .mlp            = br_ref_mlp,
    .items_prepare  = br_ref_items_prepare,
    .items_release  = br_ref_items_release,
    .score_topk     = br_ref_score_topk,
    .draw_topk      = br_ref_draw_topk,
    .score_pairs    = br_ref_score_pairs,
    .pair_mlp       = br_ref_pair_mlp,
    .calibrate      = br_ref_calibrate,
    .hash           = br_ref_hash,
};
