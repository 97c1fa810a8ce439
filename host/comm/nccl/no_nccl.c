/* SPDX-License-Identifier: Apache-2.0
 *
 * In place of the other files in a build without NCCL: no communicator is ever open. */
#include "host/comm/nccl/nccl.h"

br_status br_nccl_open(br_comm *comm, br_dev *dev, br_nccl_use use, br_nccl **out)
{
    (void)comm, (void)dev;
    *out = NULL;
    return use != BR_NCCL_ON ? BR_OK
                             : br_fail(BR_E_USAGE, "run.nccl: this build has no NCCL: build with "
                                                   "-DBR_NCCL=ON, or use auto");
}

br_status br_nccl_close(br_nccl **nccl, br_status st)
{
    (void)nccl;
    return st;
}
