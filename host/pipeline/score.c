/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 4: the k best eligible items of every customer (eq. 4), then the heads' probabilities for
 * those items (eq. 6, 9) and the survival heads' hazards (eq. 17). Tiles of customers over the
 * lanes; once per work unit. Of a shard of the catalogue, lists are merged in between (shards/). */
#include "host/base/parallel.h"
#include "host/pipeline/choose/choose.h"
#include "host/pipeline/choose/weightings.h"
#include "host/pipeline/lanes.h"
#include "host/pipeline/stages.h"
#include "host/pipeline/stats/flops.h"

typedef struct score_context {
    br_job    *job;
    br_batch  *batch;
    br_rows_fn step; /* enqueues the work of a task */
} score_context;

/* Never-lists and segment bits of the whole unit, onto the device. */
static br_status place_rules(br_job *job, br_batch *b)
{
    br_status st      = BR_OK;
    int64_t   n_never = b->held_offset_B1[b->n_rows];

    if (b->wanted_B != NULL)
        BR_TRY(st, br_upload(job->dev, br_mat_rows(b->rule_wanted_B, 0, b->n_rows), b->wanted_B));
    if (b->have_B != NULL)
        BR_TRY(st, br_upload(job->dev, br_mat_rows(b->rule_have_B, 0, b->n_rows), b->have_B));
    if (b->heat_B != NULL) {
        BR_TRY(st, br_upload(job->dev, br_mat_rows(b->heat_mat_B, 0, b->n_rows), b->heat_B));
        BR_TRY(st,
               br_upload(job->dev, br_mat_rows(b->customer_mat_B, 0, b->n_rows), b->customer_B));
    }
    if (n_never == 0)
        goto done;
    if (b->rule_never_S.n_rows < n_never) {
        br_dev_free(&b->rule_never_S);
        BR_TRY(st, br_dev_alloc(job->dev, BR_I32, n_never + n_never / 4, 1, &b->rule_never_S));
    }
    BR_TRY(st, br_upload(job->dev, br_mat_rows(b->rule_offset_B1, 0, b->n_rows + 1),
                         b->held_offset_B1));
    BR_TRY(st, br_upload(job->dev, br_mat_rows(b->rule_never_S, 0, n_never), b->held_item_S));
done:
    return st == BR_OK ? br_dev_sync(job->dev) : st; /* the lanes read it */
}

/* What a head's logits are made from: W_k x_u in scratch, or x_u itself (pair heads, the score). */
static br_status make_query(br_job *job, br_dev *lane, int32_t head, br_mat x_BD, br_mat *query_BD)
{
    br_status st = BR_OK;

    *query_BD = x_BD;
    if (head < 0 || job->setup->spec->head[head].kind == BR_HEAD_PAIR)
        return BR_OK;
    BR_TRY(st, br_dev_scratch(lane, BR_F32, x_BD.n_rows, job->setup->dim, query_BD));
    BR_TRY(st, br_model_head_query(job->model, lane, head, x_BD, *query_BD));
done:
    return st;
}

static br_status score_heads(const score_context *c, br_dev *lane, br_rows rows)
{
    br_status st = BR_OK;
    br_batch *b  = c->batch;
    br_mat    x  = br_mat_rows(b->x_BD, rows.first, rows.n);

    for (int32_t i = 0; i < c->job->setup->n_heads; i++) {
        size_t              mark = br_dev_mark(lane);
        int32_t             head = c->job->setup->head[i];
        br_score_pairs_args args = {.item_ND = c->job->item_ND,
                                    .bias_N  = c->job->head_bias_N[i],
                                    .item_BK = br_mat_rows(b->item_BK, rows.first, rows.n),
                                    .out_BK =
                                        br_mat_rows(b->probability_BK[i], rows.first, rows.n)};

        BR_TRY(st, make_query(c->job, lane, head, x, &args.query_BD));
        BR_TRY(st, br_model_head_pairs(c->job->model, lane, head, &args));
        BR_TRY(st, br_model_head_calibrate(c->job->model, lane, head, args.out_BK));
        br_dev_rewind(lane, mark);
    }
done:
    return st;
}

static br_status score_term_pairs(br_job *job, br_dev *lane, int32_t head,
                                  const br_score_pairs_args *args)
{
    br_status st = BR_OK;

    if (head < 0)
        return br_op_score_pairs(lane, args);
    BR_TRY(st, br_model_head_pairs(job->model, lane, head, args));
    if (job->setup->objective.type == BR_OBJECTIVE_EXPECTED_VALUE)
        BR_TRY(st, br_model_head_calibrate(job->model, lane, head, args->out_BK));
done:
    return st;
}

/* What the objective's terms are made of, for the listed items: logits, or probabilities. */
static br_status score_term(const score_context *c, br_dev *lane, br_rows rows, int32_t t)
{
    br_status           st   = BR_OK;
    br_job             *job  = c->job;
    int32_t             head = job->setup->objective.term[t].head;
    br_mat              x    = br_mat_rows(c->batch->x_BD, rows.first, rows.n);
    br_score_pairs_args args = {.item_ND = job->item_ND,
                                .bias_N  = head < 0 ? job->bias_N : job->term_bias_N[t],
                                .item_BK = br_mat_rows(c->batch->item_BK, rows.first, rows.n),
                                .out_BK  = br_mat_rows(c->batch->term_BK[t], rows.first, rows.n)};

    BR_TRY(st, make_query(job, lane, head, x, &args.query_BD));
    BR_TRY(st, score_term_pairs(job, lane, head, &args));
    for (int32_t v = 0; job->setup->is_sweep && v < c->batch->n_weighted; v++) {
        const br_weighted *w = &c->batch->weighted_V[v];

        args.item_BK = br_mat_rows(w->item_BK, rows.first, rows.n);
        args.out_BK  = br_mat_rows(w->term_BK[t], rows.first, rows.n);
        BR_TRY(st, score_term_pairs(job, lane, head, &args));
    }
done:
    return st;
}

static br_status score_terms(const score_context *c, br_dev *lane, br_rows rows)
{
    br_status st = BR_OK;

    for (int32_t t = 0; t < c->job->setup->objective.n_terms; t++) {
        size_t mark = br_dev_mark(lane);

        BR_TRY(st, score_term(c, lane, rows, t));
        br_dev_rewind(lane, mark);
    }
done:
    return st;
}

static br_status score_hazards(const score_context *c, br_dev *lane, br_rows rows)
{
    br_status st = BR_OK;
    br_batch *b  = c->batch;

    for (int32_t i = 0; i < c->job->setup->n_curves; i++)
        BR_TRY(st, br_model_head_hazards(c->job->model, lane, c->job->setup->curve[i],
                                         br_mat_rows(b->x_BD, rows.first, rows.n),
                                         br_mat_rows(b->hazard_BP[i], rows.first, rows.n)));
done:
    return st;
}

/* |x_u|^2, for the statistics: x_u itself stays where it is. */
static br_status square_norms(const score_context *c, br_dev *lane, br_rows rows)
{
    br_batch                 *b    = c->batch;
    br_mat                    x    = br_mat_rows(b->x_BD, rows.first, rows.n);
    const br_score_pairs_args args = {.query_BD = x,
                                      .item_ND  = x,
                                      .item_BK  = br_mat_rows(b->self_B, 0, rows.n),
                                      .out_BK   = br_mat_rows(b->square_B, rows.first, rows.n)};

    return br_op_score_pairs(lane, &args);
}

static br_status describe_rows(void *context, br_dev *lane, br_rows rows)
{
    br_status            st = BR_OK;
    const score_context *c  = context;

    BR_TRY(st, score_heads(c, lane, rows));
    BR_TRY(st, score_terms(c, lane, rows));
done:
    return st;
}

br_status br_stage_describe(br_job *job, br_batch *batch)
{
    br_status     st      = BR_OK;
    score_context context = {job, batch, NULL};

    BR_TRY(st, br_lane_run(job->lane[0], (br_rows){0, batch->n_rows}, describe_rows, &context));
    BR_TRY(st, br_dev_sync(job->lane[0]));
done:
    return st;
}

static br_status choose_rows(void *context, br_dev *lane, br_rows rows)
{
    br_status            st   = BR_OK;
    const score_context *c    = context;
    size_t               mark = br_dev_mark(lane);

    BR_TRY(st, br_choose_rows(c->job, c->batch, lane, rows));
    br_dev_rewind(lane, mark);
    BR_TRY(st, br_weightings_rows(c->job, c->batch, lane, rows));
done:
    return st;
}

/* All that is said of lists; of customers alone by the first of a team. */
static br_status tell_rows(void *context, br_dev *lane, br_rows rows)
{
    br_status            st   = BR_OK;
    const score_context *c    = context;
    size_t               mark = br_dev_mark(lane);

    BR_TRY(st, br_choose_tell_rows(c->job, c->batch, lane, rows));
    br_dev_rewind(lane, mark);
    BR_TRY(st, describe_rows(context, lane, rows));
    if (c->job->setup->shard == 0) {
        BR_TRY(st, score_hazards(c, lane, rows));
        BR_TRY(st, square_norms(c, lane, rows));
    }
done:
    return st;
}

static br_status score_rows(void *context, br_dev *lane, br_rows rows)
{
    br_status st = BR_OK;

    BR_TRY(st, choose_rows(context, lane, rows));
    BR_TRY(st, tell_rows(context, lane, rows));
done:
    return st;
}

static br_status run_step(void *context, br_dev *lane, br_rows rows)
{
    br_status            st = BR_OK;
    const score_context *c  = context;

    BR_TRY(st, c->step(context, lane, rows));
    BR_TRY(st, br_dev_sync(lane));
done:
    return st;
}

static br_status score_task(void *context, int lane, int64_t task)
{
    const score_context *c    = context;
    br_rows              rows = br_rows_of_task(c->batch->n_rows, c->job->score_rows, task);

    return br_lane_run(c->job->lane[lane], rows, run_step, context);
}

static br_status run_tasks(score_context *c, double *cpu_s)
{
    int64_t step = c->job->score_rows;

    return br_parallel_for(c->job->n_lanes, (c->batch->n_rows + step - 1) / step, score_task, c,
                           cpu_s);
}

br_status br_stage_tell(br_job *job, br_batch *batch, double *cpu_s)
{
    score_context context = {job, batch, tell_rows};

    return run_tasks(&context, cpu_s);
}

br_status br_stage_score(br_job *job, br_batch *batch, double *cpu_s)
{
    br_status     st      = BR_OK;
    score_context context = {job, batch, job->shards == NULL ? score_rows : choose_rows};

    batch->n_slow     = 0;
    batch->n_rescored = 0;
    batch->witness    = (br_witness){0};
    BR_TRY(st, place_rules(job, batch));
    br_weightings_begin(job, batch);
    BR_TRY(st, run_tasks(&context, cpu_s));
    br_weightings_end(job, batch);
    job->timing.stage[BR_STAGE_SCORE].flop +=
        br_flops_score(batch->n_rows, job->setup->held.n, job->setup->objective.width,
                       job->setup->n_heads) +
        batch->n_weighted *
            br_flops_score(batch->n_rows, job->setup->n_listed, job->setup->objective.width, 0) +
        br_flops_pairs(job->setup, batch->n_rows) +
        br_flops_hazards(batch->n_rows, job->setup->dim, job->setup->n_periods);
done:
    return st;
}
