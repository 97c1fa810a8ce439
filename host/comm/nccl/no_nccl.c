/* SPDX-License-Identifier: Apache-2.0
 *
 * In place of the other files in a build without NCCL: no communicator is ever open. */
#include "host/comm/nccl/nccl.h"

br_status br_nccl_check(void)
{
    return br_fail(BR_E_USAGE,
                   "run.nccl: this build has no NCCL: build with -DBR_NCCL=ON, or use auto");
}

br_status br_nccl_open(br_comm *comm, br_dev *dev, br_nccl_use use, br_nccl **out)
{
    (void)comm, (void)dev;
    *out = NULL;
    return use == BR_NCCL_ON ? br_nccl_check() : BR_OK;
}

br_status br_nccl_close(br_nccl **nccl, br_status st)
{
    (void)nccl;
    return st;
}

const char *br_nccl_version(const br_nccl *nccl)
{
    (void)nccl;
    return "none";
}

double br_nccl_seconds(const br_nccl *nccl)
{
    (void)nccl;
    return 0.0;
}

br_status br_nccl_broadcast(br_nccl *nccl, const char *what, br_mat mat)
{
    (void)nccl, (void)what, (void)mat;
    return br_nccl_check();
}

br_status br_nccl_allgather(br_nccl *nccl, const char *what, br_mat own_RC, br_mat all_WRC)
{
    (void)nccl, (void)what, (void)own_RC, (void)all_WRC;
    return br_nccl_check();
}
