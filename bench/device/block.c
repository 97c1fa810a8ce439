/* SPDX-License-Identifier: Apache-2.0
 *
 * The halves of an encoder's block on rows that lie on the device: self_attention on sequences of
 * 50 events, feed_forward with the norms around it. By one kernel or by the ops that it is made of,
 * as BATCHRANK_ENCODER_CUDA says (docs/PERFORMANCE.md). In bf16; the first rows are compared with
 * ref before a time is printed. */
#include <math.h>

#include "bench/device/device_case.h"
#include "host/base/memory.h"

#define N_CHECKED 8
#define LIMIT     3e-2 /* in bf16, of max(1, |ref|) */
#define LENGTH    50

/* I 0: self_attention, of R / LENGTH sequences and two heads. */
typedef struct block_case {
    int64_t                R, D, I;
    br_activation          activation;
    br_dev                *lane;
    br_mat                 x_RD, out_RD, norm_2D, room_RI, mixed_RD;
    br_mat                 first_weight, second_weight; /* [I or 3 D, D], [D, I or D] */
    br_prepared           *first_prepared, *second_prepared;
    int32_t               *offset_B1;
    br_seqs                seqs;
    br_self_attention_args attend;
    br_feed_forward_args   forward;
} block_case;

static void case_close(block_case *c)
{
    br_prepared_free(&c->first_prepared);
    br_prepared_free(&c->second_prepared);
    br_dev_free(&c->x_RD);
    br_dev_free(&c->out_RD);
    br_dev_free(&c->norm_2D);
    br_dev_free(&c->room_RI);
    br_dev_free(&c->mixed_RD);
    br_dev_free(&c->first_weight);
    br_dev_free(&c->second_weight);
    br_dev_free(&c->seqs.offset_B1);
    br_free(&c->offset_B1);
    br_dev_close(&c->lane);
}

static br_status place_weights(br_dev *dev, block_case *c)
{
    br_status      st    = BR_OK;
    br_weight_args first = {.precision = BR_PRECISION_BF16, .n_blocks = 1}, second = first;
    int64_t        out = c->I > 0 ? c->I : 3 * c->D, in = c->I > 0 ? c->I : c->D;

    BR_TRY(st,
           device_place(dev, &(device_data){out, c->D, (uint64_t)c->D, 1.0f / sqrtf((float)c->D)},
                        &c->first_weight));
    BR_TRY(st, device_place(dev, &(device_data){c->D, in, (uint64_t)in, 1.0f / sqrtf((float)in)},
                            &c->second_weight));
    first.weight_OI  = c->first_weight;
    second.weight_OI = c->second_weight;
    BR_TRY(st, br_weight_prepare(dev, &first, &c->first_prepared));
    BR_TRY(st, br_weight_prepare(dev, &second, &c->second_prepared));
done:
    return st;
}

static br_status place_sequences(br_dev *dev, block_case *c)
{
    br_status st = BR_OK;
    int64_t   B  = (c->R + LENGTH - 1) / LENGTH;

    BR_ALLOC(st, c->offset_B1, B + 1, "offsets");
    for (int64_t b = 0; b <= B; b++)
        c->offset_B1[b] = (int32_t)(b * LENGTH < c->R ? b * LENGTH : c->R);
    c->seqs = (br_seqs){.n_seqs = B, .n_events = c->R, .host_offset_B1 = c->offset_B1};
    BR_TRY(st, br_dev_alloc(dev, BR_I32, B + 1, 1, &c->seqs.offset_B1));
    BR_TRY(st, br_upload(dev, c->seqs.offset_B1, c->offset_B1));
    BR_TRY(st, br_dev_sync(dev));
done:
    return st;
}

static br_status case_open(br_dev *dev, block_case *c)
{
    br_status st = BR_OK;

    BR_TRY(st, br_dev_open_lane(dev, 0, &c->lane));
    BR_TRY(st, device_place(dev, &(device_data){c->R, c->D, (uint64_t)c->D, 1.0f}, &c->x_RD));
    BR_TRY(st, device_place(dev, &(device_data){2, c->D, (uint64_t)c->D, 1.0f}, &c->norm_2D));
    BR_TRY(st, place_weights(dev, c));
    BR_TRY(st, place_sequences(dev, c));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, c->R, c->D, &c->out_RD));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, c->R, c->D, &c->mixed_RD));
    BR_TRY(st, br_dev_alloc(dev, c->I > 0 ? BR_BF16 : BR_F32, c->R, c->I > 0 ? c->I : 3 * c->D,
                            &c->room_RI));
    c->attend  = (br_self_attention_args){.seqs           = &c->seqs,
                                          .x_ED           = c->x_RD,
                                          .qkv_weight_3DD = c->first_weight,
                                          .n_heads        = 2,
                                          .max_length     = LENGTH,
                                          .out_weight_DD  = c->second_weight,
                                          .qkv_E3D        = c->room_RI,
                                          .mixed_ED       = c->mixed_RD,
                                          .out_ED         = c->out_RD,
                                          .qkv_prepared   = c->first_prepared,
                                          .out_prepared   = c->second_prepared};
    c->forward = (br_feed_forward_args){.x_RD            = c->x_RD,
                                        .before_gamma_1D = br_mat_rows(c->norm_2D, 0, 1),
                                        .before_beta_1D  = br_mat_rows(c->norm_2D, 1, 1),
                                        .after_gamma_1D  = br_mat_rows(c->norm_2D, 0, 1),
                                        .after_beta_1D   = br_mat_rows(c->norm_2D, 1, 1),
                                        .eps             = 1e-12,
                                        .inner_weight_ID = c->first_weight,
                                        .activation      = c->activation,
                                        .outer_weight_DI = c->second_weight,
                                        .inner_RI        = c->room_RI,
                                        .out_RD          = c->out_RD,
                                        .inner_prepared  = c->first_prepared,
                                        .outer_prepared  = c->second_prepared};
done:
    return st;
}

static br_status run_once(void *context)
{
    block_case *c = context;
    return c->I > 0 ? br_op_feed_forward(c->lane, &c->forward)
                    : br_op_self_attention(c->lane, &c->attend);
}

static br_status count_far(const block_case *c, int64_t *n_far)
{
    br_status  st    = BR_OK;
    block_case small = {.R = N_CHECKED, .D = c->D, .I = c->I, .activation = c->activation};
    int64_t    n     = N_CHECKED * c->D;
    br_dev    *ref   = NULL;
    float     *got = NULL, *want = NULL;

    BR_TRY(st, br_dev_open(BR_BACKEND_REF, 0, &ref));
    BR_TRY(st, case_open(ref, &small));
    BR_TRY(st, run_once(&small));
    BR_ALLOC(st, got, n, "rows");
    BR_ALLOC(st, want, n, "rows of ref");
    BR_TRY(st, br_download(c->lane, br_mat_rows(c->out_RD, 0, N_CHECKED), got));
    BR_TRY(st, br_download(ref, small.out_RD, want));
    for (int64_t i = 0; i < n; i++)
        *n_far += !(fabs((double)got[i] - want[i]) <= LIMIT * fmax(1.0, fabs((double)want[i])));
done:
    case_close(&small);
    br_dev_close(&ref);
    br_free(&got);
    br_free(&want);
    return st;
}

static void bench_case(device_bench *bench, block_case c)
{
    br_status  st = BR_OK;
    double     R = (double)c.R, D = (double)c.D;
    device_row row = {.op   = c.I > 0 ? "feed_forward" : "self_attention",
                      .peak = bench->peaks.gemm_gflops[BR_PRECISION_BF16]};

    if (c.I > 0)
        (void)snprintf(row.shape, sizeof row.shape, "bf16 R %lld D %lld inner %lld %s",
                       (long long)c.R, (long long)c.D, (long long)c.I,
                       c.activation == BR_ACT_GELU ? "gelu" : "relu");
    else
        (void)snprintf(row.shape, sizeof row.shape, "bf16 R %lld D %lld, %d events", (long long)c.R,
                       (long long)c.D, LENGTH);
    row.gflop  = 1e-9 * R * D * (c.I > 0 ? 4.0 * (double)c.I : 8.0 * D + 2.0 * LENGTH);
    row.gbytes = 8e-9 * R * D;
    BR_TRY(st, case_open(bench->dev, &c));
    BR_TRY(st, run_once(&c));
    BR_TRY(st, br_dev_sync(c.lane));
    BR_TRY(st, count_far(&c, &row.n_wrong));
    BR_TRY(st, device_time(c.lane, run_once, &c, &row.times));
done:
    case_close(&c);
    device_print(bench, &row, st);
}

void device_bench_blocks(device_bench *bench)
{
    static const block_case cases[] = {
        /* a task's events; SASRec as RecBole and as pmixer have it, a narrow and a wide one */
        {.R = 262144, .D = 128},
        {.R = 262144, .D = 128, .I = 512, .activation = BR_ACT_GELU},
        {.R = 262144, .D = 128, .I = 128, .activation = BR_ACT_RELU},
        {.R = 262144, .D = 64},
        {.R = 262144, .D = 64, .I = 256, .activation = BR_ACT_GELU},
        {.R = 262144, .D = 256, .I = 1024, .activation = BR_ACT_GELU},
    };

    if (bench->is_small) {
        bench_case(bench, (block_case){.R = 60, .D = 32});
        bench_case(bench, (block_case){.R = 40, .D = 32, .I = 128, .activation = BR_ACT_GELU});
        return;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        bench_case(bench, cases[i]);
}
