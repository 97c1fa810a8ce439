/* SPDX-License-Identifier: Apache-2.0
 *
 * The detectors of a run, opened once, and their looks between units. */
#include <math.h>

#include "host/base/hash.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/watch/watch.h"
#include "host/pipeline/detect/inner.h"

#define GOLDEN_ONE_IN 64 /* of the customers, at most */
#define SMALL_ONE_IN  10 /* of a job that is too small for detect.samples */
#define LEAST_SAMPLES 16

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

static br_status open_rooms(br_detect *d)
{
    br_status st = BR_OK;

    for (int32_t w = 0; w < d->n_writers; w++) {
        BR_TRY(st, br_dev_open_lane(d->job->dev, 0, &d->room[w].lane));
        if (d->has_listed)
            BR_TRY(st, br_listed_open(d->job, &d->room[w].listed));
    }
done:
    return st;
}

br_status br_detect_open(br_job *job, uint64_t seed, int32_t n_writers)
{
    br_status        st     = BR_OK;
    const br_config *config = job->config;
    br_detect       *d      = NULL;
    size_t           room;

    BR_ALLOC(st, d, 1, "detectors");
    job->detect  = d;
    d->job       = job;
    d->seed      = seed;
    d->n_writers = n_writers;
    d->is_part   = job->setup->n_shards > 1;
    (void)pthread_mutex_init(&d->lock, NULL);
    if (!d->is_part)
        d->share = share_of(config, br_customers_info_of(job->setup->customers)->n_customers);
    else if (job->setup->shard == 0)
        br_log(BR_LOG_INFO, "detect",
               "the catalogue is in shards: no golden batch, no lists by the reference, no scores "
               "of listed items once more");
    BR_TRY(st, br_dev_open_lane(job->dev, 0, &d->look_lane));
    BR_TRY(st, br_dev_room(job->dev, &room));
    d->notes_vectors = config->detect_memory && room == SIZE_MAX;
    BR_ALLOC(st, d->x_D, job->setup->dim, "a customer's vector");
    if (config->detect_memory)
        BR_TRY(st, br_memory_take(job, d->look_lane, &d->memory));
    if (d->share > 0.0)
        BR_TRY(st, br_reference_open(job, &d->reference));
    d->has_listed = config->detect_listed && !d->is_part && br_listed_is_for(job);
    BR_TRY(st, open_rooms(d));
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
    for (int32_t w = 0; w < BR_MOST_WRITERS; w++) {
        br_listed_close(&d->room[w].listed);
        br_dev_close(&d->room[w].lane);
    }
    br_dev_close(&d->look_lane);
    (void)pthread_mutex_destroy(&d->lock);
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

br_status br_detect_check_vectors(br_detect *d, br_dev *lane, const br_batch *batch)
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
    if (br_detect_check_vectors(d, d->look_lane, batch) == BR_E_SELFCHECK)
        return BR_E_SELFCHECK;
    return br_error_put(&error);
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
