/* SPDX-License-Identifier: Apache-2.0
 *
 * How a backend names what it keeps in device memory for a run (resident.h). For backends alone. */
#ifndef BR_KERNELS_DETECT_PIECES_H
#define BR_KERNELS_DETECT_PIECES_H

#include <stddef.h>

typedef struct br_piece {
    const char *what;
    void       *memory; /* NULL: there is none */
    size_t      bytes;
} br_piece;
#define BR_MAX_PIECES 8

#endif
