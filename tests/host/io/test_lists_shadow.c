/* SPDX-License-Identifier: Apache-2.0
 *
 * Shadows in a lists file: what is written is read, and what their lists may not hold is refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "host/io/publish.h"
#include "tests/host/io/lists_fixture.h"

#define ROWS  40
#define WIDTH 5
#define ITEMS 2000

/* Lists whose row 7 is full, with two shadows that list the same. */
static void make(br_lists *lists)
{
    static const char *const names[] = {"candidate", "other one"};
    const fixture_shape      shape   = {.first_row = 3, .n_rows = ROWS, .k = WIDTH};

    fixture_lists(shape, 5, lists);
    for (int32_t j = 0; j < WIDTH; j++) {
        lists->item_BK[7 * WIDTH + j]   = 10 + j;
        lists->score_BK[7 * WIDTH + j]  = 1.0f;
        lists->source_BK[7 * WIDTH + j] = BR_SOURCE_MODEL;
    }
    lists->n_B[7]     = WIDTH;
    lists->flags_B[7] = 0;
    lists->n_shadows  = 2;
    for (int s = 0; s < 2; s++) {
        br_shadow *shadow = &lists->shadow[s];

        (void)snprintf(shadow->name, sizeof shadow->name, "%s", names[s]);
        assert_int_equal(br_alloc(ROWS * WIDTH, 4, "items", (void **)&shadow->item_BK), BR_OK);
        assert_int_equal(br_alloc(ROWS * WIDTH, 4, "scores", (void **)&shadow->score_BK), BR_OK);
        memcpy(shadow->item_BK, lists->item_BK, ROWS * WIDTH * 4);
        memcpy(shadow->score_BK, lists->score_BK, ROWS * WIDTH * 4);
    }
}

static void test_round_trip(void **state)
{
    br_lists        lists, found;
    br_lists_about *about = NULL;
    void           *image = NULL;
    size_t          n_bytes;
    char            folder[FIXTURE_PATH_BYTES], path[FIXTURE_PATH_BYTES + 16];

    (void)state;
    make(&lists);
    fixture_folder(folder);
    (void)snprintf(path, sizeof path, "%s/lists.h5", folder);
    assert_int_equal(br_lists_image(&lists, NULL, &image, &n_bytes), BR_OK);
    assert_int_equal(br_publish_file(path, image, n_bytes), BR_OK);
    assert_int_equal(br_lists_read(path, &found), BR_OK);
    assert_int_equal(found.n_shadows, 2);
    for (int s = 0; s < 2; s++) {
        assert_string_equal(found.shadow[s].name, lists.shadow[s].name);
        assert_memory_equal(found.shadow[s].item_BK, lists.shadow[s].item_BK, ROWS * WIDTH * 4);
        assert_memory_equal(found.shadow[s].score_BK, lists.shadow[s].score_BK, ROWS * WIDTH * 4);
    }
    assert_int_equal(br_lists_check(&found, ITEMS, "found"), BR_OK);
    assert_int_equal(br_alloc(1, sizeof *about, "about", (void **)&about), BR_OK);
    assert_int_equal(br_lists_describe(path, about), BR_OK);
    assert_int_equal(about->n_shadows, 2);
    assert_string_equal(about->shadow_name[1], "other one");
    br_free(&about);
    br_free(&image);
    br_lists_free(&found);
    br_lists_free(&lists);
    fixture_remove(folder);
}

static void test_too_many(void **state)
{
    br_lists lists;
    void    *image = NULL;
    size_t   n_bytes;

    (void)state;
    make(&lists);
    lists.n_shadows = BR_LISTS_MAX_SHADOWS + 1;
    assert_int_equal(br_lists_image(&lists, NULL, &image, &n_bytes), BR_E_SELFCHECK);
    lists.n_shadows = 2;
    br_lists_free(&lists);
}

static void test_broken_values(void **state)
{
    static const struct {
        int32_t slot, item;
        float   score;
    } table[] = {
        {0, ITEMS, 1.0f}, /* no such item */
        {0, -2, 1.0f},    /* neither item nor unused */
        {4, -1, 1.0f},    /* unused, with a score */
        {2, -1, NAN},     /* a gap */
        {2, 12, NAN},     /* used, without a score */
        {3, 13, 2.0f},    /* better than the one before */
        {1, 9, 1.0f},     /* as good as the one before, which is a later item */
        {4, 10, 0.5f},    /* twice */
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        br_lists lists;
        int32_t  at = 7 * WIDTH + table[i].slot;

        make(&lists);
        assert_int_equal(br_lists_check(&lists, ITEMS, "lists"), BR_OK);
        lists.shadow[1].item_BK[at]  = table[i].item;
        lists.shadow[1].score_BK[at] = table[i].score;
        if (br_lists_check(&lists, ITEMS, "lists") != BR_E_INPUT)
            fail_msg("case %zu was not refused", i);
        assert_non_null(strstr(br_error_last()->text, "row 10"));
        br_lists_free(&lists);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_too_many),
                                       cmocka_unit_test(test_broken_values)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
