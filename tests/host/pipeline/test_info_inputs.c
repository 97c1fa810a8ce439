/* SPDX-License-Identifier: Apache-2.0
 *
 * host/pipeline: what `info` prints of customers.h5, catalogue.h5 and vocabulary.h5. */
#include <stdio.h>
#include <unistd.h>

#include "host/pipeline/info.h"
#include "tests/host/io/h5_fixture.h"

static char printed[1 << 14];

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

static void test_customers(void **state)
{
    static const uint64_t offset[]  = {0, 2, 2, 3};
    static const int32_t  item[]    = {0, 1, 1};
    static const int64_t  when[]    = {10, 20, 30};
    static const uint8_t  consent[] = {1, 0, 1};
    const char *const     lines[]   = {"customers, format 1\n",
                                       "customers     3, keys S2\n",
                                       "modality      mailing: 3 events, vocabulary campaign\n",
                                       "consent       email\n",
                                       "exclusions    no\n",
                                       NULL};
    char                  path[FIXTURE_PATH_BYTES];
    hid_t                 file, group;

    (void)state;
    file = fixture_create("info-customers", "batchrank-customers", path);
    fixture_keys(file, "/customer/key", 3, 2, "a\0b\0c");
    fixture_put_1d(file, "/timeline/mailing/offset", H5T_STD_U64LE, 4, offset);
    fixture_put_1d(file, "/timeline/mailing/item", H5T_STD_I32LE, 3, item);
    fixture_put_1d(file, "/timeline/mailing/time", H5T_STD_I64LE, 3, when);
    group = H5Gopen2(file, "/timeline/mailing", H5P_DEFAULT);
    fixture_text(group, "vocabulary", "campaign");
    (void)H5Gclose(group);
    fixture_keys(file, "/vocabulary/campaign/key", 2, 2, "x\0y");
    fixture_put_1d(file, "/consent/email", H5T_STD_U8LE, 3, consent);
    (void)H5Fclose(file);
    assert_prints(path, lines);
    (void)unlink(path);
}

static void test_catalogue(void **state)
{
    static const uint64_t key[]   = {5, 6};
    static const int32_t  brand[] = {0, -1};
    static const float    price[] = {1.5f, 2.5f};
    const char *const     lines[] = {"catalogue, format 1\n", "items         2, keys u64\n",
                                     "brand: 0 named\n",      "values        price\n",
                                     "capacity      no\n",    NULL};
    char                  path[FIXTURE_PATH_BYTES];
    hid_t                 file;

    (void)state;
    file = fixture_create("info-catalogue", "batchrank-catalogue", path);
    fixture_put_1d(file, "/item/key", H5T_STD_U64LE, 2, key);
    fixture_put_1d(file, "/item/group/brand", H5T_STD_I32LE, 2, brand);
    fixture_put_1d(file, "/item/value/price", H5T_IEEE_F32LE, 2, price);
    (void)H5Fclose(file);
    assert_prints(path, lines);
    (void)unlink(path);
}

static void test_vocabulary(void **state)
{
    const char *const lines[] = {"HDF5, 1 datasets\n", "/campaign/key: S2 2\n", NULL};
    char              path[FIXTURE_PATH_BYTES];
    hid_t             file;

    (void)state;
    file = fixture_create("info-vocabulary", "batchrank-vocabulary", path);
    fixture_keys(file, "/campaign/key", 2, 2, "x\0y");
    (void)H5Fclose(file);
    assert_prints(path, lines);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_customers),
        cmocka_unit_test(test_catalogue),
        cmocka_unit_test(test_vocabulary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
