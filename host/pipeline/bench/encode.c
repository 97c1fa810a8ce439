/* SPDX-License-Identifier: Apache-2.0
 *
 * Suite `encode`: the stages encode and fuse on timelines that the rank generates for its own
 * customers (attention over browse events, decayed pooling of purchases, gated fusion). Reading is
 * not timed. Once per process; a pass is all customers of the rank, unit by unit. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/clock.h"
#include "host/base/memory.h"
#include "host/pipeline/bench/bench.h"
#include "host/pipeline/generate/generate.h"
#include "host/pipeline/stages.h"
#include "host/pipeline/stats/flops.h"

#define TOLERANCE_FP32                                                                             \
    2e-5 /* of max(1, largest value of the row): DESIGN's, x_u across backends                     \
          */
#define COSINE_BF16 0.999

/* A job over the generated files on one backend. */
typedef struct encode_side {
    br_config *config;
    br_setup  *setup;
    br_job    *job;
    br_batch   batch;
    float     *x_BD; /* of the batch */
} encode_side;

typedef struct encode_state {
    char        folder[BR_BENCH_PATH_BYTES];
    encode_side side;
} encode_state;

static br_status generate(const br_bench *bench, const char *folder)
{
    const br_bench_options   *o = bench->o;
    const br_generate_options g = {.out_dir        = folder,
                                   .first_customer = bench->rows.first,
                                   .n_customers    = bench->rows.n,
                                   .n_items        = o->n_items,
                                   .n_browse       = o->n_events,
                                   .n_purchase     = 20,
                                   .spread         = 0.5,
                                   .dim            = o->dim,
                                   .seed           = o->seed};

    return br_job_generate(&g);
}

static void side_close(encode_side *side)
{
    br_free(&side->x_BD);
    br_batch_free(&side->batch);
    br_job_close(&side->job);
    br_setup_close(&side->setup);
    br_config_close(&side->config);
}

static br_status side_open(encode_side *side, const br_bench *bench, const char *folder,
                           const char *backend)
{
    br_status st = BR_OK;
    char      text[512];

    (void)snprintf(text, sizeof text,
                   "{\"input\": {\"customers\": \"customers.h5\", \"catalogue\": \"catalogue.h5\", "
                   "\"model\": \"model\"}, \"output\": {\"path\": \"run\"}, \"list\": {\"k\": 1, "
                   "\"fallback\": \"none\"}, \"run\": {\"backend\": \"%s\", \"threads\": %lld, "
                   "\"precision\": \"%s\"}}",
                   backend, (long long)bench->o->n_threads, bench->o->is_bf16 ? "bf16" : "fp32");
    BR_TRY(st, br_config_parse("bench", text, folder, &side->config));
    BR_TRY(st, br_config_check(side->config));
    BR_TRY(st, br_setup_open(side->config, &side->setup));
    BR_TRY(st, br_setup_plan_units(side->setup));
    BR_TRY(st, br_job_open(side->setup, &side->job));
    BR_TRY(st, br_job_alloc_batch(side->job, &side->batch));
    BR_ALLOC(st, side->x_BD, side->job->max_rows * side->setup->dim, "vectors");
done:
    return st;
}

/* x_u of the batch's rows, on the host; what encode and fuse took. */
static br_status encode_batch(encode_side *side, br_bench_pass *pass)
{
    br_status st    = BR_OK;
    br_batch *batch = &side->batch;
    double    start_s;

    BR_TRY(st, br_stage_read(side->job, batch));
    start_s = br_clock_wall_s();
    BR_TRY(st, br_stage_encode(side->job, batch, &pass->cpu_s));
    BR_TRY(st, br_stage_fuse(side->job, batch, &pass->cpu_s));
    pass->wall_s += br_clock_wall_s() - start_s;
    BR_TRY(st, br_download(side->job->dev, br_mat_rows(batch->x_BD, 0, batch->n_rows), side->x_BD));
done:
    return st;
}

static const char *const backend_name[] = {"auto", "ref", "cpu", "cuda"};

static br_status suite_open(br_bench *bench)
{
    br_status     st = BR_OK;
    encode_state *s  = NULL;

    BR_ALLOC(st, s, 1, "bench");
    bench->state = s;
    BR_TRY(st, br_bench_folder_make(bench->o->work, s->folder));
    BR_TRY(st, generate(bench, s->folder));
    BR_TRY(st, side_open(&s->side, bench, s->folder, backend_name[bench->o->backend]));
    bench->n_lanes = s->side.job->n_lanes;
    (void)snprintf(bench->device, sizeof bench->device, "%s", br_dev_description(s->side.job->dev));
done:
    return st;
}

static double flop_done(const br_job *job)
{
    return job->timing.stage[BR_STAGE_ENCODE].flop + job->timing.stage[BR_STAGE_FUSE].flop;
}

static br_status suite_pass(br_bench *bench, br_bench_pass *pass)
{
    br_status     st   = BR_OK;
    encode_state *s    = bench->state;
    br_job       *job  = s->side.job;
    double        flop = flop_done(job);
    int64_t       dim  = s->side.setup->dim;

    for (int64_t u = 0; u < s->side.setup->n_units; u++) {
        br_batch *batch = &s->side.batch;

        br_batch_take_unit(batch, s->side.setup, u);
        BR_TRY(st, encode_batch(&s->side, pass));
        for (int64_t b = 0; b < batch->n_rows; b++)
            br_bench_hash_add(&pass->hash, bench->rows.first + batch->first_row + b, NULL,
                              s->side.x_BD + b * dim, dim);
    }
    bench->flop = flop_done(job) - flop;
done:
    return st;
}

/* Is x within what is promised of the reference's? */
static bool agrees(const float *x_D, const float *ref_D, int64_t dim, bool is_bf16)
{
    double dot = 0.0, x2 = 0.0, r2 = 0.0, most = 1.0, off = 0.0;

    for (int64_t d = 0; d < dim; d++) {
        dot += (double)x_D[d] * ref_D[d];
        x2 += (double)x_D[d] * x_D[d];
        r2 += (double)ref_D[d] * ref_D[d];
        most = fmax(most, fabs((double)ref_D[d]));
        off  = fmax(off, fabs((double)x_D[d] - ref_D[d]));
    }
    if (is_bf16)
        return dot >= COSINE_BF16 * sqrt(x2 * r2);
    return off <= TOLERANCE_FP32 * most; /* false for NaN */
}

/* The first customers of the rank, by the reference in fp32. */
static br_status suite_check(br_bench *bench, int64_t *n_checked, int64_t *n_wrong)
{
    br_status        st     = BR_OK;
    encode_state    *s      = bench->state;
    br_bench_options fp32   = *bench->o;
    br_bench         exact  = *bench;
    encode_side      ref    = {0};
    br_bench_pass    unused = {0};
    int64_t          n = bench->o->n_checked < bench->rows.n ? bench->o->n_checked : bench->rows.n;
    int64_t          dim = s->side.setup->dim;

    *n_checked   = n;
    *n_wrong     = 0;
    fp32.is_bf16 = false;
    exact.o      = &fp32;
    if (n == 0)
        return BR_OK;
    BR_TRY(st, side_open(&ref, &exact, s->folder, "ref"));
    br_batch_take_unit(&ref.batch, ref.setup, 0);
    br_batch_take_unit(&s->side.batch, s->side.setup, 0);
    n                = n < ref.batch.n_rows ? n : ref.batch.n_rows;
    ref.batch.n_rows = s->side.batch.n_rows = *n_checked = n;
    BR_TRY(st, encode_batch(&ref, &unused));
    BR_TRY(st, encode_batch(&s->side, &unused));
    for (int64_t b = 0; b < n; b++)
        *n_wrong += !agrees(s->side.x_BD + b * dim, ref.x_BD + b * dim, dim, bench->o->is_bf16);
done:
    side_close(&ref);
    return st;
}

static void suite_close(br_bench *bench)
{
    encode_state *s = bench->state;

    if (s == NULL)
        return;
    side_close(&s->side);
    br_bench_folder_remove(s->folder);
    br_free(&bench->state);
}

const br_bench_suite br_bench_encode = {.name   = "encode",
                                        .hashed = "bits of every x_u",
                                        .open   = suite_open,
                                        .pass   = suite_pass,
                                        .check  = suite_check,
                                        .close  = suite_close};
