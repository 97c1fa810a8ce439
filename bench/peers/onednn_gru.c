/* SPDX-License-Identifier: Apache-2.0
 *
 * Our GRU beside oneDNN's lbr_gru, T = 50, E = H = 128, one thread each, processor time, one after
 * the other in every round. oneDNN is timed without gathering and rounding its inputs; ours with
 * both. oneDNN 2.6's bf16 RNN dies (SIGFPE) with weights in a layout of its own choice, so bf16
 * takes plain ldigo; f32 takes the layout it likes best. #wrong counts customers whose cosine to
 * our fp32 states is below 0.999. Run by hand: onednn_gru [rounds]. */
#include <math.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/kernels/peaks.h"
#include "bench/models/encode_case.h"
#include "host/base/clock.h"
#include "host/base/memory.h"
#include "kernels/bf16.h"

#define T       50
#define H       128
#define N_SEQS  1024
#define N_ITEMS ((int64_t)20000)
#define MOST    31
#define N_PEERS 6

#define DNNL(call)                                                                                 \
    do {                                                                                           \
        dnnl_status_t status = (call);                                                             \
        if (status != dnnl_success) {                                                              \
            (void)fprintf(stderr, "%s: oneDNN status %d\n", #call, (int)status);                   \
            exit(4);                                                                               \
        }                                                                                          \
    } while (0)

typedef struct peer {
    int              n; /* sequences at a time */
    bool             is_bf16;
    dnnl_primitive_t primitive;
    dnnl_memory_t    memory[7];
    double           seconds[MOST];
    int64_t          n_wrong;
} peer;

enum { SRC, SRC_ITER, WEIGHTS, WEIGHTS_ITER, BIAS, DST, DST_ITER };

static dnnl_engine_t   engine;
static dnnl_stream_t   stream;
static br_case_weights weights;
static br_case_events  events;
static float           last_BH[N_SEQS * H], own_BH[2][N_SEQS * H];

static dnnl_memory_t new_memory(const dnnl_memory_desc_t *desc)
{
    dnnl_memory_t memory;

    DNNL(dnnl_memory_create(&memory, desc, engine, DNNL_MEMORY_ALLOCATE));
    return memory;
}

static void fill(dnnl_memory_t memory, bool is_bf16, const float *values, int64_t n)
{
    void *data;

    DNNL(dnnl_memory_get_data_handle(memory, &data));
    for (int64_t i = 0; i < n; i++) {
        if (is_bf16)
            ((uint16_t *)data)[i] = (uint16_t)(br_bf16_bits(values[i]) >> 16);
        else
            ((float *)data)[i] = values[i];
    }
}

static float read_one(dnnl_memory_t memory, bool is_bf16, int64_t i)
{
    void    *data;
    uint32_t bits;
    float    value;

    DNNL(dnnl_memory_get_data_handle(memory, &data));
    if (!is_bf16)
        return ((float *)data)[i];
    bits = (uint32_t)((uint16_t *)data)[i] << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* PyTorch's [r z n][H][I] as oneDNN's [I][u r o][H]; through a reorder where it wants another. */
static dnnl_memory_t place_weights(const dnnl_memory_desc_t *want, const float *of_3HI,
                                   bool is_bf16)
{
    static const int      row[3] = {1, 0, 2};
    const dnnl_dims_t     dims   = {1, 1, H, 3, H};
    float                *plain  = calloc((size_t)3 * H * H, sizeof *plain);
    dnnl_memory_desc_t    desc;
    dnnl_memory_t         from, to;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t      reorder;

    if (plain == NULL)
        exit(4);
    for (int i = 0; i < H; i++)
        for (int g = 0; g < 3; g++)
            for (int o = 0; o < H; o++)
                plain[(i * 3 + g) * H + o] = of_3HI[(row[g] * H + o) * H + i];
    DNNL(dnnl_memory_desc_init_by_tag(&desc, 5, dims, is_bf16 ? dnnl_bf16 : dnnl_f32, dnnl_ldigo));
    from = new_memory(&desc);
    fill(from, is_bf16, plain, 3 * H * H);
    free(plain);
    if (dnnl_memory_desc_equal(&desc, want))
        return from;
    to = new_memory(want);
    DNNL(dnnl_reorder_primitive_desc_create(&pd, &desc, engine, want, engine, NULL));
    DNNL(dnnl_primitive_create(&reorder, pd));
    DNNL(dnnl_primitive_execute(reorder, stream, 2,
                                (dnnl_exec_arg_t[]){{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}));
    DNNL(dnnl_stream_wait(stream));
    return to;
}

static void place_bias(dnnl_memory_t memory)
{
    const float *ih = weights.of[3].data, *hh = weights.of[4].data;
    float        bias[4 * H];

    for (int o = 0; o < H; o++) {
        bias[o]         = ih[H + o] + hh[H + o]; /* u is PyTorch's z */
        bias[H + o]     = ih[o] + hh[o];
        bias[2 * H + o] = ih[2 * H + o];
        bias[3 * H + o] = hh[2 * H + o];
    }
    fill(memory, false, bias, 4 * H);
}

static void peer_open(peer *p)
{
    dnnl_data_type_t      type  = p->is_bf16 ? dnnl_bf16 : dnnl_f32;
    const dnnl_dims_t     layer = {T, p->n, H}, iter = {1, 1, p->n, H};
    const dnnl_dims_t     weight = {1, 1, H, 3, H}, bias = {1, 1, 4, H};
    dnnl_format_tag_t     tag = p->is_bf16 ? dnnl_ldigo : dnnl_format_tag_any;
    dnnl_memory_desc_t    src, state, w, b;
    dnnl_rnn_desc_t       desc;
    dnnl_primitive_desc_t pd;
    float                 zero[1] = {0};

    (void)zero;
    DNNL(dnnl_memory_desc_init_by_tag(&src, 3, layer, type, dnnl_tnc));
    DNNL(dnnl_memory_desc_init_by_tag(&state, 4, iter, type, dnnl_ldnc));
    DNNL(dnnl_memory_desc_init_by_tag(&w, 5, weight, type, tag));
    DNNL(dnnl_memory_desc_init_by_tag(&b, 4, bias, dnnl_f32, dnnl_ldgo));
    DNNL(dnnl_lbr_gru_forward_desc_init(&desc, dnnl_forward_inference,
                                        dnnl_unidirectional_left2right, &src, &state, &w, &w, &b,
                                        &src, &state, 0));
    DNNL(dnnl_primitive_desc_create(&pd, &desc, NULL, engine, NULL));
    DNNL(dnnl_primitive_create(&p->primitive, pd));
    p->memory[SRC]      = new_memory(&src);
    p->memory[SRC_ITER] = new_memory(&state);
    p->memory[WEIGHTS]  = place_weights(dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0),
                                        weights.of[1].data, p->is_bf16);
    p->memory[WEIGHTS_ITER] = place_weights(
        dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 1), weights.of[2].data, p->is_bf16);
    p->memory[BIAS]     = new_memory(&b);
    p->memory[DST]      = new_memory(&src);
    p->memory[DST_ITER] = new_memory(&state);
    place_bias(p->memory[BIAS]);
}

static void load_sequences(const peer *p, int64_t first)
{
    float *x_TNE = calloc((size_t)(T * p->n * H), sizeof *x_TNE);
    float *h_NH  = calloc((size_t)(p->n * H), sizeof *h_NH);

    if (x_TNE == NULL || h_NH == NULL)
        exit(4);
    for (int t = 0; t < T; t++)
        for (int64_t i = 0; i < p->n; i++)
            memcpy(x_TNE + (t * p->n + i) * H,
                   weights.of[0].data + (int64_t)events.item_E[(first + i) * T + t] * H,
                   H * sizeof(float));
    fill(p->memory[SRC], p->is_bf16, x_TNE, (int64_t)T * p->n * H);
    fill(p->memory[SRC_ITER], p->is_bf16, h_NH, (int64_t)p->n * H);
    free(x_TNE);
    free(h_NH);
}

/* All sequences; returns the processor time of the primitive alone. */
static double peer_run(peer *p)
{
    double taken = 0.0;

    for (int64_t first = 0; first < N_SEQS; first += p->n) {
        double start;

        load_sequences(p, first);
        start = br_clock_thread_cpu_s();
        DNNL(dnnl_primitive_execute(
            p->primitive, stream, 7,
            (dnnl_exec_arg_t[]){{DNNL_ARG_SRC_LAYER, p->memory[SRC]},
                                {DNNL_ARG_SRC_ITER, p->memory[SRC_ITER]},
                                {DNNL_ARG_WEIGHTS_LAYER, p->memory[WEIGHTS]},
                                {DNNL_ARG_WEIGHTS_ITER, p->memory[WEIGHTS_ITER]},
                                {DNNL_ARG_BIAS, p->memory[BIAS]},
                                {DNNL_ARG_DST_LAYER, p->memory[DST]},
                                {DNNL_ARG_DST_ITER, p->memory[DST_ITER]}}));
        DNNL(dnnl_stream_wait(stream));
        taken += br_clock_thread_cpu_s() - start;
        for (int64_t i = 0; i < (int64_t)p->n * H; i++)
            last_BH[first * H + i] = read_one(p->memory[DST_ITER], p->is_bf16, i);
    }
    return taken;
}

static int64_t count_wrong(const float *got_BH, const float *want_BH)
{
    int64_t n = 0;

    for (int64_t b = 0; b < N_SEQS; b++) {
        double dot = 0.0, got = 0.0, want = 0.0;

        for (int64_t i = b * H; i < (b + 1) * H; i++) {
            dot += (double)got_BH[i] * want_BH[i];
            got += (double)got_BH[i] * got_BH[i];
            want += (double)want_BH[i] * want_BH[i];
        }
        n += !(dot >= 0.999 * sqrt(got * want));
    }
    return n;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* min, median, max of times or ratios */
static void print_row(const char *name, const double *of, const double *over, int n_rounds,
                      int64_t n_wrong)
{
    double time[MOST], ratio[MOST];

    for (int r = 0; r < n_rounds; r++) {
        time[r]  = of[r];
        ratio[r] = of[r] / over[r];
    }
    qsort(time, (size_t)n_rounds, sizeof *time, by_value);
    qsort(ratio, (size_t)n_rounds, sizeof *ratio, by_value);
    printf("%-24s %7.2f %7.2f %7.2f  %9.0f   %5.2f %5.2f %5.2f  %6lld\n", name,
           time[0] / N_SEQS * 1e6, time[n_rounds / 2] / N_SEQS * 1e6,
           time[n_rounds - 1] / N_SEQS * 1e6, N_SEQS / time[n_rounds / 2], ratio[0],
           ratio[n_rounds / 2], ratio[n_rounds - 1], (long long)n_wrong);
}

static br_status compare(peer *peers, int n_rounds)
{
    br_status   st     = BR_OK;
    br_case_run run[2] = {0};
    double      own[2][MOST];

    for (int i = 0; i < 2; i++)
        BR_TRY(st, br_case_run_open(BR_BACKEND_CPU, BR_ENCODER_GRU, H, N_ITEMS,
                                    i == 0 ? BR_PRECISION_FP32 : BR_PRECISION_BF16, &run[i]));
    for (int r = -1; r < n_rounds; r++) { /* round -1 warms up and checks */
        for (int i = 0; i < 2; i++)
            BR_TRY(st, br_case_encode(&run[i], &events, N_SEQS, own_BH[i], &own[i][r < 0 ? 0 : r]));
        for (int i = 0; i < N_PEERS; i++) {
            peers[i].seconds[r < 0 ? 0 : r] = peer_run(&peers[i]);
            peers[i].n_wrong                = count_wrong(last_BH, own_BH[0]);
        }
    }
    printf("# peak: %.1f GFLOP/s bf16 in registers\n", br_peak_once(BR_PEAK_BF16));
    printf("# what                   time/customer us          customers   over ours in bf16  "
           "#wrong\n");
    printf("#                            min     med     max         /s     min   med   max\n");
    print_row("ours bf16", own[1], own[1], n_rounds, count_wrong(own_BH[1], own_BH[0]));
    print_row("ours fp32", own[0], own[1], n_rounds, 0);
    for (int i = 0; i < N_PEERS; i++) {
        char name[40];

        (void)snprintf(name, sizeof name, "oneDNN %s N=%d", peers[i].is_bf16 ? "bf16" : "f32",
                       peers[i].n);
        print_row(name, peers[i].seconds, own[1], n_rounds, peers[i].n_wrong);
    }
done:
    for (int i = 0; i < 2; i++)
        br_case_run_close(&run[i]);
    return st;
}

int main(int argc, char **argv)
{
    br_status             st       = BR_OK;
    int                   n_rounds = argc > 1 ? atoi(argv[1]) : 7;
    peer                  peers[]  = {{.n = 16, .is_bf16 = true},
                                      {.n = 32, .is_bf16 = true},
                                      {.n = 64, .is_bf16 = true},
                                      {.n = 128, .is_bf16 = true},
                                      {.n = 64},
                                      {.n = 128}};
    const dnnl_version_t *version  = dnnl_version();

    omp_set_num_threads(1);
    n_rounds = n_rounds < 1 ? 1 : n_rounds > MOST ? MOST : n_rounds;
    printf("# batchrank %s beside oneDNN %d.%d.%d, GRU, T = %d, E = H = %d, %d customers, one "
           "thread\n",
           BR_VERSION, version->major, version->minor, version->patch, T, H, N_SEQS);
    BR_TRY(st, br_case_weights_create(BR_ENCODER_GRU, H, N_ITEMS, &weights));
    BR_TRY(st, br_case_events_create(N_SEQS, T, 0.0, N_ITEMS, &events));
    DNNL(dnnl_engine_create(&engine, dnnl_cpu, 0));
    DNNL(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    for (int i = 0; i < N_PEERS; i++)
        peer_open(&peers[i]);
    BR_TRY(st, compare(peers, n_rounds));
done:
    br_case_events_free(&events);
    br_case_weights_free(&weights);
    if (st != BR_OK)
        (void)fprintf(stderr, "%s (%s)\n", br_error_last()->text, br_error_last()->trail);
    return br_status_exit_code(st);
}
