/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights and events are functions of their place only. Created once per bench. */
#include "bench/models/encode_case.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/base/clock.h"
#include "host/base/memory.h"

#define N_LAYERS 2
#define N_HEADS  2

static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static double uniform(uint64_t at)
{
    return (double)(mix(at) >> 11) * 0x1p-53;
}

static double normal(uint64_t at)
{
    return sqrt(-2.0 * log(1.0 - uniform(2 * at))) * cos(6.283185307179586 * uniform(2 * at + 1));
}

br_status br_case_events_create(int64_t n_seqs, double median, double sigma, int64_t n_items,
                                br_case_events *out)
{
    br_status st = BR_OK;

    *out = (br_case_events){.n_seqs = n_seqs};
    BR_ALLOC(st, out->offset_B1, n_seqs + 1, "bench offsets");
    for (int64_t b = 0; b < n_seqs; b++) {
        double length =
            fmin(fmax(median * exp(sigma * normal((uint64_t)b)), 1.0), BR_CASE_MAX_LENGTH);
        out->offset_B1[b + 1] = out->offset_B1[b] + (int32_t)lround(length);
    }
    BR_ALLOC(st, out->item_E, out->offset_B1[n_seqs], "bench events");
    for (int64_t e = 0; e < out->offset_B1[n_seqs]; e++)
        out->item_E[e] = (int32_t)(mix(77 + (uint64_t)e) % (uint64_t)n_items);
done:
    return st;
}

void br_case_events_free(br_case_events *events)
{
    br_free(&events->offset_B1);
    br_free(&events->item_E);
}

double br_case_mean_length(const br_case_events *events)
{
    return (double)events->offset_B1[events->n_seqs] / (double)events->n_seqs;
}

typedef br_case_weights tensors;

typedef struct spread {
    double mean;
    double scale;
} spread;

/* mean + scale x a standard normal number; n_rows 0: a vector */
__attribute__((format(printf, 5, 6))) static br_status
add(tensors *t, int64_t n_rows, int64_t n_cols, spread of, const char *fmt, ...)
{
    br_status  st     = BR_OK;
    br_tensor *tensor = &t->of[t->n++];
    int64_t    n      = (n_rows > 0 ? n_rows : 1) * n_cols;
    float     *data   = NULL;
    va_list    names;

    va_start(names, fmt);
    (void)vsnprintf(tensor->name, sizeof tensor->name, fmt, names);
    va_end(names);
    BR_ALLOC(st, data, n, "bench weights");
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)(of.mean + of.scale * normal(((uint64_t)t->n << 40) + (uint64_t)i));
    tensor->data   = data;
    tensor->rank   = n_rows > 0 ? 2 : 1;
    tensor->dim[0] = n_rows > 0 ? n_rows : n_cols;
    tensor->dim[1] = n_rows > 0 ? n_cols : 0;
done:
    return st;
}

static br_status add_norm(tensors *t, int32_t dim, const char *prefix)
{
    br_status st = BR_OK;

    BR_TRY(st, add(t, 0, dim, (spread){1.0, 0.1}, "%sLayerNorm.weight", prefix));
    BR_TRY(st, add(t, 0, dim, (spread){0.0, 0.1}, "%sLayerNorm.bias", prefix));
done:
    return st;
}

static br_status add_linear(tensors *t, int64_t n_out, int64_t n_in, const char *name)
{
    br_status st = BR_OK;

    BR_TRY(st, add(t, n_out, n_in, (spread){0.0, 1.0 / sqrt((double)n_in)}, "%s.weight", name));
    BR_TRY(st, add(t, 0, n_out, (spread){0.0, 0.1}, "%s.bias", name));
done:
    return st;
}

static br_status add_attention(tensors *t, const br_encoder_spec *s)
{
    br_status                st     = BR_OK;
    static const char *const part[] = {"query", "key", "value", "dense"};
    char                     name[120];

    BR_TRY(st, add(t, s->max_length, s->dim, (spread){0.0, 0.5}, "position_embedding.weight"));
    BR_TRY(st, add_norm(t, s->dim, ""));
    for (int l = 0; l < s->n_layers; l++) {
        for (int i = 0; i < 4; i++) {
            (void)snprintf(name, sizeof name, "trm_encoder.layer.%d.multi_head_attention.%s", l,
                           part[i]);
            BR_TRY(st, add_linear(t, s->dim, s->dim, name));
        }
        (void)snprintf(name, sizeof name, "trm_encoder.layer.%d.multi_head_attention.", l);
        BR_TRY(st, add_norm(t, s->dim, name));
        (void)snprintf(name, sizeof name, "trm_encoder.layer.%d.feed_forward.dense_1", l);
        BR_TRY(st, add_linear(t, s->inner, s->dim, name));
        (void)snprintf(name, sizeof name, "trm_encoder.layer.%d.feed_forward.dense_2", l);
        BR_TRY(st, add_linear(t, s->dim, s->inner, name));
        (void)snprintf(name, sizeof name, "trm_encoder.layer.%d.feed_forward.", l);
        BR_TRY(st, add_norm(t, s->dim, name));
    }
done:
    return st;
}

static br_status add_gru(tensors *t, const br_encoder_spec *s)
{
    br_status st    = BR_OK;
    double    scale = 1.0 / sqrt((double)s->hidden);

    BR_TRY(st, add(t, 3 * s->hidden, s->dim, (spread){0.0, scale}, "gru_layers.weight_ih_l0"));
    BR_TRY(st, add(t, 3 * s->hidden, s->hidden, (spread){0.0, scale}, "gru_layers.weight_hh_l0"));
    BR_TRY(st, add(t, 0, 3 * s->hidden, (spread){0.0, 0.1}, "gru_layers.bias_ih_l0"));
    BR_TRY(st, add(t, 0, 3 * s->hidden, (spread){0.0, 0.1}, "gru_layers.bias_hh_l0"));
done:
    return st;
}

static br_model_spec spec_of(br_encoder_kind kind, int32_t dim)
{
    br_model_spec    spec = {.name = "bench", .version = "1", .dim = dim, .n_encoders = 1};
    br_encoder_spec *e    = &spec.encoder[0];

    *e = (br_encoder_spec){.name       = "events",
                           .vocabulary = "catalogue",
                           .item_table = "item_embedding.weight",
                           .kind       = kind,
                           .variant    = BR_VARIANT_RECBOLE,
                           .max_length = BR_CASE_MAX_LENGTH,
                           .dim        = dim,
                           .out_dim    = dim,
                           .n_layers   = kind == BR_ENCODER_GRU ? 1 : N_LAYERS,
                           .n_heads    = N_HEADS,
                           .inner      = 4 * dim,
                           .hidden     = dim,
                           .has_bias   = true,
                           .activation = BR_ACT_GELU,
                           .eps        = 1e-12};
    (void)snprintf(spec.item_vocabulary, sizeof spec.item_vocabulary, "catalogue");
    return spec;
}

br_status br_case_weights_create(br_encoder_kind kind, int32_t dim, int64_t n_items,
                                 br_case_weights *out)
{
    br_status     st   = BR_OK;
    br_model_spec spec = spec_of(kind, dim);

    out->n = 0;
    BR_TRY(st, add(out, n_items, dim, (spread){0.0, 1.0}, "item_embedding.weight"));
    BR_TRY(st, kind == BR_ENCODER_GRU ? add_gru(out, &spec.encoder[0])
                                      : add_attention(out, &spec.encoder[0]));
done:
    return st;
}

void br_case_weights_free(br_case_weights *weights)
{
    for (int32_t i = 0; i < weights->n; i++) {
        void *data = (void *)(uintptr_t)weights->of[i].data;
        br_free(&data);
    }
    weights->n = 0;
}

br_status br_case_model_create(br_dev *dev, br_encoder_kind kind, int32_t dim, int64_t n_items,
                               br_precision precision, br_model **out)
{
    br_status       st   = BR_OK;
    br_model_spec   spec = spec_of(kind, dim);
    br_case_weights weights;

    BR_TRY(st, br_case_weights_create(kind, dim, n_items, &weights));
    BR_TRY(st, br_model_create(dev, &spec, weights.of, weights.n, precision, out));
done:
    br_case_weights_free(&weights);
    return st;
}

double br_case_flops(const br_model *model, const br_case_events *events)
{
    const br_encoder_spec *s = &br_model_spec_of(model)->encoder[0];
    double                 D = s->dim, I = s->inner, B = (double)events->n_seqs,
           E     = events->offset_B1[events->n_seqs];
    double pairs = 0.0;

    if (s->kind == BR_ENCODER_GRU)
        return 12.0 * D * D * E; /* input and recurrent product */
    for (int64_t b = 0; b < events->n_seqs; b++) {
        double n = (double)(events->offset_B1[b + 1] - events->offset_B1[b]);
        pairs += n * (n + 1.0) / 2.0;
    }
    return (s->n_layers - 1) * (E * (8.0 * D * D + 4.0 * D * I) + 4.0 * pairs * D) +
           B * (8.0 * D * D + 4.0 * D * I) + 4.0 * E * D * s->n_heads;
}

br_status br_case_run_open(br_backend backend, br_encoder_kind kind, int32_t dim, int64_t n_items,
                           br_precision precision, br_case_run *run)
{
    br_status st = BR_OK;

    *run =
        (br_case_run){.n_chunk_events = kind == BR_ENCODER_GRU ? 16384 : 256, .n_chunk_rows = 1024};
    BR_TRY(st, br_dev_open(backend, 0, &run->dev));
    BR_TRY(st, br_case_model_create(run->dev, kind, dim, n_items, precision, &run->model));
done:
    return st;
}

void br_case_run_close(br_case_run *run)
{
    br_model_destroy(&run->model);
    br_dev_close(&run->lane);
    br_dev_close(&run->dev);
}

static br_status encode_chunk(br_case_run *run, const br_case_events *events, int64_t b, int64_t n,
                              float *out_BS, double *cpu_s)
{
    br_status st    = BR_OK;
    int64_t   dim   = br_model_spec_of(run->model)->encoder[0].out_dim;
    int32_t   first = events->offset_B1[b];
    int32_t   own[1025];
    br_mat    out  = {0};
    br_seqs   seqs = {
          .n_seqs = n, .n_events = events->offset_B1[b + n] - first, .host_offset_B1 = own};
    double start;

    for (int64_t i = 0; i <= n; i++)
        own[i] = events->offset_B1[b + i] - first;
    br_dev_rewind(run->lane, 0);
    BR_TRY(st, br_dev_scratch(run->lane, BR_I32, n + 1, 1, &seqs.offset_B1));
    BR_TRY(st, br_dev_scratch(run->lane, BR_I32, seqs.n_events, 1, &seqs.item_E));
    BR_TRY(st, br_dev_scratch(run->lane, BR_F32, n, dim, &out));
    BR_TRY(st, br_upload(run->lane, seqs.offset_B1, own));
    BR_TRY(st, br_upload(run->lane, seqs.item_E, events->item_E + first));
    start = br_clock_thread_cpu_s();
    BR_TRY(st, br_model_encode(run->model, run->lane, 0, &seqs, out));
    *cpu_s += br_clock_thread_cpu_s() - start;
    BR_TRY(st, br_download(run->lane, out, out_BS + b * dim));
done:
    return st;
}

br_status br_case_encode(br_case_run *run, const br_case_events *events, int64_t n_seqs,
                         float *out_BS, double *cpu_s)
{
    br_status st       = BR_OK;
    int64_t   n_events = run->n_chunk_events + BR_CASE_MAX_LENGTH;

    *cpu_s = 0.0;
    if (run->lane == NULL)
        BR_TRY(st,
               br_dev_open_lane(run->dev,
                                br_model_scratch_bytes(run->model, run->n_chunk_rows, n_events) +
                                    (size_t)(n_events + run->n_chunk_rows * 1024) * 8 + 4096,
                                &run->lane));
    for (int64_t b = 0; b < n_seqs;) {
        int64_t n = 1;

        while (b + n < n_seqs && n < run->n_chunk_rows &&
               events->offset_B1[b + n + 1] - events->offset_B1[b] <= run->n_chunk_events)
            n++;
        BR_TRY(st, encode_chunk(run, events, b, n, out_BS, cpu_s));
        b += n;
    }
done:
    return st;
}

int64_t br_case_count_turned(const float *got_BD, const float *want_BD, int64_t n_rows, int64_t dim,
                             double least)
{
    int64_t n = 0;

    for (int64_t b = 0; b < n_rows; b++) {
        double dot = 0.0, got = 0.0, want = 0.0;

        for (int64_t d = b * dim; d < (b + 1) * dim; d++) {
            dot += (double)got_BD[d] * want_BD[d];
            got += (double)got_BD[d] * got_BD[d];
            want += (double)want_BD[d] * want_BD[d];
        }
        n += !(dot >= least * sqrt(got * want));
    }
    return n;
}
