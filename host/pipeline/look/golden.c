/* SPDX-License-Identifier: Apache-2.0
 *
 * Golden replay: a bundle's vectors and lists against those of the framework it came from. Called
 * by `verify --golden`, once per process. */
#include "host/pipeline/look/golden.h"

#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/bundle.h"
#include "host/io/golden.h"

#define VECTOR_TOLERANCE 2e-5
#define SCORE_TOLERANCE  1e-5 /* of the sum that a score is: two orders of adding it up */

typedef struct replay {
    char                 path[4096]; /* of golden.h5 */
    br_golden            golden;
    br_bundle           *bundle;
    const br_model_spec *spec;
    const float         *table_VD; /* the item table and its bias, on the host; borrowed */
    const float         *bias_V;   /* or NULL */
    br_keys              key;      /* of the item table's rows */
    int32_t             *row_N;    /* its rows that have a key: what may be listed */
    int64_t              n_items;
    br_dev              *dev;
    br_dev              *lane;
    br_model            *model;
    br_items            *items;
    br_mat               x_mat, item_ND, bias_N;
    float               *x_UD;
    int32_t             *best_UK; /* places in row_N */
    float               *score_UK;
    double               worst_vector; /* in units of max(1, max|x_u|) */
    double               worst_score;
    int64_t              n_swapped;
} replay;

static const br_tensor *find_tensor(const replay *r, const char *name)
{
    int32_t          n;
    const br_tensor *tensor = br_bundle_tensors(r->bundle, &n);

    for (int32_t i = 0; i < n; i++)
        if (strcmp(tensor[i].name, name) == 0)
            return &tensor[i];
    return NULL;
}

/* Does the golden file speak of this model? Its rows, too, must be there. */
static br_status check_fit(const replay *r, int64_t n_table_rows)
{
    br_status        st       = BR_OK;
    const br_golden *g        = &r->golden;
    bool             has_seqs = g->offset_U1 != NULL;

    if (r->spec->n_encoders > 1 || r->spec->is_fused || has_seqs != (r->spec->n_encoders == 1))
        BR_FAIL(st, BR_E_INPUT,
                "%s: found %s, but the model has %d modalities%s; expected events for a model of "
                "one modality without fusion, none for a model of none",
                r->path, has_seqs ? "events" : "no events", (int)r->spec->n_encoders,
                r->spec->is_fused ? " and fusion" : "");
    if (g->dim != r->spec->dim)
        BR_FAIL(st, BR_E_INPUT, "%s: /vector: found %d columns, expected %d as the model has",
                r->path, (int)g->dim, (int)r->spec->dim);
    for (int64_t i = 0; i < g->n_rows * g->k; i++)
        if (g->item_UK[i] < -1 || g->item_UK[i] >= n_table_rows)
            BR_FAIL(st, BR_E_INPUT,
                    "%s: /list/item: row %lld: found item %d, expected -1 to %lld: rows of '%s'",
                    r->path, (long long)(i / g->k), (int)g->item_UK[i],
                    (long long)(n_table_rows - 1), r->spec->item_table);
done:
    return st;
}

static br_status check_events(const replay *r)
{
    br_status              st = BR_OK;
    const br_golden       *g  = &r->golden;
    const br_encoder_spec *e  = &r->spec->encoder[0];
    int64_t                n  = br_model_vocabulary_rows(r->model, 0);

    if (e->kind == BR_ENCODER_DECAY || e->n_gaps > 0 || e->n_types > 0)
        BR_FAIL(st, BR_E_INPUT,
                "%s: holds items alone, but modality '%s' reads times or types of events", r->path,
                e->name);
    for (int64_t u = 0; u < g->n_rows; u++)
        if (g->offset_U1[u + 1] - g->offset_U1[u] > e->max_length)
            BR_FAIL(st, BR_E_INPUT,
                    "%s: /timeline: row %lld: found %d events, expected at most max_length %d",
                    r->path, (long long)u, (int)(g->offset_U1[u + 1] - g->offset_U1[u]),
                    (int)e->max_length);
    for (int64_t i = 0; i < g->n_events; i++)
        if (g->item_E[i] < 0 || g->item_E[i] >= n)
            BR_FAIL(st, BR_E_INPUT,
                    "%s: /timeline/item: event %lld: found row %d, expected 0 to "
                    "%lld: rows of '%s'",
                    r->path, (long long)i, (int)g->item_E[i], (long long)(n - 1), e->item_table);
done:
    return st;
}

static br_status open_files(replay *r, const char *model_path)
{
    br_status        st = BR_OK;
    const br_tensor *table, *bias;

    if (snprintf(r->path, sizeof r->path, "%s/golden.h5", model_path) >= (int)sizeof r->path)
        BR_FAIL(st, BR_E_IO, "%s: the path is too long", model_path);
    BR_TRY(st, br_bundle_open(model_path, &r->bundle));
    r->spec = br_bundle_spec(r->bundle);
    BR_TRY(st, br_golden_read(r->path, &r->golden));
    if (r->spec->item_table[0] == '\0')
        BR_FAIL(st, BR_E_INPUT, "%s: the model has no item table, so no list can be replayed",
                model_path);
    table = find_tensor(r, r->spec->item_table);
    bias  = find_tensor(r, r->spec->item_bias);
    BR_TRY(st, br_bundle_vocabulary(r->bundle, r->spec->item_vocabulary, &r->key));
    BR_TRY(st, check_fit(r, r->key.n_keys));
    BR_ALLOC(st, r->row_N, r->key.n_keys, "listed rows");
    for (int64_t row = 0; row < r->key.n_keys; row++)
        if (!br_keys_is_empty(&r->key, row))
            r->row_N[r->n_items++] = (int32_t)row;
    r->table_VD = table == NULL ? NULL : table->data; /* br_model_create names a missing one */
    r->bias_V   = bias == NULL ? NULL : bias->data;
done:
    return st;
}

static br_status gather(replay *r, br_mat rows, br_mat table, br_mat *out)
{
    br_status           st = BR_OK;
    br_gather_rows_args args;

    if (table.buf == NULL)
        return BR_OK;
    BR_TRY(st, br_dev_alloc(r->dev, BR_F32, r->n_items, table.n_cols, out));
    args = (br_gather_rows_args){.table_VD = table, .row_B = rows, .out_BD = *out};
    BR_TRY(st, br_op_gather_rows(r->dev, &args));
done:
    return st;
}

static br_status place_items(replay *r)
{
    br_status     st   = BR_OK;
    br_mat        rows = {0};
    br_items_args args;

    if (r->n_items == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: no row of '%s' has a key: nothing can be listed", r->path,
                r->spec->item_table);
    BR_TRY(st, br_dev_alloc(r->dev, BR_I32, r->n_items, 1, &rows));
    BR_TRY(st, br_upload(r->dev, rows, r->row_N));
    BR_TRY(st, gather(r, rows, br_model_item_table(r->model), &r->item_ND));
    BR_TRY(st, gather(r, rows, br_model_item_bias(r->model), &r->bias_N));
    args = (br_items_args){.item_ND = r->item_ND, .bias_N = r->bias_N, .k = r->golden.k};
    BR_TRY(st, br_items_prepare(r->dev, &args, &r->items));
    BR_TRY(st, br_dev_sync(r->dev)); /* the lane reads them */
done:
    br_dev_free(&rows);
    return st;
}

static br_status open_model(replay *r, br_backend backend)
{
    br_status        st = BR_OK;
    const br_golden *g  = &r->golden;
    const br_tensor *tensors;
    int32_t          n_tensors;
    size_t           encode, score;

    BR_TRY(st, br_dev_open(backend, 0, &r->dev));
    tensors = br_bundle_tensors(r->bundle, &n_tensors);
    BR_TRY(st, br_model_create(r->dev, r->spec, tensors, n_tensors, BR_PRECISION_FP32, &r->model));
    if (r->spec->n_encoders > 0)
        BR_TRY(st, check_events(r));
    BR_TRY(st, place_items(r));
    encode = br_model_scratch_bytes(r->model, g->n_rows, g->n_events);
    score  = br_score_topk_scratch_bytes(r->n_items, g->dim, g->k);
    BR_TRY(st, br_dev_open_lane(r->dev, encode > score ? encode : score, &r->lane));
    BR_TRY(st, br_dev_alloc(r->dev, BR_F32, g->n_rows, g->dim, &r->x_mat));
    BR_ALLOC(st, r->x_UD, g->n_rows * g->dim, "golden vectors");
    BR_ALLOC(st, r->best_UK, g->n_rows * g->k, "golden lists");
    BR_ALLOC(st, r->score_UK, g->n_rows * g->k, "golden scores");
done:
    return st;
}

static br_status encode(replay *r)
{
    br_status        st = BR_OK;
    const br_golden *g  = &r->golden;
    br_seqs seqs = {.n_seqs = g->n_rows, .n_events = g->n_events, .host_offset_B1 = g->offset_U1};

    if (g->offset_U1 == NULL) {
        memcpy(r->x_UD, g->vector_UD, (size_t)(g->n_rows * g->dim) * sizeof(float));
        return br_upload(r->dev, r->x_mat, r->x_UD);
    }
    BR_TRY(st, br_dev_alloc(r->dev, BR_I32, g->n_rows + 1, 1, &seqs.offset_B1));
    BR_TRY(st, br_upload(r->dev, seqs.offset_B1, g->offset_U1));
    if (g->n_events > 0) {
        BR_TRY(st, br_dev_alloc(r->dev, BR_I32, g->n_events, 1, &seqs.item_E));
        BR_TRY(st, br_upload(r->dev, seqs.item_E, g->item_E));
    }
    BR_TRY(st, br_dev_sync(r->dev)); /* the lane reads them */
    BR_TRY(st, br_model_encode(r->model, r->lane, 0, &seqs, r->x_mat));
    BR_TRY(st, br_dev_sync(r->lane));
    BR_TRY(st, br_download(r->dev, r->x_mat, r->x_UD));
done:
    br_dev_free(&seqs.offset_B1);
    br_dev_free(&seqs.item_E);
    return st;
}

static br_status compare_vectors(replay *r)
{
    const br_golden *g       = &r->golden;
    int64_t          n_wrong = 0, at = -1;

    for (int64_t u = 0; u < g->n_rows; u++) {
        double  largest = 1.0, worst = 0.0;
        int64_t worst_at = 0;
        for (int64_t i = u * g->dim; i < (u + 1) * g->dim; i++) {
            double off = fabs((double)r->x_UD[i] - (double)g->vector_UD[i]);
            largest    = fmax(largest, fabs((double)g->vector_UD[i]));
            worst_at   = off > worst ? i : worst_at;
            worst      = fmax(worst, off);
        }
        r->worst_vector = fmax(r->worst_vector, worst / largest);
        if (worst <= VECTOR_TOLERANCE * largest)
            continue;
        at = n_wrong++ == 0 ? worst_at : at;
    }
    if (n_wrong == 0)
        return BR_OK;
    return br_fail(
        BR_E_SELFCHECK,
        "%s: row %lld: x_u[%lld]: found %.7g, expected %.7g by %s; %lld of %lld rows are "
        "off by more than %.0e, at most by %.1e. Are variant, heads, activation and "
        "max_length in model.json those of the training?",
        r->path, (long long)(at / g->dim), (long long)(at % g->dim), (double)r->x_UD[at],
        (double)g->vector_UD[at], g->source, (long long)n_wrong, (long long)g->n_rows,
        VECTOR_TOLERANCE, r->worst_vector);
}

static br_status rank(replay *r)
{
    br_status          st   = BR_OK;
    const br_golden   *g    = &r->golden;
    br_mat             item = {0}, score = {0};
    br_score_topk_args args;

    BR_TRY(st, br_dev_alloc(r->dev, BR_I32, g->n_rows, g->k, &item));
    BR_TRY(st, br_dev_alloc(r->dev, BR_F32, g->n_rows, g->k, &score));
    args = (br_score_topk_args){
        .items = r->items, .query_BD = r->x_mat, .k = g->k, .item_BK = item, .score_BK = score};
    BR_TRY(st, br_dev_sync(r->dev));
    BR_TRY(st, br_op_score_topk(r->lane, &args));
    BR_TRY(st, br_dev_sync(r->lane));
    BR_TRY(st, br_download(r->dev, item, r->best_UK));
    BR_TRY(st, br_download(r->dev, score, r->score_UK));
done:
    br_dev_free(&item);
    br_dev_free(&score);
    return st;
}

/* The score of a row of the item table, and how large its sum's parts are together. */
static double score_of(const replay *r, int64_t u, int32_t row, double *size)
{
    double sum = r->bias_V == NULL ? 0.0 : (double)r->bias_V[row];
    double all = fabs(sum);

    for (int32_t d = 0; d < r->golden.dim; d++) {
        double part = (double)r->x_UD[u * r->golden.dim + d] *
                      (double)r->table_VD[(int64_t)row * r->golden.dim + d];
        sum += part;
        all += fabs(part);
    }
    *size = fmax(1.0, all);
    return sum;
}

static const char *name_of(const replay *r, int32_t row, char text[BR_KEY_TEXT_BYTES])
{
    return row < 0 ? "nothing" : br_keys_text(&r->key, row, text);
}

/* One place of one list: the expected item, or one of equal score; and the expected score. */
static br_status compare_place(replay *r, int64_t at)
{
    const br_golden *g     = &r->golden;
    int64_t          u     = at / g->k;
    int32_t          want  = g->item_UK[at];
    int32_t          found = r->best_UK[at] < 0 ? -1 : r->row_N[r->best_UK[at]];
    double           size = 1.0, score = NAN, off;
    char             text[2][BR_KEY_TEXT_BYTES];

    if (want < 0 && found < 0)
        return BR_OK;
    if (want >= 0)
        score = score_of(r, u, want, &size);
    off = fabs(score - (double)r->score_UK[at]);
    if (want < 0 || found < 0 || !(off <= SCORE_TOLERANCE * size))
        return br_fail(BR_E_SELFCHECK,
                       "%s: row %lld, place %lld: found item '%s' with score %g, expected '%s' "
                       "(score %g here) by %s",
                       r->path, (long long)u, (long long)(at % g->k), name_of(r, found, text[0]),
                       (double)r->score_UK[at], name_of(r, want, text[1]), score, g->source);
    r->n_swapped += found != want;
    off            = fabs((double)g->score_UK[at] - (double)r->score_UK[at]);
    r->worst_score = fmax(r->worst_score, off);
    if (!(off <= SCORE_TOLERANCE * size))
        return br_fail(BR_E_SELFCHECK,
                       "%s: row %lld, place %lld, item '%s': found score %g, expected %g by %s",
                       r->path, (long long)u, (long long)(at % g->k), name_of(r, found, text[0]),
                       (double)r->score_UK[at], (double)g->score_UK[at], g->source);
    return BR_OK;
}

static void close_replay(replay *r)
{
    br_dev_free(&r->x_mat);
    br_items_free(&r->items);
    br_dev_free(&r->item_ND);
    br_dev_free(&r->bias_N);
    br_model_destroy(&r->model);
    br_dev_close(&r->lane);
    br_dev_close(&r->dev);
    br_free(&r->x_UD);
    br_free(&r->best_UK);
    br_free(&r->score_UK);
    br_free(&r->row_N);
    br_keys_free(&r->key);
    br_golden_free(&r->golden);
    br_bundle_close(&r->bundle);
}

br_status br_golden_replay(const char *model_path, br_backend backend, FILE *out)
{
    br_status st = BR_OK;
    replay    r  = {0};

    BR_TRY(st, open_files(&r, model_path));
    BR_TRY(st, open_model(&r, backend));
    (void)fprintf(out, "golden      %lld customers by %s\nbackend     %s\n",
                  (long long)r.golden.n_rows, r.golden.source, br_dev_description(r.dev));
    BR_TRY(st, encode(&r));
    BR_TRY(st, compare_vectors(&r));
    if (r.golden.offset_U1 == NULL)
        (void)fprintf(out, "vectors     ready-made: nothing to encode\n");
    else
        (void)fprintf(out,
                      "vectors     off by at most %.1e of the largest value; %.0e is allowed\n",
                      r.worst_vector, VECTOR_TOLERANCE);
    BR_TRY(st, rank(&r));
    for (int64_t at = 0; at < r.golden.n_rows * r.golden.k; at++)
        BR_TRY(st, compare_place(&r, at));
    (void)fprintf(out,
                  "lists       %lld of %d items each: the same, %lld places taken by an item of "
                  "equal score; scores off by at most %.1e\nok\n",
                  (long long)r.golden.n_rows, (int)r.golden.k, (long long)r.n_swapped,
                  r.worst_score);
done:
    close_replay(&r);
    return st;
}
