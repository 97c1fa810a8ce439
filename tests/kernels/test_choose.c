/* SPDX-License-Identifier: Apache-2.0
 *
 * br_dev_choose on a machine with several (emulated) GPUs: one rank each, by its place on the
 * machine, within what CUDA_VISIBLE_DEVICES leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/ops.h"

static const struct {
    const char *visible; /* NULL: not set */
    int32_t     place;
    bool        is_asked_for;
    int         device; /* -1: refused by choose, -2: by open */
    const char *says;
} cases[] = {
    {NULL, 0, false, 0, NULL},     {NULL, 3, false, 3, NULL},   {NULL, 4, false, -2, "no device"},
    {"2,1", 0, false, 2, NULL},    {"2,1", 1, false, 1, NULL},  {"2,1", 2, false, -1, "lists 2"},
    {"2", 0, false, 2, NULL},      {"2", 1, false, 2, NULL}, /* the launcher's choice */
    {"2", 1, true, -1, "lists 1"}, {"3,2,0", 2, true, 0, NULL}, {"", 1, false, -2, "no device"},
};

static void test_place(void **state)
{
    (void)state;
    (void)setenv("BATCHRANK_CUDA_DEVICES", "4", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        br_dev   *dev = NULL;
        br_status st;

        print_message("case %zu\n", i);
        if (cases[i].visible != NULL)
            (void)setenv("CUDA_VISIBLE_DEVICES", cases[i].visible, 1);
        else
            (void)unsetenv("CUDA_VISIBLE_DEVICES");
        st = br_dev_choose(cases[i].place, cases[i].is_asked_for);
        assert_int_equal(st, cases[i].device == -1 ? BR_E_DEVICE : BR_OK);
        if (st == BR_OK) {
            st = br_dev_open(BR_BACKEND_CUDA, 0, &dev);
            assert_int_equal(st, cases[i].device == -2 ? BR_E_DEVICE : BR_OK);
        }
        if (st == BR_OK) /* the emulator's identities are 1, 2, ... */
            assert_int_equal(strtol(br_dev_identity(dev) + 16, NULL, 16), cases[i].device + 1);
        else
            assert_non_null(strstr(br_error_last()->text, cases[i].says));
        br_dev_close(&dev);
    }
}

static void test_processor(void **state)
{
    br_dev *dev = NULL;

    (void)state;
    assert_int_equal(br_dev_open(BR_BACKEND_CPU, 0, &dev), BR_OK);
    assert_string_equal(br_dev_identity(dev), "");
    br_dev_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_place),
                                       cmocka_unit_test(test_processor)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
