/* SPDX-License-Identifier: Apache-2.0
 *
 * Microbenchmarks that decide between designs of Hopper's screen (docs/PERFORMANCE.md says which
 * number decides what): rates of an epilogue's instructions beside products, products in several
 * shapes, copies to several blocks at a time, gathered rows, and the device's copy and product
 * peaks. Under a minute on an H200 by its arithmetic; compiled, not run.
 *
 *   bench_ladder [--json FILE]
 *
 * Exit code 0, 1 where a check did not hold or a row failed, 2 wrong arguments, 77 no Hopper. */
#include <stdlib.h>
#include <string.h>

#include "bench/device/device_case.h"
#include "bench/ladder/ladder.cuh"

br_status ladder_run(ladder *l, ladder_fn fn, void *context, ladder_time *out)
{
    br_status    st     = BR_OK;
    cudaStream_t stream = br_cuda_lane_of(l->dev)->stream;
    cudaEvent_t  from = NULL, to = NULL;

    *out = {};
    BR_CUDA(st, cudaEventCreateWithFlags(&from, 0));
    BR_CUDA(st, cudaEventCreateWithFlags(&to, 0));
    for (int round = -1; round < LADDER_ROUNDS; round++) {
        float ms = 0.0f;

        BR_CUDA(st, cudaMemsetAsync(l->clocks, 0, (size_t)l->n_sms * 16, stream));
        BR_CUDA(st, cudaEventRecord(from, stream));
        BR_TRY(st, fn(l, context));
        BR_CUDA(st, cudaEventRecord(to, stream));
        BR_CUDA(st, cudaMemcpyAsync(l->host, l->clocks, (size_t)l->n_sms * 16,
                                    cudaMemcpyDeviceToHost, stream));
        BR_CUDA(st, cudaStreamSynchronize(stream));
        BR_CUDA(st, cudaEventElapsedTime(&ms, from, to));
        if (round < 0 || (out->us > 0.0 && 1e3 * (double)ms >= out->us))
            continue;
        *out    = {};
        out->us = 1e3 * (double)ms;
        for (int i = 0; i < 2 * l->n_sms; i++)
            if ((double)l->host[i] > out->clocks[i % 2])
                out->clocks[i % 2] = (double)l->host[i];
    }
done:
    if (from != NULL)
        (void)cudaEventDestroy(from);
    if (to != NULL)
        (void)cudaEventDestroy(to);
    return st;
}

void ladder_row(ladder *l, const char *what, double value, const char *unit, double of, double us)
{
    printf("%-44s %10.2f %-16s", what, value, unit);
    if (of > 0.0)
        printf(" %6.1f %% of %g", 100.0 * value / of, of);
    printf("  (%.0f us)\n", us);
    if (l->json != NULL)
        fprintf(
            l->json,
            "{\"what\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"of\": %.6g, \"us\": %.6g}\n",
            what, value, unit, of, us);
}

void ladder_fail(ladder *l, const char *what)
{
    printf("%-44s failed: %s\n", what, br_error_last()->text);
    l->n_failed++;
}

void ladder_check(ladder *l, const char *what, double found, double most)
{
    bool holds = found <= most;

    printf("%-44s %10.3g at most %.3g: %s\n", what, found, most, holds ? "holds" : "DOES NOT HOLD");
    if (l->json != NULL)
        fprintf(l->json, "{\"what\": \"%s\", \"found\": %.6g, \"most\": %.6g, \"holds\": %s}\n",
                what, found, most, holds ? "true" : "false");
    l->n_wrong += !holds;
}

static void measure_peaks(br_dev *dev)
{
    device_bench peaks = {};

    peaks.backend = BR_BACKEND_CUDA;
    peaks.dev     = dev;
    device_measure_peaks(&peaks);
}

static br_status measure(ladder *l)
{
    br_status      st = BR_OK;
    cudaDeviceProp about;

    BR_CUDA(st, cudaGetDeviceProperties(&about, 0));
    if (about.major != 9)
        BR_FAIL(st, BR_E_DEVICE, "bench_ladder: %s is not of compute capability 9", about.name);
    l->n_sms = about.multiProcessorCount;
    BR_TRY(st, br_cuda_allocate((size_t)l->n_sms * 16, reinterpret_cast<void **>(&l->clocks)));
    BR_TRY(st, br_cuda_allocate(1 << 20, reinterpret_cast<void **>(&l->sink)));
    BR_ALLOC(st, l->host, 2 * l->n_sms, "clocks");
    printf("# %s; rates are of a multiprocessor and its clock, least of %d rounds\n", about.name,
           LADDER_ROUNDS);
    ladder_rates(l);
    ladder_products(l);
    ladder_cuts(l);
    ladder_copies(l);
    measure_peaks(l->dev);
done:
    br_cuda_release(l->clocks);
    br_cuda_release(l->sink);
    br_free(&l->host);
    return st;
}

int main(int argc, char **argv)
{
    ladder    l    = {};
    br_status st   = BR_OK;
    int       code = 0;

    if (argc != 1 && !(argc == 3 && strcmp(argv[1], "--json") == 0)) {
        fprintf(stderr, "usage: bench_ladder [--json FILE]\n");
        return 2;
    }
    if (argc == 3 && (l.json = fopen(argv[2], "w")) == NULL) {
        fprintf(stderr, "bench_ladder: %s cannot be written\n", argv[2]);
        return 2;
    }
    st = br_dev_open(BR_BACKEND_CUDA, 0, &l.dev);
    if (st == BR_OK)
        st = measure(&l);
    if (st != BR_OK) {
        fprintf(stderr, "%s\n", br_error_last()->text);
        code = st == BR_E_DEVICE ? 77 : 1;
    }
    printf("# %d failed, %d checks do not hold\n", l.n_failed, l.n_wrong);
    br_dev_close(&l.dev);
    if (l.json != NULL)
        (void)fclose(l.json);
    return code != 0 ? code : l.n_failed + l.n_wrong > 0;
}
