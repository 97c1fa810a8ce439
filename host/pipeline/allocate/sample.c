/* SPDX-License-Identifier: Apache-2.0
 *
 * First prices, from a sample of the customers. Called once per constrained job. */
#include <math.h>

#include "host/base/hash.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/pipeline/allocate/fleet.h"
#include "host/pipeline/job.h"
#include "host/pipeline/stages.h"

#define N_BLOCKS  64   /* of neighbours: each from another part of the file */
#define WIDTH     1024 /* candidates: prices of items that few get come from far down */
#define TOLERANCE 2e-5
#define PASSES    100.0

typedef struct sample {
    br_fleet     *fleet;
    br_config    *config;
    br_setup     *setup;
    br_job       *job;
    br_shortlists shortlists;
    int64_t      *capacity_N;
    int64_t       n_taken; /* rows, while a pass goes on */
} sample;

/* Prices decide whom shortlists hold only where candidates are the best by score less price. */
static bool is_wanted(const br_fleet *f)
{
    const br_setup *s = f->setup;

    return s->config->constraints_sample > 0 &&
           2 * s->config->constraints_sample < f->shortlists.n_rows &&
           s->objective.type != BR_OBJECTIVE_EXPECTED_VALUE && s->objective.n_repetitions == 0;
}

/* One block from each of N_BLOCKS parts of the rows, at a place by chance. */
static br_status choose_rows(br_setup *s, int64_t n_wanted, int64_t n_rows)
{
    br_status st       = BR_OK;
    int64_t   n_blocks = n_wanted < N_BLOCKS ? n_wanted : N_BLOCKS;

    br_free(&s->unit_rows);
    s->n_units = n_blocks;
    BR_ALLOC(st, s->unit_rows, n_blocks, "sampled rows");
    for (int64_t i = 0; i < n_blocks; i++) {
        int64_t from = i * n_rows / n_blocks, to = (i + 1) * n_rows / n_blocks;
        int64_t n = n_wanted / n_blocks, spare = to - from - n;

        s->unit_rows[i].first =
            from + (int64_t)(br_hash_bytes(&i, sizeof i) % (uint64_t)(spare + 1));
        s->unit_rows[i].n = n;
    }
done:
    return st;
}

static br_status open_sample(sample *p)
{
    br_status        st     = BR_OK;
    const br_setup  *whole  = p->fleet->setup;
    const br_config *config = whole->config;
    int32_t          width  = (int32_t)(whole->n_listed < WIDTH ? whole->n_listed : WIDTH);
    int64_t          n_rows = config->constraints_sample / N_BLOCKS * N_BLOCKS;

    if (n_rows == 0)
        n_rows = config->constraints_sample;
    if (width < config->list_k)
        width = (int32_t)config->list_k;
    BR_TRY(st, br_shortlists_config(config, width, config->output_path, NULL, &p->config));
    BR_TRY(st, br_config_set(p->config, "list.probabilities=false"));
    BR_TRY(st, br_config_set(p->config, "output.vectors=false"));
    BR_TRY(st, br_config_set(p->config, "output.gates=false"));
    BR_TRY(st, br_setup_open(p->config, &p->setup));
    BR_TRY(st, br_setup_plan_units(p->setup));
    BR_TRY(st, choose_rows(p->setup, n_rows, p->fleet->shortlists.n_rows));
    BR_TRY(st, br_job_open(p->setup, &p->job));
    BR_TRY(st, br_shortlists_open(p->setup, n_rows, &p->shortlists));
    BR_TRY(st, br_shortlists_begin(&p->shortlists, width));
done:
    return st;
}

static br_status take(void *context, br_job *job, br_batch *batch)
{
    br_status st = BR_OK;
    sample   *p  = context;

    BR_TRY(st, br_stage_policy(job, batch));
    br_shortlists_take(&p->shortlists, &batch->lists, p->n_taken, NULL);
    p->n_taken += batch->n_rows;
done:
    return st;
}

/* An item of few units is priced by chance in a sample. Priced too high it would be in nobody's
 * shortlist, too low it is in too many: so each has a unit more of the sample. */
static br_status widen_capacities(sample *p, double share)
{
    br_status      st         = BR_OK;
    const int64_t *capacity_N = p->fleet->constraints.capacity_N;
    int64_t        more       = (int64_t)(1.0 / share);

    if (capacity_N == NULL)
        return BR_OK;
    BR_ALLOC(st, p->capacity_N, p->shortlists.n_items, "capacities of a sample");
    for (int64_t i = 0; i < p->shortlists.n_items; i++) {
        bool is_widened = capacity_N[i] > 0 && capacity_N[i] <= INT64_MAX - more;

        p->capacity_N[i] = capacity_N[i] + (is_widened ? more : 0);
    }
done:
    return st;
}

static br_status solve(sample *p)
{
    br_status            st   = BR_OK;
    br_fleet            *f    = p->fleet;
    const br_config     *c    = f->setup->config;
    const br_shortlists *l    = &p->shortlists;
    br_allocate_args     args = {.n_rows     = l->n_rows,
                                 .n_items    = (int32_t)l->n_items,
                                 .width      = l->width,
                                 .n_kept     = f->k,
                                 .item_BM    = l->item_UM,
                                 .utility_BM = l->score_UM,
                                 .n_limits   = f->constraints.n_limits,
                                 .limit_L    = f->constraints.limit,
                                 .share      = (double)l->n_rows / (double)f->shortlists.n_rows,
                                 .floor      = br_shortlists_floor(l, c),
                                 .tolerance  = fmax(TOLERANCE, c->constraints_tolerance),
                                 .max_passes = PASSES,
                                 .n_lanes = c->run_threads > 0 ? (int)c->run_threads : br_n_cores(),
                                 .dual_C  = f->dual_C,
                                 .price_N = f->price_N,
                                 .report  = &f->report};

    BR_TRY(st, widen_capacities(p, args.share));
    args.capacity_N = p->capacity_N;
    BR_TRY(st, br_allocate_prices(&args));
    f->has_start = true;
    br_log(BR_LOG_INFO, "allocate", "first prices from %lld customers: places worth about %.3g",
           (long long)l->n_rows, f->report.dual_value / args.share);
done:
    return st;
}

br_status br_fleet_sample(br_fleet *fleet, bool *are_there)
{
    br_status st = BR_OK;
    sample    p  = {.fleet = fleet};

    *are_there = is_wanted(fleet);
    if (!*are_there)
        return BR_OK;
    BR_TRY(st, open_sample(&p));
    BR_TRY(st, br_job_pass(p.job, take, &p));
    BR_TRY(st, solve(&p));
done:
    br_free(&p.capacity_N);
    br_shortlists_close(&p.shortlists);
    br_job_close(&p.job);
    br_setup_close(&p.setup);
    br_config_close(&p.config);
    return st;
}
