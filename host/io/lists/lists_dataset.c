/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening lists files and their datasets, with every check before the first byte is read. Called
 * a few times per part. */
#include "host/io/lists/lists_dataset.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/memory.h"

/* HDF5 says "errno = N" where the system failed it; all else is the file's fault. */
static br_status blame(const char *reason)
{
    return strstr(reason, "the system says") != NULL ? BR_E_IO : BR_E_INPUT;
}

br_status br_lists_refuse(const br_lists_reader *r, const char *dataset, const char *why)
{
    char text[BR_H5_COMPLAINT_BYTES];

    if (H5Eget_num(H5E_DEFAULT) <= 0) /* HDF5 did as asked: it is what was found */
        return br_fail(BR_E_INPUT, "%s: %s: %s", r->path, dataset, why);
    (void)br_h5_complaint(text);
    return br_fail(blame(text), "%s: %s: %s (%s)", r->path, dataset, why, text);
}

/* A hard link, at every step of the path. */
static bool has_object(const br_lists_reader *r, const char *path)
{
    char       prefix[BR_H5_PATH_BYTES];
    H5L_info_t info;
    size_t     n = strlen(path);

    if (n >= sizeof prefix)
        return false;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(prefix, path, i);
        prefix[i] = '\0';
        if (H5Lexists(r->file, prefix, H5P_DEFAULT) <= 0 ||
            H5Lget_info(r->file, prefix, &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD)
            return false;
    }
    return true;
}

/* Only storage inside the file, and no filter but Fletcher32. */
static bool has_plain_storage(hid_t dataset, bool allows_view)
{
    hid_t        create = H5Dget_create_plist(dataset);
    bool         is_plain;
    H5D_layout_t layout;

    if (create < 0)
        return false;
    layout   = H5Pget_layout(create);
    is_plain = (layout == H5D_CONTIGUOUS || layout == H5D_CHUNKED || layout == H5D_COMPACT ||
                (allows_view && layout == H5D_VIRTUAL)) &&
               H5Pget_external_count(create) == 0;
    for (int i = 0; is_plain && i < H5Pget_nfilters(create); i++) {
        unsigned flags = 0, config = 0;
        size_t   n_values = 0;
        is_plain = H5Pget_filter2(create, (unsigned)i, &flags, &n_values, NULL, 0, NULL, &config) ==
                   H5Z_FILTER_FLETCHER32;
    }
    (void)H5Pclose(create);
    return is_plain;
}

/* Opens and checks all but the shape; *rank is 1 or 2. The caller closes *dataset. */
br_status br_lists_open_dataset(const br_lists_reader *r, const char *path, hid_t *dataset,
                                hsize_t dims[2])
{
    br_status st    = BR_OK;
    hid_t     space = H5I_INVALID_HID;
    int       rank;
    hsize_t   storage;

    dims[0]  = 0;
    dims[1]  = 0;
    *dataset = H5I_INVALID_HID;
    if (!has_object(r, path)) {
        st = br_lists_refuse(r, path, "is missing, or no plain dataset");
        goto done;
    }
    *dataset = H5Dopen2(r->file, path, H5P_DEFAULT);
    if (*dataset < 0) {
        st = br_lists_refuse(r, path, "is no readable dataset");
        goto done;
    }
    if (!has_plain_storage(*dataset, r->allows_view))
        BR_FAIL(st, BR_E_INPUT, "%s: %s: storage outside the file, virtual or filtered", r->path,
                path);
    space = H5Dget_space(*dataset);
    rank  = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    if (rank < 1 || rank > 2 || H5Sget_simple_extent_dims(space, dims, NULL) < 0)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: has rank %d, expected 1 or 2", r->path, path, rank);
    storage = H5Dget_storage_size(*dataset);
    if (dims[0] > INT64_MAX / 4096 || dims[1] > INT32_MAX ||
        (!r->allows_view && storage == 0 && dims[0] > 0 && (rank == 1 || dims[1] > 0)))
        BR_FAIL(st, BR_E_INPUT, "%s: %s: %" PRIu64 " rows declared, %" PRIu64 " bytes stored",
                r->path, path, (uint64_t)dims[0], (uint64_t)storage);
    if (rank == 1)
        dims[1] = 0;
done:
    if (space >= 0)
        (void)H5Sclose(space);
    return st;
}

br_status br_lists_is_view(const br_lists_reader *r, bool *is_view)
{
    br_status st      = BR_OK;
    hid_t     dataset = H5I_INVALID_HID;
    hsize_t   dims[2];

    BR_TRY(st, br_lists_has(r, "/list", is_view));
    if (!*is_view)
        return BR_OK;
    BR_TRY(st, br_lists_open_dataset(r, "/list/item", &dataset, dims));
    *is_view = !has_plain_storage(dataset, false);
done:
    if (dataset >= 0)
        (void)H5Dclose(dataset);
    return st;
}

bool br_lists_has_type(hid_t dataset, hid_t type)
{
    hid_t found = H5Dget_type(dataset);
    bool  same  = found >= 0 && H5Tequal(found, type) > 0;

    if (found >= 0)
        (void)H5Tclose(found);
    return same;
}

/* Reads a whole dataset of the lists' row count into a new array. */
br_status br_lists_read_array(const br_lists_reader *r, br_lists_wanted want, void **out)
{
    br_status st      = BR_OK;
    hid_t     dataset = H5I_INVALID_HID;
    hsize_t   dims[2];
    int64_t   n_rows = r->lists->n_rows;
    int64_t   n_cols = want.n_cols == 0 ? 1 : want.n_cols;

    BR_TRY(st, br_lists_open_dataset(r, want.dataset, &dataset, dims));
    if (!br_lists_has_type(dataset, want.type))
        BR_FAIL(st, BR_E_INPUT, "%s: %s: has another type than this format's", r->path,
                want.dataset);
    if ((int64_t)dims[0] != n_rows || (int64_t)dims[1] != want.n_cols)
        BR_FAIL(st, BR_E_INPUT,
                "%s: %s: has shape [%" PRIu64 ", %" PRIu64 "], expected [%" PRId64 ", %" PRId64
                "] (0: rank 1)",
                r->path, want.dataset, (uint64_t)dims[0], (uint64_t)dims[1], n_rows, want.n_cols);
    BR_TRY(st, br_alloc(n_rows * n_cols, H5Tget_size(want.type), want.dataset, out));
    if (n_rows * n_cols > 0 &&
        H5Dread(dataset, want.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *out) < 0) {
        st = br_lists_refuse(r, want.dataset, "cannot be read");
        goto done;
    }
done:
    if (dataset >= 0)
        (void)H5Dclose(dataset);
    return st;
}

/* Link by link: H5Literate crashes on a damaged group of many links (HDF5 1.10 releases a table
 * that it has not filled). */
static bool keep_names(hid_t group, br_lists_names *list)
{
    H5G_info_t info;

    if (group < 0 || H5Gget_info(group, &info) < 0)
        return false;
    list->is_too_much = info.nlinks > BR_LISTS_MAX_COLUMNS;
    for (hsize_t i = 0; i < info.nlinks && !list->is_too_much; i++) {
        ssize_t n = H5Lget_name_by_idx(group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, i,
                                       list->name[list->n], BR_LISTS_NAME_BYTES, H5P_DEFAULT);
        if (n <= 0)
            return false;
        list->is_too_much = n >= BR_LISTS_NAME_BYTES;
        list->n++;
    }
    return true;
}

br_status br_lists_has(const br_lists_reader *r, const char *path, bool *is_there)
{
    htri_t exists = H5Lexists(r->file, path, H5P_DEFAULT);

    *is_there = exists > 0;
    return exists >= 0 ? BR_OK : br_lists_refuse(r, path, "cannot be looked up");
}

br_status br_lists_members(const br_lists_reader *r, const char *path, br_lists_names *list)
{
    br_status st    = BR_OK;
    hid_t     group = H5I_INVALID_HID;
    bool      is_there;

    list->n           = 0;
    list->is_too_much = false;
    BR_TRY(st, br_lists_has(r, path, &is_there));
    if (!is_there)
        return BR_OK;
    if (has_object(r, path))
        group = H5Gopen2(r->file, path, H5P_DEFAULT);
    if (!keep_names(group, list))
        BR_TRY(st, br_lists_refuse(r, path, "is no readable group"));
    if (list->is_too_much)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: more than %d members, or a name over %d bytes", r->path,
                path, BR_LISTS_MAX_COLUMNS, BR_LISTS_NAME_BYTES - 1);
done:
    if (group >= 0)
        (void)H5Gclose(group);
    return st;
}

br_status br_lists_read_names(const br_lists_reader *r, const char *path, int n, char *names)
{
    br_status st        = BR_OK;
    hid_t     type      = br_h5_bytes_type(BR_LISTS_NAME_BYTES);
    hid_t     attribute = H5Aopen_by_name(r->file, path, "names", H5P_DEFAULT, H5P_DEFAULT);
    size_t    n_bytes   = (size_t)n * BR_LISTS_NAME_BYTES;

    if (n < 0 || n > BR_LISTS_MAX_COLUMNS || attribute < 0 || type < 0 ||
        H5Aget_storage_size(attribute) != n_bytes || H5Aread(attribute, type, names) < 0) {
        st = br_lists_refuse(r, path, "attribute `names` is missing or of another size");
        goto done;
    }
    for (int i = 0; i < n; i++)
        names[(size_t)(i + 1) * BR_LISTS_NAME_BYTES - 1] = '\0';
done:
    if (type >= 0)
        (void)H5Tclose(type);
    if (attribute >= 0)
        (void)H5Aclose(attribute);
    return st;
}

br_status br_lists_read_number(const br_lists_reader *r, const char *path, const char *name,
                               int64_t *out)
{
    br_status st        = BR_OK;
    hid_t     attribute = H5Aopen_by_name(r->file, path, name, H5P_DEFAULT, H5P_DEFAULT);
    hid_t     type      = attribute < 0 ? H5I_INVALID_HID : H5Aget_type(attribute);

    if (type < 0 || H5Tequal(type, H5T_STD_I64LE) <= 0 ||
        H5Aget_storage_size(attribute) != sizeof *out ||
        H5Aread(attribute, H5T_NATIVE_INT64, out) < 0) {
        char why[BR_LISTS_NAME_BYTES + 64];
        (void)snprintf(why, sizeof why, "attribute `%.63s` is missing, or no i64", name);
        st = br_lists_refuse(r, path, why);
        goto done;
    }
done:
    if (type >= 0)
        (void)H5Tclose(type);
    if (attribute >= 0)
        (void)H5Aclose(attribute);
    return st;
}

br_status br_lists_read_curves(const br_lists_reader *r, br_curve *out, int32_t *n)
{
    br_status      st = BR_OK;
    char           name[BR_LISTS_MAX_COLUMNS][BR_LISTS_NAME_BYTES];
    br_lists_names list    = {.name = name};
    hid_t          dataset = H5I_INVALID_HID;

    BR_TRY(st, br_lists_members(r, "/survival", &list));
    for (int h = 0; h < list.n; h++) {
        char    path[BR_H5_PATH_BYTES];
        hsize_t dims[2];
        (void)snprintf(path, sizeof path, "/survival/%.63s", name[h]);
        memcpy(out[h].name, name[h], sizeof out[h].name);
        BR_TRY(st, br_lists_open_dataset(r, path, &dataset, dims));
        BR_TRY(st, br_lists_read_number(r, path, "period_s", &out[h].period_s));
        if (dims[1] < 1 || dims[1] > BR_LISTS_MAX_COLUMNS || out[h].period_s < 1)
            BR_FAIL(st, BR_E_INPUT,
                    "%s: %s: %" PRIu64 " periods of %" PRId64 " seconds, expected 1 to %d of at "
                    "least 1",
                    r->path, path, (uint64_t)dims[1], out[h].period_s, BR_LISTS_MAX_COLUMNS);
        out[h].n_periods = (int32_t)dims[1];
        (void)H5Dclose(dataset);
        dataset = H5I_INVALID_HID;
    }
    *n = list.n;
done:
    if (dataset >= 0)
        (void)H5Dclose(dataset);
    return st;
}

static br_status check_format(const char *path, hid_t file, const char *format)
{
    br_status st        = BR_OK;
    char      found[64] = {0};
    int64_t   version   = 0;
    hid_t     text = H5I_INVALID_HID, number = H5I_INVALID_HID, type = H5I_INVALID_HID;

    /* stops at the first call that fails: the next would clear HDF5's reason */
    if (H5Aexists(file, "format") > 0 && H5Aexists(file, "version") > 0 &&
        (text = H5Aopen(file, "format", H5P_DEFAULT)) >= 0 && (type = H5Aget_type(text)) >= 0 &&
        H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
        H5Tget_size(type) < sizeof found && H5Aget_storage_size(text) < sizeof found &&
        H5Aread(text, type, found) >= 0 && (number = H5Aopen(file, "version", H5P_DEFAULT)) >= 0 &&
        H5Aget_storage_size(number) == sizeof version &&
        H5Aread(number, H5T_NATIVE_INT64, &version) >= 0 && strcmp(found, format) == 0 &&
        version == 1)
        goto done;
    st = br_lists_refuse(&(br_lists_reader){.path = path}, format,
                         "is not what the root attributes `format` and `version` (1) say");
done:
    if (type >= 0)
        (void)H5Tclose(type);
    if (text >= 0)
        (void)H5Aclose(text);
    if (number >= 0)
        (void)H5Aclose(number);
    return st;
}

br_status br_lists_open_file(const char *path, const char *format, hid_t *file)
{
    br_status   st   = BR_OK;
    hid_t       fapl = H5I_INVALID_HID;
    struct stat found;
    char        text[BR_H5_COMPLAINT_BYTES];

    *file = H5I_INVALID_HID;
    BR_TRY(st, br_h5_setup());
    if (stat(path, &found) != 0)
        BR_FAIL(st, BR_E_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(found.st_mode))
        BR_FAIL(st, BR_E_IO, "%s: is no regular file", path);
    if (access(path, R_OK) != 0)
        BR_FAIL(st, BR_E_IO, "%s: %s", path, strerror(errno));
    fapl = H5Pcreate(H5P_FILE_ACCESS);
    if (fapl < 0 || H5Pset_fapl_sec2(fapl) < 0 || H5Pset_file_locking(fapl, 0, 1) < 0)
        BR_FAIL(st, BR_E_MEMORY, "%s: HDF5 cannot start: %s", path, br_h5_complaint(text));
    *file = H5Fopen(path, H5F_ACC_RDONLY, fapl);
    if (*file < 0)
        BR_FAIL(st, blame(br_h5_complaint(text)), "%s: is no readable HDF5 file (%s)", path, text);
    BR_TRY(st, check_format(path, *file, format));
done:
    if (fapl >= 0)
        (void)H5Pclose(fapl);
    if (st != BR_OK)
        br_lists_close_file(file);
    return st;
}

void br_lists_close_file(hid_t *file)
{
    if (*file >= 0)
        (void)H5Fclose(*file);
    *file = H5I_INVALID_HID;
}
