/* SPDX-License-Identifier: Apache-2.0
 *
 * Two matrices in, one file of lists out. Customers are read in blocks, scored in tiles over the
 * lanes. Called once per process. */
#include "host/pipeline/vectors/topk.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/base/clock.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/io/lists.h"
#include "host/io/matrix.h"
#include "host/io/never_lists.h"
#include "host/io/publish.h"
#include "host/pipeline/lanes.h"
#include "host/pipeline/stats/timing.h"

#define MOST_ROWS  65536 /* of a block */
#define BLOCK_FLOP 4e11  /* of a block and lane: seconds, so that progress and Ctrl-C are seen */
#define TILE_ROWS  256
#define MAX_LANES  256

typedef struct topk_job {
    const br_topk_options *o;
    br_matrix             *customers;
    br_matrix             *items;
    int64_t                U, N, D;
    br_keys                item_key;
    br_never_lists         never;
    br_lists               lists; /* of all customers */
    br_dev                *dev;
    int32_t                n_lanes;
    int64_t                tile_rows;
    br_dev                *lane[MAX_LANES];
    br_mat                 item_ND, bias_N, query_BD, item_BK, score_BK;
    br_mat                 never_offset_B1, never_item_S;
    br_items              *prepared;
    float                 *block_BD;
    int64_t                block_rows;
    int64_t                first_row; /* of the block */
    int64_t                n_rows;
    int64_t                n_slow;
} topk_job;

/* Found before the work, not after: a place that cannot be written, or that holds an input. */
static br_status check_out(const br_topk_options *o)
{
    const char *const where[] = {o->customers, o->items,     o->bias,
                                 o->exclude,   o->item_keys, o->customer_keys};
    char              path[6][PATH_MAX];
    const char       *inputs[6];
    const char       *dataset;

    for (int i = 0; i < 6; i++)
        inputs[i] =
            where[i] != NULL && br_matrix_split_h5(where[i], path[i], sizeof path[i], &dataset)
                ? path[i]
                : where[i];
    return br_publish_check_target(o->out, inputs, 6);
}

static br_status open_inputs(topk_job *j)
{
    br_status st = BR_OK;

    BR_TRY(st, br_matrix_open(j->o->customers, &j->customers));
    BR_TRY(st, br_matrix_open(j->o->items, &j->items));
    j->U = br_matrix_n_rows(j->customers);
    j->N = br_matrix_n_rows(j->items);
    j->D = br_matrix_n_cols(j->items);
    if (br_matrix_n_cols(j->customers) != j->D)
        BR_FAIL(st, BR_E_INPUT, "%s: found %lld columns, expected %lld as in %s", j->o->customers,
                (long long)br_matrix_n_cols(j->customers), (long long)j->D, j->o->items);
    if (j->N < 1 || j->N > INT32_MAX || j->D > 1024)
        BR_FAIL(st, BR_E_INPUT, "%s: found [%lld, %lld], expected 1..%d rows and 1..1024 columns",
                j->o->items, (long long)j->N, (long long)j->D, INT32_MAX);
    if (j->o->item_keys != NULL) {
        BR_TRY(st, br_matrix_read_keys(j->o->item_keys, j->N, &j->item_key));
        BR_TRY(st, br_keys_check_unique(&j->item_key, j->o->item_keys, 0));
    }
    if (j->o->exclude != NULL)
        BR_TRY(st, br_never_lists_read(j->o->exclude, j->U, j->N, &j->never));
done:
    return st;
}

/* Row numbers stand in where no keys are given. */
static br_status number_keys(int64_t n, br_keys *out)
{
    br_status st = BR_OK;

    *out = (br_keys){.is_number = true, .width_bytes = 8, .n_keys = n};
    BR_TRY(st, br_alloc(n, 8, "row numbers", (void **)&out->data));
    for (int64_t i = 0; i < n; i++)
        memcpy(out->data + i * 8, &(uint64_t){(uint64_t)i}, 8);
done:
    return st;
}

static br_status alloc_lists(topk_job *j)
{
    br_status st      = BR_OK;
    br_lists *l       = &j->lists;
    int64_t   n_slots = j->U * j->o->k;
    double    need    = 2.0 * (double)n_slots * 9.0 + 2.0 * (double)j->U * 40.0;
    double    have    = (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);

    br_log(BR_LOG_INFO, "topk", "%lld customers x %lld items, D %lld, k %lld: %.1f MiB for lists",
           (long long)j->U, (long long)j->N, (long long)j->D, (long long)j->o->k, need / 1048576.0);
    if (j->o->k > j->N)
        br_log(BR_LOG_WARN, "topk", "k is %lld, but there are %lld items: every list is short",
               (long long)j->o->k, (long long)j->N);
    if (need > (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE))
        BR_FAIL(st, BR_E_MEMORY,
                "%s: the lists need %.1f GiB of memory, %.1f GiB are free: split "
                "the customers, or use `batchrank run`, which writes parts",
                j->o->out, need / 1073741824.0, have / 1073741824.0);
    l->n_rows = j->U;
    l->k      = (int32_t)j->o->k;
    BR_ALLOC(st, l->n_B, j->U, "list lengths");
    BR_ALLOC(st, l->flags_B, j->U, "list flags");
    BR_ALLOC(st, l->item_BK, n_slots, "list items");
    BR_ALLOC(st, l->score_BK, n_slots, "list scores");
    BR_ALLOC(st, l->source_BK, n_slots, "list sources");
    if (j->o->customer_keys != NULL)
        BR_TRY(st, br_matrix_read_keys(j->o->customer_keys, j->U, &l->key));
    else
        BR_TRY(st, number_keys(j->U, &l->key));
    if (j->item_key.n_keys == 0)
        BR_TRY(st, number_keys(j->N, &j->item_key));
done:
    return st;
}

static br_status place_items(topk_job *j)
{
    br_status  st   = BR_OK;
    float     *host = NULL;
    br_matrix *bias = NULL;

    BR_ALLOC(st, host, j->N * j->D, "item vectors");
    BR_TRY(st, br_matrix_read(j->items, 0, j->N, host));
    BR_TRY(st, br_dev_alloc(j->dev, BR_F32, j->N, j->D, &j->item_ND));
    BR_TRY(st, br_upload(j->dev, j->item_ND, host));
    if (j->o->bias != NULL) {
        BR_TRY(st, br_matrix_open(j->o->bias, &bias));
        if (br_matrix_n_rows(bias) != j->N || br_matrix_n_cols(bias) != 1)
            BR_FAIL(st, BR_E_INPUT, "%s: found [%lld, %lld], expected [%lld], one per item",
                    j->o->bias, (long long)br_matrix_n_rows(bias),
                    (long long)br_matrix_n_cols(bias), (long long)j->N);
        BR_TRY(st, br_matrix_read(bias, 0, j->N, host));
        BR_TRY(st, br_dev_alloc(j->dev, BR_F32, j->N, 1, &j->bias_N));
        BR_TRY(st, br_upload(j->dev, j->bias_N, host));
    }
    BR_TRY(st, br_items_prepare(j->dev,
                                &(br_items_args){.item_ND      = j->item_ND,
                                                 .bias_N       = j->bias_N,
                                                 .k            = (int32_t)j->o->k,
                                                 .is_witnessed = true},
                                &j->prepared));
done:
    br_matrix_close(&bias);
    br_free(&host);
    return st;
}

/* Customers read, scored and reported at a time; the lists do not depend on it. */
static int64_t block_rows_of(const topk_job *j)
{
    double  rows = BLOCK_FLOP * j->n_lanes / (2.0 * (double)j->N * (double)j->D);
    int64_t step = (int64_t)j->n_lanes * j->tile_rows, n = MOST_ROWS;

    if (rows < (double)MOST_ROWS)
        n = ((int64_t)rows + step - 1) / step * step;
    n = n < MOST_ROWS ? n : MOST_ROWS;
    n = n < j->U ? n : j->U;
    return n > 0 ? n : 1;
}

static br_status open_device(topk_job *j)
{
    br_status st = BR_OK;
    br_grain  grain;
    int64_t   rows;

    BR_TRY(st, br_dev_open(j->o->backend, 0, &j->dev));
    grain = br_dev_grain(j->dev);
    br_log(BR_LOG_INFO, "topk", "backend %s", br_dev_description(j->dev));
    j->n_lanes = grain.n_lanes > 0 ? grain.n_lanes : br_n_cores();
    if (j->o->n_threads > 0)
        j->n_lanes = (int32_t)j->o->n_threads;
    if (j->n_lanes > MAX_LANES)
        j->n_lanes = MAX_LANES;
    j->tile_rows = grain.n_rows > TILE_ROWS ? grain.n_rows : TILE_ROWS;
    for (int32_t i = 0; i < j->n_lanes; i++)
        BR_TRY(st,
               br_dev_open_lane(j->dev, br_score_topk_scratch_bytes(j->N, j->D, (int32_t)j->o->k),
                                &j->lane[i]));
    BR_TRY(st, place_items(j));
    rows = j->block_rows = block_rows_of(j);
    BR_ALLOC(st, j->block_BD, rows * j->D, "customer vectors");
    BR_TRY(st, br_dev_alloc(j->dev, BR_F32, rows, j->D, &j->query_BD));
    BR_TRY(st, br_dev_alloc(j->dev, BR_I32, rows, j->o->k, &j->item_BK));
    BR_TRY(st, br_dev_alloc(j->dev, BR_F32, rows, j->o->k, &j->score_BK));
    if (j->never.n_items > 0) {
        BR_TRY(st, br_dev_alloc(j->dev, BR_I64, j->U + 1, 1, &j->never_offset_B1));
        BR_TRY(st, br_upload(j->dev, j->never_offset_B1, j->never.offset_U1));
        BR_TRY(st, br_dev_alloc(j->dev, BR_I32, j->never.n_items, 1, &j->never_item_S));
        BR_TRY(st, br_upload(j->dev, j->never_item_S, j->never.item_S));
    }
done:
    return st;
}

/* Nothing is written that a device made which cannot add. */
static br_status fail_sums(const topk_job *j, br_rows rows, const br_witness *w)
{
    return br_fail(BR_E_SELFCHECK,
                   "device %s: %s row %lld: %lld sums of the score pass are wrong: the first in "
                   "panel %lld, found %.17g, expected %.17g",
                   br_dev_description(j->dev), j->o->customers,
                   (long long)(j->first_row + rows.first + w->row), (long long)w->n_wrong,
                   (long long)w->panel, w->found, w->expected);
}

static br_status score_rows(void *context, br_dev *lane, br_rows rows)
{
    br_status          st   = BR_OK;
    topk_job          *j    = context;
    br_score_topk_args args = {.items    = j->prepared,
                               .query_BD = br_mat_rows(j->query_BD, rows.first, rows.n),
                               .k        = (int32_t)j->o->k,
                               .item_BK  = br_mat_rows(j->item_BK, rows.first, rows.n),
                               .score_BK = br_mat_rows(j->score_BK, rows.first, rows.n)};

    if (j->never.n_items > 0) {
        args.never_offset_B1 =
            br_mat_rows(j->never_offset_B1, j->first_row + rows.first, rows.n + 1);
        args.never_item_S = j->never_item_S;
    }
    st = br_op_score_topk(lane, &args);
    if (st == BR_E_INPUT && args.bad_item >= 0)
        return br_fail(BR_E_INPUT,
                       "the score of %s row %lld and %s row %lld does not fit float32: "
                       "the vectors are too long",
                       j->o->customers, (long long)(j->first_row + rows.first + args.bad_row),
                       j->o->items, (long long)args.bad_item);
    __atomic_fetch_add(&j->n_slow, args.n_slow, __ATOMIC_RELAXED);
    if (st == BR_OK && args.witness.n_wrong > 0)
        return fail_sums(j, rows, &args.witness);
    return st == BR_OK ? br_dev_sync(lane) : st;
}

static br_status score_task(void *context, int lane, int64_t task)
{
    topk_job *j = context;

    return br_lane_run(j->lane[lane], br_rows_of_task(j->n_rows, j->tile_rows, task), score_rows,
                       j);
}

static void describe_rows(topk_job *j)
{
    for (int64_t u = j->first_row; u < j->first_row + j->n_rows; u++) {
        int32_t n = 0;

        while (n < j->lists.k && j->lists.item_BK[u * j->lists.k + n] >= 0)
            j->lists.source_BK[u * j->lists.k + n++] = BR_SOURCE_MODEL;
        j->lists.n_B[u]     = n;
        j->lists.flags_B[u] = n == j->lists.k ? 0 : n > 0 ? BR_FLAG_SHORT : BR_FLAG_NOTHING_ALLOWED;
    }
}

static br_status score_block(topk_job *j)
{
    br_status st = BR_OK;
    int64_t   at = j->first_row * j->o->k;

    BR_TRY(st, br_matrix_read(j->customers, j->first_row, j->n_rows, j->block_BD));
    BR_TRY(st, br_upload(j->dev, br_mat_rows(j->query_BD, 0, j->n_rows), j->block_BD));
    BR_TRY(st, br_dev_sync(j->dev)); /* the lanes read it */
    BR_TRY(st, br_parallel_for(j->n_lanes, (j->n_rows + j->tile_rows - 1) / j->tile_rows,
                               score_task, j, NULL));
    BR_TRY(st, br_download(j->dev, br_mat_rows(j->item_BK, 0, j->n_rows), j->lists.item_BK + at));
    BR_TRY(st, br_download(j->dev, br_mat_rows(j->score_BK, 0, j->n_rows), j->lists.score_BK + at));
    describe_rows(j);
done:
    return st;
}

static br_status write_lists(topk_job *j)
{
    br_status st      = BR_OK;
    void     *image   = NULL;
    size_t    n_bytes = 0;
    char      sha256[BR_DIGEST_TEXT_BYTES];

    if (br_lists_check(&j->lists, j->N, j->o->out) != BR_OK)
        BR_FAIL(st, BR_E_SELFCHECK, "device %s: %s", br_dev_description(j->dev),
                br_error_last()->text);
    BR_TRY(st, br_lists_image(&j->lists, &j->item_key, &image, &n_bytes));
    BR_TRY(st, br_digest_bytes(image, n_bytes, sha256));
    BR_TRY(st, br_publish_file(j->o->out, image, n_bytes));
    st = br_publish_read_back(j->o->out, sha256);
    if (st == BR_E_SELFCHECK)
        (void)unlink(j->o->out);
done:
    br_free(&image);
    return st;
}

static void close_job(topk_job *j)
{
    br_mat *mats[] = {&j->item_ND,  &j->bias_N,          &j->query_BD,    &j->item_BK,
                      &j->score_BK, &j->never_offset_B1, &j->never_item_S};

    br_items_free(&j->prepared);
    for (size_t i = 0; i < sizeof mats / sizeof *mats; i++)
        br_dev_free(mats[i]);
    for (int i = 0; i < MAX_LANES; i++)
        br_dev_close(&j->lane[i]);
    br_dev_close(&j->dev);
    br_free(&j->block_BD);
    br_lists_free(&j->lists);
    br_keys_free(&j->item_key);
    br_never_lists_free(&j->never);
    br_matrix_close(&j->customers);
    br_matrix_close(&j->items);
}

br_status br_job_topk(const br_topk_options *o)
{
    br_status st     = BR_OK;
    topk_job  j      = {.o = o};
    double    wall_s = 0.0;
    br_timing timing;

    BR_TRY(st, open_inputs(&j));
    BR_TRY(st, check_out(o));
    BR_TRY(st, alloc_lists(&j));
    BR_TRY(st, open_device(&j));
    br_timing_start(&timing, j.U > 0 ? j.U : 1, 1);
    wall_s = br_clock_wall_s();
    for (j.first_row = 0; j.first_row < j.U; j.first_row += j.block_rows) {
        BR_TRY(st, br_job_check_interrupt(o->out));
        j.n_rows = j.U - j.first_row < j.block_rows ? j.U - j.first_row : j.block_rows;
        BR_TRY(st, score_block(&j));
        br_timing_progress(&timing, j.n_rows);
    }
    br_log_progress(NULL);
    wall_s = br_clock_wall_s() - wall_s;
    BR_TRY(st, write_lists(&j));
    br_log(BR_LOG_INFO, "topk",
           "%s: %lld lists of %lld in %.3f s, %.0f customers/s, %.1f Gflop/s, "
           "%lld redone on the slow path",
           o->out, (long long)j.U, (long long)o->k, wall_s, (double)j.U / (wall_s + 1e-9),
           2e-9 * (double)j.U * (double)j.N * (double)j.D / (wall_s + 1e-9), (long long)j.n_slow);
done:
    close_job(&j);
    return st;
}
