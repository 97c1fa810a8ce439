/* SPDX-License-Identifier: Apache-2.0
 *
 * host/base: the error record, scratch, and tasks over lanes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/hash.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/base/status.h"

static void test_error_is_recorded_once(void **state)
{
    br_error  kept;
    br_status st = br_fail(BR_E_INPUT, "row %d", 7);

    (void)state;
    assert_int_equal(st, BR_E_INPUT);
    assert_string_equal(br_error_last()->text, "row 7");
    assert_int_equal(br_status_exit_code(st), 3);
    assert_string_equal(br_status_name(st), "BR_E_INPUT");
    br_error_take(&kept);
    assert_string_equal(br_error_last()->text, "");
    assert_int_equal(br_error_put(&kept), BR_E_INPUT);
    assert_string_equal(br_error_last()->text, "row 7");
    assert_non_null(strstr(br_error_last()->trail, "tests/host/base/test_base.c:"));
    /* a message made from the old one */
    st = br_fail(BR_E_IO, "x: %s", br_error_last()->text);
    assert_int_equal(br_status_exit_code(st), 4);
    assert_string_equal(br_error_last()->text, "x: row 7");
}

static void test_alloc(void **state)
{
    int64_t *numbers = NULL;

    (void)state;
    assert_int_equal(br_alloc(0, 8, "none", (void **)&numbers), BR_OK);
    assert_null(numbers);
    assert_int_equal(br_alloc(3, 8, "three", (void **)&numbers), BR_OK);
    assert_int_equal(numbers[2], 0);
    assert_int_equal((uintptr_t)numbers % 64, 0);
    br_free(&numbers);
    assert_null(numbers);
    assert_int_equal(br_alloc(INT64_MAX, 8, "all", (void **)&numbers), BR_E_MEMORY);
    assert_int_equal(br_alloc(-1, 8, "less", (void **)&numbers), BR_E_MEMORY);
}

static void test_arena(void **state)
{
    br_arena *arena = NULL;
    size_t    mark;
    void     *first;

    (void)state;
    assert_int_equal(br_arena_create(256, &arena), BR_OK);
    first = br_arena_take(arena, 1);
    mark  = br_arena_mark(arena);
    assert_int_equal(mark, 64);
    assert_non_null(br_arena_take(arena, 192));
    assert_null(br_arena_take(arena, 1));
    br_arena_rewind(arena, mark);
    assert_ptr_equal((char *)br_arena_take(arena, 64), (char *)first + 64);
    assert_int_equal(br_arena_peak(arena), 256);
    assert_null(br_arena_take(arena, SIZE_MAX - 3));
    br_arena_destroy(&arena);
    assert_null(arena);
}

#define N_TASKS 1000
static int done_count[N_TASKS];

static br_status count_task(void *context, int lane, int64_t task)
{
    const int64_t *fails_from = context;

    (void)lane;
    done_count[task]++;
    if (task >= *fails_from)
        return br_fail(BR_E_INPUT, "task %lld", (long long)task);
    return BR_OK;
}

static void test_parallel_for(void **state)
{
    (void)state;
    for (int n_lanes = 1; n_lanes <= 7; n_lanes += 3) {
        int64_t never = N_TASKS, late = 600;
        double  cpu_s = 0;

        memset(done_count, 0, sizeof done_count);
        assert_int_equal(br_parallel_for(n_lanes, N_TASKS, count_task, &never, &cpu_s), BR_OK);
        for (int i = 0; i < N_TASKS; i++)
            assert_int_equal(done_count[i], 1);
        assert_true(cpu_s > 0);
        assert_int_equal(br_parallel_for(n_lanes, N_TASKS, count_task, &late, NULL), BR_E_INPUT);
        assert_string_equal(br_error_last()->text, "task 600");
        assert_int_equal(br_parallel_for(n_lanes, 0, count_task, &never, NULL), BR_OK);
    }
}

/* The test vectors of FNV-1a; the first number of splitmix64 from 0. */
static void test_hash(void **state)
{
    uint8_t bytes[99] = {1, 2, 3};

    (void)state;
    assert_true(br_hash_bytes("", 0) == 0xcbf29ce484222325u);
    assert_true(br_hash_bytes("a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(br_hash_bytes("foobar", 6) == 0x85944171f73967e8u);
    for (size_t n = 0; n < sizeof bytes; n++) /* every bit counts, and how many there are */
        for (size_t bit = 0; bit < 8 * n; bit++) {
            uint64_t before = br_hash_bulk(bytes, n);

            assert_true(before != br_hash_bulk(bytes, n - 1));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_true(before != br_hash_bulk(bytes, n));
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    assert_true(br_hash_mix(0x9e3779b97f4a7c15u) == 0xe220a8397b1dcdafu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),         cmocka_unit_test(test_error_is_recorded_once),
        cmocka_unit_test(test_alloc),        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_parallel_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
