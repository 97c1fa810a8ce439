/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranks on device memory, by NCCL: arrays move from GPU to GPU without passing the hosts. Begun
 * over the ranks of a br_comm, of which there may be one; every call on it is collective, in the
 * same order on all ranks, a few times per job and never in the hot loop.
 *
 * NCCL never blocks here: each call is polled, its errors and the device's with it, until it is
 * done or the deadline of the phase has passed. Where it fails, other ranks may wait in it for
 * ever, so that nobody can be agreed with: the communicator is aborted by a thread of its own, as
 * far as that goes within a second, and the job ends (br_comm_abort) with rank, device and
 * operation in the message; a process alone returns the error. Ranks that fail elsewhere meet the
 * others at the next call, which begins with an agreement (br_comm_agree) on status, names and
 * sizes. */
#ifndef BR_HOST_COMM_NCCL_NCCL_H
#define BR_HOST_COMM_NCCL_NCCL_H

#include "host/comm/comm.h"
#include "kernels/ops.h"

/* AUTO: several ranks on GPUs, and every rank finds the library, of the same version. */
typedef enum { BR_NCCL_AUTO, BR_NCCL_OFF, BR_NCCL_ON } br_nccl_use;

typedef struct br_nccl br_nccl;

/* Whether this build knows NCCL (BR_E_USAGE) and this machine has the library (BR_E_DEVICE). Of one
 * rank alone. */
br_status br_nccl_check(void);

/* *out NULL: not used, and the log says why. Otherwise br_dev_share of `dev` is from now on a
 * br_nccl_broadcast; one device per rank. ON: BR_E_USAGE where the build or the backend has no
 * NCCL, BR_E_DEVICE where a rank finds no library (libnccl.so.2, 2.14 or newer) or another version
 * than the others. Collective. */
br_status br_nccl_open(br_comm *comm, br_dev *dev, br_nccl_use use, br_nccl **out);

/* Agrees on `st` first, and returns what all agreed on; NULL: `st` itself. */
br_status br_nccl_close(br_nccl **nccl, br_status st);

/* "2.28.9" */
const char *br_nccl_version(const br_nccl *nccl);
/* Seconds in which arrays were moved so far, without agreements and hashes. */
double      br_nccl_seconds(const br_nccl *nccl);

/* A dense view of rank 0 to the same view on all. What arrived is hashed on each device
 * (br_op_hash) and compared: BR_E_DEVICE naming `what` and the first rank that has other bytes.
 * BR_E_SELFCHECK: ranks came with other arrays or sizes, or the view is not dense. */
br_status br_nccl_broadcast(br_nccl *nccl, const char *what, br_mat mat);

/* own_RC of every rank, one below the other in order of ranks, to all_WRC [W R, C] on all; both
 * dense, rows of a multiple of 4 bytes. Compared like a broadcast; the same errors. */
br_status br_nccl_allgather(br_nccl *nccl, const char *what, br_mat own_RC, br_mat all_WRC);

#endif
