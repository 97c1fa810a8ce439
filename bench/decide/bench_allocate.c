/* SPDX-License-Identifier: Apache-2.0
 *
 * Times an allocation with binding capacities, without and with a budget and shares: seconds,
 * scans over all shortlists, and the gap to the dual bound. Caps are counted again from the lists
 * before a row is printed. Run by hand:
 *   bench_allocate [customers] [offers] [shortlist] [lanes] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/base/clock.h"
#include "host/base/memory.h"
#include "host/decide/allocate/allocate.h"

#define KEPT     3
#define N_LIMITS 3
#define GOAL     1e-3 /* gap */

typedef struct fleet {
    br_allocate_args   args;
    br_allocate_report report;
    br_limit           limit_L[N_LIMITS];
    int32_t           *item_BM;
    float             *utility_BM;
    int64_t           *capacity_N;
    float             *cost_N;
    int32_t           *brand_N;
} fleet;

typedef struct candidate {
    float   utility;
    int32_t item;
} candidate;

static double draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

static int best_first(const void *x, const void *y)
{
    const candidate *a = x, *b = y;
    return a->utility != b->utility ? (a->utility > b->utility ? -1 : 1) : a->item - b->item;
}

/* Shortlists: the best of all offers by popularity x a personal draw. */
static br_status fill_rows(fleet *f)
{
    br_status  st    = BR_OK;
    int32_t    n     = f->args.n_items;
    candidate *all_N = NULL;
    uint64_t   state = 1;

    BR_ALLOC(st, all_N, n, "bench offers");
    for (int64_t b = 0; b < f->args.n_rows; b++) {
        for (int32_t i = 0; i < n; i++) {
            double popular   = 1.0 / (1.0 + 0.004 * i);
            all_N[i].item    = i;
            all_N[i].utility = (float)(popular * (0.2 + draw(&state) * draw(&state)));
        }
        qsort(all_N, (size_t)n, sizeof *all_N, best_first);
        for (int32_t m = 0; m < f->args.width; m++) {
            f->item_BM[b * f->args.width + m]    = all_N[m].item;
            f->utility_BM[b * f->args.width + m] = all_N[m].utility;
        }
    }
done:
    br_free(&all_N);
    return st;
}

static br_status fleet_open(int64_t n_rows, int32_t n_items, int32_t width, int n_lanes, fleet *f)
{
    br_status         st = BR_OK;
    br_allocate_args *a  = &f->args;

    *a = (br_allocate_args){.n_rows  = n_rows,
                            .n_items = n_items,
                            .width   = width,
                            .n_kept  = KEPT,
                            .n_lanes = n_lanes,
                            .report  = &f->report,
                            .limit_L = f->limit_L};
    BR_ALLOC(st, f->item_BM, n_rows * width, "bench shortlists");
    BR_ALLOC(st, f->utility_BM, n_rows * width, "bench utilities");
    BR_ALLOC(st, f->capacity_N, n_items, "bench capacities");
    BR_ALLOC(st, f->cost_N, n_items, "bench costs");
    BR_ALLOC(st, f->brand_N, n_items, "bench brands");
    BR_ALLOC(st, a->list_BK, n_rows * KEPT, "bench lists");
    BR_ALLOC(st, a->touched_B, n_rows, "bench flags");
    BR_ALLOC(st, a->dual_C, n_items + N_LIMITS, "bench duals");
    BR_ALLOC(st, a->price_N, n_items, "bench prices");
    BR_ALLOC(st, a->activity_L, N_LIMITS, "bench sums");
    for (int32_t i = 0; i < n_items; i++) {
        f->capacity_N[i] = n_rows * KEPT * (3 + i % 5) / (6 * n_items);
        f->cost_N[i]     = 0.25f * (float)(1 + i % 7);
        f->brand_N[i]    = i % 4;
    }
    a->item_BM    = f->item_BM;
    a->utility_BM = f->utility_BM;
    a->capacity_N = f->capacity_N;
    f->limit_L[0] = (br_limit){.kind   = BR_LIMIT_BUDGET,
                               .name   = "budget",
                               .cost_N = f->cost_N,
                               .bound  = 1.2 * (double)n_rows};
    f->limit_L[1] = (br_limit){.kind    = BR_LIMIT_MIN_SHARE,
                               .name    = "least",
                               .group_N = f->brand_N,
                               .group   = 3,
                               .bound   = 0.35};
    f->limit_L[2] = (br_limit){.kind    = BR_LIMIT_MAX_SHARE,
                               .name    = "most",
                               .group_N = f->brand_N,
                               .group   = 0,
                               .bound   = 0.15};
    BR_TRY(st, fill_rows(f));
done:
    return st;
}

static void fleet_close(fleet *f)
{
    br_free(&f->item_BM);
    br_free(&f->utility_BM);
    br_free(&f->capacity_N);
    br_free(&f->cost_N);
    br_free(&f->brand_N);
    br_free(&f->args.list_BK);
    br_free(&f->args.touched_B);
    br_free(&f->args.dual_C);
    br_free(&f->args.price_N);
    br_free(&f->args.activity_L);
}

/* Units over caps, counted from the lists. */
static br_status count_wrong(const fleet *f, int64_t *n_wrong)
{
    br_status st       = BR_OK;
    int64_t  *units_N  = NULL;
    int64_t   brand[4] = {0}, n_slots = 0;
    double    cost = 0.0;

    BR_ALLOC(st, units_N, f->args.n_items, "bench units");
    for (int64_t s = 0; s < f->args.n_rows * KEPT; s++)
        if (f->args.list_BK[s] >= 0)
            units_N[f->args.list_BK[s]]++;
    *n_wrong = 0;
    for (int32_t i = 0; i < f->args.n_items; i++) {
        *n_wrong += units_N[i] > f->capacity_N[i] ? units_N[i] - f->capacity_N[i] : 0;
        brand[i % 4] += units_N[i];
        n_slots += units_N[i];
        cost += (double)units_N[i] * (double)f->cost_N[i];
    }
    if (f->args.n_limits > 0)
        *n_wrong += (cost > f->limit_L[0].bound) +
                    ((double)brand[3] < 0.35 * (double)n_slots - 1e-6) +
                    ((double)brand[0] > 0.15 * (double)n_slots + 1e-6);
    *n_wrong += !(f->report.gap <= GOAL);
done:
    br_free(&units_N);
    return st;
}

static br_status bench(fleet *f, int32_t n_limits)
{
    br_status st = BR_OK;
    double    start;
    int64_t   n_wrong;

    f->args.n_limits = n_limits;
    start            = br_clock_wall_s();
    BR_TRY(st, br_allocate(&f->args));
    start = br_clock_wall_s() - start;
    BR_TRY(st, count_wrong(f, &n_wrong));
    printf("%9lld %6d %5d %7d  %8.2f %7.1f %6d  %9lld %9.2e %8lld  %6lld\n",
           (long long)f->args.n_rows, f->args.n_items, f->args.width, n_limits, start,
           f->report.passes, f->report.n_steps, (long long)f->report.n_slots, f->report.gap,
           (long long)f->report.n_touched, (long long)n_wrong);
done:
    return st;
}

int main(int argc, char **argv)
{
    br_status st      = BR_OK;
    fleet     f       = {0};
    int       n_lanes = argc > 4 ? atoi(argv[4]) : 2;

    BR_TRY(st, fleet_open(argc > 1 ? atoll(argv[1]) : 200000, argc > 2 ? atoi(argv[2]) : 1000,
                          argc > 3 ? atoi(argv[3]) : 64, n_lanes, &f));
    printf("# batchrank %s, %d lanes, lists of %d\n", BR_VERSION, n_lanes, KEPT);
    printf("customers offers short  limits   seconds  passes  steps      slots       gap  touched  "
           "#wrong\n");
    BR_TRY(st, bench(&f, 0));
    BR_TRY(st, bench(&f, N_LIMITS));
done:
    if (st != BR_OK)
        (void)fprintf(stderr, "%s\n", br_error_last()->text);
    fleet_close(&f);
    return br_status_exit_code(st);
}
