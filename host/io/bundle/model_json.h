/* SPDX-License-Identifier: Apache-2.0
 *
 * model.json into a br_model_spec (docs/FORMATS.md). Called once per model. */
#ifndef BR_HOST_IO_BUNDLE_MODEL_JSON_H
#define BR_HOST_IO_BUNDLE_MODEL_JSON_H

#include "host/base/names.h"
#include "host/io/bundle/object.h"
#include "models/model.h"

/* Values are checked one by one here, and against each other by br_model_check_spec. Calibration
 * points are the caller's: br_model_json_free. `denied` gets the names of training.denied. */
br_status br_model_json_read(const char *path, br_model_spec *spec, br_names *denied);
void      br_model_json_free(br_model_spec *spec);

/* One element of `modalities`. */
br_status br_modality_json_read(const br_object *object, br_encoder_spec *out);

/* The names of activations, by br_activation from RELU on. */
br_status br_activation_json_read(const br_object *object, const char *name, br_need need,
                                  br_activation *out);

#endif
