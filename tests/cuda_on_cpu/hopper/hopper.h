/* SPDX-License-Identifier: Apache-2.0
 *
 * What a Hopper block does by itself, emulated: barriers that count (mbarrier.c), copies of boxes
 * and products that go on while threads run (engine.c). Copies are made as late as a wait for their
 * barrier, products as late as the wait for their group, so that who does not wait reads what was
 * there before; TSan sees copies and the products' reads as accesses of a thread that waited.
 *
 * What it notices, with a sentence, and then abort(): a barrier that was not made, or has more
 * arrivals than it was made for; a copy that nothing expects, or that nobody waited for; bytes that
 * are expected and never come; a wait for a phase that the thread has seen over; products without a
 * fence, or with an A in shared memory of a thread that never fenced what it wrote there, by a part
 * of a warpgroup, or that nobody waited for. Called by the twins in include/, and by emulator.c
 * around each block. */
#ifndef BR_TESTS_CUDA_ON_CPU_HOPPER_HOPPER_H
#define BR_TESTS_CUDA_ON_CPU_HOPPER_HOPPER_H

#include "tests/cuda_on_cpu/emulator.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { EMULATOR_GROUP = 128 }; /* threads of a warpgroup */

/* ---- mbarriers ------------------------------------------------------------------------------- */

void emulator_mbarrier_init(emulator_site site, const void *barrier, uint32_t n_arrivals);
/* Arrives; bytes more are expected. */
void emulator_mbarrier_arrive(emulator_site site, const void *barrier, uint32_t bytes);
/* 1: the phase of that parity is over. 0: a copy may be there to be made, then ask again. */
int  emulator_mbarrier_wait(emulator_site site, const void *barrier, uint32_t parity);

/* Barrier id of n_threads: arrives, and waits for the others where is_waiting. */
void emulator_named(emulator_site site, int id, int n_threads, int is_waiting);

/* ---- copies of boxes ------------------------------------------------------------------------- */

typedef struct emulator_load {
    void       *to;
    const void *map;
    int32_t     byte, row;
    const void *barrier;
    uint32_t    bytes;
} emulator_load;

void emulator_load_later(emulator_site site, const emulator_load *load);
/* The oldest one of the barrier: 1, and it is to be made, and then said to be done. 0: none. */
int  emulator_load_take(const void *barrier, emulator_load *load);
void emulator_load_done(const emulator_load *load);

/* ---- products of warpgroups ------------------------------------------------------------------ */

/* One thread's part. resolve makes the product of 128 of them. */
typedef struct emulator_product {
    void           *d;
    const uint32_t *a;     /* NULL: in a box */
    uint64_t        a_box; /* that one */
    uint64_t        b;
    int             is_more;
    void (*resolve)(const struct emulator_product *const lane[EMULATOR_GROUP]);
    int group;
} emulator_product;

void emulator_product_fence(void);
/* What the thread has written to shared memory may be a product's A. */
void emulator_shared_fence(void);
void emulator_product_later(emulator_site site, const emulator_product *product);
void emulator_product_commit(void);
void emulator_product_wait(emulator_site site, int n_groups);

/* ---- a block's beginning and end ------------------------------------------------------------- */

void hopper_begin_block(void);
void hopper_end_block(void);
/* Threads wait, and none will come: says so if one of them waits here. */
void hopper_fail_stuck(void);

#ifdef __cplusplus
}
#endif

#endif
