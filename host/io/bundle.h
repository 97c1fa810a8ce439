/* SPDX-License-Identifier: Apache-2.0
 *
 * A model bundle: a folder with model.json, weights.safetensors and vocabulary.h5
 * (docs/FORMATS.md). Reads them into model.h's tables; builds nothing on a device. */
#ifndef BR_HOST_IO_BUNDLE_H
#define BR_HOST_IO_BUNDLE_H

#include <stdint.h>

#include "host/base/names.h"
#include "host/base/status.h"
#include "host/io/keys.h"
#include "models/model.h"

typedef struct br_bundle br_bundle;

br_status            br_bundle_open(const char *path, br_bundle **out);
void                 br_bundle_close(br_bundle **bundle);
const br_model_spec *br_bundle_spec(const br_bundle *bundle);
const br_tensor     *br_bundle_tensors(const br_bundle *bundle, int32_t *n_tensors);
/* What the model must not be given (model.json, training.denied), and the datasets of vocabulary.h5
 * that were opened. */
const br_names      *br_bundle_denied(const br_bundle *bundle);
const br_names      *br_bundle_opened(const br_bundle *bundle);
/* Keys of the rows of an embedding table: vocabulary.h5 /<name>/key; an empty key marks a row
 * that is no token (padding). `static.<column>` names the categories of a static column. */
br_status            br_bundle_vocabulary(const br_bundle *bundle, const char *name, br_keys *out);

#endif
