/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of given (customer, item) pairs: a part of the seam (ops.h includes it). */
#ifndef BR_KERNELS_PAIRS_H
#define BR_KERNELS_PAIRS_H

#include "kernels/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* score_pairs: canonical scores of given items, out_BK = query_b . item_ND[item_BK] + bias -
 * penalty, rounded once; NaN where item_BK is -1. bias_N, penalty_BK absent: 0. */
typedef struct br_score_pairs_args {
    br_mat query_BD;
    br_mat item_ND;
    br_mat bias_N;
    br_mat item_BK;
    br_mat penalty_BK; /* f32, >= 0 */
    br_mat out_BK;
} br_score_pairs_args;
br_status br_op_score_pairs(br_dev *dev, const br_score_pairs_args *args);

/* pair_mlp: q_psi(x_u, z_i) of given items (eq. 5), a small network on [x; z; x z]:
 *   h_1 = relu(W_1 [x; z; x z] + b_1), h_l = relu(W_l h_(l-1) + b_l), logit = w . h_L + b + bias
 *   in     query_BD, item_ND f32, item_BK i32 (-1: skipped); bias_N f32 [N, 1] or absent: 0;
 *          weight_OI[l], bias_1O[l], l = 0..n_layers: [H_1, 3 D] (columns of x, of z, of their
 *          product), [H_2, H_1], ..., and last [1, H_L]
 *   out    logit_BK f32; NaN where item_BK is -1
 *   order  columns of z and of the product are one matrix per row: fold = W_z + W_xz x, in fp64,
 *          rounded to fp32. Then every sum is one fp64 chain that begins with its bias (first
 *          layer: b, then columns of x, then those of fold against z), inputs in index order, and
 *          is rounded to fp32 once, at most FLT_MAX in size: finite inputs give finite logits
 *   bounds 1 <= n_layers <= BR_MAX_PAIR_LAYERS; 1 <= H_l <= BR_MAX_PAIR_WIDTH; 1 <= D <= 1024
 *   cost   2 B K (D H_1 + H_1 H_2 + ...) flop in fp64, and B H_1 D for the folds
 *   agrees with ref: the same bits */
#define BR_MAX_PAIR_LAYERS 3
#define BR_MAX_PAIR_WIDTH  512
typedef struct br_pair_mlp_args {
    br_mat  query_BD;
    br_mat  item_ND;
    br_mat  bias_N;
    br_mat  item_BK;
    int32_t n_layers; /* hidden ones */
    br_mat  weight_OI[BR_MAX_PAIR_LAYERS + 1];
    br_mat  bias_1O[BR_MAX_PAIR_LAYERS + 1];
    br_mat  logit_BK;
} br_pair_mlp_args;
br_status br_op_pair_mlp(br_dev *dev, const br_pair_mlp_args *args);

/* calibrate: response probabilities (or values) from logits, in place; NaN stays NaN.
 *   y = logit + offset; PLATT: y = a*y + b; then the link: LOGISTIC 1/(1+e^-y), IDENTITY y;
 *   ISOTONIC: then the table, linear between its n_points ascending knots, flat outside */
typedef enum { BR_LINK_LOGISTIC, BR_LINK_IDENTITY } br_link;
typedef enum { BR_CALIBRATION_NONE, BR_CALIBRATION_PLATT, BR_CALIBRATION_ISOTONIC } br_calibration;

typedef struct br_calibrate_args {
    br_mat         logit_BK;
    double         offset;
    br_link        link;
    br_calibration calibration;
    double         platt_a;
    double         platt_b;
    int32_t        n_points;
    br_mat         knot_P2; /* f32 [P, 2]: input, output */
} br_calibrate_args;
br_status br_op_calibrate(br_dev *dev, const br_calibrate_args *args);

#ifdef __cplusplus
}
#endif

#endif
