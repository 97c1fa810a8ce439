/* SPDX-License-Identifier: Apache-2.0
 *
 * From stored shortlists to lists for everybody. Called once per constrained job. */
#include "host/pipeline/allocate/fleet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/io/run_dir.h"
#include "host/pipeline/job.h"

br_status br_fleet_round_path(const char *output, int32_t round, char out[4200])
{
    size_t n = strlen(output);
    int    used;

    while (n > 1 && output[n - 1] == '/')
        n--;
    used = round == 0 ? snprintf(out, 4200, "%.*s.shortlists", (int)n, output)
                      : snprintf(out, 4200, "%.*s.shortlists-at-prices-%d", (int)n, output, round);
    return used < 4200 ? BR_OK : br_fail(BR_E_USAGE, "%s: the path is too long", output);
}

br_status br_fleet_next_round(const br_fleet *f, const float *price_N, br_config **out)
{
    br_status        st       = BR_OK;
    const br_setup  *s        = f->setup;
    const br_config *config   = s->config;
    br_config       *copy     = NULL;
    int32_t          round    = f->shortlists.n_rounds;
    bool             has_file = s->n_encoders == 0; /* of vectors */
    int64_t          width    = config->constraints_shortlist;
    char             path[4200];

    if (width > s->n_listed)
        width = s->n_listed;
    if (width < config->list_k)
        width = config->list_k;
    BR_TRY(st, br_fleet_round_path(config->output_path, round, path));
    BR_TRY(st, br_shortlists_config(config, (int32_t)width, path, price_N, &copy));
    if (round > 0) {
        BR_TRY(st, br_config_set(copy, "output.gates=false"));
        BR_TRY(st, br_config_set(copy, "output.vectors=false"));
        copy->vectors_from = has_file ? NULL : f->round_path[0];
    } else if (!has_file) {
        BR_TRY(st, br_config_set(copy, "output.vectors=true"));
    }
    *out = copy;
    copy = NULL;
done:
    br_config_close(&copy);
    return st;
}

static br_status check_part(const br_fleet *f, const char *path, const br_lists *part, int64_t u)
{
    const br_setup *s    = f->setup;
    int64_t         from = s->unit_rows[u].first, n = s->unit_rows[u].n;

    if (part->first_row != from || part->n_rows != n)
        return br_fail(BR_E_INPUT,
                       "%s: part %lld: found %lld customers from row %lld, expected %lld from "
                       "%lld: are these the shortlists of this job?",
                       path, (long long)u, (long long)part->n_rows, (long long)part->first_row,
                       (long long)n, (long long)from);
    return BR_OK;
}

static br_status read_shortlists(br_fleet *f, const char *path, const float *price_N)
{
    br_status    st    = BR_OK;
    br_run_about about = {0};
    br_lists     part  = {0};
    char         file[BR_RUN_PATH_BYTES];

    BR_TRY(st, br_run_describe(path, &about));
    if (!about.is_complete || about.n_units != f->setup->n_units ||
        about.n_rows != f->shortlists.n_rows)
        BR_FAIL(st, BR_E_USAGE,
                "%s: no complete run of shortlists of these %lld customers: give the run's own "
                "command again",
                path, (long long)f->shortlists.n_rows);
    for (int64_t u = 0; u < about.n_units; u++) {
        BR_TRY(st, br_job_check_interrupt(NULL));
        BR_TRY(st, br_run_part_path(path, u, file));
        BR_TRY(st, br_lists_read(file, &part));
        BR_TRY(st, check_part(f, path, &part, u));
        if (u == 0)
            BR_TRY(st, br_shortlists_begin(&f->shortlists, part.k));
        br_shortlists_take(&f->shortlists, &part, part.first_row, price_N);
        br_lists_free(&part);
    }
done:
    br_lists_free(&part);
    br_run_about_free(&about);
    return st;
}

br_status br_fleet_solve(br_fleet *f)
{
    br_status            st      = BR_OK;
    const br_config     *c       = f->setup->config;
    const br_shortlists *l       = &f->shortlists;
    int64_t              n_duals = f->setup->catalogue.n_items + f->constraints.n_limits;
    int                  n_lanes = c->run_threads > 0 ? (int)c->run_threads : br_n_cores();
    br_allocate_args     args;

    f->floor = br_shortlists_floor(l, c);
    args     = (br_allocate_args){.n_rows        = l->n_rows,
                                  .n_items       = (int32_t)f->setup->catalogue.n_items,
                                  .width         = l->width,
                                  .n_kept        = f->k,
                                  .item_BM       = l->item_UM,
                                  .utility_BM    = l->score_UM,
                                  .bound_B       = l->bound_U,
                                  .bound_price_N = l->bound_price_N,
                                  .start_C       = f->has_start ? f->start_C : NULL,
                                  .capacity_N    = f->constraints.capacity_N,
                                  .n_limits      = f->constraints.n_limits,
                                  .limit_L       = f->constraints.limit,
                                  .floor         = f->floor,
                                  .tolerance     = c->constraints_tolerance,
                                  .n_lanes       = n_lanes,
                                  .list_BK       = f->list_UK,
                                  .touched_B     = f->touched_U,
                                  .dual_C        = f->dual_C,
                                  .price_N       = f->price_N,
                                  .activity_L    = f->activity_L,
                                  .report        = &f->report};
    memcpy(f->start_C, f->dual_C, (size_t)n_duals * sizeof *f->start_C);
    BR_TRY(st, br_allocate(&args));
    f->has_start = true;
    br_log(BR_LOG_INFO, "allocate",
           "%lld places worth %.6g, at most %.6g are possible (gap %.2e); %lld lists repaired, "
           "%.1f passes over the shortlists",
           (long long)f->report.n_slots, f->report.value, f->report.dual_value, f->report.gap,
           (long long)f->report.n_touched, f->report.passes);
    if (f->report.n_over > 0)
        BR_FAIL(st, BR_E_SELFCHECK, "allocate: %lld hard limits are broken",
                (long long)f->report.n_over);
done:
    return st;
}

br_status br_fleet_open(br_setup *setup, br_fleet **out)
{
    br_status st     = BR_OK;
    br_fleet *f      = NULL;
    int64_t   N      = setup->catalogue.n_items;
    int64_t   n_rows = br_customers_info_of(setup->customers)->n_customers;

    *out = NULL;
    BR_ALLOC(st, f, 1, "fleet");
    f->setup = setup;
    f->k     = (int32_t)setup->config->list_k;
    BR_TRY(st, br_shortlists_open(setup, n_rows, &f->shortlists));
    BR_TRY(st, br_constraints_join(setup, &f->constraints));
    BR_ALLOC(st, f->list_UK, n_rows * f->k, "allocated lists");
    BR_ALLOC(st, f->touched_U, n_rows, "repaired lists");
    BR_ALLOC(st, f->dual_C, N + f->constraints.n_limits, "prices");
    BR_ALLOC(st, f->start_C, N + f->constraints.n_limits, "prices");
    BR_ALLOC(st, f->price_N, N, "prices of items");
    BR_ALLOC(st, f->activity_L, f->constraints.n_limits, "limits");
    *out = f;
    f    = NULL;
done:
    br_fleet_close(&f);
    return st;
}

br_status br_fleet_add(br_fleet *f, const char *shortlists, const float *price_N)
{
    br_status st = BR_OK;

    if (f->shortlists.n_rounds == BR_MAX_ROUNDS)
        BR_FAIL(st, BR_E_SELFCHECK, "allocate: more than %d rounds", BR_MAX_ROUNDS);
    BR_TRY(st, read_shortlists(f, shortlists, price_N));
    f->round_path[f->shortlists.n_rounds] = strdup(shortlists);
    if (f->round_path[f->shortlists.n_rounds] == NULL)
        BR_FAIL(st, BR_E_MEMORY, "allocate: no memory for a path");
    BR_TRY(st, br_shortlists_end(&f->shortlists, price_N));
done:
    return st;
}

void br_fleet_close(br_fleet **fleet)
{
    br_fleet *f = *fleet;

    if (f == NULL)
        return;
    for (int32_t r = 0; r < BR_MAX_ROUNDS; r++)
        free(f->round_path[r]);
    br_shortlists_close(&f->shortlists);
    br_free(&f->list_UK);
    br_free(&f->touched_U);
    br_free(&f->dual_C);
    br_free(&f->start_C);
    br_free(&f->price_N);
    br_free(&f->activity_L);
    br_free(fleet);
}

bool br_fleet_is_uncertain(const br_fleet *f)
{
    return f->report.outside_value >
           f->setup->config->constraints_tolerance * fabs(f->report.dual_value);
}
