/* SPDX-License-Identifier: Apache-2.0
 *
 * Suite `e2e`: `run` itself, on all ranks, over files that rank 0 generates in the work folder. A
 * pass begins with an empty run directory and ends with a manifest; its lists are then read back.
 */
#include "host/verbs/bench/e2e.h"

#include <stdio.h>

#include "host/base/clock.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/base/strbuf.h"
#include "host/io/run_dir.h"
#include "host/pipeline/generate/generate.h"
#include "host/pipeline/job.h"
#include "host/pipeline/look/rescore.h"
#include "host/verbs/run/run_fleet.h"

#define LEAST_UNIT 512
#define MOST_UNIT  65536
#define N_UNITS    64 /* about: enough to share, never depending on ranks */

typedef struct e2e_state {
    char      *folder;
    char       run[BR_BENCH_PATH_BYTES];
    br_config *config;
} e2e_state;

static br_status generate(const br_bench *bench, const char *folder)
{
    const br_bench_options   *o = bench->o;
    const br_generate_options g = {.out_dir     = folder,
                                   .n_customers = bench->n_customers,
                                   .n_items     = o->n_items,
                                   .n_browse    = o->n_events,
                                   .n_purchase  = 20,
                                   .spread      = 0.5,
                                   .dim         = o->dim,
                                   .seed        = o->seed};

    return br_job_generate(&g);
}

/* Rank 0 makes the files; the others are told where. */
static br_status make_files(br_bench *bench, e2e_state *s)
{
    br_status st = BR_OK;
    char      path[BR_BENCH_PATH_BYTES];

    if (bench->rank == 0) {
        br_strbuf text = {0};

        BR_TRY(st, br_bench_folder_make(bench->o->work, path));
        br_strbuf_add(&text, "%s", path);
        BR_TRY(st, br_strbuf_take(&text, &s->folder));
        st = generate(bench, path);
    }
    BR_TRY(st, br_comm_agree(bench->comm, st));
    BR_TRY(st, br_comm_broadcast_text(bench->comm, "the bench's folder", &s->folder));
done:
    return st;
}

static br_status configure(const br_bench *bench, e2e_state *s)
{
    static const char *const backend[] = {"auto", "ref", "cpu", "cuda"};
    const br_bench_options  *o         = bench->o;
    br_status                st        = BR_OK;
    int64_t                  unit      = bench->n_customers / N_UNITS;
    char                     text[640];

    unit = unit < LEAST_UNIT ? LEAST_UNIT : unit > MOST_UNIT ? MOST_UNIT : unit;
    (void)snprintf(text, sizeof text,
                   "{\"input\": {\"customers\": \"customers.h5\", \"catalogue\": \"catalogue.h5\", "
                   "\"model\": \"model\"}, \"output\": {\"path\": \"run\"}, \"list\": {\"k\": "
                   "%lld, \"fallback\": \"popularity\"}, \"run\": {\"backend\": \"%s\", "
                   "\"threads\": %lld, \"precision\": \"%s\", \"unit_customers\": %lld}}",
                   (long long)o->k, backend[o->backend], (long long)o->n_threads,
                   o->is_bf16 ? "bf16" : "fp32", (long long)unit);
    BR_TRY(st, br_config_parse("bench", text, s->folder, &s->config));
    BR_TRY(st, br_config_check(s->config));
    (void)snprintf(s->run, sizeof s->run, "%s/run", s->folder);
done:
    return st;
}

static br_status describe_device(br_bench *bench)
{
    br_status st  = BR_OK;
    br_dev   *dev = NULL;

    BR_TRY(st, br_dev_open(bench->o->backend, 0, &dev));
    (void)snprintf(bench->device, sizeof bench->device, "%s", br_dev_description(dev));
    bench->n_lanes = br_dev_grain(dev).n_lanes;
    if (bench->o->n_threads > 0)
        bench->n_lanes = (int32_t)bench->o->n_threads;
    else if (bench->n_lanes == 0)
        bench->n_lanes = br_n_cores();
done:
    br_dev_close(&dev);
    return st;
}

static br_status suite_open(br_bench *bench)
{
    br_status  st = BR_OK;
    e2e_state *s  = NULL;

    BR_ALLOC(st, s, 1, "bench");
    bench->state = s;
    BR_TRY(st, make_files(bench, s));
    BR_TRY(st, configure(bench, s));
    BR_TRY(st, describe_device(bench));
done:
    return st;
}

/* This rank's share of the parts. */
static br_status hash_lists(const br_bench *bench, const e2e_state *s, br_bench_hash *hash)
{
    br_status    st    = BR_OK;
    br_run_about about = {0};
    br_lists     lists = {0};
    char         path[BR_RUN_PATH_BYTES];

    BR_TRY(st, br_run_describe(s->run, &about));
    for (int64_t u = bench->rank; u < about.n_units; u += bench->n_ranks) {
        BR_TRY(st, br_run_part_path(s->run, u, path));
        BR_TRY(st, br_lists_read(path, &lists));
        for (int64_t b = 0; b < lists.n_rows; b++)
            br_bench_hash_add(hash, lists.first_row + b, lists.item_BK + b * lists.k,
                              lists.score_BK + b * lists.k, lists.n_B[b]);
        br_lists_free(&lists);
    }
done:
    br_lists_free(&lists);
    br_run_about_free(&about);
    return st;
}

static br_status suite_pass(br_bench *bench, br_bench_pass *pass)
{
    br_status  st = BR_OK;
    e2e_state *s  = bench->state;
    double     start_s, cpu_s;

    if (bench->rank == 0)
        br_bench_folder_remove(s->run);
    br_comm_barrier(bench->comm);
    start_s = br_clock_wall_s();
    cpu_s   = br_clock_process_cpu_s();
    BR_TRY(st, br_run_plain(bench->comm, s->config));
    pass->wall_s = br_clock_wall_s() - start_s;
    pass->cpu_s  = br_clock_process_cpu_s() - cpu_s;
    BR_TRY(st, hash_lists(bench, s, &pass->hash));
done:
    return st;
}

/* Rank 0 has a sample encoded and scored again. */
static br_status suite_check(br_bench *bench, int64_t *n_checked, int64_t *n_wrong)
{
    br_status         st     = BR_OK;
    e2e_state        *s      = bench->state;
    br_rescore_report report = {0};

    *n_checked = *n_wrong = 0;
    if (bench->rank != 0 || bench->o->n_checked == 0)
        return BR_OK;
    BR_TRY(st, br_rescore_run(s->run, bench->o->n_checked, &report));
    *n_checked = report.n_customers;
done:
    return st;
}

static void suite_close(br_bench *bench)
{
    e2e_state *s = bench->state;

    if (s == NULL)
        return;
    if (bench->rank == 0 && s->folder != NULL)
        br_bench_folder_remove(s->folder);
    br_free(&s->folder);
    br_config_close(&s->config);
    br_free(&bench->state);
}

const br_bench_suite br_bench_e2e = {.name   = "e2e",
                                     .hashed = "items and score bits of every list",
                                     .open   = suite_open,
                                     .pass   = suite_pass,
                                     .check  = suite_check,
                                     .close  = suite_close};
