/* SPDX-License-Identifier: Apache-2.0
 *
 * What a lists file says of itself: shapes and names. Called by `info` and `verify`. */
#include <string.h>

#include "host/io/lists/lists_dataset.h"

/* Shape of a dataset, and the size of one value; all zero when it is not there. */
static br_status look_at(const br_lists_reader *r, const char *path, hsize_t dims[2],
                         br_lists_about *keys_of)
{
    br_status st      = BR_OK;
    hid_t     dataset = H5I_INVALID_HID, type = H5I_INVALID_HID;
    bool      is_there;
    char      group[BR_H5_PATH_BYTES] = {0};
    size_t    n_group                 = (size_t)(strrchr(path, '/') - path);

    dims[0] = 0;
    dims[1] = 0;
    memcpy(group, path, n_group);
    if (n_group > 0) {
        BR_TRY(st, br_lists_has(r, group, &is_there));
        if (!is_there)
            return BR_OK;
    }
    BR_TRY(st, br_lists_has(r, path, &is_there));
    if (!is_there)
        return BR_OK;
    BR_TRY(st, br_lists_open_dataset(r, path, &dataset, dims));
    if (keys_of != NULL) {
        type                     = H5Dget_type(dataset);
        keys_of->key_is_number   = type >= 0 && H5Tget_class(type) == H5T_INTEGER;
        keys_of->key_width_bytes = type >= 0 ? (int32_t)H5Tget_size(type) : 0;
    }
done:
    if (type >= 0)
        (void)H5Tclose(type);
    if (dataset >= 0)
        (void)H5Dclose(dataset);
    return st;
}

static br_status describe_names(const br_lists_reader *r, br_lists_about *out)
{
    br_status      st    = BR_OK;
    br_lists_names heads = {.name = out->head_name}, terms = {.name = out->term_name},
                   counts = {.name = out->count_name}, shadows = {.name = out->shadow_name};
    hsize_t dims[2];

    BR_TRY(st, br_lists_members(r, "/probability", &heads));
    BR_TRY(st, br_lists_members(r, "/objective", &terms));
    BR_TRY(st, br_lists_members(r, "/stats", &counts));
    BR_TRY(st, br_lists_members(r, "/shadow", &shadows));
    out->n_heads   = heads.n;
    out->n_terms   = terms.n;
    out->n_counts  = counts.n;
    out->n_shadows = shadows.n;
    BR_TRY(st, br_lists_read_curves(r, out->curve, &out->n_curves));
    BR_TRY(st, look_at(r, "/gate/gate", dims, NULL));
    if (dims[1] > 0)
        BR_TRY(st, br_lists_read_names(r, "/gate/gate", (int)dims[1], out->gate_name[0]));
    out->n_gates = (int32_t)dims[1];
done:
    return st;
}

br_status br_lists_describe(const char *path, br_lists_about *out)
{
    br_status       st = BR_OK;
    br_lists_reader r  = {.path = path, .file = H5I_INVALID_HID, .allows_view = true};
    hsize_t         dims[2];
    bool            is_there;

    br_h5_enter();
    memset(out, 0, sizeof *out);
    BR_TRY(st, br_lists_open_file(path, BR_LISTS_FORMAT, &r.file));
    BR_TRY(st, look_at(&r, "/item/key", dims, NULL));
    BR_TRY(st, br_lists_has(&r, "/item", &is_there));
    out->n_items = is_there ? (int64_t)dims[0] : -1;
    BR_TRY(st, look_at(&r, "/customer/key", dims, out));
    out->n_rows = (int64_t)dims[0];
    BR_TRY(st, look_at(&r, "/list/item", dims, NULL));
    out->k = (int32_t)dims[1];
    BR_TRY(st, look_at(&r, "/vector", dims, NULL));
    out->vector_dim = (int32_t)dims[1];
    BR_TRY(st, br_lists_has(&r, "/logging", &out->has_logging));
    BR_TRY(st, describe_names(&r, out));
    BR_TRY(st, br_lists_is_view(&r, &out->is_view));
done:
    br_lists_close_file(&r.file);
    br_h5_leave();
    return st;
}
