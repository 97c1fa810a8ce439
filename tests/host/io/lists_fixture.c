/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranked lists from a seed. Called by the tests of host/io and tests/fault. */
#include "tests/host/io/lists_fixture.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/memory.h"

#define N_TERMS  2
#define N_HEADS  2
#define N_GATES  3
#define N_CURVES 2
#define DIM      5
#define N_COUNTS 20

/* libhdf5 loses a few hundred bytes for each damaged file it refuses. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static float fraction(uint64_t x)
{
    return (float)(mix(x) >> 40) / (float)(1 << 24);
}

static void take(int64_t n_items, size_t item_bytes, void *out)
{
    if (br_alloc(n_items, item_bytes, "fixture", out) != BR_OK)
        abort();
}

static void fill_keys(fixture_shape shape, br_keys *key)
{
    key->is_number   = shape.has_number_keys;
    key->width_bytes = shape.has_number_keys ? 8 : 11;
    key->n_keys      = shape.n_rows;
    take(shape.n_rows, (size_t)key->width_bytes, &key->data);
    for (int64_t b = 0; b < shape.n_rows; b++) {
        uint64_t number = (uint64_t)(shape.first_row + b) * 7 + 1;
        char     text[32];
        (void)snprintf(text, sizeof text, "c%08llu", (unsigned long long)number % 100000000u);
        memcpy(key->data + b * key->width_bytes,
               shape.has_number_keys ? (const void *)&number : (const void *)text,
               shape.has_number_keys ? 8 : 9);
    }
}

static void fill_row(br_lists *l, int64_t b, uint64_t seed)
{
    uint64_t row = mix(seed ^ (uint64_t)(l->first_row + b));

    l->n_B[b]     = (int32_t)(row % (uint64_t)(l->k + 1));
    l->flags_B[b] = l->n_B[b] < l->k ? BR_FLAG_SHORT : 0;
    for (int32_t j = 0; j < l->k; j++) {
        bool    is_used = j < l->n_B[b];
        int64_t at      = b * l->k + j;
        /* pairs of equal scores: the lower item row stands first */
        l->item_BK[at]   = is_used ? (int32_t)(row % 1000) + j : -1;
        l->score_BK[at]  = is_used ? 10.0f - (float)(j / 2) - fraction(row) * 0.25f : NAN;
        l->source_BK[at] = is_used ? BR_SOURCE_MODEL : BR_SOURCE_NONE;
        for (int h = 0; h < l->n_heads; h++)
            l->probability_BK[h][at] =
                is_used ? fraction(row + (uint64_t)j * 3 + (uint64_t)h) : NAN;
        for (int h = 0; h < l->n_terms; h++)
            l->term_BK[h][at] = is_used ? fraction(row + (uint64_t)j + (uint64_t)h) - 0.5f : NAN;
        if (l->log_propensity_BK != NULL)
            l->log_propensity_BK[at] = is_used ? 0.0f : NAN;
    }
}

/* Of 3 periods and of 1, for customers that have a list. */
static void fill_curves(br_lists *l, uint64_t seed)
{
    static const char *const names[N_CURVES] = {"lapse", "a-year"};
    static const int32_t     n_periods[]     = {3, 1};
    static const int64_t     period_s[]      = {604800, 31536000};

    l->n_curves = N_CURVES;
    for (int h = 0; h < N_CURVES; h++) {
        br_curve *c = &l->curve[h];

        (void)snprintf(c->name, sizeof c->name, "%s", names[h]);
        c->n_periods = n_periods[h];
        c->period_s  = period_s[h];
        take(l->n_rows * c->n_periods, sizeof(float), &c->survival_BP);
        for (int64_t i = 0; i < l->n_rows * c->n_periods; i++) {
            int64_t b         = i / c->n_periods;
            float   hazard    = fraction(seed ^ (uint64_t)(l->first_row + b + h)) * 0.5f;
            float   before    = i % c->n_periods == 0 ? 1.0f : c->survival_BP[i - 1];
            c->survival_BP[i] = l->n_B[b] > 0 ? before * (1.0f - hazard) : NAN;
        }
    }
}

static void fill_options(br_lists *l, uint64_t seed)
{
    static const char *const gates[N_GATES] = {"purchase", "mailing", "redemption"};
    int64_t                  n              = l->n_rows;

    take(n, sizeof(float), &l->log_normaliser_B);
    take(n, sizeof(int32_t), &l->arm_B);
    take(n, sizeof(float), &l->arm_probability_B);
    l->vector_dim = DIM;
    take(n * DIM, sizeof(float), &l->vector_BD);
    l->n_gates = N_GATES;
    take(n * N_GATES, sizeof(float), &l->alpha_BM);
    take(n * N_GATES, sizeof(float), &l->gate_BM);
    for (int d = 0; d < N_GATES; d++)
        (void)snprintf(l->gate_name[d], BR_LISTS_NAME_BYTES, "%s", gates[d]);
    for (int64_t b = 0; b < n; b++) {
        uint64_t row            = mix(seed + (uint64_t)(l->first_row + b));
        l->log_normaliser_B[b]  = fraction(row);
        l->arm_B[b]             = (int32_t)(row % 3);
        l->arm_probability_B[b] = 0.25f;
        for (int d = 0; d < DIM; d++)
            l->vector_BD[b * DIM + d] = fraction(row + (uint64_t)d) - 0.5f;
        for (int d = 0; d < N_GATES; d++) {
            l->alpha_BM[b * N_GATES + d] = 1.0f / N_GATES;
            l->gate_BM[b * N_GATES + d]  = fraction(row + 99 + (uint64_t)d);
        }
    }
}

void fixture_lists(fixture_shape shape, uint64_t seed, br_lists *out)
{
    int64_t n_slots = shape.n_rows * shape.k;

    memset(out, 0, sizeof *out);
    out->first_row = shape.first_row;
    out->n_rows    = shape.n_rows;
    out->k         = shape.k;
    fill_keys(shape, &out->key);
    take(shape.n_rows, sizeof(int32_t), &out->n_B);
    take(shape.n_rows, sizeof(uint32_t), &out->flags_B);
    take(n_slots, sizeof(int32_t), &out->item_BK);
    take(n_slots, sizeof(float), &out->score_BK);
    take(n_slots, 1, &out->source_BK);
    if (shape.has_all) {
        out->n_heads = N_HEADS;
        for (int h = 0; h < N_HEADS; h++) {
            (void)snprintf(out->head_name[h], BR_LISTS_NAME_BYTES, "%s",
                           h == 0 ? "redemption" : "purchase");
            take(n_slots, sizeof(float), &out->probability_BK[h]);
        }
        out->n_terms = N_TERMS;
        for (int h = 0; h < N_TERMS; h++) {
            (void)snprintf(out->term_name[h], BR_LISTS_NAME_BYTES, "%s",
                           h == 0 ? "margin" : "fatigue");
            take(n_slots, sizeof(float), &out->term_BK[h]);
        }
        take(n_slots, sizeof(float), &out->log_propensity_BK);
        fill_options(out, seed);
        out->n_counts = N_COUNTS;
        for (int c = 0; c < N_COUNTS; c++) {
            (void)snprintf(out->counts[c].name, BR_LISTS_NAME_BYTES, c == 0 ? "customers" : "z.%d",
                           N_COUNTS - c);
            out->counts[c].n = 3 + c;
            take(3 + c, sizeof(int64_t), &out->counts[c].count);
            out->counts[c].count[c == 0 ? 1 : 2] = shape.n_rows;
        }
    }
    for (int64_t b = 0; b < shape.n_rows; b++)
        fill_row(out, b, seed);
    if (shape.has_all)
        fill_curves(out, seed);
}

void fixture_item_keys(int64_t n_items, br_keys *out)
{
    memset(out, 0, sizeof *out);
    out->width_bytes = 6;
    out->n_keys      = n_items;
    take(n_items, 6, &out->data);
    for (int64_t i = 0; i < n_items; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "i%05lld", (long long)i % 100000);
        memcpy(out->data + i * 6, text, 6);
    }
}

void fixture_folder(char path[FIXTURE_PATH_BYTES])
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(path, FIXTURE_PATH_BYTES, "%s/batchrank-test-XXXXXX",
                   base != NULL ? base : "/tmp");
    if (mkdtemp(path) == NULL)
        abort();
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    (void)found;
    (void)kind;
    (void)walk;
    return remove(path);
}

void fixture_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
