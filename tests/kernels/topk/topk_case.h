/* SPDX-License-Identifier: Apache-2.0
 *
 * Problems for the tests of score_topk, an oracle written again here (eight fp64 chains, one
 * rounding to fp32, a full sort), and a way to run a backend on them in batches over lanes. */
#ifndef BR_TESTS_KERNELS_TOPK_TOPK_CASE_H
#define BR_TESTS_KERNELS_TOPK_TOPK_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/ops.h"
#include "tests/kernels/op_case.h"

#define TOPK_SEED  20261124u
#define TOPK_NEVER 40 /* never-list entries of a customer, at most */

typedef enum {
    RANDOM,
    TIED,
    DUPLICATE,
    ASCENDING,
    ZERO,
    HUGE_NORM,
    DENORMAL,
    SKEWED,
    OUTLIER,
    N_KINDS
} data_kind;
typedef struct problem {
    data_kind      kind;
    int64_t        B, N, D;
    int32_t        k;
    bool           has_bias, has_rules;
    bool           has_unwanted; /* customers who get no list */
    br_screen_kind screen;
    float         *query_BD, *item_ND, *bias_N;
    uint64_t      *have_B, *require_N;
    uint8_t       *wanted_B;
    float         *floor_B; /* NULL: none are known; borrowed */
    int64_t       *offset_B1;
    int32_t       *never_S;
    int32_t       *item_BK;
    float         *score_BK;
    br_lse_kind    logsumexp;
    double         temperature;
    float         *logsumexp_B;
    int64_t        n_second; /* of the last run */
} problem;

void make_problem(problem *p);
void free_problem(problem *p);

/* Numbers that depend on the seed and the place only: any bits, and in [-1, 1). */
uint64_t draw(uint64_t stream, uint64_t at);
float    uniform(uint64_t stream, uint64_t at);

/* The kinds of screen that the tested backend has, in turn; the first is AUTO. */
#define TOPK_SCREENS 4
static inline br_screen_kind topk_screen_of(int turn)
{
    static const br_screen_kind cpu[TOPK_SCREENS]  = {BR_SCREEN_AUTO, BR_SCREEN_FP32,
                                                      BR_SCREEN_INT16, BR_SCREEN_INT8};
    static const br_screen_kind cuda[TOPK_SCREENS] = {BR_SCREEN_AUTO, BR_SCREEN_FP16,
                                                      BR_SCREEN_BF16, BR_SCREEN_INT8};

    return (op_tested() == BR_BACKEND_CUDA ? cuda : cpu)[turn % TOPK_SCREENS];
}

/* May the customer be shown the item? */
bool oracle_allows(const problem *p, int64_t b, int32_t item);

float oracle_score(const problem *p, int64_t b, int64_t i);
float oracle_penalised(const problem *p, int64_t b, int64_t i, float penalty);

/* Runs the problem over lanes, `batch` customers a call; leaves the lists in p. Returns the status;
 * counts slow rows (n_slow may be NULL). */
br_status run(problem *p, br_backend backend, int n_lanes, int64_t batch, int64_t *n_slow);

/* The lists in p are the oracle's: items, order, score bits. */
void check_lists(const problem *p, const char *backend);

/* An emulated device is slow: fewer items there, so that a problem has about 2^22 products, padding
 * included. */
void fit_problem(problem *p);

/* Raises the biases of the k items that the tested backend scans first: a sample of them foretells
 * a threshold that only some of the k best reach, so every customer needs a second pass. */
void mislead_sample(problem *p);

/* run with one lane and check; an emulated device does so with its threads in three orders, or in
 * one of them where the problem is large: each in turn, and its sums as bad as bounds allow for in
 * every other one */
void check_made(problem *p, br_backend backend, const char *name);

/* fit, make, check, free */
void check_problem(problem *p, br_backend backend, const char *name);

#endif
