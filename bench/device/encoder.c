/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole encoders on events that lie on the device: SASRec (2 layers, 2 heads, inner 4D, erf-GELU)
 * and GRU4Rec, log-normal timelines of 50 events on average. Before a time is printed, fp32 is
 * compared with ref on a few customers, bf16 with fp32 on all by cosine. */
#include <math.h>
#include <string.h>

#include "bench/device/device_case.h"
#include "bench/models/encode_case.h"
#include "host/base/memory.h"

#define N_CHECKED    6
#define MEDIAN       30.3 /* mean 50 at sigma 1 */
#define FP32_LIMIT   2e-5
#define LEAST_COSINE 0.999

typedef struct encoder_case {
    br_encoder_kind kind;
    int32_t         dim;
    int64_t         n_items;
    br_case_events  events;
    br_model       *model;
    br_dev         *lane;
    br_seqs         seqs;
    br_mat          out_BD;
} encoder_case;

static void case_close(encoder_case *c)
{
    br_dev_free(&c->seqs.offset_B1);
    br_dev_free(&c->seqs.item_E);
    br_dev_free(&c->out_BD);
    br_model_destroy(&c->model);
    br_dev_close(&c->lane);
}

static br_status case_open(br_dev *dev, br_precision precision, encoder_case *c)
{
    br_status st = BR_OK;
    int64_t   B  = c->events.n_seqs;
    int64_t   E  = c->events.offset_B1[B];

    BR_TRY(st, br_case_model_create(dev, c->kind, c->dim, c->n_items, precision, &c->model));
    BR_TRY(st, br_dev_open_lane(dev, br_model_scratch_bytes(c->model, B, E), &c->lane));
    c->seqs = (br_seqs){.n_seqs = B, .n_events = E, .host_offset_B1 = c->events.offset_B1};
    BR_TRY(st, br_dev_alloc(dev, BR_I32, B + 1, 1, &c->seqs.offset_B1));
    BR_TRY(st, br_dev_alloc(dev, BR_I32, E, 1, &c->seqs.item_E));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, B, c->dim, &c->out_BD));
    BR_TRY(st, br_upload(c->lane, c->seqs.offset_B1, c->events.offset_B1));
    BR_TRY(st, br_upload(c->lane, c->seqs.item_E, c->events.item_E));
    BR_TRY(st, br_dev_sync(c->lane));
done:
    return st;
}

static br_status encode_once(void *context)
{
    encoder_case *c = context;

    br_dev_rewind(c->lane, 0);
    return br_model_encode(c->model, c->lane, 0, &c->seqs, c->out_BD);
}

/* The vectors of everyone. */
static br_status encode_all(encoder_case *c, float *out_BD)
{
    br_status st = BR_OK;

    BR_TRY(st, encode_once(c));
    BR_TRY(st, br_download(c->lane, c->out_BD, out_BD));
done:
    return st;
}

static int64_t count_far(const float *got, const float *want, int64_t n)
{
    int64_t n_far = 0;

    for (int64_t i = 0; i < n; i++)
        n_far += !(fabs((double)got[i] - want[i]) <= FP32_LIMIT * fmax(1.0, fabs(want[i])));
    return n_far;
}

static br_status encode_by_ref(const encoder_case *c, float *want)
{
    br_status    st    = BR_OK;
    encoder_case small = {.kind = c->kind, .dim = c->dim, .n_items = c->n_items};
    br_dev      *ref   = NULL;

    small.events        = c->events;
    small.events.n_seqs = c->events.n_seqs < N_CHECKED ? c->events.n_seqs : N_CHECKED;
    BR_TRY(st, br_dev_open(BR_BACKEND_REF, 0, &ref));
    BR_TRY(st, case_open(ref, BR_PRECISION_FP32, &small));
    BR_TRY(st, encode_all(&small, want));
done:
    case_close(&small);
    br_dev_close(&ref);
    return st;
}

typedef struct encoder_outputs {
    float *fp32_BD;
    float *got_BD;
    float  want[N_CHECKED * 1024];
} encoder_outputs;

static br_status run_precision(device_bench *bench, encoder_case *c, br_precision precision,
                               encoder_outputs *o, device_row *row)
{
    br_status st = BR_OK;
    int64_t   B = c->events.n_seqs, n_ref = B < N_CHECKED ? B : N_CHECKED;

    BR_TRY(st, case_open(bench->dev, precision, c));
    BR_TRY(st, encode_all(c, o->got_BD));
    if (precision == BR_PRECISION_FP32) {
        memcpy(o->fp32_BD, o->got_BD, (size_t)(B * c->dim) * sizeof(float));
        BR_TRY(st, encode_by_ref(c, o->want));
        row->n_wrong = count_far(o->got_BD, o->want, n_ref * c->dim);
    } else
        row->n_wrong = br_case_count_turned(o->got_BD, o->fp32_BD, B, c->dim, LEAST_COSINE);
    BR_TRY(st, device_time(c->lane, encode_once, c, &row->times));
    row->gflop = 1e-9 * br_case_flops(c->model, &c->events);
    row->per_s = (double)B / row->times.median;
done:
    return st;
}

static void bench_kind(device_bench *bench, br_encoder_kind kind, const br_case_events *events,
                       int32_t dim)
{
    br_status        st  = BR_OK;
    encoder_outputs *o   = NULL;
    device_row       row = {.op = kind == BR_ENCODER_GRU ? "gru" : "attention"};

    BR_ALLOC(st, o, 1, "outputs");
    BR_ALLOC(st, o->fp32_BD, events->n_seqs * dim, "vectors in fp32");
    BR_ALLOC(st, o->got_BD, events->n_seqs * dim, "vectors");
    for (int p = BR_PRECISION_FP32; p <= BR_PRECISION_BF16; p++) {
        encoder_case c = {.kind = kind, .dim = dim, .n_items = bench->is_small ? 500 : 100000};

        c.events    = *events;
        row.n_wrong = 0;
        row.peak    = bench->peaks.gemm_gflops[p];
        (void)snprintf(row.shape, sizeof row.shape, "%s D %d, %lld customers, %d events",
                       p == BR_PRECISION_FP32 ? "fp32" : "bf16", dim, (long long)events->n_seqs,
                       events->offset_B1[events->n_seqs]);
        st = run_precision(bench, &c, (br_precision)p, o, &row);
        case_close(&c);
        device_print(bench, &row, st);
    }
done:
    if (o != NULL) {
        br_free(&o->fp32_BD);
        br_free(&o->got_BD);
    }
    br_free(&o);
}

void device_bench_encoders(device_bench *bench)
{
    br_status      st     = BR_OK;
    int32_t        dim    = bench->is_small ? 32 : 128;
    br_case_events events = {0};

    BR_TRY(st, br_case_events_create(bench->is_small ? 24 : 4096, bench->is_small ? 8.0 : MEDIAN,
                                     1.0, bench->is_small ? 500 : 100000, &events));
    bench_kind(bench, BR_ENCODER_ATTENTION, &events, dim);
    bench_kind(bench, BR_ENCODER_GRU, &events, dim);
done:
    if (st != BR_OK)
        device_print(bench, &(device_row){.op = "encoders"}, st);
    br_case_events_free(&events);
}
