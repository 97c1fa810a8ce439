/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of another run, as hashes. Called for every customer. */
#include "host/pipeline/publish/changes.h"

#include <string.h>

#include "host/base/hash.h"
#include "host/base/memory.h"
#include "host/pipeline/job.h"

typedef struct entry {
    uint64_t key;  /* 0: free */
    uint64_t list; /* 0: two customers with one hash; never the same */
} entry;

struct br_changes {
    char      manifest[BR_DIGEST_TEXT_BYTES];
    int64_t   mask;
    entry    *entry_of;
    uint64_t *item_hash; /* of the run to be published */
};

bool br_is_held_out(const br_lists *lists, int64_t b)
{
    return (lists->flags_B[b] & BR_FLAG_HELD_OUT) != 0 ||
           (lists->arm_B[b] < 0 && lists->n_B[b] > 0);
}

/* Never 0. */
static uint64_t hash_of(const br_export_key *key)
{
    uint64_t hash = br_hash_mix(br_hash_bytes(key->text, key->n_bytes));

    return hash == 0 ? 1 : hash;
}

static br_status hash_items(const br_run_reader *run, uint64_t **out)
{
    br_status             st    = BR_OK;
    const br_keys        *keys  = br_run_reader_item_key(run);
    const br_export_place place = {br_run_reader_item_place(run), 0};
    br_export_key         key;

    BR_TRY(st, br_alloc(keys->n_keys, sizeof **out, "hashes of items", (void **)out));
    for (int64_t i = 0; i < keys->n_keys; i++) {
        BR_TRY(st, br_export_key_of(keys, i, place, &key));
        (*out)[i] = hash_of(&key);
    }
done:
    return st;
}

static uint64_t hash_list(const br_lists *lists, int64_t b, const uint64_t *item_hash)
{
    uint64_t hash = (uint64_t)lists->n_B[b] + 1;

    for (int32_t j = 0; j < lists->n_B[b]; j++)
        hash =
            br_hash_mix(hash * 0x9e3779b97f4a7c15u + item_hash[lists->item_BK[b * lists->k + j]]);
    return hash == 0 ? 1 : hash;
}

static entry *find(const br_changes *c, uint64_t key)
{
    int64_t at = (int64_t)(key & (uint64_t)c->mask);

    while (c->entry_of[at].key != 0 && c->entry_of[at].key != key)
        at = (at + 1) & c->mask;
    return &c->entry_of[at];
}

static br_status add_part(br_changes *c, br_run_reader *other, int64_t unit,
                          const uint64_t *item_hash)
{
    br_status     st    = BR_OK;
    br_lists      lists = {0};
    br_export_key key;

    BR_TRY(st, br_run_reader_unit(other, unit, &lists));
    for (int64_t b = 0; b < lists.n_rows; b++) {
        const br_export_place place = {"--changed-since: /customer/key", lists.first_row};
        entry                *e;

        if (lists.n_B[b] == 0 || br_is_held_out(&lists, b))
            continue;
        BR_TRY(st, br_export_key_of(&lists.key, b, place, &key));
        e       = find(c, hash_of(&key));
        e->list = e->key != 0 ? 0 : hash_list(&lists, b, item_hash);
        e->key  = hash_of(&key);
    }
done:
    br_lists_free(&lists);
    return st;
}

br_status br_changes_open(const char *other_path, const br_run_reader *run, br_changes **out)
{
    br_status      st        = BR_OK;
    br_changes    *c         = NULL;
    br_run_reader *other     = NULL;
    uint64_t      *item_hash = NULL;
    int64_t        n_entries = 16;

    *out = NULL;
    BR_ALLOC(st, c, 1, "changes");
    BR_TRY(st, br_run_reader_open(other_path, &other));
    memcpy(c->manifest, br_run_reader_manifest(other), sizeof c->manifest);
    while (2 * n_entries < 3 * br_run_reader_n_rows(other))
        n_entries *= 2;
    c->mask = n_entries - 1;
    BR_ALLOC(st, c->entry_of, n_entries, "lists of the other run");
    BR_TRY(st, hash_items(other, &item_hash));
    for (int64_t unit = 0; unit < br_run_reader_n_units(other); unit++) {
        BR_TRY(st, br_job_check_interrupt(NULL));
        BR_TRY(st, add_part(c, other, unit, item_hash));
    }
    BR_TRY(st, hash_items(run, &c->item_hash));
    *out = c;
    c    = NULL;
done:
    br_free(&item_hash);
    br_run_reader_close(&other);
    br_changes_close(&c);
    return st;
}

void br_changes_close(br_changes **changes)
{
    if (*changes == NULL)
        return;
    br_free(&(*changes)->entry_of);
    br_free(&(*changes)->item_hash);
    br_free(changes);
}

const char *br_changes_manifest(const br_changes *changes)
{
    return changes->manifest;
}

void br_changes_look_up(const br_changes *changes, const br_record *r, bool *had_list,
                        bool *is_same)
{
    const entry *e = find(changes, hash_of(&r->customer));

    *had_list = e->key != 0;
    *is_same  = *had_list && e->list != 0 && r->lists->n_B[r->b] > 0 &&
               e->list == hash_list(r->lists, r->b, changes->item_hash);
}
