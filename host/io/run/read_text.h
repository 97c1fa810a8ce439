/* SPDX-License-Identifier: Apache-2.0
 *
 * A small file of a run directory, whole. Called a few times per part; private to host/io/run. */
#ifndef BR_HOST_IO_RUN_READ_TEXT_H
#define BR_HOST_IO_RUN_READ_TEXT_H

#include <stddef.h>

#include "host/base/status.h"
#include "host/base/strbuf.h"

/* At most max_bytes (BR_E_INPUT beyond). BR_E_IO: cannot be read. */
br_status br_text_read(const char *path, size_t max_bytes, br_strbuf *out);

#endif
