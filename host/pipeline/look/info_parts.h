/* SPDX-License-Identifier: Apache-2.0
 *
 * The summaries that `info` prints, one per kind of file. Private to host/pipeline/look. */
#ifndef BR_HOST_PIPELINE_LOOK_INFO_PARTS_H
#define BR_HOST_PIPELINE_LOOK_INFO_PARTS_H

#include <stdio.h>

#include "host/base/status.h"
#include "host/io/file_kind.h"

br_status br_info_customers(const char *path, FILE *out);
br_status br_info_catalogue(const char *path, FILE *out);
br_status br_info_lists(const char *path, FILE *out);
br_status br_info_run(const char *path, FILE *out);
br_status br_info_bundle(const char *path, FILE *out);
br_status br_info_header(const char *path, br_file_kind kind, FILE *out);
br_status br_info_hdf5(const char *path, FILE *out);

#endif
