/* SPDX-License-Identifier: Apache-2.0
 *
 * The order in which items are scanned: a matter of speed alone. Called once per run.
 *
 * Norms alike (Gaussian vectors): all items in a scattered order, of which any beginning is a fair
 * sample, so that thresholds can be foretold from it. Norms apart (most trained models): a sample,
 * then the rest by falling norm, or by the most that they can score where biases count too, so that
 * customers leave early. Within runs of the rest, items of the same segments and like biases stand
 * together, and of like largest elements: panels then share them, and the scale of their codes.
 * Runs are short where the largest norms stand, each panel of which raises thresholds.
 *
 * Where items require segments runs grow with their place, so that nearly all panels are of one
 * segment: customers without it pass them over, whatever the segment's size. Bits lead by rarity:
 * even where no two items require the same, panels share their rarest bit. */
#include <math.h>
#include <stdlib.h>

#include "kernels/cpu/topk/candidates.h"
#include "kernels/cpu/topk/items.h"

#define RUN          1024 /* items that are put together by segment and bias, at least */
#define RUN_SHARE    8    /* and this part of what stands before them */
#define LEAST_SAMPLE 256
#define MOST_SAMPLE  4096
#define ALIKE        1.2 /* a tenth exceeds it times the median or less: norms are alike */

static int64_t greatest_common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Steps of about N times the golden ratio visit all N places, evenly at any time. */
static int64_t scatter_step(int64_t N)
{
    int64_t step = (int64_t)((double)N * 0.6180339887498949);

    step = step > 0 ? step : 1;
    while (greatest_common_divisor(step, N) != 1)
        step++;
    return step;
}

/* Item rows by falling norm, or, where a customer's norm is known, by the most that it lets an item
 * score; a NaN may land anywhere. */
static br_status sort_by_norm(const br_items *items, const double *norm_N, double query_norm,
                              int32_t *row_N)
{
    br_status    st     = BR_OK;
    uint64_t    *key    = NULL;
    int64_t      N      = items->item_ND.n_rows;
    const float *bias_N = br_mat_f32(items->bias_N);

    BR_ALLOC(st, key, N, "item order");
    for (int64_t i = 0; i < N; i++) {
        double most = norm_N[i];

        if (bias_N != NULL && query_norm > 0.0)
            most = query_norm * norm_N[i] + (double)bias_N[i * items->bias_N.ld];
        key[i] = br_rank_key((float)most, (int32_t)i);
    }
    br_rank_sort(key, N);
    for (int64_t i = 0; i < N; i++)
        row_N[i] = (int32_t)(uint32_t)key[i];
done:
    br_free(&key);
    return st;
}

static bool norms_are_alike(const double *norm_N, const int32_t *by_norm_N, int64_t N)
{
    return !(norm_N[by_norm_N[N / 10]] > ALIKE * norm_N[by_norm_N[N / 2]]);
}

/* ---- runs ---- */

typedef struct neighbour {
    uint64_t require; /* the rarest bit leads */
    float    bias;
    float    element; /* its largest: what sets the scale of codes */
    int32_t  row;
} neighbour;

typedef struct ordering {
    const br_items *items;
    br_cpu_items   *to;
    neighbour      *near_R;   /* a run */
    int             lead[64]; /* of each segment bit: 63 for the rarest */
} ordering;

static int compare_neighbours(const void *a, const void *b)
{
    const neighbour *p = a, *q = b;

    if (p->require != q->require)
        return p->require < q->require ? -1 : 1;
    if (p->bias != q->bias)
        return p->bias > q->bias ? -1 : 1;
    if (p->element != q->element)
        return p->element > q->element ? -1 : 1;
    return p->row < q->row ? -1 : 1;
}

static uint64_t require_of(const br_items *items, int64_t row)
{
    const uint64_t *require_N = br_mat_at(items->require_N);

    return require_N != NULL ? require_N[row * items->require_N.ld] : 0;
}

/* Which segment bits items require, and how rare each is. */
static void count_segments(ordering *o)
{
    int64_t count[64] = {0};

    for (int64_t i = 0; i < o->to->N; i++) {
        o->to->relevant |= require_of(o->items, i);
        for (uint64_t bits = require_of(o->items, i); bits != 0; bits &= bits - 1)
            count[__builtin_ctzll(bits)]++;
    }
    for (int a = 0; a < 64; a++)
        for (int b = 0; b < 64; b++)
            o->lead[a] += count[b] > count[a] || (count[b] == count[a] && b < a);
}

static uint64_t rarest_first(const ordering *o, uint64_t require)
{
    uint64_t led = 0;

    for (uint64_t bits = require; bits != 0; bits &= bits - 1)
        led |= 1ull << o->lead[__builtin_ctzll(bits)];
    return led;
}

/* By element within each of about as many groups of like biases as panels of each: both bounds of a
 * panel are then close to what its items have. */
static void order_cells(neighbour *near_R, int64_t n)
{
    int64_t n_groups = (int64_t)(sqrt((double)n / BR_SCREEN_COLS) + 0.5);
    int64_t n_group;

    if (n_groups < 2)
        return;
    n_group = n / n_groups / BR_SCREEN_COLS * BR_SCREEN_COLS;
    for (int64_t at = 0, size; at < n; at += size) {
        size = n - at < 2 * n_group ? n - at : n_group;
        for (int64_t i = at; i < at + size; i++)
            near_R[i].bias = 0.0f;
        qsort(near_R + at, (size_t)size, sizeof *near_R, compare_neighbours);
    }
}

static void order_run(const ordering *o, int32_t *row_R, int64_t n)
{
    const br_items *items  = o->items;
    const float    *bias_N = br_mat_f32(items->bias_N);

    for (int64_t i = 0; i < n; i++) {
        int64_t row = row_R[i];

        o->near_R[i] =
            (neighbour){.row = row_R[i], .require = rarest_first(o, require_of(items, row))};
        if (bias_N != NULL)
            o->near_R[i].bias = bias_N[row * items->bias_N.ld];
        o->near_R[i].element =
            br_codes_measure(br_mat_f32(items->item_ND) + row * items->item_ND.ld,
                             items->item_ND.n_cols)
                .element;
    }
    qsort(o->near_R, (size_t)n, sizeof *o->near_R, compare_neighbours);
    if (bias_N != NULL && o->to->relevant == 0)
        order_cells(o->near_R, n);
    for (int64_t i = 0; i < n; i++)
        row_R[i] = o->near_R[i].row;
}

/* Whole panels. Within the sample runs end where thresholds are foretold (at powers of two), so
 * that what stands before stays fair. */
static int64_t run_length(const br_cpu_items *to, int64_t at)
{
    int64_t n = RUN, end = to->N;

    if (at < to->n_sample) {
        end = to->n_sample;
        if (at < RUN || to->relevant != 0)
            n = at;
    } else if (to->relevant == 0 && at - to->n_sample < RUN) {
        n = at - to->n_sample > BR_SCREEN_COLS ? at - to->n_sample : BR_SCREEN_COLS;
    } else if (to->relevant != 0 && at / RUN_SHARE > RUN) {
        n = at / RUN_SHARE / BR_SCREEN_COLS * BR_SCREEN_COLS;
    }
    return n < end - at ? n : end - at;
}

static br_status order_runs(const br_items *items, br_cpu_items *to)
{
    br_status st = BR_OK;
    ordering  o  = {.items = items, .to = to};

    count_segments(&o);
    BR_ALLOC(st, o.near_R, RUN + (to->relevant != 0 ? to->N / 2 : 0), "item order");
    for (int64_t at = BR_SCREEN_COLS, n; at < to->N; at += n) {
        n = run_length(to, at);
        order_run(&o, to->row_N + at, n);
    }
done:
    br_free(&o.near_R);
    return st;
}

/* ---- the order ---- */

static void scatter(const int32_t *by_norm_N, int64_t N, int64_t n, int32_t *row_N)
{
    int64_t step = scatter_step(N), at = N / 2;

    for (int64_t i = 0; i < n; i++) {
        row_N[i] = by_norm_N[at];
        at       = (at + step) % N;
    }
}

/* The sample, then the others by falling norm. */
static br_status sample_first(const int32_t *by_norm_N, br_cpu_items *to)
{
    br_status st      = BR_OK;
    uint8_t  *is_in_N = NULL;
    int64_t   n       = to->N / 64 / BR_SCREEN_COLS * BR_SCREEN_COLS;

    n = n > LEAST_SAMPLE ? n : LEAST_SAMPLE;
    n = n < MOST_SAMPLE ? n : MOST_SAMPLE;
    BR_ALLOC(st, is_in_N, to->N, "item sample");
    scatter(by_norm_N, to->N, n, to->row_N);
    for (int64_t i = 0; i < n; i++)
        is_in_N[to->row_N[i]] = 1;
    to->n_sample = n;
    for (int64_t i = 0; i < to->N; i++)
        if (!is_in_N[by_norm_N[i]])
            to->row_N[n++] = by_norm_N[i];
done:
    br_free(&is_in_N);
    return st;
}

br_status br_cpu_items_order(const br_items *items, const double *norm_N, br_cpu_items *to)
{
    br_status st        = BR_OK;
    int32_t  *by_norm_N = NULL;

    BR_ALLOC(st, by_norm_N, to->N, "items by norm");
    BR_TRY(st, sort_by_norm(items, norm_N, to->query_norm, by_norm_N));
    to->n_sample = to->N;
    if (to->query_norm == 0.0 &&
        (to->N <= 2 * LEAST_SAMPLE || norms_are_alike(norm_N, by_norm_N, to->N)))
        scatter(by_norm_N, to->N, to->N, to->row_N);
    else
        BR_TRY(st, sample_first(by_norm_N, to));
    BR_TRY(st, order_runs(items, to));
done:
    br_free(&by_norm_N);
    return st;
}
