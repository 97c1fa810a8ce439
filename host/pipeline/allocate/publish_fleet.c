/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishes allocated lists: each unit is its shortlists, reduced to what was allocated. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/strbuf.h"
#include "host/io/lists/slots.h"
#include "host/io/publish.h"
#include "host/io/run_dir.h"
#include "host/pipeline/allocate/fleet.h"
#include "host/pipeline/allocate/render.h"
#include "host/pipeline/job.h"
#include "host/pipeline/rules/rulebook_apply.h"
#include "host/pipeline/setup/identity.h"
#include "host/pipeline/stats/stats.h"

typedef struct publisher {
    const br_fleet *f;
    br_run         *run;
    br_stats        stats;
    br_unit         raw;
    br_batch        batch;               /* verdicts, and the lists to publish */
    br_lists        part[BR_MAX_ROUNDS]; /* shortlists of the unit */
} publisher;

/* Slot j of the final list is slot c of the shortlist. */
static void copy_slot(const br_lists *from, int64_t c, br_lists *to, int64_t j)
{
    to->item_BK[j]           = from->item_BK[c];
    to->score_BK[j]          = from->score_BK[c];
    to->source_BK[j]         = from->source_BK[c];
    to->log_propensity_BK[j] = from->log_propensity_BK[c];
    for (int32_t h = 0; h < to->n_heads; h++)
        to->probability_BK[h][j] = from->probability_BK[h][c];
    for (int32_t t = 0; t < to->n_terms; t++)
        to->term_BK[t][j] = from->term_BK[t][c];
}

static uint32_t flags_of(const br_lists *part, int64_t b, int32_t n, int32_t k, bool is_touched)
{
    uint32_t flags = part->flags_B[b] & ~(uint32_t)BR_FLAG_SHORT;
    bool     had   = part->n_B[b] > 0;

    if (had && n < k)
        flags |= BR_FLAG_SHORT;
    if (had && n < k && n < part->n_B[b])
        flags |= BR_FLAG_NO_CAPACITY;
    return is_touched ? flags | BR_FLAG_REPAIRED : flags;
}

/* Copies an allocated item from the shortlist that has it. */
static bool copy_item(publisher *p, int64_t b, int32_t item, int64_t to)
{
    for (int32_t r = 0; r < p->f->shortlists.n_rounds; r++) {
        const br_lists *part = &p->part[r];

        for (int32_t c = 0; c < part->n_B[b]; c++)
            if (part->item_BK[b * part->k + c] == item) {
                copy_slot(part, b * part->k + c, &p->batch.lists, to);
                return true;
            }
    }
    return false;
}

/* The allocated items, best first. */
static void reduce(publisher *p, int64_t b)
{
    const br_fleet *f          = p->f;
    br_lists       *to         = &p->batch.lists;
    const int32_t  *list_K     = f->list_UK + (p->batch.first_row + b) * f->k;
    bool            is_touched = f->touched_U[p->batch.first_row + b] != 0;
    int32_t         n          = 0;

    while (n < f->k && list_K[n] >= 0 && copy_item(p, b, list_K[n], b * f->k + n))
        n++;
    br_slots_clear(to, b * f->k + n, (b + 1) * f->k);
    if (is_touched) /* the prices alone do not say why it is as it is */
        for (int32_t j = 0; j < n; j++)
            to->log_propensity_BK[b * f->k + j] = NAN;
    to->n_B[b]     = n;
    to->flags_B[b] = flags_of(&p->part[0], b, n, f->k, is_touched);
}

/* Columns that stay as they are move over. */
static void take_columns(const publisher *p, br_lists *part, br_lists *to)
{
    to->first_row         = part->first_row;
    to->n_rows            = part->n_rows;
    to->key               = part->key;
    to->log_normaliser_B  = part->log_normaliser_B;
    to->rule_B            = part->rule_B;
    to->arm_B             = part->arm_B;
    to->arm_probability_B = part->arm_probability_B;
    to->n_gates           = part->n_gates;
    to->alpha_BM          = part->alpha_BM;
    to->gate_BM           = part->gate_BM;
    memcpy(to->gate_name, part->gate_name, sizeof to->gate_name);
    if (p->f->setup->config->output_vectors) { /* else they were kept for later rounds */
        to->vector_dim = part->vector_dim;
        to->vector_BD  = part->vector_BD;
    }
    to->n_curves = part->n_curves;
    memcpy(to->curve, part->curve, sizeof to->curve);
}

/* The part keeps what take_columns lent. */
static void return_columns(br_lists *to)
{
    to->key               = (br_keys){0};
    to->log_normaliser_B  = NULL;
    to->rule_B            = NULL;
    to->arm_B             = NULL;
    to->arm_probability_B = to->vector_BD = to->alpha_BM = to->gate_BM = NULL;
    for (int32_t h = 0; h < to->n_curves; h++)
        to->curve[h].survival_BP = NULL;
    to->n_curves = 0;
}

static br_status alloc_lists(publisher *p, const br_lists *like, int64_t n_rows)
{
    br_status st = BR_OK;
    br_lists *to = &p->batch.lists;

    to->k       = p->f->k;
    to->n_heads = like->n_heads;
    to->n_terms = like->n_terms;
    memcpy(to->head_name, like->head_name, sizeof to->head_name);
    memcpy(to->term_name, like->term_name, sizeof to->term_name);
    BR_TRY(st, br_slots_alloc(to, n_rows));
    BR_TRY(st, br_stats_attach(&p->stats, to));
done:
    return st;
}

static br_status publish_unit(publisher *p, int64_t u)
{
    br_status            st      = BR_OK;
    br_setup            *s       = p->f->setup;
    br_customers_request request = s->request;
    char                 file[BR_RUN_PATH_BYTES];

    request.n_modalities  = 0;
    request.wants_exclude = request.wants_vector = false;
    br_batch_take_unit(&p->batch, s, u);
    BR_TRY(st,
           br_customers_read(s->customers, &request, p->batch.first_row, p->batch.n_rows, &p->raw));
    BR_TRY(st, br_rulebook_apply(s, &p->raw, &p->batch));
    for (int32_t r = 0; r < p->f->shortlists.n_rounds; r++) {
        BR_TRY(st, br_run_part_path(p->f->round_path[r], u, file));
        BR_TRY(st, br_lists_read(file, &p->part[r]));
    }
    BR_TRY(st, alloc_lists(p, &p->part[0], p->batch.n_rows));
    take_columns(p, &p->part[0], &p->batch.lists);
    for (int64_t b = 0; b < p->batch.n_rows; b++)
        reduce(p, b);
    BR_TRY(st, br_stats_recount(s, &p->part[0], &p->batch));
    BR_TRY(st, br_run_publish_unit(p->run, u, &p->batch.lists));
    BR_TRY(st, br_stats_add(&p->stats, &p->batch.lists));
done:
    return_columns(&p->batch.lists);
    br_lists_free(&p->batch.lists);
    for (int32_t r = 0; r < BR_MAX_ROUNDS; r++)
        br_lists_free(&p->part[r]);
    return st;
}

static br_status publish_units(publisher *p)
{
    br_status st    = BR_OK;
    br_lists  lists = {0};

    for (int64_t u = 0; u < p->f->setup->n_units; u++) {
        BR_TRY(st, br_job_check_interrupt(p->f->setup->config->output_path));
        if (!br_run_unit_is_done(p->run, u)) {
            BR_TRY(st, publish_unit(p, u));
            continue;
        }
        BR_TRY(st, br_run_read_unit(p->run, u, &lists));
        BR_TRY(st, br_stats_add(&p->stats, &lists));
        br_lists_free(&lists);
    }
done:
    br_lists_free(&lists);
    return st;
}

br_status br_fleet_publish(const br_fleet *f)
{
    br_status      st       = BR_OK;
    publisher      p        = {.f = f};
    char          *identity = NULL, *resolved = NULL, *json = NULL, *metrics = NULL;
    br_strbuf      more = {0}, inputs = {0};
    char           prices[BR_RUN_PATH_BYTES];
    br_run_summary summary = {.item_key = &f->setup->catalogue.key};

    BR_TRY(st, br_identity_text(f->setup, &identity));
    BR_TRY(st, br_config_dump_for_run(f->setup->config, &resolved));
    BR_TRY(st, br_run_open(f->setup->config->output_path, identity, resolved, f->setup->n_units,
                           &p.run));
    /* prices whose writer was killed; the lock of the output is ours */
    (void)snprintf(prices, sizeof prices, "%s.shortlists", f->setup->config->output_path);
    BR_TRY(st, br_publish_delete_temporaries(prices));
    if (br_run_is_complete(p.run))
        goto done;
    BR_TRY(st, br_stats_create(f->setup, &p.stats));
    BR_TRY(st, publish_units(&p));
    br_fleet_render(f, &more);
    BR_TRY(st, br_strbuf_check(&more));
    BR_TRY(st, br_stats_render(&p.stats, f->setup, more.data, &json, &metrics));
    BR_TRY(st, br_governance_record(f->setup, &inputs));
    summary.inputs_json  = inputs.data;
    summary.stats_json   = json;
    summary.metrics_text = metrics;
    BR_TRY(st, br_run_commit(p.run, &summary));
    br_log(BR_LOG_INFO, "allocate", "complete: %s", f->setup->config->output_path);
done:
    br_strbuf_free(&more);
    br_strbuf_free(&inputs);
    br_free(&identity);
    br_free(&resolved);
    br_free(&json);
    br_free(&metrics);
    br_stats_free(&p.stats);
    br_unit_free(&p.raw);
    br_batch_free(&p.batch);
    br_run_close(&p.run);
    return st;
}
