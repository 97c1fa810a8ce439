/* SPDX-License-Identifier: Apache-2.0
 *
 * Popularity of listed items. Counted once per job; asked for a customer without usable events. */
#include "host/pipeline/popularity.h"

#include <stdlib.h>

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

static br_status count_units(br_job *job, const br_customers_request *request)
{
    br_status       st = BR_OK;
    const br_setup *s  = job->setup;

    for (int64_t u = 0; u < s->n_units; u++) {
        BR_TRY(st, br_customers_read(s->customers, request, s->unit_rows[u].first,
                                     s->unit_rows[u].n, &job->raw));
        for (int32_t i = 0; i < request->n_modalities; i++)
            count_timeline(s, &job->raw.timeline[i], job->popularity.count_N);
    }
done:
    return st;
}

br_status br_popularity_count(br_job *job)
{
    br_status            st      = BR_OK;
    const br_setup      *s       = job->setup;
    br_customers_request request = {.channel = -1};

    for (int32_t f = 0; f < s->n_feeds; f++)
        if (s->feed[f].is_popular)
            request.modality[request.n_modalities++] = s->request.modality[s->feed[f].place];
    BR_ALLOC(st, job->popularity.count_N, s->n_listed, "popularity counts");
    BR_ALLOC(st, job->popularity.order_N, s->n_listed, "popularity order");
    if (request.n_modalities > 0)
        BR_TRY(st, count_units(job, &request));
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
