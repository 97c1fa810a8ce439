/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens a bundle and makes its model on the ref backend: check_bundle FOLDER. Prints "ok", or the
 * code's name and the sentence; for the catalogue of bad bundles in test_bundles.py. */
#include <stdio.h>

#include "host/base/memory.h"
#include "host/io/bundle.h"

static br_status print_vocabularies(const br_bundle *bundle)
{
    br_status            st   = BR_OK;
    const br_model_spec *spec = br_bundle_spec(bundle);
    br_keys              keys = {0};
    char                 text[BR_KEY_TEXT_BYTES];

    for (int32_t i = 0; i < spec->n_encoders; i++) {
        BR_TRY(st, br_bundle_vocabulary(bundle, spec->encoder[i].vocabulary, &keys));
        (void)printf("%s: %lld keys, the last '%s'\n", spec->encoder[i].vocabulary,
                     (long long)keys.n_keys, br_keys_text(&keys, keys.n_keys - 1, text));
        br_keys_free(&keys);
    }
    if (br_bundle_vocabulary(bundle, "nobody", &keys) != BR_E_INPUT)
        st = br_fail(BR_E_SELFCHECK, "a vocabulary that is not there was found");
done:
    br_keys_free(&keys);
    return st;
}

int main(int argc, char **argv)
{
    br_status        st        = BR_OK;
    br_bundle       *bundle    = NULL;
    br_dev          *dev       = NULL;
    br_model        *model     = NULL;
    int32_t          n_tensors = 0;
    const br_tensor *tensors;

    if (argc != 2)
        BR_FAIL(st, BR_E_USAGE, "expected a folder");
    BR_TRY(st, br_bundle_open(argv[1], &bundle));
    BR_TRY(st, br_dev_open(BR_BACKEND_REF, 0, &dev));
    tensors = br_bundle_tensors(bundle, &n_tensors);
    BR_TRY(st, br_model_create(dev, br_bundle_spec(bundle), tensors, n_tensors, BR_PRECISION_FP32,
                               &model));
    BR_TRY(st, print_vocabularies(bundle));
    (void)printf("ok\n");
done:
    if (st != BR_OK)
        (void)printf("%s %s\n", br_status_name(st), br_error_last()->text);
    br_model_destroy(&model);
    br_dev_close(&dev);
    br_bundle_close(&bundle);
    return br_status_exit_code(st);
}
