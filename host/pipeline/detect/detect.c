/* SPDX-License-Identifier: Apache-2.0
 *
 * The detectors of a run and what becomes of a hit. br_detect_unit runs once per work unit in the
 * writing thread, before the unit is written; looks are between units. */
#include "host/pipeline/detect/detect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/hash.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/watch/watch.h"
#include "host/pipeline/detect/agree.h"
#include "host/pipeline/detect/golden_batch.h"
#include "host/pipeline/detect/listed.h"
#include "host/pipeline/detect/memory.h"
#include "host/pipeline/detect/report.h"
#include "host/pipeline/detect/structure.h"

#define GOLDEN_ONE_IN 64 /* of the customers, at most */
#define SMALL_ONE_IN  10 /* of a job that is too small for detect.samples */
#define LEAST_SAMPLES 16

struct br_detect {
    br_job           *job;
    uint64_t          seed;
    br_dev           *look_lane; /* of whoever computes */
    br_dev           *unit_lane; /* of whoever writes */
    br_reference     *reference;
    br_golden_batch  *golden; /* NULL: none */
    br_memory_digests memory;
    br_listed         listed;
    bool              is_part; /* of a catalogue in shards: no one here has a whole list */
    bool              has_listed;
    bool              notes_vectors;
    double            share; /* of the customers whose list the reference makes again */
    float            *x_D;
    int64_t           n_golden;
    br_detect_counts  did;
};

/* ---- opening ---- */

/* How many customers the reference looks at: so many that the sample has them almost surely. */
static double share_of(const br_config *config, int64_t n)
{
    double wanted = (double)config->detect_samples, all = (double)n;
    double small = all / SMALL_ONE_IN < LEAST_SAMPLES ? LEAST_SAMPLES : all / SMALL_ONE_IN;

    if (wanted == 0.0 || n == 0)
        return 0.0;
    wanted = wanted < small ? wanted : small;
    wanted = fmax(wanted, all / (double)config->detect_sample_one_in);
    wanted += 4.0 * sqrt(wanted);
    return wanted < all ? wanted / all : 1.0;
}

static br_status open_golden(br_detect *d)
{
    br_status st;
    int64_t   n    = br_customers_info_of(d->job->setup->customers)->n_customers;
    int64_t   most = n / GOLDEN_ONE_IN > 0 ? n / GOLDEN_ONE_IN : 1;

    d->n_golden = d->job->config->detect_golden < most ? d->job->config->detect_golden : most;
    if (d->n_golden > d->job->max_rows)
        d->n_golden = d->job->max_rows;
    if (n == 0 || d->n_golden == 0)
        return BR_OK;
    st = br_golden_batch_open(d->job, br_hash_mix(d->seed), d->n_golden, d->reference, &d->golden);
    if (st == BR_E_INPUT) { /* the run tells of the first customer that is at fault */
        d->n_golden = 0;
        return BR_OK;
    }
    d->did.n_looks = 1;
    return st;
}

br_status br_detect_open(br_job *job, uint64_t seed)
{
    br_status        st     = BR_OK;
    const br_config *config = job->config;
    br_detect       *d      = NULL;
    size_t           room;

    BR_ALLOC(st, d, 1, "detectors");
    job->detect = d;
    d->job      = job;
    d->seed     = seed;
    d->is_part  = job->setup->n_shards > 1;
    if (!d->is_part)
        d->share = share_of(config, br_customers_info_of(job->setup->customers)->n_customers);
    else if (job->setup->shard == 0)
        br_log(BR_LOG_INFO, "detect",
               "the catalogue is in shards: no golden batch, no lists by the reference, no scores "
               "of listed items once more");
    BR_TRY(st, br_dev_open_lane(job->dev, 0, &d->look_lane));
    BR_TRY(st, br_dev_open_lane(job->dev, 0, &d->unit_lane));
    BR_TRY(st, br_dev_room(job->dev, &room));
    d->notes_vectors = config->detect_memory && room == SIZE_MAX;
    BR_ALLOC(st, d->x_D, job->setup->dim, "a customer's vector");
    if (config->detect_memory)
        BR_TRY(st, br_memory_take(job, d->look_lane, &d->memory));
    if (d->share > 0.0)
        BR_TRY(st, br_reference_open(job, &d->reference));
    d->has_listed = config->detect_listed && !d->is_part && br_listed_is_for(job);
    if (d->has_listed)
        BR_TRY(st, br_listed_open(job, &d->listed));
    if (!d->is_part)
        BR_TRY(st, open_golden(d));
    if (config->detect_memory) /* what the golden batch had packed */
        BR_TRY(st, br_memory_take(job, d->look_lane, &d->memory));
    BR_TRY(st, br_detect_flip_memory(job));
done:
    return st;
}

void br_detect_close(br_job *job)
{
    br_detect *d = job->detect;

    if (d == NULL)
        return;
    br_golden_batch_close(&d->golden);
    br_memory_free(&d->memory);
    br_reference_close(&d->reference);
    br_listed_close(&d->listed);
    br_dev_close(&d->look_lane);
    br_dev_close(&d->unit_lane);
    br_free(&d->x_D);
    br_free(&job->detect);
}

/* ---- looks ---- */

bool br_detect_is_due(const br_detect *d, int64_t i)
{
    return d != NULL && i > 0 && i % d->job->config->detect_golden_units == 0;
}

br_status br_detect_look(br_detect *d)
{
    br_status st = BR_OK;

    if (d == NULL)
        return BR_OK;
    if (d->memory.n > 0) {
        BR_TRY(st, br_memory_look(d->job, d->look_lane, &d->memory));
        BR_TRY(st, br_memory_take(d->job, d->look_lane, &d->memory));
    }
    br_watch_tick();
    if (d->golden != NULL)
        BR_TRY(st, br_golden_batch_look(d->golden));
    br_watch_tick();
    d->did.n_looks++;
done:
    return st;
}

static br_status digest_vectors(br_dev *lane, const br_batch *batch, uint64_t *digest)
{
    *digest = 0;
    return br_dev_digest(lane, br_mat_rows(batch->x_BD, 0, batch->n_rows), digest);
}

br_status br_detect_note_vectors(br_detect *d, br_batch *batch)
{
    if (d == NULL || !d->notes_vectors)
        return BR_OK;
    return digest_vectors(d->look_lane, batch, &batch->vectors_digest);
}

/* ---- hits ---- */

static br_status ask_reference(br_detect *d, const br_batch *batch, int64_t b,
                               const br_lists **again, double *off)
{
    br_status st = BR_OK;

    if (d->reference == NULL)
        BR_TRY(st, br_reference_open(d->job, &d->reference));
    BR_TRY(st, br_download(d->unit_lane, br_mat_rows(batch->x_BD, b, 1), d->x_D));
    BR_TRY(st, br_reference_list(d->reference, batch, b, d->x_D, again, off));
done:
    return st;
}

/* A hit at customer b: the reference makes the list, which the device's gives way to where
 * detect.on_fault says so; else the run ends. */
static br_status hit(br_detect *d, br_batch *batch, int64_t b, const char *what)
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

/* Rows of wrong sums were scored by the definition already. */
static br_status check_witness(br_detect *d, br_batch *batch)
{
    const br_witness *w = &batch->witness;
    char              what[256];

    d->did.n_tiles += w->n_tiles;
    d->did.n_checked += w->n_checked;
    if (w->n_wrong == 0)
        return BR_OK;
    (void)snprintf(what, sizeof what,
                   "%lld sums of the score pass are wrong: the first in panel %lld, found %.17g, "
                   "expected %.17g",
                   (long long)w->n_wrong, (long long)w->panel, w->found, w->expected);
    return hit(d, batch, w->row, what);
}

static br_status check_vectors(br_detect *d, br_dev *lane, const br_batch *batch)
{
    br_status st = BR_OK;
    uint64_t  found;

    if (!d->notes_vectors)
        return BR_OK;
    BR_TRY(st, digest_vectors(lane, batch, &found));
    if (found == batch->vectors_digest)
        return BR_OK;
    BR_FAIL(st, BR_E_SELFCHECK,
            "device %s: unit %lld: memory of x_u changed while lists were made: found digest "
            "%016llx, expected %016llx",
            br_dev_description(d->job->dev), (long long)batch->unit, (unsigned long long)found,
            (unsigned long long)batch->vectors_digest);
done:
    return st;
}

br_status br_detect_blame_vectors(br_detect *d, const br_batch *batch, br_status st)
{
    br_error error;

    if (d == NULL || st != BR_E_INPUT)
        return st;
    br_error_take(&error);
    if (check_vectors(d, d->look_lane, batch) == BR_E_SELFCHECK)
        return BR_E_SELFCHECK;
    return br_error_put(&error);
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

static br_status check_listed(br_detect *d, br_batch *batch)
{
    br_status st  = BR_OK;
    int64_t   row = 0;
    int32_t   slot;
    float     expected;
    char      what[160];

    while (d->has_listed) {
        BR_TRY(st, br_listed_look(&d->listed, d->job, batch, &row, &slot, &expected));
        if (row < 0)
            break;
        (void)snprintf(
            what, sizeof what, "slot %d, item %d: found score %.9g, expected %.9g of the pair",
            slot, batch->lists.item_BK[row * batch->lists.k + slot],
            (double)batch->lists.score_BK[row * batch->lists.k + slot], (double)expected);
        BR_TRY(st, hit(d, batch, row, what));
        row++;
    }
    d->did.n_listed += d->has_listed ? batch->n_rows : 0;
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

static br_status check_sample(br_detect *d, br_batch *batch)
{
    br_status st      = BR_OK;
    double    allowed = br_agree_tolerance(d->job->config->run_precision);

    for (int64_t b = 0; d->share > 0.0 && b < batch->n_rows; b++) {
        const br_lists *again;
        br_agree_report report = {0};
        const char     *what;
        double          off;
        char            text[224];

        if (!is_sampled(d, batch, b))
            continue;
        d->did.n_sampled++;
        BR_TRY(st, ask_reference(d, batch, b, &again, &off));
        what = br_reference_agree(d->reference, &batch->lists, b, &report);
        if (what == NULL && off <= allowed && report.largest_share <= 1.0)
            continue;
        (void)snprintf(text, sizeof text,
                       "sample: %s the reference's (x_u by %.1e, %.0e is allowed; probabilities "
                       "by %.1e, survival by %.1e, %.3g times what roundings explain)",
                       what == NULL ? "numbers are off" : what, off, allowed,
                       report.worst_probability, report.worst_survival, report.largest_share);
        BR_TRY(st, hit(d, batch, b, text));
    }
done:
    return st;
}

br_status br_detect_unit(br_detect *d, br_batch *batch)
{
    br_status st = BR_OK;

    if (d == NULL)
        return BR_OK;
    d->did.n_customers += batch->n_rows;
    if (!d->is_part)
        BR_TRY(st, check_witness(d, batch));
    BR_TRY(st, check_vectors(d, d->unit_lane, batch));
    BR_TRY(st, check_structure(d, batch));
    BR_TRY(st, check_listed(d, batch));
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
    BR_TRY(st, check_vectors(d, d->look_lane, batch));
done:
    return st;
}

/* Weights with a flipped bit may look like vectors that are too long. */
br_status br_detect_blame(br_detect *d, br_status st)
{
    br_error error;

    if (d == NULL || st != BR_E_INPUT || d->memory.n == 0)
        return st;
    br_error_take(&error);
    if (br_memory_look(d->job, d->look_lane, &d->memory) == BR_E_SELFCHECK)
        return BR_E_SELFCHECK;
    return br_error_put(&error);
}

br_status br_detect_report(const br_detect *d, br_comm *comm, br_strbuf *json)
{
    br_detect_counts did = d->did;

    did.n_bytes = d->memory.n_bytes;
    return br_detect_report_counts(comm, &did, d->n_golden, json);
}
