/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen's tile kernels alone: a block of customers by a catalogue that stays in the second
 * cache, nothing passes, beside the peak of the instruction in registers measured before each row.
 * A kernel's sums are compared with the plain one's first (#wrong). Run by hand.
 *   bench_screen */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/kernels/peaks.h"
#include "kernels/cpu/screen/screen.h"

#define TILES    16 /* of customers */
#define PANELS   64 /* of items */
#define ROUNDS   9
#define MOST_D   512
#define MOST_ROW (TILES * BR_SCREEN_ROWS)

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int32_t x_[MOST_ROW * MOST_D], z_[PANELS * BR_SCREEN_COLS * MOST_D];

static void fill(const br_screen_kernel *k, int64_t n_units)
{
    int64_t nx = MOST_ROW * n_units, nz = PANELS * BR_SCREEN_COLS * n_units;

    for (int64_t i = 0; i < nx + nz; i++) {
        int32_t *to    = i < nx ? x_ + i : z_ + i - nx;
        float    value = (float)(rand() % 2000 - 1000) * 1e-3f;
        uint8_t  code[4];

        for (int j = 0; j < 4; j++)
            code[j] = (uint8_t)(rand() % 40 + (i < nx ? 0 : k->item_offset));
        if (k->dims == 1)
            memcpy(to, &value, 4);
        else
            memcpy(to, code, 4);
        if (k->dims == 2)
            *to &= 0x00ff00ff;
    }
}

static int count_wrong(const br_screen_kernel *k, const br_screen_kernel *plain, int64_t n_units)
{
    static br_screen_tile a, b;
    int                   n_wrong = 0;

    a.x       = x_;
    a.z       = z_;
    a.n_units = n_units;
    b         = a;
    k->sums(&a);
    plain->sums(&b);
    for (int r = 0; r < BR_SCREEN_ROWS; r++)
        for (int c = 0; c < BR_SCREEN_COLS; c++)
            if (k->dims == 1)
                n_wrong += a.sum_RC[r][c].f - b.sum_RC[r][c].f > 1e-3f ||
                           b.sum_RC[r][c].f - a.sum_RC[r][c].f > 1e-3f;
            else
                n_wrong += a.sum_RC[r][c].i != b.sum_RC[r][c].i;
    return n_wrong;
}

/* Seconds of processor time for all customers by all panels, the best round. */
static double time_kernel(const br_screen_kernel *k, int64_t n_units)
{
    br_screen_number least_R[BR_SCREEN_ROWS];
    br_screen_tile   tile;
    double           best   = 1e9;
    int              n_hits = 0;

    for (int r = 0; r < BR_SCREEN_ROWS; r++)
        if (k->dims == 1)
            least_R[r].f = 1e30f;
        else
            least_R[r].i = INT32_MAX;
    tile.n_units   = n_units;
    tile.keep_sums = 0;
    tile.least_R   = least_R;
    for (int round = 0; round < ROUNDS; round++) {
        double started = cpu_s(), s;

        for (int64_t p = 0; p < PANELS; p++)
            for (int64_t t = 0; t < TILES; t++) {
                tile.x = x_ + t * BR_SCREEN_ROWS * n_units;
                tile.z = z_ + p * BR_SCREEN_COLS * n_units;
                n_hits += k->run(&tile);
            }
        s    = cpu_s() - started;
        best = s < best ? s : best;
    }
    return n_hits == 0 ? best : -1.0;
}

static void bench(const br_screen_kernel *k, br_peak_kind kind, int64_t D)
{
    br_peak peak[BR_N_PEAKS];
    int64_t n_units  = (D / k->dims + k->unit_step - 1) / k->unit_step * k->unit_step;
    double  products = (double)MOST_ROW * PANELS * BR_SCREEN_COLS * (double)D, s;
    int     n_wrong;

    fill(k, n_units);
    n_wrong = count_wrong(k, br_screen_plain(k->kind), n_units);
    br_peaks_measure(peak);
    s = time_kernel(k, n_units);
    (void)printf("%-20s %4lld %8.1f %8.1f  %-10s %6.1f %6d\n", k->name, (long long)D,
                 2e-9 * products / s, peak[kind].gops, peak[kind].instruction,
                 200e-9 * products / s / peak[kind].gops, n_wrong);
}

int main(void)
{
    static const int64_t      dims[]  = {32, 64, 128, 256, 512};
    static const br_peak_kind peaks[] = {BR_PEAK_FP32, BR_PEAK_FP32, BR_PEAK_INT16, BR_PEAK_INT8};

    (void)printf("# one core, processor time, best of %d; 192 customers by 2,048 items\n", ROUNDS);
    (void)printf("# %-18s %4s %8s %8s  %-10s %6s %6s\n", "kernel", "D", "GOP/s", "peak", "of",
                 "%peak", "#wrong");
    for (int kind = BR_SCREEN_FP32; kind <= BR_SCREEN_INT8; kind++)
        for (int d = 0; d < 5; d++) {
            const br_screen_kernel *wide   = br_screen_avx512((br_screen_kind)kind);
            const br_screen_kernel *narrow = br_screen_avx2((br_screen_kind)kind);

            if (wide != NULL)
                bench(wide, peaks[kind], dims[d]);
            if (narrow != NULL)
                bench(narrow, peaks[kind], dims[d]);
        }
    return 0;
}
