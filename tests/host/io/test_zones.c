/* SPDX-License-Identifier: Apache-2.0
 *
 * Zones by name: found, refused, and a machine without zone files. What the files say is compared
 * with Python's in tests/host/decide/test_calendar.py. */
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

#include "host/io/zones/zones.h"

#define JULY    INT64_C(1784116800) /* 2026-07-15 12:00 UTC */
#define JANUARY INT64_C(1768478400) /* 2026-01-15 12:00 UTC */

static void expect_refused(const char *name, br_status code, const char *part)
{
    br_zone *zone = NULL;

    assert_int_equal(br_zones_read(name, &zone), code);
    assert_null(zone);
    if (strstr(br_error_last()->text, part) == NULL)
        fail_msg("'%s' does not hold '%s'", br_error_last()->text, part);
}

static void test_known(void **state)
{
    static const struct {
        const char *name;
        int32_t     july_s, january_s;
    } rows[] = {{"UTC", 0, 0},
                {"Europe/Paris", 7200, 3600},
                {"America/New_York", -14400, -18000},
                {"Asia/Kathmandu", 20700, 20700},
                {"Pacific/Kiritimati", 50400, 50400},
                {"Pacific/Pago_Pago", -39600, -39600},
                {"Etc/GMT+5", -18000, -18000}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        br_zone *zone = NULL;

        assert_int_equal(br_zones_read(rows[i].name, &zone), BR_OK);
        assert_int_equal(br_zone_offset_s(zone, JULY), rows[i].july_s);
        assert_int_equal(br_zone_offset_s(zone, JANUARY), rows[i].january_s);
        br_zone_destroy(&zone);
    }
}

static void test_unknown(void **state)
{
    (void)state;
    expect_refused("Europe/Pariss", BR_E_INPUT, "is not in ");
    expect_refused("Europe", BR_E_INPUT, "is not in ");
    expect_refused("", BR_E_INPUT, "expected an IANA name such as Europe/Paris");
    expect_refused("../zoneinfo/UTC", BR_E_INPUT, "expected an IANA name");
    expect_refused("/etc/localtime", BR_E_INPUT, "expected an IANA name");
    expect_refused("CET-1CEST,M3.5.0,M10.5.0/3", BR_E_INPUT, "expected an IANA name");
}

static void test_other_folder(void **state)
{
    char        folder[] = "/tmp/test_zones_XXXXXX";
    char        path[64];
    const char *old   = getenv("TZDIR");
    char       *saved = old != NULL ? strdup(old) : NULL;
    FILE       *file;
    br_zone    *zone = NULL;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/Damaged", folder);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("TZif2", file) >= 0 && fclose(file) == 0);
    assert_int_equal(setenv("TZDIR", folder, 1), 0);
    expect_refused("Europe/Paris", BR_E_INPUT, folder);
    expect_refused("Damaged", BR_E_INPUT, "time zone 'Damaged': its file is not in TZif format");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    expect_refused("Europe/Paris", BR_E_IO, "install the package tzdata");
    assert_int_equal(br_zones_read("UTC", &zone), BR_OK);
    br_zone_destroy(&zone);
    assert_int_equal(saved != NULL ? setenv("TZDIR", saved, 1) : unsetenv("TZDIR"), 0);
    free(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known), cmocka_unit_test(test_unknown),
                                       cmocka_unit_test(test_other_folder)};

    if (access("/usr/share/zoneinfo/Europe/Paris", R_OK) != 0) {
        (void)fprintf(stderr, "skipped: no time zone files (package tzdata)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
