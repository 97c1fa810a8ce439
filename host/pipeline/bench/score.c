/* SPDX-License-Identifier: Apache-2.0
 *
 * Suite `score`: score_topk of customers against the whole catalogue, both made in place. Values
 * are sums of four 16-bit numbers, bell-shaped and exact in fp32, so that the lists are the same
 * bits on every machine and backend. Once per process; a pass is all customers of the rank. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/clock.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/pipeline/bench/bench.h"
#include "host/pipeline/generate/random.h"
#include "host/pipeline/lanes.h"

#define TILE_ROWS 256
#define FILL_ROWS 4096

enum { STREAM_CUSTOMER = 101, STREAM_ITEM, STREAM_BIAS };

typedef struct score_state {
    br_bench *bench;
    br_dev   *dev;
    br_dev   *lane[BR_MAX_LANES];
    int64_t   tile_rows;
    br_mat    item_ND, bias_N, query_BD, item_BK, score_BK;
    br_items *items;
    int32_t  *host_item_BK;
    float    *host_score_BK;
} score_state;

typedef struct filling {
    float   *to;
    int64_t  first_row, n_rows, n_cols;
    uint64_t seed, stream;
} filling;

static br_status fill_rows(void *context, int lane, int64_t task)
{
    const filling *f    = context;
    br_rows        rows = br_rows_of_task(f->n_rows, FILL_ROWS, task);

    (void)lane;
    for (int64_t i = rows.first * f->n_cols; i < (rows.first + rows.n) * f->n_cols; i++) {
        uint64_t bits =
            br_random_bits(f->seed, f->stream, (uint64_t)(f->first_row * f->n_cols + i));
        int64_t sum = (int64_t)(bits & 0xFFFF) + (int64_t)(bits >> 16 & 0xFFFF) +
                      (int64_t)(bits >> 32 & 0xFFFF) + (int64_t)(bits >> 48);

        f->to[i] = (float)(sum - 2 * 65535) * 0x1p-15f;
    }
    return BR_OK;
}

/* Rows [first_row, first_row + n_rows) of a matrix without end, onto a device. */
static br_status place(br_dev *dev, int n_threads, filling f, br_mat *out)
{
    br_status st = BR_OK;

    BR_ALLOC(st, f.to, f.n_rows * f.n_cols, "vectors");
    BR_TRY(st,
           br_parallel_for(n_threads, (f.n_rows + FILL_ROWS - 1) / FILL_ROWS, fill_rows, &f, NULL));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, f.n_rows, f.n_cols, out));
    BR_TRY(st, br_upload(dev, *out, f.to));
done:
    br_free(&f.to);
    return st;
}

static br_status place_all(score_state *s, int64_t n_rows)
{
    br_status               st    = BR_OK;
    const br_bench_options *o     = s->bench->o;
    uint64_t                seed  = (uint64_t)o->seed;
    br_items_args           items = {.k = (int32_t)o->k};
    int                     n     = br_n_cores();

    BR_TRY(st, place(s->dev, n,
                     (filling){.first_row = s->bench->rows.first,
                               .n_rows    = n_rows,
                               .n_cols    = o->dim,
                               .seed      = seed,
                               .stream    = STREAM_CUSTOMER},
                     &s->query_BD));
    BR_TRY(st,
           place(s->dev, n,
                 (filling){
                     .n_rows = o->n_items, .n_cols = o->dim, .seed = seed, .stream = STREAM_ITEM},
                 &s->item_ND));
    BR_TRY(st,
           place(s->dev, n,
                 (filling){.n_rows = o->n_items, .n_cols = 1, .seed = seed, .stream = STREAM_BIAS},
                 &s->bias_N));
    BR_TRY(st, br_dev_alloc(s->dev, BR_I32, n_rows, o->k, &s->item_BK));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, n_rows, o->k, &s->score_BK));
    items.item_ND = s->item_ND;
    items.bias_N  = s->bias_N;
    BR_TRY(st, br_items_prepare(s->dev, &items, &s->items));
    BR_TRY(st, br_dev_sync(s->dev));
    BR_ALLOC(st, s->host_item_BK, n_rows * o->k, "items of lists");
    BR_ALLOC(st, s->host_score_BK, n_rows * o->k, "scores of lists");
done:
    return st;
}

static void close_state(score_state *s)
{
    br_mat *mats[] = {&s->item_ND, &s->bias_N, &s->query_BD, &s->item_BK, &s->score_BK};

    br_items_free(&s->items);
    for (size_t i = 0; i < sizeof mats / sizeof *mats; i++)
        br_dev_free(mats[i]);
    for (int i = 0; i < BR_MAX_LANES; i++)
        br_dev_close(&s->lane[i]);
    br_dev_close(&s->dev);
    br_free(&s->host_item_BK);
    br_free(&s->host_score_BK);
}

static br_status open_state(score_state *s, br_backend backend, int32_t n_lanes, int64_t n_rows)
{
    br_status               st = BR_OK;
    const br_bench_options *o  = s->bench->o;
    br_grain                grain;

    BR_TRY(st, br_dev_open(backend, 0, &s->dev));
    grain             = br_dev_grain(s->dev);
    s->tile_rows      = grain.n_rows > TILE_ROWS ? grain.n_rows : TILE_ROWS;
    s->bench->n_lanes = n_lanes > 0 ? n_lanes : grain.n_lanes > 0 ? grain.n_lanes : br_n_cores();
    for (int i = 0; i < s->bench->n_lanes; i++)
        BR_TRY(st, br_dev_open_lane(s->dev,
                                    br_score_topk_scratch_bytes(o->n_items, o->dim, (int32_t)o->k),
                                    &s->lane[i]));
    BR_TRY(st, place_all(s, n_rows));
done:
    return st;
}

static br_status score_rows(void *context, br_dev *lane, br_rows rows)
{
    br_status          st   = BR_OK;
    score_state       *s    = context;
    br_score_topk_args args = {.items    = s->items,
                               .query_BD = br_mat_rows(s->query_BD, rows.first, rows.n),
                               .k        = (int32_t)s->bench->o->k,
                               .item_BK  = br_mat_rows(s->item_BK, rows.first, rows.n),
                               .score_BK = br_mat_rows(s->score_BK, rows.first, rows.n)};

    BR_TRY(st, br_op_score_topk(lane, &args));
    BR_TRY(st, br_dev_sync(lane));
done:
    return st;
}

static br_status score_task(void *context, int lane, int64_t task)
{
    score_state *s = context;

    return br_lane_run(s->lane[lane], br_rows_of_task(s->query_BD.n_rows, s->tile_rows, task),
                       score_rows, s);
}

static br_status score_all(score_state *s, int32_t n_lanes, double *cpu_s)
{
    br_status st = BR_OK;
    int64_t   n  = s->query_BD.n_rows;

    BR_TRY(st,
           br_parallel_for(n_lanes, (n + s->tile_rows - 1) / s->tile_rows, score_task, s, cpu_s));
done:
    return st;
}

static br_status fetch(score_state *s)
{
    br_status st = BR_OK;

    BR_TRY(st, br_download(s->dev, s->item_BK, s->host_item_BK));
    BR_TRY(st, br_download(s->dev, s->score_BK, s->host_score_BK));
done:
    return st;
}

static br_status suite_open(br_bench *bench)
{
    br_status    st = BR_OK;
    score_state *s  = NULL;

    BR_ALLOC(st, s, 1, "bench");
    bench->state = s;
    s->bench     = bench;
    BR_TRY(st, open_state(s, bench->o->backend, (int32_t)bench->o->n_threads, bench->rows.n));
    (void)snprintf(bench->device, sizeof bench->device, "%s", br_dev_description(s->dev));
    bench->flop = 2.0 * (double)bench->rows.n * (double)bench->o->n_items * (double)bench->o->dim;
done:
    return st;
}

static br_status suite_pass(br_bench *bench, br_bench_pass *pass)
{
    br_status    st      = BR_OK;
    score_state *s       = bench->state;
    double       start_s = br_clock_wall_s();
    int64_t      k       = bench->o->k;

    BR_TRY(st, score_all(s, bench->n_lanes, &pass->cpu_s));
    pass->wall_s = br_clock_wall_s() - start_s;
    BR_TRY(st, fetch(s));
    for (int64_t b = 0; b < bench->rows.n; b++) {
        int64_t n = 0;

        while (n < k && s->host_item_BK[b * k + n] >= 0)
            n++;
        br_bench_hash_add(&pass->hash, bench->rows.first + b, s->host_item_BK + b * k,
                          s->host_score_BK + b * k, n);
    }
done:
    return st;
}

/* The first customers of the rank, by the reference. */
static br_status suite_check(br_bench *bench, int64_t *n_checked, int64_t *n_wrong)
{
    br_status    st     = BR_OK;
    score_state *s      = bench->state;
    br_bench     copy   = *bench;
    score_state  ref    = {.bench = &copy};
    int64_t      k      = bench->o->k;
    double       unused = 0.0;

    *n_checked = bench->o->n_checked < bench->rows.n ? bench->o->n_checked : bench->rows.n;
    *n_wrong   = 0;
    if (*n_checked == 0)
        return BR_OK;
    BR_TRY(st, open_state(&ref, BR_BACKEND_REF, br_n_cores(), *n_checked));
    ref.tile_rows = 1;
    BR_TRY(st, score_all(&ref, copy.n_lanes, &unused));
    BR_TRY(st, fetch(&ref));
    for (int64_t b = 0; b < *n_checked; b++)
        *n_wrong += memcmp(ref.host_item_BK + b * k, s->host_item_BK + b * k,
                           (size_t)k * sizeof(int32_t)) != 0 ||
                    memcmp(ref.host_score_BK + b * k, s->host_score_BK + b * k,
                           (size_t)k * sizeof(float)) != 0;
done:
    close_state(&ref);
    return st;
}

static void suite_close(br_bench *bench)
{
    if (bench->state != NULL)
        close_state(bench->state);
    br_free(&bench->state);
}

const br_bench_suite br_bench_score = {.name   = "score",
                                       .hashed = "items and score bits of every list",
                                       .open   = suite_open,
                                       .pass   = suite_pass,
                                       .check  = suite_check,
                                       .close  = suite_close};
