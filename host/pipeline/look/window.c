/* SPDX-License-Identifier: Apache-2.0
 *
 * How many ranks for a window. Called once per `plan`. */
#include "host/pipeline/look/window.h"

#include <math.h>

#include "host/base/memory.h"
#include "host/io/digest/blocks.h"

typedef struct estimate {
    double      total_s;
    double      share; /* of the ranks' time between first and last unit in which they work */
    const char *limit;
} estimate;

double br_window_makespan_s(const br_rows *unit, int64_t n_units, double customer_s,
                            int64_t n_ranks, double *scratch_W)
{
    double end_s = 0.0;

    for (int64_t w = 0; w < n_ranks; w++)
        scratch_W[w] = 0.0;
    for (int64_t u = 0; u < n_units; u++) {
        int64_t free = 0;

        for (int64_t w = 1; w < n_ranks; w++)
            if (scratch_W[w] < scratch_W[free])
                free = w;
        scratch_W[free] += (double)unit[u].n * customer_s;
        end_s = scratch_W[free] > end_s ? scratch_W[free] : end_s;
    }
    return end_s;
}

static double over(double bytes, double bytes_s)
{
    return bytes_s > 0.0 ? bytes / bytes_s : 0.0;
}

/* The customers block by block over all ranks, what else there is by each machine's first. */
static double hash_seconds(const br_rank_speed *speed, const br_window *w, int64_t n_ranks)
{
    double blocks  = ceil(speed->customers_bytes / (double)BR_INPUT_BLOCK_BYTES);
    double others  = speed->input_bytes - speed->customers_bytes;
    double cores   = fmax(1.0, fmin(blocks, speed->hash_cores * (double)n_ranks));
    double cores_1 = fmax(1.0, fmin(others / (double)BR_INPUT_BLOCK_BYTES, speed->hash_cores));
    double hash_s  = over(speed->customers_bytes, speed->hash_bytes_s * cores);

    return fmax(hash_s, over(speed->customers_bytes, w->read_bytes_s)) +
           over(others, speed->hash_bytes_s * cores_1);
}

static estimate estimate_for(const br_setup *s, const br_window *w, const br_rank_speed *speed,
                             int64_t n_ranks, double *scratch_W)
{
    double customer_s = w->rate > 0.0 ? 1.0 / w->rate : speed->customer_s;
    double read_s     = over(speed->customers_bytes, w->read_bytes_s);
    double write_s    = over(speed->output_bytes, w->write_bytes_s);
    double busy_s     = 0.0;
    double pass_s = br_window_makespan_s(s->unit_rows, s->n_units, customer_s, n_ranks, scratch_W);
    estimate e    = {.limit = n_ranks > s->n_units ? "units: some ranks have none" : "ranks"};

    for (int64_t u = 0; u < s->n_units; u++)
        busy_s += (double)s->unit_rows[u].n * customer_s;
    if (read_s > pass_s) {
        e.limit = "reading";
        pass_s  = read_s;
    }
    if (write_s > pass_s) {
        e.limit = "writing";
        pass_s  = write_s;
    }
    e.total_s = speed->open_s + hash_seconds(speed, w, n_ranks) + pass_s;
    e.share   = pass_s > 0.0 ? busy_s / (pass_s * (double)n_ranks) : 1.0;
    return e;
}

static void print_row(int64_t n_ranks, const estimate *e, FILE *out)
{
    (void)fprintf(out, "%7lld %12.1f %8.2f  %6.1f%%  %s\n", (long long)n_ranks, e->total_s,
                  e->total_s / 3600.0, 100.0 * e->share, e->limit);
}

static void print_assumptions(const br_window *w, const br_rank_speed *speed, FILE *out)
{
    const double GiB = 1073741824.0;

    if (w->rate > 0.0)
        (void)fprintf(out, "assumed: a rank does %.0f customers/s (given with --rate)\n", w->rate);
    else
        (void)fprintf(out,
                      "assumed: a rank does %.0f customers/s, as this process did (%lld customers "
                      "timed; writing not counted)\n",
                      1.0 / speed->customer_s, (long long)speed->n_sampled);
    (void)fprintf(out,
                  "assumed: %.1f s to open inputs and place the catalogue, on every rank at once; "
                  "%.1f s for one rank to hash %.2f GiB of inputs first, by %.0f cores, %.2f GiB "
                  "of them with the others' help (timed here)\n",
                  speed->open_s, hash_seconds(speed, w, 1), speed->input_bytes / GiB,
                  speed->hash_cores, speed->customers_bytes / GiB);
    if (w->read_bytes_s > 0.0 || w->write_bytes_s > 0.0)
        (void)fprintf(out,
                      "assumed: the file system gives %.2f and takes %.2f GiB/s, for all ranks "
                      "together (0: not told, no limit); the customers are read to be hashed, and "
                      "again by units\n",
                      w->read_bytes_s / GiB, w->write_bytes_s / GiB);
    else
        (void)fprintf(out,
                      "assumed: the file system is no limit (%.2f GiB to read, at most %.2f "
                      "GiB to write); --read-rate and --write-rate tell otherwise\n",
                      speed->customers_bytes / GiB, speed->output_bytes / GiB);
}

/* The fewest ranks that are enough, 0: the most are not. More ranks never take longer. */
static int64_t fewest(const br_setup *s, const br_window *w, const br_rank_speed *speed,
                      double *scratch_W)
{
    int64_t low = 1, high = w->most_ranks;

    if (estimate_for(s, w, speed, high, scratch_W).total_s > w->seconds)
        return 0;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;

        if (estimate_for(s, w, speed, middle, scratch_W).total_s <= w->seconds)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

br_status br_window_print(const br_setup *s, const br_window *w, const br_rank_speed *speed,
                          FILE *out)
{
    br_status st        = BR_OK;
    double   *scratch_W = NULL;
    int64_t   enough;
    estimate  e;

    BR_ALLOC(st, scratch_W, w->most_ranks, "ranks");
    (void)fprintf(out, "\n  ranks      seconds    hours     busy  limited by\n");
    for (int64_t n = 1; n <= w->most_ranks; n *= 2) {
        e = estimate_for(s, w, speed, n, scratch_W);
        print_row(n, &e, out);
    }
    enough = fewest(s, w, speed, scratch_W);
    e      = estimate_for(s, w, speed, enough > 0 ? enough : w->most_ranks, scratch_W);
    print_assumptions(w, speed, out);
    if (enough == 0)
        BR_FAIL(st, BR_GUARD_WARNED,
                "plan: %lld ranks take %.0f s, the window is %.0f s: limited by %s",
                (long long)w->most_ranks, e.total_s, w->seconds, e.limit);
    (void)fprintf(out, "enough for %.0f s   %12lld ranks, one per GPU (or machine): %.0f s\n",
                  w->seconds, (long long)enough, e.total_s);
done:
    br_free(&scratch_W);
    return st;
}
