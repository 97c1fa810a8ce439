/* SPDX-License-Identifier: Apache-2.0
 *
 * Packing of weights, once per model (or per call of an op without prepared ones), and their
 * product with a tile of rows. */
#include "kernels/cpu/encoder/product.h"

#include <assert.h>
#include <string.h>

#include "host/base/clones.h"
#include "kernels/bf16.h"
#include "kernels/cpu/encoder/gemm_bf16.h"

br_cpu_layout br_cpu_layout_of(const br_dev *dev, br_precision precision)
{
    if (precision == BR_PRECISION_FP32)
        return BR_LAYOUT_F32;
    return br_cpu_uses_dot(dev) ? BR_LAYOUT_PAIRS : BR_LAYOUT_ROUNDED;
}

static br_cpu_packed shape_of(const br_dev *dev, const br_weight_args *of)
{
    int64_t       n_rows = of->weight_OI.n_rows / of->n_blocks;
    int64_t       n_cols = of->weight_OI.n_cols;
    br_cpu_packed p      = {.layout = br_cpu_layout_of(dev, of->precision),
                            .n_in   = of->is_transposed ? n_rows : n_cols,
                            .n_out  = of->is_transposed ? n_cols : n_rows};

    p.block_floats = p.layout == BR_LAYOUT_PAIRS ? br_cpu_packed_pairs(p.n_in, p.n_out)
                                                 : br_cpu_packed_floats(p.n_in, p.n_out);
    return p;
}

BR_CLONES static void round_row(const float *x, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = br_bf16(x[i]);
}

BR_CLONES void br_cpu_from_half(const uint16_t *half, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = br_bf16_value(half[i]);
}

BR_CLONES void br_cpu_to_half(const float *x, int64_t n, uint16_t *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (uint16_t)(br_bf16_bits(x[i]) >> 16);
}

void br_cpu_round_rows(const float *x, int64_t ld_x, int64_t n_rows, int64_t n, float *out)
{
    for (int64_t r = 0; r < n_rows; r++)
        round_row(x + r * ld_x, n, out + r * n);
}

static void pack(const br_weight_args *of, br_cpu_packed *to)
{
    int64_t ld     = of->weight_OI.ld;
    int64_t n_rows = of->weight_OI.n_rows / of->n_blocks;

    for (int64_t i = 0; i < of->n_blocks; i++) {
        float        *packed = to->memory + i * to->block_floats;
        br_cpu_weight from   = {.weight   = br_mat_f32(of->weight_OI) + i * n_rows * ld,
                                .out_step = of->is_transposed ? 1 : ld,
                                .in_step  = of->is_transposed ? ld : 1,
                                .n_in     = to->n_in,
                                .n_out    = to->n_out};

        if (to->layout == BR_LAYOUT_PAIRS)
            br_cpu_pack_pairs(&from, (uint32_t *)(void *)packed);
        else
            br_cpu_pack(&from, packed);
        if (to->layout == BR_LAYOUT_ROUNDED)
            round_row(packed, to->block_floats, packed);
    }
}

br_status br_cpu_weight_prepare(br_dev *dev, br_prepared *weight)
{
    br_status      st     = BR_OK;
    br_cpu_packed *packed = NULL;

    BR_ALLOC(st, packed, 1, "packed weight");
    weight->prepared = packed;
    *packed          = shape_of(dev, &weight->of);
    BR_ALLOC(st, packed->memory, weight->of.n_blocks * packed->block_floats, "packed weight");
    pack(&weight->of, packed);
done:
    return st;
}

const br_cpu_packed *br_cpu_weight_plan(const br_dev *dev, const br_prepared *prepared,
                                        const br_weight_args *of, br_cpu_packed *own,
                                        int64_t *n_floats)
{
    if (prepared != NULL)
        return prepared->prepared;
    *own = shape_of(dev, of);
    *n_floats += of->n_blocks * own->block_floats;
    return own;
}

void br_cpu_weight_pack(const br_cpu_packed *plan, const br_weight_args *of, br_cpu_packed *own,
                        float **memory)
{
    if (plan != own)
        return;
    own->memory = *memory;
    pack(of, own);
    *memory += of->n_blocks * own->block_floats;
}

int32_t br_cpu_weight_pieces(const br_prepared *weight, br_piece piece[BR_MAX_PIECES])
{
    const br_cpu_packed *packed = weight->prepared;

    piece[0] = (br_piece){"a packed weight", packed->memory,
                          (size_t)(weight->of.n_blocks * packed->block_floats) * sizeof(float)};
    return 1;
}

void br_cpu_weight_release(br_prepared *weight)
{
    br_cpu_packed *packed = weight->prepared;

    if (packed == NULL)
        return;
    br_free(&packed->memory);
    br_free(&weight->prepared);
}

int64_t br_cpu_side_floats(const br_cpu_packed *weight, int64_t n_rows)
{
    static const int64_t align = 16;
    int64_t              units = 0;

    if (weight->layout == BR_LAYOUT_PAIRS)
        units = br_cpu_pairs(weight->n_in) * n_rows;
    else if (weight->layout == BR_LAYOUT_ROUNDED)
        units = weight->n_in * n_rows;
    return (units + align - 1) / align * align;
}

/* Rows of bf16 that pairs can be read from: as they are, or on the side. */
static const uint16_t *rows_of_pairs(const br_cpu_product_args *args, int64_t *ld)
{
    int64_t   n_in    = args->weight->n_in;
    uint16_t *side_RI = (uint16_t *)(void *)args->side;

    if (args->half != NULL && n_in % 2 == 0 && args->ld_x % 2 == 0) {
        *ld = args->ld_x;
        return args->half;
    }
    *ld = 2 * br_cpu_pairs(n_in);
    for (int64_t r = 0; r < args->n_rows; r++) {
        uint16_t *row = side_RI + r * *ld;

        if (args->half == NULL) {
            br_cpu_to_bf16(args->x + r * args->ld_x, n_in, row);
            continue;
        }
        row[*ld - 1] = 0;
        memcpy(row, args->half + r * args->ld_x, (size_t)n_in * sizeof *row);
    }
    return side_RI;
}

static void product_pairs(const br_cpu_product_args *args, const float *packed)
{
    int64_t         n_pairs = br_cpu_pairs(args->weight->n_in);
    int64_t         ld;
    const uint16_t *x_RI = rows_of_pairs(args, &ld);

    br_cpu_gemm_dot(&(br_cpu_dot_args){.x           = x_RI,
                                       .ld_x        = ld,
                                       .n_rows      = args->n_rows,
                                       .packed      = (const uint32_t *)(const void *)packed,
                                       .panel_pairs = n_pairs,
                                       .n_pairs     = n_pairs,
                                       .n_out       = args->weight->n_out,
                                       .out         = args->out,
                                       .ld_out      = args->ld_out,
                                       .bias        = args->bias,
                                       .residual    = args->residual,
                                       .ld_residual = args->ld_residual});
}

void br_cpu_product(const br_cpu_product_args *args)
{
    const br_cpu_packed *w      = args->weight;
    const float         *packed = w->memory + args->block * w->block_floats;
    br_cpu_gemm_args     gemm   = {.x        = args->x,
                                   .ld_x     = args->ld_x,
                                   .n_rows   = args->n_rows,
                                   .packed   = packed,
                                   .panel_in = w->n_in,
                                   .n_in     = w->n_in,
                                   .n_out    = w->n_out,
                                   .out      = args->out,
                                   .ld_out   = args->ld_out};

    if (w->layout == BR_LAYOUT_PAIRS) {
        product_pairs(args, packed);
        return;
    }
    assert(args->bias == NULL && args->residual == NULL);
    if (w->layout == BR_LAYOUT_ROUNDED) {
        for (int64_t r = 0; r < args->n_rows && args->half != NULL; r++)
            br_cpu_from_half(args->half + r * args->ld_x, w->n_in, args->side + r * w->n_in);
        if (args->half == NULL)
            br_cpu_round_rows(args->x, args->ld_x, args->n_rows, w->n_in, args->side);
        gemm.x    = args->side;
        gemm.ld_x = w->n_in;
    }
    br_cpu_gemm(&gemm);
}
