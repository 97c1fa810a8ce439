/* SPDX-License-Identifier: Apache-2.0
 *
 * The view over the parts, as an HDF5 image. Called once per run, when all parts are done. */
#include "host/io/lists/lists_view.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/lists/lists_dataset.h"

typedef struct viewer {
    const br_lists_view *view;
    br_lists_reader      first; /* the first part */
    hid_t                file;
    int64_t              n_rows_total;
} viewer;

/* What a reader sees where a part is missing: nothing that could pass for a list. */
static bool set_fill(hid_t create, hid_t type)
{
    float   nan  = NAN;
    int64_t none = -1;

    if (H5Tget_class(type) == H5T_FLOAT)
        return H5Pset_fill_value(create, H5T_NATIVE_FLOAT, &nan) >= 0;
    if (H5Tget_class(type) == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2)
        return H5Pset_fill_value(create, H5T_NATIVE_INT64, &none) >= 0;
    return true;
}

static bool map_parts(const viewer *v, const br_h5_array *array, hid_t create, hid_t space)
{
    hsize_t start[2] = {0, 0}, count[2] = {0, array->dims[1]};
    bool    is_mapped = true;

    for (int64_t p = 0; is_mapped && p < v->view->n_parts; p++) {
        hid_t source;
        count[0] = (hsize_t)v->view->part[p].n_rows;
        if (count[0] == 0)
            continue;
        source    = H5Screate_simple(array->rank, count, NULL);
        is_mapped = source >= 0 &&
                    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
                    H5Pset_virtual(create, space, v->view->part[p].name, array->path, source) >= 0;
        if (source >= 0)
            (void)H5Sclose(source);
        start[0] += count[0];
    }
    return is_mapped;
}

static br_status write_virtual(const viewer *v, const br_h5_array *array)
{
    hid_t create  = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space   = H5Screate_simple(array->rank, array->dims, NULL);
    hid_t dataset = H5I_INVALID_HID;
    char  text[BR_H5_COMPLAINT_BYTES];
    bool  is_made;

    if (create >= 0 && space >= 0 && H5Pset_obj_track_times(create, 0) >= 0 &&
        set_fill(create, array->type) && map_parts(v, array, create, space) &&
        H5Sselect_all(space) >= 0)
        dataset =
            H5Dcreate2(v->file, array->path, array->type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    is_made = dataset >= 0 && H5Dclose(dataset) >= 0;
    if (space >= 0)
        (void)H5Sclose(space);
    if (create >= 0)
        (void)H5Pclose(create);
    return is_made ? BR_OK
                   : br_fail(BR_E_MEMORY, "lists.h5: cannot make %s: %s", array->path,
                             br_h5_complaint(text));
}

/* One dataset of the parts, over all of them. */
static br_status view_dataset(const viewer *v, const char *path)
{
    br_status   st      = BR_OK;
    hid_t       dataset = H5I_INVALID_HID;
    br_h5_array array   = {.type = H5I_INVALID_HID};

    (void)snprintf(array.path, sizeof array.path, "%s", path);
    BR_TRY(st, br_lists_open_dataset(&v->first, path, &dataset, array.dims));
    array.type    = H5Dget_type(dataset);
    array.rank    = array.dims[1] > 0 ? 2 : 1;
    array.dims[0] = (hsize_t)v->n_rows_total;
    if (array.type < 0)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: has no readable type", v->first.path, path);
    BR_TRY(st, write_virtual(v, &array));
    if (H5Aexists(dataset, "names") > 0) {
        char names[BR_LISTS_MAX_COLUMNS * BR_LISTS_NAME_BYTES] = {0};
        BR_TRY(st, br_lists_read_names(&v->first, path, (int)array.dims[1], names));
        BR_TRY(st,
               br_h5_image_names(v->file, path, (int)array.dims[1], names, BR_LISTS_NAME_BYTES));
    }
    if (H5Aexists(dataset, "period_s") > 0) {
        int64_t period_s = 0;
        BR_TRY(st, br_lists_read_number(&v->first, path, "period_s", &period_s));
        BR_TRY(st, br_h5_image_number(v->file, path, "period_s", period_s));
    }
done:
    if (array.type >= 0)
        (void)H5Tclose(array.type);
    if (dataset >= 0)
        (void)H5Dclose(dataset);
    return st;
}

static br_status view_group(const viewer *v, const char *group)
{
    br_status      st = BR_OK;
    char           name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    br_lists_names list = {.name = name};

    BR_TRY(st, br_lists_members(&v->first, group, &list));
    if (list.n > 0)
        BR_TRY(st, br_h5_image_group(v->file, group));
    for (int i = 0; i < list.n; i++) {
        char path[BR_H5_PATH_BYTES];
        (void)snprintf(path, sizeof path, "%s/%.63s", group, name[i]);
        BR_TRY(st, view_dataset(v, path));
    }
done:
    return st;
}

/* Each shadow is a group of its own. */
static br_status view_shadows(const viewer *v)
{
    br_status      st = BR_OK;
    char           name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    br_lists_names list = {.name = name};

    BR_TRY(st, br_lists_members(&v->first, "/shadow", &list));
    if (list.n > 0)
        BR_TRY(st, br_h5_image_group(v->file, "/shadow"));
    for (int i = 0; i < list.n; i++) {
        char path[BR_H5_PATH_BYTES];

        (void)snprintf(path, sizeof path, "/shadow/%.63s", name[i]);
        BR_TRY(st, view_group(v, path));
    }
done:
    return st;
}

static br_status view_parts(viewer *v)
{
    static const char *const groups[] = {"/customer", "/list",    "/probability", "/objective",
                                         "/survival", "/logging", "/gate"};
    br_status                st       = BR_OK;
    char                     path[PATH_MAX];
    bool                     has_vector;

    if (snprintf(path, sizeof path, "%s/%s", v->view->folder, v->view->part[0].name) >= PATH_MAX)
        BR_FAIL(st, BR_E_IO, "%s: the path is too long", v->view->folder);
    v->first.path = path;
    BR_TRY(st, br_lists_open_file(path, BR_LISTS_FORMAT, &v->first.file));
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++)
        BR_TRY(st, view_group(v, groups[g]));
    BR_TRY(st, view_shadows(v));
    BR_TRY(st, br_lists_has(&v->first, "/vector", &has_vector));
    if (has_vector)
        BR_TRY(st, view_dataset(v, "/vector"));
done:
    br_lists_close_file(&v->first.file);
    return st;
}

br_status br_lists_view_image(const br_lists_view *view, void **image, size_t *image_bytes)
{
    br_status    st      = BR_OK;
    br_h5_image *builder = NULL;
    viewer       v       = {.view = view, .first.file = H5I_INVALID_HID};
    size_t       n_bytes = 0;

    br_h5_enter();
    *image = NULL;
    for (int64_t p = 0; p < view->n_parts; p++)
        v.n_rows_total += view->part[p].n_rows;
    if (view->item_key != NULL)
        n_bytes = (size_t)view->item_key->n_keys * (size_t)view->item_key->width_bytes;
    BR_TRY(st, br_h5_image_create(BR_LISTS_FORMAT, n_bytes, &builder));
    v.file = br_h5_image_file(builder);
    if (view->n_parts > 0)
        BR_TRY(st, view_parts(&v));
    if (view->item_key != NULL) {
        BR_TRY(st, br_h5_image_group(v.file, "/item"));
        BR_TRY(st, br_h5_image_keys(v.file, "/item/key", view->item_key));
    }
    BR_TRY(st, br_h5_image_finish(&builder, image, image_bytes));
done:
    br_h5_image_destroy(&builder);
    br_h5_leave();
    return st;
}
