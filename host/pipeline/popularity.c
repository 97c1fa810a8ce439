/* SPDX-License-Identifier: Apache-2.0
 *
 * Popularity of listed items. Counted once per job; asked for a customer without usable events. */
#include "host/pipeline/popularity.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"

static void count_timeline(const br_setup *s, const br_timeline *t, int64_t *count_N)
{
    for (int64_t e = 0; e < t->n_events; e++) {
        int32_t row = s->listed_row[t->item_E[e]];
        if (row >= 0 && t->time_E[e] <= s->as_of)
            count_N[row]++;
    }
}

static int compare_popularity(const void *a, const void *b, void *context)
{
    const int64_t *count_N = context;
    int32_t        x = *(const int32_t *)a, y = *(const int32_t *)b;

    if (count_N[x] != count_N[y])
        return count_N[x] > count_N[y] ? -1 : 1;
    return (x > y) - (x < y);
}

/* Every n-th unit from `first` on. */
static br_status count_units(const br_setup *s, int64_t first, int64_t n, int64_t *count_N)
{
    br_status            st      = BR_OK;
    br_unit              raw     = {0};
    br_customers_request request = {.channel = -1};

    for (int32_t f = 0; f < s->n_feeds; f++)
        if (s->feed[f].is_popular)
            request.modality[request.n_modalities++] = s->request.modality[s->feed[f].place];
    for (int64_t u = first; u < s->n_units && request.n_modalities > 0; u += n) {
        BR_TRY(st, br_job_check_interrupt(NULL));
        BR_TRY(st, br_customers_read(s->customers, &request, s->unit_rows[u].first,
                                     s->unit_rows[u].n, &raw));
        for (int32_t i = 0; i < request.n_modalities; i++)
            count_timeline(s, &raw.timeline[i], count_N);
    }
done:
    br_unit_free(&raw);
    return st;
}

bool br_popularity_is_wanted(const br_setup *s)
{
    return s->config->list_fallback == BR_FALLBACK_POPULARITY &&
           (!s->is_sweep || s->shape.is_on); /* a sweep's lists are by scores */
}

static br_status count_share(br_comm *comm, br_setup *s)
{
    br_status st = BR_OK;

    BR_ALLOC(st, s->popular_N, s->n_listed, "popularity counts");
    BR_TRY(st, count_units(s, br_comm_rank(comm), br_comm_size(comm), s->popular_N));
done:
    return st;
}

br_status br_popularity_share(br_comm *comm, br_setup *s)
{
    br_status st = BR_OK;

    if (!br_popularity_is_wanted(s) || br_comm_size(comm) == 1)
        return BR_OK;
    BR_TRY(st, br_comm_agree(comm, count_share(comm, s)));
    br_comm_sum_i64(comm, s->popular_N, s->n_listed);
done:
    return st;
}

br_status br_popularity_count(br_job *job)
{
    br_status       st = BR_OK;
    const br_setup *s  = job->setup;

    BR_ALLOC(st, job->popularity.count_N, s->n_listed, "popularity counts");
    BR_ALLOC(st, job->popularity.order_N, s->n_listed, "popularity order");
    if (s->popular_N != NULL)
        memcpy(job->popularity.count_N, s->popular_N, (size_t)s->n_listed * sizeof(int64_t));
    else
        BR_TRY(st, count_units(s, 0, 1, job->popularity.count_N));
    for (int64_t i = 0; i < s->n_listed; i++)
        job->popularity.order_N[i] = (int32_t)i;
    qsort_r(job->popularity.order_N, (size_t)s->n_listed, sizeof(int32_t), compare_popularity,
            job->popularity.count_N);
done:
    return st;
}

static bool is_never(const br_batch *batch, int64_t b, int32_t row)
{
    int64_t lo = batch->never_offset_B1[b], hi = batch->never_offset_B1[b + 1];

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (batch->never_item_S[mid] == row)
            return true;
        if (batch->never_item_S[mid] < row)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

bool br_popularity_may_show(const br_setup *s, const br_batch *batch, int64_t b, int32_t row)
{
    uint64_t require = s->require_N != NULL ? s->require_N[s->catalogue_row[row]] : 0;

    if (require != 0 && (batch->have_B[b] & require) != require)
        return false;
    return !is_never(batch, b, row) || br_batch_extra(batch, b, row) >= 0;
}

/* Have the item's groups room beside n listed ones? */
static bool has_room(const br_shape *shape, const int32_t *row_K, int32_t n, int32_t row)
{
    for (int32_t q = 0; q < shape->n_quotas; q++) {
        const int32_t *group_N  = shape->quota[q].group_N;
        int32_t        n_listed = 0;

        for (int32_t j = 0; j < n && group_N[row] >= 0; j++)
            n_listed += group_N[row_K[j]] == group_N[row];
        if (n_listed >= shape->quota[q].max)
            return false;
    }
    return true;
}

int32_t br_popularity_list(const br_job *job, const br_batch *batch, int64_t b, bool by_quotas,
                           int32_t *row_K)
{
    const br_setup *s = job->setup;
    int32_t         n = 0;

    for (int64_t i = 0; i < s->n_listed && n < job->k; i++) {
        int32_t row = job->popularity.order_N[i];

        if (br_popularity_may_show(s, batch, b, row) &&
            (!by_quotas || has_room(&s->shape.shape, row_K, n, row)))
            row_K[n++] = row;
    }
    return n;
}
