/* SPDX-License-Identifier: Apache-2.0
 *
 * host/io: the run directory, whole, interrupted, damaged. */
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
#include "tests/host/io/lists_fixture.h"

#define N_UNITS   4
#define UNIT_ROWS 60
#define IDENTITY  "{\"inputs\": {\"customers\": \"aa\", \"catalogue\": \"bb\"}, \"seed\": 7}"
#define CONFIG    "{\"k\": 10, \"note\": \"a \\\"quoted\\\" {name}\"}"

static char folder[FIXTURE_PATH_BYTES];
static char run_path[FIXTURE_PATH_BYTES + 16];

static const char *in_run(const char *name)
{
    static char path[2 * FIXTURE_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", run_path, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    fixture_folder(folder);
    (void)snprintf(run_path, sizeof run_path, "%s/run-1", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    fixture_remove(folder);
    return 0;
}

static br_run *open_run(void)
{
    br_run *run = NULL;

    if (br_run_open(run_path, IDENTITY, CONFIG, N_UNITS, &run) != BR_OK)
        fail_msg("%s", br_error_last()->text);
    return run;
}

static void publish_unit(br_run *run, int64_t unit)
{
    fixture_shape shape = {
        .first_row = unit * UNIT_ROWS, .n_rows = UNIT_ROWS, .k = 10, .has_all = true};
    br_lists lists;

    fixture_lists(shape, 5, &lists);
    if (br_run_publish_unit(run, unit, &lists) != BR_OK)
        fail_msg("%s", br_error_last()->text);
    br_lists_free(&lists);
}

static void commit(br_run *run)
{
    br_keys keys;

    fixture_item_keys(1010, &keys);
    if (br_run_commit(run, &(br_run_summary){&keys, NULL, "{\"customers\": 240}\n",
                                             "customers 240\n"}) != BR_OK)
        fail_msg("%s", br_error_last()->text);
    br_free(&keys.data);
}

static void make_run(void)
{
    br_run *run = open_run();

    for (int64_t unit = 0; unit < N_UNITS; unit++)
        publish_unit(run, unit);
    commit(run);
    br_run_close(&run);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void digest_of(const char *name, char out[BR_DIGEST_TEXT_BYTES])
{
    if (br_digest_file(in_run(name), out) != BR_OK)
        fail_msg("%s", br_error_last()->text);
}

static void test_whole_run(void **state)
{
    int64_t  n_files = 0;
    br_run  *run;
    br_lists lists;
    char     target[64] = {0}, latest[FIXTURE_PATH_BYTES + 16];

    (void)state;
    run = open_run();
    assert_false(br_run_is_complete(run));
    assert_false(br_run_unit_is_done(run, 0));
    assert_int_equal(br_run_read_unit(run, 0, &lists), BR_E_SELFCHECK);
    for (int64_t unit = N_UNITS - 1; unit >= 0; unit--)
        publish_unit(run, unit);
    assert_true(br_run_unit_is_done(run, 0));
    assert_int_equal(br_run_read_unit(run, 2, &lists), BR_OK);
    assert_int_equal(lists.first_row, 2 * UNIT_ROWS);
    assert_int_equal(br_lists_check(&lists, 1010, "unit 2"), BR_OK);
    br_lists_free(&lists);
    assert_int_equal(br_run_verify_hashes(run_path, &n_files), BR_E_INPUT);
    assert_non_null(strstr(br_error_last()->text, "the run is not complete"));
    commit(run);
    assert_true(br_run_is_complete(run));
    br_run_close(&run);
    if (br_run_verify_hashes(run_path, &n_files) != BR_OK)
        fail_msg("%s", br_error_last()->text);
    assert_int_equal(n_files, 2 + 2 * N_UNITS + 3);
    (void)snprintf(latest, sizeof latest, "%s/latest", folder);
    assert_int_equal(readlink(latest, target, sizeof target - 1), 5);
    assert_string_equal(target, "run-1");
    run = open_run(); /* the same command again: nothing to do */
    assert_true(br_run_is_complete(run));
    assert_true(br_run_unit_is_done(run, N_UNITS - 1));
    br_run_close(&run);
    assert_int_equal(br_run_verify_hashes(run_path, &n_files), BR_OK);
}

static void test_empty_run(void **state)
{
    br_run *run     = NULL;
    int64_t n_files = 0;

    (void)state;
    assert_int_equal(br_run_open(run_path, IDENTITY, CONFIG, 0, &run), BR_OK);
    commit(run);
    br_run_close(&run);
    assert_int_equal(br_run_verify_hashes(run_path, &n_files), BR_OK);
    assert_int_equal(n_files, 5);
}

static void flip_bit(const char *path, long at, int bit)
{
    FILE *file = fopen(path, "r+b");
    int   byte;

    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    byte = fgetc(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_not_equal(fputc(byte ^ (1 << bit), file), EOF);
    assert_int_equal(fclose(file), 0);
}

/* Parts that are whole stay as they are; all else is done again; the end is the same bytes. */
static void test_resume(void **state)
{
    static const char *const names[] = {"parts/part-00000.h5", "parts/part-00003.h5",
                                        "receipts/00002.json", "lists.h5",
                                        "manifest.json",       "config.json"};
    char                     expected[6][BR_DIGEST_TEXT_BYTES], found[BR_DIGEST_TEXT_BYTES];
    br_run                  *run;
    struct stat              before, after;
    int64_t                  n_files;

    (void)state;
    make_run();
    for (int i = 0; i < 6; i++)
        digest_of(names[i], expected[i]);
    assert_int_equal(rename(run_path, in_run("../other")), 0);
    run = open_run();
    for (int64_t unit = 0; unit < N_UNITS; unit++)
        publish_unit(run, unit);
    br_run_close(&run);
    assert_int_equal(stat(in_run("parts/part-00000.h5"), &before), 0);
    flip_bit(in_run("parts/part-00001.h5"), 5000, 3);           /* damaged part */
    assert_int_equal(unlink(in_run("receipts/00002.json")), 0); /* killed before the receipt */
    write_file(in_run("receipts/00003.json"), "{\"format\": \"batchrank-rec");
    write_file(in_run("parts/.part-00003.h5.tmp-1-2-3"), "half");
    write_file(in_run(".manifest.json.tmp-1-2-3"), "half");
    write_file(in_run("audit.jsonl"), "{\"time\":\"torn"); /* a torn line, and the chain anew */
    run = open_run();
    assert_true(br_run_unit_is_done(run, 0));
    for (int64_t unit = 1; unit < N_UNITS; unit++) {
        assert_false(br_run_unit_is_done(run, unit));
        publish_unit(run, unit);
    }
    assert_int_not_equal(access(in_run("parts/.part-00003.h5.tmp-1-2-3"), F_OK), 0);
    assert_int_not_equal(access(in_run(".manifest.json.tmp-1-2-3"), F_OK), 0);
    commit(run);
    br_run_close(&run);
    assert_int_equal(stat(in_run("parts/part-00000.h5"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    for (int i = 0; i < 6; i++) {
        digest_of(names[i], found);
        assert_string_equal(found, expected[i]);
    }
    if (br_run_verify_hashes(run_path, &n_files) != BR_OK)
        fail_msg("%s", br_error_last()->text);
}

/* Killed between the manifest and the last steps: they are made up for. */
static void test_announced_late(void **state)
{
    br_run *run;
    int64_t n_files;
    char    latest[FIXTURE_PATH_BYTES + 16];

    (void)state;
    make_run();
    (void)snprintf(latest, sizeof latest, "%s/latest", folder);
    assert_int_equal(unlink(latest), 0);
    assert_int_equal(unlink(in_run("audit.jsonl")), 0);
    run = open_run();
    br_run_close(&run);
    assert_int_equal(access(latest, F_OK), 0);
    assert_int_equal(br_run_verify_hashes(run_path, &n_files), BR_OK);
}

static void assert_refused(const char *identity, int64_t n_units, const char *message)
{
    br_run *run = NULL;

    assert_int_equal(br_run_open(run_path, identity, CONFIG, n_units, &run), BR_E_USAGE);
    assert_null(run);
    if (strstr(br_error_last()->text, message) == NULL)
        fail_msg("expected \"%s\" in \"%s\"", message, br_error_last()->text);
}

static void test_other_run(void **state)
{
    (void)state;
    make_run();
    assert_refused("{\"inputs\": {\"customers\": \"ab\", \"catalogue\": \"bb\"}, \"seed\": 7}",
                   N_UNITS,
                   "run-1: holds another run; inputs.customers: found \"aa\", expected \"ab\". ");
    assert_refused("{\"inputs\": {\"customers\": \"aa\", \"catalogue\": \"bb\"}, \"seed\": 8}",
                   N_UNITS, "; seed: found 7, expected 8.");
    assert_refused("{\"inputs\": {\"customers\": \"aa\", \"catalogue\": \"bb\"}}", N_UNITS,
                   "; seed: found 7, expected nothing.");
    assert_refused("{\"device\": \"cpu\", \"inputs\": {\"customers\": \"aa\", \"catalogue\": "
                   "\"bb\"}, \"seed\": 7}",
                   N_UNITS, "; device: found nothing, expected \"cpu\".");
    assert_refused(IDENTITY, N_UNITS + 1, "; units: found 4, expected 5.");
    /* the same fields, written otherwise, are the same run */
    br_run *run = NULL;
    assert_int_equal(br_run_open(run_path,
                                 "{\"seed\":7, \"inputs\":{\"catalogue\":\"bb\",\n"
                                 "\"customers\":\"aa\"}}",
                                 CONFIG, N_UNITS, &run),
                     BR_OK);
    br_run_close(&run);
}

static void test_refused_folders(void **state)
{
    br_run *run = NULL;

    (void)state;
    assert_int_equal(mkdir(run_path, 0700), 0);
    write_file(in_run("thesis.doc"), "mine");
    assert_refused(IDENTITY, N_UNITS, "no part of a run (and no run.json): thesis.doc");
    assert_int_equal(access(in_run(".lock"), F_OK), -1); /* nothing was written */
    assert_int_equal(unlink(in_run("thesis.doc")), 0);
    run = open_run();
    write_file(in_run("parts/part-00004.h5"), "x");
    write_file(in_run("parts/part-0001.h5"), "x");
    write_file(in_run("notes"), "x");
    assert_refused(IDENTITY, N_UNITS,
                   ".lock: another process works in this run directory (process");
    br_run_close(&run);
    assert_refused(IDENTITY, N_UNITS, "parts/part-00004.h5");
    assert_refused(IDENTITY, N_UNITS, "parts/part-0001.h5");
    assert_refused(IDENTITY, N_UNITS, "notes");
    fixture_remove(run_path);
    write_file(run_path, "a file");
    assert_refused(IDENTITY, N_UNITS, "run-1: is there and is no folder");
    assert_int_equal(br_run_open("/no/such/place/run", IDENTITY, CONFIG, 1, &run), BR_E_IO);
    assert_non_null(strstr(br_error_last()->text, "/no/such/place/run: cannot make this folder"));
}

static void test_commit_needs_all_units(void **state)
{
    br_run       *run   = open_run();
    fixture_shape shape = {.first_row = 7, .n_rows = UNIT_ROWS, .k = 10};
    br_lists      lists;

    (void)state;
    for (int64_t unit = 0; unit < N_UNITS - 1; unit++)
        publish_unit(run, unit);
    assert_int_equal(br_run_commit(run, &(br_run_summary){0}), BR_E_SELFCHECK);
    assert_non_null(strstr(br_error_last()->text, "unit 3 is not done"));
    fixture_lists(shape, 1, &lists);
    assert_int_equal(br_run_publish_unit(run, 0, &lists), BR_E_SELFCHECK);
    assert_int_equal(br_run_publish_unit(run, N_UNITS, &lists), BR_E_SELFCHECK);
    assert_int_equal(br_run_publish_unit(run, 3, &lists), BR_OK);
    assert_int_equal(br_run_commit(run, &(br_run_summary){0}), BR_E_SELFCHECK);
    assert_non_null(strstr(br_error_last()->text, "unit 3 begins at row 7, expected 180"));
    br_lists_free(&lists);
    br_run_close(&run);
}

/* Any one bit, in any file: found, and gone when it is flipped back. */
static void test_flipped_bits_are_found(void **state)
{
    static const char *const names[] = {"parts/part-00000.h5",
                                        "parts/part-00001.h5",
                                        "parts/part-00003.h5",
                                        "receipts/00001.json",
                                        "lists.h5",
                                        "stats.json",
                                        "metrics.prom",
                                        "manifest.json",
                                        "config.json",
                                        "run.json",
                                        "audit.jsonl"};
    const int                n_names = sizeof names / sizeof names[0];
    uint64_t                 random  = 88172645463325252u;
    int64_t                  n_files;
    struct stat              found;

    (void)state;
    make_run();
    for (int i = 0; i < 330; i++) {
        const char *name = names[i % n_names];
        long        at;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        assert_int_equal(stat(in_run(name), &found), 0);
        at = (long)(random / 8 % (uint64_t)found.st_size);
        flip_bit(in_run(name), at, (int)(random % 8));
        if (br_run_verify_hashes(run_path, &n_files) != BR_E_INPUT)
            fail_msg("%s: bit %d of byte %ld: not found", name, (int)(random % 8), at);
        flip_bit(in_run(name), at, (int)(random % 8));
    }
    if (br_run_verify_hashes(run_path, &n_files) != BR_OK)
        fail_msg("%s", br_error_last()->text);
    assert_int_equal(unlink(in_run("parts/part-00002.h5")), 0);
    assert_int_equal(br_run_verify_hashes(run_path, &n_files), BR_E_INPUT);
    assert_non_null(strstr(br_error_last()->text, "part-00002.h5: is in the manifest, but: No"));
}

static void test_audit(void **state)
{
    br_run *run        = open_run();
    char    text[8192] = {0};
    FILE   *file;

    (void)state;
    assert_int_equal(br_run_audit(run, "note", "{\"n\":\n 1}"), BR_OK);
    br_run_close(&run);
    file = fopen(in_run("audit.jsonl"), "rb");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    (void)fclose(file);
    assert_non_null(strstr(text, "\"event\":\"start\""));
    assert_non_null(strstr(text, "\"event\":\"note\",\"details\":{\"n\":  1},\"prev\":\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_run, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_empty_run, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_resume, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_announced_late, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_other_run, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_refused_folders, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_commit_needs_all_units, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_flipped_bits_are_found, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_audit, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
