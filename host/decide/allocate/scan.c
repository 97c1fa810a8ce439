/* SPDX-License-Identifier: Apache-2.0 */
#include "host/decide/allocate/scan.h"

#include <math.h>
#include <string.h>

#include "host/base/clones.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"

#define TASK_ROWS 1024
#define MAX_KEPT  1024
#define BLOCK     16 /* candidates priced at a time */
#define NONE      UINT16_MAX

/* Candidates of each row, and the largest utility by size. */
static void measure_rows(br_scan *s)
{
    const br_allocate_args *a = s->problem->args;

    for (int64_t b = 0; b < a->n_rows; b++) {
        const int32_t *item_M    = a->item_BM + b * a->width;
        const float   *utility_M = a->utility_BM + b * a->width;
        int32_t        n         = 0;

        while (n < a->width && item_M[n] >= 0)
            n++;
        s->count_B[b] = n;
        if (n > 0)
            s->largest = fmaxf(s->largest, fmaxf(fabsf(utility_M[0]), fabsf(utility_M[n - 1])));
    }
}

br_status br_scan_open(br_problem *p, br_scan *s)
{
    br_status               st      = BR_OK;
    const br_allocate_args *a       = p->args;
    int64_t                 n_tasks = (p->args->n_rows + TASK_ROWS - 1) / TASK_ROWS;
    int64_t                 n_last  = a->n_rows * (a->n_kept + 1);

    *s = (br_scan){.problem = p};
    BR_ALLOC(st, s->lane_W2N, (int64_t)p->args->n_lanes * 2 * p->args->n_items, "lane demand");
    BR_ALLOC(st, s->task_TS, n_tasks * (2 + p->args->n_limits), "sums of blocks");
    BR_ALLOC(st, s->price_N, p->args->n_items, "prices");
    BR_ALLOC(st, s->bound_N, p->args->n_items, "items at their capacity");
    BR_ALLOC(st, s->demand_N, p->args->n_items, "demand");
    BR_ALLOC(st, s->near_N, p->args->n_items, "slopes");
    BR_ALLOC(st, s->curve_L, p->args->n_limits, "slopes of limits");
    BR_ALLOC(st, s->worth_WM, (int64_t)a->n_lanes * (a->width + BLOCK), "priced candidates");
    BR_ALLOC(st, s->count_B, a->n_rows, "candidates");
    BR_ALLOC(st, s->last_BK1, n_last, "best candidates");
    if (n_last > 0)
        memset(s->last_BK1, 0xff, (size_t)n_last * sizeof *s->last_BK1);
    measure_rows(s);
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
    br_free(&s->worth_WM);
    br_free(&s->count_B);
    br_free(&s->last_BK1);
}

/* The draw in [0, 1) of a customer and an item. */
static inline float draw(int64_t row, int32_t item)
{
    uint32_t x = (uint32_t)row * 0x9e3779b1u ^ (uint32_t)item * 0x85ebca77u;

    x = (x ^ (x >> 15)) * 0x2c1b3c6du;
    x = (x ^ (x >> 12)) * 0x297a2d39u;
    return (float)(x >> 8) * 0x1p-24f;
}

static int64_t n_sampled(const br_scan *s)
{
    return (s->problem->args->n_rows + s->stride - 1) / s->stride;
}

static int64_t sampled_row(const br_scan *s, int64_t i)
{
    int64_t row = i * s->stride;

    if (s->stride > 1)
        row += (int64_t)(draw(i, 1) * (float)s->stride);
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

static float worth_of(const br_scan *s, int64_t row, int32_t m)
{
    const br_allocate_args *a     = s->problem->args;
    int32_t                 item  = a->item_BM[row * a->width + m];
    float                   worth = a->utility_BM[row * a->width + m] - (float)a->floor;

    worth -= s->price_N[item];
    return s->jitter > 0.0f ? worth + s->jitter * draw(row, item) : worth;
}

/* What the first candidates of a row are worth at the scan's prices; -inf behind them to the end of
 * their block. */
BR_CLONES static void price_row(const br_scan *s, int64_t row, int32_t n, float *worth_M)
{
    const br_allocate_args *a         = s->problem->args;
    const int32_t          *item_M    = a->item_BM + row * a->width;
    const float            *utility_M = a->utility_BM + row * a->width;
    const float            *price_N   = s->price_N;
    const float             floor_at = (float)a->floor, jitter = s->jitter;

    for (int32_t m = 0; m < n; m++)
        worth_M[m] = utility_M[m] - floor_at - price_N[item_M[m]];
    if (jitter > 0.0f)
        for (int32_t m = 0; m < n; m++)
            worth_M[m] += jitter * draw(row, item_M[m]);
    for (int32_t m = n; m % BLOCK != 0; m++)
        worth_M[m] = -INFINITY;
}

/* The first block from m on that has a candidate worth at least `bar`. */
BR_CLONES static int32_t next_block(const float *worth_M, int32_t m, int32_t n, float bar)
{
    for (; m < n; m += BLOCK) {
        int any = 0;

        for (int32_t i = 0; i < BLOCK; i++)
            any |= worth_M[m + i] >= bar;
        if (any)
            break;
    }
    return m;
}

/* The best n + 1 candidates so far: by worth, then by place. */
typedef struct best {
    int32_t n;
    int32_t n_found;
    int32_t pos[MAX_KEPT + 1];
    float   worth[MAX_KEPT + 1];
} best;

static void enter(best *b, float v, int32_t m)
{
    int32_t at = b->n_found <= b->n ? b->n_found++ : b->n;

    for (; at > 0 && (b->worth[at - 1] < v || (b->worth[at - 1] == v && b->pos[at - 1] > m));
         at--) {
        b->worth[at] = b->worth[at - 1];
        b->pos[at]   = b->pos[at - 1];
    }
    b->worth[at] = v;
    b->pos[at]   = m;
}

static bool can_enter(const best *b, float v, int32_t m)
{
    return b->n_found <= b->n || v > b->worth[b->n] || (v == b->worth[b->n] && m < b->pos[b->n]);
}

/* How many candidates can be worth `bar` at all: utilities fall. */
static int32_t n_within(const br_scan *s, int64_t row, float bar)
{
    const br_allocate_args *a         = s->problem->args;
    const float            *utility_M = a->utility_BM + row * a->width;
    double                  most      = (double)s->jitter - (double)s->lowest - a->floor + s->slack;
    int32_t                 n         = 0;

    while (n < s->count_B[row] && (double)utility_M[n] + most >= (double)bar)
        n += BLOCK;
    return n < s->count_B[row] ? n : s->count_B[row];
}

/* Enters the n + 1 of the scan before, if there were so many: prices have moved little, so that
 * hardly any other enters after them. */
static bool enter_last(const br_scan *s, int64_t row, const uint16_t *last_K1, best *b)
{
    if (last_K1[b->n] == NONE)
        return false;
    for (int32_t i = 0; i <= b->n; i++)
        enter(b, worth_of(s, row, last_K1[i]), last_K1[i]);
    return true;
}

/* The best n candidates of a row by utility - floor - price + draw, and the next one after them (or
 * nothing: its worth is -inf). Returns how many of the n are worth more than 0. */
static int32_t scan_row(const br_scan *s, int64_t row, int lane, int32_t n_kept, best *b)
{
    uint16_t *last_K1    = s->last_BK1 + row * (s->problem->args->n_kept + 1);
    float    *worth_M    = s->worth_WM + (int64_t)lane * (s->problem->args->width + BLOCK);
    int32_t   n_positive = 0, n;
    bool      is_warm;

    b->n       = n_kept;
    b->n_found = 0;
    is_warm    = enter_last(s, row, last_K1, b);
    n          = n_within(s, row, is_warm ? b->worth[b->n] : -INFINITY);
    price_row(s, row, n, worth_M);
    for (int32_t i = 0; is_warm && i <= b->n; i++)
        worth_M[last_K1[i]] = -INFINITY;
    for (int32_t m = 0; m < n; m += BLOCK) {
        if (b->n_found > b->n)
            m = next_block(worth_M, m, n, b->worth[b->n]);
        for (int32_t i = m; i < m + BLOCK && i < n; i++)
            if (worth_M[i] > -INFINITY && can_enter(b, worth_M[i], i))
                enter(b, worth_M[i], i);
    }
    for (int32_t i = 0; i <= b->n; i++)
        last_K1[i] = i < b->n_found ? (uint16_t)b->pos[i] : NONE;
    while (n_positive < b->n_found && n_positive < b->n && b->worth[n_positive] > 0.0f)
        n_positive++;
    if (b->n_found <= b->n)
        b->worth[b->n_found] = -INFINITY;
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
static void add_row(br_scan *s, int64_t row, int lane, double *task_S)
{
    const br_allocate_args *a         = s->problem->args;
    const int32_t          *item_M    = a->item_BM + row * a->width;
    int32_t                 n         = br_problem_length(s->problem, row);
    int64_t                *lane_2N   = s->lane_W2N + (int64_t)lane * 2 * a->n_items;
    int64_t                *near_N    = lane_2N + a->n_items;
    bool                    is_sloped = s->band > 0.0f;
    best                    b;
    const int32_t          *pos      = b.pos;
    const float            *worth    = b.worth;
    int32_t                 n_listed = n > 0 ? scan_row(s, row, lane, n, &b) : 0;
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
    br_scan *s      = context;
    int64_t  n_sums = 2 + s->problem->args->n_limits;
    int64_t  last   = (task + 1) * TASK_ROWS < n_sampled(s) ? (task + 1) * TASK_ROWS : n_sampled(s);

    memset(s->task_TS + task * n_sums, 0, (size_t)n_sums * sizeof *s->task_TS);
    for (int64_t i = task * TASK_ROWS; i < last; i++)
        add_row(s, sampled_row(s, i), lane, s->task_TS + task * n_sums);
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
    s->slack =
        1e-6 * ((double)s->largest + fabs(a->floor) + fabs((double)s->lowest) + (double)s->jitter);
    memset(s->lane_W2N, 0, (size_t)a->n_lanes * 2 * (size_t)a->n_items * sizeof *s->lane_W2N);
    BR_TRY(st, br_parallel_for(a->n_lanes, s->n_tasks, scan_task, s, NULL));
    collect(s);
    if (a->n_rows > 0)
        s->problem->passes += (double)n_sampled(s) / (double)a->n_rows;
done:
    return st;
}
