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

static br_status compare(const held *held_W, int n)
{
    for (int r = 0; r < n; r++) {
        if (strcmp(held_W[r].backend, held_W[0].backend) != 0)
            return br_fail(BR_E_DEVICE,
                           "rank %d of this machine would work on %s, its first on %s: there are "
                           "fewer GPUs than ranks (start one per GPU, or choose the backend)",
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

static br_status choose(const br_comm *comm, br_backend backend, int64_t first, held *own)
{
    br_status st  = BR_OK;
    br_dev   *dev = NULL;

    if (first >= 0 || br_comm_node_size(comm) > 1)
        BR_TRY(st, br_dev_choose((int32_t)(first > 0 ? first : 0) + br_comm_node_rank(comm),
                                 first >= 0));
    BR_TRY(st, br_dev_open(backend, 0, &dev));
    (void)snprintf(own->identity, sizeof own->identity, "%s", br_dev_identity(dev));
    (void)snprintf(own->backend, sizeof own->backend, "%s", br_dev_backend_name(dev));
done:
    br_dev_close(&dev);
    return st;
}

br_status br_devices_assign(br_comm *comm, br_backend backend, int64_t first)
{
    br_status st      = BR_OK;
    br_comm  *node    = br_comm_node(comm);
    int       n       = br_comm_size(node);
    bool      is_here = br_comm_rank(node) == 0;
    held      own     = {0};
    held     *held_W  = NULL;

    if (first < 0 && br_comm_size(comm) == 1)
        return BR_OK; /* whatever comes first, as CUDA has it */
    st = choose(comm, backend, first, &own);
    if (st == BR_OK && is_here)
        st = br_alloc(n, sizeof *held_W, "devices of ranks", (void **)&held_W);
    BR_TRY(st, br_comm_agree(comm, st));
    br_comm_gather(node, &own, sizeof own, held_W);
    BR_TRY(st, br_comm_agree(comm, is_here ? compare(held_W, n) : BR_OK));
done:
    br_free(&held_W);
    return st;
}
