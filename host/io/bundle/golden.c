/* SPDX-License-Identifier: Apache-2.0
 *
 * golden.h5 through the gate of every HDF5 input. Called once per process, by `verify --golden`. */
#include "host/io/golden.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/h5.h"

#define MAX_ROWS   4096
#define MAX_DIM    1024 /* of score_topk, as MAX_K */
#define MAX_K      1024
#define MAX_EVENTS ((int64_t)1 << 24)

/* A dataset as it is in the file. */
typedef struct array {
    int64_t n_rows;
    int64_t n_cols;
    void   *data;
} array;

static br_status read_array(br_h5_file *file, const br_h5_want *want, array *out)
{
    br_status      st  = BR_OK;
    br_h5_dataset *set = NULL;

    (void)br_h5_find(file, want->path);
    BR_TRY(st, br_h5_dataset_open(file, want, &set));
    *out = (array){.n_rows = set->n_rows, .n_cols = set->n_cols};
    BR_TRY(st,
           br_alloc(set->n_rows * set->n_cols, (size_t)set->value_bytes, want->path, &out->data));
    if (set->n_rows > 0)
        BR_TRY(st, br_h5_read(set, 0, set->n_rows, out->data));
done:
    br_h5_dataset_close(&set);
    return st;
}

static br_status check_offsets(const br_h5_file *file, const array *offset, int64_t n_events)
{
    const uint64_t *offset_U1 = offset->data;

    if (offset_U1[0] != 0 || offset_U1[offset->n_rows - 1] != (uint64_t)n_events)
        return br_fail(BR_E_INPUT,
                       "%s: /timeline/offset: found %" PRIu64 " to %" PRIu64 ", expected 0 to "
                       "%" PRId64 ", the length of /timeline/item",
                       br_h5_path(file), offset_U1[0], offset_U1[offset->n_rows - 1], n_events);
    for (int64_t u = 1; u < offset->n_rows; u++)
        if (offset_U1[u] < offset_U1[u - 1])
            return br_fail(BR_E_INPUT,
                           "%s: /timeline/offset: row %" PRId64 ": found %" PRIu64 " after "
                           "%" PRIu64 ", expected no less",
                           br_h5_path(file), u, offset_U1[u], offset_U1[u - 1]);
    return BR_OK;
}

static br_status read_timeline(br_h5_file *file, br_golden *out)
{
    br_status st     = BR_OK;
    array     offset = {0}, item = {0};

    if (br_h5_find(file, "/timeline") == NULL)
        return BR_OK;
    BR_TRY(st, br_h5_check_group(file, "/timeline"));
    BR_TRY(st, read_array(file,
                          &(br_h5_want){.path    = "/timeline/offset",
                                        .type    = BR_H5_U64,
                                        .rank    = 1,
                                        .n_rows  = out->n_rows + 1,
                                        .rows_of = "/vector, and one"},
                          &offset));
    BR_TRY(st, read_array(file,
                          &(br_h5_want){.path     = "/timeline/item",
                                        .type     = BR_H5_I32,
                                        .rank     = 1,
                                        .n_rows   = -1,
                                        .max_rows = MAX_EVENTS},
                          &item));
    if (item.n_rows < 1)
        BR_FAIL(st, BR_E_INPUT, "%s: /timeline/item: 0 rows; expected at least one event",
                br_h5_path(file));
    BR_TRY(st, check_offsets(file, &offset, item.n_rows));
    BR_ALLOC(st, out->offset_U1, out->n_rows + 1, "golden offsets");
    for (int64_t u = 0; u <= out->n_rows; u++)
        out->offset_U1[u] = (int32_t)((const uint64_t *)offset.data)[u];
    out->n_events = item.n_rows;
    out->item_E   = item.data;
    item.data     = NULL;
done:
    br_free(&item.data);
    br_free(&offset.data);
    return st;
}

static br_status read_vectors(br_h5_file *file, br_golden *out)
{
    br_status st     = BR_OK;
    array     vector = {0};

    BR_TRY(st, read_array(file,
                          &(br_h5_want){.path     = "/vector",
                                        .type     = BR_H5_F32,
                                        .rank     = 2,
                                        .n_rows   = -1,
                                        .n_cols   = -1,
                                        .max_rows = MAX_ROWS,
                                        .max_cols = MAX_DIM},
                          &vector));
    out->vector_UD = vector.data;
    out->n_rows    = vector.n_rows;
    out->dim       = (int32_t)vector.n_cols;
    if (vector.n_rows < 1)
        BR_FAIL(st, BR_E_INPUT, "%s: /vector: 0 rows; expected at least one customer",
                br_h5_path(file));
    for (int64_t i = 0; i < vector.n_rows * vector.n_cols; i++)
        if (!isfinite(out->vector_UD[i]))
            BR_FAIL(st, BR_E_INPUT,
                    "%s: /vector: row %" PRId64 ", column %" PRId64 ": found %f, expected a finite "
                    "value",
                    br_h5_path(file), i / out->dim, i % out->dim, (double)out->vector_UD[i]);
done:
    return st;
}

static br_status read_lists(br_h5_file *file, br_golden *out)
{
    br_status  st   = BR_OK;
    array      item = {0}, score = {0};
    br_h5_want want = {.path     = "/list/item",
                       .type     = BR_H5_I32,
                       .rank     = 2,
                       .n_rows   = out->n_rows,
                       .n_cols   = -1,
                       .max_cols = MAX_K,
                       .rows_of  = "/vector"};

    BR_TRY(st, br_h5_check_group(file, "/list"));
    BR_TRY(st, read_array(file, &want, &item));
    out->item_UK = item.data;
    out->k       = (int32_t)item.n_cols;
    want.path    = "/list/score";
    want.type    = BR_H5_F32;
    want.n_cols  = item.n_cols;
    BR_TRY(st, read_array(file, &want, &score));
    out->score_UK = score.data;
done:
    return st;
}

br_status br_golden_read(const char *path, br_golden *out)
{
    br_status   st   = BR_OK;
    br_h5_file *file = NULL;

    *out = (br_golden){0};
    BR_TRY(st, br_h5_open(path, &file));
    BR_TRY(st, br_h5_check_format(file, "batchrank-golden", 1));
    BR_TRY(st, br_h5_walk(file));
    BR_TRY(st, br_h5_attr_text(file, "/", "source", out->source, sizeof out->source));
    BR_TRY(st, read_vectors(file, out));
    BR_TRY(st, read_timeline(file, out));
    BR_TRY(st, read_lists(file, out));
    BR_TRY(st, br_h5_check_all_known(file));
done:
    if (st != BR_OK)
        br_golden_free(out);
    br_h5_close(&file);
    return st;
}

void br_golden_free(br_golden *golden)
{
    br_free(&golden->offset_U1);
    br_free(&golden->item_E);
    br_free(&golden->vector_UD);
    br_free(&golden->item_UK);
    br_free(&golden->score_UK);
    *golden = (br_golden){0};
}
