/* SPDX-License-Identifier: Apache-2.0
 *
 * host/io: lists as HDF5 images and back; what is checked. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "host/io/lists.h"
#include "host/io/publish.h"
#include "tests/host/io/lists_fixture.h"

static char folder[FIXTURE_PATH_BYTES];
static char path[FIXTURE_PATH_BYTES + 16];

static int make_folder(void **state)
{
    (void)state;
    fixture_folder(folder);
    (void)snprintf(path, sizeof path, "%s/lists.h5", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    fixture_remove(folder);
    return 0;
}

static void publish(const br_lists *lists, const br_keys *item_key)
{
    void  *image = NULL;
    size_t n_bytes;

    assert_int_equal(br_lists_image(lists, item_key, &image, &n_bytes), BR_OK);
    assert_int_equal(br_publish_file(path, image, n_bytes), BR_OK);
    br_free(&image);
}

static void assert_same(const void *a, const void *b, int64_t n_bytes)
{
    if (n_bytes > 0)
        assert_memory_equal(a, b, (size_t)n_bytes);
}

static void assert_same_curves(const br_lists *a, const br_lists *b)
{
    assert_int_equal(b->n_curves, a->n_curves);
    for (int h = 0; h < a->n_curves; h++) {
        assert_string_equal(b->curve[h].name, a->curve[h].name);
        assert_int_equal(b->curve[h].n_periods, a->curve[h].n_periods);
        assert_int_equal(b->curve[h].period_s, a->curve[h].period_s);
        assert_same(b->curve[h].survival_BP, a->curve[h].survival_BP,
                    a->n_rows * a->curve[h].n_periods * 4);
    }
}

static void assert_same_lists(const br_lists *a, const br_lists *b)
{
    int64_t n = a->n_rows, slots = a->n_rows * a->k;

    assert_int_equal(b->n_rows, n);
    assert_int_equal(b->first_row, n > 0 ? a->first_row : 0);
    assert_int_equal(b->k, a->k);
    assert_int_equal(b->key.is_number, a->key.is_number);
    assert_int_equal(b->key.width_bytes, a->key.width_bytes);
    assert_same(b->key.data, a->key.data, n * a->key.width_bytes);
    assert_same(b->n_B, a->n_B, n * 4);
    assert_same(b->flags_B, a->flags_B, n * 4);
    assert_same(b->item_BK, a->item_BK, slots * 4);
    assert_same(b->score_BK, a->score_BK, slots * 4);
    assert_same(b->source_BK, a->source_BK, slots);
    assert_int_equal(b->n_heads, a->n_heads);
    for (int h = 0; h < a->n_heads; h++) {
        assert_string_equal(b->head_name[h], a->head_name[h]);
        assert_same(b->probability_BK[h], a->probability_BK[h], slots * 4);
    }
    assert_int_equal(b->n_terms, a->n_terms);
    for (int h = 0; h < a->n_terms; h++) {
        assert_string_equal(b->term_name[h], a->term_name[h]);
        assert_same(b->term_BK[h], a->term_BK[h], slots * 4);
    }
    assert_same_curves(a, b);
    assert_int_equal(b->vector_dim, a->vector_dim);
    assert_same(b->vector_BD, a->vector_BD, n * a->vector_dim * 4);
    assert_int_equal(b->n_gates, a->n_gates);
    for (int d = 0; d < a->n_gates; d++)
        assert_string_equal(b->gate_name[d], a->gate_name[d]);
    assert_same(b->alpha_BM, a->alpha_BM, n * a->n_gates * 4);
    assert_same(b->gate_BM, a->gate_BM, n * a->n_gates * 4);
    assert_int_equal(b->n_counts, a->n_counts);
    for (int c = 0; c < a->n_counts; c++) {
        assert_string_equal(b->counts[c].name, a->counts[c].name);
        assert_int_equal(b->counts[c].n, a->counts[c].n);
        assert_same(b->counts[c].count, a->counts[c].count, a->counts[c].n * 8);
    }
    if (a->log_propensity_BK != NULL) {
        assert_same(b->log_propensity_BK, a->log_propensity_BK, slots * 4);
        assert_same(b->log_normaliser_B, a->log_normaliser_B, n * 4);
        assert_same(b->arm_B, a->arm_B, n * 4);
        assert_same(b->arm_probability_B, a->arm_probability_B, n * 4);
    } else {
        assert_null(b->log_propensity_BK);
        for (int64_t i = 0; i < n; i++)
            assert_true(b->arm_B[i] == 0 && b->arm_probability_B[i] == 1.0f);
    }
}

static void test_round_trip(void **state)
{
    static const int64_t n_rows[] = {0, 1, 2, 97, 30000};
    static const int32_t k[]      = {1, 10, 257};

    (void)state;
    for (int i = 0; i < 5 * 3 * 4; i++) {
        fixture_shape shape = {.first_row       = (i % 3) * 65536,
                               .n_rows          = n_rows[i / 12],
                               .k               = k[i / 4 % 3],
                               .has_number_keys = i % 2 == 1,
                               .has_all         = i % 4 >= 2};
        br_lists      lists, found;
        br_keys       keys;
        if (shape.n_rows * shape.k > 400000)
            continue;
        fixture_lists(shape, (uint64_t)i, &lists);
        fixture_item_keys(1300, &keys);
        publish(&lists, i % 8 < 4 ? &keys : NULL);
        if (br_lists_read(path, &found) != BR_OK)
            fail_msg("%s", br_error_last()->text);
        assert_same_lists(&lists, &found);
        if (br_lists_check(&found, 1300, "found") != BR_OK)
            fail_msg("%s", br_error_last()->text);
        br_lists_free(&found);
        br_lists_free(&lists);
        br_free(&keys.data);
    }
}

static void test_same_bytes_at_another_time(void **state)
{
    fixture_shape shape = {.first_row = 5, .n_rows = 20011, .k = 20, .has_all = true};
    br_lists      lists;
    void         *image[2] = {NULL, NULL};
    size_t        n_bytes[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        uint8_t *dirt = NULL; /* what malloc hands out next is not zero */
        fixture_lists(shape, 3, &lists);
        assert_int_equal(br_alloc(64 << 20, 1, "dirt", (void **)&dirt), BR_OK);
        memset(dirt, 0xa5 + i, 64 << 20);
        br_free(&dirt);
        assert_int_equal(br_lists_image(&lists, NULL, &image[i], &n_bytes[i]), BR_OK);
        br_lists_free(&lists);
        (void)sleep(i == 0 ? 1 : 0);
    }
    assert_int_equal(n_bytes[0], n_bytes[1]);
    assert_memory_equal(image[0], image[1], n_bytes[0]);
    br_free(&image[0]);
    br_free(&image[1]);
}

/* One bit flipped anywhere: refused, or read as it was; never other values. */
static void test_flipped_bits_are_never_silent(void **state)
{
    fixture_shape shape = {.n_rows = 50, .k = 10, .has_all = true};
    br_lists      lists, found;
    void         *image = NULL;
    size_t        n_bytes;
    uint64_t      random    = 88172645463325252u;
    int           n_refused = 0;
    const char   *wish      = getenv("BR_FLIPS"); /* more of them, on request */
    int           n_flips   = wish == NULL ? 300 : atoi(wish);

    (void)state;
    fixture_lists(shape, 11, &lists);
    assert_int_equal(br_lists_image(&lists, NULL, &image, &n_bytes), BR_OK);
    for (int i = 0; i < n_flips; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        ((uint8_t *)image)[random / 8 % n_bytes] ^= (uint8_t)(1u << (random % 8));
        assert_int_equal(br_publish_file(path, image, n_bytes), BR_OK);
        if (br_lists_read(path, &found) == BR_OK)
            assert_same_lists(&lists, &found);
        else
            n_refused++;
        br_lists_free(&found);
        ((uint8_t *)image)[random / 8 % n_bytes] ^= (uint8_t)(1u << (random % 8));
    }
    assert_in_range(n_refused, n_flips / 6, n_flips);
    br_free(&image);
    br_lists_free(&lists);
}

static void test_refused_files(void **state)
{
    br_lists found;

    (void)state;
    assert_int_equal(br_lists_read(path, &found), BR_E_IO);
    assert_int_equal(br_publish_file(path, "no HDF5 at all", 14), BR_OK);
    assert_int_equal(br_lists_read(path, &found), BR_E_INPUT);
    assert_non_null(strstr(br_error_last()->text, "lists.h5: is no readable HDF5 file"));
    assert_int_equal(br_lists_read(folder, &found), BR_E_IO);
    assert_non_null(strstr(br_error_last()->text, "is no regular file"));
}

static void test_refused_periods(void **state)
{
    fixture_shape shape = {.n_rows = 9, .k = 10, .has_all = true};
    br_lists      lists, found;

    (void)state;
    fixture_lists(shape, 1, &lists);
    lists.curve[1].period_s = 0;
    publish(&lists, NULL);
    assert_int_equal(br_lists_read(path, &found), BR_E_INPUT);
    assert_non_null(strstr(br_error_last()->text, "/survival/a-year: 1 periods of 0 seconds"));
    br_lists_free(&lists);
}

typedef void (*breaker)(br_lists *lists);

static void break_n(br_lists *l)
{
    l->n_B[4] = 11;
}
static void break_item(br_lists *l)
{
    l->item_BK[40] = 5000;
}
static void break_twice(br_lists *l)
{
    l->item_BK[41] = l->item_BK[40];
}
static void break_nan(br_lists *l)
{
    l->score_BK[40] = NAN;
}
static void break_order(br_lists *l)
{
    l->score_BK[42] = 100.0f;
}
static void break_tie(br_lists *l)
{
    int32_t item   = l->item_BK[40];
    l->item_BK[40] = l->item_BK[41];
    l->item_BK[41] = item;
}
static void break_unused(br_lists *l)
{
    l->n_B[4]--;
}
static void break_source(br_lists *l)
{
    l->source_BK[40] = 7;
}
static void break_probability(br_lists *l)
{
    l->probability_BK[0][40] = INFINITY;
}
static void break_survival_nan(br_lists *l)
{
    l->curve[0].survival_BP[13] = NAN;
}
static void break_survival_range(br_lists *l)
{
    l->curve[1].survival_BP[4] = 1.5f;
}
static void break_survival_rise(br_lists *l)
{
    l->curve[0].survival_BP[14] = 0.6f;
}
static void break_survival_of_popularity(br_lists *l)
{
    for (int32_t j = 0; j < 10; j++)
        l->source_BK[40 + j] = BR_SOURCE_POPULARITY;
}

static void break_term(br_lists *l)
{
    l->term_BK[0][40] = INFINITY;
}

static void break_consent(br_lists *l)
{
    l->flags_B[4] = BR_FLAG_NO_CONSENT;
}
static void break_flag(br_lists *l)
{
    int32_t at       = 49;
    l->n_B[4]        = 9;
    l->item_BK[at]   = -1;
    l->score_BK[at]  = NAN;
    l->source_BK[at] = BR_SOURCE_NONE;
    for (int h = 0; h < l->n_heads; h++)
        l->probability_BK[h][at] = l->term_BK[h][at] = NAN;
    l->flags_B[4] = 0;
}

static void test_broken_values(void **state)
{
    static const struct {
        breaker     how;
        const char *message;
    } table[] = {
        {break_n, "lists: row 104: n = 11, expected 0 to 10"},
        {break_item, "lists: row 104 slot 0: item 5000, expected 0 to 1999"},
        {break_twice, "is listed twice"},
        {break_nan, "lists: row 104 slot 0: score"},
        {break_order, "stands behind slot"},
        {break_tie, "lists: row 104: slot 1"},
        {break_unused, "is unused (n = 9) but holds item"},
        {break_source, "lists: row 104 slot 0: source 7, expected 1 to 5"},
        {break_consent, "the flags 0x2 say that it is empty"},
        {break_flag, "lists: row 104: 9 of 10 items and no flag says why"},
        {break_probability, "probability `redemption` is inf"},
        {break_term, "objective `margin` is inf"},
        {break_survival_nan, "lists: row 104 period 1: survival `lapse` is nan, expected 0 to"},
        {break_survival_range, "lists: row 104 period 0: survival `a-year` is 1.5"},
        {break_survival_rise, "lists: row 104 period 2: survival `lapse` is 0.6"},
        {break_survival_of_popularity, "survival `lapse` is 0.75, expected NaN: the list is not"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        fixture_shape shape = {.first_row = 100, .n_rows = 9, .k = 10, .has_all = true};
        br_lists      lists;
        fixture_lists(shape, 1, &lists);
        lists.n_B[4]     = 10;
        lists.flags_B[4] = 0;
        for (int32_t j = 0; j < 10; j++) {
            lists.item_BK[40 + j]           = j + 3;
            lists.score_BK[40 + j]          = 2.0f - (float)(j / 2);
            lists.source_BK[40 + j]         = BR_SOURCE_MODEL;
            lists.probability_BK[0][40 + j] = 0.5f;
            lists.probability_BK[1][40 + j] = 0.5f;
            lists.term_BK[0][40 + j]        = 0.25f;
            lists.term_BK[1][40 + j]        = -0.5f;
            lists.log_propensity_BK[40 + j] = 0.0f;
        }
        lists.curve[0].survival_BP[12] = 0.75f;
        lists.curve[0].survival_BP[13] = lists.curve[0].survival_BP[14] = 0.5f;
        lists.curve[1].survival_BP[4]                                   = 0.0f;
        assert_int_equal(br_lists_check(&lists, 2000, "lists"), BR_OK);
        table[i].how(&lists);
        assert_int_equal(br_lists_check(&lists, 2000, "lists"), BR_E_INPUT);
        if (strstr(br_error_last()->text, table[i].message) == NULL)
            fail_msg("expected \"%s\" in \"%s\"", table[i].message, br_error_last()->text);
        lists.flags_B[4] |= BR_FLAG_DIVERSE; /* an order of its own is all that this allows */
        assert_int_equal(br_lists_check(&lists, 2000, "lists"),
                         table[i].how == break_order || table[i].how == break_tie ? BR_OK
                                                                                  : BR_E_INPUT);
        br_lists_free(&lists);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, make_folder, remove_folder),
        cmocka_unit_test(test_same_bytes_at_another_time),
        cmocka_unit_test_setup_teardown(test_flipped_bits_are_never_silent, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_refused_files, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_refused_periods, make_folder, remove_folder),
        cmocka_unit_test(test_broken_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
