/* SPDX-License-Identifier: Apache-2.0
 *
 * Table and JSON of a bench. Called once per bench. */
#include "host/pipeline/bench/report.h"

#include <stdio.h>

#include "host/base/strbuf.h"
#include "host/io/publish.h"

static const char *scaling(const br_bench *b)
{
    return b->o->is_weak ? "weak" : "strong";
}

static double median_s(const br_bench_result *r)
{
    return r->wall_s[r->bench->o->n_repeats / 2];
}

void br_bench_print(const br_bench_result *r)
{
    const br_bench         *b = r->bench;
    const br_bench_options *o = b->o;
    double                  s = median_s(r);

    (void)printf("# batchrank %s bench, suite %s, seed %lld, %s scaling, %s\n", BR_VERSION,
                 r->suite->name, (long long)o->seed, scaling(b), o->is_bf16 ? "bf16" : "fp32");
    (void)printf("# %d rank%s, %d lanes each, %s\n", b->n_ranks, b->n_ranks > 1 ? "s" : "",
                 b->n_lanes, b->device);
    (void)printf("# %lld warm-up and %lld timed passes; time of the slowest rank; hash of %s; "
                 "%lld customers checked by the reference\n",
                 (long long)o->n_warmups, (long long)o->n_repeats, r->suite->hashed,
                 (long long)r->n_checked);
    (void)printf("#\n# ranks  customers     items     D     k  time min       med       max"
                 "   customers   Gflop/s  cpu  imbalance  #wrong  hash\n");
    (void)printf("#                                                 s         s         s"
                 "       per s              s   max/mean   custs\n");
    (void)printf("%7d %10lld %9lld %5lld %5lld  %8.4f  %8.4f  %8.4f  %10.0f  %8.1f %8.2f  %9.3f "
                 "%7d  %s\n",
                 b->n_ranks, (long long)b->n_customers, (long long)o->n_items, (long long)o->dim,
                 (long long)o->k, r->wall_s[0], s, r->wall_s[o->n_repeats - 1],
                 (double)b->n_customers / s, 1e-9 * r->flop / s, r->cpu_s, r->imbalance, 0,
                 r->hash);
}

static void add_sizes(br_strbuf *t, const br_bench_result *r)
{
    const br_bench_options *o = r->bench->o;

    br_strbuf_add(t,
                  "  \"customers\": %lld, \"items\": %lld, \"dim\": %lld, \"k\": %lld, "
                  "\"events\": %lld, \"seed\": %lld,\n  \"scaling\": \"%s\", \"precision\": "
                  "\"%s\",\n",
                  (long long)r->bench->n_customers, (long long)o->n_items, (long long)o->dim,
                  (long long)o->k, (long long)o->n_events, (long long)o->seed, scaling(r->bench),
                  o->is_bf16 ? "bf16" : "fp32");
}

static void add_times(br_strbuf *t, const br_bench_result *r)
{
    br_strbuf_add(t, "  \"wall_s\": [");
    for (int64_t i = 0; i < r->bench->o->n_repeats; i++)
        br_strbuf_add(t, "%.6f, ", r->wall_s[i]);
    br_strbuf_drop_comma(t);
    br_strbuf_add(t,
                  "],\n  \"median_s\": %.6f, \"cpu_s\": %.6f, \"rank_cpu_s\": %.6f, "
                  "\"imbalance\": %.4f,\n"
                  "  \"customers_per_s\": %.3f, \"flop\": %.6g, \"gflop_per_s\": %.3f,\n",
                  median_s(r), r->cpu_s, r->rank_cpu_s, r->imbalance,
                  (double)r->bench->n_customers / median_s(r), r->flop,
                  1e-9 * r->flop / median_s(r));
}

br_status br_bench_write_json(const br_bench_result *r, const char *path)
{
    br_status st = BR_OK;
    br_strbuf t  = {0};

    br_strbuf_add(&t,
                  "{\n  \"format\": \"batchrank-bench\", \"version\": 1, \"build\": \"batchrank "
                  "%s\",\n  \"suite\": \"%s\", \"ranks\": %d, \"lanes\": %d,\n  \"device\": ",
                  BR_VERSION, r->suite->name, r->bench->n_ranks, r->bench->n_lanes);
    br_strbuf_add_string(&t, r->bench->device);
    br_strbuf_add(&t, ",\n");
    add_sizes(&t, r);
    add_times(&t, r);
    br_strbuf_add(&t, "  \"checked\": %lld, \"wrong\": 0,\n  \"hash\": \"%s\"\n}\n",
                  (long long)r->n_checked, r->hash);
    BR_TRY(st, br_strbuf_check(&t));
    BR_TRY(st, br_publish_file(path, t.data, t.n_bytes));
done:
    br_strbuf_free(&t);
    return st;
}
