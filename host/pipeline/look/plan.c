/* SPDX-License-Identifier: Apache-2.0
 *
 * The `plan` job: what a run will take, from shapes, and from a few customers that go through the
 * stages on this machine. Called once per process. */
#include <sys/stat.h>

#include "host/base/clock.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/io/publish.h"
#include "host/pipeline/job.h"
#include "host/pipeline/look/check.h"
#include "host/pipeline/look/footprint.h"
#include "host/pipeline/shards/shards.h"
#include "host/pipeline/stages.h"

#define BLOCK_ROWS_PER_LANE 512 /* two scoring tiles for each lane */
#define N_BLOCKS            4   /* spread evenly over the file; the first one only warms up */
#define HASHED_BYTES        (64 << 20)
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

/* Opens the job, then times the blocks. */
static br_status time_sample(br_setup *s, br_rank_speed *speed)
{
    br_status st      = BR_OK;
    br_job   *job     = NULL;
    br_batch  batch   = {0};
    int64_t   n       = br_customers_info_of(s->customers)->n_customers;
    double    start_s = br_clock_wall_s();

    BR_TRY(st, br_job_open(s, &job));
    speed->open_s = br_clock_wall_s() - start_s;
    job->max_rows = (int64_t)BLOCK_ROWS_PER_LANE * job->n_lanes;
    if (job->max_rows > n)
        job->max_rows = n;
    BR_TRY(st, br_job_alloc_batch(job, &batch));
    for (int64_t i = 0; i < N_BLOCKS; i++) {
        BR_TRY(st, pass_block(job, &batch, (n - job->max_rows) * i / (N_BLOCKS - 1)));
        if (i == 0)
            start_s = br_clock_wall_s();
        else
            speed->n_sampled += job->max_rows;
    }
    speed->customer_s = (br_clock_wall_s() - start_s) / (double)speed->n_sampled;
done:
    br_batch_free(&batch);
    br_job_close(&job);
    return st;
}

/* Bytes that a run hashes before its first unit. */
static double file_bytes(const char *folder, const char *name)
{
    struct stat about;
    char        path[4096];

    (void)snprintf(path, sizeof path, "%s%s%s", folder, name[0] != '\0' ? "/" : "", name);
    return stat(path, &about) == 0 ? (double)about.st_size : 0.0;
}

static br_status time_hash(const br_setup *s, br_rank_speed *speed)
{
    br_status st   = BR_OK;
    char     *data = NULL;
    char      digest[BR_DIGEST_TEXT_BYTES];
    double    start_s;

    speed->hash_cores      = br_n_cores();
    speed->customers_bytes = file_bytes(s->config->input_customers, "");
    speed->input_bytes     = speed->customers_bytes + file_bytes(s->config->input_catalogue, "");
    if (s->bundle != NULL)
        speed->input_bytes += file_bytes(s->config->input_model, "weights.safetensors");
    BR_ALLOC(st, data, HASHED_BYTES, "bytes to hash");
    start_s = br_clock_wall_s();
    BR_TRY(st, br_digest_bytes(data, HASHED_BYTES, digest));
    speed->hash_bytes_s = HASHED_BYTES / (br_clock_wall_s() - start_s + 1e-9);
done:
    br_free(&data);
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

br_status br_job_plan(const br_config *config, bool is_fast, const br_window *window, FILE *out)
{
    br_status     st    = BR_OK;
    br_setup     *s     = NULL;
    br_rank_speed speed = {0};

    BR_TRY(st, br_setup_open(config, &s));
    BR_TRY(st, br_setup_plan_units(s));
    print_footprint(s, out);
    if (config->run_catalogue_shards != 1)
        goto done; /* what one rank would take alone says nothing of it */
    BR_TRY(st, br_footprint_check(s));
    if (is_fast || br_customers_info_of(s->customers)->n_customers == 0)
        goto done;
    BR_TRY(st, time_sample(s, &speed));
    (void)fprintf(
        out, "time, about          %12.1f s (%lld customers timed; writing not counted)\n",
        speed.open_s + speed.customer_s * (double)br_customers_info_of(s->customers)->n_customers,
        (long long)speed.n_sampled);
    if (br_config_is_constrained(config))
        (void)fprintf(out, "                                  one pass; constraints take two to "
                           "three times as long\n");
    if (window->seconds > 0.0) {
        BR_TRY(st, time_hash(s, &speed));
        speed.output_bytes = br_footprint_of(s).output;
        BR_TRY(st, br_window_print(s, window, &speed, out));
    }
done:
    br_setup_close(&s);
    return st;
}
