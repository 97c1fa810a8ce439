/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints the names of all fault points, one per line. Called by points.py. */
#include <stdio.h>

#include "host/base/fault.h"

int main(void)
{
    for (int i = 0; i < BR_N_FAULTS; i++)
        (void)puts(br_fault_name((br_fault)i));
    return 0;
}
