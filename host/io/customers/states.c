/* SPDX-License-Identifier: Apache-2.0
 *
 * /state of customers.h5, as `encode` writes it: checked for its shape, its values not read. Called
 * once when a file is opened. */
#include <stdio.h>

#include "host/io/customers/inner.h"

#define MAX_STATE_COLUMNS 65536 /* half-lives times width of a decay encoder, at most */

static br_status check_set(br_customers *c, const char *group, const char *name, br_h5_type type,
                           int32_t rank)
{
    br_status      st  = BR_OK;
    br_h5_dataset *set = NULL;
    char           path[BR_H5_OBJECT_PATH_BYTES];
    br_h5_want     want = {.path     = path,
                           .type     = type,
                           .rank     = rank,
                           .n_rows   = c->info.n_customers,
                           .n_cols   = -1,
                           .max_cols = MAX_STATE_COLUMNS,
                           .rows_of  = "/customer/key"};

    if (snprintf(path, sizeof path, "%s/%s", group, name) >= (int)sizeof path)
        return br_fail(BR_E_INPUT, "%s: %s: path too long for %s", br_h5_path(c->file), group,
                       name);
    (void)br_h5_find(c->file, path);
    BR_TRY(st, br_h5_dataset_open(c->file, &want, &set));
done:
    br_h5_dataset_close(&set);
    return st;
}

br_status br_customers_check_states(br_customers *c)
{
    br_status           st     = BR_OK;
    int32_t             cursor = 0;
    const br_h5_object *object;
    char                version[BR_H5_MAX_TEXT + 1];

    BR_TRY(st, br_h5_check_group(c->file, "/state"));
    while ((object = br_h5_child(c->file, "/state", &cursor)) != NULL) {
        BR_TRY(st, br_h5_attr_text(c->file, "/state", "model_version", version, sizeof version));
        BR_TRY(st, br_h5_check_group(c->file, object->path));
        BR_TRY(st, check_set(c, object->path, "h", BR_H5_F32, 2));
        BR_TRY(st, check_set(c, object->path, "last_time", BR_H5_I64, 1));
    }
done:
    return st;
}
