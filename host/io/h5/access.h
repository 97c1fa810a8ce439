/* SPDX-License-Identifier: Apache-2.0
 *
 * What may be opened of an HDF5 input, and what was (docs/GOVERNANCE.md). An object that is denied
 * is not there for readers: no walk enters it, no lookup finds it, and the gate refuses to open it.
 * Every dataset that is opened is recorded where it is opened, in h5/dataset.c, and nowhere else.
 */
#ifndef BR_HOST_IO_H5_ACCESS_H
#define BR_HOST_IO_H5_ACCESS_H

#include "host/base/names.h"
#include "host/io/h5.h"

/* "/static/age", "/timeline/visit" with all that is in it, "/aggregate[income]": column 'income' of
 * /aggregate. Before br_h5_walk. */
br_status br_h5_deny(br_h5_file *file, const br_names *objects);
/* Is the object one of these, or in a group that is? */
bool      br_h5_covers(const br_names *objects, const char *object);
/* The same of what is denied. */
bool      br_h5_is_denied(const br_h5_file *file, const char *object);

/* Of the columns of an open dataset of two dimensions only these n, ascending, are ever read: it
 * has n_cols n from now on. `name_C` says what they are called in the record, "/aggregate[age]".
 * BR_E_SELFCHECK for a column that is denied. */
br_status       br_h5_dataset_select(br_h5_dataset *set, int32_t n, const int32_t *column_C,
                                     const char *const *name_C);
/* Datasets opened so far, and selected columns: "/aggregate", "/aggregate[age]", "/customer/key".
 */
const br_names *br_h5_opened(const br_h5_file *file);

/* The names of a group's links, without a look at what they lead to; none where `group` is a
 * dataset. BR_E_INPUT where it is not there. */
br_status br_h5_links(const br_h5_file *file, const char *group, br_names *out);

#endif
