/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `experiment`: the table of its records, and what its keys must say together. */
#include "host/config/check.h"

#define BR_BASE br_config_arm
BR_RECORD_TABLE(arm, BR_ARM_KEYS);
#undef BR_BASE

void br_config_check_experiment(br_config *config)
{
    if (config->experiment_salt[0] != '\0')
        return;
    if (config->experiment_hold_out > 0.0)
        br_config_problem(config, "experiment.hold_out", "is set, but experiment.salt is empty");
    if (config->experiment_arms.n > 0)
        br_config_problem(config, "experiment.arms", "is set, but experiment.salt is empty");
}
