/* SPDX-License-Identifier: Apache-2.0
 *
 * Which kind of codes screens a catalogue. fp16 unless another is asked for, or int8, whose
 * products take half the time, is expected to pay for what it lets pass beside (passing.h). Called
 * once per run; lists do not depend on it. */
#include <stdlib.h>
#include <string.h>

#include "host/base/log.h"
#include "kernels/cuda/hopper/screen.cuh"
#include "kernels/cuda/topk/kind.cuh"
#include "kernels/cuda/topk/order.h"
#include "kernels/cuda/topk/topk.cuh"
#include "kernels/passing.h"

#define LEAST_ITEMS 256 /* below: too few to ask */
#define PAYS        0.9 /* of fp16's cost, that int8 must be below */

/* Of a multiprocessor a cycle, from the manuals of sm_80; not measured on a GPU. */
#define FLOAT_PRODUCTS 1024.0
#define WHOLE_PRODUCTS 2048.0
#define SUMS_LOOKED_AT 64.0
#define PASSED_CYCLES  100.0 /* of an item that passes: pushed, ranked, sorted ... */
#define PASSED_VALUES  4.0   /* ... and its values scored canonically */
#define SLOW_VALUES    32.0  /* the same where a whole catalogue is: no pushing */

typedef struct choice {
    br_screen_kind kind;
    const char    *why;
} choice;

typedef struct sample {
    float       *value_SD; /* in the order of screening */
    const float *item_S[BR_PASSING_SAMPLE];
    br_passing   about;
} sample;

/* ---- the sample ---- */

/* Grid: a warp per item of the sample. */
static __global__ void __launch_bounds__(BR_ROW_THREADS)
    sample_kernel(br_view<const float> item_ND, br_view<float> out_SD, br_passing about,
                  int64_t step)
{
    int64_t s = br_row();

    if (s >= about.n)
        return;
    for (int64_t d = br_lane(); d < about.D; d += BR_WARP)
        out_SD.row(s)[d] = item_ND.row(br_scatter_row(s, step, about.N))[d];
}

static br_status take_sample(br_dev *dev, const br_items *items, sample *s)
{
    br_status st     = BR_OK;
    void     *memory = NULL;
    size_t    bytes  = (size_t)(s->about.n * s->about.D) * sizeof(float);

    BR_ALLOC(st, s->value_SD, s->about.n * s->about.D, "a sample of the items");
    BR_TRY(st, br_cuda_allocate(bytes, &memory));
    BR_TRY(st, BR_LAUNCH(dev, sample_kernel, br_row_blocks(s->about.n), BR_ROW_THREADS, 0,
                         br_view_of<const float>(items->item_ND),
                         (br_view<float>{static_cast<float *>(memory), s->about.D}), s->about,
                         br_scatter_step(s->about.N)));
    BR_CUDA(st, cudaMemcpyAsync(s->value_SD, memory, bytes, cudaMemcpyDeviceToHost,
                                br_cuda_lane_of(dev)->stream));
    BR_TRY(st, br_cuda_sync(dev));
    for (int64_t i = 0; i < s->about.n; i++)
        s->item_S[i] = s->value_SD + i * s->about.D;
    s->about.item_S = s->item_S;
done:
    br_cuda_release(memory);
    return st;
}

/* ---- what codes lose, and what that costs ---- */

/* |z - scale * code| / |z| over the sample, panel by panel; not a number where a value is not. */
template <typename K> static double loss_of(const br_passing *about)
{
    double lost = 0.0, kept = 0.0;

    for (int64_t first = 0; first < about->n; first += BR_PANEL) {
        int64_t last    = first + BR_PANEL < about->n ? first + BR_PANEL : about->n;
        float   element = 0.0f, scale;

        for (int64_t i = first; i < last; i++)
            for (int64_t d = 0; d < about->D; d++)
                element = fmaxf(element, fabsf(about->item_S[i][d]));
        scale = K::scale(element);
        for (int64_t i = first; i < last; i++) {
            double residual = 0.0, norm = 0.0;

            for (int64_t d = 0; d < about->D; d++) {
                double x    = (double)about->item_S[i][d];
                double left = x - (double)K::value_of(K::code_of((float)x / scale)) * (double)scale;

                residual += left * left;
                norm += x * x;
            }
            lost += sqrt(residual);
            kept += sqrt(norm);
        }
    }
    return kept == 0.0 ? 0.0 : lost / kept;
}

/* Cycles of a multiprocessor for a customer, about. */
static double cost_of(const br_passing *about, br_screen_kind kind, double passed)
{
    double  N = (double)about->N, D = (double)about->D;
    double  rate  = kind == BR_SCREEN_INT8 ? WHOLE_PRODUCTS : FLOAT_PRODUCTS;
    double  width = (double)br_topk_width(kind, about->D);
    int32_t k     = about->k > 0 ? about->k : BR_USUAL_K;
    double  cost  = N * (width / rate + 1.0 / SUMS_LOOKED_AT);

    if (passed > 0.8 * br_topk_capacity(k)) /* full buffers: by the definition */
        return cost + N * D / SLOW_VALUES;
    return cost + passed * (PASSED_CYCLES + D / PASSED_VALUES);
}

static br_screen_kind weigh(const br_passing *about)
{
    double fp16_loss = loss_of<br_fp16>(about), int8_loss = loss_of<br_int8>(about), ratio;
    double fp16, int8;

    if (!isfinite(fp16_loss) || !isfinite(int8_loss))
        return BR_SCREEN_FP16;
    fp16  = br_passing_count(about, fp16_loss);
    int8  = br_passing_count(about, int8_loss);
    ratio = cost_of(about, BR_SCREEN_INT8, int8) / cost_of(about, BR_SCREEN_FP16, fp16);
    br_log(
        BR_LOG_INFO, "score_topk",
        "about %.0f items pass a screen in fp16, %.0f in int8, of %lld: int8 is expected to take "
        "%.2f of the time, below %.2f it is taken (costs on a GPU are not measured)",
        fp16, int8, (long long)about->N, ratio, PAYS);
    return ratio < PAYS ? BR_SCREEN_INT8 : BR_SCREEN_FP16;
}

/* ---- the choice ---- */

/* AUTO where what passes must be weighed. */
static choice choose(const br_items *items)
{
    if (items->logsumexp != BR_LSE_NONE)
        return {BR_SCREEN_FP16, "a log-sum-exp is summed from its codes"};
    if (items->screen == BR_SCREEN_FP32 || items->screen == BR_SCREEN_INT16)
        return {BR_SCREEN_FP16, "a finer one asked for, the finest there is"};
    if (items->screen != BR_SCREEN_AUTO)
        return {items->screen, "asked for"};
    if (items->item_ND.n_rows < LEAST_ITEMS)
        return {BR_SCREEN_FP16, "few items"};
    return {BR_SCREEN_AUTO, ""};
}

static const char *name_of(br_screen_kind kind)
{
    return kind == BR_SCREEN_INT8 ? "int8" : kind == BR_SCREEN_BF16 ? "bf16" : "fp16";
}

br_status br_topk_plan(br_dev *dev, const br_items *items, br_screen_kind *kind)
{
    br_status st = BR_OK;
    choice    c  = choose(items);
    sample   *s  = NULL;

    if (c.kind == BR_SCREEN_AUTO) {
        BR_ALLOC(st, s, 1, "what the screen is planned by");
        s->about   = {NULL, items->item_ND.n_rows, items->item_ND.n_cols, items->item_ND.n_rows,
                      items->k};
        s->about.n = s->about.n < BR_PASSING_SAMPLE ? s->about.n : BR_PASSING_SAMPLE;
        BR_TRY(st, take_sample(dev, items, s));
        c.kind = weigh(&s->about);
        c.why  = c.kind == BR_SCREEN_INT8 ? "the cheapest" : "8 bits let too much pass";
    }
    *kind = c.kind;
    br_log(BR_LOG_INFO, "score_topk", "screen %s on tensor cores (%s); %lld items, scattered",
           name_of(c.kind), c.why, (long long)items->item_ND.n_rows);
done:
    if (s != NULL)
        br_free(&s->value_SD);
    br_free(&s);
    return st;
}

/* ---- the kernel ---- */

static void say_taken(const br_cuda_items *items)
{
    const char *refusal = items->below_ND == NULL ? NULL : br_hopper_sums_refusal(items);

    br_log(BR_LOG_INFO, "score_topk", "Hopper's screen%s, asked for (not measured on a GPU)",
           items->below_ND != NULL && refusal == NULL ? " and log-sum-exp" : "");
    if (refusal != NULL)
        br_log(BR_LOG_INFO, "score_topk", "not Hopper's log-sum-exp: %s", refusal);
}

br_status br_topk_plan_hopper(const br_cuda_items *items, const cudaDeviceProp *about,
                              bool *is_taken)
{
    br_status   st      = BR_OK;
    const char *word    = getenv("BATCHRANK_SCREEN_CUDA");
    bool        is_told = word != NULL && strcmp(word, "hopper") == 0;
    const char *refusal = br_hopper_refusal(items, about->major);

    if (word != NULL && !is_told && strcmp(word, "general") != 0)
        BR_FAIL(st, BR_E_USAGE, "BATCHRANK_SCREEN_CUDA: found '%s', expected hopper or general",
                word);
    *is_taken = is_told && refusal == NULL;
    if (*is_taken)
        say_taken(items);
    else if (is_told)
        br_log(BR_LOG_INFO, "score_topk", "not Hopper's screen, which is asked for: %s", refusal);
    else if (refusal == NULL)
        br_log(BR_LOG_INFO, "score_topk",
               "not Hopper's screen: it is not measured on a GPU yet "
               "(BATCHRANK_SCREEN_CUDA=hopper takes it)");
done:
    return st;
}
