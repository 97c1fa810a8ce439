/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks of a dataset with their checksums, made outside of libhdf5 and its lock, so that several
 * writers do it at once. Private to host/io; called once per array of a part. */
#ifndef BR_HOST_IO_LISTS_H5_CHUNKS_H
#define BR_HOST_IO_LISTS_H5_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#include "host/io/lists/h5_image.h"

/* Fletcher's checksum as HDF5's filter has it: of 16-bit words, the first byte the higher one, a
 * last odd byte as the higher half of a word; sum of sums above, sum below. */
uint32_t br_h5_fletcher32(const uint8_t *data, size_t n_bytes);

/* All rows of the array into its dataset, whose chunks have chunk_rows whole rows and no filter but
 * Fletcher32; what the last chunk has more is zeros. The same bytes as by H5Dwrite. The library,
 * which the caller holds, is let go while bytes are copied and summed. False: libhdf5 complains, or
 * memory is short. */
bool br_h5_chunks_write(hid_t dataset, hsize_t chunk_rows, const br_h5_array *array);

#endif
