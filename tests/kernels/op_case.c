/* SPDX-License-Identifier: Apache-2.0
 *
 * Deterministic inputs and the two comparisons every op test makes. */
#include "op_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cuda_on_cpu/emulator.h"

#define MAX_FLOATS    ((int64_t)1 << 21)
#define STRIDE_BEFORE 3
#define STRIDE_AFTER  5

static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

uint64_t op_seed(void)
{
    static bool is_printed;
    const char *text = getenv("BR_TEST_SEED");
    uint64_t    seed = text == NULL ? 20240229u : strtoull(text, NULL, 10);

    if (!is_printed)
        printf("seed %llu (set BR_TEST_SEED to change it)\n", (unsigned long long)seed);
    is_printed = true;
    return seed;
}

float op_value(bool is_small, uint64_t stream, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t bits = mix(mix(mix(mix(op_seed() ^ stream) + a) + b) + c);

    if (is_small)
        return (float)(int)(bits % 7) - 3.0f;
    return (float)(bits >> 40) * 0x1p-23f - 1.0f;
}

br_precision op_precision(const op_run *run)
{
    return run->mode == OP_BF16 ? BR_PRECISION_BF16 : BR_PRECISION_FP32;
}

const br_prepared *op_prepare(op_run *run, br_mat weight_OI, int32_t n_blocks, bool is_transposed)
{
    br_weight_args args = {weight_OI, op_precision(run), n_blocks, is_transposed};
    br_prepared  **slot = &run->prepared[run->n_prepared];

    if (run->mode == OP_PLAIN)
        return NULL;
    assert_true(run->n_prepared++ < OP_MAX_PREPARED);
    assert_int_equal(br_weight_prepare(run->dev, &args, slot), BR_OK);
    return *slot;
}

br_mat op_put(op_run *run, br_dtype dtype, int64_t n_rows, int64_t n_cols, const void *values)
{
    bool   is_wide = run->shape->is_strided && dtype == BR_F32;
    br_mat whole;
    br_mat mat;

    assert_true(run->n_mats < OP_MAX_MATS);
    assert_int_equal(br_dev_alloc(run->dev, dtype, n_rows,
                                  n_cols + (is_wide ? STRIDE_BEFORE + STRIDE_AFTER : 0), &whole),
                     BR_OK);
    run->mat[run->n_mats++] = whole;
    mat                     = br_mat_cols(whole, is_wide ? STRIDE_BEFORE : 0, n_cols);
    assert_int_equal(br_upload(run->dev, mat, values), BR_OK);
    return mat;
}

static int32_t id_of(const op_run *run, int64_t event, int32_t *t)
{
    for (int32_t b = 0; b < run->n_seqs; b++)
        if (event < run->offset_B1[b + 1]) {
            *t = (int32_t)(event - run->offset_B1[b]);
            return run->id_B[b];
        }
    return -1;
}

static void put_events(op_run *run, int64_t n_events)
{
    int32_t        *item_E   = calloc((size_t)n_events + 1, sizeof *item_E);
    int64_t        *time_E   = calloc((size_t)n_events + 1, sizeof *time_E);
    uint8_t        *type_E   = calloc((size_t)n_events + 1, sizeof *type_E);
    float          *weight_E = calloc((size_t)n_events + 1, sizeof *weight_E);
    /* events carry no gaps around them: index vectors are always dense */
    op_shape        dense = *run->shape;
    const op_shape *kept  = run->shape;

    for (int64_t e = 0; e < n_events; e++) {
        int32_t  t    = 0;
        int32_t  id   = id_of(run, e, &t);
        uint64_t bits = mix(mix(op_seed() + 77 + (uint64_t)id) + (uint64_t)t);

        item_E[e]   = (int32_t)(bits % 53);
        time_E[e]   = (t == 0 ? 1700000000 : time_E[e - 1]) + (int64_t)((bits >> 8) % 90000);
        type_E[e]   = (uint8_t)((bits >> 40) % 3);
        weight_E[e] = (float)((bits >> 48) % 100 + 1) / 100.0f;
    }
    dense.is_strided = false;
    run->shape       = &dense;
    run->seqs.item_E = op_put(run, BR_I32, n_events, 1, item_E);
    run->seqs.time_E = op_put(run, BR_I64, n_events, 1, time_E);
    run->seqs.type_E = op_put(run, BR_U8, n_events, 1, type_E);
    if (kept->has_weight)
        run->seqs.weight_E = op_put(run, BR_F32, n_events, 1, weight_E);
    run->seqs.offset_B1 = op_put(run, BR_I32, run->n_seqs + 1, 1, run->offset_B1);
    run->shape          = kept;
    free(item_E);
    free(time_E);
    free(type_E);
    free(weight_E);
}

void op_begin(op_run *run, br_dev *dev, const op_shape *shape, const int32_t *id_B, int32_t n_seqs)
{
    memset(run, 0, sizeof *run);
    op_poison_scratch(dev);
    run->dev    = dev;
    run->shape  = shape;
    run->n_seqs = n_seqs;
    for (int32_t b = 0; b < n_seqs; b++) {
        run->id_B[b]          = id_B[b];
        run->offset_B1[b + 1] = run->offset_B1[b] + shape->length[id_B[b]];
    }
    run->seqs.n_seqs         = n_seqs;
    run->seqs.n_events       = run->offset_B1[n_seqs];
    run->seqs.host_offset_B1 = run->offset_B1;
    put_events(run, run->seqs.n_events);
}

void op_end(op_run *run)
{
    for (int32_t i = 0; i < run->n_prepared; i++)
        br_prepared_free(&run->prepared[i]);
    run->n_prepared = 0;
    for (int32_t i = 0; i < run->n_mats; i++)
        br_dev_free(&run->mat[i]);
    run->n_mats = 0;
}

br_mat op_table(op_run *run, uint64_t stream, int64_t n_rows, int64_t n_cols, float scale)
{
    float *values = calloc((size_t)(n_rows * n_cols) + 1, sizeof *values);
    bool   small  = run->shape->is_small;
    br_mat mat;

    for (int64_t i = 0; i < n_rows * n_cols; i++)
        values[i] = op_value(small, stream, (uint64_t)i, 0, 0) * (small ? 1.0f : scale);
    mat = op_put(run, BR_F32, n_rows, n_cols, values);
    free(values);
    return mat;
}

br_mat op_event_mat(op_run *run, uint64_t stream, int64_t n_cols)
{
    int64_t n_events = run->seqs.n_events;
    float  *values   = calloc((size_t)(n_events * n_cols) + 1, sizeof *values);
    br_mat  mat;

    for (int64_t e = 0; e < n_events; e++) {
        int32_t t  = 0;
        int32_t id = id_of(run, e, &t);
        for (int64_t c = 0; c < n_cols; c++)
            values[e * n_cols + c] =
                op_value(run->shape->is_small, stream, (uint64_t)id, (uint64_t)t, (uint64_t)c);
    }
    mat = op_put(run, BR_F32, n_events, n_cols, values);
    free(values);
    return mat;
}

br_mat op_seq_mat(op_run *run, uint64_t stream, int64_t n_cols)
{
    float *values = calloc((size_t)(run->n_seqs * n_cols) + 1, sizeof *values);
    br_mat mat;

    for (int32_t b = 0; b < run->n_seqs; b++)
        for (int64_t c = 0; c < n_cols; c++)
            values[b * n_cols + c] =
                op_value(run->shape->is_small, stream, (uint64_t)run->id_B[b], 0, (uint64_t)c);
    mat = op_put(run, BR_F32, run->n_seqs, n_cols, values);
    free(values);
    return mat;
}

br_mat op_out(op_run *run, int64_t n_rows, int64_t n_cols)
{
    float *values = calloc((size_t)(n_rows * n_cols) + 1, sizeof *values);
    br_mat mat;

    for (int64_t i = 0; i < n_rows * n_cols; i++)
        values[i] = 12345.0f;
    mat = op_put(run, BR_F32, n_rows, n_cols, values);
    free(values);
    return mat;
}

/* Floats before sequence id when each takes its events (or one row). */
static int64_t base_of(const op_shape *shape, int32_t id, bool per_event)
{
    int64_t base = 0;

    for (int32_t i = 0; i < id; i++)
        base += per_event ? shape->length[i] : 1;
    return base;
}

static int64_t read_rows(const op_run *run, br_mat from, float *by_id, bool per_event)
{
    float *values = calloc((size_t)(from.n_rows * from.n_cols) + 1, sizeof *values);

    assert_int_equal(br_download(run->dev, from, values), BR_OK);
    for (int32_t b = 0; b < run->n_seqs; b++) {
        int64_t row = per_event ? run->offset_B1[b] : b;
        int64_t n   = per_event ? run->offset_B1[b + 1] - run->offset_B1[b] : 1;
        memcpy(by_id + base_of(run->shape, run->id_B[b], per_event) * from.n_cols,
               values + row * from.n_cols, (size_t)(n * from.n_cols) * sizeof(float));
    }
    free(values);
    return base_of(run->shape, run->shape->n_seqs, per_event) * from.n_cols;
}

int64_t op_read_events(const op_run *run, br_mat from, float *by_id)
{
    return read_rows(run, from, by_id, true);
}

int64_t op_read_seqs(const op_run *run, br_mat from, float *by_id)
{
    return read_rows(run, from, by_id, false);
}

void op_compare(const char *what, const float *got, const float *want, int64_t n, double tolerance)
{
    for (int64_t i = 0; i < n; i++) {
        double allowed = tolerance * fmax(1.0, fabs((double)want[i]));
        bool   is_same = tolerance > 0.0 ? fabs((double)got[i] - (double)want[i]) <= allowed
                                         : memcmp(&got[i], &want[i], sizeof(float)) == 0;
        if (!is_same)
            fail_msg("%s: element %lld is %.9g, expected %.9g within %.3g", what, (long long)i,
                     (double)got[i], (double)want[i], allowed);
    }
}

/* One check on one device in one mode. */
typedef struct way {
    const op_check *check;
    br_dev         *dev;
    const op_shape *shape;
    op_mode         mode;
} way;

static int64_t run_ids(const way *w, const int32_t *id_B, int32_t n_seqs, float *by_id)
{
    op_run  run;
    int64_t n;

    op_begin(&run, w->dev, w->shape, id_B, n_seqs);
    run.mode = w->mode;
    n        = w->check->fn(&run, by_id);
    op_end(&run);
    assert_true(n <= MAX_FLOATS);
    return n;
}

static const char *name_of(const way *w, const char *what, char text[200])
{
    static const char *const mode[] = {"", " prepared", " bf16"};

    snprintf(text, 200, "%s%s on %s%s, %s: %s", w->check->name, mode[w->mode],
             br_dev_backend_name(w->dev), op_is_without_dot(w->dev) ? " without dot" : "",
             w->shape->name, what);
    return text;
}

/* All at once, backwards, and one by one: the same bits. Leaves them in `all`. */
static int64_t run_every_way(const way *w, float *all, float *other)
{
    const op_shape *shape = w->shape;
    int32_t         id_B[OP_MAX_SEQS];
    int64_t         n;
    char            what[200];

    for (int32_t b = 0; b < shape->n_seqs; b++)
        id_B[b] = b;
    op_set_thread_order(EMULATOR_ASCENDING);
    n = run_ids(w, id_B, shape->n_seqs, all);
    op_set_thread_order(EMULATOR_DESCENDING);
    for (int32_t b = 0; b < shape->n_seqs; b++)
        id_B[b] = shape->n_seqs - 1 - b;
    run_ids(w, id_B, shape->n_seqs, other);
    op_compare(name_of(w, "order of the batch", what), other, all, n, 0.0);
    op_set_thread_order(EMULATOR_RANDOM);
    for (int32_t b = 0; b < shape->n_seqs; b++)
        run_ids(w, &b, 1, other);
    op_compare(name_of(w, "one by one", what), other, all, n, 0.0);
    return n;
}

static void check_mode(const op_check *check, const op_shape *shape, op_mode mode, float *memory)
{
    bool    is_exact  = check->exact_small && shape->is_small;
    double  tolerance = mode == OP_BF16 ? check->bf16_tolerance : check->tolerance;
    float  *ref = memory, *got = ref + MAX_FLOATS, *other = got + MAX_FLOATS;
    way     w = {check, op_dev(BR_BACKEND_REF), shape, mode};
    int64_t n = run_every_way(&w, ref, other);
    char    what[200];

    w.dev = op_dev(op_tested());
    run_every_way(&w, got, other);
    op_compare(name_of(&w, "against ref", what), got, ref, n, is_exact ? 0.0 : tolerance);
    if (mode != OP_BF16 || op_tested() != BR_BACKEND_CPU)
        return;
    w.dev = op_dev_without_dot();
    run_every_way(&w, got, other);
    op_compare(name_of(&w, "against ref", what), got, ref, n, is_exact ? 0.0 : tolerance);
}

void op_check_all(const op_check *check)
{
    float *memory  = calloc((size_t)(3 * MAX_FLOATS), sizeof *memory);
    int    n_modes = check->bf16_tolerance > 0.0 ? OP_N_MODES : 1;

    for (int32_t i = 0; i < check->n_shapes; i++)
        for (int mode = 0; mode < n_modes; mode++)
            if ((mode != OP_PREPARED || !check->has_no_weight) &&
                (mode == OP_BF16 || !check->is_bf16_only))
                check_mode(check, &check->shapes[i], (op_mode)mode, memory);
    free(memory);
}
