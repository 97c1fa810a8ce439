/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory, output and arithmetic of a job. Called once by `plan`, and by `run` before it starts. */
#include "host/pipeline/look/footprint.h"

#include <string.h>

#include "host/base/parallel.h"
#include "host/pipeline/choose/draw.h"
#include "host/pipeline/choose/shaping.h"
#include "host/pipeline/flow/flow.h"
#include "host/pipeline/lanes.h"
#include "host/pipeline/shards/shards.h"
#include "host/pipeline/stats/flops.h"

#define MiB (1024.0 * 1024.0)

static double row_bytes(const br_setup *s)
{
    double k = (double)s->config->list_k;
    double n = s->config->output_vectors ? 4.0 * s->dim : 0.0;

    n += s->config->output_gates ? 8.0 * s->n_encoders : 0.0;
    n += 4.0 * s->n_periods;
    n += 4.0 * (s->objective.n_terms + s->objective.n_penalties) * k;
    n += s->config->policy_type != BR_POLICY_GREEDY ? 4.0 : 0.0; /* log_remaining */
    n += s->rulebook.n_holds > 0 ? 4.0 : 0.0;
    return n + 8 + 4 + 4 + 4 + 4 + 4 +
           k * (4 + 4 + 1 + 4 + 4.0 * s->n_heads + 8.0 * s->n_weightings) +
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

static double largest_unit(const br_setup *s)
{
    int64_t most = 0;

    for (int64_t u = 0; u < s->n_units; u++) {
        int64_t n = s->unit_rows[u].n;
        most      = n > most ? n : most;
    }
    return (double)most;
}

/* What encoder m keeps beside its weights. */
static double table_bytes(const br_setup *s, int32_t m)
{
    const br_encoder_spec *e         = &s->spec->encoder[m];
    int32_t                n_tensors = 0;
    const br_tensor       *tensors   = br_bundle_tensors(s->bundle, &n_tensors);

    for (int32_t i = 0; i < n_tensors; i++)
        if (strcmp(tensors[i].name, e->item_table) == 0)
            return (double)br_gate_table_bytes(e, tensors[i].dim[0]);
    return 0.0;
}

/* Vectors for diversity once, the rest by lane. */
static double shape_bytes(const br_setup *s)
{
    size_t lane   = 0;
    double common = 0.0;
    int    lanes  = s->config->run_threads > 0 ? (int)s->config->run_threads : br_n_cores();

    if (!s->shape.is_on)
        return 0.0;
    common = (double)br_shaping_bytes(s, &lane);
    return common + (double)lane * lanes;
}

/* Weights of pair heads, and what a lane of the cpu backend packs of the largest. */
static double pair_bytes(const br_setup *s)
{
    int    lanes = s->config->run_threads > 0 ? (int)s->config->run_threads : br_n_cores();
    double total = 0.0, most = 0.0;

    for (int32_t i = 0; s->spec != NULL && i < s->spec->n_heads; i++) {
        const br_head_spec *h     = &s->spec->head[i];
        double              first = h->kind == BR_HEAD_PAIR ? (double)s->dim * h->hidden[0] : 0.0;
        double              n     = 3.0 * first;

        for (int32_t l = 1; l < h->n_hidden; l++)
            n += (double)h->hidden[l - 1] * h->hidden[l];
        total += 4.0 * n;
        most = 8.0 * (n + first) > most ? 8.0 * (n + first) : most;
    }
    return total + most * lanes;
}

/* Candidates a customer has in a constrained job. */
static double shortlist_of(const br_setup *s)
{
    double width = (double)s->config->constraints_shortlist;

    width = width > (double)s->config->list_k ? width : (double)s->config->list_k;
    return width < (double)s->n_listed ? width : (double)s->n_listed;
}

/* Two rounds of shortlists while the second is joined to the first, and what an allocation keeps
 * beside them: lists as they are, were and may be. */
static double fleet_bytes(const br_setup *s)
{
    double k = (double)s->config->list_k;

    if (!br_config_is_constrained(s->config))
        return 0.0;
    return (double)br_customers_info_of(s->customers)->n_customers *
           (3.0 * 8.0 * shortlist_of(s) + 18.0 * k + 16.0);
}

/* The runs of two rounds of shortlists, x_u with the first. */
static double fleet_output(const br_setup *s)
{
    if (!br_config_is_constrained(s->config))
        return 0.0;
    return (double)br_customers_info_of(s->customers)->n_customers *
           (2.0 * shortlist_of(s) * (13.0 + 4.0 * s->n_heads) + 4.0 * s->dim);
}

/* The reference's catalogue, and the sums of panels that checksums need. */
static double detect_bytes(const br_setup *s)
{
    double n = (double)s->held.n, bytes = 0.0;

    if (s->config->detect_samples > 0 && s->n_shards == 1)
        bytes += n * (s->dim + s->objective.width) * 4;
    if (s->config->detect_checksums)
        bytes += n * s->objective.width * 4 / 32;
    return bytes;
}

/* What is drawn of a customer, on the device; of a shard its own lists too. */
static double drawn_bytes(const br_setup *s)
{
    if (s->config->policy_type == BR_POLICY_GREEDY)
        return 0.0;
    return 4.0 * (double)s->config->list_k + 20.0 +
           (s->n_shards > 1 ? 16.0 * (double)br_draw_width(s->config) + 28.0 : 0.0);
}

br_footprint br_footprint_of(const br_setup *s)
{
    const br_customers_info *info = br_customers_info_of(s->customers);
    double       n = (double)info->n_customers, rows = largest_unit(s), events = 0.0, state = 0.0;
    double       slots = br_flow_slots(br_writers_of(s->config)); /* units under way */
    br_footprint f     = {0};

    for (int32_t i = 0; i < s->request.n_modalities; i++)
        events += n > 0 ? (double)info->modality[s->request.modality[i]].n_events / n * rows : 0;
    for (int32_t m = 0; m < s->n_encoders; m++) {
        int64_t offset[2] = {0, (int64_t)(mean_length(s, m) + 0.5)};

        state += s->spec->encoder[m].out_dim;
        f.weights += table_bytes(s, m);
        f.flop_encode += n * br_flops_encode(&s->spec->encoder[m], 1, offset);
    }
    f.events = events * 17.0 * (slots + 1.0);
    f.lists  = rows * (row_bytes(s) + 4.0 * s->dim) * (3.0 * slots - 4.0);
    f.device = rows * slots *
               (4.0 * (state + s->dim + s->n_periods) + drawn_bytes(s) +
                (double)s->config->list_k * 4 *
                    (2 + s->n_heads + s->objective.n_terms +
                     s->n_weightings * (2.0 + (s->is_sweep ? s->objective.n_terms : 0))));
    f.weights += (double)s->held.n * (s->dim + s->objective.width) * 4;
    f.weights += s->n_weightings * (double)s->held.n * (s->objective.width * 2.0 + 4);
    f.weights += pair_bytes(s);
    if (s->config->policy_type != BR_POLICY_GREEDY) /* groups of items, items of groups */
        f.weights += (double)s->n_listed * s->shape.shape.n_quotas * 8;
    f.weights += detect_bytes(s);
    f.model  = br_shards_tensor_bytes(s);
    f.shards = br_shards_bytes(s, rows);
    f.shape  = shape_bytes(s);
    f.fleet  = fleet_bytes(s);
    f.memory = f.events + f.lists + f.device + f.weights + f.shards + f.shape + f.fleet;
    f.output = n * row_bytes(s) + fleet_output(s);
    f.flop_score =
        br_flops_score(info->n_customers, s->held.n, s->objective.width, s->n_heads) +
        s->n_weightings * br_flops_score(info->n_customers, s->held.n, s->objective.width, 0) +
        br_flops_pairs(s, info->n_customers) +
        br_flops_hazards(info->n_customers, s->dim, s->n_periods);
    return f;
}

br_status br_footprint_check(const br_setup *s)
{
    double need = br_footprint_of(s).memory, limit = (double)s->config->run_memory_limit_bytes;

    if (limit > 0 && need > limit)
        return br_fail(BR_E_MEMORY,
                       "the job needs about %.1f MiB, run.memory_limit_bytes is %.0f (%.1f MiB): "
                       "lower run.unit_customers, run.unit_events, list.k or constraints.shortlist",
                       need / MiB, limit, limit / MiB);
    return BR_OK;
}
