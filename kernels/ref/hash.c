/* SPDX-License-Identifier: Apache-2.0
 *
 * hash: word after word. Called a few times per job. */
#include "kernels/hash.h"

#include <string.h>

#include "kernels/ref/ref.h"

br_status br_ref_hash(br_dev *dev, br_mat x_RC, br_mat out_11)
{
    const unsigned char *at = br_mat_at(x_RC);
    uint64_t n_bytes = (uint64_t)x_RC.n_rows * (uint64_t)x_RC.n_cols * br_dtype_bytes(x_RC.dtype);
    uint64_t hash    = br_hash_word(n_bytes, 0);

    (void)dev;
    for (uint64_t i = 0; 4 * i < n_bytes; i++) {
        uint32_t word = 0;

        memcpy(&word, at + 4 * i, n_bytes - 4 * i < 4 ? n_bytes - 4 * i : 4);
        hash += br_hash_word(word, i + 1);
    }
    *(uint64_t *)br_mat_at(out_11) = hash;
    return BR_OK;
}
