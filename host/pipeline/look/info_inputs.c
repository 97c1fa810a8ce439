/* SPDX-License-Identifier: Apache-2.0
 *
 * Summaries of customers.h5 and catalogue.h5, through the readers of jobs. Called by `info`. */
#include <inttypes.h>

#include "host/base/memory.h"
#include "host/io/catalogue.h"
#include "host/io/customers.h"
#include "host/pipeline/look/info_parts.h"

static void print_key(FILE *out, bool is_number, int32_t width_bytes)
{
    if (is_number)
        (void)fprintf(out, "keys u64\n");
    else
        (void)fprintf(out, "keys S%d\n", width_bytes);
}

static void print_columns(FILE *out, const char *label, int32_t n,
                          const char name[][BR_CUSTOMERS_NAME_BYTES])
{
    if (n == 0)
        return;
    (void)fprintf(out, "%-14s", label);
    for (int32_t i = 0; i < n; i++)
        (void)fprintf(out, "%s%s", i > 0 ? ", " : "", name[i]);
    (void)fprintf(out, "\n");
}

br_status br_info_customers(const char *path, FILE *out)
{
    br_status                st        = BR_OK;
    br_customers            *customers = NULL;
    const br_customers_info *info;

    BR_TRY(st, br_customers_open(path, -1, NULL, &customers));
    info = br_customers_info_of(customers);
    (void)fprintf(out, "%s: customers, format 1\n", path);
    (void)fprintf(out, "customers     %" PRId64 ", ", info->n_customers);
    print_key(out, info->key_is_number, info->key_width_bytes);
    for (int32_t m = 0; m < info->n_modalities; m++) {
        const br_customers_modality *modality = &info->modality[m];
        (void)fprintf(out, "modality      %s: %" PRId64 " events, vocabulary %s%s%s\n",
                      modality->name, modality->n_events, modality->vocabulary,
                      modality->has_type ? ", types" : "", modality->has_weight ? ", weights" : "");
    }
    print_columns(out, "static", info->n_statics, info->static_name);
    print_columns(out, "aggregates", info->n_aggregates, info->aggregate_name);
    print_columns(out, "consent", info->n_channels, info->channel);
    if (info->vector_dim > 0)
        (void)fprintf(out, "vectors       %d\n", info->vector_dim);
    (void)fprintf(out, "segments      %s\nexclusions    %s\n", info->has_segment ? "yes" : "no",
                  info->has_exclude ? "yes" : "no");
done:
    br_customers_close(&customers);
    return st;
}

br_status br_info_catalogue(const char *path, FILE *out)
{
    br_status     st        = BR_OK;
    br_catalogue *catalogue = NULL;

    BR_ALLOC(st, catalogue, 1, "catalogue");
    BR_TRY(st, br_catalogue_read(path, NULL, catalogue));
    (void)fprintf(out, "%s: catalogue, format 1\n", path);
    (void)fprintf(out, "items         %" PRId64 ", ", catalogue->n_items);
    print_key(out, catalogue->key.is_number, catalogue->key.width_bytes);
    (void)fprintf(out, "names         %s\n", catalogue->name.n_keys > 0 ? "yes" : "no");
    for (int32_t g = 0; g < catalogue->n_groups; g++)
        (void)fprintf(out, "group         %s: %" PRId64 " named\n", catalogue->group_name[g],
                      catalogue->group_key[g].n_keys);
    print_columns(out, "values", catalogue->n_values, catalogue->value_name);
    if (catalogue->vector_dim > 0)
        (void)fprintf(out, "vectors       %d%s\n", catalogue->vector_dim,
                      catalogue->bias_N != NULL ? ", with bias" : "");
    (void)fprintf(out, "segments      %s\nvalidity      %s\ncapacity      %s\n",
                  catalogue->segment_N != NULL ? "yes" : "no",
                  catalogue->valid_N2 != NULL ? "yes" : "no",
                  catalogue->capacity_N != NULL ? "yes" : "no");
done:
    if (catalogue != NULL)
        br_catalogue_free(catalogue);
    br_free(&catalogue);
    return st;
}
