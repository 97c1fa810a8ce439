/* SPDX-License-Identifier: Apache-2.0
 *
 * The cuda backend's table. A new op is one row here and one .cu; cuda.h declares them all. */
#include "kernels/cuda/cuda.h"

/* Workspaces: score_topk's candidates (256 MiB), draw_topk's rows and slow rows (64 MiB each),
 * tiles of products, work lists. Tests on the emulated device, which is small, have less. */
#ifdef BR_CUDA_ON_CPU
#define LANE_BYTES ((size_t)4 << 20)
#else
#define LANE_BYTES ((size_t)512 << 20)
#endif

const br_backend_table br_backend_cuda = {
    .name           = "cuda",
    .grain          = {.n_lanes = 3, .n_rows = 8192, .n_events = 262144, .lane_bytes = LANE_BYTES},
    .open           = br_cuda_open,
    .close          = br_cuda_close,
    .allocate       = br_cuda_allocate,
    .release        = br_cuda_release,
    .room           = br_cuda_room,
    .upload         = br_cuda_upload,
    .download       = br_cuda_download,
    .sync           = br_cuda_sync,
    .launches       = br_cuda_launches,
    .stream         = br_cuda_stream,
    .poll           = br_cuda_poll,
    .weight_prepare = br_cuda_weight_prepare,
    .weight_release = br_cuda_weight_release,
    .weight_pieces  = br_cuda_weight_pieces,
    .items_pieces   = br_cuda_items_pieces,
    .embed          = br_cuda_embed,
    .layer_norm     = br_cuda_layer_norm,
    .linear         = br_cuda_linear,
    .self_attention = br_cuda_self_attention,
    .feed_forward   = br_cuda_feed_forward,
    .attention      = br_cuda_attention,
    .attention_last = br_cuda_attention_last,
    .last_rows      = br_cuda_last_rows,
    .gru            = br_cuda_gru,
    .decay_pool     = br_cuda_decay_pool,
    .gather_rows    = br_cuda_gather_rows,
    .copy_rows      = br_cuda_copy_rows,
    .fuse_inputs    = br_cuda_fuse_inputs,
    .fuse           = br_cuda_fuse,
    .norm_band      = br_cuda_norm_band,
    .mlp            = br_cuda_mlp,
    .items_prepare  = br_cuda_items_prepare,
    .items_release  = br_cuda_items_release,
    .score_topk     = br_cuda_score_topk,
    .draw_topk      = br_cuda_draw_topk,
    .score_pairs    = br_cuda_score_pairs,
    .pair_mlp       = br_cuda_pair_mlp,
    .calibrate      = br_cuda_calibrate,
    .hash           = br_cuda_hash,
};
