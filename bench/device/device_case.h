/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cases of bench_device share: its options, peaks, timing, and the rows that it prints. */
#ifndef BR_BENCH_DEVICE_DEVICE_CASE_H
#define BR_BENCH_DEVICE_DEVICE_CASE_H

#include <stdio.h>

#include "kernels/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of this device in this run; 0: not measured. */
typedef struct device_peaks {
    double copy_gbs;       /* bytes read and written */
    double gemm_gflops[2]; /* fp32, bf16: products through the vendor's library */
} device_peaks;

typedef struct device_bench {
    br_backend   backend;
    bool         is_small; /* shapes that a checker or a host gets through in seconds */
    FILE        *json;     /* a line per row, or NULL */
    br_dev      *dev;
    device_peaks peaks;
    int          n_rows;
    int          n_failed; /* rows that an error ended */
    int64_t      n_wrong;
} device_bench;

/* Seconds of one call. */
typedef struct device_times {
    double least;
    double median;
    double most;
    double n_launches; /* of a call, recorded sequences counted once; 0: nothing is launched */
} device_times;

typedef br_status (*device_fn)(void *context);

/* Enqueues fn once unmeasured, then in rounds of enough calls to fill 5 ms, each waited for; up to
 * 15 rounds or 4 s, at least 3. */
br_status device_time(br_dev *lane, device_fn fn, void *context, device_times *out);

typedef struct device_row {
    const char  *op;
    char         shape[80];
    device_times times;
    double       gflop;  /* of a call; 0: none counted */
    double       gbytes; /* of a call */
    double       peak;   /* in the unit of what is counted, per second; 0: none */
    double       per_s;  /* customers per second, 0: does not apply */
    int64_t      n_wrong;
} device_row;

/* Prints and keeps a row; with st != BR_OK the error stands for the figures. */
void device_print(device_bench *bench, const device_row *row, br_status st);

/* n values in (-1, 1), or nearly Gaussian ones, functions of (stream, place). */
void device_fill(float *to, int64_t n, uint64_t stream, bool is_gaussian);

/* A matrix of nearly Gaussian values times `scale`, on the device. */
typedef struct device_data {
    int64_t  n_rows;
    int64_t  n_cols;
    uint64_t stream;
    float    scale;
} device_data;
br_status device_place(br_dev *dev, const device_data *data, br_mat *out);

/* peaks.cu, or no_peaks.c in a build without the cuda backend: prints its rows. */
void device_measure_peaks(device_bench *bench);
void device_bench_topk(device_bench *bench);
void device_bench_blocks(device_bench *bench);
void device_bench_encoders(device_bench *bench);

#ifdef __cplusplus
}
#endif

#endif
