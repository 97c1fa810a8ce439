/* SPDX-License-Identifier: Apache-2.0
 *
 * A random model for generated data: attention over browse events, decayed pooling over purchases,
 * gated fusion, two heads. */
#ifndef BR_HOST_PIPELINE_GENERATE_GENERATE_MODEL_H
#define BR_HOST_PIPELINE_GENERATE_GENERATE_MODEL_H

#include "host/pipeline/generate/generate.h"

br_status br_generate_model(const br_generate_options *options);

/* Key of an item, at most 12 bytes: the same in catalogue and vocabulary. */
void br_generate_item_key(int64_t item, char out[32]);

#endif
