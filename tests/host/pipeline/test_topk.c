/* SPDX-License-Identifier: Apache-2.0
 *
 * The topk job from files to file: the lists are those of plain loops, the file is the same bytes
 * for any number of threads and on any backend, and what is wrong is said by file and row. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/io/lists.h"
#include "host/io/publish.h"
#include "host/pipeline/vectors/topk.h"
#include "tests/host/io/h5_fixture.h"

#define U 700
#define N 321
#define D 11
#define K 25

typedef struct folder {
    char  at[64];
    char  customers[96], items[96], bias[96], keys[96], out[96];
    float x_UD[U * D], z_ND[N * D], b_N[N];
} folder;

static void put_npy(const char *path, int64_t n_rows, int64_t n_cols, const float *data)
{
    char  header[118];
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    memset(header, ' ', sizeof header);
    (void)snprintf(header, sizeof header,
                   "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }",
                   (long long)n_rows, (long long)n_cols);
    header[strlen(header)]    = ' ';
    header[sizeof header - 1] = '\n';
    assert_int_equal(fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file), 10);
    assert_int_equal(fwrite(header, 1, sizeof header, file), sizeof header);
    assert_int_equal(fwrite(data, 4, (size_t)(n_rows * n_cols), file), n_rows * n_cols);
    assert_int_equal(fclose(file), 0);
}

static float value(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed * 0x1p-31f;
}

static void put_keys(const folder *f)
{
    FILE *file = fopen(f->keys, "wb");

    assert_non_null(file);
    for (int i = 0; i < N; i++)
        assert_true(fprintf(file, "item-%03d\n", i) > 0);
    assert_int_equal(fclose(file), 0);
}

static void make_folder(folder *f)
{
    uint32_t seed = 20261124u;

    (void)snprintf(f->at, sizeof f->at, "/tmp/batchrank-test-%ld-topk", (long)getpid());
    assert_int_equal(mkdir(f->at, 0700), 0);
    (void)snprintf(f->customers, sizeof f->customers, "%s/x.npy", f->at);
    (void)snprintf(f->items, sizeof f->items, "%s/z.npy", f->at);
    (void)snprintf(f->bias, sizeof f->bias, "%s/b.npy", f->at);
    (void)snprintf(f->keys, sizeof f->keys, "%s/keys.txt", f->at);
    (void)snprintf(f->out, sizeof f->out, "%s/lists.h5", f->at);
    for (int i = 0; i < U * D; i++)
        f->x_UD[i] = value(&seed);
    for (int i = 0; i < N * D; i++)
        f->z_ND[i] = value(&seed);
    for (int i = 0; i < N; i++)
        f->b_N[i] = value(&seed);
    put_npy(f->customers, U, D, f->x_UD);
    put_npy(f->items, N, D, f->z_ND);
    put_npy(f->bias, N, 1, f->b_N);
    put_keys(f);
}

static int setup(void **state)
{
    folder *f = calloc(1, sizeof *f);

    assert_non_null(f);
    make_folder(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    folder *f = *state;

    (void)unlink(f->customers);
    (void)unlink(f->items);
    (void)unlink(f->bias);
    (void)unlink(f->keys);
    (void)unlink(f->out);
    assert_int_equal(rmdir(f->at), 0); /* nothing else was left behind */
    free(f);
    return 0;
}

static br_topk_options options_of(const folder *f)
{
    return (br_topk_options){.customers = f->customers,
                             .items     = f->items,
                             .bias      = f->bias,
                             .item_keys = f->keys,
                             .out       = f->out,
                             .k         = K,
                             .n_threads = 2,
                             .backend   = BR_BACKEND_CPU};
}

static float score_of(const folder *f, int64_t u, int64_t i)
{
    double chain[8] = {0};

    for (int64_t d = 0; d < D; d++)
        chain[d % 8] += (double)f->x_UD[u * D + d] * (double)f->z_ND[i * D + d];
    for (int step = 4; step > 0; step /= 2)
        for (int l = 0; l < step; l++)
            chain[l] += chain[l + step];
    return (float)(chain[0] + (double)f->b_N[i]);
}

/* Items that stand before (score, item). */
static int64_t rank_of(const folder *f, int64_t u, int64_t item, int64_t barred)
{
    float   score = score_of(f, u, item);
    int64_t rank  = 0;

    for (int64_t i = 0; i < N; i++) {
        float other = score_of(f, u, i);

        rank += i != barred && (other > score || (other == score && i < item));
    }
    return rank;
}

static void check_lists(const folder *f, int64_t n_excluding)
{
    br_lists lists;

    assert_int_equal(br_lists_read(f->out, &lists), BR_OK);
    assert_int_equal(lists.n_rows, U);
    assert_int_equal(lists.k, K);
    assert_int_equal(br_lists_check(&lists, N, "lists"), BR_OK);
    for (int64_t u = 0; u < U; u++) {
        int64_t barred = u < n_excluding ? u % N : -1;

        assert_int_equal(lists.n_B[u], K);
        assert_int_equal(lists.flags_B[u], 0);
        for (int64_t j = 0; j < K; j++) {
            int32_t item = lists.item_BK[u * K + j];
            float   want = score_of(f, u, item);

            assert_int_not_equal(item, barred);
            assert_memory_equal(&lists.score_BK[u * K + j], &want, sizeof want);
            assert_int_equal(rank_of(f, u, item, barred), j);
            assert_int_equal(lists.source_BK[u * K + j], BR_SOURCE_MODEL);
        }
    }
    br_lists_free(&lists);
}

static void test_lists(void **state)
{
    folder         *f           = *state;
    br_topk_options o           = options_of(f);
    const int       n_threads[] = {1, 2, 7};
    char            first[BR_DIGEST_TEXT_BYTES], other[BR_DIGEST_TEXT_BYTES];
    br_lists_about  about;

    assert_int_equal(br_job_topk(&o), BR_OK);
    check_lists(f, 0);
    assert_int_equal(br_lists_describe(f->out, &about), BR_OK);
    assert_int_equal(about.n_items, N);
    assert_int_equal(br_digest_file(f->out, first), BR_OK);
    for (int i = 0; i < 6; i++) {
        o.n_threads = n_threads[i % 3];
        o.backend   = i < 3 ? BR_BACKEND_CPU : BR_BACKEND_REF;
        assert_int_equal(br_job_topk(&o), BR_OK);
        assert_int_equal(br_digest_file(f->out, other), BR_OK);
        assert_string_equal(first, other);
    }
}

static void test_exclude(void **state)
{
    folder         *f = *state;
    br_topk_options o = options_of(f);
    uint64_t        offset[U + 1];
    int32_t         item[300];
    char            path[FIXTURE_PATH_BYTES], where[FIXTURE_PATH_BYTES + 16];
    hid_t           file = fixture_create("never", "anything", path);

    for (int64_t u = 0; u <= U; u++)
        offset[u] = (uint64_t)(u < 300 ? u : 300);
    for (int32_t i = 0; i < 300; i++)
        item[i] = i % N;
    fixture_put_1d(file, "/bought/offset", H5T_NATIVE_UINT64, U + 1, offset);
    fixture_put_1d(file, "/bought/item", H5T_NATIVE_INT32, 300, item);
    assert_true(H5Fclose(file) >= 0);
    (void)snprintf(where, sizeof where, "%s:/bought", path);
    o.exclude = where;
    assert_int_equal(br_job_topk(&o), BR_OK);
    check_lists(f, 300);
    (void)unlink(path);
}

/* More places than items: short lists, and a reason. */
static void test_short(void **state)
{
    folder         *f = *state;
    br_topk_options o = options_of(f);
    br_lists        lists;

    o.k = N + 5;
    assert_int_equal(br_job_topk(&o), BR_OK);
    assert_int_equal(br_lists_read(f->out, &lists), BR_OK);
    for (int64_t u = 0; u < U; u++) {
        assert_int_equal(lists.n_B[u], N);
        assert_int_equal(lists.flags_B[u], BR_FLAG_SHORT);
        for (int64_t j = N; j < N + 5; j++) {
            assert_int_equal(lists.item_BK[u * (N + 5) + j], -1);
            assert_true(isnan(lists.score_BK[u * (N + 5) + j]));
        }
    }
    br_lists_free(&lists);
}

static void check_refused(const folder *f, const br_topk_options *o, const char *complaint)
{
    (void)unlink(f->out);
    ASSERT_FAILS(br_job_topk(o), BR_E_INPUT, complaint);
    assert_int_not_equal(access(f->out, F_OK), 0); /* nothing was published */
}

static void test_refused(void **state)
{
    folder         *f = *state;
    br_topk_options o = options_of(f);

    put_npy(f->customers, U * D / 7, 7, f->x_UD);
    check_refused(f, &o, "found 7 columns, expected 11");
    f->x_UD[123 * D + 4] = NAN;
    put_npy(f->customers, U, D, f->x_UD);
    check_refused(f, &o, "row 123 column 4");
    f->x_UD[123 * D + 4] = 3e38f;
    f->z_ND[77 * D + 4]  = -3e38f;
    put_npy(f->customers, U, D, f->x_UD);
    put_npy(f->items, N, D, f->z_ND);
    check_refused(f, &o, "x.npy row 123");
    check_refused(f, &o, "z.npy row 77");
    put_npy(f->bias, N - 1, 1, f->b_N);
    check_refused(f, &o, "b.npy: found [320, 1], expected [321]");
    o.bias          = NULL;
    o.customer_keys = f->keys;
    check_refused(f, &o, "found 321 keys, expected 700");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exclude, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
    };
    br_log_set_level(BR_LOG_WARN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
