/* SPDX-License-Identifier: Apache-2.0
 *
 * Re-encodes and re-scores a sample of a run. Called by `verify`. */
#include "host/pipeline/look/rescore.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/pipeline/detect/agree.h"
#include "host/pipeline/job.h"
#include "host/pipeline/stages.h"

/* The job as it ran, and the same job on the reference backend. */
typedef struct pair {
    br_config    *config[2];
    br_setup     *setup[2];
    br_job       *job[2];
    br_batch      batch[2];
    float        *x_D[2];
    bool          is_allocated;
    br_roundings *roundings;
} pair;

/* An allocation chose among each customer's best: those are scored again. */
static br_status without_constraints(pair *p, int i)
{
    static const char *const off[] = {"constraints.capacity=false", "constraints.budgets=[]",
                                      "constraints.limits=[]"};
    br_status                st    = BR_OK;
    char                     set[64];

    if (!br_config_is_constrained(p->config[i]))
        return BR_OK;
    p->is_allocated = true;
    for (size_t s = 0; s < sizeof off / sizeof *off; s++)
        BR_TRY(st, br_config_set(p->config[i], off[s]));
    (void)snprintf(set, sizeof set, "list.k=%d", BR_MAX_K);
    BR_TRY(st, br_config_set(p->config[i], set));
    if (p->config[i]->objective_type == BR_OBJECTIVE_EXPECTED_VALUE) {
        (void)snprintf(set, sizeof set, "objective.top=%d", BR_MAX_K);
        BR_TRY(st, br_config_set(p->config[i], set));
    }
done:
    return st;
}

static br_status open_pair(const char *path, pair *p)
{
    br_status st = BR_OK;
    char      file[4096];

    (void)snprintf(file, sizeof file, "%s/config.json", path);
    for (int i = 0; i < 2; i++) {
        BR_TRY(st, br_config_read(file, &p->config[i]));
        if (i == 1)
            BR_TRY(st, br_config_set(p->config[i], "run.backend=ref"));
        BR_TRY(st, without_constraints(p, i));
        BR_TRY(st, br_config_check(p->config[i]));
        BR_TRY(st, br_setup_open(p->config[i], &p->setup[i]));
        BR_TRY(st, br_setup_plan_units(p->setup[i]));
        BR_TRY(st, br_job_open(p->setup[i], &p->job[i]));
        p->job[i]->max_rows = 1;
        BR_TRY(st, br_job_alloc_batch(p->job[i], &p->batch[i]));
        BR_ALLOC(st, p->x_D[i], p->setup[i]->dim, "a customer's vector");
    }
    BR_TRY(st, br_roundings_open(p->job[1], &p->roundings));
done:
    return st;
}

static void close_pair(pair *p)
{
    br_roundings_close(&p->roundings);
    for (int i = 0; i < 2; i++) {
        br_free(&p->x_D[i]);
        br_batch_free(&p->batch[i]);
        br_job_close(&p->job[i]);
        br_setup_close(&p->setup[i]);
        br_config_close(&p->config[i]);
    }
}

/* x_u of one customer on both backends; the reference then scores the first one's vector. */
static br_status score_again(pair *p, int64_t row, br_rescore_report *report)
{
    br_status st    = BR_OK;
    double    cpu_s = 0.0, largest = 1.0;
    int32_t   D = p->setup[0]->dim;

    for (int i = 0; i < 2; i++) {
        p->batch[i].first_row = row;
        p->batch[i].n_rows    = 1;
        BR_TRY(st, br_stage_read(p->job[i], &p->batch[i]));
        BR_TRY(st, br_stage_encode(p->job[i], &p->batch[i], &cpu_s));
        BR_TRY(st, br_stage_fuse(p->job[i], &p->batch[i], &cpu_s));
        BR_TRY(st, br_download(p->job[i]->dev, p->batch[i].x_BD, p->x_D[i]));
    }
    for (int32_t d = 0; d < D; d++)
        largest = fabs((double)p->x_D[0][d]) > largest ? fabs((double)p->x_D[0][d]) : largest;
    for (int32_t d = 0; d < D; d++) {
        double off           = fabs((double)p->x_D[0][d] - (double)p->x_D[1][d]) / largest;
        report->worst_vector = off > report->worst_vector ? off : report->worst_vector;
    }
    BR_TRY(st, br_upload(p->job[1]->dev, p->batch[1].x_BD, p->x_D[0]));
    BR_TRY(st, br_stage_score(p->job[1], &p->batch[1], &cpu_s));
    BR_TRY(st, br_stage_policy(p->job[1], &p->batch[1]));
    BR_TRY(st, br_roundings_take(p->roundings, p->x_D[0], &p->batch[1].lists));
done:
    return st;
}

static br_status compare(const pair *p, const br_lists *part, int64_t at, br_rescore_report *report)
{
    const char *what = br_agree_lists(part, at, &p->batch[1].lists, p->roundings, &report->numbers);

    if (what != NULL)
        return br_fail(BR_E_SELFCHECK, "customer of row %lld: %s differ from the reference",
                       (long long)(part->first_row + at), what);
    return BR_OK;
}

/* Every allocated item is among the customer's best, with the same score. */
static br_status compare_allocated(const br_lists *part, int64_t at, const br_lists *again)
{
    int32_t c = 0;

    for (int32_t j = 0; j < part->n_B[at]; j++) {
        int32_t item = part->item_BK[at * part->k + j];

        while (c < again->n_B[0] && again->item_BK[c] != item)
            c++;
        if (c == again->n_B[0] ||
            memcmp(&part->score_BK[at * part->k + j], &again->score_BK[c], sizeof(float)) != 0)
            return br_fail(BR_E_SELFCHECK,
                           "customer of row %lld: slot %d: the reference does not give item %d "
                           "this place and score among its %d best",
                           (long long)(part->first_row + at), j, item, again->n_B[0]);
    }
    return BR_OK;
}

/* Sampled rows of one part: those whose hash falls below the wanted share. */
static bool is_sampled(int64_t row, double share)
{
    uint64_t h = (uint64_t)row + 0x9E3779B97F4A7C15u;

    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    h ^= h >> 31;
    return (double)(h >> 11) * 0x1p-53 < share;
}

static br_status rescore_part(const char *path, pair *p, int64_t unit, double share,
                              br_rescore_report *report)
{
    br_status st   = BR_OK;
    br_lists  part = {0};
    char      file[4096];

    (void)snprintf(file, sizeof file, "%s/parts/part-%05lld.h5", path, (long long)unit);
    BR_TRY(st, br_lists_read(file, &part));
    for (int64_t b = 0; b < part.n_rows; b++) {
        if (!is_sampled(part.first_row + b, share))
            continue;
        BR_TRY(st, br_job_check_interrupt(NULL));
        BR_TRY(st, score_again(p, part.first_row + b, report));
        if (p->is_allocated)
            BR_TRY(st, compare_allocated(&part, b, &p->batch[1].lists));
        else
            BR_TRY(st, compare(p, &part, b, report));
        report->n_customers++;
    }
done:
    br_lists_free(&part);
    return st;
}

br_status br_rescore_run(const char *path, int64_t n_samples, br_rescore_report *report)
{
    br_status st = BR_OK;
    pair      p  = {0};
    double    allowed;
    int64_t   n;

    *report = (br_rescore_report){0};
    BR_TRY(st, open_pair(path, &p));
    allowed = br_agree_tolerance(p.config[0]->run_precision);
    n       = br_customers_info_of(p.setup[0]->customers)->n_customers;
    for (int64_t u = 0; u < p.setup[0]->n_units; u++)
        BR_TRY(st, rescore_part(path, &p, u, (double)n_samples / (double)(n > 0 ? n : 1), report));
    if (report->worst_vector > allowed || report->numbers.largest_share > 1.0)
        BR_FAIL(st, BR_E_SELFCHECK,
                "sample of %lld customers: vectors differ from the reference by up to %.2e, "
                "expected %.0e at most; probabilities by %.2e and survival by %.2e, %.3g times "
                "what roundings explain",
                (long long)report->n_customers, report->worst_vector, allowed,
                report->numbers.worst_probability, report->numbers.worst_survival,
                report->numbers.largest_share);
done:
    close_pair(&p);
    return st;
}
