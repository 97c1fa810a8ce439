/* SPDX-License-Identifier: Apache-2.0
 *
 * A library to preload that writes down what a program does to HDF5 datasets, seen from the outside
 * at the HDF5 library's own functions. One line each in the file TRACE_OPENS, appended:
 *   open FILE /path          an identifier of a dataset was given out, by any function that can
 *   read FILE /path 0 2      values of these columns were read (of a dataset with two dimensions)
 *   attr FILE /path name     an attribute was opened
 * Used by test_opens.py. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hdf5.h>

#define TEXT_BYTES  4096
#define MAX_COLUMNS 1024

/* `below` is a name in the object, or NULL: the object itself. */
static void note(const char *what, hid_t object, const char *below, const char *more)
{
    const char *to               = getenv("TRACE_OPENS");
    char        file[TEXT_BYTES] = "?", path[TEXT_BYTES] = "?";
    FILE       *out = to == NULL ? NULL : fopen(to, "a");

    if (out == NULL)
        return;
    (void)H5Fget_name(object, file, sizeof file);
    (void)H5Iget_name(object, path, sizeof path);
    (void)fprintf(out, "%s %s %s%s%s%s\n", what, file, path,
                  below != NULL && strcmp(path, "/") != 0 ? "/" : "", below != NULL ? below : "",
                  more);
    (void)fclose(out);
}

static hid_t note_dataset(hid_t id)
{
    if (id >= 0 && H5Iget_type(id) == H5I_DATASET)
        note("open", id, NULL, "");
    return id;
}

hid_t H5Dopen2(hid_t at, const char *name, hid_t access)
{
    hid_t (*next)(hid_t, const char *, hid_t) = dlsym(RTLD_NEXT, "H5Dopen2");

    return note_dataset(next(at, name, access));
}

hid_t H5Dopen1(hid_t at, const char *name)
{
    hid_t (*next)(hid_t, const char *) = dlsym(RTLD_NEXT, "H5Dopen1");

    return note_dataset(next(at, name));
}

hid_t H5Oopen(hid_t at, const char *name, hid_t access)
{
    hid_t (*next)(hid_t, const char *, hid_t) = dlsym(RTLD_NEXT, "H5Oopen");

    return note_dataset(next(at, name, access));
}

hid_t H5Oopen_by_addr(hid_t at, haddr_t address)
{
    hid_t (*next)(hid_t, haddr_t) = dlsym(RTLD_NEXT, "H5Oopen_by_addr");

    return note_dataset(next(at, address));
}

hid_t H5Oopen_by_idx(hid_t at, const char *group, H5_index_t index, H5_iter_order_t order,
                     hsize_t n, hid_t access)
{
    hid_t (*next)(hid_t, const char *, H5_index_t, H5_iter_order_t, hsize_t, hid_t) =
        dlsym(RTLD_NEXT, "H5Oopen_by_idx");

    return note_dataset(next(at, group, index, order, n, access));
}

hid_t H5Rdereference2(hid_t at, hid_t access, H5R_type_t type, const void *reference)
{
    hid_t (*next)(hid_t, hid_t, H5R_type_t, const void *) = dlsym(RTLD_NEXT, "H5Rdereference2");

    return note_dataset(next(at, access, type, reference));
}

hid_t H5Aopen_by_name(hid_t at, const char *object, const char *name, hid_t access, hid_t link)
{
    hid_t (*next)(hid_t, const char *, const char *, hid_t, hid_t) =
        dlsym(RTLD_NEXT, "H5Aopen_by_name");
    hid_t id = next(at, object, name, access, link);
    char  more[TEXT_BYTES];

    (void)snprintf(more, sizeof more, " %s", name);
    if (id >= 0)
        note("attr", at, object, more);
    return id;
}

/* " 0 2": the columns that a selection of rows takes part of. */
static void columns_of(hid_t space, char more[TEXT_BYTES])
{
    static hsize_t block[4 * MAX_COLUMNS];
    unsigned char  is_read[MAX_COLUMNS] = {0};
    hssize_t       n                    = H5Sget_select_hyper_nblocks(space);
    size_t         at                   = 0;

    if (n < 0 || n > MAX_COLUMNS ||
        H5Sget_select_hyper_blocklist(space, 0, (hsize_t)n, block) < 0) {
        (void)snprintf(more, TEXT_BYTES, " all");
        return;
    }
    for (hssize_t b = 0; b < n; b++)
        for (hsize_t c = block[4 * b + 1]; c <= block[4 * b + 3] && c < MAX_COLUMNS; c++)
            is_read[c] = 1;
    for (int c = 0; c < MAX_COLUMNS; c++)
        if (is_read[c] && at < TEXT_BYTES - 8)
            at += (size_t)snprintf(more + at, TEXT_BYTES - at, " %d", c);
}

herr_t H5Dread(hid_t set, hid_t type, hid_t here, hid_t in_file, hid_t transfer, void *to)
{
    herr_t (*next)(hid_t, hid_t, hid_t, hid_t, hid_t, void *) = dlsym(RTLD_NEXT, "H5Dread");
    char more[TEXT_BYTES]                                     = "";

    if (in_file == H5S_ALL)
        (void)snprintf(more, sizeof more, " all");
    else if (H5Sget_simple_extent_ndims(in_file) == 2)
        columns_of(in_file, more);
    note("read", set, NULL, more);
    return next(set, type, here, in_file, transfer, to);
}
