/* SPDX-License-Identifier: Apache-2.0
 *
 * Which device a rank works on. Called once per job. */
#include "host/pipeline/setup/devices.h"

#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"

typedef struct held {
    char identity[40];
    char backend[16];
} held;

br_status br_devices_choose(const br_comm *comm, int64_t first)
{
    if (first < 0 && br_comm_node_size(comm) == 1)
        return BR_OK; /* whatever comes first, as CUDA has it */
    return br_dev_choose((int32_t)(first > 0 ? first : 0) + br_comm_node_rank(comm), first >= 0);
}

static br_status compare(const held *held_W, int n)
{
    for (int r = 0; r < n; r++) {
        if (strcmp(held_W[r].backend, held_W[0].backend) != 0)
            return br_fail(BR_E_DEVICE,
                           "rank %d of this machine works on %s, its first on %s: start one rank "
                           "per GPU, or choose run.backend",
                           r, held_W[r].backend, held_W[0].backend);
        for (int q = 0; q < r && held_W[r].identity[0] != '\0'; q++)
            if (strcmp(held_W[r].identity, held_W[q].identity) == 0)
                return br_fail(BR_E_DEVICE,
                               "ranks %d and %d of this machine have the same GPU (%s): start one "
                               "rank per GPU, and let each see its own or all",
                               q, r, held_W[r].identity);
    }
    return BR_OK;
}

br_status br_devices_check(br_comm *comm, const br_dev *dev)
{
    br_status st     = BR_OK;
    br_comm  *node   = br_comm_node(comm);
    int       n      = br_comm_size(node);
    held      own    = {0};
    held     *held_W = NULL;

    (void)snprintf(own.identity, sizeof own.identity, "%s", br_dev_identity(dev));
    (void)snprintf(own.backend, sizeof own.backend, "%s", br_dev_backend_name(dev));
    if (br_comm_rank(node) == 0)
        st = br_alloc(n, sizeof *held_W, "devices of ranks", (void **)&held_W);
    BR_TRY(st, br_comm_agree(comm, st));
    br_comm_gather(node, &own, sizeof own, held_W);
    BR_TRY(st, br_comm_agree(comm, br_comm_rank(node) == 0 ? compare(held_W, n) : BR_OK));
done:
    br_free(&held_W);
    return st;
}
