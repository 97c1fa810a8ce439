/* SPDX-License-Identifier: Apache-2.0
 *
 * The detectors' own summary. Called once per run. */
#include "host/pipeline/detect/inner.h"

#include "host/base/log.h"

static void sum_over_ranks(br_comm *comm, br_detect_counts *c)
{
    int64_t *count[] = {&c->n_looks,  &c->n_tiles,   &c->n_checked, &c->n_customers,
                        &c->n_listed, &c->n_sampled, &c->n_bytes,   &c->n_faults};

    for (size_t i = 0; i < sizeof count / sizeof *count; i++)
        br_comm_sum_i64(comm, count[i], 1);
}

br_status br_detect_report_counts(br_comm *comm, const br_detect_counts *did, int64_t n_golden,
                                  br_strbuf *json)
{
    br_detect_counts all = *did;
    double           tiles;

    sum_over_ranks(comm, &all);
    tiles = all.n_tiles > 0 ? (double)all.n_tiles : 1.0;
    if (br_comm_rank(comm) == 0)
        br_log(BR_LOG_INFO, "detect",
               "golden batch of %lld customers x %lld looks, %.2f %% of the score pass, %lld "
               "lists, scores of %lld, %lld lists by the reference, %.1f MB of memory: %lld hits",
               (long long)n_golden, (long long)all.n_looks, 100.0 * (double)all.n_checked / tiles,
               (long long)all.n_customers, (long long)all.n_listed, (long long)all.n_sampled,
               (double)all.n_bytes / 1e6, (long long)all.n_faults);
    br_strbuf_add(json,
                  "{\"golden_customers\": %lld, \"looks\": %lld, \"tiles\": %lld, "
                  "\"tiles_checked\": %lld, \"lists\": %lld, \"lists_rescored\": %lld, "
                  "\"lists_by_reference\": %lld, \"memory_bytes\": %lld, \"hits\": %lld}",
                  (long long)n_golden, (long long)all.n_looks, (long long)all.n_tiles,
                  (long long)all.n_checked, (long long)all.n_customers, (long long)all.n_listed,
                  (long long)all.n_sampled, (long long)all.n_bytes, (long long)all.n_faults);
    return br_strbuf_check(json);
}
