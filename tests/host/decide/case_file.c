/* SPDX-License-Identifier: Apache-2.0
 *
 * See case_file.h. A test's own file: a short one is the test's mistake and ends the program. */
#include "tests/host/decide/case_file.h"

#include <stdlib.h>

#include "host/base/memory.h"

static void give_up(const char *why)
{
    (void)fprintf(stderr, "%s\n", why);
    exit(1);
}

br_status case_open(const char *in, const char *out, case_file *cases)
{
    br_status st   = BR_OK;
    FILE     *file = fopen(in, "rb");
    long      n_bytes;

    *cases = (case_file){.out = fopen(out, "wb")};
    if (file == NULL || cases->out == NULL || fseek(file, 0, SEEK_END) != 0)
        BR_FAIL(st, BR_E_IO, "cannot open %s or %s", in, out);
    n_bytes = ftell(file);
    rewind(file);
    BR_ALLOC(st, cases->data, n_bytes, "cases");
    cases->n_bytes = (size_t)n_bytes;
    if (fread(cases->data, 1, cases->n_bytes, file) != cases->n_bytes)
        BR_FAIL(st, BR_E_IO, "cannot read %s", in);
done:
    if (file != NULL)
        (void)fclose(file);
    return st;
}

br_status case_close(case_file *cases, br_status st)
{
    br_free(&cases->data);
    if (cases->out != NULL && fclose(cases->out) != 0 && st == BR_OK)
        st = br_fail(BR_E_IO, "cannot write the answers");
    return st;
}

const void *case_take(case_file *cases, int64_t n, size_t unit)
{
    const void *taken   = cases->data + cases->at;
    size_t      n_bytes = ((size_t)n * unit + 7) / 8 * 8;

    if (n < 0 || n_bytes > cases->n_bytes - cases->at)
        give_up("the file of cases is too short");
    cases->at += n_bytes;
    return taken;
}

int64_t case_number(case_file *cases)
{
    return *(const int64_t *)case_take(cases, 1, sizeof(int64_t));
}

void case_put(case_file *cases, const void *data, int64_t n, size_t unit)
{
    static const uint8_t zeros[8] = {0};
    size_t               n_bytes  = (size_t)n * unit;

    if (n_bytes == 0)
        return;
    if (fwrite(data, 1, n_bytes, cases->out) != n_bytes ||
        fwrite(zeros, 1, -n_bytes % 8, cases->out) != -n_bytes % 8)
        give_up("cannot write the answers");
}
