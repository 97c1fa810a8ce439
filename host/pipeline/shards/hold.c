/* SPDX-License-Identifier: Apache-2.0
 *
 * What a rank holds: the number of shards, by key or by the plan of memory, and the never-lists of
 * its own. Planned once per job; held once per unit, by the reading thread. */
#include <unistd.h>

#include "host/base/log.h"
#include "host/pipeline/look/footprint.h"
#include "host/pipeline/shards/shards.h"
#include "kernels/ops.h"

#define MiB (1024.0 * 1024.0)

static void take(br_setup *s, int32_t n_shards, int32_t shard)
{
    s->n_shards = n_shards;
    s->shard    = shard;
    s->held     = br_shards_cut(s->n_listed, n_shards, shard);
}

/* The footprint of a rank that holds the last, the largest, of n shards. */
static br_footprint footprint_of(const br_setup *setup, int32_t n_shards)
{
    br_setup as_if = *setup;

    take(&as_if, n_shards, n_shards - 1);
    return br_footprint_of(&as_if);
}

/* ---- how many ---- */

#define SCREEN_BYTES 2.0 /* of a number in what score_topk screens by, on a device, at most */
#define SCREEN_ITEM  8.0 /* beside these */

/* Memory of this rank. */
typedef struct room {
    double bytes;
    double lanes;   /* that ops take for the lanes of a device */
    bool   is_host; /* a device's is the host's */
} room;

/* Where device memory is the host's, this rank's share of the machine's, or of what
 * run.memory_limit_bytes allows. */
static br_status find_room(const br_comm *comm, const br_config *config, room *out)
{
    br_status st    = BR_OK;
    br_dev   *dev   = NULL;
    size_t    bytes = 0;
    double    limit = (double)config->run_memory_limit_bytes;
    br_grain  grain;

    BR_TRY(st, br_dev_open((br_backend)config->run_backend, 0, &dev));
    BR_TRY(st, br_dev_room(dev, &bytes));
    grain        = br_dev_grain(dev);
    out->is_host = bytes == SIZE_MAX;
    out->bytes   = (double)bytes;
    out->lanes   = (double)grain.lane_bytes *
                 (config->run_threads > 0 ? (double)config->run_threads : grain.n_lanes);
    if (!out->is_host)
        goto done;
    out->bytes =
        (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / br_comm_node_size(comm);
    if (limit > 0.0 && limit < out->bytes)
        out->bytes = limit;
done:
    br_dev_close(&dev);
    return st;
}

/* What a rank needs of it, lanes that take little at a time among it; *of_items: for weights and
 * catalogue. */
static double need_of(const br_setup *s, int32_t n_shards, const room *r, double *of_items)
{
    br_footprint f = footprint_of(s, n_shards);
    double       n = (double)br_shards_cut(s->n_listed, n_shards, n_shards - 1).n;

    *of_items = f.weights + f.model;
    if (r->is_host)
        return f.memory + f.model;
    *of_items += n * (SCREEN_BYTES * s->objective.width + SCREEN_ITEM);
    return f.device + r->lanes + *of_items;
}

/* The least number that divides the ranks and whose shards fit. */
static br_status find_number(const br_comm *comm, const br_setup *s, int32_t *out)
{
    br_status   st       = BR_OK;
    int32_t     n_ranks  = br_comm_size(comm);
    const char *only_one = br_config_unsharded(s->config);
    double      need = 0.0, of_items = 0.0;
    room        r = {0};

    BR_TRY(st, find_room(comm, s->config, &r));
    for (int32_t n = 1; n <= n_ranks && n <= s->n_listed; n++) {
        if (n_ranks % n != 0 || (n > 1 && only_one != NULL))
            continue;
        *out = n;
        need = need_of(s, n, &r, &of_items);
        if (need <= r.bytes)
            goto done;
    }
    BR_FAIL(st, BR_E_MEMORY,
            "run.catalogue_shards is 0: in %d shard%s of the catalogue, a rank needs about %.0f "
            "bytes of %s memory (%.0f of them for weights and catalogue), %.0f are there: %s%s",
            *out, *out > 1 ? "s" : "", need, r.is_host ? "host" : "device", of_items, r.bytes,
            only_one != NULL ? "more shards are not possible with " : "start more ranks",
            only_one != NULL ? only_one : "");
done:
    return st;
}

static br_status choose_number(const br_comm *comm, const br_setup *s, int32_t *out)
{
    br_status st      = BR_OK;
    int32_t   n_ranks = br_comm_size(comm);

    *out = (int32_t)s->config->run_catalogue_shards;
    if (*out == 0)
        return find_number(comm, s, out);
    if (n_ranks % *out != 0)
        BR_FAIL(st, BR_E_USAGE,
                "run.catalogue_shards: found %d, expected a divisor of the number of ranks, %d",
                *out, n_ranks);
    if (*out > s->n_listed)
        BR_FAIL(st, BR_E_USAGE,
                "run.catalogue_shards: found %d, expected at most the %lld items that can be "
                "listed",
                *out, (long long)s->n_listed);
done:
    return st;
}

br_status br_shards_plan(br_comm *comm, br_setup *s)
{
    br_status st       = BR_OK;
    int32_t   n_shards = 1;
    int64_t   most;

    BR_TRY(st, br_comm_agree(comm, choose_number(comm, s, &n_shards)));
    most = n_shards;
    br_comm_max_i64(comm, &most, 1);
    BR_TRY(st, br_comm_agree(comm, br_comm_form_teams(comm, (int)most)));
    take(s, (int32_t)most, br_comm_rank(br_comm_team(comm)));
    if (most > 1)
        br_log(BR_LOG_INFO, "run", "the catalogue in %d shards: %lld of %lld items on this rank",
               s->n_shards, (long long)s->held.n, (long long)s->n_listed);
done:
    return st;
}

/* ---- what is said of it ---- */

static void print_shards(const br_setup *s, int32_t n_shards, FILE *out)
{
    br_rows      most = br_shards_cut(s->n_listed, n_shards, n_shards - 1);
    br_footprint f    = footprint_of(s, n_shards);

    (void)fprintf(out,
                  "shards     %4d: each rank holds %lld items, %.1f MiB of them and weights beside "
                  "them, %.1f MiB in all\n",
                  n_shards, (long long)most.n, (f.weights + f.model) / MiB,
                  (f.memory + f.model) / MiB);
}

void br_shards_print(const br_setup *s, FILE *out)
{
    int32_t n = (int32_t)s->config->run_catalogue_shards;

    if (n > 1 && n <= s->n_listed)
        print_shards(s, n, out);
    for (int32_t i = 1; n == 0 && i <= 8 && i <= s->n_listed; i *= 2)
        print_shards(s, i, out);
}

/* ---- a unit's rules, of the items held ---- */

/* First place in [lo, hi) of ascending items that is `least` or more. */
static int64_t find_item(const int32_t *item_S, int64_t lo, int64_t hi, int64_t least)
{
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;

        if (item_S[mid] < least)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* One list of items per row, cut to those held. */
typedef struct br_cut {
    const int64_t *offset_B1;
    const int32_t *item_S;
    const float   *penalty_S; /* NULL: none belong to it */
    int64_t       *to_offset_B1;
    int32_t       *to_item_S;
    float         *to_penalty_S;
} br_cut;

static void cut_lists(const br_setup *s, int64_t n_rows, const br_cut *cut)
{
    int64_t n = 0;

    for (int64_t b = 0; b < n_rows; b++) {
        int64_t end = cut->offset_B1[b + 1];
        int64_t at  = find_item(cut->item_S, cut->offset_B1[b], end, s->held.first);

        cut->to_offset_B1[b] = n;
        for (; at < end && cut->item_S[at] < s->held.first + s->held.n; at++) {
            if (cut->penalty_S != NULL)
                cut->to_penalty_S[n] = cut->penalty_S[at];
            cut->to_item_S[n++] = cut->item_S[at] - (int32_t)s->held.first;
        }
    }
    cut->to_offset_B1[n_rows] = n;
}

static br_status cut_never(const br_setup *s, br_batch *b)
{
    br_status st = BR_OK;

    BR_TRY(st, br_span_reserve(&b->held_span[0], b->n_rows + 1, 8, "never-list offsets"));
    BR_TRY(st, br_span_reserve(&b->held_span[1], b->never_offset_B1[b->n_rows], 4, "never-lists"));
    b->held_offset_B1 = b->held_span[0].data;
    b->held_item_S    = b->held_span[1].data;
    cut_lists(s, b->n_rows,
              &(br_cut){.offset_B1    = b->never_offset_B1,
                        .item_S       = b->never_item_S,
                        .to_offset_B1 = b->held_offset_B1,
                        .to_item_S    = b->held_item_S});
done:
    return st;
}

static br_status cut_extras(const br_setup *s, br_batch *b)
{
    br_status st = BR_OK;
    int64_t   n;

    if (b->extra_offset_B1 == NULL)
        return BR_OK;
    n = b->extra_offset_B1[b->n_rows];
    BR_TRY(st, br_span_reserve(&b->held_span[2], b->n_rows + 1, 8, "penalties"));
    BR_TRY(st, br_span_reserve(&b->held_span[3], n, 4, "penalties"));
    BR_TRY(st, br_span_reserve(&b->held_span[4], n, 4, "penalties"));
    b->held_extra_offset_B1 = b->held_span[2].data;
    b->held_extra_item_P    = b->held_span[3].data;
    b->held_extra_penalty_P = b->held_span[4].data;
    cut_lists(s, b->n_rows,
              &(br_cut){.offset_B1    = b->extra_offset_B1,
                        .item_S       = b->extra_item_P,
                        .penalty_S    = b->extra_penalty_P,
                        .to_offset_B1 = b->held_extra_offset_B1,
                        .to_item_S    = b->held_extra_item_P,
                        .to_penalty_S = b->held_extra_penalty_P});
done:
    return st;
}

br_status br_shards_hold(const br_setup *s, br_batch *b)
{
    br_status st = BR_OK;

    b->held_offset_B1       = b->never_offset_B1;
    b->held_item_S          = b->never_item_S;
    b->held_extra_offset_B1 = b->extra_offset_B1;
    b->held_extra_item_P    = b->extra_item_P;
    b->held_extra_penalty_P = b->extra_penalty_P;
    if (s->n_shards == 1)
        return BR_OK;
    BR_TRY(st, cut_never(s, b));
    BR_TRY(st, cut_extras(s, b));
done:
    return st;
}
