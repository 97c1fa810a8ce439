/* SPDX-License-Identifier: Apache-2.0
 *
 * The `check` job: setup, weights, then one reading pass. */
#include "host/pipeline/look/check.h"

#include "host/pipeline/job.h"
#include "host/pipeline/setup/setup.h"
#include "host/pipeline/shards/shards.h"
#include "models/model.h"

static br_status check_weights(const br_setup *s)
{
    br_status        st    = BR_OK;
    br_dev          *dev   = NULL;
    br_model        *model = NULL;
    const br_tensor *tensors;
    int32_t          n_tensors;

    if (s->bundle == NULL)
        return BR_OK;
    BR_TRY(st, br_dev_open(BR_BACKEND_REF, (size_t)64 << 20, &dev));
    tensors = br_bundle_tensors(s->bundle, &n_tensors);
    BR_TRY(st, br_model_create(dev, s->spec, tensors, n_tensors, BR_PRECISION_FP32, &model));
done:
    br_model_destroy(&model);
    br_dev_close(&dev);
    return st;
}

static br_status check_values(br_setup *s)
{
    br_status st   = BR_OK;
    br_unit   unit = {0};

    for (int64_t u = 0; u < s->n_units; u++) {
        BR_TRY(st, br_job_check_interrupt(NULL));
        BR_TRY(st, br_customers_read(s->customers, &s->request, s->unit_rows[u].first,
                                     s->unit_rows[u].n, &unit));
    }
done:
    br_unit_free(&unit);
    return st;
}

static void print_setup(const br_setup *s, FILE *out)
{
    const br_customers_info *info = br_customers_info_of(s->customers);

    (void)fprintf(out, "customers  %lld in %lld units\n", (long long)info->n_customers,
                  (long long)s->n_units);
    (void)fprintf(out,
                  "catalogue  %lld items: %lld can be listed, %lld without a vector, %lld not "
                  "valid at run.as_of\n",
                  (long long)s->catalogue.n_items, (long long)s->n_listed,
                  (long long)s->n_unscorable, (long long)s->n_invalid);
    for (int32_t f = 0; f < s->n_feeds; f++) {
        const br_feed *feed    = &s->feed[f];
        int64_t        n_known = 0;

        for (int64_t i = 0; i < feed->n_tokens; i++)
            n_known += feed->row_of_token[i] >= 0;
        (void)fprintf(out, "timeline   %-16s %s%s%s%s", feed->name,
                      feed->place < 0 ? "missing in the file" : "read",
                      f < s->n_encoders ? ", encoded" : "", feed->is_excluded ? ", excluded" : "",
                      feed->is_popular ? ", counted for popularity" : "");
        if (feed->row_of_token != NULL)
            (void)fprintf(out, ", %lld of %lld tokens known to the model", (long long)n_known,
                          (long long)feed->n_tokens);
        (void)fprintf(out, "\n");
    }
    br_shards_print(s, out);
    if (s->spec != NULL)
        (void)fprintf(out, "model      %s %s, D %d, %d heads\n", s->spec->name, s->spec->version,
                      s->dim, s->spec->n_heads);
    for (int32_t h = 0; h < s->n_curves; h++) {
        const br_head_spec *head = &s->spec->head[s->curve[h]];

        (void)fprintf(out, "survival   %s: %d x %lld s\n", head->name, head->n_periods,
                      (long long)head->period_s);
    }
}

br_status br_job_check(const br_config *config, bool is_fast, FILE *out)
{
    br_status st = BR_OK;
    br_setup *s  = NULL;

    BR_TRY(st, br_setup_open(config, &s));
    BR_TRY(st, check_weights(s));
    BR_TRY(st, br_setup_plan_units(s));
    if (!is_fast)
        BR_TRY(st, check_values(s));
    print_setup(s, out);
    (void)fprintf(out, "ok\n");
done:
    br_setup_close(&s);
    return st;
}
