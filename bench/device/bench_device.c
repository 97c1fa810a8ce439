/* SPDX-License-Identifier: Apache-2.0
 *
 * Times whole ops on data that lies on a device: copy and product peaks, score_topk, whole
 * encoders and their blocks. By the wall, around enqueued work and one br_dev_sync. Called by
 * scripts/gpu_check.sh, or by hand:
 *
 *   bench_device [--backend cuda|cpu|ref] [--small] [--json FILE] [peaks] [topk] [blocks]
 *                [encoders]
 *
 * --json appends a line per row as soon as it is measured. Exit code 0: every row agrees with ref;
 * 1: a row does not, or failed; 77: the backend has no device here. */
#include <string.h>

#include "bench/device/device_case.h"

typedef struct bench_words {
    const char *backend;
    const char *json;
    bool        is_small;
    bool        wants_peaks; /* alone: with others they are measured anyway */
    bool        wants_topk;
    bool        wants_blocks;
    bool        wants_encoders;
} bench_words;

static bool parse(int argc, char **argv, bench_words *w)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--backend") == 0 && i + 1 < argc)
            w->backend = argv[++i];
        else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
            w->json = argv[++i];
        else if (strcmp(argv[i], "--small") == 0)
            w->is_small = true;
        else if (strcmp(argv[i], "peaks") == 0)
            w->wants_peaks = true;
        else if (strcmp(argv[i], "topk") == 0)
            w->wants_topk = true;
        else if (strcmp(argv[i], "blocks") == 0)
            w->wants_blocks = true;
        else if (strcmp(argv[i], "encoders") == 0)
            w->wants_encoders = true;
        else
            return false;
    }
    if (!w->wants_peaks && !w->wants_topk && !w->wants_blocks && !w->wants_encoders)
        w->wants_topk = w->wants_blocks = w->wants_encoders = true;
    return true;
}

static bool find_backend(const char *name, br_backend *out)
{
    static const char *const names[] = {"auto", "ref", "cpu", "cuda"};

    for (int i = BR_BACKEND_REF; i <= BR_BACKEND_CUDA; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (br_backend)i;
            return true;
        }
    return false;
}

static void print_head(const device_bench *bench)
{
    (void)printf("# batchrank %s, %s; wall time of a call, %%peak of the peaks in this run\n",
                 BR_VERSION, br_dev_description(bench->dev));
    (void)printf("%-16s %-34s %10s %10s %10s %9s %9s %6s %12s %8s %7s\n", "op", "shape", "time min",
                 "med", "max", "GB/s", "TFLOP/s", "%peak", "customers", "launches", "#wrong");
    (void)printf("%-16s %-34s %10s %10s %10s %9s %9s %6s %12s %8s %7s\n", "", "", "us", "us", "us",
                 "", "", "", "per s", "a call", "");
    (void)fflush(stdout);
}

static int bench_all(device_bench *bench, const bench_words *w)
{
    br_status st = br_dev_open(bench->backend, 0, &bench->dev);

    if (st != BR_OK) {
        (void)fprintf(stderr, "bench_device: %s\n", br_error_last()->text);
        return st == BR_E_DEVICE ? 77 : br_status_exit_code(st);
    }
    print_head(bench);
    device_measure_peaks(bench);
    if (w->wants_topk)
        device_bench_topk(bench);
    if (w->wants_blocks)
        device_bench_blocks(bench);
    if (w->wants_encoders)
        device_bench_encoders(bench);
    (void)printf("# %d rows, %d failed, %lld wrong\n", bench->n_rows, bench->n_failed,
                 (long long)bench->n_wrong);
    return bench->n_failed > 0 || bench->n_wrong > 0;
}

int main(int argc, char **argv)
{
    bench_words  w     = {.backend = "cuda"};
    device_bench bench = {0};
    int          code;

    if (!parse(argc, argv, &w) || !find_backend(w.backend, &bench.backend)) {
        (void)fprintf(stderr, "usage: bench_device [--backend cuda|cpu|ref] [--small] "
                              "[--json FILE] [peaks] [topk] [blocks] [encoders]\n");
        return 2;
    }
    bench.is_small = w.is_small;
    if (w.json != NULL && (bench.json = fopen(w.json, "a")) == NULL) {
        (void)fprintf(stderr, "bench_device: %s cannot be written\n", w.json);
        return 4;
    }
    code = bench_all(&bench, &w);
    br_dev_close(&bench.dev);
    if (bench.json != NULL && fclose(bench.json) != 0)
        return 4;
    return code;
}
