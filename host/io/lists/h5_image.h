/* SPDX-License-Identifier: Apache-2.0
 *
 * Building an HDF5 file in memory (core driver, no backing store): latest 1.10 format, no object
 * times, fixed creation order, Fletcher32. The same calls give the same bytes. HDF5 never holds
 * the descriptor of a file that is published. Called once per part; private to host/io.
 * Callers hold the library (br_h5_enter). */
#ifndef BR_HOST_IO_LISTS_H5_IMAGE_H
#define BR_HOST_IO_LISTS_H5_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/io/h5.h"
#include "host/io/keys.h"

#define BR_H5_PATH_BYTES 160

typedef struct br_h5_image br_h5_image;

/* A file with root attributes `format` and `version` 1. `expected_bytes` sizes its growth; the
 * bytes exist once, and a growing block may be copied for a moment. */
br_status br_h5_image_create(const char *format, size_t expected_bytes, br_h5_image **out);
void      br_h5_image_destroy(br_h5_image **image);
hid_t     br_h5_image_file(const br_h5_image *image);
/* Closes the file, hands its bytes over (br_free) and destroys the image. */
br_status br_h5_image_finish(br_h5_image **image, void **bytes, size_t *n_bytes);

br_status br_h5_image_group(hid_t file, const char *path);

/* A dataset of rank 1 or 2, cut into chunks of whole rows. */
typedef struct br_h5_array {
    char        path[BR_H5_PATH_BYTES];
    hid_t       type; /* in memory and in the file */
    int         rank;
    hsize_t     dims[2];
    const void *data;
} br_h5_array;

br_status br_h5_image_write(hid_t file, const br_h5_array *array);
br_status br_h5_image_keys(hid_t file, const char *path, const br_keys *key); /* rank 1 */
/* `names` as attribute `names` S<width>[n] of the object at `path`; rows of `width_bytes`. */
br_status br_h5_image_names(hid_t file, const char *path, int n, const char *names,
                            size_t width_bytes);
/* `value` as a scalar i64 attribute of the object at `path`. */
br_status br_h5_image_number(hid_t file, const char *path, const char *name, int64_t value);
/* Fixed-width bytes, NUL-padded. Closed with H5Tclose; negative on failure. */
hid_t     br_h5_bytes_type(size_t width_bytes);
#endif
