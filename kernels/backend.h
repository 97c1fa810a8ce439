/* SPDX-License-Identifier: Apache-2.0
 *
 * Behind the seam: what a device and a buffer are made of, and the table of functions a backend
 * fills. Included only inside kernels/. Table entries may assume checked arguments. */
#ifndef BR_KERNELS_BACKEND_H
#define BR_KERNELS_BACKEND_H

#include "host/base/memory.h"
#include "kernels/detect/pieces.h"
#include "kernels/ops.h"
#include "kernels/quota.h"

#ifdef __cplusplus
extern "C" {
#endif

struct br_buf {
    const struct br_backend_table *table;
    void                          *memory; /* host address for ref and cpu, device for cuda */
    size_t                         bytes;
};

typedef struct br_backend_table {
    const char *name;
    br_grain    grain; /* zeros: as small as the caches like */
    /* memory and streams */
    br_status (*open)(br_dev *dev); /* fills description and native */
    void (*close)(br_dev *dev);
    br_status (*allocate)(size_t bytes, void **memory); /* zeroed */
    void (*release)(void *memory);
    br_status (*room)(br_dev *dev, size_t *bytes); /* NULL: the host's memory */
    br_status (*upload)(br_dev *dev, br_mat to, const void *from);
    br_status (*download)(br_dev *dev, br_mat from, void *to);
    br_status (*sync)(br_dev *dev);
    br_launches (*launches)(const br_dev *dev); /* NULL: none */
    /* both NULL: the host's memory, nothing is ever under way */
    void *(*stream)(const br_dev *dev);
    br_status (*poll)(br_dev *dev, bool *is_done);
    /* both NULL: nothing to prepare */
    br_status (*weight_prepare)(br_dev *dev, br_prepared *weight); /* fills weight->prepared */
    void (*weight_release)(br_prepared *weight);
    /* resident.h: how many pieces; NULL where a backend keeps none */
    int32_t (*weight_pieces)(const br_prepared *weight, br_piece piece[BR_MAX_PIECES]);
    int32_t (*items_pieces)(const br_items *items, br_piece piece[BR_MAX_PIECES]);
    /* ops, in the order of ops.h */
    br_status (*embed)(br_dev *dev, const br_embed_args *args);
    br_status (*layer_norm)(br_dev *dev, const br_layer_norm_args *args);
    br_status (*linear)(br_dev *dev, const br_linear_args *args);
    /* NULL: composed */
    br_status (*self_attention)(br_dev *dev, const br_self_attention_args *args);
    br_status (*feed_forward)(br_dev *dev, const br_feed_forward_args *args);
    br_status (*attention)(br_dev *dev, const br_attention_args *args);
    br_status (*attention_last)(br_dev *dev, const br_attention_last_args *args);
    br_status (*last_rows)(br_dev *dev, const br_last_rows_args *args);
    br_status (*gru)(br_dev *dev, const br_gru_args *args);
    br_status (*decay_pool)(br_dev *dev, const br_decay_pool_args *args);
    br_status (*gather_rows)(br_dev *dev, const br_gather_rows_args *args);
    br_status (*copy_rows)(br_dev *dev, const br_copy_rows_args *args);
    br_status (*fuse_inputs)(br_dev *dev, const br_fuse_inputs_args *args);
    br_status (*fuse)(br_dev *dev, const br_fuse_args *args);
    br_status (*norm_band)(br_dev *dev, br_mat x_BD, double lo, double hi);
    br_status (*mlp)(br_dev *dev, const br_mlp_args *args);
    br_status (*items_prepare)(br_dev *dev, br_items *items); /* fills items->prepared */
    void (*items_release)(br_items *items);
    br_status (*score_topk)(br_dev *dev, br_score_topk_args *args);
    br_status (*draw_topk)(br_dev *dev, br_draw_topk_args *args);
    br_status (*score_pairs)(br_dev *dev, const br_score_pairs_args *args);
    br_status (*pair_mlp)(br_dev *dev, const br_pair_mlp_args *args);
    br_status (*calibrate)(br_dev *dev, const br_calibrate_args *args);
    br_status (*hash)(br_dev *dev, br_mat x_RC, br_mat out_11);
} br_backend_table;

struct br_dev {
    const br_backend_table *table;
    br_buf                  scratch; /* the stack */
    size_t                  scratch_used;
    size_t                  scratch_peak;
    void                   *native;
    const br_share         *share; /* NULL: none */
    char                    description[160];
    char                    identity[40];
};

struct br_items {
    const br_backend_table *table;
    br_mat                  item_ND;
    br_mat                  bias_N;
    br_mat                  require_N;
    br_screen_kind          screen;
    int32_t                 k;
    br_lse_kind             logsumexp;
    bool                    is_witnessed;
    void                   *prepared; /* the backend's own */
};

struct br_prepared {
    const br_backend_table *table;
    br_weight_args          of;
    void                   *prepared; /* the backend's own */
};

struct br_quotas {
    const br_backend_table *table;
    int32_t                 n_quotas;
    int32_t                 n_groups; /* G, of all columns */
    br_mat                  group_NQ;
    br_mat                  max_G;
    br_mat                  offset_G1;
    br_mat                  item_P;
};

static inline br_precision br_prepared_precision(const br_prepared *weight)
{
    return weight == NULL ? BR_PRECISION_FP32 : weight->of.precision;
}

extern const br_backend_table br_backend_ref;
extern const br_backend_table br_backend_cpu;
#ifdef BR_WITH_CUDA
extern const br_backend_table br_backend_cuda;
#endif

/* The address of a view's first element; NULL for an absent view. */
static inline void *br_mat_at(br_mat mat)
{
    if (mat.buf == NULL)
        return NULL;
    return (unsigned char *)mat.buf->memory + (size_t)mat.offset * br_dtype_bytes(mat.dtype);
}

static inline float *br_mat_f32(br_mat mat)
{
    return (float *)br_mat_at(mat);
}

static inline uint16_t *br_mat_bf16(br_mat mat)
{
    return (uint16_t *)br_mat_at(mat);
}

static inline int32_t *br_mat_i32(br_mat mat)
{
    return (int32_t *)br_mat_at(mat);
}

#ifdef __cplusplus
}
#endif

#endif
