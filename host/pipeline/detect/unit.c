/* SPDX-License-Identifier: Apache-2.0
 *
 * What is looked at in a unit's lists, once per unit by the writer that has it, before they are
 * written; and what becomes of a hit. */
#include <stdio.h>
#include <string.h>

#include "host/base/hash.h"
#include "host/base/log.h"
#include "host/pipeline/detect/agree.h"
#include "host/pipeline/detect/inner.h"
#include "host/pipeline/detect/structure.h"

/* ---- hits, under the lock ---- */

static br_status ask_reference(br_detect *d, const br_batch *batch, int64_t b,
                               const br_lists **again, double *off)
{
    br_status st = BR_OK;

    if (d->reference == NULL)
        BR_TRY(st, br_reference_open(d->job, &d->reference));
    BR_TRY(st, br_download(batch->out_lane, br_mat_rows(batch->x_BD, b, 1), d->x_D));
    BR_TRY(st, br_reference_list(d->reference, batch, b, d->x_D, again, off));
done:
    return st;
}

/* A hit at customer b: the reference makes the list, which the device's gives way to where
 * detect.on_fault says so; else the run ends. */
static br_status hit_locked(br_detect *d, br_batch *batch, int64_t b, const char *what)
{
    br_status       st = BR_OK;
    const br_lists *again;
    br_agree_report report = {0};
    const char     *differs;
    double          off;
    char            customer[BR_KEY_TEXT_BYTES], text[1024];

    d->did.n_faults++;
    if (d->is_part)
        return br_fail(BR_E_SELFCHECK, "device %s: customer %s (row %lld): %s",
                       br_dev_description(d->job->dev), br_keys_text(&batch->key, b, customer),
                       (long long)(batch->first_row + b), what);
    BR_TRY(st, ask_reference(d, batch, b, &again, &off));
    differs = br_reference_agree(d->reference, &batch->lists, b, &report);
    (void)snprintf(text, sizeof text, "device %s: customer %s (row %lld): %s; %s%s",
                   br_dev_description(d->job->dev), br_keys_text(&batch->key, b, customer),
                   (long long)(batch->first_row + b), what,
                   differs == NULL ? "the reference makes the list that is there"
                                   : "the reference makes another list: other ",
                   differs == NULL ? "" : differs);
    if (d->job->config->detect_on_fault != BR_ON_FAULT_CORRECT)
        BR_FAIL(st, BR_E_SELFCHECK, "%s", text);
    br_agree_adopt(&batch->lists, b, again);
    br_log(BR_LOG_WARN, "detect", "%s; it is taken, and the run goes on", text);
done:
    return st;
}

static br_status hit(br_detect *d, br_batch *batch, int64_t b, const char *what)
{
    br_status st;

    (void)pthread_mutex_lock(&d->lock);
    st = hit_locked(d, batch, b, what);
    (void)pthread_mutex_unlock(&d->lock);
    return st;
}

/* ---- a unit ---- */

static void add_counts(br_detect *d, const br_detect_counts *did)
{
    (void)pthread_mutex_lock(&d->lock);
    d->did.n_tiles += did->n_tiles;
    d->did.n_checked += did->n_checked;
    d->did.n_customers += did->n_customers;
    d->did.n_listed += did->n_listed;
    (void)pthread_mutex_unlock(&d->lock);
}

/* Rows of wrong sums were scored by the definition already. */
static br_status check_witness(br_detect *d, br_batch *batch)
{
    const br_witness *w = &batch->witness;
    char              what[256];

    add_counts(d, &(br_detect_counts){.n_tiles = w->n_tiles, .n_checked = w->n_checked});
    if (w->n_wrong == 0)
        return BR_OK;
    (void)snprintf(what, sizeof what,
                   "%lld sums of the score pass are wrong: the first in panel %lld, found %.17g, "
                   "expected %.17g",
                   (long long)w->n_wrong, (long long)w->panel, w->found, w->expected);
    return hit(d, batch, w->row, what);
}

static br_status check_structure(br_detect *d, br_batch *batch)
{
    br_status st  = BR_OK;
    int64_t   row = 0;
    char      what[512];

    while (true) {
        BR_TRY(st, br_structure_look(d->job, batch, &row, what, sizeof what));
        if (row < 0)
            break;
        BR_TRY(st, hit(d, batch, row, what));
        row++;
    }
done:
    return st;
}

static br_status check_listed(br_detect *d, br_unit_room *room, br_batch *batch)
{
    br_status st  = BR_OK;
    int64_t   row = 0;
    int32_t   slot;
    float     expected;
    char      what[160];

    while (d->has_listed) {
        BR_TRY(st, br_listed_look(&room->listed, d->job, batch, &row, &slot, &expected));
        if (row < 0)
            break;
        (void)snprintf(
            what, sizeof what, "slot %d, item %d: found score %.9g, expected %.9g of the pair",
            slot, batch->lists.item_BK[row * batch->lists.k + slot],
            (double)batch->lists.score_BK[row * batch->lists.k + slot], (double)expected);
        BR_TRY(st, hit(d, batch, row, what));
        row++;
    }
    add_counts(d, &(br_detect_counts){.n_listed = d->has_listed ? batch->n_rows : 0});
done:
    return st;
}

/* By the run and the customer's key, whatever the unit. */
static bool is_sampled(const br_detect *d, const br_batch *batch, int64_t b)
{
    const uint8_t *key  = batch->key.data + b * batch->key.width_bytes;
    uint64_t       hash = br_hash_bytes(key, (size_t)batch->key.width_bytes);

    return (double)(br_hash_mix(hash ^ d->seed) >> 11) * 0x1p-53 < d->share;
}

static br_status check_one(br_detect *d, br_batch *batch, int64_t b)
{
    br_status       st      = BR_OK;
    double          allowed = br_agree_tolerance(d->job->config->run_precision);
    const br_lists *again;
    br_agree_report report = {0};
    const char     *what;
    double          off;
    char            text[224];

    d->did.n_sampled++;
    BR_TRY(st, ask_reference(d, batch, b, &again, &off));
    what = br_reference_agree(d->reference, &batch->lists, b, &report);
    if (what == NULL && off <= allowed && report.largest_share <= 1.0)
        return BR_OK;
    (void)snprintf(text, sizeof text,
                   "sample: %s the reference's (x_u by %.1e, %.0e is allowed; probabilities "
                   "by %.1e, survival by %.1e, %.3g times what roundings explain)",
                   what == NULL ? "numbers are off" : what, off, allowed, report.worst_probability,
                   report.worst_survival, report.largest_share);
    BR_TRY(st, hit_locked(d, batch, b, text));
done:
    return st;
}

static br_status check_sample(br_detect *d, br_batch *batch)
{
    br_status st = BR_OK;

    for (int64_t b = 0; d->share > 0.0 && b < batch->n_rows && st == BR_OK; b++) {
        if (!is_sampled(d, batch, b))
            continue;
        (void)pthread_mutex_lock(&d->lock);
        st = check_one(d, batch, b);
        (void)pthread_mutex_unlock(&d->lock);
    }
    return st;
}

br_status br_detect_unit(br_detect *d, br_batch *batch, int32_t writer)
{
    br_status     st   = BR_OK;
    br_unit_room *room = d == NULL ? NULL : &d->room[writer];

    if (d == NULL)
        return BR_OK;
    add_counts(d, &(br_detect_counts){.n_customers = batch->n_rows});
    if (!d->is_part)
        BR_TRY(st, check_witness(d, batch));
    BR_TRY(st, br_detect_check_vectors(d, room->lane, batch));
    BR_TRY(st, check_structure(d, batch));
    BR_TRY(st, check_listed(d, room, batch));
    BR_TRY(st, check_sample(d, batch));
done:
    return st;
}

br_status br_detect_shard(br_detect *d, br_batch *batch)
{
    br_status st = BR_OK;

    if (d == NULL)
        return BR_OK;
    BR_TRY(st, check_witness(d, batch));
    BR_TRY(st, br_detect_check_vectors(d, d->look_lane, batch));
done:
    return st;
}
