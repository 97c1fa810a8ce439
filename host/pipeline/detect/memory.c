/* SPDX-License-Identifier: Apache-2.0
 *
 * Resident memory, hashed. Called when a run begins, every detect.golden_units units, and at its
 * end. */
#include "host/pipeline/detect/memory.h"

#include "host/base/memory.h"

typedef struct look {
    br_dev                  *lane;
    br_memory_digests       *to;       /* taking; else NULL */
    const br_memory_digests *expected; /* looking */
    int32_t                  at;
} look;

static br_status visit_mats(const br_job *job, br_resident_fn fn, void *context)
{
    br_status    st      = BR_OK;
    const br_mat mats[]  = {job->item_ND,      job->bias_N,       job->require_N,
                            job->rank.fold_QD, job->rank.item_NQ, job->rank.bias_N,
                            job->rank.select_N};
    const char  *whats[] = {"item vectors",    "item biases",     "item segments",
                            "fold of queries", "ranking vectors", "ranking biases",
                            "biases of prices"};

    for (size_t i = 0; i < sizeof mats / sizeof *mats; i++)
        if (mats[i].buf != NULL)
            BR_TRY(st, fn(context, whats[i], mats[i]));
    for (int i = 0; i < BR_MAX_HEADS; i++)
        if (job->head_bias_N[i].buf != NULL)
            BR_TRY(st, fn(context, "item biases of a head", job->head_bias_N[i]));
    for (int i = 0; i < BR_MAX_TERMS; i++)
        if (job->term_bias_N[i].buf != NULL)
            BR_TRY(st, fn(context, "item biases of a term", job->term_bias_N[i]));
done:
    return st;
}

br_status br_memory_visit(const br_job *job, br_resident_fn fn, void *context)
{
    br_status st = BR_OK;

    if (job->model != NULL)
        BR_TRY(st, br_model_visit(job->model, fn, context));
    BR_TRY(st, visit_mats(job, fn, context));
    BR_TRY(st, br_items_visit(job->items, fn, context));
done:
    return st;
}

static br_status take_piece(void *context, const char *what, br_mat piece)
{
    br_status st = BR_OK;
    look     *l  = context;

    if (l->at < l->to->n) {
        l->at++;
        return BR_OK;
    }
    if (l->at == BR_MEMORY_MOST_PIECES)
        BR_FAIL(st, BR_E_SELFCHECK, "more than %d pieces of memory at '%s'", BR_MEMORY_MOST_PIECES,
                what);
    BR_TRY(st, br_dev_digest(l->lane, piece, &l->to->digest[l->at++]));
    l->to->n_bytes += piece.n_rows * piece.n_cols * (int64_t)br_dtype_bytes(piece.dtype);
done:
    return st;
}

br_status br_memory_take(br_job *job, br_dev *lane, br_memory_digests *out)
{
    br_status st = BR_OK;
    look      l  = {.lane = lane, .to = out};

    if (out->digest == NULL)
        BR_ALLOC(st, out->digest, BR_MEMORY_MOST_PIECES, "digests");
    BR_TRY(st, br_memory_visit(job, take_piece, &l));
    out->n = l.at;
done:
    return st;
}

void br_memory_free(br_memory_digests *digests)
{
    br_free(&digests->digest);
}

static br_status look_at_piece(void *context, const char *what, br_mat piece)
{
    br_status st    = BR_OK;
    look     *l     = context;
    uint64_t  found = 0;

    if (l->at == l->expected->n)
        return BR_OK;
    BR_TRY(st, br_dev_digest(l->lane, piece, &found));
    if (found != l->expected->digest[l->at])
        BR_FAIL(st, BR_E_SELFCHECK,
                "device %s: memory of '%s' changed: found digest %016llx, expected %016llx of the "
                "start",
                br_dev_description(l->lane), what, (unsigned long long)found,
                (unsigned long long)l->expected->digest[l->at]);
    l->at++;
done:
    return st;
}

br_status br_memory_look(br_job *job, br_dev *lane, const br_memory_digests *digests)
{
    look l = {.lane = lane, .expected = digests};

    return br_memory_visit(job, look_at_piece, &l);
}
