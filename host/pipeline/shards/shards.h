/* SPDX-License-Identifier: Apache-2.0
 *
 * A catalogue that one device cannot hold, over a team of ranks (docs/RANKS.md). Each rank holds a
 * shard, a run of listed rows; the team takes its units together. A rank encodes its share of a
 * unit's customers, gets the others' x_u, and finds the best of its shard for all of them; the
 * partial lists are merged, which gives the list of the whole catalogue, since a score depends on
 * x_u and its item alone. What a list says of an item is computed where the item is. The first of a
 * team, its leader, decides and writes. */
#ifndef BR_HOST_PIPELINE_SHARDS_SHARDS_H
#define BR_HOST_PIPELINE_SHARDS_SHARDS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "host/base/status.h"
#include "host/comm/comm.h"
#include "host/pipeline/batch.h"
#include "host/pipeline/setup/setup.h"
#include "models/model.h"

struct br_job;

/* Part `part` of n things cut into n_parts runs that differ by one at most. */
static inline br_rows br_shards_cut(int64_t n, int32_t n_parts, int32_t part)
{
    int64_t first = n * part / n_parts;

    return (br_rows){first, n * (part + 1) / n_parts - first};
}

/* The rows of a unit that this rank encodes: all, but for ranks of a team. */
static inline br_rows br_shards_own_rows(const br_setup *setup, int64_t n_rows)
{
    return br_shards_cut(n_rows, setup->n_shards, setup->shard);
}

/* Decides how many ranks hold the catalogue together (run.catalogue_shards; 0: as few as the plan
 * of memory allows), forms the teams and says in the setup what this rank holds. Units must be
 * planned. BR_E_USAGE where the number does not divide the ranks or passes the listed items;
 * BR_E_MEMORY, naming the bytes, where no number fits. Collective. */
br_status br_shards_plan(br_comm *comm, br_setup *setup);

/* What a rank holds, for `plan` and `check`; the setup stays as it is. */
void br_shards_print(const br_setup *setup, FILE *out);

/* The model's tensors for what this rank holds: item table and item biases have a row per item
 * held, in their order, where br_shards_cut_tables says so; else they are the bundle's. Borrow from
 * the setup. */
typedef struct br_shards_tensors {
    int32_t    n;
    br_tensor *tensor;
    float    **rows; /* [n] what was cut */
} br_shards_tensors;
br_status br_shards_take_tensors(const br_setup *setup, br_shards_tensors *out);
void      br_shards_free_tensors(br_shards_tensors *tensors);
/* Bytes of them. */
double    br_shards_tensor_bytes(const br_setup *setup);
/* The catalogue is in shards, and no encoder reads the item table. */
bool      br_shards_cut_tables(const br_setup *setup);

/* held_* of a unit that was read. */
br_status br_shards_hold(const br_setup *setup, br_batch *batch);

/* Arrays for what is exchanged, for units of up to job->max_rows customers; NULL where this rank
 * holds the whole catalogue. Bytes of them on the host, for n_rows. */
typedef struct br_shards br_shards;
br_status                br_shards_open(struct br_job *job, br_comm *team, br_shards **out);
void                     br_shards_close(br_shards **shards);
double                   br_shards_bytes(const br_setup *setup, double n_rows);

/* What it took, to the log; nothing where nothing is exchanged. */
void br_shards_report(const br_shards *shards);

/* Is everybody of the team at a unit (-1: at none), and nobody failed? Collective, as are the three
 * below; these are called only where all can go on. */
bool br_shards_go_on(br_shards *shards, int64_t unit, bool has_failed);

/* x_u of the whole unit on every rank of the team; attention and gates on the leader. */
br_status br_shards_share_vectors(struct br_job *job, br_batch *batch);
/* Lists of all shards, the k best or drawn; item_BK then holds a rank's own of them, by its own
 * rows, -1 for the others'. Adds processor seconds to *cpu_s. */
br_status br_shards_merge(struct br_job *job, br_batch *batch, double *cpu_s);
/* What heads and terms say of each item, from the rank that holds it to the leader, whose item_BK,
 * by listed rows, and score_BK are whole from then on. */
br_status br_shards_collect(struct br_job *job, br_batch *batch);

#endif
