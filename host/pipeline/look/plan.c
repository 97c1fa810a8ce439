/* SPDX-License-Identifier: Apache-2.0
 *
 * The `plan` job: what a run will take, from shapes, and from a few customers that go through the
 * stages on this machine. Called once per process. */
#include "host/base/clock.h"
#include "host/base/parallel.h"
#include "host/pipeline/job.h"
#include "host/pipeline/look/check.h"
#include "host/pipeline/look/footprint.h"
#include "host/pipeline/shards/shards.h"
#include "host/pipeline/stages.h"

#define BLOCK_ROWS_PER_LANE 512 /* two scoring tiles for each lane */
#define N_BLOCKS            4   /* spread evenly over the file; the first one only warms up */
#define MiB                 (1024.0 * 1024.0)

static br_status pass_block(br_job *job, br_batch *batch, int64_t first_row)
{
    br_status st    = BR_OK;
    double    cpu_s = 0.0;

    batch->first_row = first_row;
    batch->n_rows    = job->max_rows;
    BR_TRY(st, br_stage_read(job, batch));
    BR_TRY(st, br_stage_encode(job, batch, &cpu_s));
    BR_TRY(st, br_stage_fuse(job, batch, &cpu_s));
    BR_TRY(st, br_stage_score(job, batch, &cpu_s));
    BR_TRY(st, br_stage_policy(job, batch));
done:
    return st;
}

/* Seconds the whole job would take: opening it, then all customers at the blocks' speed. */
static br_status time_sample(br_setup *s, double *seconds, int64_t *n_sampled)
{
    br_status st      = BR_OK;
    br_job   *job     = NULL;
    br_batch  batch   = {0};
    int64_t   n       = br_customers_info_of(s->customers)->n_customers;
    double    start_s = br_clock_wall_s(), open_s;

    *n_sampled = 0;
    BR_TRY(st, br_job_open(s, &job));
    open_s        = br_clock_wall_s() - start_s;
    job->max_rows = (int64_t)BLOCK_ROWS_PER_LANE * job->n_lanes;
    if (job->max_rows > n)
        job->max_rows = n;
    BR_TRY(st, br_job_alloc_batch(job, &batch));
    for (int64_t i = 0; i < N_BLOCKS; i++) {
        BR_TRY(st, pass_block(job, &batch, (n - job->max_rows) * i / (N_BLOCKS - 1)));
        if (i == 0)
            start_s = br_clock_wall_s();
        else
            *n_sampled += job->max_rows;
    }
    *seconds = open_s + (br_clock_wall_s() - start_s) / (double)*n_sampled * (double)n;
done:
    br_batch_free(&batch);
    br_job_close(&job);
    return st;
}

static void print_footprint(const br_setup *s, FILE *out)
{
    br_footprint f     = br_footprint_of(s);
    int          lanes = s->config->run_threads > 0 ? (int)s->config->run_threads : br_n_cores();

    (void)fprintf(out, "customers            %12lld in %lld units\n",
                  (long long)br_customers_info_of(s->customers)->n_customers,
                  (long long)s->n_units);
    (void)fprintf(out, "items listed         %12lld of %lld\n", (long long)s->n_listed,
                  (long long)s->catalogue.n_items);
    (void)fprintf(out, "events in flight     %12.1f MiB\n", f.events / MiB);
    (void)fprintf(out, "lists in flight      %12.1f MiB\n", f.lists / MiB);
    (void)fprintf(out, "device, per unit     %12.1f MiB\n", f.device / MiB);
    (void)fprintf(out, "catalogue vectors    %12.1f MiB\n", f.weights / MiB);
    if (f.shape > 0.0)
        (void)fprintf(out, "shape of lists       %12.1f MiB\n", f.shape / MiB);
    if (f.fleet > 0.0)
        (void)fprintf(out, "shortlists of all    %12.1f MiB\n", f.fleet / MiB);
    (void)fprintf(out, "memory, about        %12.1f MiB (a cpu backend's device is host memory)\n",
                  f.memory / MiB);
    (void)fprintf(out, "output, at most      %12.1f MiB\n", f.output / MiB);
    (void)fprintf(out, "arithmetic: encode   %12.1f Gflop\n", f.flop_encode * 1e-9);
    (void)fprintf(out, "arithmetic: score    %12.1f Gflop\n", f.flop_score * 1e-9);
    (void)fprintf(out, "lanes                %12d of %d cores\n", lanes, br_n_cores());
    br_shards_print(s, out);
}

br_status br_job_plan(const br_config *config, bool is_fast, FILE *out)
{
    br_status st = BR_OK;
    br_setup *s  = NULL;
    double    seconds;
    int64_t   n_sampled;

    BR_TRY(st, br_setup_open(config, &s));
    BR_TRY(st, br_setup_plan_units(s));
    print_footprint(s, out);
    if (config->run_catalogue_shards != 1)
        goto done; /* what one rank would take alone says nothing of it */
    BR_TRY(st, br_footprint_check(s));
    if (is_fast)
        goto done;
    BR_TRY(st, time_sample(s, &seconds, &n_sampled));
    (void)fprintf(out,
                  "time, about          %12.1f s (%lld customers timed; writing not counted)\n",
                  seconds, (long long)n_sampled);
    if (br_config_is_constrained(config))
        (void)fprintf(out, "                                  one pass; constraints take two to "
                           "three times as long\n");
done:
    br_setup_close(&s);
    return st;
}
