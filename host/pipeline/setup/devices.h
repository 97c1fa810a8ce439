/* SPDX-License-Identifier: Apache-2.0
 *
 * One GPU, one rank: chosen and compared before anything else opens a device. Called once per
 * process. */
#ifndef BR_HOST_PIPELINE_SETUP_DEVICES_H
#define BR_HOST_PIPELINE_SETUP_DEVICES_H

#include <stdint.h>

#include "host/base/status.h"
#include "host/comm/comm.h"
#include "kernels/ops.h"

/* This rank takes the GPU of its place on the machine, counted from `first` (-1: from 0, and only
 * where ranks share the machine; br_dev_choose). BR_E_DEVICE: there are fewer, two ranks of a
 * machine have the same, or one works on another backend than the first. Collective. */
br_status br_devices_assign(br_comm *comm, br_backend backend, int64_t first);

#endif
