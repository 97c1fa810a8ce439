/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity of a run. Reads every input file once, to hash it. Called once per job. */
#include "host/pipeline/setup/identity.h"

#include <stdio.h>
#include <sys/stat.h>

#include "host/base/hash.h"
#include "host/base/memory.h"
#include "host/base/strbuf.h"
#include "host/io/digest/blocks.h"

static br_status add_file(br_strbuf *t, const char *name, const char *path)
{
    br_status st = BR_OK;
    char      digest[BR_INPUT_DIGEST_BYTES];

    BR_TRY(st, br_digest_input(path, digest));
    br_strbuf_add(t, "  \"%s\": \"%s\",\n", name, digest);
done:
    return st;
}

static br_status add_bundle(br_strbuf *t, const char *folder)
{
    static const char *const files[] = {"model.json", "weights.safetensors", "vocabulary.h5"};
    br_status                st      = BR_OK;

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[4096], name[64];

        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        (void)snprintf(name, sizeof name, "sha256 of %s", files[i]);
        BR_TRY(st, add_file(t, name, path));
    }
done:
    return st;
}

/* The device's description: x_u has the same bits on one kind of device only. */
static br_status add_device(br_strbuf *t, br_backend backend)
{
    br_status st  = BR_OK;
    br_dev   *dev = NULL;

    BR_TRY(st, br_dev_open(backend, 0, &dev));
    br_strbuf_add(t, "  \"device\": ");
    br_strbuf_add_string(t, br_dev_description(dev));
    br_strbuf_add(t, ",\n");
done:
    br_dev_close(&dev);
    return st;
}

/* What suppression files hold decides lists; a run is known by its manifest. */
static br_status add_suppressions(br_strbuf *t, const br_config_suppression_list *files)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < files->n; i++) {
        const br_config_suppression *file = &files->item[i];
        struct stat                  about;
        char                         path[4096], name[160];

        (void)snprintf(name, sizeof name, "sha256 of rules.suppressions %.64s", file->name);
        (void)snprintf(path, sizeof path, "%s%s", file->path,
                       stat(file->path, &about) == 0 && S_ISDIR(about.st_mode) ? "/manifest.json"
                                                                               : "");
        BR_TRY(st, add_file(t, name, path));
    }
done:
    return st;
}

void br_identity_prices(const float *price_N, int64_t n, char out[BR_IDENTITY_PRICES_BYTES])
{
    (void)snprintf(out, BR_IDENTITY_PRICES_BYTES, BR_IDENTITY_PRICES "\"%016llx\"",
                   (unsigned long long)br_hash_bytes(price_N, (size_t)n * sizeof *price_N));
}

br_status br_identity_digests(const br_setup *setup, const char *customers, char **out)
{
    br_status        st     = BR_OK;
    const br_config *config = setup->config;
    br_strbuf        t      = {0};

    br_strbuf_add(&t, "  \"sha256 of customers\": \"%s\",\n", customers);
    BR_TRY(st, add_file(&t, "sha256 of catalogue", config->input_catalogue));
    if (setup->bundle != NULL)
        BR_TRY(st, add_bundle(&t, config->input_model));
    BR_TRY(st, add_suppressions(&t, &config->rules_suppressions));
    BR_TRY(st, br_strbuf_take(&t, out));
done:
    br_strbuf_free(&t);
    return st;
}

br_status br_identity_with(const br_setup *setup, const char *digests, char **out)
{
    br_status        st     = BR_OK;
    const br_config *config = setup->config;
    br_strbuf        t      = {0};
    char            *keys   = NULL;
    char             prices[BR_IDENTITY_PRICES_BYTES];

    br_strbuf_add(&t, "{\n%s", digests);
    if (config->price_N != NULL) {
        br_identity_prices(config->price_N, setup->catalogue.n_items, prices);
        br_strbuf_add(&t, "  %s,\n", prices);
    }
    BR_TRY(st, br_config_dump_shaping(config, &keys));
    br_strbuf_add(&t, "  \"configuration\": %s,\n", keys);
    BR_TRY(st, add_device(&t, (br_backend)config->run_backend));
    BR_TRY(st, add_file(&t, "sha256 of the program", "/proc/self/exe"));
    br_strbuf_add(&t, "  \"build\": \"batchrank %s\"\n}", BR_VERSION);
    BR_TRY(st, br_strbuf_take(&t, out));
done:
    br_strbuf_free(&t);
    br_free(&keys);
    return st;
}

br_status br_identity_text(const br_setup *setup, char **out)
{
    br_status st      = BR_OK;
    char     *digests = NULL;
    char      customers[BR_INPUT_DIGEST_BYTES];

    BR_TRY(st, br_digest_input(setup->config->input_customers, customers));
    BR_TRY(st, br_identity_digests(setup, customers, &digests));
    BR_TRY(st, br_identity_with(setup, digests, out));
done:
    br_free(&digests);
    return st;
}
