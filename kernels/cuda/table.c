/* SPDX-License-Identifier: Apache-2.0
 *
 * The cuda backend's table. A new op is one row here and one .cu; cuda.h declares them all. */
#include "kernels/cuda/cuda.h"

#define LATER(op, args_type)                                                                       \
    static br_status later_##op(br_dev *dev, args_type *args)                                      \
    {                                                                                              \
        (void)dev;                                                                                 \
        (void)args;                                                                                \
        return br_fail(BR_E_DEVICE, "not in the cuda backend yet: " #op);                          \
    }
LATER(attention, const br_attention_args)
LATER(attention_last, const br_attention_last_args)
LATER(gru, const br_gru_args)

const br_backend_table br_backend_cuda = {
    .name           = "cuda",
    .open           = br_cuda_open,
    .close          = br_cuda_close,
    .allocate       = br_cuda_allocate,
    .release        = br_cuda_release,
    .upload         = br_cuda_upload,
    .download       = br_cuda_download,
    .sync           = br_cuda_sync,
    .weight_prepare = br_cuda_weight_prepare,
    .weight_release = br_cuda_weight_release,
    .embed          = br_cuda_embed,
    .layer_norm     = br_cuda_layer_norm,
    .linear         = br_cuda_linear,
    .attention      = later_attention,
    .attention_last = later_attention_last,
    .last_rows      = br_cuda_last_rows,
    .gru            = later_gru,
    .decay_pool     = br_cuda_decay_pool,
    .gather_rows    = br_cuda_gather_rows,
    .copy_rows      = br_cuda_copy_rows,
    .fuse_inputs    = br_cuda_fuse_inputs,
    .fuse           = br_cuda_fuse,
    .norm_band      = br_cuda_norm_band,
    .items_prepare  = br_cuda_items_prepare,
    .items_release  = br_cuda_items_release,
    .score_topk     = br_cuda_score_topk,
    .score_pairs    = br_cuda_score_pairs,
    .calibrate      = br_cuda_calibrate,
};
