/* SPDX-License-Identifier: Apache-2.0
 *
 * The verb `info PATH`: what a file or folder holds, for people. Called once per process. */
#ifndef BR_HOST_PIPELINE_INFO_H
#define BR_HOST_PIPELINE_INFO_H

#include <stdio.h>

#include "host/base/status.h"

/* Recognises customers, catalogue, vocabulary and lists files, run directories, model bundles,
 * .npy and .safetensors by their content, opens them through the readers of jobs (whose checks
 * apply) and prints a summary. BR_E_IO: cannot be read; BR_E_INPUT: unknown or broken. */
br_status br_job_info(const char *path, FILE *out);

#endif
