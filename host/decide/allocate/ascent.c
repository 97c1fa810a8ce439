/* SPDX-License-Identifier: Apache-2.0 */
#include "host/decide/allocate/ascent.h"

#include <math.h>
#include <string.h>

#include "host/base/memory.h"

#define DEFAULT_PASSES 30.0
#define SMALL_WORK     3e8 /* candidates looked at that nobody waits for */
#define SMALL          4.0 /* times the passes that large ones have */
#define SMALL_PASSES   600.0
#define SAMPLE_ROWS    1024 /* of the coarsest sample, at least */
#define SAMPLE_STRIDE  16   /* at most */
#define LEAST_SPREAD   1e-3 /* of a slot's worth, below which candidates are equal */
#define PACE           0.7  /* of full diagonal Newton steps */
#define MIN_PACE       0.02
#define WINDOW         25  /* steps without progress that end an ascent */
#define WINDOW_LARGE   6   /* the same of large problems, ... */
#define LITTLE_MISS    5.0 /* ... when prices miss so many tolerances: the repair does the rest */

/* What a scan found at a point: enough to step from it again. */
typedef struct point {
    double *dual_C;
    double *room_C;  /* bound - left-hand side; inf: no constraint */
    double *slope_C; /* of the left-hand side, by the constraint's own dual */
    double *free_L;  /* room of limits that steps are taken by */
    double  value;
    double  miss; /* relative: what the prices fail to account for */
    double level; /* the move of all priced capacities together that the number of slots asks for */
} point;

typedef struct climb {
    br_problem *p;
    br_scan    *scan;
    int32_t     n_duals;
    double     *dual_C;     /* the last point that a step reached */
    point       at, best;   /* where the gradient is taken: ahead of it; the best such point */
    double      unit;       /* worth of a slot: the scale of prices */
    double      share;      /* of all slots that the scan covers */
    double     *moved_L;    /* the last move of each limit's price */
    double      momentum;   /* Nesterov's t */
    double      pace;       /* of a step by the slopes */
    double      reach;      /* of the price of a limit */
    double      level_pace; /* of the common move, relative to that */
    int32_t     n_steps;
} climb;

static br_status point_open(int32_t n_duals, int32_t n_limits, point *x)
{
    br_status st = BR_OK;

    BR_ALLOC(st, x->dual_C, n_duals, "duals");
    BR_ALLOC(st, x->room_C, n_duals, "room");
    BR_ALLOC(st, x->slope_C, n_duals, "slopes");
    BR_ALLOC(st, x->free_L, n_limits, "room of limits");
done:
    return st;
}

static void point_close(point *x)
{
    br_free(&x->dual_C);
    br_free(&x->room_C);
    br_free(&x->slope_C);
    br_free(&x->free_L);
}

static void point_copy(const climb *c, const point *from, point *to)
{
    size_t bytes = (size_t)c->n_duals * sizeof *to->dual_C;

    memcpy(to->dual_C, from->dual_C, bytes);
    memcpy(to->room_C, from->room_C, bytes);
    memcpy(to->slope_C, from->slope_C, bytes);
    for (int32_t l = 0; l < c->p->args->n_limits; l++)
        to->free_L[l] = from->free_L[l];
    to->value = from->value;
    to->miss  = from->miss;
    to->level = from->level;
}

static double most_of(const climb *c, int32_t at)
{
    int32_t l = at - c->p->args->n_items;
    return l >= 0 && c->p->side_L[l].is_soft ? c->p->short_price : INFINITY;
}

/* How far one step may move a dual: slopes of items are measured within the band. */
static double reach_of(const climb *c, int32_t at)
{
    int32_t l = at - c->p->args->n_items;
    return l < 0 ? 2.0 * (double)c->scan->band
                 : fmax(c->reach, 2.0 * (double)c->scan->band) / c->p->side_L[l].largest;
}

/* The room of a limit when items whose capacity has a price are listed as often as that allows. */
static double room_at_capacity(const climb *c, int32_t limit)
{
    const br_side *side = &c->p->side_L[limit];
    double         used = 0.0;

    for (int32_t i = 0; i < c->p->args->n_items; i++)
        used += (double)br_side_coef(side, i) *
                (c->scan->bound_N[i] ? c->share * (double)br_problem_capacity(c->p, i)
                                     : (double)c->scan->demand_N[i]);
    return (c->share * (double)side->bound - used) / side->scale;
}

static void measure_point(climb *c, const int64_t *activity_L)
{
    int32_t n    = c->p->args->n_items;
    double  band = c->scan->band, miss = 0.0, sum = 0.0, size = 0.0;

    for (int32_t i = 0; i < n; i++) {
        int64_t capacity = br_problem_capacity(c->p, i);

        c->at.room_C[i]  = capacity == INT64_MAX
                               ? INFINITY
                               : c->share * (double)capacity - (double)c->scan->demand_N[i];
        c->at.slope_C[i] = ((double)c->scan->near_N[i] + 0.5) / band;
        if (capacity < INT64_MAX && (c->at.dual_C[i] > 0.0 || c->at.room_C[i] < 0.0)) {
            sum += c->at.room_C[i];
            size += fabs(c->at.room_C[i]);
        }
    }
    c->at.level = fabs(sum) > 0.5 * size
                      ? (1.0 - 2.0 * fabs(sum) / size) * sum * band / (c->scan->curve + 0.5)
                      : 0.0;
    for (int32_t l = 0; l < c->p->args->n_limits; l++) {
        const br_side *side = &c->p->side_L[l];

        c->at.room_C[n + l] =
            (c->share * (double)side->bound - (double)activity_L[l]) / side->scale;
        c->at.free_L[l]      = room_at_capacity(c, l);
        c->at.slope_C[n + l] = (c->scan->curve_L[l] + 0.5 * side->largest * side->largest) / band;
    }
    for (int32_t i = 0; i < c->n_duals; i++)
        if (c->at.room_C[i] < INFINITY)
            miss += c->at.dual_C[i] > 0.0 ? fabs(c->at.room_C[i]) * fmin(c->at.dual_C[i], c->unit)
                                          : fmax(-c->at.room_C[i], 0.0) * c->unit;
    c->at.miss = miss / fmax(fabs(c->at.value), 1e-300);
}

/* Takes the gradient, the slopes and the value at c->at.dual_C. */
static br_status look(climb *c, int64_t *activity_L)
{
    br_status st = BR_OK;

    BR_TRY(st, br_scan_run(c->scan, c->at.dual_C));
    br_problem_activity(c->p, c->scan->demand_N, activity_L);
    c->at.value = c->share * br_problem_bound_value(c->p, c->at.dual_C) + c->scan->worth;
    measure_point(c, activity_L);
    c->n_steps++;
done:
    return st;
}

static double clip(double x, double reach)
{
    return fmin(fmax(x, -reach), reach);
}

/* Moves one dual to `to` and looks ahead; returns the square of the move, or 0 at 0. */
static double move_dual(climb *c, int32_t i, double to, double ahead)
{
    double before = c->dual_C[i], from = c->at.dual_C[i];

    c->dual_C[i]    = fmin(fmax(to, 0.0), most_of(c, i));
    c->at.dual_C[i] = c->dual_C[i] + ahead * (c->dual_C[i] - before);
    c->at.dual_C[i] = fmin(fmax(c->at.dual_C[i], 0.0), most_of(c, i));
    return (c->dual_C[i] - from) * (c->dual_C[i] - from);
}

/* What the prices of the limits take from the prices of an item's capacity when they move. */
static double taken_up(const climb *c, int32_t item, const double *moved_L)
{
    double sum = 0.0;

    for (int32_t l = 0; l < c->p->args->n_limits; l++)
        if (moved_L[l] != 0.0)
            sum +=
                moved_L[l] * (double)br_side_coef(&c->p->side_L[l], item) / c->p->side_L[l].scale;
    return sum;
}

/* One projected step from c->at; returns its root mean square over priced capacities. The limits
 * move first; priced capacities give way, so that their items' prices stay; then these move. */
static double step(climb *c)
{
    int32_t n      = c->p->args->n_items;
    double  t      = (1.0 + sqrt(1.0 + 4.0 * c->momentum * c->momentum)) / 2.0;
    double  ahead  = (c->momentum - 1.0) / t;
    double  square = 0.0, weight = 0.0;

    for (int32_t l = 0; l < c->p->args->n_limits; l++) {
        double from = c->at.dual_C[n + l];
        double move = clip(-c->pace * c->at.free_L[l] / c->at.slope_C[n + l], reach_of(c, n + l));

        (void)move_dual(c, n + l, from + move, ahead);
        c->moved_L[l] = c->dual_C[n + l] - from;
    }
    for (int32_t i = 0; i < n; i++) {
        double from = c->at.dual_C[i];
        double move = -c->at.room_C[i] / c->at.slope_C[i];

        if (c->at.room_C[i] == INFINITY)
            continue;
        if (from > 0.0 || c->at.room_C[i] < 0.0)
            move += c->level_pace * c->at.level;
        move = clip(c->pace * move, reach_of(c, i));
        if (from > 0.0)
            from -= taken_up(c, i, c->moved_L);
        square += move_dual(c, i, from + move, ahead);
        weight += c->dual_C[i] > 0.0;
    }
    c->momentum = t;
    return weight > 0.0 ? sqrt(square / weight) : 0.0;
}

/* Back to the best point, with smaller steps. */
static void retreat(climb *c)
{
    point_copy(c, &c->best, &c->at);
    memcpy(c->dual_C, c->best.dual_C, (size_t)c->n_duals * sizeof *c->dual_C);
    c->momentum = 1.0;
    c->level_pace *= 0.5;
    c->reach *= 0.5;
    c->pace       = fmax(0.5 * c->pace, MIN_PACE);
    c->scan->band = (float)fmax(0.7 * (double)c->scan->band, (double)c->scan->jitter / 16.0);
}

static double small_passes(const br_allocate_args *a)
{
    return SMALL_WORK / ((double)a->n_rows * a->width);
}

/* Small problems may take as many steps as help. */
static bool is_small(const br_allocate_args *a)
{
    return a->max_passes == 0.0 && small_passes(a) > SMALL * DEFAULT_PASSES;
}

/* Has an ascent that made no progress in the last n_steps come to its end? */
static bool is_over(const climb *c, int32_t n_steps)
{
    bool is_quick = !is_small(c->p->args) && c->best.miss < LITTLE_MISS * c->p->tolerance;

    return n_steps > (is_quick ? WINDOW_LARGE : WINDOW);
}

/* Steps until the value stops falling or `passes` are spent. */
static br_status climb_level(climb *c, double passes, int64_t *activity_L)
{
    br_status st       = BR_OK;
    double    last_min = INFINITY;
    int32_t   last_at  = 0;
    double    end      = c->p->passes + passes;

    c->best.value = c->best.miss = INFINITY;
    c->momentum                  = 1.0;
    c->pace                      = PACE;
    c->level_pace                = 1.0;
    c->reach                     = 0.1 * c->unit;
    memcpy(c->at.dual_C, c->dual_C, (size_t)c->n_duals * sizeof *c->dual_C);
    for (int32_t i = 0; c->p->passes + 1e-9 < end && !is_over(c, i - last_at); i++) {
        double moved;

        BR_TRY(st, look(c, activity_L));
        if (c->at.miss < 0.5 * c->p->tolerance || c->at.value <= c->best.value) {
            point_copy(c, &c->at, &c->best);
            c->pace  = fmin(1.1 * c->pace, PACE);
            c->reach = fmin(1.2 * c->reach, 0.5 * c->unit);
        } else {
            retreat(c);
        }
        if (c->at.miss < 0.5 * c->p->tolerance)
            break;
        if (c->best.value < last_min - 0.05 * c->p->tolerance * fabs(c->best.value)) {
            last_min = c->best.value;
            last_at  = i;
        }
        moved         = step(c);
        c->scan->band = (float)fmin(fmax(4.0 * moved, (double)c->scan->jitter / 16.0),
                                    1.2 * (double)c->scan->band);
    }
    memcpy(c->dual_C, c->best.dual_C, (size_t)c->n_duals * sizeof *c->dual_C);
done:
    return st;
}

static void set_sample(climb *c, int64_t stride)
{
    br_scan_sample(c->scan, stride);
    c->share = c->p->share;
    if (c->p->n_slots > 0)
        c->share *= (double)c->scan->n_slots / (double)c->p->n_slots;
}

/* The scale of prices: what a slot is worth before there are any, or what candidates differ by
 * where the floor is far below all of them. */
static br_status measure(climb *c)
{
    br_status st     = BR_OK;
    double   *zero_C = NULL;
    double    spread = br_problem_spread(c->p);
    int64_t   n      = 0;

    BR_ALLOC(st, zero_C, c->n_duals, "zero prices");
    BR_TRY(st, br_scan_run(c->scan, zero_C));
    for (int32_t i = 0; i < c->p->args->n_items; i++)
        n += c->scan->demand_N[i];
    c->unit = n > 0 ? c->scan->worth / (double)n : 1.0;
    if (spread > LEAST_SPREAD * c->unit)
        c->unit = fmin(c->unit, spread);
    c->scan->jitter = (float)(c->p->tolerance * c->unit);
    c->scan->band   = (float)((c->p->args->start_C != NULL ? 0.01 : 0.25) * c->unit);
done:
    br_free(&zero_C);
    return st;
}

static double passes_allowed(const br_allocate_args *a)
{
    if (a->max_passes > 0.0)
        return a->max_passes;
    return fmin(fmax(DEFAULT_PASSES, small_passes(a)), SMALL_PASSES);
}

/* The first climbs take wider draws, which round the corners that equal customers make, and, where
 * there are many customers, a sample of them. Duals to start from make most of that needless. */
static br_status climb_levels(climb *c, int64_t *activity_L)
{
    static const double     wider[] = {256.0, 32.0, 4.0};
    br_status               st      = BR_OK;
    const br_allocate_args *a       = c->p->args;
    double                  passes  = passes_allowed(a);
    int64_t                 stride  = SAMPLE_STRIDE;
    float                   jitter;

    while (stride > 1 && a->n_rows / stride < SAMPLE_ROWS)
        stride /= 4;
    set_sample(c, stride);
    BR_TRY(st, measure(c));
    jitter = c->scan->jitter;
    for (int i = 0; i<3; i++, stride = stride> 1 ? stride / 4 : 1) {
        if (a->start_C != NULL && i < 2)
            continue;
        set_sample(c, stride);
        c->scan->jitter = (float)wider[i] * jitter;
        c->scan->band   = (float)fmax(c->scan->band, 0.25 * (double)c->scan->jitter);
        BR_TRY(st, climb_level(c, passes / 5.0, activity_L));
    }
    c->scan->jitter = jitter;
    set_sample(c, 1);
    BR_TRY(st, climb_level(c, fmax(passes - c->p->passes, 1.0), activity_L));
done:
    return st;
}

br_status br_ascent(br_problem *p, br_scan *scan, double *dual_C, int32_t *n_steps)
{
    br_status st         = BR_OK;
    int64_t  *activity_L = NULL;
    int32_t   n          = p->args->n_items;
    climb     c = {.p = p, .scan = scan, .dual_C = dual_C, .n_duals = n + p->args->n_limits};

    BR_ALLOC(st, activity_L, p->args->n_limits, "left-hand sides");
    BR_ALLOC(st, c.moved_L, p->args->n_limits, "moves of limits");
    BR_TRY(st, point_open(c.n_duals, p->args->n_limits, &c.at));
    BR_TRY(st, point_open(c.n_duals, p->args->n_limits, &c.best));
    for (int32_t i = 0; i < n; i++)
        if (br_problem_capacity(p, i) == INT64_MAX)
            dual_C[i] = 0.0; /* a start may come from other capacities */
    for (int32_t at = n; at < c.n_duals; at++)
        dual_C[at] = fmin(dual_C[at], most_of(&c, at));
    BR_TRY(st, climb_levels(&c, activity_L));
    *n_steps = c.n_steps;
done:
    br_free(&activity_L);
    br_free(&c.moved_L);
    point_close(&c.at);
    point_close(&c.best);
    return st;
}
