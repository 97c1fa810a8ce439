/* SPDX-License-Identifier: Apache-2.0
 *
 * The gate every HDF5 input passes. Files are opened read-only through plain system calls; links
 * other than hard ones, external storage, virtual layouts and filters other than shuffle, deflate
 * and Fletcher32 are refused, and type, shape and stored size are checked before a byte of a
 * dataset is used. Every message names file, dataset, what was found and what was expected.
 *
 * Threads: a br_h5_file belongs to one thread at a time. Different threads may use different files:
 * every function here holds the process-wide lock (br_h5_enter), because HDF5 is thread-safe only
 * in some builds (Debian's is, by one global lock, so nothing is lost). Code elsewhere in host/io
 * that calls HDF5 itself brackets its calls with br_h5_enter and br_h5_leave. */
#ifndef BR_HOST_IO_H5_H
#define BR_HOST_IO_H5_H

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/io/keys.h"

#define BR_H5_COMPLAINT_BYTES   512
#define BR_H5_OBJECT_PATH_BYTES 256  /* of an object inside a file */
#define BR_H5_MAX_OBJECTS       8192 /* groups and datasets of one file */
#define BR_H5_MAX_DEPTH         8
#define BR_H5_MAX_ATTRS         64
#define BR_H5_MAX_KEY_BYTES     255
#define BR_H5_MAX_TEXT          1024                /* bytes of one fixed string that is no key */
#define BR_H5_MAX_CHUNK         ((int64_t)64 << 20) /* bytes of one chunk, decompressed */
#define BR_H5_MAX_RATIO         200                 /* decompressed : stored, of 16 MiB and more */
#define BR_H5_RATIO_FLOOR       ((int64_t)16 << 20)

/* Once per process, from main before threads start; br_h5_open repeats it harmlessly. Clears
 * HDF5_* from the environment, forbids plugins, leaves no exit handler. BR_E_DEVICE never;
 * BR_E_IO when the library cannot start. */
br_status br_h5_setup(void);

/* The process-wide lock (recursive); also silences HDF5's own error printing on this thread. */
void br_h5_enter(void);
void br_h5_leave(void);

/* HDF5's innermost complaint of this thread's last failed call. Returns `text`. */
const char *br_h5_complaint(char text[BR_H5_COMPLAINT_BYTES]);

typedef struct br_h5_file br_h5_file;

/* BR_E_IO: missing, unreadable, no regular file. BR_E_INPUT: empty, no HDF5, truncated, longer than
 * it says, has a user block, still open for write. Nothing inside is looked at yet. */
br_status   br_h5_open(const char *path, br_h5_file **out);
void        br_h5_close(br_h5_file **file);
const char *br_h5_path(const br_h5_file *file);
bool        br_h5_is(const char *path); /* starts with the HDF5 signature; false when unreadable */

/* Root attributes `format` and `version` are these. */
br_status br_h5_check_format(const br_h5_file *file, const char *format, int64_t version);

/* Walks the whole file (hard links only, bounded objects, attributes and depth, no group reached
 * twice) and keeps the list of its objects. */
br_status br_h5_walk(br_h5_file *file);

typedef struct br_h5_object {
    char    path[BR_H5_OBJECT_PATH_BYTES]; /* "/customer/key" */
    int32_t name_at;                       /* path + name_at: its last part */
    int32_t parent;                        /* -1: child of the root */
    bool    is_group;
    bool    is_known; /* looked up by a reader; see br_h5_check_all_known */
} br_h5_object;

/* After br_h5_walk. `find` returns NULL when absent and marks what it finds as known; `child`
 * gives the objects of a group one by one in order of name (*cursor from 0; NULL at the end). */
const br_h5_object *br_h5_find(br_h5_file *file, const char *path);
const br_h5_object *br_h5_child(const br_h5_file *file, const char *group, int32_t *cursor);
/* BR_E_INPUT when `path` is there and is no group; marks it as known. */
br_status           br_h5_check_group(br_h5_file *file, const char *path);
/* An object that nobody looked up is BR_E_INPUT: a misspelt /exclude must not pass in silence. */
br_status           br_h5_check_all_known(const br_h5_file *file);

typedef enum {
    BR_H5_U8,
    BR_H5_I32,
    BR_H5_I64,
    BR_H5_U64,
    BR_H5_F32,
    BR_H5_REAL, /* f32 or f64; value_bytes tells */
    BR_H5_KEY,  /* S<n> or u64 */
    BR_H5_TEXT  /* S<n> */
} br_h5_type;

/* What a dataset must be. */
typedef struct br_h5_want {
    const char *path;
    br_h5_type  type;
    int32_t     rank;     /* 1 or 2; 0: either (1-d is one column) */
    int64_t     n_rows;   /* -1: any up to max_rows */
    int64_t     n_cols;   /* rank 2; -1: any in 1..max_cols */
    int64_t     max_rows; /* 0: 2^40 */
    int64_t     max_cols; /* 0: 65,536 */
    const char *rows_of;  /* for the message: what n_rows counts; may be NULL */
} br_h5_want;

typedef struct br_h5_dataset {
    const br_h5_file *file;
    char              path[BR_H5_OBJECT_PATH_BYTES];
    hid_t             id;
    hid_t             memory_type;
    int32_t           rank;
    bool              is_number; /* of BR_H5_KEY: u64 */
    int32_t           value_bytes;
    int64_t           n_rows;
    int64_t           n_cols;   /* 1 for rank 1 */
    int32_t          *column_C; /* [n_cols] those selected (h5/access.h); NULL: all */
} br_h5_dataset;

/* Works with and without br_h5_walk: each part of the path is checked. */
br_status br_h5_dataset_open(const br_h5_file *file, const br_h5_want *want, br_h5_dataset **out);
void      br_h5_dataset_close(br_h5_dataset **set);
/* Rows [row, row + n_rows) into `to`, row-major, as stored. */
br_status br_h5_read(const br_h5_dataset *set, int64_t row, int64_t n_rows, void *to);
/* The same as keys (a dataset of BR_H5_KEY or BR_H5_TEXT); `keys` is emptied first. A key with a
 * NUL inside is refused. */
br_status br_h5_read_keys(const br_h5_dataset *set, int64_t row, int64_t n_rows, br_keys *keys);
/* BR_E_INPUT when a key read from rows starting at `row` has a NUL inside. */
br_status br_h5_check_keys(const br_h5_dataset *set, int64_t row, const br_keys *keys);

/* Attributes of the object at `path` ("/" the root). Text: a fixed-length string, cut never. */
br_status br_h5_attr_text(const br_h5_file *file, const char *path, const char *name, char *out,
                          size_t out_bytes);
br_status br_h5_attr_i64(const br_h5_file *file, const char *path, const char *name, int64_t *out);
/* A 1-d attribute of n_wanted fixed strings (-1: any number). br_keys_free it. */
br_status br_h5_attr_texts(const br_h5_file *file, const char *path, const char *name,
                           int64_t n_wanted, br_keys *out);

#endif
