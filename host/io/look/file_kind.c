/* SPDX-License-Identifier: Apache-2.0
 *
 * Telling files apart. Called once, by `info`. */
#include "host/io/file_kind.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/io/h5.h"

#define START_BYTES 16

static bool holds(const char *folder, const char *name)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof path, "%s/%s", folder, name) < PATH_MAX && access(path, F_OK) == 0;
}

static br_status kind_of_folder(const char *path, br_file_kind *out)
{
    if (holds(path, "run.json"))
        *out = BR_KIND_RUN;
    else if (holds(path, "model.json"))
        *out = BR_KIND_BUNDLE;
    else
        return br_fail(BR_E_INPUT,
                       "%s: a folder with neither run.json (a run directory) nor model.json (a "
                       "model bundle)",
                       path);
    return BR_OK;
}

static br_status kind_of_hdf5(const char *path, br_file_kind *out)
{
    static const struct {
        const char  *format;
        br_file_kind kind;
    } table[]        = {{"batchrank-customers", BR_KIND_CUSTOMERS},
                        {"batchrank-catalogue", BR_KIND_CATALOGUE},
                        {"batchrank-vocabulary", BR_KIND_VOCABULARY},
                        {"batchrank-lists", BR_KIND_LISTS}};
    br_status   st   = BR_OK;
    br_h5_file *file = NULL;
    char        format[64];

    *out = BR_KIND_HDF5;
    BR_TRY(st, br_h5_open(path, &file));
    if (br_h5_attr_text(file, "/", "format", format, sizeof format) == BR_OK)
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
            if (strcmp(format, table[i].format) == 0)
                *out = table[i].kind;
done:
    br_h5_close(&file);
    return st;
}

/* A safetensors file: the length of its header, then the header, a JSON object. */
static bool is_safetensors(const uint8_t *start, size_t n, int64_t n_bytes)
{
    uint64_t length = 0;

    for (int i = 7; i >= 0; i--)
        length = length << 8 | start[i];
    return n > 8 && start[8] == '{' && length >= 2 && n_bytes >= 8 &&
           length <= (uint64_t)n_bytes - 8;
}

br_status br_file_kind_of(const char *path, br_file_kind *out)
{
    br_status   st                 = BR_OK;
    uint8_t     start[START_BYTES] = {0};
    struct stat found;
    FILE       *file = NULL;
    size_t      n;

    if (stat(path, &found) != 0)
        BR_FAIL(st, BR_E_IO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(found.st_mode))
        return kind_of_folder(path, out);
    if (!S_ISREG(found.st_mode))
        BR_FAIL(st, BR_E_INPUT, "%s: is neither a regular file nor a folder", path);
    if (br_h5_is(path))
        return kind_of_hdf5(path, out);
    file = fopen(path, "rbe");
    if (file == NULL)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    n = fread(start, 1, sizeof start, file);
    if (n >= 6 && memcmp(start, "\x93NUMPY", 6) == 0)
        *out = BR_KIND_NPY;
    else if (is_safetensors(start, n, found.st_size))
        *out = BR_KIND_SAFETENSORS;
    else
        BR_FAIL(st, BR_E_INPUT,
                "%s: is no HDF5, .npy or .safetensors file, run directory or model bundle", path);
done:
    if (file != NULL)
        (void)fclose(file);
    return st;
}
