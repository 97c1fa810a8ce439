/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keys of a section say together: refused with br_config_problem, before any work. A
 * section is checked only when each of its values is right by itself. */
#ifndef BR_HOST_CONFIG_CHECK_H
#define BR_HOST_CONFIG_CHECK_H

#include "host/config/table.h"

/* One problem "path.key: is set, but BUT" when the key of a record has not its default value. */
void br_config_check_unset(br_config *config, const br_record *record, const void *base,
                           const char *path, const char *key, const char *but);

/* A name that becomes a column or a group of the lists' files. */
void br_config_check_name(br_config *config, const char *path, const char *name);

void br_config_check_objective(br_config *config);
void br_config_check_constraints(br_config *config);
void br_config_check_policy(br_config *config);
void br_config_check_rules(br_config *config);
void br_config_check_shape(br_config *config);
void br_config_check_experiment(br_config *config);
void br_config_check_shadow(br_config *config);

#endif
