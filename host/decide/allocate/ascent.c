/* SPDX-License-Identifier: Apache-2.0 */
#include "host/decide/allocate/ascent.h"

#include <math.h>
#include <string.h>

#include "host/base/memory.h"

#define DEFAULT_TOLERANCE 2e-4
#define DEFAULT_PASSES    30.0
#define SMALL_WORK        2e8  /* candidates looked at that nobody waits for */
#define SMALL_PASSES      600.0
#define SAMPLE_ROWS       8192 /* of the coarsest sample, at least */
#define SAMPLE_STRIDE     16   /* at most */
#define SAMPLE_PASSES     6.0  /* of one sample, at most */
#define WINDOW            12   /* steps without progress that end an ascent */

typedef struct climb {
    br_problem *p;
    br_scan    *scan;
    int32_t     n_duals;
    double     *dual_C; /* the last point that a step reached */
    double     *look_C; /* where the gradient is taken: ahead of it */
    double     *best_C;
    double      best;
    double      value;    /* at look_C */
    double      unit;     /* worth of a slot: the scale of prices */
    double      share;    /* of all slots that the scan covers */
    double      momentum; /* Nesterov's t */
    double      tolerance;
    double      miss; /* relative, at look_C: what the prices fail to account for */
    int32_t     n_steps;
} climb;

static double most_of(const climb *c, int32_t at)
{
    int32_t l = at - c->p->args->n_items;
    return l >= 0 && c->p->side_L[l].is_soft ? c->p->short_price : INFINITY;
}

/* A constraint's bound within the sample, what the lists use of it, and the slope of that. */
static void constraint_at(const climb *c, const int64_t *activity_L, int32_t at, double *room,
                          double *slope)
{
    int32_t n = c->p->args->n_items;

    if (at < n) {
        int64_t capacity = br_problem_capacity(c->p, at);

        *room  = capacity == INT64_MAX ? INFINITY
                                       : c->share * (double)capacity -
                                            (double)c->scan->demand_N[at];
        *slope = ((double)c->scan->near_N[at] + 0.5) / c->scan->band;
        return;
    }
    *room  = (c->share * (double)c->p->side_L[at - n].bound - (double)activity_L[at - n]) /
             c->p->side_L[at - n].scale;
    *slope = (c->scan->curve_L[at - n] +
              0.5 * c->p->side_L[at - n].largest * c->p->side_L[at - n].largest) /
             c->scan->band;
}

/* One projected step from look_C, kept within the band where the slope was measured. */
static double step(climb *c, const int64_t *activity_L)
{
    double t      = (1.0 + sqrt(1.0 + 4.0 * c->momentum * c->momentum)) / 2.0;
    double ahead  = (c->momentum - 1.0) / t;
    double square = 0.0, weight = 0.0, miss = 0.0;

    for (int32_t at = 0; at < c->n_duals; at++) {
        double room, slope, reach = 2.0 * c->scan->band, move, before = c->dual_C[at];

        constraint_at(c, activity_L, at, &room, &slope);
        if (room == INFINITY)
            continue;
        if (at >= c->p->args->n_items)
            reach /= c->p->side_L[at - c->p->args->n_items].largest;
        move = fmin(fmax(-0.7 * room / slope, -reach), reach);
        miss += c->look_C[at] > 0.0 ? fabs(room) * fmin(c->look_C[at], c->unit)
                                    : fmax(-room, 0.0) * c->unit;
        c->dual_C[at] = fmin(fmax(c->look_C[at] + move, 0.0), most_of(c, at));
        move          = c->dual_C[at] - c->look_C[at];
        if (c->dual_C[at] > 0.0 || c->look_C[at] > 0.0) {
            square += move * move;
            weight += 1.0;
        }
        c->look_C[at] = c->dual_C[at] + ahead * (c->dual_C[at] - before);
        c->look_C[at] = fmin(fmax(c->look_C[at], 0.0), most_of(c, at));
    }
    c->momentum = t;
    c->miss     = miss / fmax(fabs(c->value), 1e-300);
    return weight > 0.0 ? sqrt(square / weight) : 0.0;
}

static br_status look(climb *c, int64_t *activity_L)
{
    br_status st = BR_OK;

    BR_TRY(st, br_scan_run(c->scan, c->look_C));
    br_problem_activity(c->p, c->scan->demand_N, activity_L);
    c->value = c->share * br_problem_bound_value(c->p, c->look_C) + c->scan->worth;
    c->n_steps++;
done:
    return st;
}

/* Steps until the value stops falling or `passes` are spent. */
static br_status climb_level(climb *c, double passes, int64_t *activity_L)
{
    br_status st       = BR_OK;
    double    last_min = INFINITY, previous = INFINITY;
    int32_t   last_at  = 0;
    double    end      = c->p->passes + passes;

    c->best     = INFINITY;
    c->momentum = 1.0;
    memcpy(c->look_C, c->dual_C, (size_t)c->n_duals * sizeof *c->look_C);
    for (int32_t i = 0; c->p->passes + 1e-9 < end && i - last_at <= WINDOW; i++) {
        double moved;

        BR_TRY(st, look(c, activity_L));
        if (c->value < c->best) {
            c->best = c->value;
            memcpy(c->best_C, c->look_C, (size_t)c->n_duals * sizeof *c->best_C);
        }
        if (c->best < last_min - 0.05 * c->tolerance * fabs(c->best)) {
            last_min = c->best;
            last_at  = i;
        }
        if (c->value > previous)
            c->momentum = 1.0;
        previous = c->value;
        moved    = step(c, activity_L);
        if (c->miss < 0.5 * c->tolerance)
            break;
        c->scan->band = (float)fmin(fmax(4.0 * moved, 2.0 * (double)c->scan->jitter),
                                    1.2 * (double)c->scan->band);
    }
    memcpy(c->dual_C, c->best_C, (size_t)c->n_duals * sizeof *c->dual_C);
done:
    return st;
}

static void set_sample(climb *c, int64_t stride)
{
    br_scan_sample(c->scan, stride);
    c->share = c->p->n_slots > 0 ? (double)c->scan->n_slots / (double)c->p->n_slots : 1.0;
}

/* The scale of prices: what a slot is worth before there are any. */
static br_status measure(climb *c)
{
    br_status st     = BR_OK;
    double   *zero_C = NULL;
    int64_t   n      = 0;

    BR_ALLOC(st, zero_C, c->n_duals, "zero prices");
    BR_TRY(st, br_scan_run(c->scan, zero_C));
    for (int32_t i = 0; i < c->p->args->n_items; i++)
        n += c->scan->demand_N[i];
    c->unit         = n > 0 ? c->scan->worth / (double)n : 1.0;
    c->scan->jitter = (float)(c->tolerance * c->unit);
    c->scan->band   = (float)(0.25 * c->unit);
done:
    br_free(&zero_C);
    return st;
}

static br_status climb_levels(climb *c, int64_t *activity_L)
{
    br_status               st     = BR_OK;
    const br_allocate_args *a      = c->p->args;
    double                  small  = SMALL_WORK / ((double)a->n_rows * a->width);
    double                  passes = a->max_passes > 0.0 ? a->max_passes
                                                         : fmin(fmax(DEFAULT_PASSES, small),
                                                                SMALL_PASSES);
    int64_t                 stride = SAMPLE_STRIDE;

    while (stride > 1 && a->n_rows / stride < SAMPLE_ROWS)
        stride /= 4;
    set_sample(c, stride);
    BR_TRY(st, measure(c));
    for (; stride > 1; stride /= 4) {
        set_sample(c, stride);
        BR_TRY(st, climb_level(c, fmin(SAMPLE_PASSES, passes / 4.0), activity_L));
        c->scan->band = (float)fmax(c->scan->band, 0.02 * c->unit);
    }
    set_sample(c, 1);
    BR_TRY(st, climb_level(c, fmax(passes - c->p->passes, 1.0), activity_L));
done:
    return st;
}

br_status br_ascent(br_problem *p, br_scan *scan, double *dual_C, int32_t *n_steps)
{
    br_status st         = BR_OK;
    int64_t  *activity_L = NULL;
    climb     c          = {.p         = p,
                            .scan      = scan,
                            .dual_C    = dual_C,
                            .n_duals   = p->args->n_items + p->args->n_limits,
                            .tolerance = p->args->tolerance > 0.0 ? p->args->tolerance
                                                                  : DEFAULT_TOLERANCE};

    BR_ALLOC(st, activity_L, p->args->n_limits, "left-hand sides");
    BR_ALLOC(st, c.look_C, c.n_duals, "duals ahead");
    BR_ALLOC(st, c.best_C, c.n_duals, "best duals");
    for (int32_t at = 0; at < c.n_duals; at++)
        dual_C[at] = fmin(dual_C[at], most_of(&c, at));
    BR_TRY(st, climb_levels(&c, activity_L));
    *n_steps = c.n_steps;
done:
    br_free(&activity_L);
    br_free(&c.look_C);
    br_free(&c.best_C);
    return st;
}
