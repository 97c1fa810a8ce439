/* SPDX-License-Identifier: Apache-2.0
 *
 * Bits in device memory that a test program flips (host/base/inject/flip.h). In any other program
 * br_flip_is_due is false and nothing happens. */
#include "host/base/inject/flip.h"
#include "host/base/memory.h"
#include "host/pipeline/detect/detect.h"
#include "host/pipeline/detect/memory.h"

typedef struct flipping {
    br_dev     *dev;
    const char *place;
} flipping;

static br_status flip(br_dev *dev, const char *place, br_mat mat)
{
    br_status      st        = BR_OK;
    unsigned char *bytes     = NULL;
    size_t         row_bytes = (size_t)mat.n_cols * br_dtype_bytes(mat.dtype), bit;

    if (!br_flip_is_due(place, (size_t)mat.n_rows * row_bytes, &bit))
        return BR_OK;
    mat = br_mat_rows(mat, (int64_t)(bit / 8 / row_bytes), 1);
    bit -= bit / 8 / row_bytes * row_bytes * 8;
    BR_TRY(st, br_alloc((int64_t)row_bytes, 1, "a row with a flipped bit", (void **)&bytes));
    BR_TRY(st, br_download(dev, mat, bytes));
    bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    BR_TRY(st, br_upload(dev, mat, bytes));
    BR_TRY(st, br_dev_sync(dev));
done:
    br_free(&bytes);
    return st;
}

br_status br_detect_flip(br_job *job, const char *place, br_mat mat)
{
    return flip(job->dev, place, mat);
}

static br_status flip_piece(void *context, const char *what, br_mat piece)
{
    const flipping *f = context;

    (void)what;
    return flip(f->dev, f->place, piece);
}

br_status br_detect_flip_memory(br_job *job)
{
    br_status st      = BR_OK;
    flipping  weights = {job->dev, "weights"};
    flipping  all     = {job->dev, "memory"};

    if (job->model != NULL)
        BR_TRY(st, br_model_visit(job->model, flip_piece, &weights));
    BR_TRY(st, br_detect_flip(job, "catalogue", job->item_ND));
    BR_TRY(st, br_memory_visit(job, flip_piece, &all));
done:
    return st;
}
