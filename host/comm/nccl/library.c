/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads NCCL. Called once per job. */
#include "host/comm/nccl/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/base/log.h"

#define FILE_NAME "libnccl.so.2"
#define OLDEST    NCCL_VERSION(2, 14, 0)

static br_status find(void *library, const char *name, void *address_at)
{
    void *address = dlsym(library, name);

    if (address == NULL)
        return br_fail(BR_E_DEVICE, "NCCL: %s has no %s", FILE_NAME, name);
    memcpy(address_at, &address, sizeof address);
    return BR_OK;
}

br_status br_nccl_library_load(br_nccl_library *out)
{
    br_status st      = BR_OK;
    void     *library = dlopen(FILE_NAME, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        BR_FAIL(st, BR_E_DEVICE,
                "NCCL: %s: install libnccl2, name its folder in LD_LIBRARY_PATH, or use "
                "run.nccl=off",
                dlerror());
#define X(name) BR_TRY(st, find(library, "nccl" #name, &out->name));
    BR_NCCL_CALLS(X)
#undef X
    if (out->GetVersion(&out->version) != ncclSuccess)
        BR_FAIL(st, BR_E_DEVICE, "NCCL: %s does not say its version", FILE_NAME);
    if (out->version < OLDEST)
        BR_FAIL(st, BR_E_DEVICE, "NCCL: %s is of version code %d, expected 2.14 (%d) or newer",
                FILE_NAME, out->version, OLDEST);
    (void)snprintf(out->version_text, sizeof out->version_text, "%d.%d.%d", out->version / 10000,
                   out->version / 100 % 100, out->version % 100);
done:
    return st;
}

void br_nccl_log_settings(void)
{
    char   text[512];
    size_t n = 0;

    for (char **at = environ; *at != NULL; at++)
        if (strncmp(*at, "NCCL_", 5) == 0 && n + strlen(*at) + 2 < sizeof text)
            n += (size_t)snprintf(text + n, sizeof text - n, " %s", *at);
    if (n > 0)
        br_log(BR_LOG_INFO, "comm", "NCCL's settings:%s", text);
}
