/* SPDX-License-Identifier: Apache-2.0
 *
 * Temperatures, epsilons and extras as draw.h wants them: a thread per row, before anything else.
 * Finds the largest number of extras too. Called once per call. */
#include "kernels/cuda/draw/row.cuh"

static __device__ bool is_bad_extra(const br_draw_tile &t, const br_drawn &d, int32_t e)
{
    int32_t item = d.extra_X[e];

    return item < 0 || item >= t.N || (e > 0 && item <= d.extra_X[e - 1]) ||
           !isfinite(d.extra_score_X[e]) || !br_is_never(t.rules, d.row, item);
}

static __device__ bool is_bad_heat(const br_draw_tile &t, double heat)
{
    if (t.is_epsilon)
        return !(heat >= 0.0 && heat <= 1.0);
    return !(heat > 0.0 && heat < INFINITY);
}

static __device__ void report(const br_draw_tile &t, int64_t row, br_draw_bad kind)
{
    atomicMin(&t.counters->bad, (unsigned long long)row << 8 | (unsigned)kind);
}

/* Grid: a thread per row. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS) check_kernel(br_draw_tile t)
{
    int64_t  row = (int64_t)blockIdx.x * BR_DRAW_THREADS + threadIdx.x;
    br_drawn d;

    if (row >= t.n_rows)
        return;
    d = br_drawn_of(t, row);
    if (is_bad_heat(t, d.heat))
        report(t, row, BR_DRAW_BAD_HEAT);
    if (d.n_extras < 0 || d.n_extras > BR_DRAW_MOST_EXTRAS) {
        report(t, row, BR_DRAW_BAD_EXTRAS);
        return;
    }
    atomicMax(&t.counters->extras_most, d.n_extras);
    for (int32_t e = 0; e < d.n_extras; e++)
        if (is_bad_extra(t, d, e))
            report(t, row, BR_DRAW_BAD_EXTRA);
}

br_status br_draw_check(br_dev *dev, const br_draw_tile *all)
{
    br_status st = BR_OK;

    BR_TRY(st, BR_LAUNCH(dev, check_kernel, br_cuda_blocks(all->n_rows, BR_DRAW_THREADS),
                         BR_DRAW_THREADS, 0, *all));
done:
    return st;
}
