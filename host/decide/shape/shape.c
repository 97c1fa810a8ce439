/* SPDX-License-Identifier: Apache-2.0
 *
 * One list: pins are placed, candidates fill the open slots, then ladders do. An item that was
 * listed, or left out by a quota, is `seen` and not looked at again: groups only fill up. */
#include "host/decide/shape.h"

#include <math.h>

#include "host/base/memory.h"
#include "host/decide/shape/diversity.h"

struct br_shape_work {
    const br_shape       *shape;
    uint64_t             *seen_N;                       /* bits */
    int32_t              *count_G[BR_SHAPE_MAX_QUOTAS]; /* listed items of each group */
    br_diversity         *diversity;                    /* NULL: in the order of the candidates */
    /* of one customer */
    const br_shape_input *in;
    br_shaped            *out;
    int32_t               slot;    /* no slot before it is open */
    int64_t               n_tried; /* candidates that may be seen */
    int32_t               n_ladders_tried;
    int64_t               n_ladder_tried; /* items of the last of them */
};

br_status br_shape_work_create(const br_shape *shape, br_shape_work **out)
{
    br_status      st = BR_OK;
    br_shape_work *w  = NULL;

    BR_ALLOC(st, w, 1, "shape");
    w->shape = shape;
    BR_ALLOC(st, w->seen_N, (shape->n_items + 63) / 64, "bits of items seen");
    for (int32_t q = 0; q < shape->n_quotas; q++)
        BR_ALLOC(st, w->count_G[q], shape->quota[q].n_groups, "items of each group");
    if (shape->lambda < 1.0)
        BR_TRY(st, br_diversity_create(shape, &w->diversity));
    *out = w;
    w    = NULL;
done:
    br_shape_work_destroy(&w);
    return st;
}

void br_shape_work_destroy(br_shape_work **work)
{
    br_shape_work *w = *work;

    if (w == NULL)
        return;
    br_free(&w->seen_N);
    for (int32_t q = 0; q < BR_SHAPE_MAX_QUOTAS; q++)
        br_free(&w->count_G[q]);
    br_diversity_destroy(&w->diversity);
    br_free(work);
}

size_t br_shape_work_bytes(const br_shape *shape)
{
    size_t n_bytes = sizeof(br_shape_work) + (size_t)((shape->n_items + 63) / 64) * 8;

    for (int32_t q = 0; q < shape->n_quotas; q++)
        n_bytes += (size_t)shape->quota[q].n_groups * sizeof(int32_t);
    return n_bytes + (shape->lambda < 1.0 ? br_diversity_bytes(shape) : 0);
}

static bool is_seen(const br_shape_work *w, int32_t item)
{
    return (w->seen_N[item >> 6] >> (item & 63) & 1) != 0;
}

static bool has_room(const br_shape_work *w, int32_t item)
{
    for (int32_t q = 0; q < w->shape->n_quotas; q++) {
        const br_quota *quota = &w->shape->quota[q];
        int32_t         group = quota->group_N[item];

        if (group >= 0 && w->count_G[q][group] >= quota->max)
            return false;
    }
    return true;
}

static void put(br_shape_work *w, int32_t slot, int32_t item, float score, br_list_source source)
{
    w->out->item_K[slot]   = item;
    w->out->score_K[slot]  = score;
    w->out->source_K[slot] = (uint8_t)source;
    w->out->n++;
    w->seen_N[item >> 6] |= UINT64_C(1) << (item & 63);
    for (int32_t q = 0; q < w->shape->n_quotas; q++)
        if (w->shape->quota[q].group_N[item] >= 0)
            w->count_G[q][w->shape->quota[q].group_N[item]]++;
}

static void pass_over(br_shape_work *w, int32_t item)
{
    w->seen_N[item >> 6] |= UINT64_C(1) << (item & 63);
    w->out->n_passed_over++;
}

static bool has_open_slot(br_shape_work *w)
{
    while (w->slot < w->shape->k && w->out->item_K[w->slot] >= 0)
        w->slot++;
    return w->slot < w->shape->k;
}

static void begin(br_shape_work *w, const br_shape_input *in, br_shaped *out)
{
    w->in              = in;
    w->out             = out;
    w->slot            = 0;
    w->n_tried         = 0;
    w->n_ladders_tried = 0;
    w->n_ladder_tried  = 0;
    out->n = out->n_pins_dropped = 0;
    out->needs_more              = false;
    out->short_reason            = 0;
    out->n_passed_over           = 0;
    for (int32_t j = 0; j < w->shape->k; j++) {
        out->item_K[j]   = -1;
        out->score_K[j]  = NAN;
        out->source_K[j] = BR_SOURCE_NONE;
    }
    if (w->diversity != NULL)
        br_diversity_begin(w->diversity, in);
}

static void place_pins(br_shape_work *w)
{
    for (int32_t p = 0; p < w->shape->n_pins; p++) {
        const br_pin *pin = &w->shape->pin[p];

        if (!w->in->pin_is_eligible_P[p])
            continue;
        if (!has_room(w, pin->item)) {
            w->out->n_pins_dropped++;
            continue;
        }
        put(w, pin->slot, pin->item, w->in->pin_score_P[p], BR_SOURCE_PINNED);
        if (w->diversity != NULL)
            br_diversity_choose(w->diversity, pin->vector_D);
    }
}

static bool candidate_fits(void *context, int64_t i)
{
    br_shape_work *w    = context;
    int32_t        item = w->in->item_M[i];

    if (is_seen(w, item))
        return false;
    if (has_room(w, item))
        return true;
    pass_over(w, item);
    return false;
}

static void put_candidate(br_shape_work *w, int64_t i)
{
    put(w, w->slot, w->in->item_M[i], w->in->score_M[i], BR_SOURCE_MODEL);
}

static void fill_diverse(br_shape_work *w)
{
    w->n_tried = w->in->n < w->shape->window ? w->in->n : w->shape->window;
    while (has_open_slot(w)) {
        int64_t i = br_diversity_next(w->diversity, candidate_fits, w);

        if (i < 0)
            return;
        put_candidate(w, i);
        br_diversity_drop(w->diversity, i);
        br_diversity_choose(w->diversity, w->in->vector_M[i]);
    }
}

static void fill_in_order(br_shape_work *w)
{
    for (; w->n_tried < w->in->n && has_open_slot(w); w->n_tried++)
        if (candidate_fits(w, w->n_tried))
            put_candidate(w, w->n_tried);
}

static void fill_from_ladder(br_shape_work *w, const br_ladder *ladder)
{
    w->n_ladders_tried++;
    for (w->n_ladder_tried = 0; w->n_ladder_tried < ladder->n && has_open_slot(w);
         w->n_ladder_tried++) {
        int32_t item = ladder->item[w->n_ladder_tried];

        if (is_seen(w, item) || !w->in->is_eligible(w->in->context, item))
            continue;
        if (has_room(w, item))
            put(w, w->slot, item, ladder->score[w->n_ladder_tried], ladder->source);
        else
            pass_over(w, item);
    }
}

static void close_up(br_shape_work *w)
{
    br_shaped *out = w->out;
    int32_t    n   = 0;

    for (int32_t j = 0; j < w->shape->k; j++) {
        int32_t item   = out->item_K[j];
        float   score  = out->score_K[j];
        uint8_t source = out->source_K[j];

        if (item < 0)
            continue;
        out->item_K[j]   = -1;
        out->score_K[j]  = NAN;
        out->source_K[j] = BR_SOURCE_NONE;
        out->item_K[n]   = item;
        out->score_K[n]  = score;
        out->source_K[n] = source;
        n++;
    }
}

static void forget(br_shape_work *w, int32_t item)
{
    w->seen_N[item >> 6] &= ~(UINT64_C(1) << (item & 63));
    for (int32_t q = 0; q < w->shape->n_quotas; q++)
        if (w->shape->quota[q].group_N[item] >= 0)
            w->count_G[q][w->shape->quota[q].group_N[item]] = 0;
}

/* Leaves the scratch as it was made, at the cost of what was looked at. */
static void end(br_shape_work *w)
{
    for (int32_t j = 0; j < w->out->n; j++)
        forget(w, w->out->item_K[j]);
    for (int64_t i = 0; i < w->n_tried; i++)
        forget(w, w->in->item_M[i]);
    for (int32_t l = 0; l < w->n_ladders_tried; l++) {
        bool    is_last = l == w->n_ladders_tried - 1;
        int64_t n       = is_last ? w->n_ladder_tried : w->in->ladder[l].n;

        for (int64_t i = 0; i < n; i++)
            forget(w, w->in->ladder[l].item[i]);
    }
}

void br_shape_list(br_shape_work *work, const br_shape_input *in, br_shaped *out)
{
    int32_t k = work->shape->k;

    begin(work, in, out);
    place_pins(work);
    if (work->diversity != NULL)
        fill_diverse(work);
    fill_in_order(work);
    out->needs_more = !in->is_all && has_open_slot(work);
    for (int32_t l = 0; l < in->n_ladders && !out->needs_more && has_open_slot(work); l++)
        fill_from_ladder(work, &in->ladder[l]);
    close_up(work);
    if (!out->needs_more && out->n < k && out->n_passed_over > 0)
        out->short_reason |= BR_SHORT_QUOTA;
    if (!out->needs_more && out->n + out->n_passed_over < k)
        out->short_reason |= BR_SHORT_NO_MORE;
    end(work);
}
