/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors and states of all customers, streamed to one file. Called once per process. */
#include "host/pipeline/vectors/encode_job.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/io/h5_stream.h"
#include "host/io/publish.h"
#include "host/pipeline/stages.h"

typedef struct columns {
    int32_t  key, vector;
    int32_t  state[BR_MAX_MODALITIES], last_time[BR_MAX_MODALITIES];
    float   *host; /* one unit of any column */
    int64_t *time_B;
} columns;

static br_status create_columns(const br_job *job, br_h5_stream *s, columns *c)
{
    br_status                st   = BR_OK;
    const br_setup          *u    = job->setup;
    const br_customers_info *info = br_customers_info_of(u->customers);
    int64_t                  U    = info->n_customers;
    char                     path[160];

    br_h5_stream_set key = {"/customer/key", info->key_is_number ? BR_H5_U64 : BR_H5_TEXT,
                            info->key_width_bytes, U, 0};

    BR_TRY(st, br_h5_stream_dataset(s, &key, &c->key));
    BR_TRY(st, br_h5_stream_dataset(s, &(br_h5_stream_set){"/vector", BR_H5_F32, 0, U, u->dim},
                                    &c->vector));
    for (int32_t m = 0; m < u->n_encoders; m++) {
        (void)snprintf(path, sizeof path, "/state/%s/h", u->feed[m].name);
        BR_TRY(st, br_h5_stream_dataset(
                       s, &(br_h5_stream_set){path, BR_H5_F32, 0, U, u->spec->encoder[m].out_dim},
                       &c->state[m]));
        (void)snprintf(path, sizeof path, "/state/%s/last_time", u->feed[m].name);
        BR_TRY(st, br_h5_stream_dataset(s, &(br_h5_stream_set){path, BR_H5_I64, 0, U, 0},
                                        &c->last_time[m]));
    }
    if (u->n_encoders > 0)
        BR_TRY(st, br_h5_stream_attr(s, "/state", "model_version", u->spec->version));
done:
    return st;
}

/* Finite inputs and weights may still overflow on the way through a model. */
static br_status check_finite(const br_job *job, const br_batch *b, const float *value,
                              int64_t n_cols, const char *what)
{
    char key[BR_KEY_TEXT_BYTES];

    for (int64_t i = 0; i < b->n_rows * n_cols; i++)
        if (!isfinite(value[i]))
            return br_fail(BR_E_INPUT,
                           "%s: the %s of customer %s (row %lld) is not finite: weights of the "
                           "model are too large",
                           job->config->input_model, what, br_keys_text(&b->key, i / n_cols, key),
                           (long long)(b->first_row + i / n_cols));
    return BR_OK;
}

/* The last usable event's time of every customer of the unit. */
static void find_last_times(const br_packed *p, int64_t n_rows, int64_t *time_B)
{
    for (int64_t b = 0; b < n_rows; b++)
        time_B[b] = p->offset_B1[b + 1] > p->offset_B1[b] ? p->time_E[p->offset_B1[b + 1] - 1] : -1;
}

static br_status write_states(br_job *job, const br_batch *b, br_h5_stream *s, columns *c)
{
    br_status st  = BR_OK;
    int64_t   col = 0;

    for (int32_t m = 0; m < job->setup->n_encoders; m++) {
        int64_t width = job->setup->spec->encoder[m].out_dim;
        char    what[96];

        (void)snprintf(what, sizeof what, "state of %s", job->setup->feed[m].name);
        BR_TRY(st, br_download(job->dev,
                               br_mat_cols(br_mat_rows(b->state_BS, 0, b->n_rows), col, width),
                               c->host));
        BR_TRY(st, check_finite(job, b, c->host, width, what));
        BR_TRY(st, br_h5_stream_append(s, c->state[m], b->n_rows, c->host));
        find_last_times(&b->packed[m], b->n_rows, c->time_B);
        BR_TRY(st, br_h5_stream_append(s, c->last_time[m], b->n_rows, c->time_B));
        col += width;
    }
done:
    return st;
}

static br_status encode_unit(br_job *job, br_batch *b, br_h5_stream *s, columns *c)
{
    br_status st    = BR_OK;
    double    cpu_s = 0.0;

    BR_TRY(st, br_stage_read(job, b));
    BR_TRY(st, br_stage_encode(job, b, &cpu_s));
    BR_TRY(st, br_stage_fuse(job, b, &cpu_s));
    BR_TRY(st, br_h5_stream_append(s, c->key, b->n_rows, b->key.data));
    BR_TRY(st, br_download(job->dev, br_mat_rows(b->x_BD, 0, b->n_rows), c->host));
    BR_TRY(st, check_finite(job, b, c->host, job->setup->dim, "vector"));
    BR_TRY(st, br_h5_stream_append(s, c->vector, b->n_rows, c->host));
    BR_TRY(st, write_states(job, b, s, c));
done:
    return st;
}

/* Found before the work, not after: a place that cannot be written, or that holds an input. */
static br_status check_out(const br_config *config, const char *out)
{
    static const char *const parts[]   = {"model.json", "weights.safetensors", "vocabulary.h5"};
    const char              *inputs[5] = {config->input_customers, config->input_catalogue};
    char                     path[3][PATH_MAX];

    for (int i = 0; i < 3; i++) {
        (void)snprintf(path[i], sizeof path[i], "%s/%s", config->input_model, parts[i]);
        inputs[2 + i] = path[i];
    }
    return br_publish_check_target(out, inputs, 5);
}

static int64_t widest(const br_setup *s)
{
    int64_t most = s->dim;

    for (int32_t m = 0; m < s->n_encoders; m++)
        most = s->spec->encoder[m].out_dim > most ? s->spec->encoder[m].out_dim : most;
    return most;
}

br_status br_job_encode(br_job *job, const char *out)
{
    br_status     st    = BR_OK;
    br_setup     *setup = job->setup;
    br_h5_stream *s     = NULL;
    br_batch      batch = {0};
    columns       c     = {0};
    int64_t       U     = br_customers_info_of(setup->customers)->n_customers;

    BR_TRY(st, check_out(setup->config, out));
    BR_TRY(st, br_h5_stream_create(out, "batchrank-customers",
                                   U * (widest(setup) * 4 * (1 + setup->n_encoders) + 64), &s));
    BR_TRY(st, create_columns(job, s, &c));
    BR_TRY(st, br_job_alloc_batch(job, &batch));
    BR_ALLOC(st, c.host, job->max_rows * widest(setup), "vectors of a unit");
    BR_ALLOC(st, c.time_B, job->max_rows, "times of a unit");
    br_timing_start(&job->timing, U > 0 ? U : 1, 1);
    for (int64_t u = 0; u < setup->n_units; u++) {
        BR_TRY(st, br_job_check_interrupt(out));
        br_batch_take_unit(&batch, setup, u);
        BR_TRY(st, encode_unit(job, &batch, s, &c));
        br_timing_progress(&job->timing, batch.n_rows);
    }
    br_log_progress(NULL);
    BR_TRY(st, br_h5_stream_commit(&s));
    br_log(BR_LOG_INFO, "encode", "%s: %lld customers, D %d", out, (long long)U, setup->dim);
done:
    br_h5_stream_abort(&s);
    br_batch_free(&batch);
    br_free(&c.host);
    br_free(&c.time_B);
    return st;
}
