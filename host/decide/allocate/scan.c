/* SPDX-License-Identifier: Apache-2.0 */
#include "host/decide/allocate/scan.h"

#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/parallel.h"

#define TASK_ROWS 1024
#define MAX_KEPT  1024

br_status br_scan_open(br_problem *p, br_scan *s)
{
    br_status st      = BR_OK;
    int64_t   n_tasks = (p->args->n_rows + TASK_ROWS - 1) / TASK_ROWS;

    *s = (br_scan){.problem = p};
    BR_ALLOC(st, s->lane_W2N, (int64_t)p->args->n_lanes * 2 * p->args->n_items, "lane demand");
    BR_ALLOC(st, s->task_TS, n_tasks * (2 + p->args->n_limits), "sums of blocks");
    BR_ALLOC(st, s->price_N, p->args->n_items, "prices");
    BR_ALLOC(st, s->bound_N, p->args->n_items, "items at their capacity");
    BR_ALLOC(st, s->demand_N, p->args->n_items, "demand");
    BR_ALLOC(st, s->near_N, p->args->n_items, "slopes");
    BR_ALLOC(st, s->curve_L, p->args->n_limits, "slopes of limits");
    br_scan_sample(s, 1);
done:
    return st;
}

void br_scan_close(br_scan *s)
{
    br_free(&s->lane_W2N);
    br_free(&s->task_TS);
    br_free(&s->price_N);
    br_free(&s->bound_N);
    br_free(&s->demand_N);
    br_free(&s->near_N);
    br_free(&s->curve_L);
}

static int64_t n_sampled(const br_scan *s)
{
    return (s->problem->args->n_rows + s->stride - 1) / s->stride;
}

static int64_t sampled_row(const br_scan *s, int64_t i)
{
    int64_t row = i * s->stride;

    if (s->stride > 1)
        row += (int64_t)(br_scan_draw(i, 1) * (float)s->stride);
    return row < s->problem->args->n_rows ? row : s->problem->args->n_rows - 1;
}

void br_scan_sample(br_scan *s, int64_t stride)
{
    s->stride  = stride;
    s->n_slots = 0;
    s->n_tasks = (n_sampled(s) + TASK_ROWS - 1) / TASK_ROWS;
    for (int64_t i = 0; i < n_sampled(s); i++)
        s->n_slots += br_problem_length(s->problem, sampled_row(s, i));
}

int32_t br_scan_row(const br_scan *s, int64_t row, int32_t n, int32_t *pos, float *worth)
{
    const br_allocate_args *a         = s->problem->args;
    const int32_t          *item_M    = a->item_BM + row * a->width;
    const float            *utility_M = a->utility_BM + row * a->width;
    const float             floor_at  = (float)a->floor;
    const float             most      = s->jitter - s->lowest - floor_at;
    int32_t                 n_found   = 0, n_positive;

    for (int32_t m = 0; m < a->width && item_M[m] >= 0; m++) {
        float   v = utility_M[m] - floor_at - s->price_N[item_M[m]];
        int32_t at;

        if (n_found > n && utility_M[m] + most <= worth[n])
            break; /* neither this nor a later one can enter */
        if (s->jitter > 0.0f)
            v += s->jitter * br_scan_draw(row, item_M[m]);
        if (n_found > n && v <= worth[n])
            continue;
        at = n_found <= n ? n_found++ : n;
        for (; at > 0 && worth[at - 1] < v; at--) {
            worth[at] = worth[at - 1];
            pos[at]   = pos[at - 1];
        }
        worth[at] = v;
        pos[at]   = m;
    }
    for (n_positive = 0; n_positive < n_found && n_positive < n && worth[n_positive] > 0.0f;)
        n_positive++;
    if (n_found <= n)
        worth[n_found] = -INFINITY;
    return n_positive;
}

/* How the number of slots and the limits' left-hand sides change when the row's nearest change of
 * list happens; items whose capacity has a price do not count, since that price takes up the
 * change of a limit's. */
static void add_curve(const br_scan *s, int32_t leaves, int32_t enters, double *task_S)
{
    task_S[1] += leaves < 0 || enters < 0;
    for (int32_t l = 0; l < s->problem->args->n_limits; l++) {
        const br_side *side   = &s->problem->side_L[l];
        double         change = 0.0;

        if (leaves >= 0 && !s->bound_N[leaves])
            change += (double)br_side_coef(side, leaves) / side->scale;
        if (enters >= 0 && !s->bound_N[enters])
            change -= (double)br_side_coef(side, enters) / side->scale;
        task_S[2 + l] += change * change;
    }
}

/* Adds one row to its lane's and its task's sums. */
static void add_row(br_scan *s, int64_t row, int64_t *lane_2N, double *task_S)
{
    const br_allocate_args *a         = s->problem->args;
    const int32_t          *item_M    = a->item_BM + row * a->width;
    int32_t                 n         = br_problem_length(s->problem, row);
    int64_t                *near_N    = lane_2N + a->n_items;
    bool                    is_sloped = s->band > 0.0f;
    int32_t                 pos[MAX_KEPT + 1];
    float                   worth[MAX_KEPT + 1];
    int32_t                 n_listed = n > 0 ? br_scan_row(s, row, n, pos, worth) : 0;
    float                   next     = n > 0 ? worth[n_listed] : -INFINITY;
    float                   bar      = next > 0.0f ? next : 0.0f;

    for (int32_t i = 0; i < n_listed; i++) {
        lane_2N[item_M[pos[i]]]++;
        task_S[0] += worth[i];
        if (is_sloped && worth[i] - bar < s->band)
            near_N[item_M[pos[i]]]++;
    }
    if (s->pos_BK != NULL)
        for (int32_t i = 0; i < a->n_kept; i++)
            s->pos_BK[row * a->n_kept + i] = i < n_listed ? pos[i] : -1;
    if (!is_sloped || n == 0)
        return;
    if (n_listed > 0 && worth[n_listed - 1] - bar < s->band)
        add_curve(s, item_M[pos[n_listed - 1]], next > 0.0f ? item_M[pos[n_listed]] : -1, task_S);
    bar = n_listed == n ? worth[n - 1] : 0.0f;
    if (next > -INFINITY && bar - next < s->band) {
        near_N[item_M[pos[n_listed]]]++;
        if (next <= 0.0f)
            add_curve(s, -1, item_M[pos[n_listed]], task_S);
    }
}

static br_status scan_task(void *context, int lane, int64_t task)
{
    br_scan *s       = context;
    int64_t *lane_2N = s->lane_W2N + (int64_t)lane * 2 * s->problem->args->n_items;
    int64_t  n_sums  = 2 + s->problem->args->n_limits;
    int64_t  last = (task + 1) * TASK_ROWS < n_sampled(s) ? (task + 1) * TASK_ROWS : n_sampled(s);

    memset(s->task_TS + task * n_sums, 0, (size_t)n_sums * sizeof *s->task_TS);
    for (int64_t i = task * TASK_ROWS; i < last; i++)
        add_row(s, sampled_row(s, i), lane_2N, s->task_TS + task * n_sums);
    return BR_OK;
}

/* Integers in any order, sums of blocks in block order. */
static void collect(br_scan *s)
{
    const br_allocate_args *a = s->problem->args;

    memset(s->demand_N, 0, (size_t)a->n_items * sizeof *s->demand_N);
    memset(s->near_N, 0, (size_t)a->n_items * sizeof *s->near_N);
    for (int32_t l = 0; l < a->n_limits; l++)
        s->curve_L[l] = 0.0;
    for (int w = 0; w < a->n_lanes; w++) {
        const int64_t *lane_2N = s->lane_W2N + (int64_t)w * 2 * a->n_items;

        for (int32_t i = 0; i < a->n_items; i++) {
            s->demand_N[i] += lane_2N[i];
            s->near_N[i] += lane_2N[a->n_items + i];
        }
    }
    s->worth = s->curve = 0.0;
    for (int64_t t = 0; t < s->n_tasks; t++) {
        const double *task_S = s->task_TS + t * (2 + a->n_limits);

        s->worth += task_S[0];
        s->curve += task_S[1];
        for (int32_t l = 0; l < a->n_limits; l++)
            s->curve_L[l] += task_S[2 + l];
    }
}

br_status br_scan_run(br_scan *s, const double *dual_C)
{
    br_status               st = BR_OK;
    const br_allocate_args *a  = s->problem->args;

    br_problem_prices(s->problem, dual_C, s->price_N, NULL);
    s->lowest = INFINITY;
    for (int32_t i = 0; i < a->n_items; i++) {
        s->bound_N[i] = dual_C[i] > 0.0;
        if (s->price_N[i] < s->lowest)
            s->lowest = s->price_N[i];
    }
    memset(s->lane_W2N, 0, (size_t)a->n_lanes * 2 * (size_t)a->n_items * sizeof *s->lane_W2N);
    BR_TRY(st, br_parallel_for(a->n_lanes, s->n_tasks, scan_task, s, NULL));
    collect(s);
    if (a->n_rows > 0)
        s->problem->passes += (double)n_sampled(s) / (double)a->n_rows;
done:
    return st;
}
