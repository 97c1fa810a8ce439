/* SPDX-License-Identifier: Apache-2.0
 *
 * The cpu backend's table. Entries of ref are those where plain loops are as fast. */
#include "kernels/cpu/cpu.h"
#include "kernels/ref/ref.h"

const br_backend_table br_backend_cpu = {
    .name           = "cpu",
    .open           = br_cpu_open,
    .close          = br_cpu_close,
    .allocate       = br_ref_allocate,
    .release        = br_ref_release,
    .upload         = br_ref_upload,
    .download       = br_ref_download,
    .sync           = br_ref_sync,
    .weight_prepare = br_cpu_weight_prepare,
    .weight_release = br_cpu_weight_release,
    .weight_pieces  = br_cpu_weight_pieces,
    .items_pieces   = br_cpu_items_pieces,
    .embed          = br_cpu_embed,
    .layer_norm     = br_cpu_layer_norm,
    .linear         = br_cpu_linear,
    .attention      = br_cpu_attention,
    .attention_last = br_cpu_attention_last,
    .last_rows      = br_ref_last_rows,
    .gru            = br_cpu_gru,
    .decay_pool     = br_ref_decay_pool,
    .gather_rows    = br_ref_gather_rows,
    .copy_rows      = br_ref_copy_rows,
    .fuse_inputs    = br_ref_fuse_inputs,
    .fuse           = br_ref_fuse,
    .norm_band      = br_ref_norm_band,
    .mlp            = br_cpu_mlp,
    .items_prepare  = br_cpu_items_prepare,
    .items_release  = br_cpu_items_release,
    .score_topk     = br_cpu_score_topk,
    .draw_topk      = br_cpu_draw_topk,
    .score_pairs    = br_cpu_score_pairs,
    .pair_mlp       = br_cpu_pair_mlp,
    .calibrate      = br_ref_calibrate,
    .hash           = br_ref_hash,
};
