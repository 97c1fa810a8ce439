/* SPDX-License-Identifier: Apache-2.0 */
#include "host/io/lists/h5_chunks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FOLD_WORDS     360 /* words until sum of sums may pass 32 bits */
#define CHECKSUM_BYTES 4

static uint32_t fold(uint32_t sum)
{
    return (sum & 0xffff) + (sum >> 16);
}

uint32_t br_h5_fletcher32(const uint8_t *data, size_t n_bytes)
{
    size_t   n_words = n_bytes / 2;
    uint32_t sum = 0, sum_of_sums = 0;

    while (n_words > 0) {
        size_t n = n_words < FOLD_WORDS ? n_words : FOLD_WORDS;

        n_words -= n;
        for (; n > 0; n--, data += 2) {
            sum += (uint32_t)data[0] << 8 | data[1];
            sum_of_sums += sum;
        }
        sum         = fold(sum);
        sum_of_sums = fold(sum_of_sums);
    }
    if (n_bytes % 2 == 1) {
        sum         = fold(sum + ((uint32_t)data[0] << 8));
        sum_of_sums = fold(sum_of_sums + sum);
    }
    return fold(sum_of_sums) << 16 | fold(sum);
}

/* Rows of the array and zeros up to the end of the chunk, then their checksum. */
static void fill(uint8_t *chunk, size_t chunk_bytes, const uint8_t *rows, size_t rows_bytes)
{
    uint32_t sum;

    memcpy(chunk, rows, rows_bytes);
    memset(chunk + rows_bytes, 0, chunk_bytes - rows_bytes);
    sum = br_h5_fletcher32(chunk, chunk_bytes);
    for (int i = 0; i < CHECKSUM_BYTES; i++)
        chunk[chunk_bytes + (size_t)i] = (uint8_t)(sum >> 8 * i);
}

bool br_h5_chunks_write(hid_t dataset, hsize_t chunk_rows, const br_h5_array *array)
{
    size_t   row_bytes   = H5Tget_size(array->type) * (array->rank > 1 ? array->dims[1] : 1);
    size_t   chunk_bytes = row_bytes * chunk_rows;
    uint8_t *chunk       = malloc(chunk_bytes + CHECKSUM_BYTES);
    bool     is_written  = chunk != NULL;

    for (hsize_t row = 0; row < array->dims[0] && is_written; row += chunk_rows) {
        hsize_t left      = array->dims[0] - row;
        hsize_t offset[2] = {row, 0};

        br_h5_leave();
        fill(chunk, chunk_bytes, (const uint8_t *)array->data + row * row_bytes,
             (left < chunk_rows ? left : chunk_rows) * row_bytes);
        br_h5_enter();
        is_written = H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, offset, chunk_bytes + CHECKSUM_BYTES,
                                    chunk) >= 0;
    }
    free(chunk);
    return is_written;
}
