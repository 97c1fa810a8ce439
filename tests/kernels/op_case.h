/* SPDX-License-Identifier: Apache-2.0
 *
 * Inputs for op tests. Every value is a function of the seed, a stream and the global place of an
 * element (sequence id, event, column), never of where it lies in a call, so that the same
 * sequences can be run in any order and in any company. */
#ifndef BR_TESTS_KERNELS_OP_CASE_H
#define BR_TESTS_KERNELS_OP_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/ops.h"

#define OP_MAX_SEQS     40
#define OP_MAX_MATS     32
#define OP_MAX_PREPARED 8

/* How an op gets its weights: packed per call, or prepared in either precision. */
typedef enum { OP_PLAIN, OP_PREPARED, OP_BF16, OP_N_MODES } op_mode;

typedef struct op_shape {
    const char *name;
    int32_t     n_seqs;
    int32_t     length[OP_MAX_SEQS];
    int32_t     max_length;
    int32_t     width;
    int32_t     n_heads;
    bool        has_pad;
    bool        has_weight;
    bool        is_strided; /* every matrix is a column slice of a wider one */
    bool        is_small;   /* small integers: sums and products are exact in fp32 */
} op_shape;

/* One call of an op over some of a shape's sequences. */
typedef struct op_run {
    br_dev         *dev;
    const op_shape *shape;
    int32_t         n_seqs;
    int32_t         id_B[OP_MAX_SEQS];
    int32_t         offset_B1[OP_MAX_SEQS + 1];
    br_seqs         seqs;
    br_mat          mat[OP_MAX_MATS];
    int32_t         n_mats;
    op_mode         mode;
    br_prepared    *prepared[OP_MAX_PREPARED];
    int32_t         n_prepared;
} op_run;

uint64_t op_seed(void); /* BR_TEST_SEED or 20240229; printed once */
float    op_value(bool is_small, uint64_t stream, uint64_t a, uint64_t b, uint64_t c);

/* The backend under test: cpu, or what BR_TEST_BACKEND names. */
br_backend op_tested(void);
/* ref, then the one under test: for (int i = 0; i < OP_N_BACKENDS; i++) op_backend(i) */
#define OP_N_BACKENDS 2
br_backend op_backend(int i);

br_dev *op_dev(br_backend backend); /* opened once per backend, closed at exit */
br_dev *op_dev_without_dot(void);   /* cpu, where the processor has no bf16 products */
bool    op_is_without_dot(const br_dev *dev);

/* All bits set, as far as scratch was ever used: an op that reads it before it writes it gets NaNs
 * and indices of -1. */
void op_poison_scratch(br_dev *dev);

/* The backend under test runs on an emulated device (tests/cuda_on_cpu), which is slow: tables may
 * be shorter. */
bool op_is_emulated(void);

/* The order in which an emulated device runs its threads (an emulator_order); else nothing. */
void op_set_thread_order(int order);
void op_turn_thread_order(void); /* the next of the three */
/* Whether an emulated device's tensor cores add as badly as bounds must allow for; else nothing. */
void op_cut_sums(bool is_on);

/* What an op, or the sync after it, says: backends that only enqueue find wrong indices late. */
br_status op_finish(br_dev *dev, br_status st);

void op_begin(op_run *run, br_dev *dev, const op_shape *shape, const int32_t *id_B, int32_t n_seqs);
void op_end(op_run *run);
br_mat op_table(op_run *run, uint64_t stream, int64_t n_rows, int64_t n_cols, float scale);
br_mat op_event_mat(op_run *run, uint64_t stream, int64_t n_cols);
br_mat op_seq_mat(op_run *run, uint64_t stream, int64_t n_cols);
br_mat op_out(op_run *run, int64_t n_rows, int64_t n_cols); /* filled with a wrong value */
br_mat op_put(op_run *run, br_dtype dtype, int64_t n_rows, int64_t n_cols, const void *values);

/* The weight prepared as the run's mode says (NULL: OP_PLAIN), and what an op without weights
 * takes. */
const br_prepared *op_prepare(op_run *run, br_mat weight_OI, int32_t n_blocks, bool is_transposed);
br_precision       op_precision(const op_run *run);

/* Copies rows to their places by sequence id; returns the floats all ids take. */
int64_t op_read_events(const op_run *run, br_mat from, float *by_id);
int64_t op_read_seqs(const op_run *run, br_mat from, float *by_id);

/* Runs the op for `run` and writes what it gives, by id; returns the floats all ids take. */
typedef int64_t (*op_fn)(op_run *run, float *by_id);

/* For each shape and mode: the backend under test agrees with ref (bit for bit where tolerance is 0
 * or the shape is_small and exact_small), and on both backends, and on cpu without bf16 products,
 * another order and one sequence at a time give the same bits. An emulated device runs each of
 * the three with its threads in another order. */
typedef struct op_check {
    const char     *name;
    op_fn           fn;
    const op_shape *shapes;
    int32_t         n_shapes;
    double          tolerance;      /* x max(1, |ref|) */
    double          bf16_tolerance; /* the same in bf16; 0: the op has no other modes */
    bool            has_no_weight;  /* nothing to prepare */
    bool            is_bf16_only;   /* the other modes are not tried */
    bool            exact_small;
} op_check;
void op_check_all(const op_check *check);

void op_compare(const char *what, const float *got, const float *want, int64_t n, double tolerance);

#endif
