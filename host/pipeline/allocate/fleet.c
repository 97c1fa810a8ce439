/* SPDX-License-Identifier: Apache-2.0
 *
 * From stored shortlists to lists for everybody. Called once per constrained job. */
#include "host/pipeline/allocate/fleet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/io/run_dir.h"
#include "host/pipeline/job.h"

br_status br_fleet_shortlists(const br_config *config, int32_t width, br_config **out)
{
    static const char *const off[] = {"constraints.capacity=false", "constraints.budgets=[]",
                                      "constraints.limits=[]"};
    br_status                st    = BR_OK;
    br_config               *copy  = NULL;
    char                    *text  = NULL;
    char                     set[4200];

    BR_TRY(st, br_config_dump(config, &text));
    BR_TRY(st, br_config_parse("shortlists", text, config->folder, &copy));
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        BR_TRY(st, br_config_set(copy, off[i]));
    (void)snprintf(set, sizeof set, "list.k=%d", width);
    BR_TRY(st, br_config_set(copy, set));
    (void)snprintf(set, sizeof set, "output.path=%s.shortlists-%d", config->output_path, width);
    BR_TRY(st, br_config_set(copy, set));
    if (config->objective_type == BR_OBJECTIVE_EXPECTED_VALUE && config->objective_top < width) {
        (void)snprintf(set, sizeof set, "objective.top=%d", width);
        BR_TRY(st, br_config_set(copy, set));
    }
    BR_TRY(st, br_config_check(copy));
    *out = copy;
    copy = NULL;
done:
    br_config_close(&copy);
    br_free(&text);
    return st;
}

/* One part's lists become rows of the fleet. */
static br_status take_part(br_fleet *f, const char *path, const br_lists *part, int64_t u)
{
    const br_setup *s    = f->setup;
    int64_t         from = s->unit_start[u], n = s->unit_start[u + 1] - from;
    bool            is_exact = s->objective.type != BR_OBJECTIVE_EXPECTED_VALUE;

    if (part->first_row != from || part->n_rows != n || part->k != f->width)
        return br_fail(BR_E_INPUT,
                       "%s: part %lld: found %lld customers from row %lld with lists of %d, "
                       "expected %lld from %lld with %d: are these the shortlists of this job?",
                       path, (long long)u, (long long)part->n_rows, (long long)part->first_row,
                       part->k, (long long)n, (long long)from, f->width);
    memcpy(f->item_UM + from * f->width, part->item_BK, (size_t)(n * f->width) * 4);
    memcpy(f->score_UM + from * f->width, part->score_BK, (size_t)(n * f->width) * 4);
    for (int64_t b = 0; b < n; b++) {
        int32_t n_listed = part->n_B[b];
        bool    is_full  = n_listed == f->width;
        float   last     = n_listed > 0 ? part->score_BK[b * f->width + n_listed - 1] : 0.0f;

        f->bound_U[from + b] = is_full && is_exact ? last : -INFINITY;
        for (int32_t j = n_listed; j < f->width; j++)
            f->score_UM[(from + b) * f->width + j] = 0.0f; /* of no item */
        if (n_listed > 0 && (double)last < f->floor)
            f->floor = (double)last;
    }
    return BR_OK;
}

static br_status read_shortlists(br_fleet *f, const char *path)
{
    br_status    st    = BR_OK;
    br_run_about about = {0};
    br_lists     part  = {0};
    char         file[BR_RUN_PATH_BYTES];

    BR_TRY(st, br_run_describe(path, &about));
    if (!about.is_complete || about.n_units != f->setup->n_units || about.n_rows != f->n_rows)
        BR_FAIL(st, BR_E_USAGE,
                "%s: no complete run of shortlists of these %lld customers: give the run's own "
                "command again",
                path, (long long)f->n_rows);
    for (int64_t u = 0; u < about.n_units; u++) {
        BR_TRY(st, br_job_check_interrupt(NULL));
        BR_TRY(st, br_run_part_path(path, u, file));
        BR_TRY(st, br_lists_read(file, &part));
        if (u == 0) {
            f->width = part.k;
            BR_ALLOC(st, f->item_UM, f->n_rows * f->width, "shortlists");
            BR_ALLOC(st, f->score_UM, f->n_rows * f->width, "shortlists");
        }
        BR_TRY(st, take_part(f, path, &part, u));
        br_lists_free(&part);
    }
done:
    br_lists_free(&part);
    br_run_about_free(&about);
    return st;
}

static br_status solve(br_fleet *f)
{
    br_status        st = BR_OK;
    const br_config *c  = f->setup->config;
    int64_t          N  = f->setup->catalogue.n_items;
    br_allocate_args args;

    BR_ALLOC(st, f->list_UK, f->n_rows * f->k, "allocated lists");
    BR_ALLOC(st, f->touched_U, f->n_rows, "repaired lists");
    BR_ALLOC(st, f->dual_C, N + f->constraints.n_limits, "prices");
    BR_ALLOC(st, f->price_N, N, "prices of items");
    BR_ALLOC(st, f->activity_L, f->constraints.n_limits, "limits");
    args = (br_allocate_args){.n_rows     = f->n_rows,
                              .n_items    = (int32_t)N,
                              .width      = f->width,
                              .n_kept     = f->k,
                              .item_BM    = f->item_UM,
                              .utility_BM = f->score_UM,
                              .bound_B    = f->bound_U,
                              .capacity_N = f->constraints.capacity_N,
                              .n_limits   = f->constraints.n_limits,
                              .limit_L    = f->constraints.limit,
                              .floor      = f->floor,
                              .tolerance  = c->constraints_tolerance,
                              .n_lanes    = c->run_threads > 0 ? (int)c->run_threads : br_n_cores(),
                              .list_BK    = f->list_UK,
                              .touched_B  = f->touched_U,
                              .dual_C     = f->dual_C,
                              .price_N    = f->price_N,
                              .activity_L = f->activity_L,
                              .report     = &f->report};
    BR_TRY(st, br_allocate(&args));
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

br_status br_fleet_open(br_setup *setup, const char *shortlists, br_fleet **out)
{
    br_status        st = BR_OK;
    br_fleet        *f  = NULL;
    const br_config *c  = setup->config;

    *out = NULL;
    BR_ALLOC(st, f, 1, "fleet");
    f->setup  = setup;
    f->n_rows = br_customers_info_of(setup->customers)->n_customers;
    f->k      = (int32_t)c->list_k;
    /* filling lists: a place is worth more than none, even with the worst item of all shortlists */
    f->floor = c->constraints_fill ? INFINITY : c->constraints_floor;
    BR_ALLOC(st, f->bound_U, f->n_rows, "bounds of shortlists");
    BR_TRY(st, br_constraints_join(setup, &f->constraints));
    BR_TRY(st, read_shortlists(f, shortlists));
    if (!c->constraints_fill)
        f->floor = c->constraints_floor;
    else if (isinf(f->floor))
        f->floor = 0.0;
    else
        f->floor -= 1e-6 * fabs(f->floor) + 1e-9;
    BR_TRY(st, solve(f));
    *out = f;
    f    = NULL;
done:
    br_fleet_close(&f);
    return st;
}

void br_fleet_close(br_fleet **fleet)
{
    br_fleet *f = *fleet;

    if (f == NULL)
        return;
    br_free(&f->item_UM);
    br_free(&f->score_UM);
    br_free(&f->bound_U);
    br_free(&f->list_UK);
    br_free(&f->touched_U);
    br_free(&f->dual_C);
    br_free(&f->price_N);
    br_free(&f->activity_L);
    br_free(fleet);
}

bool br_fleet_is_uncertain(const br_fleet *f)
{
    return f->report.outside_value >
           f->setup->config->constraints_tolerance * fabs(f->report.dual_value);
}
