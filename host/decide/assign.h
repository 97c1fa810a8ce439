/* SPDX-License-Identifier: Apache-2.0
 *
 * Experiments: which customers are held out, and which arm the others get. An assignment depends on
 * the salt and the customer's key alone, so it is the same in every run, for any split. */
#ifndef BR_HOST_DECIDE_ASSIGN_H
#define BR_HOST_DECIDE_ASSIGN_H

#include <stddef.h>
#include <stdint.h>

#define BR_ASSIGN_BUCKETS 10000

/* The customer's bucket, 0 .. BR_ASSIGN_BUCKETS-1: GrowthBook's hash version 2 (FNV-1a of the salt
 * and the key, then of that number in decimal), so that groups agree with those made elsewhere by
 * the same salt. `key` is the key's text: numbers in decimal, bytes without their NUL padding. */
int32_t br_assign_bucket(const char *salt, const char *key, size_t key_bytes);

/* Buckets [0, held_out) are held out; the rest is dealt to n_arms arms in proportion to `weight_A`
 * (> 0, any scale), by whole buckets: arm a owns the buckets of [first_A[a], first_A[a+1]).
 * first_A has n_arms + 1 entries. */
void br_assign_deal(int32_t held_out, int32_t n_arms, const double *weight_A, int32_t *first_A);

/* The arm of a bucket, -1: held out. */
int32_t br_assign_arm(int32_t bucket, int32_t n_arms, const int32_t *first_A);

#endif
