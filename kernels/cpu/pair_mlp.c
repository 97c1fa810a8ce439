/* SPDX-License-Identifier: Apache-2.0
 *
 * pair_mlp: items of a customer in tiles of 16, lane by lane, so that a layer's outputs lie as the
 * next one reads them. A block holds the sums of a few outputs in registers: 8 with AVX-512, 2 with
 * AVX2. Each sum is ref's chain. Called once per pair head and tile of customers. */
#include <math.h>
#include <string.h>

#include "host/base/clones.h"
#include "kernels/canonical.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/fetch.h"
#include "kernels/cpu/gemm.h"
#include "kernels/ref/ref.h"

#define TILE 16 /* items */
#define ROWS 8  /* outputs of a panel: weights lie as [panel][input][8] */

/* ROWS outputs of a layer for a tile: sums begin with their starts, inputs follow in index order.
 */
typedef struct block {
    const double *panel_IR;
    const double *start_R;
    const double *in_IT;
    int64_t       n_in;
    double       *sum_RT;
} block;

typedef void (*block_fn)(const block *b);

/* Registers, read from and written to anywhere in an array of doubles: gcc keeps sums whose address
 * is taken in memory. */
typedef double four_lanes __attribute__((vector_size(32), aligned(8), may_alias));
typedef double eight_lanes __attribute__((vector_size(64), aligned(8), may_alias));

/* rows outputs at a time; vec is a register, n_vecs of them a tile. */
#define DEFINE_BLOCK(name, attributes, vec, n_vecs, rows)                                          \
    attributes static void name(const block *b)                                                    \
    {                                                                                              \
        for (int64_t first = 0; first < ROWS; first += (rows)) {                                   \
            vec sum[rows][n_vecs];                                                                 \
                                                                                                   \
            for (int r = 0; r < (rows); r++)                                                       \
                for (int v = 0; v < (n_vecs); v++)                                                 \
                    sum[r][v] = (vec){0} + b->start_R[first + r];                                  \
            for (int64_t i = 0; i < b->n_in; i++) {                                                \
                const double *w = b->panel_IR + i * ROWS + first;                                  \
                const vec    *x = (const vec *)(b->in_IT + i * TILE);                              \
                                                                                                   \
                for (int r = 0; r < (rows); r++)                                                   \
                    for (int v = 0; v < (n_vecs); v++)                                             \
                        sum[r][v] += w[r] * x[v];                                                  \
            }                                                                                      \
            for (int r = 0; r < (rows); r++)                                                       \
                for (int v = 0; v < (n_vecs); v++)                                                 \
                    ((vec *)(b->sum_RT + (first + r) * TILE))[v] = sum[r][v];                      \
        }                                                                                          \
    }

#if defined(__x86_64__) && defined(__GNUC__)
DEFINE_BLOCK(block_wide, __attribute__((target("avx512f,avx512dq,fma"))), eight_lanes, 2, 8)
DEFINE_BLOCK(block_fma, __attribute__((target("avx2,fma"))), four_lanes, 4, 2)
#endif
DEFINE_BLOCK(block_plain, , four_lanes, 4, 1)

static block_fn pick_block(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    br_vectors widest = br_cpu_widest();

    if (widest == BR_VECTORS_AVX512 && br_cpu_has_wide() && __builtin_cpu_supports("avx512dq"))
        return block_wide;
    if (widest >= BR_VECTORS_AVX2 && __builtin_cpu_supports("avx2") &&
        __builtin_cpu_supports("fma"))
        return block_fma;
#endif
    return block_plain;
}

/* One call: all in doubles, fp32 values but for the starts and the sums. */
typedef struct room {
    const br_pair_mlp_args *args;
    block_fn                run;
    double                 *weight_PIR[BR_MAX_PAIR_LAYERS];
    double                 *start_O[BR_MAX_PAIR_LAYERS];
    double                 *last_I;      /* the logit's weights */
    double                 *fold_PDR;    /* of the customer: what meets z, */
    double                 *first_O;     /* and where its sums begin */
    double                 *layer_IT[2]; /* of the tile: inputs and outputs of a layer, in turn */
} room;

static int64_t padded(int64_t n_out)
{
    return (n_out + ROWS - 1) / ROWS * ROWS;
}

/* Lays the room out from `at` (NULL: just counts); returns the doubles it takes. */
static int64_t lay_out(const br_pair_mlp_args *args, double *at, room *r)
{
    int64_t D = args->query_BD.n_cols, widest = D, n = 0;

#define TAKE(slot, n_doubles)                                                                      \
    do {                                                                                           \
        (slot) = at == NULL ? NULL : at + n;                                                       \
        n += ((n_doubles) + 7) / 8 * 8;                                                            \
    } while (0)
    for (int32_t l = 0; l < args->n_layers; l++) {
        int64_t n_out = padded(args->weight_OI[l].n_rows);

        TAKE(r->weight_PIR[l], n_out * args->weight_OI[l].n_cols);
        TAKE(r->start_O[l], n_out);
        widest = n_out > widest ? n_out : widest;
    }
    TAKE(r->last_I, args->weight_OI[args->n_layers].n_cols);
    TAKE(r->fold_PDR, padded(args->weight_OI[0].n_rows) * D);
    TAKE(r->first_O, padded(args->weight_OI[0].n_rows));
    TAKE(r->layer_IT[0], widest * TILE);
    TAKE(r->layer_IT[1], widest * TILE);
#undef TAKE
    return n;
}

/* Zeros behind the last output. */
static void pack(br_mat weight_OI, double *packed_PIR)
{
    for (int64_t o = 0; o < padded(weight_OI.n_rows); o++) {
        const float *row = br_mat_f32(weight_OI) + o * weight_OI.ld;
        double      *to  = packed_PIR + o / ROWS * ROWS * weight_OI.n_cols + o % ROWS;

        for (int64_t i = 0; i < weight_OI.n_cols; i++)
            to[i * ROWS] = o < weight_OI.n_rows ? (double)row[i] : 0.0;
    }
}

static void pack_weights(room *r)
{
    const br_pair_mlp_args *args = r->args;
    int32_t                 L    = args->n_layers;

    for (int32_t l = 0; l < L; l++) {
        const br_mat w = args->weight_OI[l];

        pack(w, r->weight_PIR[l]);
        for (int64_t o = 0; o < padded(w.n_rows); o++)
            r->start_O[l][o] = o < w.n_rows ? (double)br_mat_f32(args->bias_1O[l])[o] : 0.0;
    }
    for (int64_t i = 0; i < args->weight_OI[L].n_cols; i++)
        r->last_I[i] = (double)br_mat_f32(args->weight_OI[L])[i];
}

/* What is the customer's: one panel of the first layer. */
BR_CLONES static void fold_panel(const double *weight_IR, const double *start_R, const float *x_D,
                                 int64_t D, double *fold_DR, double *first_R)
{
    const double *z_IR = weight_IR + D * ROWS, *xz_IR = z_IR + D * ROWS;
    double        sum_R[ROWS];

    memcpy(sum_R, start_R, sizeof sum_R);
    for (int64_t d = 0; d < D; d++) {
        double x = (double)x_D[d];

        for (int64_t r = 0; r < ROWS; r++) {
            int64_t at = d * ROWS + r;

            sum_R[r] += weight_IR[at] * x;
            fold_DR[at] = (double)br_pair_round(z_IR[at] + xz_IR[at] * x);
        }
    }
    memcpy(first_R, sum_R, sizeof sum_R);
}

static void fold(room *r, const float *x_D)
{
    int64_t D = r->args->query_BD.n_cols;

    for (int64_t o = 0; o < r->args->weight_OI[0].n_rows; o += ROWS)
        fold_panel(r->weight_PIR[0] + o * 3 * D, r->start_O[0] + o, x_D, D, r->fold_PDR + o * D,
                   r->first_O + o);
}

BR_CLONES static void relu_panel(double *sum_RT)
{
    for (int64_t i = 0; i < (int64_t)ROWS * TILE; i++)
        sum_RT[i] = (double)br_pair_relu(sum_RT[i]);
}

/* A layer of n_out outputs for a tile. */
static void run_layer(const room *r, block b, int64_t n_out)
{
    for (int64_t o = 0; o < n_out; o += ROWS) {
        r->run(&b);
        relu_panel(b.sum_RT);
        b.panel_IR += ROWS * b.n_in;
        b.start_R += ROWS;
        b.sum_RT += ROWS * TILE;
    }
}

/* The logits' sums, which have begun. */
BR_CLONES static void run_last(const double *last_I, const double *in_IT, int64_t n, double *sum_T)
{
    double sum[TILE];

    memcpy(sum, sum_T, sizeof sum);
    for (int64_t i = 0; i < n; i++)
        for (int64_t t = 0; t < TILE; t++)
            sum[t] += last_I[i] * in_IT[i * TILE + t];
    memcpy(sum_T, sum, sizeof sum);
}

/* Vectors of n items, zeros beside them; row 0 stands in where there is no item. */
static void gather(const br_pair_mlp_args *args, const int32_t *item_T, int64_t n, double *in_IT)
{
    int64_t D = args->item_ND.n_cols;

    for (int64_t t = 0; t < TILE; t++) {
        int64_t      item = t < n && item_T[t] > 0 ? item_T[t] : 0;
        const float *z_D  = br_mat_f32(args->item_ND) + item * args->item_ND.ld;

        for (int64_t d = 0; d < D; d++)
            in_IT[d * TILE + t] = t < n ? (double)z_D[d] : 0.0;
    }
}

/* Asks for the vectors of the next tile ahead of their turn. */
static void fetch(const br_pair_mlp_args *args, const int32_t *item_T, int64_t n)
{
    for (int64_t t = 0; t < n && t < TILE; t++) {
        const float *z_D =
            br_mat_f32(args->item_ND) + (item_T[t] > 0 ? item_T[t] : 0) * args->item_ND.ld;

        br_fetch_bytes(z_D, args->item_ND.n_cols * 4);
    }
}

static void run_tile(const room *r, const int32_t *item_T, int64_t n, float *logit_T)
{
    const br_pair_mlp_args *args = r->args;
    int32_t                 L    = args->n_layers;
    double                  sum_T[TILE];

    gather(args, item_T, n, r->layer_IT[0]);
    for (int32_t l = 0; l < L; l++)
        run_layer(r,
                  (block){l == 0 ? r->fold_PDR : r->weight_PIR[l],
                          l == 0 ? r->first_O : r->start_O[l], r->layer_IT[l % 2],
                          l == 0 ? args->item_ND.n_cols : args->weight_OI[l].n_cols,
                          r->layer_IT[(l + 1) % 2]},
                  args->weight_OI[l].n_rows);
    for (int64_t t = 0; t < TILE; t++) {
        sum_T[t] = (double)br_mat_f32(args->bias_1O[L])[0];
        if (args->bias_N.buf != NULL && t < n && item_T[t] != -1)
            sum_T[t] += (double)br_mat_f32(args->bias_N)[item_T[t] * args->bias_N.ld];
    }
    run_last(r->last_I, r->layer_IT[L % 2], args->weight_OI[L].n_cols, sum_T);
    for (int64_t t = 0; t < n; t++)
        logit_T[t] = item_T[t] == -1 ? NAN : br_pair_round(sum_T[t]);
}

static br_status run_row(room *r, int64_t b)
{
    br_status               st      = BR_OK;
    const br_pair_mlp_args *args    = r->args;
    int64_t                 K       = args->item_BK.n_cols;
    const int32_t          *item_K  = br_mat_i32(args->item_BK) + b * args->item_BK.ld;
    float                  *logit_K = br_mat_f32(args->logit_BK) + b * args->logit_BK.ld;

    for (int64_t j = 0; j < K; j++)
        if (item_K[j] != -1)
            BR_TRY(st, br_ref_check_row("pair_mlp", b, item_K[j], args->item_ND.n_rows));
    fold(r, br_mat_f32(args->query_BD) + b * args->query_BD.ld);
    for (int64_t j = 0; j < K; j += TILE) {
        if (j + TILE < K)
            fetch(args, item_K + j + TILE, K - j - TILE);
        run_tile(r, item_K + j, K - j < TILE ? K - j : TILE, logit_K + j);
    }
done:
    return st;
}

br_status br_cpu_pair_mlp(br_dev *dev, const br_pair_mlp_args *args)
{
    br_status st = BR_OK;
    room      r  = {.args = args, .run = pick_block()};
    float    *memory;

    if (args->query_BD.n_rows == 0 || args->item_ND.n_rows == 0)
        return br_ref_pair_mlp(dev, args);
    BR_TRY(st, br_cpu_workspace(dev, 2 * lay_out(args, NULL, &r), &memory));
    (void)lay_out(args, (double *)(void *)memory, &r);
    pack_weights(&r);
    for (int64_t b = 0; b < args->query_BD.n_rows; b++)
        BR_TRY(st, run_row(&r, b));
done:
    return st;
}
