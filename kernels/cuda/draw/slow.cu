/* SPDX-License-Identifier: Apache-2.0
 *
 * Plackett-Luce by its definition, for rows whose list was not certain: every item's perturbed
 * score, and the walk over all of them. Called where there are any. */
#include "kernels/cuda/draw/above.cuh"
#include "kernels/cuda/draw/walk.cuh"

typedef struct slow_params {
    br_draw_tile t;
    br_draw_slow slow;
} slow_params;

/* Extras have scores of their own. */
static __device__ void put_extras(const br_draw_tile &t, const br_drawn &d, double *y_N,
                                  float *score_N)
{
    for (int32_t e = (int32_t)threadIdx.x; e < d.n_extras; e += BR_DRAW_THREADS) {
        int32_t item = d.extra_X[e];

        score_N[item] = d.extra_score_X[e];
        y_N[item]     = (double)score_N[item] / d.heat + br_drawn_noise(t, d, item, -1);
    }
}

/* So far all noise was drawn as below the threshold. */
static __device__ void put_above(const br_draw_tile &t, const br_drawn &d, double *y_N,
                                 const float *score_N)
{
    const int32_t *above_A = t.above_RA + d.row * t.n_above_most;

    for (int32_t a = (int32_t)threadIdx.x; a < t.n_above_R[d.row]; a += BR_DRAW_THREADS) {
        int32_t item = br_above_item(above_A[a]);

        if (y_N[item] > -INFINITY)
            y_N[item] = (double)score_N[item] / d.heat + br_drawn_noise(t, d, item, a);
    }
}

/* Grid: a block per slow row. */
static __global__ void __launch_bounds__(BR_DRAW_THREADS) slow_walk_kernel(slow_params p)
{
    br_drawn     d       = br_drawn_of(p.t, p.slow.row_S[blockIdx.x]);
    double      *y_N     = p.slow.y_SN + blockIdx.x * p.t.N;
    float       *score_N = p.slow.score_SN + blockIdx.x * p.t.N;
    br_draw_pool all     = {p.t.N, y_N, NULL, score_N};
    double       last;
    int32_t      n;

    put_extras(p.t, d, y_N, score_N);
    __syncthreads();
    put_above(p.t, d, y_N, score_N);
    __syncthreads();
    n = br_walk(p.t, d, all, &last);
    if (threadIdx.x == 0)
        p.t.n_R[d.row] = n;
}

br_status br_draw_slowly(br_dev *dev, const br_draw_tile *tile, const br_draw_slow *slow)
{
    br_status   st = BR_OK;
    slow_params p  = {*tile, *slow};

    BR_TRY(st, br_draw_score_all(dev, tile, slow));
    BR_TRY(st, BR_LAUNCH(dev, slow_walk_kernel, (unsigned)slow->n_rows, BR_DRAW_THREADS, 0, p));
done:
    return st;
}
