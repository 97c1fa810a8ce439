/* SPDX-License-Identifier: Apache-2.0
 *
 * Nothing is flipped. A file of its own, so that a test program can have another definition. */
#include "host/base/inject/flip.h"

bool br_flip_is_due(const char *place, size_t n_bytes, size_t *bit)
{
    (void)place;
    (void)n_bytes;
    (void)bit;
    return false;
}
