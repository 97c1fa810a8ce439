/* SPDX-License-Identifier: Apache-2.0
 *
 * The model's weights for a rank that holds a shard: of an item table that no encoder reads, only
 * the rows held. Made once per job. */
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/pipeline/shards/shards.h"

bool br_shards_cut_tables(const br_setup *s)
{
    bool is_cut = s->n_shards > 1 && s->table_row != NULL;

    for (int32_t m = 0; m < s->n_encoders && is_cut; m++)
        is_cut = strcmp(s->spec->encoder[m].item_table, s->spec->item_table) != 0;
    return is_cut;
}

static bool is_by_item(const br_model_spec *spec, const char *name)
{
    char bias[BR_TENSOR_NAME_BYTES];

    if (strcmp(name, spec->item_table) == 0 || strcmp(name, spec->item_bias) == 0)
        return true;
    for (int32_t h = 0; h < spec->n_heads; h++) {
        (void)snprintf(bias, sizeof bias, "head.%s.item_bias", spec->head[h].name);
        if (strcmp(name, bias) == 0)
            return true;
    }
    return false;
}

static double row_bytes(const br_tensor *tensor)
{
    double bytes = sizeof(float);

    for (int32_t d = 1; d < tensor->rank; d++)
        bytes *= (double)tensor->dim[d];
    return bytes;
}

double br_shards_tensor_bytes(const br_setup *s)
{
    int32_t          n     = 0;
    const br_tensor *whole = s->bundle != NULL ? br_bundle_tensors(s->bundle, &n) : NULL;
    double           bytes = 0.0;

    for (int32_t i = 0; i < n; i++) {
        bool is_cut = br_shards_cut_tables(s) && is_by_item(s->spec, whole[i].name);

        bytes += row_bytes(&whole[i]) * (double)(is_cut ? s->held.n : whole[i].dim[0]);
    }
    return bytes;
}

static br_status cut_tensor(const br_setup *s, br_tensor *tensor, float **rows_out)
{
    br_status st     = BR_OK;
    int64_t   n_cols = (int64_t)(row_bytes(tensor) / sizeof(float));
    float    *rows   = NULL;

    BR_ALLOC(st, rows, s->held.n * n_cols, "rows of an item table");
    for (int64_t i = 0; i < s->held.n; i++)
        memcpy(rows + i * n_cols, tensor->data + (int64_t)s->table_row[s->held.first + i] * n_cols,
               (size_t)n_cols * sizeof *rows);
    tensor->dim[0] = s->held.n;
    tensor->data   = rows;
    *rows_out      = rows;
done:
    return st;
}

br_status br_shards_take_tensors(const br_setup *s, br_shards_tensors *out)
{
    br_status        st = BR_OK;
    const br_tensor *whole;

    *out  = (br_shards_tensors){0};
    whole = br_bundle_tensors(s->bundle, &out->n);
    BR_ALLOC(st, out->tensor, out->n, "tensors of a shard");
    BR_ALLOC(st, out->rows, out->n, "tensors of a shard");
    memcpy(out->tensor, whole, (size_t)out->n * sizeof *whole);
    for (int32_t i = 0; i < out->n; i++)
        if (br_shards_cut_tables(s) && is_by_item(s->spec, whole[i].name))
            BR_TRY(st, cut_tensor(s, &out->tensor[i], &out->rows[i]));
done:
    if (st != BR_OK)
        br_shards_free_tensors(out);
    return st;
}

void br_shards_free_tensors(br_shards_tensors *t)
{
    for (int32_t i = 0; t->rows != NULL && i < t->n; i++)
        br_free(&t->rows[i]);
    br_free(&t->rows);
    br_free(&t->tensor);
}
