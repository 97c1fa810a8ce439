/* SPDX-License-Identifier: Apache-2.0
 *
 * An HDF5 file in memory, made of fixed-width arrays. Called once per part by lists_image.c and
 * lists_view.c. A failure here is want of memory: nothing touches a disk. */
#include "host/io/lists/h5_image.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/lists/h5_chunks.h"

#define CHUNK_BYTES      ((hsize_t)2 << 20)
#define MIN_GROWTH_BYTES ((size_t)1 << 20)
#define MAX_LINKS        1024
#define LARGE_BYTES      ((size_t)4 << 20)
#define N_GROWTH_STEPS   8
#define SUPERBLOCK_BYTES 48
#define END_OF_FILE_AT   28

static br_status h5_failure(const char *what)
{
    char text[BR_H5_COMPLAINT_BYTES];

    return br_fail(BR_E_MEMORY, "HDF5 image in memory: cannot make %s: %s", what,
                   br_h5_complaint(text));
}

hid_t br_h5_bytes_type(size_t width_bytes)
{
    hid_t type = H5Tcopy(H5T_C_S1);

    if (type >= 0 &&
        (H5Tset_size(type, width_bytes) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0)) {
        (void)H5Tclose(type);
        type = H5I_INVALID_HID;
    }
    return type;
}

static br_status write_attribute(hid_t object, const char *name, hid_t type, hsize_t n,
                                 const void *data)
{
    hid_t space = n == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &n, NULL);
    hid_t attribute =
        space < 0 ? -1 : H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool is_written = attribute >= 0 && H5Awrite(attribute, type, data) >= 0;

    if (attribute >= 0)
        (void)H5Aclose(attribute);
    if (space >= 0)
        (void)H5Sclose(space);
    return is_written ? BR_OK : h5_failure(name);
}

static br_status write_format(hid_t file, const char *format)
{
    br_status st      = BR_OK;
    int64_t   version = 1;
    hid_t     type    = br_h5_bytes_type(strlen(format));

    if (type < 0)
        BR_FAIL(st, BR_E_MEMORY, "HDF5 image in memory: cannot make a type");
    BR_TRY(st, write_attribute(file, "format", type, 0, format));
    BR_TRY(st, write_attribute(file, "version", H5T_STD_I64LE, 0, &version));
done:
    if (type >= 0)
        (void)H5Tclose(type);
    return st;
}

/* The core driver asks us for its memory, so that the finished bytes can be kept when it closes:
 * an image copied from an open file carries the mark of a writer, and no reader takes it. */
struct br_h5_image {
    hid_t  file;
    void  *bytes;
    size_t capacity_bytes; /* that the driver knows of */
    size_t block_bytes;    /* that are there */
    bool   is_kept;        /* the driver has closed; `bytes` is ours */
};

/* A large image's memory, touched once without the lock: the driver fills it with zeros under the
 * lock, and page faults are most of what that costs. A small one's is left to the driver. */
static br_status prepare(br_h5_image *image, size_t n_bytes)
{
    if (n_bytes < LARGE_BYTES)
        return BR_OK;
    br_h5_leave();
    image->bytes = malloc(n_bytes);
    if (image->bytes != NULL) {
        image->block_bytes = n_bytes;
        memset(image->bytes, 0, n_bytes);
    }
    br_h5_enter();
    return image->bytes != NULL
               ? BR_OK
               : br_fail(BR_E_MEMORY, "HDF5 image in memory: no memory for %zu bytes", n_bytes);
}

static void *image_realloc(void *old, size_t n_bytes, H5FD_file_image_op_t op, void *context)
{
    br_h5_image *image = context;
    void        *grown = n_bytes <= image->block_bytes ? image->bytes : realloc(old, n_bytes);

    (void)op;
    if (grown != NULL) {
        image->bytes          = grown;
        image->capacity_bytes = n_bytes;
    }
    return grown;
}

/* Where nothing was prepared, `old` is NULL. */
static void *image_malloc(size_t n_bytes, H5FD_file_image_op_t op, void *context)
{
    return image_realloc(((br_h5_image *)context)->bytes, n_bytes, op, context);
}

static herr_t image_free(void *bytes, H5FD_file_image_op_t op, void *context)
{
    br_h5_image *image = context;

    (void)op;
    image->is_kept = image->bytes == bytes;
    return 0;
}

static void *same_context(void *context)
{
    return context;
}

static herr_t keep_context(void *context)
{
    (void)context;
    return 0;
}

static hid_t open_core(br_h5_image *image, size_t growth_bytes)
{
    static atomic_uint          n_images;
    const unsigned              in_order = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED;
    H5FD_file_image_callbacks_t memory   = {.image_malloc  = image_malloc,
                                            .image_realloc = image_realloc,
                                            .image_free    = image_free,
                                            .udata_copy    = same_context,
                                            .udata_free    = keep_context,
                                            .udata         = image};
    hid_t                       file     = H5I_INVALID_HID;
    hid_t                       access   = H5Pcreate(H5P_FILE_ACCESS);
    hid_t                       create   = H5Pcreate(H5P_FILE_CREATE);
    char                        name[32]; /* of no file: HDF5 tells open images apart by it */

    (void)snprintf(name, sizeof name, "image-%u", atomic_fetch_add(&n_images, 1));
    if (access >= 0 && create >= 0 && H5Pset_fapl_core(access, growth_bytes, 0) >= 0 &&
        H5Pset_file_image_callbacks(access, &memory) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0 &&
        H5Pset_link_creation_order(create, in_order) >= 0 && H5Pset_obj_track_times(create, 0) >= 0)
        file = H5Fcreate(name, H5F_ACC_TRUNC, create, access);
    if (access >= 0)
        (void)H5Pclose(access);
    if (create >= 0)
        (void)H5Pclose(create);
    return file;
}

br_status br_h5_image_create(const char *format, size_t expected_bytes, br_h5_image **out)
{
    br_status    st     = BR_OK;
    br_h5_image *image  = NULL;
    size_t       growth = expected_bytes / N_GROWTH_STEPS;

    *out = NULL;
    BR_TRY(st, br_h5_setup());
    BR_ALLOC(st, image, 1, "HDF5 image");
    image->file = H5I_INVALID_HID;
    BR_TRY(st, prepare(image, expected_bytes));
    image->file = open_core(image, growth < MIN_GROWTH_BYTES ? MIN_GROWTH_BYTES : growth);
    if (image->file < 0) {
        st = h5_failure("the file");
        goto done;
    }
    BR_TRY(st, write_format(image->file, format));
    *out  = image;
    image = NULL;
done:
    br_h5_image_destroy(&image);
    return st;
}

void br_h5_image_destroy(br_h5_image **image)
{
    if (*image == NULL)
        return;
    if ((*image)->file >= 0)
        (void)H5Fclose((*image)->file);
    free((*image)->bytes);
    br_free(image);
}

hid_t br_h5_image_file(const br_h5_image *image)
{
    return image->file;
}

br_status br_h5_image_group(hid_t file, const char *path)
{
    const unsigned in_order = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED;
    hid_t          create   = H5Pcreate(H5P_GROUP_CREATE);
    hid_t          group    = H5I_INVALID_HID;

    /* links stay in the group's header: one checksum over all, one way to read them */
    if (create >= 0 && H5Pset_link_creation_order(create, in_order) >= 0 &&
        H5Pset_link_phase_change(create, MAX_LINKS, MAX_LINKS) >= 0 &&
        H5Pset_obj_track_times(create, 0) >= 0)
        group = H5Gcreate2(file, path, H5P_DEFAULT, create, H5P_DEFAULT);
    if (create >= 0)
        (void)H5Pclose(create);
    if (group < 0)
        return h5_failure(path);
    (void)H5Gclose(group);
    return BR_OK;
}

/* Rows of a chunk; 0: an empty array, which is stored contiguously. */
static hsize_t chunk_rows_of(const br_h5_array *array)
{
    hsize_t row_bytes = H5Tget_size(array->type) * (array->rank > 1 ? array->dims[1] : 1);
    hsize_t n_rows    = row_bytes == 0 ? 0 : CHUNK_BYTES / row_bytes;

    if (array->dims[0] == 0 || row_bytes == 0)
        return 0;
    if (n_rows == 0)
        return 1;
    return n_rows < array->dims[0] ? n_rows : array->dims[0];
}

static bool set_layout(hid_t create, const br_h5_array *array)
{
    hsize_t chunk[2] = {chunk_rows_of(array), array->rank > 1 ? array->dims[1] : 1};

    if (H5Pset_obj_track_times(create, 0) < 0)
        return false;
    return chunk[0] == 0 ||
           (H5Pset_chunk(create, array->rank, chunk) >= 0 && H5Pset_fletcher32(create) >= 0);
}

static bool write_rows(hid_t dataset, const br_h5_array *array)
{
    hsize_t chunk_rows = chunk_rows_of(array);

    return array->data == NULL || chunk_rows == 0 || br_h5_chunks_write(dataset, chunk_rows, array);
}

br_status br_h5_image_write(hid_t file, const br_h5_array *array)
{
    hid_t space   = H5Screate_simple(array->rank, array->dims, NULL);
    hid_t create  = H5Pcreate(H5P_DATASET_CREATE);
    hid_t dataset = H5I_INVALID_HID;
    bool  is_written;

    if (space >= 0 && create >= 0 && set_layout(create, array))
        dataset =
            H5Dcreate2(file, array->path, array->type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    is_written = dataset >= 0 && write_rows(dataset, array);
    if (dataset >= 0)
        is_written = H5Dclose(dataset) >= 0 && is_written;
    if (create >= 0)
        (void)H5Pclose(create);
    if (space >= 0)
        (void)H5Sclose(space);
    return is_written ? BR_OK : h5_failure(array->path);
}

br_status br_h5_image_keys(hid_t file, const char *path, const br_keys *key)
{
    br_status   st    = BR_OK;
    br_h5_array array = {.rank = 1, .dims = {(hsize_t)key->n_keys, 0}, .data = key->data};

    (void)snprintf(array.path, sizeof array.path, "%s", path);
    array.type =
        key->is_number ? H5Tcopy(H5T_STD_U64LE) : br_h5_bytes_type((size_t)key->width_bytes);
    if (array.type < 0) {
        st = h5_failure(path);
        goto done;
    }
    BR_TRY(st, br_h5_image_write(file, &array));
done:
    if (array.type >= 0)
        (void)H5Tclose(array.type);
    return st;
}

br_status br_h5_image_names(hid_t file, const char *path, int n, const char *names,
                            size_t width_bytes)
{
    br_status st     = BR_OK;
    hid_t     object = H5Oopen(file, path, H5P_DEFAULT);
    hid_t     type   = br_h5_bytes_type(width_bytes);

    if (object < 0 || type < 0) {
        st = h5_failure(path);
        goto done;
    }
    BR_TRY(st, write_attribute(object, "names", type, (hsize_t)n, names));
done:
    if (type >= 0)
        (void)H5Tclose(type);
    if (object >= 0)
        (void)H5Oclose(object);
    return st;
}

br_status br_h5_image_number(hid_t file, const char *path, const char *name, int64_t value)
{
    br_status st     = BR_OK;
    hid_t     object = H5Oopen(file, path, H5P_DEFAULT);

    if (object < 0) {
        st = h5_failure(path);
        goto done;
    }
    BR_TRY(st, write_attribute(object, name, H5T_STD_I64LE, 0, &value));
done:
    if (object >= 0)
        (void)H5Oclose(object);
    return st;
}

/* The block is longer than the file in it, whose length stands in its superblock (version 2 or 3:
 * "end of file address"). */
static size_t length_of(const br_h5_image *image)
{
    const uint8_t *bytes  = image->bytes;
    uint64_t       length = 0;

    if (image->capacity_bytes < SUPERBLOCK_BYTES || bytes[8] < 2 || bytes[9] != 8)
        return 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | bytes[END_OF_FILE_AT + i];
    return length < SUPERBLOCK_BYTES || length > image->capacity_bytes ? 0 : (size_t)length;
}

br_status br_h5_image_finish(br_h5_image **image, void **bytes, size_t *n_bytes)
{
    br_status st = BR_OK;
    herr_t    is_closed;
    size_t    length;
    void     *fitted;

    is_closed      = H5Fclose((*image)->file);
    (*image)->file = H5I_INVALID_HID;
    if (is_closed < 0 || !(*image)->is_kept) {
        st = h5_failure("its end");
        goto done;
    }
    length = length_of(*image);
    if (length == 0)
        BR_FAIL(st, BR_E_SELFCHECK, "HDF5 image in memory: no superblock of version 2 or 3");
    fitted          = realloc((*image)->bytes, length);
    *bytes          = fitted != NULL ? fitted : (*image)->bytes;
    *n_bytes        = length;
    (*image)->bytes = NULL;
done:
    br_h5_image_destroy(image);
    return st;
}
