/* SPDX-License-Identifier: Apache-2.0
 *
 * Devices, their memory, and views of it: the first part of the seam (ops.h includes it). */
#ifndef BR_KERNELS_DEVICE_H
#define BR_KERNELS_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { BR_BACKEND_AUTO, BR_BACKEND_REF, BR_BACKEND_CPU, BR_BACKEND_CUDA } br_backend;
typedef enum { BR_F32, BR_I32, BR_I64, BR_U64, BR_U8, BR_BF16, BR_F64 } br_dtype;

typedef struct br_dev      br_dev;      /* a backend with one stream and one scratch stack */
typedef struct br_buf      br_buf;      /* opaque device memory */
typedef struct br_items    br_items;    /* a catalogue prepared for score_topk by one backend */
typedef struct br_prepared br_prepared; /* a weight matrix prepared for products by one backend */

/* A row-major view; `offset` and `ld` (>= n_cols) in elements. buf == NULL: absent. */
typedef struct br_mat {
    br_buf  *buf;
    int64_t  offset;
    int64_t  n_rows;
    int64_t  n_cols;
    int64_t  ld;
    br_dtype dtype;
} br_mat;

size_t br_dtype_bytes(br_dtype dtype);

/* Which GPU this process uses: number `place` of those that CUDA_VISIBLE_DEVICES leaves. Where that
 * is a single one the launcher has chosen already, and only a place that is_asked_for counts.
 * Before the first device is opened; nothing in a build without CUDA. BR_E_DEVICE: there are fewer.
 */
br_status br_dev_choose(int32_t place, bool is_asked_for);

/* Opens a device with a scratch stack of scratch_bytes. AUTO picks cuda when a usable GPU is
 * there, else cpu. BR_E_DEVICE when the backend is not in this build or has no device. */
br_status   br_dev_open(br_backend backend, size_t scratch_bytes, br_dev **out);
/* One more stream with its own scratch stack on the same device: buffers are shared. A device
 * and its lanes may be used by one thread each, at the same time. */
br_status   br_dev_open_lane(br_dev *dev, size_t scratch_bytes, br_dev **out);
void        br_dev_close(br_dev **dev);
const char *br_dev_backend_name(const br_dev *dev);
const char *br_dev_description(const br_dev *dev); /* "cpu: AVX2" */
const char *br_dev_identity(const br_dev *dev);    /* of the one GPU among all; "": a processor */
br_status   br_dev_sync(br_dev *dev);

/* What keeps a device busy: lanes (0: one per core), and rows and events of a task, at least. */
typedef struct br_grain {
    int32_t n_lanes;
    int32_t n_rows;
    int64_t n_events;
    size_t  lane_bytes; /* that ops take for a lane beside its scratch, about */
} br_grain;
br_grain br_dev_grain(const br_dev *dev);

/* What ops have enqueued since the device was opened; zeros where nothing is enqueued. */
typedef struct br_launches {
    int64_t n_single;   /* kernels, one by one */
    int64_t n_recorded; /* sequences of kernels that were recorded */
    int64_t n_replays;  /* of these, each enqueued at once */
    int64_t n_replayed; /* kernels in these */
} br_launches;
br_launches br_dev_launches(const br_dev *dev);

/* Bytes of device memory that are free; SIZE_MAX where it is the host's. */
br_status br_dev_room(br_dev *dev, size_t *bytes);

/* Long-lived zeroed memory, freed by br_dev_free (accepts an absent view). */
br_status br_dev_alloc(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols, br_mat *out);
void      br_dev_free(br_mat *mat);
/* Scratch: lives until the stack is rewound below it. BR_E_MEMORY when the stack is full. */
br_status br_dev_scratch(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols, br_mat *out);
size_t    br_dev_mark(const br_dev *dev);
void      br_dev_rewind(br_dev *dev, size_t mark);
size_t    br_dev_scratch_peak(const br_dev *dev);

/* Whole views, host side dense (ld == n_cols). */
br_status br_upload(br_dev *dev, br_mat to, const void *from);
br_status br_download(br_dev *dev, br_mat from, void *to);

br_mat br_mat_rows(br_mat mat, int64_t row, int64_t n_rows); /* a slice of rows */
br_mat br_mat_cols(br_mat mat, int64_t col, int64_t n_cols); /* a slice of columns */

#ifdef __cplusplus
}
#endif

#endif
