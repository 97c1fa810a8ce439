/* SPDX-License-Identifier: Apache-2.0
 *
 * host/pipeline: what `info` prints and what `verify` finds. */
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

#include "host/base/memory.h"
#include "host/io/publish.h"
#include "host/io/run_dir.h"
#include "host/pipeline/info.h"
#include "host/pipeline/verify.h"
#include "tests/host/io/lists_fixture.h"

#define N_UNITS   3
#define UNIT_ROWS 50

typedef void (*change)(br_lists *lists);

static char folder[FIXTURE_PATH_BYTES];
static char run_path[FIXTURE_PATH_BYTES + 16];
static char printed[1 << 16];

static int make_folder(void **state)
{
    (void)state;
    fixture_folder(folder);
    (void)snprintf(run_path, sizeof run_path, "%s/run", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    fixture_remove(folder);
    return 0;
}

static const char *in_folder(const char *name)
{
    static char path[2 * FIXTURE_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A run whose middle part went through `how`; its hashes are right all the same. */
static void make_run(change how, int64_t n_done)
{
    br_run *run = NULL;
    br_keys keys;

    assert_int_equal(br_run_open(run_path, "{\"seed\": 1}", "{}", N_UNITS, &run), BR_OK);
    for (int64_t unit = 0; unit < n_done; unit++) {
        fixture_shape shape = {
            .first_row = unit * UNIT_ROWS, .n_rows = UNIT_ROWS, .k = 10, .has_all = true};
        br_lists lists;
        fixture_lists(shape, 5, &lists);
        if (unit == 1 && how != NULL)
            how(&lists);
        assert_int_equal(br_run_publish_unit(run, unit, &lists), BR_OK);
        br_lists_free(&lists);
    }
    if (n_done == N_UNITS) {
        fixture_item_keys(1010, &keys);
        assert_int_equal(br_run_commit(run, &(br_run_summary){.item_key = &keys}), BR_OK);
        br_free(&keys.data);
    }
    br_run_close(&run);
}

static br_status verify(int64_t n_samples, br_verify_rescore rescore)
{
    FILE     *out = fmemopen(printed, sizeof printed, "w");
    br_status st;

    assert_non_null(out);
    st = br_job_verify_with(run_path, n_samples, rescore, out);
    (void)fclose(out);
    return st;
}

static void assert_prints(const char *path, const char *const *lines)
{
    FILE     *out = fmemopen(printed, sizeof printed, "w");
    br_status st;

    assert_non_null(out);
    st = br_job_info(path, out);
    (void)fclose(out);
    if (st != BR_OK)
        fail_msg("%s", br_error_last()->text);
    for (; *lines != NULL; lines++)
        if (strstr(printed, *lines) == NULL)
            fail_msg("expected \"%s\" in \"%s\"", *lines, printed);
}

static br_status rescore_nothing(const char *path, int64_t n_samples, FILE *out)
{
    (void)path;
    (void)fprintf(out, "%lld lists\n", (long long)n_samples);
    return br_fail(BR_E_SELFCHECK, "row 3 differs");
}

static void test_verify_whole(void **state)
{
    (void)state;
    make_run(NULL, N_UNITS);
    if (verify(10, NULL) != BR_OK)
        fail_msg("%s", br_error_last()->text);
    assert_non_null(strstr(printed, "files       11, every size and SHA-256"));
    assert_non_null(strstr(printed, "structure   3 parts, 150 customers"));
    assert_non_null(strstr(printed, "\nok\n"));
    assert_int_equal(verify(10, rescore_nothing), BR_E_SELFCHECK);
    assert_non_null(strstr(printed, "10 lists"));
    assert_null(strstr(printed, "\nok\n"));
}

static void test_verify_unfinished(void **state)
{
    (void)state;
    make_run(NULL, 2);
    assert_int_equal(verify(0, NULL), BR_E_INPUT);
    assert_non_null(strstr(br_error_last()->text, "the run is not complete"));
}

static int32_t first_filled(const br_lists *l)
{
    for (int32_t b = 0; b < l->n_rows; b++)
        if (l->n_B[b] >= 4)
            return b;
    return 0;
}

static void change_item(br_lists *l)
{
    l->item_BK[first_filled(l) * l->k] = 1010;
}
static void change_order(br_lists *l)
{
    l->score_BK[first_filled(l) * l->k + 3] = 99.0f;
}
static void change_twice(br_lists *l)
{
    int32_t *item_K = l->item_BK + first_filled(l) * l->k;
    item_K[1]       = item_K[0];
}
static void change_count(br_lists *l)
{
    l->counts[0].count[0]++;
}
static void change_survival(br_lists *l)
{
    l->curve[0].survival_BP[first_filled(l) * l->curve[0].n_periods] = 1.25f;
}
static void change_flag(br_lists *l)
{
    l->flags_B[first_filled(l)] = BR_FLAG_NOTHING_ALLOWED;
}

static void test_verify_structure(void **state)
{
    static const struct {
        change      how;
        const char *message;
    } table[] = {{change_item, "item 1010, expected 0 to 1009"},
                 {change_order, "stands behind slot"},
                 {change_twice, "is listed twice"},
                 {change_count, "/stats/customers: 51 customers accounted for, expected 50"},
                 {change_survival, "survival `lapse` is 1.25"},
                 {change_flag, "say that it is empty"}};

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        make_run(table[i].how, N_UNITS);
        assert_int_equal(verify(0, NULL), BR_E_INPUT);
        if (strstr(br_error_last()->text, table[i].message) == NULL ||
            strstr(br_error_last()->text, "part-00001.h5") == NULL)
            fail_msg("expected \"%s\" in \"%s\"", table[i].message, br_error_last()->text);
        fixture_remove(run_path);
    }
}

static void test_info_outputs(void **state)
{
    const char *const unfinished[] = {"run directory, format 1, not complete",
                                      "parts         2 of 3 done\n", "100 so far", "{\"seed\": 1}",
                                      NULL};
    const char *const whole[]      = {"run directory, format 1, complete", "customers     150\n",
                                      "k             10\n", "probabilities redemption, purchase\n",
                                      NULL};
    const char *const part[]       = {"ranked lists, format 1\n",
                                      "customers     50, keys S11\n",
                                      "gates         purchase, mailing, redemption\n",
                                      "vectors       5\n",
                                      "survival      lapse: 3 x 604800 s\n",
                                      "lists short",
                                      NULL};
    const char *const view[]       = {"(a view over the parts of a run)", "customers     150",
                                      "items         1010\n", "a-year: 1 x 31536000 s\n", NULL};

    (void)state;
    make_run(NULL, 2);
    assert_prints(run_path, unfinished);
    fixture_remove(run_path);
    make_run(NULL, N_UNITS);
    assert_prints(run_path, whole);
    assert_prints(in_folder("run/parts/part-00001.h5"), part);
    assert_prints(in_folder("run/lists.h5"), view);
}

static void test_info_model(void **state)
{
    static const char model[] =
        "{\"format\": \"batchrank-model\", \"name\": \"demo\", \"model_version\": \"7\", \"dim\": "
        "64, \"modalities\": [{\"name\": \"mailing\", \"vocabulary\": \"campaign\", \"encoder\": "
        "{\"type\": \"gru\"}}], \"heads\": [{\"name\": \"buy\", \"link\": \"logistic\"}, "
        "{\"name\": \"lapse\", \"type\": \"survival\", \"periods\": 4, \"period_s\": 604800}, "
        "{\"name\": \"again\", \"type\": \"pair_mlp\", \"link\": \"logistic\", \"hidden\": [64, "
        "32]}]}";
    static const char tensors[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,"
                                  "24]}}";
    static const char npy[] = "\x93NUMPY\x01\x00\x28\x00{'descr': '<f4', 'shape': (0, 4), }    \n";
    const char *const npy_lines[]    = {"matrix (.npy)", "'shape': (0, 4), }\n", NULL};
    const char *const tensor_lines[] = {"w: F32 2 x 3\n", "tensors       1, 6 values\n", NULL};
    const char *const bundle_lines[] = {"model         demo, version 7\n",
                                        "mailing: gru, ",
                                        "head          buy: logistic\n",
                                        "head          lapse: survival, 4 x 604800 s\n",
                                        "head          again: logistic, pair_mlp 64 32\n",
                                        "F32 2 x 3",
                                        NULL};
    char              file[200]      = {0};
    size_t            n              = strlen(tensors);

    (void)state;
    assert_int_equal(br_publish_file(in_folder("m.npy"), npy, 10 + 40), BR_OK);
    assert_prints(in_folder("m.npy"), npy_lines);
    file[0] = (char)n;
    memcpy(file + 8, tensors, n);
    assert_int_equal(mkdir(in_folder("bundle"), 0700), 0);
    assert_int_equal(br_publish_file(in_folder("bundle/weights.safetensors"), file, 8 + n + 24),
                     BR_OK);
    assert_prints(in_folder("bundle/weights.safetensors"), tensor_lines);
    assert_int_equal(br_publish_file(in_folder("bundle/model.json"), model, strlen(model)), BR_OK);
    make_run(NULL, N_UNITS); /* any HDF5 file will do for the vocabulary here */
    char from[2 * FIXTURE_PATH_BYTES];
    (void)snprintf(from, sizeof from, "%s", in_folder("run/parts/part-00000.h5"));
    assert_int_equal(link(from, in_folder("bundle/vocabulary.h5")), 0);
    assert_prints(in_folder("bundle"), bundle_lines);
    assert_non_null(strstr(printed, "/list/item: i32 50 x 10\n"));
    assert_non_null(strstr(printed, "/customer/key: S11 50\n"));
}

static void assert_unknown(const char *path, br_status code, const char *message)
{
    assert_int_equal(br_job_info(path, stderr), code);
    if (strstr(br_error_last()->text, message) == NULL)
        fail_msg("expected \"%s\" in \"%s\"", message, br_error_last()->text);
}

static void test_info_refuses(void **state)
{
    (void)state;
    assert_unknown(in_folder("absent"), BR_E_IO, "absent: No such file");
    assert_unknown(folder, BR_E_INPUT, "a folder with neither run.json");
    assert_int_equal(br_publish_file(in_folder("text"), "hello, hello, hello", 19), BR_OK);
    assert_unknown(in_folder("text"), BR_E_INPUT, "text: is no HDF5, .npy or .safetensors file");
    assert_int_equal(br_publish_file(in_folder("empty"), "", 0), BR_OK);
    assert_unknown(in_folder("empty"), BR_E_INPUT, "empty: is no HDF5");
    assert_int_equal(br_publish_file(in_folder("cut.npy"), "\x93NUMPY\x01\x00\x28\x00{", 11),
                     BR_OK);
    assert_unknown(in_folder("cut.npy"), BR_E_INPUT, "ends before its header of 40 bytes does");
    assert_unknown("/dev/null", BR_E_INPUT, "is neither a regular file nor a folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verify_whole, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_verify_unfinished, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_verify_structure, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_info_outputs, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_info_model, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_info_refuses, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
