/* SPDX-License-Identifier: Apache-2.0
 *
 * The devices that op tests compare, opened once each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cpu/cpu.h"
#include "op_case.h"
#include "tests/cuda_on_cpu/emulator.h"

#define SCRATCH_BYTES ((size_t)1 << 20)

/* Only where a test is linked with an emulated device. */
extern __attribute__((weak)) void emulator_set_order(emulator_order order, uint64_t seed);
extern __attribute__((weak)) void emulator_cut_sums(int is_on);

void op_set_thread_order(int order)
{
    if (emulator_set_order != NULL)
        emulator_set_order((emulator_order)order, op_seed());
}

void op_turn_thread_order(void)
{
    static int turn;

    op_set_thread_order(turn++ % (EMULATOR_RANDOM + 1));
}

void op_cut_sums(bool is_on)
{
    if (emulator_cut_sums != NULL)
        emulator_cut_sums(is_on);
}

bool op_is_emulated(void)
{
    return emulator_set_order != NULL && op_tested() == BR_BACKEND_CUDA;
}

br_backend op_tested(void)
{
    const char *text = getenv("BR_TEST_BACKEND");
    return text != NULL && strcmp(text, "cuda") == 0 ? BR_BACKEND_CUDA : BR_BACKEND_CPU;
}

br_backend op_backend(int i)
{
    return i == 0 ? BR_BACKEND_REF : op_tested();
}

br_status op_finish(br_dev *dev, br_status st)
{
    return st != BR_OK ? st : br_dev_sync(dev);
}

enum { WITHOUT_DOT = BR_BACKEND_CUDA + 1, N_DEVS };
static br_dev *devs[N_DEVS];

static void close_devs(void)
{
    for (int i = 0; i < N_DEVS; i++)
        br_dev_close(&devs[i]);
}

br_dev *op_dev(br_backend backend)
{
    static bool is_registered;

    if (!is_registered)
        atexit(close_devs);
    is_registered = true;
    if (devs[backend] == NULL) {
        br_status st = br_dev_open(backend, SCRATCH_BYTES, &devs[backend]);

        if (st == BR_E_DEVICE) { /* none here: skipped */
            printf("%s\n", br_error_last()->text);
            exit(77);
        }
        assert_int_equal(st, BR_OK);
    }
    return devs[backend];
}

br_dev *op_dev_without_dot(void)
{
    (void)op_dev(BR_BACKEND_CPU);
    if (devs[WITHOUT_DOT] == NULL) {
        assert_int_equal(br_dev_open(BR_BACKEND_CPU, SCRATCH_BYTES, &devs[WITHOUT_DOT]), BR_OK);
        br_cpu_forbid_dot(devs[WITHOUT_DOT]);
    }
    return devs[WITHOUT_DOT];
}

bool op_is_without_dot(const br_dev *dev)
{
    return dev == devs[WITHOUT_DOT];
}

void op_poison_scratch(br_dev *dev)
{
    static unsigned char ones[SCRATCH_BYTES];
    size_t               bytes = br_dev_scratch_peak(dev);
    size_t               mark  = br_dev_mark(dev);
    br_mat               used;

    if (bytes == 0)
        return;
    memset(ones, 0xFF, bytes);
    assert_int_equal(br_dev_scratch(dev, BR_U8, 1, (int64_t)bytes, &used), BR_OK);
    assert_int_equal(br_upload(dev, used, ones), BR_OK);
    br_dev_rewind(dev, mark);
}
