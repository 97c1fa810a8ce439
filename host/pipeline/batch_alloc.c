/* SPDX-License-Identifier: Apache-2.0
 *
 * The fixed arrays of a batch, for the largest unit of the job. Called a few times per job. */
#include <stdio.h>

#include "host/base/memory.h"
#include "host/io/lists/slots.h"
#include "host/pipeline/choose/draw.h"
#include "host/pipeline/choose/weightings.h"
#include "host/pipeline/job.h"

/* Is there a fusion whose gates can be told? None where x_u is there already. */
static bool has_gates(const br_job *job)
{
    return job->setup->spec != NULL && job->setup->spec->is_fused &&
           job->config->vectors_from == NULL;
}

/* score_pairs reads by it what belongs to each row itself. */
static br_status count_rows(br_job *job, int64_t n, br_mat *out)
{
    br_status st     = BR_OK;
    int32_t  *self_B = NULL;

    BR_ALLOC(st, self_B, n, "row numbers");
    for (int64_t b = 0; b < n; b++)
        self_B[b] = (int32_t)b;
    BR_TRY(st, br_dev_alloc(job->dev, BR_I32, n, 1, out));
    BR_TRY(st, br_upload(job->dev, *out, self_B));
    BR_TRY(st, br_dev_sync(job->dev));
done:
    br_free(&self_B);
    return st;
}

/* What draws need and say. */
static br_status alloc_draws(br_job *job, br_batch *b)
{
    br_status st  = BR_OK;
    br_dev   *dev = job->dev;
    int64_t   n   = job->max_rows;

    if (job->config->policy_type == BR_POLICY_GREEDY)
        return BR_OK;
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n, 1, &b->heat_mat_B));
    BR_TRY(st, br_dev_alloc(dev, BR_U64, n, 1, &b->customer_mat_B));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n, job->k, &b->log_propensity_BK));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n, 1, &b->log_normaliser_B));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n, 1, &b->log_remaining_B));
done:
    return st;
}

static br_status alloc_drawn_parts(br_job *job, br_batch *b)
{
    br_status st  = BR_OK;
    br_dev   *dev = job->dev;
    int64_t   n = job->max_rows, m = br_draw_width(job->config);

    if (job->config->policy_type == BR_POLICY_GREEDY || job->setup->n_shards == 1)
        return BR_OK;
    BR_TRY(st, br_dev_alloc(dev, BR_I32, n, m, &b->part.item_BM));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n, m, &b->part.score_BM));
    BR_TRY(st, br_dev_alloc(dev, BR_F64, n, m, &b->part.key_BM));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n, 1, &b->part.best_B));
    BR_TRY(st, br_dev_alloc(dev, BR_I64, n, 1, &b->part.n_B));
    BR_TRY(st, br_dev_alloc(dev, BR_U64, n, 2, &b->part.left_B2));
done:
    return st;
}

static br_status alloc_device(br_job *job, br_batch *b)
{
    br_status       st  = BR_OK;
    const br_setup *s   = job->setup;
    br_dev         *dev = job->dev;
    int64_t         n   = job->max_rows;
    int64_t         S   = 0;

    for (int32_t m = 0; m < s->n_encoders; m++)
        S += s->spec->encoder[m].out_dim;
    if (S > 0)
        BR_TRY(st, br_dev_alloc(dev, BR_F32, n, S, &b->state_BS));
    if (has_gates(job)) {
        BR_TRY(st, br_dev_alloc(dev, BR_F32, n, s->n_encoders, &b->alpha_BM));
        BR_TRY(st, br_dev_alloc(dev, BR_F32, n, s->n_encoders, &b->gate_BM));
    }
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n, s->dim, &b->x_BD));
    BR_TRY(st, count_rows(job, n, &b->self_B));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n, 1, &b->square_B));
    if (s->require_N != NULL)
        BR_TRY(st, br_dev_alloc(dev, BR_U64, n, 1, &b->rule_have_B));
    BR_TRY(st, br_dev_alloc(dev, BR_U8, n, 1, &b->rule_wanted_B));
    BR_TRY(st, br_dev_alloc(dev, BR_I64, n + 1, 1, &b->rule_offset_B1));
    BR_TRY(st, br_dev_alloc(dev, BR_I32, n, job->k, &b->item_BK));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n, job->k, &b->score_BK));
    BR_TRY(st, alloc_draws(job, b));
    BR_TRY(st, alloc_drawn_parts(job, b));
    for (int32_t h = 0; h < s->n_heads; h++)
        BR_TRY(st, br_dev_alloc(dev, BR_F32, n, job->k, &b->probability_BK[h]));
    for (int32_t t = 0; t < s->objective.n_terms; t++)
        BR_TRY(st, br_dev_alloc(dev, BR_F32, n, job->k, &b->term_BK[t]));
    for (int32_t h = 0; h < s->n_curves; h++)
        BR_TRY(st, br_dev_alloc(dev, BR_F32, n, s->spec->head[s->curve[h]].n_periods,
                                &b->hazard_BP[h]));
done:
    return st;
}

static br_status alloc_gates(const br_job *job, br_lists *lists)
{
    br_status       st = BR_OK;
    const br_setup *s  = job->setup;
    int64_t         n  = job->max_rows * s->n_encoders;

    if (!has_gates(job))
        return BR_OK;
    BR_ALLOC(st, lists->alpha_BM, n, "attention of modalities");
    BR_ALLOC(st, lists->gate_BM, n, "gates of modalities");
    for (int32_t m = 0; m < s->n_encoders; m++)
        (void)snprintf(lists->gate_name[m], BR_LISTS_NAME_BYTES, "%s", s->feed[m].name);
    lists->n_gates = job->config->output_gates ? s->n_encoders : 0;
done:
    return st;
}

static br_status alloc_survival(const br_job *job, br_lists *lists)
{
    br_status       st = BR_OK;
    const br_setup *s  = job->setup;

    lists->n_curves = s->n_curves;
    for (int32_t h = 0; h < s->n_curves; h++) {
        const br_head_spec *head = &s->spec->head[s->curve[h]];
        br_curve           *out  = &lists->curve[h];

        (void)snprintf(out->name, sizeof out->name, "%s", head->name);
        out->n_periods = head->n_periods;
        out->period_s  = head->period_s;
        BR_ALLOC(st, out->survival_BP, job->max_rows * head->n_periods, "survival");
    }
done:
    return st;
}

/* A column per term, then one per penalty. */
static void name_terms(const br_job *job, br_lists *lists)
{
    const br_objective *o = &job->setup->objective;

    lists->n_terms = o->n_terms + o->n_penalties;
    for (int32_t t = 0; t < lists->n_terms; t++)
        (void)snprintf(lists->term_name[t], BR_LISTS_NAME_BYTES, "%s",
                       t < o->n_terms ? o->term[t].name : o->penalty[t - o->n_terms].name);
}

static br_status alloc_lists(const br_job *job, br_lists *lists)
{
    br_status       st = BR_OK;
    const br_setup *s  = job->setup;
    int64_t         n  = job->max_rows;

    lists->k          = job->k;
    lists->n_heads    = s->n_heads;
    lists->vector_dim = job->config->output_vectors ? s->dim : 0;
    for (int32_t h = 0; h < s->n_heads; h++)
        (void)snprintf(lists->head_name[h], BR_LISTS_NAME_BYTES, "%s",
                       s->spec->head[s->head[h]].name);
    name_terms(job, lists);
    BR_TRY(st, br_slots_alloc(lists, n));
    BR_ALLOC(st, lists->log_normaliser_B, n, "log-normalisers");
    if (job->config->policy_type != BR_POLICY_GREEDY)
        BR_ALLOC(st, lists->log_remaining_B, n, "log of what remains");
    if (s->rulebook.n_holds > 0)
        BR_ALLOC(st, lists->rule_B, n, "rules that hold");
    BR_ALLOC(st, lists->arm_B, n, "arms");
    BR_ALLOC(st, lists->arm_probability_B, n, "arm probabilities");
    if (job->config->output_vectors)
        BR_ALLOC(st, lists->vector_BD, n * s->dim, "customer vectors");
    BR_TRY(st, alloc_survival(job, lists));
    BR_TRY(st, alloc_gates(job, lists));
    BR_TRY(st, br_stats_attach(&job->stats, lists));
done:
    return st;
}

br_status br_job_alloc_batch(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;

    BR_TRY(st, br_dev_open_lane(job->dev, 0, &batch->out_lane));
    BR_TRY(st, alloc_device(job, batch));
    BR_TRY(st, alloc_lists(job, &batch->lists));
    BR_TRY(st, br_weightings_alloc_batch(job, batch));
    BR_ALLOC(st, batch->host_square_B, job->max_rows, "squared norms");
    if (job->shaping != NULL) {
        BR_ALLOC(st, batch->source_BK, job->max_rows * job->k, "sources of shaped lists");
        BR_ALLOC(st, batch->short_B, job->max_rows, "shaped lists");
    }
done:
    return st;
}
