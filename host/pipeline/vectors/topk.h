/* SPDX-License-Identifier: Apache-2.0
 *
 * The `topk` job: exact top-k of two matrices. No configuration, no model. */
#ifndef BR_HOST_PIPELINE_VECTORS_TOPK_H
#define BR_HOST_PIPELINE_VECTORS_TOPK_H

#include <stdint.h>

#include "host/base/status.h"
#include "kernels/ops.h"

typedef struct br_topk_options {
    const char *customers;     /* [U, D] float32: x.npy or file.h5:/dataset */
    const char *items;         /* [N, D] */
    const char *bias;          /* [N], or NULL */
    const char *customer_keys; /* [U] keys; NULL: row numbers */
    const char *item_keys;     /* [N] keys; NULL: row numbers */
    const char *exclude;       /* file.h5:/group with offset u64[U+1], item i32; NULL: none */
    const char *out;           /* the lists file */
    int64_t     k;
    int64_t     n_threads; /* 0: one lane per core */
    br_backend  backend;
} br_topk_options;

/* Writes options->out (docs/FORMATS.md, "Lists"). Needs memory for the lists twice over and for
 * both vectors of a block of 65,536 customers; says how much before it starts. */
br_status br_job_topk(const br_topk_options *options);

#endif
