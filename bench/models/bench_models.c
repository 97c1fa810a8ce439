/* SPDX-License-Identifier: Apache-2.0
 *
 * Times whole encoders, one lane, processor time, in both precisions; the share is of the peak of
 * register-only bf16 products measured around each pass. Before a time is printed its result is
 * compared: fp32 with ref on a few customers, bf16 with fp32 on all (#wrong: customers whose cosine
 * is below 0.999). Run by hand: bench_models [customers [events per chunk]]. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/kernels/peaks.h"
#include "bench/models/encode_case.h"
#include "host/base/memory.h"

#define N_ITEMS   ((int64_t)20000)
#define N_ROUNDS  7
#define N_CHECKED 6

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int64_t count_off(const float *got, const float *want, int64_t n)
{
    int64_t n_off = 0;

    for (int64_t i = 0; i < n; i++)
        n_off += !(fabs((double)got[i] - want[i]) <= 2e-5 * fmax(1.0, fabs(want[i])));
    return n_off;
}

typedef struct bench {
    br_encoder_kind kind;
    int32_t         dim;
    br_case_events  events;
    br_case_run     run[2]; /* fp32, bf16 */
    float          *out_BD[2];
    double          seconds[2][N_ROUNDS];
    double          peak[N_ROUNDS];
    int64_t         n_wrong[2];
} bench;

static br_status check(bench *t)
{
    br_status   st  = BR_OK;
    br_case_run ref = {0};
    float       want[N_CHECKED * 1024];
    double      cpu_s;

    for (int i = 0; i < 2; i++)
        BR_TRY(st, br_case_encode(&t->run[i], &t->events, t->events.n_seqs, t->out_BD[i], &cpu_s));
    BR_TRY(st, br_case_run_open(BR_BACKEND_REF, t->kind, t->dim, N_ITEMS, BR_PRECISION_FP32, &ref));
    BR_TRY(st, br_case_encode(&ref, &t->events, N_CHECKED, want, &cpu_s));
    t->n_wrong[0] = count_off(t->out_BD[0], want, N_CHECKED * (int64_t)t->dim);
    t->n_wrong[1] =
        br_case_count_turned(t->out_BD[1], t->out_BD[0], t->events.n_seqs, t->dim, 0.999);
done:
    br_case_run_close(&ref);
    return st;
}

static void print(const bench *t, int i, const char *name)
{
    double flop = br_case_flops(t->run[0].model, &t->events), share[N_ROUNDS], s[N_ROUNDS];
    double n    = (double)t->events.n_seqs;

    for (int r = 0; r < N_ROUNDS; r++) {
        s[r]     = t->seconds[i][r];
        share[r] = 100.0 * flop * 1e-9 / s[r] / t->peak[r];
    }
    qsort(s, N_ROUNDS, sizeof *s, by_value);
    qsort(share, N_ROUNDS, sizeof *share, by_value);
    printf("%-10s %-5s %5d %6.1f  %8.2f %8.2f %8.2f  %9.0f  %8.1f  %6.1f %5.1f %5.1f  %6lld\n",
           name, i == 0 ? "fp32" : "bf16", t->dim, br_case_mean_length(&t->events), s[0] / n * 1e6,
           s[N_ROUNDS / 2] / n * 1e6, s[N_ROUNDS - 1] / n * 1e6, n / s[N_ROUNDS / 2],
           flop * 1e-9 / s[N_ROUNDS / 2], share[0], share[N_ROUNDS / 2], share[N_ROUNDS - 1],
           (long long)t->n_wrong[i]);
}

static br_status run_bench(br_encoder_kind kind, int32_t dim, int64_t n_seqs, int64_t n_chunk)
{
    br_status st = BR_OK;
    bench     t  = {.kind = kind, .dim = dim};

    BR_TRY(st, br_case_events_create(n_seqs, 32.0, 1.0, N_ITEMS, &t.events));
    for (int i = 0; i < 2; i++) {
        BR_TRY(st, br_case_run_open(BR_BACKEND_CPU, kind, dim, N_ITEMS,
                                    i == 0 ? BR_PRECISION_FP32 : BR_PRECISION_BF16, &t.run[i]));
        if (n_chunk > 0 && kind == BR_ENCODER_ATTENTION)
            t.run[i].n_chunk_events = n_chunk;
        BR_ALLOC(st, t.out_BD[i], n_seqs * dim, "bench states");
    }
    BR_TRY(st, check(&t));
    for (int r = 0; r < N_ROUNDS; r++) {
        double before = br_peak_once(BR_PEAK_BF16);

        for (int i = 0; i < 2; i++)
            BR_TRY(st, br_case_encode(&t.run[i], &t.events, n_seqs, t.out_BD[i], &t.seconds[i][r]));
        t.peak[r] = fmax(before, br_peak_once(BR_PEAK_BF16));
    }
    for (int i = 0; i < 2; i++)
        print(&t, i, kind == BR_ENCODER_GRU ? "gru" : "attention");
done:
    for (int i = 0; i < 2; i++) {
        br_case_run_close(&t.run[i]);
        br_free(&t.out_BD[i]);
    }
    br_case_events_free(&t.events);
    return st;
}

int main(int argc, char **argv)
{
    br_status st      = BR_OK;
    int64_t   n_seqs  = argc > 1 ? atoll(argv[1]) : 2000;
    int64_t   n_chunk = argc > 2 ? atoll(argv[2]) : 0;
    br_dev   *dev     = NULL;

    BR_TRY(st, br_dev_open(BR_BACKEND_CPU, 0, &dev));
    printf("# batchrank %s, %s, one lane, processor time, %lld customers\n", BR_VERSION,
           br_dev_description(dev), (long long)n_seqs);
    printf(
        "# attention: 2 layers, 2 heads, inner 4D, erf-GELU; gru: H = D, all products counted\n");
    printf("# peak: %.1f GFLOP/s bf16, %.1f fp32, registers only\n", br_peak_once(BR_PEAK_BF16),
           br_peak_once(BR_PEAK_FP32));
    printf(
        "# encoder  mode      D events      time/customer us      customers   GFLOP/s  %% of bf16 "
        "peak      #wrong\n");
    printf(
        "#                                min      med      max       /s                min   med  "
        " max\n");
    for (int32_t dim = 64; dim <= 128; dim *= 2) {
        BR_TRY(st, run_bench(BR_ENCODER_ATTENTION, dim, n_seqs, n_chunk));
        BR_TRY(st, run_bench(BR_ENCODER_GRU, dim, n_seqs, n_chunk));
    }
done:
    br_dev_close(&dev);
    if (st != BR_OK)
        fprintf(stderr, "%s (%s)\n", br_error_last()->text, br_error_last()->trail);
    return br_status_exit_code(st);
}
