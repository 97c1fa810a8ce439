/* SPDX-License-Identifier: Apache-2.0
 *
 * Times the ops of one attention layer (post-LN, erf-GELU, inner width 4D), one lane, in fp32 and
 * in bf16, and prints each as a share of the peak measured in the same run: sgemm for fp32,
 * products in registers for bf16. A row's result is compared with ref before its time is printed.
 * Run by hand: bench_encoder [events per chunk]. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/kernels/peaks.h"
#include "host/base/clock.h"
#include "host/base/memory.h"
#include "kernels/ops.h"

#define LENGTH         50
#define N_HEADS        2
#define N_TIMED        15
#define N_CHECKED      4 /* sequences compared with ref */
#define TOLERANCE      2e-5
#define TOLERANCE_BF16 2e-2 /* a sum's last bits may round the next operand the other way */

enum { QKV, OUT, IN, BACK, KEY, VALUE, N_WEIGHTS };

typedef struct layer {
    br_dev      *dev;
    br_precision precision;
    br_prepared *prepared[N_WEIGHTS];
    int64_t      width;
    int64_t      inner;
    int64_t      n_seqs;
    br_seqs      seqs;
    br_mat   item_VD, position_PD, x_ED, qkv_E3D, att_ED, y_ED, ffn_EI, out_ED, query_BD, last_BD;
    br_mat   weight_qkv, weight_out, weight_in, weight_back, bias_1I, gamma_1D, beta_1D;
    int32_t *offset_B1;
} layer;

typedef br_status (*step_fn)(layer *l);

static br_status fill(br_dev *dev, int64_t n_rows, int64_t n_cols, float scale, br_mat *out)
{
    br_status st     = BR_OK;
    float    *values = NULL;

    BR_TRY(st, br_dev_alloc(dev, BR_F32, n_rows, n_cols, out));
    BR_ALLOC(st, values, n_rows * n_cols + 1, "bench input");
    for (int64_t i = 0; i < n_rows * n_cols; i++)
        values[i] = scale * ((float)((uint32_t)(i * 2654435761u) >> 8) * 0x1p-23f - 1.0f);
    BR_TRY(st, br_upload(dev, *out, values));
done:
    br_free(&values);
    return st;
}

static br_status fill_seqs(layer *l, int64_t n_items)
{
    br_status st       = BR_OK;
    int64_t   n_events = l->n_seqs * LENGTH;
    int32_t  *item_E   = NULL;

    BR_ALLOC(st, item_E, n_events, "bench events");
    BR_ALLOC(st, l->offset_B1, l->n_seqs + 1, "bench offsets");
    for (int64_t b = 0; b <= l->n_seqs; b++)
        l->offset_B1[b] = (int32_t)(b * LENGTH);
    for (int64_t e = 0; e < n_events; e++)
        item_E[e] = (int32_t)(((uint32_t)e * 2654435761u >> 4) % n_items);
    l->seqs = (br_seqs){.n_seqs = l->n_seqs, .n_events = n_events, .host_offset_B1 = l->offset_B1};
    BR_TRY(st, br_dev_alloc(l->dev, BR_I32, l->n_seqs + 1, 1, &l->seqs.offset_B1));
    BR_TRY(st, br_upload(l->dev, l->seqs.offset_B1, l->offset_B1));
    BR_TRY(st, br_dev_alloc(l->dev, BR_I32, n_events, 1, &l->seqs.item_E));
    BR_TRY(st, br_upload(l->dev, l->seqs.item_E, item_E));
done:
    br_free(&item_E);
    return st;
}

static br_status prepare(layer *l)
{
    br_status            st            = BR_OK;
    int64_t              width         = l->width;
    const br_weight_args of[N_WEIGHTS] = {
        [QKV]   = {l->weight_qkv, l->precision, 1, false},
        [OUT]   = {l->weight_out, l->precision, 1, false},
        [IN]    = {l->weight_in, l->precision, 1, false},
        [BACK]  = {l->weight_back, l->precision, 1, false},
        [KEY]   = {br_mat_rows(l->weight_qkv, width, width), l->precision, N_HEADS, true},
        [VALUE] = {br_mat_rows(l->weight_qkv, 2 * width, width), l->precision, N_HEADS, false}};

    for (int i = 0; i < N_WEIGHTS; i++)
        BR_TRY(st, br_weight_prepare(l->dev, &of[i], &l->prepared[i]));
done:
    return st;
}

static br_status layer_open(br_backend backend, br_precision precision, int64_t width,
                            int64_t n_seqs, layer *l)
{
    br_status st      = BR_OK;
    int64_t   e       = n_seqs * LENGTH;
    int64_t   n_items = 3416;
    float     scale   = (float)(1.7 / sqrt((double)width));
    br_dev   *dev;

    *l = (layer){.precision = precision, .width = width, .inner = 4 * width, .n_seqs = n_seqs};
    BR_TRY(st, br_dev_open(backend, 1 << 20, &l->dev));
    dev = l->dev;
    BR_TRY(st, fill_seqs(l, n_items));
    BR_TRY(st, fill(dev, n_items, width, 1.0f, &l->item_VD));
    BR_TRY(st, fill(dev, LENGTH, width, 1.0f, &l->position_PD));
    BR_TRY(st, fill(dev, e, width, 0.0f, &l->x_ED));
    BR_TRY(st, fill(dev, e, 3 * width, 0.0f, &l->qkv_E3D));
    BR_TRY(st, fill(dev, e, width, 0.0f, &l->att_ED));
    BR_TRY(st, fill(dev, e, width, 0.0f, &l->y_ED));
    BR_TRY(st, fill(dev, e, l->inner, 0.0f, &l->ffn_EI));
    BR_TRY(st, fill(dev, e, width, 0.0f, &l->out_ED));
    BR_TRY(st, fill(dev, n_seqs, width, 1.0f, &l->query_BD));
    BR_TRY(st, fill(dev, n_seqs, width, 0.0f, &l->last_BD));
    BR_TRY(st, fill(dev, 3 * width, width, scale, &l->weight_qkv));
    BR_TRY(st, fill(dev, width, width, scale, &l->weight_out));
    BR_TRY(st, fill(dev, l->inner, width, scale, &l->weight_in));
    BR_TRY(st, fill(dev, width, l->inner, scale / 2, &l->weight_back));
    BR_TRY(st, fill(dev, 1, l->inner, 0.1f, &l->bias_1I));
    BR_TRY(st, fill(dev, 1, width, 1.0f, &l->gamma_1D));
    BR_TRY(st, fill(dev, 1, width, 0.1f, &l->beta_1D));
    BR_TRY(st, prepare(l));
done:
    return st;
}

static void layer_close(layer *l)
{
    br_mat *mats[] = {&l->seqs.offset_B1, &l->seqs.item_E, &l->item_VD,   &l->position_PD,
                      &l->x_ED,           &l->qkv_E3D,     &l->att_ED,    &l->y_ED,
                      &l->ffn_EI,         &l->out_ED,      &l->query_BD,  &l->last_BD,
                      &l->weight_qkv,     &l->weight_out,  &l->weight_in, &l->weight_back,
                      &l->bias_1I,        &l->gamma_1D,    &l->beta_1D};

    for (int i = 0; i < N_WEIGHTS; i++)
        br_prepared_free(&l->prepared[i]);
    for (size_t i = 0; i < sizeof mats / sizeof *mats; i++)
        br_dev_free(mats[i]);
    br_free(&l->offset_B1);
    br_dev_close(&l->dev);
}

static br_status run_embed(layer *l)
{
    return br_op_embed(l->dev, &(br_embed_args){.seqs        = &l->seqs,
                                                .item_VD     = l->item_VD,
                                                .scale       = 1.0f,
                                                .position_PD = l->position_PD,
                                                .max_length  = LENGTH,
                                                .out_ED      = l->x_ED});
}

static br_status run_qkv(layer *l)
{
    return br_op_linear(l->dev,
                        &(br_linear_args){.x_RI      = l->x_ED,
                                          .weight_OI = l->weight_qkv,
                                          .bias_1O   = br_mat_cols(l->bias_1I, 0, 3 * l->width),
                                          .out_RO    = l->qkv_E3D,
                                          .prepared  = l->prepared[QKV]});
}

static br_status run_attention(layer *l)
{
    return br_op_attention(l->dev, &(br_attention_args){.seqs       = &l->seqs,
                                                        .qkv_E3D    = l->qkv_E3D,
                                                        .n_heads    = N_HEADS,
                                                        .max_length = LENGTH,
                                                        .out_ED     = l->att_ED,
                                                        .precision  = l->precision});
}

static br_status run_out(layer *l)
{
    return br_op_linear(l->dev, &(br_linear_args){.x_RI        = l->att_ED,
                                                  .weight_OI   = l->weight_out,
                                                  .bias_1O     = l->beta_1D,
                                                  .residual_RO = l->x_ED,
                                                  .out_RO      = l->y_ED,
                                                  .prepared    = l->prepared[OUT]});
}

static br_status run_norm(layer *l)
{
    return br_op_layer_norm(l->dev, &(br_layer_norm_args){.x_RD     = l->y_ED,
                                                          .gamma_1D = l->gamma_1D,
                                                          .beta_1D  = l->beta_1D,
                                                          .eps      = 1e-12,
                                                          .out_RD   = l->y_ED});
}

static br_status run_ffn_in(layer *l)
{
    return br_op_linear(l->dev, &(br_linear_args){.x_RI       = l->y_ED,
                                                  .weight_OI  = l->weight_in,
                                                  .bias_1O    = l->bias_1I,
                                                  .activation = BR_ACT_GELU,
                                                  .out_RO     = l->ffn_EI,
                                                  .prepared   = l->prepared[IN]});
}

static br_status run_ffn_back(layer *l)
{
    return br_op_linear(l->dev, &(br_linear_args){.x_RI        = l->ffn_EI,
                                                  .weight_OI   = l->weight_back,
                                                  .bias_1O     = l->beta_1D,
                                                  .residual_RO = l->y_ED,
                                                  .out_RO      = l->out_ED,
                                                  .prepared    = l->prepared[BACK]});
}

static br_status run_last(layer *l)
{
    return br_op_attention_last(
        l->dev, &(br_attention_last_args){
                    .seqs            = &l->seqs,
                    .query_BD        = l->query_BD,
                    .x_ED            = l->out_ED,
                    .key_weight_DD   = br_mat_rows(l->weight_qkv, l->width, l->width),
                    .key_bias_1D     = l->beta_1D,
                    .value_weight_DD = br_mat_rows(l->weight_qkv, 2 * l->width, l->width),
                    .value_bias_1D   = l->beta_1D,
                    .n_heads         = N_HEADS,
                    .max_length      = LENGTH,
                    .out_BD          = l->last_BD,
                    .key_prepared    = l->prepared[KEY],
                    .value_prepared  = l->prepared[VALUE]});
}

static br_status run_layer(layer *l)
{
    static const step_fn steps[] = {run_embed, run_qkv,    run_attention, run_out,
                                    run_norm,  run_ffn_in, run_ffn_back,  run_norm};
    br_status            st      = BR_OK;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        BR_TRY(st, steps[i](l));
done:
    return st;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static br_status time_step(layer *l, step_fn fn, double *seconds_3)
{
    br_status st = BR_OK;
    double    taken[N_TIMED];

    BR_TRY(st, fn(l));
    for (int i = 0; i < N_TIMED; i++) {
        double start = br_clock_thread_cpu_s();
        BR_TRY(st, fn(l));
        taken[i] = br_clock_thread_cpu_s() - start;
    }
    qsort(taken, N_TIMED, sizeof *taken, by_value);
    seconds_3[0] = taken[0];
    seconds_3[1] = taken[N_TIMED / 2];
    seconds_3[2] = taken[N_TIMED - 1];
done:
    return st;
}

/* The best of OpenBLAS on a product large enough to hide everything else, GFLOP/s, one thread. */
static double sgemm_peak(void)
{
    enum { N = 768 };
    float *a    = calloc((size_t)N * N, sizeof *a);
    float *c    = calloc((size_t)N * N, sizeof *c);
    double best = 1e9;

    if (a == NULL || c == NULL)
        exit(4);
    openblas_set_num_threads(1);
    for (int i = 0; i < N_TIMED; i++) {
        double start = br_clock_thread_cpu_s();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, N, N, 1.0f, a, N, a, N, 0.0f, c, N);
        best = fmin(best, br_clock_thread_cpu_s() - start);
    }
    free(a);
    free(c);
    return 2e-9 * N * N * N / best;
}

/* Adds the elements that leave the tolerance: `want` is the first rows, from ref. */
static br_status count_wrong(const layer *l, br_mat out, const layer *ref, br_mat want,
                             int64_t *n_wrong)
{
    br_status st        = BR_OK;
    int64_t   n         = want.n_rows * want.n_cols;
    float    *got_n     = NULL;
    float    *want_n    = NULL;
    double    tolerance = l->precision == BR_PRECISION_BF16 ? TOLERANCE_BF16 : TOLERANCE;

    BR_ALLOC(st, got_n, n, "bench result");
    BR_ALLOC(st, want_n, n, "bench result of ref");
    BR_TRY(st, br_download(l->dev, br_mat_rows(out, 0, want.n_rows), got_n));
    BR_TRY(st, br_download(ref->dev, want, want_n));
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)got_n[i] - want_n[i]) <= tolerance * fmax(1.0, fabs(want_n[i]))))
            ++*n_wrong;
done:
    br_free(&got_n);
    br_free(&want_n);
    return st;
}

/* Every op once, on both. */
static br_status check(layer *l, layer *ref, int64_t *n_wrong)
{
    br_status st = BR_OK;

    *n_wrong = 0;
    BR_TRY(st, run_layer(l));
    BR_TRY(st, run_last(l));
    BR_TRY(st, run_layer(ref));
    BR_TRY(st, run_last(ref));
    BR_TRY(st, count_wrong(l, l->out_ED, ref, ref->out_ED, n_wrong));
    BR_TRY(st, count_wrong(l, l->last_BD, ref, ref->last_BD, n_wrong));
done:
    return st;
}

static br_status bench_width(br_precision precision, int64_t width, int64_t n_seqs, double peak)
{
    br_status st = BR_OK;
    layer     l = {0}, ref = {0};
    int64_t   n_wrong = 0;
    double    d = (double)width, n_events = (double)(n_seqs * LENGTH);
    const struct {
        const char *name;
        step_fn     fn;
        double      flop; /* per event */
    } rows[] = {{"embed", run_embed, d},
                {"linear qkv", run_qkv, 6 * d * d},
                {"attention", run_attention, 2 * d * (LENGTH + 1)},
                {"linear out", run_out, 2 * d * d},
                {"layer_norm", run_norm, 8 * d},
                {"linear ffn gelu", run_ffn_in, 8 * d * d},
                {"linear ffn back", run_ffn_back, 8 * d * d},
                {"attention_last", run_last, 4 * N_HEADS * d + 4 * d * d / LENGTH},
                {"layer", run_layer, 24 * d * d + 2 * d * (LENGTH + 1) + 17 * d}};

    BR_TRY(st, layer_open(BR_BACKEND_CPU, precision, width, n_seqs, &l));
    BR_TRY(st, layer_open(BR_BACKEND_REF, precision, width, N_CHECKED, &ref));
    BR_TRY(st, check(&l, &ref, &n_wrong));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double s[3];
        double gflops;

        BR_TRY(st, time_step(&l, rows[i].fn, s));
        gflops = rows[i].flop * n_events * 1e-9 / s[1];
        printf("%-16s %s %4lld %6lld  %8.1f %8.1f %8.1f  %8.1f  %6.1f  %6lld\n", rows[i].name,
               precision == BR_PRECISION_BF16 ? "bf16" : "fp32", (long long)width,
               (long long)n_seqs, s[0] * 1e6, s[1] * 1e6, s[2] * 1e6, gflops, 100 * gflops / peak,
               (long long)n_wrong);
    }
done:
    layer_close(&l);
    layer_close(&ref);
    return st;
}

int main(int argc, char **argv)
{
    br_status st       = BR_OK;
    int64_t   n_events = argc > 1 ? atoll(argv[1]) : 2000;
    int64_t   n_seqs   = n_events / LENGTH > N_CHECKED ? n_events / LENGTH : N_CHECKED;
    br_dev   *dev      = NULL;
    double    peak[2];

    BR_TRY(st, br_dev_open(BR_BACKEND_CPU, 0, &dev));
    peak[BR_PRECISION_FP32] = sgemm_peak();
    peak[BR_PRECISION_BF16] = br_peak_once(BR_PEAK_BF16);
    printf("# batchrank %s, %s, one lane, processor time\n", BR_VERSION, br_dev_description(dev));
    printf(
        "# %d events per sequence, inner width 4D, %d heads; peaks: sgemm 768^3 %.1f GFLOP/s, bf16 "
        "in registers %.1f\n",
        LENGTH, N_HEADS, peak[0], peak[1]);
    printf("# op             mode    D   seqs     time min      med      max   GFLOP/s   %%peak  "
           "#wrong\n");
    printf("#                                           us       us       us\n");
    for (int i = 0; i < 2 && peak[i] > 0.0; i++) {
        BR_TRY(st, bench_width((br_precision)i, 64, n_seqs, peak[i]));
        BR_TRY(st, bench_width((br_precision)i, 128, n_seqs, peak[i]));
    }
done:
    br_dev_close(&dev);
    if (st != BR_OK)
        fprintf(stderr, "%s (%s)\n", br_error_last()->text, br_error_last()->trail);
    return br_status_exit_code(st);
}
