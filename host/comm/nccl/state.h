/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of host/comm/nccl share. Private to it. */
#ifndef BR_HOST_COMM_NCCL_STATE_H
#define BR_HOST_COMM_NCCL_STATE_H

#include "host/comm/nccl/library.h"
#include "host/comm/nccl/nccl.h"
#include "host/comm/state.h"

struct br_nccl {
    br_comm        *comm;
    br_dev         *dev;
    br_nccl_library library;
    ncclComm_t      handle;  /* NULL: none, or aborted */
    br_mat          hash_W1; /* u64 [W + 1, 1]: of every rank's piece, of one's own */
    br_share        share;
    /* for the log */
    int64_t         n_arrays;
    double          bytes;
    double          seconds;
};

/* Waits until NCCL has taken what it answered `result` to, and the device has done it. Does not
 * return where that fails and there are other ranks. */
br_status br_nccl_wait(br_nccl *nccl, const char *what, ncclResult_t result);

#endif
