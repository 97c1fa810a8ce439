/* SPDX-License-Identifier: Apache-2.0
 *
 * The datasets of a file that passed the gate, with type and shape, for people. Called once, by
 * `info`. */
#include <stdio.h>

#include "host/base/memory.h"
#include "host/io/file_kind.h"
#include "host/io/h5/inner.h"

static void name_type(hid_t type, char out[16])
{
    size_t n = H5Tget_size(type);

    if (H5Tget_class(type) == H5T_INTEGER)
        (void)snprintf(out, 16, "%c%zu", H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i', 8 * n);
    else if (H5Tget_class(type) == H5T_FLOAT)
        (void)snprintf(out, 16, "f%zu", 8 * n);
    else if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0)
        (void)snprintf(out, 16, "S%zu", n);
    else
        (void)snprintf(out, 16, "other");
}

static br_status describe_object(const br_h5_file *file, br_file_object *out)
{
    br_status st                 = BR_OK;
    hid_t     dataset            = H5I_INVALID_HID;
    hid_t     type               = H5I_INVALID_HID;
    hid_t     space              = H5I_INVALID_HID;
    hsize_t   dims[H5S_MAX_RANK] = {0};

    BR_TRY(st, br_h5_dataset_id(file, out->path, &dataset));
    type  = H5Dget_type(dataset);
    space = H5Dget_space(dataset);
    if (type < 0 || space < 0)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: cannot be opened", file->path, out->path);
    name_type(type, out->type);
    out->rank   = H5Sget_simple_extent_dims(space, dims, NULL);
    out->n_rows = out->rank > 0 ? (int64_t)dims[0] : 1;
    out->n_cols = out->rank > 1 ? (int64_t)dims[1] : 1;
done:
    if (space >= 0)
        (void)H5Sclose(space);
    if (type >= 0)
        (void)H5Tclose(type);
    if (dataset >= 0)
        (void)H5Dclose(dataset);
    return st;
}

/* The children of a group and theirs; groups within groups are few (the walk has bounded them). */
static br_status list_group(const br_h5_file *file, const char *group, br_file_object *to,
                            int64_t *n)
{
    br_status           st     = BR_OK;
    int32_t             cursor = 0;
    const br_h5_object *object;

    while ((object = br_h5_child(file, group, &cursor)) != NULL) {
        if (object->is_group) {
            BR_TRY(st, list_group(file, object->path, to, n));
            continue;
        }
        (void)snprintf(to[*n].path, BR_FILE_OBJECT_BYTES, "%s", object->path);
        BR_TRY(st, describe_object(file, &to[*n]));
        (*n)++;
    }
done:
    return st;
}

br_status br_file_objects(const char *path, br_file_object **objects, int64_t *n_objects)
{
    br_status       st   = BR_OK;
    br_h5_file     *file = NULL;
    br_file_object *list = NULL;

    br_h5_enter();
    *objects   = NULL;
    *n_objects = 0;
    BR_TRY(st, br_h5_open(path, &file));
    BR_TRY(st, br_h5_walk(file));
    BR_ALLOC(st, list, BR_H5_MAX_OBJECTS, "datasets of a file");
    BR_TRY(st, list_group(file, "/", list, n_objects));
    *objects = list;
    list     = NULL;
done:
    br_free(&list);
    br_h5_close(&file);
    br_h5_leave();
    return st;
}
