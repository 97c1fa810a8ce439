/* SPDX-License-Identifier: Apache-2.0
 *
 * One dataset of an HDF5 input: checked against what it must be, then read in blocks of rows. */
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/watch/watch.h"
#include "host/io/h5/inner.h"

static const struct {
    const char *text;
    int32_t     bytes; /* 0: as the file says */
} type_table[] = {
    [BR_H5_U8]   = {"u8", 1},
    [BR_H5_I32]  = {"i32", 4},
    [BR_H5_I64]  = {"i64", 8},
    [BR_H5_U64]  = {"u64", 8},
    [BR_H5_F32]  = {"f32", 4},
    [BR_H5_REAL] = {"f32 or f64", 0},
    [BR_H5_KEY]  = {"S<n> (fixed-length bytes) or u64", 0},
    [BR_H5_TEXT] = {"S<n> (fixed-length bytes)", 0},
};

static hid_t stored_type(br_h5_type type)
{
    switch (type) {
    case BR_H5_U8:
        return H5T_STD_U8LE;
    case BR_H5_I32:
        return H5T_STD_I32LE;
    case BR_H5_I64:
        return H5T_STD_I64LE;
    case BR_H5_U64:
    case BR_H5_KEY:
        return H5T_STD_U64LE;
    case BR_H5_F32:
    case BR_H5_REAL:
        return H5T_IEEE_F32LE;
    case BR_H5_TEXT:
        break;
    }
    return -1;
}

static const char *class_text(H5T_class_t class)
{
    static const char *const name[] = {[H5T_TIME]      = "time",
                                       [H5T_BITFIELD]  = "bitfield",
                                       [H5T_OPAQUE]    = "opaque",
                                       [H5T_COMPOUND]  = "compound",
                                       [H5T_REFERENCE] = "reference",
                                       [H5T_ENUM]      = "enum (or bool)",
                                       [H5T_VLEN]      = "variable-length",
                                       [H5T_ARRAY]     = "array"};

    return class < 0 || class >= H5T_NCLASSES || name[class] == NULL ? "unknown" : name[class];
}

const char *br_h5_type_text(hid_t type, char text[BR_H5_TYPE_TEXT_BYTES])
{
    H5T_class_t class = H5Tget_class(type);
    size_t      bytes = H5Tget_size(type);
    const char *order = "";

    if (class == H5T_INTEGER || class == H5T_FLOAT)
        order = H5Tget_order(type) == H5T_ORDER_BE ? "big-endian " : "";
    if (class == H5T_INTEGER)
        snprintf(text, BR_H5_TYPE_TEXT_BYTES, "%s%c%zu", order,
                 H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i', 8 * bytes);
    else if (class == H5T_FLOAT)
        snprintf(text, BR_H5_TYPE_TEXT_BYTES, "%sf%zu", order, 8 * bytes);
    else if (class == H5T_STRING && H5Tis_variable_str(type) > 0)
        snprintf(text, BR_H5_TYPE_TEXT_BYTES, "variable-length string");
    else if (class == H5T_STRING)
        snprintf(text, BR_H5_TYPE_TEXT_BYTES, "S%zu", bytes);
    else
        snprintf(text, BR_H5_TYPE_TEXT_BYTES, "%s", class_text(class));
    return text;
}

static bool is_wanted(br_h5_type want, hid_t type)
{
    if (want == BR_H5_REAL && H5Tequal(type, H5T_IEEE_F64LE) > 0)
        return true;
    return want != BR_H5_TEXT && H5Tequal(type, stored_type(want)) > 0;
}

static br_status check_type(br_h5_dataset *set, const br_h5_want *want, hid_t type)
{
    br_status st    = BR_OK;
    size_t    bytes = H5Tget_size(type);
    size_t    max   = want->type == BR_H5_KEY ? BR_H5_MAX_KEY_BYTES : BR_H5_MAX_TEXT;
    bool      is_text;
    char      text[BR_H5_TYPE_TEXT_BYTES];

    is_text = (want->type == BR_H5_KEY || want->type == BR_H5_TEXT) &&
              H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0;
    if (!is_text && !is_wanted(want->type, type))
        BR_FAIL(st, BR_E_INPUT, "%s: %s: type is %s; expected %s", set->file->path, set->path,
                br_h5_type_text(type, text), type_table[want->type].text);
    if (is_text && H5Tget_strpad(type) == H5T_STR_SPACEPAD)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: strings are padded with spaces; expected NULs",
                set->file->path, set->path);
    if (is_text && (bytes < 1 || bytes > max))
        BR_FAIL(st, BR_E_INPUT, "%s: %s: %zu bytes per value; expected 1 to %zu", set->file->path,
                set->path, bytes, max);
    set->is_number   = want->type == BR_H5_KEY && !is_text;
    set->value_bytes = (int32_t)bytes;
    set->memory_type = H5Tcopy(type); /* little-endian in the file and here: no conversion */
    if (set->memory_type < 0)
        BR_FAIL(st, BR_E_MEMORY, "%s: %s: cannot copy the type", set->file->path, set->path);
done:
    return st;
}

static br_status check_rows(const br_h5_dataset *set, const br_h5_want *want)
{
    int64_t max_rows = want->max_rows > 0 ? want->max_rows : (int64_t)1 << 40;
    int64_t max_cols = want->max_cols > 0 ? want->max_cols : 65536;

    if (want->n_rows >= 0 && set->n_rows != want->n_rows)
        return br_fail(BR_E_INPUT, "%s: %s: %lld rows; expected %lld%s%s", set->file->path,
                       set->path, (long long)set->n_rows, (long long)want->n_rows,
                       want->rows_of == NULL ? "" : ", one per row of ",
                       want->rows_of == NULL ? "" : want->rows_of);
    if (set->n_rows < 0 || set->n_rows > max_rows)
        return br_fail(BR_E_INPUT, "%s: %s: %llu rows; at most %lld", set->file->path, set->path,
                       (unsigned long long)set->n_rows, (long long)max_rows);
    if (set->rank == 2 && want->n_cols >= 0 && set->n_cols != want->n_cols)
        return br_fail(BR_E_INPUT, "%s: %s: %lld columns; expected %lld", set->file->path,
                       set->path, (long long)set->n_cols, (long long)want->n_cols);
    if (set->rank == 2 && (set->n_cols < 1 || set->n_cols > max_cols))
        return br_fail(BR_E_INPUT, "%s: %s: %llu columns; expected 1 to %lld", set->file->path,
                       set->path, (unsigned long long)set->n_cols, (long long)max_cols);
    return BR_OK;
}

static br_status check_shape(br_h5_dataset *set, const br_h5_want *want)
{
    br_status st       = BR_OK;
    hsize_t   dims[2]  = {0, 1};
    hid_t     space    = H5Dget_space(set->id);
    int       rank     = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    bool      is_right = want->rank == 0 ? rank == 1 || rank == 2 : rank == want->rank;
    int64_t   n_bytes;
    char      expected[16] = "1 or 2";

    if (want->rank != 0)
        snprintf(expected, sizeof expected, "%d", want->rank);
    if (rank < 0 || H5Sget_simple_extent_type(space) == H5S_NULL)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: has no shape; expected %s dimension(s)", set->file->path,
                set->path, expected);
    if (!is_right)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: %d dimensions; expected %s", set->file->path, set->path,
                rank, expected);
    H5Sget_simple_extent_dims(space, dims, NULL);
    set->rank   = rank;
    set->n_rows = (int64_t)dims[0];
    set->n_cols = (int64_t)dims[1];
    BR_TRY(st, check_rows(set, want));
    if (__builtin_mul_overflow(set->n_rows, set->n_cols, &n_bytes) ||
        __builtin_mul_overflow(n_bytes, (int64_t)set->value_bytes, &n_bytes))
        BR_FAIL(st, BR_E_INPUT, "%s: %s: %llu x %llu values cannot be addressed", set->file->path,
                set->path, (unsigned long long)dims[0], (unsigned long long)dims[1]);
    BR_TRY(st, br_h5_check_storage(set, n_bytes));
done:
    if (space >= 0)
        H5Sclose(space);
    return st;
}

/* Virtual layouts and external storage are looked for before anything that might follow them. */
static br_status check_layout(const br_h5_dataset *set)
{
    br_status    st       = BR_OK;
    hid_t        creation = H5Dget_create_plist(set->id);
    H5D_layout_t layout;

    if (creation < 0)
        BR_TRY(st, br_h5_blame(set->file, set->path, "damaged dataset"));
    if (H5Pget_external_count(creation) != 0)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: stored in another file (external storage); refused",
                set->file->path, set->path);
    layout = H5Pget_layout(creation);
    if (layout == H5D_VIRTUAL)
        BR_FAIL(st, BR_E_INPUT,
                "%s: %s: a view over other files (virtual layout); refused: name the files it "
                "shows, or copy it",
                set->file->path, set->path);
    if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: unknown layout %d", set->file->path, set->path, layout);
done:
    if (creation >= 0)
        H5Pclose(creation);
    return st;
}

br_status br_h5_dataset_id(const br_h5_file *file, const char *path, hid_t *id)
{
    br_status   st    = BR_OK;
    br_h5_place place = {.group = -1};

    *id = -1;
    BR_TRY(st, br_h5_place_find(file, path, &place));
    if (place.info.type != H5O_TYPE_DATASET)
        BR_FAIL(st, BR_E_INPUT, "%s: %s: is a group; expected a dataset", file->path, path);
    BR_TRY(st, br_names_add(&file->access->opened, path));
    *id = H5Dopen2(place.group, place.name, H5P_DEFAULT);
    if (*id < 0)
        BR_TRY(st, br_h5_blame(file, path, "damaged object"));
done:
    if (place.group >= 0)
        H5Gclose(place.group);
    return st;
}

static br_status open_checked(br_h5_dataset *set, const br_h5_want *want)
{
    br_status st   = BR_OK;
    hid_t     type = -1;

    BR_TRY(st, br_h5_dataset_id(set->file, want->path, &set->id));
    BR_TRY(st, check_layout(set));
    type = H5Dget_type(set->id);
    if (type < 0)
        BR_TRY(st, br_h5_blame(set->file, set->path, "damaged type"));
    BR_TRY(st, check_type(set, want, type));
    BR_TRY(st, check_shape(set, want));
done:
    if (type >= 0)
        H5Tclose(type);
    return st;
}

br_status br_h5_dataset_open(const br_h5_file *file, const br_h5_want *want, br_h5_dataset **out)
{
    br_status      st  = BR_OK;
    br_h5_dataset *set = NULL;

    *out = NULL;
    br_h5_enter();
    BR_ALLOC(st, set, 1, "HDF5 dataset");
    set->file        = file;
    set->id          = -1;
    set->memory_type = -1;
    snprintf(set->path, sizeof set->path, "%s", want->path);
    BR_TRY(st, open_checked(set, want));
    *out = set;
    set  = NULL;
done:
    br_h5_dataset_close(&set);
    br_h5_leave();
    return st;
}

void br_h5_dataset_close(br_h5_dataset **set)
{
    if (*set == NULL)
        return;
    br_h5_enter();
    if ((*set)->memory_type >= 0)
        H5Tclose((*set)->memory_type);
    if ((*set)->id >= 0)
        H5Dclose((*set)->id);
    br_h5_leave();
    br_free(&(*set)->column_C);
    br_free(set);
}

br_status br_h5_dataset_select(br_h5_dataset *set, int32_t n, const int32_t *column_C,
                               const char *const *name_C)
{
    br_status st = BR_OK;
    char      name[BR_H5_OBJECT_PATH_BYTES + BR_H5_MAX_TEXT];

    for (int32_t c = 0; c < n; c++) {
        (void)snprintf(name, sizeof name, "%s[%s]", set->path, name_C[c]);
        if (br_h5_is_denied(set->file, name))
            BR_FAIL(st, BR_E_SELFCHECK, "%s: %s: is denied: it must not be read", set->file->path,
                    name);
        BR_TRY(st, br_names_add(&set->file->access->opened, name));
    }
    BR_ALLOC(st, set->column_C, n, "columns of a dataset");
    memcpy(set->column_C, column_C, (size_t)n * sizeof *column_C);
    set->n_cols = n;
done:
    return st;
}

/* Rows [row, row + n_rows) of all columns, or run by run of the selected ones. */
static br_status select_rows(const br_h5_dataset *set, hid_t space, int64_t row, int64_t n_rows)
{
    hsize_t start[2] = {(hsize_t)row, 0};
    hsize_t count[2] = {(hsize_t)n_rows, (hsize_t)set->n_cols};

    for (int64_t c = 0; c < set->n_cols; c += (int64_t)count[1]) {
        if (set->column_C != NULL) {
            start[1] = (hsize_t)set->column_C[c];
            count[1] = 1;
            while (c + (int64_t)count[1] < set->n_cols &&
                   set->column_C[c + (int64_t)count[1]] == (int64_t)(start[1] + count[1]))
                count[1]++;
        }
        if (H5Sselect_hyperslab(space, c == 0 ? H5S_SELECT_SET : H5S_SELECT_OR, start, NULL, count,
                                NULL) < 0)
            return br_h5_blame(set->file, set->path, "cannot select rows");
    }
    return BR_OK;
}

static br_status read_block(const br_h5_dataset *set, int64_t row, int64_t n_rows, void *to)
{
    br_status st       = BR_OK;
    hsize_t   count[2] = {(hsize_t)n_rows, (hsize_t)set->n_cols};
    hid_t     in_file  = H5Dget_space(set->id);
    hid_t     here     = H5Screate_simple(set->rank, count, NULL);
    char      what[80];

    if (in_file < 0 || here < 0)
        BR_TRY(st, br_h5_blame(set->file, set->path, "cannot select rows"));
    BR_TRY(st, select_rows(set, in_file, row, n_rows));
    br_watch_tick();
    if (H5Dread(set->id, set->memory_type, here, in_file, H5P_DEFAULT, to) < 0) {
        snprintf(what, sizeof what, "damaged in rows %lld to %lld", (long long)row,
                 (long long)(row + n_rows - 1));
        BR_TRY(st, br_h5_blame(set->file, set->path, what));
    }
    /* Beyond the end of a file cut short meanwhile, HDF5 gives zeros and reports success. */
    BR_TRY(st, br_h5_check_unchanged(set->file));
done:
    if (in_file >= 0)
        H5Sclose(in_file);
    if (here >= 0)
        H5Sclose(here);
    return st;
}

br_status br_h5_read(const br_h5_dataset *set, int64_t row, int64_t n_rows, void *to)
{
    br_status st = BR_OK;

    if (row < 0 || n_rows < 0 || n_rows > set->n_rows || row > set->n_rows - n_rows)
        return br_fail(BR_E_INPUT, "%s: %s: %lld rows from row %lld asked for; it has %lld",
                       set->file->path, set->path, (long long)n_rows, (long long)row,
                       (long long)set->n_rows);
    if (n_rows == 0)
        return BR_OK;
    br_h5_enter();
    BR_TRY(st, read_block(set, row, n_rows, to));
done:
    br_h5_leave();
    return st;
}
