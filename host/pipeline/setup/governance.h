/* SPDX-License-Identifier: Apache-2.0
 *
 * Which columns a job must not read: those of section `governance` and those that its model denies
 * (docs/GOVERNANCE.md). Settled before the inputs are opened; their readers then do not have these
 * columns, so that whatever uses one finds nothing, and br_governance_allow says why. */
#ifndef BR_HOST_PIPELINE_SETUP_GOVERNANCE_H
#define BR_HOST_PIPELINE_SETUP_GOVERNANCE_H

#include "host/base/strbuf.h"
#include "host/io/bundle.h"
#include "host/io/columns/input_columns.h"

struct br_config;
struct br_setup;

/* By file. */
typedef struct br_governance {
    br_names column[BR_N_INPUTS];     /* denied: "static.age" */
    br_names if_present[BR_N_INPUTS]; /* those of them that the files may lack */
    br_names by_model[BR_N_INPUTS];   /* those that the model alone denies */
    br_names object[BR_N_INPUTS];     /* what holds them: "/static/age", "/static_key/age" */
    br_names held_out; /* the customers' objects, and what the model denies wherever it may be: of
                          another file of customers */
} br_governance;

/* `bundle` NULL: no model. Lists the columns of both files where anything is denied. BR_E_USAGE: a
 * name that no column has, or several; a column that cannot be denied; a denied feature of the
 * model where governance.features is `refuse`. Free with br_governance_free after a failure too. */
br_status br_governance_open(const struct br_config *config, const br_bundle *bundle,
                             br_governance *out);
void      br_governance_free(br_governance *governance);

/* Who denies a column, for messages; NULL: nobody. */
const char *br_governance_denier(const br_governance *governance, br_input input,
                                 const char *column);

/* BR_E_USAGE "WHERE: column 'WORDname' of the customers is denied by ..." when it is. `where` names
 * the key of the configuration. */
br_status br_governance_allow(const struct br_setup *setup, const char *where, br_input input,
                              const char *word, const char *name);

/* What the manifest says of each input: denied objects and opened datasets, a JSON array. */
br_status br_governance_record(const struct br_setup *setup, br_strbuf *out);

#endif
