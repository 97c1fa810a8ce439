/* SPDX-License-Identifier: Apache-2.0
 *
 * The `plan` job: what a run will take, from shapes alone. */
#include "host/base/parallel.h"
#include "host/pipeline/look/check.h"
#include "host/pipeline/setup/setup.h"
#include "host/pipeline/stats/flops.h"

#define N_SLOTS 3 /* batches under way: read, computed, written */

typedef struct footprint {
    double events;  /* host bytes of packed and raw events of a unit */
    double lists;   /* host bytes of a unit's lists */
    double device;  /* bytes of states, vectors and lists of a unit on the device */
    double weights; /* weights and catalogue */
    double output;  /* bytes on disk */
    double flop_encode;
    double flop_score;
} footprint;

static double row_bytes(const br_setup *s)
{
    double k = (double)s->config->list_k;
    double n = s->config->output_vectors ? 4.0 * s->dim : 0.0;

    n += s->config->output_gates ? 8.0 * s->n_encoders : 0.0;
    return n + 8 + 4 + 4 + 4 + 4 + 4 + k * (4 + 4 + 1 + 4 + 4.0 * s->n_heads) +
           br_customers_info_of(s->customers)->key_width_bytes;
}

/* Mean events a customer of this timeline has, at most what the encoder reads. */
static double mean_length(const br_setup *s, int32_t m)
{
    const br_customers_info *info = br_customers_info_of(s->customers);
    double                   mean;

    if (s->feed[m].place < 0 || info->n_customers == 0)
        return 0.0;
    mean = (double)info->modality[s->request.modality[s->feed[m].place]].n_events /
           (double)info->n_customers;
    return mean < s->spec->encoder[m].max_length ? mean : s->spec->encoder[m].max_length;
}

static footprint estimate(const br_setup *s)
{
    const br_customers_info *info = br_customers_info_of(s->customers);
    double                   n = (double)info->n_customers, rows = 0.0, events = 0.0, state = 0.0;
    footprint                f = {0};

    for (int64_t u = 0; u < s->n_units; u++) {
        double size = (double)(s->unit_start[u + 1] - s->unit_start[u]);
        rows        = size > rows ? size : rows;
    }
    for (int32_t i = 0; i < s->request.n_modalities; i++)
        events += n > 0 ? (double)info->modality[s->request.modality[i]].n_events / n * rows : 0;
    for (int32_t m = 0; m < s->n_encoders; m++) {
        int64_t offset[2] = {0, (int64_t)(mean_length(s, m) + 0.5)};

        state += s->spec->encoder[m].out_dim;
        f.flop_encode += n * br_flops_encode(&s->spec->encoder[m], 1, offset);
    }
    f.events = events * 17.0 * (N_SLOTS + 1);
    f.lists  = rows * (row_bytes(s) + 4.0 * s->dim) * (N_SLOTS + 2);
    f.device = rows * (4.0 * (state + s->dim) + (double)s->config->list_k * 4 * (2 + s->n_heads)) *
               N_SLOTS;
    f.weights    = (double)s->n_listed * s->dim * 4 * 2;
    f.output     = n * row_bytes(s);
    f.flop_score = br_flops_score(info->n_customers, s->n_listed, s->dim, s->n_heads);
    return f;
}

br_status br_job_plan(const br_config *config, FILE *out)
{
    br_status    st = BR_OK;
    br_setup    *s  = NULL;
    footprint    f;
    double       total;
    const double MiB = 1024.0 * 1024.0;

    BR_TRY(st, br_setup_open(config, &s));
    BR_TRY(st, br_setup_plan_units(s));
    f     = estimate(s);
    total = f.events + f.lists + f.device + f.weights;
    (void)fprintf(out, "customers            %12lld in %lld units\n",
                  (long long)br_customers_info_of(s->customers)->n_customers,
                  (long long)s->n_units);
    (void)fprintf(out, "items listed         %12lld of %lld\n", (long long)s->n_listed,
                  (long long)s->catalogue.n_items);
    (void)fprintf(out, "events in flight     %12.1f MiB\n", f.events / MiB);
    (void)fprintf(out, "lists in flight      %12.1f MiB\n", f.lists / MiB);
    (void)fprintf(out, "device, per unit     %12.1f MiB\n", f.device / MiB);
    (void)fprintf(out, "catalogue vectors    %12.1f MiB\n", f.weights / MiB);
    (void)fprintf(out, "memory, about        %12.1f MiB (a cpu backend's device is host memory)\n",
                  total / MiB);
    (void)fprintf(out, "output, at most      %12.1f MiB\n", f.output / MiB);
    (void)fprintf(out, "arithmetic: encode   %12.1f Gflop\n", f.flop_encode * 1e-9);
    (void)fprintf(out, "arithmetic: score    %12.1f Gflop\n", f.flop_score * 1e-9);
    (void)fprintf(out, "lanes                %12d of %d cores\n",
                  config->run_threads > 0 ? (int)config->run_threads : br_n_cores(), br_n_cores());
    if (config->run_memory_limit_bytes > 0 && total > (double)config->run_memory_limit_bytes)
        BR_FAIL(st, BR_E_MEMORY,
                "the job needs about %.1f MiB, run.memory_limit_bytes allows "
                "%.1f MiB: lower run.unit_customers or list.k",
                total / MiB, (double)config->run_memory_limit_bytes / MiB);
done:
    br_setup_close(&s);
    return st;
}
