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

static int32_t width_of(const br_setup *s)
{
    int64_t width = s->config->constraints_shortlist;

    return (int32_t)(width < s->n_listed ? width : s->n_listed);
}

br_status br_fleet_shortlists(const br_setup *s, int32_t round, const float *price_N,
                              br_config **out)
{
    static const char *const off[]  = {"constraints.capacity=false", "constraints.budgets=[]",
                                       "constraints.limits=[]"};
    br_status                st     = BR_OK;
    const br_config         *config = s->config;
    br_config               *copy   = NULL;
    char                    *text   = NULL;
    char                     set[4200], suffix[32] = "";
    int32_t width = width_of(s) > config->list_k ? width_of(s) : (int32_t)config->list_k;

    BR_TRY(st, br_config_dump(config, &text));
    BR_TRY(st, br_config_parse("shortlists", text, config->folder, &copy));
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        BR_TRY(st, br_config_set(copy, off[i]));
    (void)snprintf(set, sizeof set, "list.k=%d", width);
    BR_TRY(st, br_config_set(copy, set));
    if (round > 0)
        (void)snprintf(suffix, sizeof suffix, "-at-prices-%d", round);
    (void)snprintf(set, sizeof set, "output.path=%s.shortlists%s", config->output_path, suffix);
    BR_TRY(st, br_config_set(copy, set));
    if (config->objective_type == BR_OBJECTIVE_EXPECTED_VALUE && config->objective_top < width) {
        (void)snprintf(set, sizeof set, "objective.top=%d", width);
        BR_TRY(st, br_config_set(copy, set));
    }
    BR_TRY(st, br_config_check(copy));
    copy->price_N = price_N;
    *out          = copy;
    copy          = NULL;
done:
    br_config_close(&copy);
    br_free(&text);
    return st;
}

/* ---- shortlists ---- */

/* Puts an item into a row's shortlist, best first, unless it is there. */
static void insert(br_fleet *f, int64_t row, int32_t n, int32_t item, float score)
{
    int32_t *item_M  = f->item_UM + row * f->width;
    float   *score_M = f->score_UM + row * f->width;
    int32_t  at      = n;

    for (;
         at > 0 && (score > score_M[at - 1] || (score == score_M[at - 1] && item < item_M[at - 1]));
         at--) {
        item_M[at]  = item_M[at - 1];
        score_M[at] = score_M[at - 1];
    }
    item_M[at]  = item;
    score_M[at] = score;
}

static int32_t length_of(const br_fleet *f, int64_t row)
{
    int32_t n = 0;

    while (n < f->width && f->item_UM[row * f->width + n] >= 0)
        n++;
    return n;
}

static bool has_item(const int32_t *item_M, int32_t n, int32_t item)
{
    for (int32_t j = 0; j < n; j++)
        if (item_M[j] == item)
            return true;
    return false;
}

/* Wider rows; their items stay. */
static br_status widen(br_fleet *f, int32_t width)
{
    br_status st       = BR_OK;
    int32_t  *item_UM  = NULL;
    float    *score_UM = NULL;

    BR_ALLOC(st, item_UM, f->n_rows * width, "shortlists");
    BR_ALLOC(st, score_UM, f->n_rows * width, "shortlists");
    for (int64_t u = 0; u < f->n_rows; u++)
        for (int32_t j = 0; j < width; j++) {
            bool is_old             = j < f->width;
            item_UM[u * width + j]  = is_old ? f->item_UM[u * f->width + j] : -1;
            score_UM[u * width + j] = is_old ? f->score_UM[u * f->width + j] : 0.0f;
        }
    br_free(&f->item_UM);
    br_free(&f->score_UM);
    f->item_UM  = item_UM;
    f->score_UM = score_UM;
    f->width    = width;
    item_UM     = NULL;
    score_UM    = NULL;
done:
    br_free(&item_UM);
    br_free(&score_UM);
    return st;
}

/* No item outside a full list is worth more than its last one, at the prices it was taken at. */
static void bound_row(br_fleet *f, const br_lists *part, int64_t b, const float *price_N)
{
    const br_objective *o      = &f->setup->objective;
    int64_t             row    = part->first_row + b;
    float               lowest = INFINITY;

    /* the bound of round 0 holds: at unknown prices, and where penalised items took others' places
     */
    if (f->n_rounds > 0 && (price_N == NULL || o->n_repetitions > 0))
        return;
    for (int32_t j = 0; j < part->n_B[b]; j++) {
        int64_t at    = b * part->k + j;
        float   worth = part->score_BK[at];

        if (price_N != NULL)
            worth = nextafterf(worth - price_N[part->item_BK[at]], INFINITY);
        lowest = worth < lowest ? worth : lowest;
    }
    f->bound_U[row] =
        part->n_B[b] == part->k && o->type != BR_OBJECTIVE_EXPECTED_VALUE ? lowest : -INFINITY;
}

static void take_part(br_fleet *f, const br_lists *part, const float *price_N)
{
    for (int64_t b = 0; b < part->n_rows; b++) {
        int64_t  row    = part->first_row + b;
        int32_t  n      = length_of(f, row);
        int32_t *item_M = f->item_UM + row * f->width;

        for (int32_t j = 0; j < part->n_B[b]; j++) {
            float score = part->score_BK[b * part->k + j];

            f->lowest = score < f->lowest ? score : f->lowest;
            if (f->n_rounds == 0 || !has_item(item_M, n, part->item_BK[b * part->k + j]))
                insert(f, row, n++, part->item_BK[b * part->k + j], score);
        }
        bound_row(f, part, b, price_N);
    }
}

static br_status check_part(const br_fleet *f, const char *path, const br_lists *part, int64_t u)
{
    const br_setup *s    = f->setup;
    int64_t         from = s->unit_start[u], n = s->unit_start[u + 1] - from;

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
    if (!about.is_complete || about.n_units != f->setup->n_units || about.n_rows != f->n_rows)
        BR_FAIL(st, BR_E_USAGE,
                "%s: no complete run of shortlists of these %lld customers: give the run's own "
                "command again",
                path, (long long)f->n_rows);
    for (int64_t u = 0; u < about.n_units; u++) {
        BR_TRY(st, br_job_check_interrupt(NULL));
        BR_TRY(st, br_run_part_path(path, u, file));
        BR_TRY(st, br_lists_read(file, &part));
        BR_TRY(st, check_part(f, path, &part, u));
        if (u == 0)
            BR_TRY(st, widen(f, f->width + part.k));
        take_part(f, &part, price_N);
        br_lists_free(&part);
    }
done:
    br_lists_free(&part);
    br_run_about_free(&about);
    return st;
}

/* Filling lists: a place is worth more than none, even with the worst item of all shortlists. */
static double floor_of(const br_fleet *f)
{
    const br_config *c = f->setup->config;

    if (!c->constraints_fill)
        return c->constraints_floor;
    if (!isfinite(f->lowest))
        return 0.0;
    return (double)f->lowest - 1e-6 * fabs((double)f->lowest) - 1e-9;
}

br_status br_fleet_solve(br_fleet *f)
{
    br_status        st      = BR_OK;
    const br_config *c       = f->setup->config;
    int64_t          n_duals = f->setup->catalogue.n_items + f->constraints.n_limits;
    int              n_lanes = c->run_threads > 0 ? (int)c->run_threads : br_n_cores();
    br_allocate_args args;

    f->floor = floor_of(f);
    args     = (br_allocate_args){.n_rows        = f->n_rows,
                                  .n_items       = (int32_t)f->setup->catalogue.n_items,
                                  .width         = f->width,
                                  .n_kept        = f->k,
                                  .item_BM       = f->item_UM,
                                  .utility_BM    = f->score_UM,
                                  .bound_B       = f->bound_U,
                                  .bound_price_N = f->bound_price_N,
                                  .start_C       = f->is_solved ? f->start_C : NULL,
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
    f->is_solved = true;
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
    br_status st = BR_OK;
    br_fleet *f  = NULL;
    int64_t   N  = setup->catalogue.n_items;

    *out = NULL;
    BR_ALLOC(st, f, 1, "fleet");
    f->setup  = setup;
    f->n_rows = br_customers_info_of(setup->customers)->n_customers;
    f->k      = (int32_t)setup->config->list_k;
    f->lowest = INFINITY;
    BR_TRY(st, br_constraints_join(setup, &f->constraints));
    BR_ALLOC(st, f->bound_U, f->n_rows, "bounds of shortlists");
    BR_ALLOC(st, f->list_UK, f->n_rows * f->k, "allocated lists");
    BR_ALLOC(st, f->touched_U, f->n_rows, "repaired lists");
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
    int64_t   N  = f->setup->catalogue.n_items;

    if (f->n_rounds == BR_MAX_ROUNDS)
        BR_FAIL(st, BR_E_SELFCHECK, "allocate: more than %d rounds", BR_MAX_ROUNDS);
    BR_TRY(st, read_shortlists(f, shortlists, price_N));
    if (price_N != NULL && f->setup->objective.n_repetitions == 0) {
        if (f->bound_price_N == NULL)
            BR_ALLOC(st, f->bound_price_N, N, "prices of shortlists");
        memcpy(f->bound_price_N, price_N, (size_t)N * sizeof *price_N);
    }
    f->round_path[f->n_rounds] = strdup(shortlists);
    if (f->round_path[f->n_rounds] == NULL)
        BR_FAIL(st, BR_E_MEMORY, "allocate: no memory for a path");
    f->n_rounds++;
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
    br_free(&f->item_UM);
    br_free(&f->score_UM);
    br_free(&f->bound_U);
    br_free(&f->bound_price_N);
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
