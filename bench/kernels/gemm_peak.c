/* SPDX-License-Identifier: Apache-2.0
 *
 * The machine's own yardstick: float32 GEMM of the vendor library, one per lane at the same time,
 * the best of several rounds. Prints the table row; its last word is Gflop/s over all lanes.
 *   gemm_peak [--threads N] */
#include <cblas.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/clock.h"
#include "host/base/memory.h"

#define SIZE    1024
#define REPEATS 6
#define ROUNDS  7

/* One round: every lane multiplies its own matrices. Seconds of the slowest lane. */
static double one_round(int n_lanes, float *const *a, float *const *b, float *const *c)
{
    double start_s = br_clock_wall_s();

#pragma omp parallel num_threads(n_lanes)
    {
        int lane = omp_get_thread_num();

        for (int i = 0; i < REPEATS; i++)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, SIZE, SIZE, SIZE, 1.0f, a[lane],
                        SIZE, b[lane], SIZE, 0.0f, c[lane], SIZE);
    }
    return br_clock_wall_s() - start_s;
}

static br_status measure(int n_lanes, double *best_s)
{
    br_status st     = BR_OK;
    float    *a[256] = {0}, *b[256] = {0}, *c[256] = {0};

    for (int lane = 0; lane < n_lanes; lane++) {
        BR_ALLOC(st, a[lane], (int64_t)SIZE * SIZE, "matrix");
        BR_ALLOC(st, b[lane], (int64_t)SIZE * SIZE, "matrix");
        BR_ALLOC(st, c[lane], (int64_t)SIZE * SIZE, "matrix");
        for (int64_t i = 0; i < (int64_t)SIZE * SIZE; i++) {
            a[lane][i] = (float)(i % 7) - 3.0f;
            b[lane][i] = (float)(i % 5) - 2.0f;
        }
    }
    (void)one_round(n_lanes, a, b, c);
    *best_s = 1e30;
    for (int r = 0; r < ROUNDS; r++) {
        double s = one_round(n_lanes, a, b, c);
        *best_s  = s < *best_s ? s : *best_s;
    }
done:
    for (int lane = 0; lane < n_lanes; lane++) {
        br_free(&a[lane]);
        br_free(&b[lane]);
        br_free(&c[lane]);
    }
    return st;
}

int main(int argc, char **argv)
{
    int    n_lanes = omp_get_num_procs();
    double best_s, gflop;

    if (argc == 3 && strcmp(argv[1], "--threads") == 0)
        n_lanes = atoi(argv[2]);
    if (n_lanes < 1 || n_lanes > 256) {
        (void)fprintf(stderr, "usage: gemm_peak [--threads 1..256]\n");
        return 2;
    }
    openblas_set_num_threads(1);
    if (measure(n_lanes, &best_s) != BR_OK) {
        (void)fprintf(stderr, "gemm_peak: %s\n", br_error_last()->text);
        return 4;
    }
    gflop = 2.0 * SIZE * SIZE * SIZE * REPEATS * n_lanes * 1e-9;
    (void)printf("sgemm %d x %d x %d, %d lanes: %.1f\n", SIZE, SIZE, SIZE, n_lanes, gflop / best_s);
    return 0;
}
