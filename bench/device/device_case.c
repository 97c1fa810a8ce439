/* SPDX-License-Identifier: Apache-2.0
 *
 * Timing, rows and made-up data of bench_device. */
#include "bench/device/device_case.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/clock.h"
#include "host/base/memory.h"

#define MAX_ROUNDS 15
#define MIN_ROUNDS 3
#define ROUND_S    5e-3
#define BUDGET_S   4.0

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static br_status round_of(br_dev *lane, device_fn fn, void *context, int n_calls, double *seconds)
{
    br_status st      = BR_OK;
    double    start_s = br_clock_wall_s();

    for (int i = 0; i < n_calls; i++)
        BR_TRY(st, fn(context));
    BR_TRY(st, br_dev_sync(lane));
    *seconds = (br_clock_wall_s() - start_s) / n_calls;
done:
    return st;
}

static int64_t launches_of(const br_dev *lane)
{
    br_launches all = br_dev_launches(lane);

    return all.n_single + all.n_replays;
}

br_status device_time(br_dev *lane, device_fn fn, void *context, device_times *out)
{
    br_status st       = BR_OK;
    int       n_calls  = 1;
    int       n_rounds = 0;
    int64_t   n_launches;
    double    seconds[MAX_ROUNDS], once_s, start_s;

    BR_TRY(st, round_of(lane, fn, context, 1, &once_s)); /* what is made on first use */
    BR_TRY(st, round_of(lane, fn, context, 1, &once_s));
    if (once_s < ROUND_S)
        n_calls = (int)(ROUND_S / (once_s > 1e-6 ? once_s : 1e-6)) + 1;
    start_s    = br_clock_wall_s();
    n_launches = launches_of(lane);
    while (n_rounds < MAX_ROUNDS &&
           (n_rounds < MIN_ROUNDS || br_clock_wall_s() - start_s < BUDGET_S))
        BR_TRY(st, round_of(lane, fn, context, n_calls, &seconds[n_rounds++]));
    qsort(seconds, (size_t)n_rounds, sizeof *seconds, by_value);
    n_launches = launches_of(lane) - n_launches;
    *out       = (device_times){seconds[0], seconds[n_rounds / 2], seconds[n_rounds - 1],
                                (double)n_launches / ((double)n_rounds * n_calls)};
done:
    return st;
}

/* JSON's own words are enough for what errors say here, once quotes are gone. */
static void print_quoted(FILE *to, const char *text)
{
    (void)fputc('"', to);
    for (; *text != '\0'; text++)
        (void)fputc(*text == '"' || *text == '\\' ? '\'' : *text < ' ' ? ' ' : *text, to);
    (void)fputc('"', to);
}

static void print_json(const device_bench *bench, const device_row *row, const char *error)
{
    double s = row->times.median;

    if (bench->json == NULL)
        return;
    (void)fprintf(bench->json, "{\"op\": \"%s\", \"shape\": \"%s\"", row->op, row->shape);
    if (error != NULL) {
        (void)fprintf(bench->json, ", \"error\": ");
        print_quoted(bench->json, error);
    } else {
        (void)fprintf(
            bench->json,
            ", \"time_us\": [%.3f, %.3f, %.3f], \"gbs\": %.2f, \"tflops\": %.4f, "
            "\"share_of_peak\": %.4f, \"per_s\": %.0f, \"launches\": %.1f, \"wrong\": %lld",
            row->times.least * 1e6, s * 1e6, row->times.most * 1e6, row->gbytes / s,
            row->gflop / s * 1e-3,
            row->peak > 0.0 ? (row->gflop > 0.0 ? row->gflop : row->gbytes) / s / row->peak : 0.0,
            row->per_s, row->times.n_launches, (long long)row->n_wrong);
    }
    (void)fprintf(bench->json, "}\n");
    (void)fflush(bench->json); /* a run that is cut off keeps its rows */
}

void device_print(device_bench *bench, const device_row *row, br_status st)
{
    const char *error     = st != BR_OK ? br_error_last()->text : NULL;
    double      s         = row->times.median;
    double      work      = row->gflop > 0.0 ? row->gflop : row->gbytes;
    char        share[16] = "-";

    bench->n_rows++;
    if (error != NULL) {
        bench->n_failed++;
        (void)printf("%-16s %-34s failed: %s\n", row->op, row->shape, error);
    } else {
        bench->n_wrong += row->n_wrong;
        if (row->peak > 0.0)
            (void)snprintf(share, sizeof share, "%.1f", 100.0 * work / s / row->peak);
        (void)printf("%-16s %-34s %10.1f %10.1f %10.1f %9.1f %9.2f %6s %12.0f %8.1f %7lld\n",
                     row->op, row->shape, row->times.least * 1e6, s * 1e6, row->times.most * 1e6,
                     row->gbytes / s, row->gflop / s * 1e-3, share, row->per_s,
                     row->times.n_launches, (long long)row->n_wrong);
    }
    (void)fflush(stdout);
    print_json(bench, row, error);
}

static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void device_fill(float *to, int64_t n, uint64_t stream, bool is_gaussian)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits = mix((stream << 44) + (uint64_t)i);
        int64_t  sum  = (int64_t)(bits & 0xFFFF) + (int64_t)(bits >> 16 & 0xFFFF) +
                      (int64_t)(bits >> 32 & 0xFFFF) + (int64_t)(bits >> 48);

        if (is_gaussian) /* the sum of four uniform numbers, of variance 1 */
            to[i] = (float)(sum - 131070) * (1.7320508f / 65536.0f);
        else
            to[i] = (float)(bits >> 40) * 0x1p-23f - 1.0f;
    }
}

br_status device_place(br_dev *dev, const device_data *data, br_mat *out)
{
    br_status st   = BR_OK;
    float    *host = NULL;
    int64_t   n    = data->n_rows * data->n_cols;

    BR_ALLOC(st, host, n, "bench data");
    device_fill(host, n, data->stream, true);
    for (int64_t i = 0; i < n; i++)
        host[i] *= data->scale;
    BR_TRY(st, br_dev_alloc(dev, BR_F32, data->n_rows, data->n_cols, out));
    BR_TRY(st, br_upload(dev, *out, host));
    BR_TRY(st, br_dev_sync(dev));
done:
    br_free(&host);
    return st;
}
