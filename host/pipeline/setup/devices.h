/* SPDX-License-Identifier: Apache-2.0
 *
 * One GPU, one rank: chosen before a device is opened, checked after. Called once per job. */
#ifndef BR_HOST_PIPELINE_SETUP_DEVICES_H
#define BR_HOST_PIPELINE_SETUP_DEVICES_H

#include <stdint.h>

#include "host/base/status.h"
#include "host/comm/comm.h"
#include "kernels/ops.h"

/* The GPU of this rank: of its place on the machine, counted from `first` (-1: from 0, and only
 * where ranks share the machine). BR_E_DEVICE: there are fewer. */
br_status br_devices_choose(const br_comm *comm, int64_t first);

/* BR_E_DEVICE: two ranks of a machine hold the same GPU, or one holds none. Collective. */
br_status br_devices_check(br_comm *comm, const br_dev *dev);

#endif
