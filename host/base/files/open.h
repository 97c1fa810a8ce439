/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a file as every room does it: begun again where a signal came in between, closed when
 * another program takes the process's place, and what it makes is for its owner alone. */
#ifndef BR_HOST_BASE_FILES_OPEN_H
#define BR_HOST_BASE_FILES_OPEN_H

#include <errno.h>
#include <fcntl.h>

/* A descriptor; -1: errno says why. `flags` as of open(2). */
static inline int br_open(const char *path, int flags)
{
    int fd;

    do
        fd = open(path, flags | O_CLOEXEC, 0600);
    while (fd < 0 && errno == EINTR);
    return fd;
}

#endif
