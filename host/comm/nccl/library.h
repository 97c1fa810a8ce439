/* SPDX-License-Identifier: Apache-2.0
 *
 * libnccl.so.2, found when it is wanted and not before: a machine may lack it, it is large, and one
 * program serves both. Types are those of nccl.h at build time. Private to host/comm/nccl. */
#ifndef BR_HOST_COMM_NCCL_LIBRARY_H
#define BR_HOST_COMM_NCCL_LIBRARY_H

#include <nccl.h>

#include "host/base/status.h"

#define BR_NCCL_CALLS(X)                                                                           \
    X(GetVersion)                                                                                  \
    X(GetUniqueId)                                                                                 \
    X(GetErrorString)                                                                              \
    X(GetLastError)                                                                                \
    X(CommInitRankConfig)                                                                          \
    X(CommGetAsyncError)                                                                           \
    X(CommFinalize)                                                                                \
    X(CommDestroy)                                                                                 \
    X(CommAbort)                                                                                   \
    X(Broadcast)                                                                                   \
    X(AllGather)

typedef struct br_nccl_library {
    int  version;
    char version_text[32];
#define X(name) __typeof__(&nccl##name) name;
    BR_NCCL_CALLS(X)
#undef X
} br_nccl_library;

/* BR_E_DEVICE: it is not there, lacks a function, or is older than 2.14, which first had
 * communicators that do not block. It stays loaded. */
br_status br_nccl_library_load(br_nccl_library *out);

/* Logs the settings NCCL_* of the environment, which change what the library does. */
void br_nccl_log_settings(void);

#endif
