/* SPDX-License-Identifier: Apache-2.0
 *
 * The second half of an encoder's block, feed_forward with the norms around it, on rows that lie on
 * the device: by one kernel or by the ops that it is made of, as BATCHRANK_ENCODER_CUDA says
 * (docs/PERFORMANCE.md). In bf16; the first rows are compared with ref before a time is printed. */
#include <math.h>

#include "bench/device/device_case.h"
#include "host/base/memory.h"

#define N_CHECKED 8
#define LIMIT     3e-2 /* in bf16, of max(1, |ref|) */

typedef struct block_case {
    int64_t              R, D, I;
    br_activation        activation;
    br_dev              *lane;
    br_mat               x_RD, out_RD, inner_weight_ID, outer_weight_DI, norm_2D, inner_RI;
    br_prepared         *inner_prepared, *outer_prepared;
    br_feed_forward_args args;
} block_case;

static br_status place(br_dev *dev, int64_t n_rows, int64_t n_cols, float scale, br_mat *out)
{
    br_status st   = BR_OK;
    float    *host = NULL;

    BR_ALLOC(st, host, n_rows * n_cols, "bench data");
    device_fill(host, n_rows * n_cols, (uint64_t)n_cols, true);
    for (int64_t i = 0; i < n_rows * n_cols; i++)
        host[i] *= scale;
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n_rows, n_cols, out));
    BR_TRY(st, br_upload(dev, *out, host));
    BR_TRY(st, br_dev_sync(dev));
done:
    br_free(&host);
    return st;
}

static void case_close(block_case *c)
{
    br_prepared_free(&c->inner_prepared);
    br_prepared_free(&c->outer_prepared);
    br_dev_free(&c->x_RD);
    br_dev_free(&c->out_RD);
    br_dev_free(&c->inner_weight_ID);
    br_dev_free(&c->outer_weight_DI);
    br_dev_free(&c->norm_2D);
    br_dev_free(&c->inner_RI);
    br_dev_close(&c->lane);
}

static br_status case_open(br_dev *dev, block_case *c)
{
    br_status      st    = BR_OK;
    br_weight_args inner = {.precision = BR_PRECISION_BF16, .n_blocks = 1}, outer = inner;

    BR_TRY(st, br_dev_open_lane(dev, 0, &c->lane));
    BR_TRY(st, place(dev, c->R, c->D, 1.0f, &c->x_RD));
    BR_TRY(st, place(dev, c->I, c->D, 1.0f / sqrtf((float)c->D), &c->inner_weight_ID));
    BR_TRY(st, place(dev, c->D, c->I, 1.0f / sqrtf((float)c->I), &c->outer_weight_DI));
    BR_TRY(st, place(dev, 2, c->D, 1.0f, &c->norm_2D));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, c->R, c->D, &c->out_RD));
    BR_TRY(st, br_dev_alloc(dev, BR_BF16, c->R, c->I, &c->inner_RI));
    inner.weight_OI = c->inner_weight_ID;
    outer.weight_OI = c->outer_weight_DI;
    BR_TRY(st, br_weight_prepare(dev, &inner, &c->inner_prepared));
    BR_TRY(st, br_weight_prepare(dev, &outer, &c->outer_prepared));
    c->args = (br_feed_forward_args){.x_RD            = c->x_RD,
                                     .before_gamma_1D = br_mat_rows(c->norm_2D, 0, 1),
                                     .before_beta_1D  = br_mat_rows(c->norm_2D, 1, 1),
                                     .after_gamma_1D  = br_mat_rows(c->norm_2D, 0, 1),
                                     .after_beta_1D   = br_mat_rows(c->norm_2D, 1, 1),
                                     .eps             = 1e-12,
                                     .inner_weight_ID = c->inner_weight_ID,
                                     .activation      = c->activation,
                                     .outer_weight_DI = c->outer_weight_DI,
                                     .inner_RI        = c->inner_RI,
                                     .out_RD          = c->out_RD,
                                     .inner_prepared  = c->inner_prepared,
                                     .outer_prepared  = c->outer_prepared};
done:
    return st;
}

static br_status forward_once(void *context)
{
    block_case *c = context;
    return br_op_feed_forward(c->lane, &c->args);
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
    BR_TRY(st, forward_once(&small));
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
    br_status  st  = BR_OK;
    device_row row = {.op = "feed_forward", .peak = bench->peaks.gemm_gflops[BR_PRECISION_BF16]};

    (void)snprintf(row.shape, sizeof row.shape, "bf16 R %lld D %lld inner %lld %s", (long long)c.R,
                   (long long)c.D, (long long)c.I, c.activation == BR_ACT_GELU ? "gelu" : "relu");
    row.gflop  = 4e-9 * (double)c.R * (double)c.D * (double)c.I;
    row.gbytes = 8e-9 * (double)c.R * (double)c.D;
    BR_TRY(st, case_open(bench->dev, &c));
    BR_TRY(st, forward_once(&c));
    BR_TRY(st, br_dev_sync(c.lane));
    BR_TRY(st, count_far(&c, &row.n_wrong));
    BR_TRY(st, device_time(c.lane, forward_once, &c, &row.times));
done:
    case_close(&c);
    device_print(bench, &row, st);
}

void device_bench_blocks(device_bench *bench)
{
    if (bench->is_small) {
        bench_case(bench, (block_case){.R = 40, .D = 32, .I = 128, .activation = BR_ACT_GELU});
        return;
    }
    /* a task's events; SASRec as RecBole and as pmixer have it, and a wide one */
    bench_case(bench, (block_case){.R = 262144, .D = 128, .I = 512, .activation = BR_ACT_GELU});
    bench_case(bench, (block_case){.R = 262144, .D = 128, .I = 128, .activation = BR_ACT_RELU});
    bench_case(bench, (block_case){.R = 262144, .D = 64, .I = 256, .activation = BR_ACT_GELU});
    bench_case(bench, (block_case){.R = 262144, .D = 256, .I = 1024, .activation = BR_ACT_GELU});
}
