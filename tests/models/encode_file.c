/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a bundle's forward passes over raw little-endian files, for tests written in Python:
 *   encode_file encode BUNDLE BACKEND CHUNK_ROWS MODALITY IN OUT
 *   encode_file fuse   BUNDLE BACKEND CHUNK_ROWS -        IN OUT
 * BACKEND is ref, cpu or cuda, with -bf16 behind it for encoders in bf16. Each chunk runs on a lane
 * with exactly the scratch that br_model_scratch_bytes states. Exit code as the command's; the
 * sentence on stderr. encode IN: i64 n_seqs, n_events, has_type, has_weight; i32 offset[B+1],
 * item[E]; i64 time[E]; u8 type[E]; f32 weight[E].  OUT: f32 states [B, S] fuse IN: i64 n_rows,
 * n_logits; f32 state [B, S]; u8 present [B, M]; f32 confidence [B, M]; i32 static [B, C]; f32
 * aggregate [B, A], logit [H, B, K] of the item heads. OUT: f32 x [B, D], alpha [B, M], gate [B,
 * M], per head query [B, D] and probability [B, K], or survival [B, P], or (pair heads) probability
 * [B, K] of the first K rows of the item table */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/bundle.h"

typedef struct session {
    br_bundle *bundle;
    br_dev    *dev;
    br_model  *model;
    FILE      *in;
    FILE      *out;
    int64_t    chunk_rows;
} session;

static br_status read_array(session *s, size_t unit, int64_t n, void **out)
{
    br_status st = BR_OK;

    BR_TRY(st, br_alloc(n, unit, "input array", out));
    if (n > 0 && fread(*out, unit, (size_t)n, s->in) != (size_t)n)
        BR_FAIL(st, BR_E_IO, "input file is too short");
done:
    return st;
}

static br_status write_array(session *s, const float *host, int64_t n)
{
    if (n > 0 && fwrite(host, sizeof *host, (size_t)n, s->out) != (size_t)n)
        return br_fail(BR_E_IO, "cannot write the output");
    return BR_OK;
}

static br_status write_mat(session *s, br_dev *lane, br_mat mat)
{
    br_status st   = BR_OK;
    float    *host = NULL;

    BR_ALLOC(st, host, mat.n_rows * mat.n_cols, "output array");
    BR_TRY(st, br_download(lane, mat, host));
    BR_TRY(st, write_array(s, host, mat.n_rows * mat.n_cols));
done:
    br_free(&host);
    return st;
}

static br_status place(session *s, br_dtype dtype, int64_t n_rows, int64_t n_cols, const void *from,
                       br_mat *out)
{
    br_status st = BR_OK;

    *out = (br_mat){0};
    if (from == NULL || n_rows * n_cols == 0)
        return BR_OK;
    BR_TRY(st, br_dev_alloc(s->dev, dtype, n_rows, n_cols, out));
    BR_TRY(st, br_upload(s->dev, *out, from));
done:
    return st;
}

typedef struct sequences {
    int64_t  head[4]; /* n_seqs, n_events, has_type, has_weight */
    int32_t *offset_B1;
    int32_t *item_E;
    int64_t *time_E;
    uint8_t *type_E;
    float   *weight_E;
} sequences;

static br_status encode_chunk(session *s, const sequences *q, int32_t modality, int64_t row,
                              int64_t n_rows)
{
    br_status st    = BR_OK;
    int32_t   first = q->offset_B1[row];
    int64_t   n     = q->offset_B1[row + n_rows] - first;
    int32_t  *own   = NULL;
    br_dev   *lane  = NULL;
    br_mat    out   = {0};
    br_seqs   seqs  = {.n_seqs = n_rows, .n_events = n};

    BR_ALLOC(st, own, n_rows + 1, "offsets");
    for (int64_t b = 0; b <= n_rows; b++)
        own[b] = q->offset_B1[row + b] - first;
    seqs.host_offset_B1 = own;
    BR_TRY(st, place(s, BR_I32, n_rows + 1, 1, own, &seqs.offset_B1));
    BR_TRY(st, place(s, BR_I32, n, 1, q->item_E + first, &seqs.item_E));
    BR_TRY(st, place(s, BR_I64, n, 1, q->time_E + first, &seqs.time_E));
    if (q->head[2])
        BR_TRY(st, place(s, BR_U8, n, 1, q->type_E + first, &seqs.type_E));
    if (q->head[3])
        BR_TRY(st, place(s, BR_F32, n, 1, q->weight_E + first, &seqs.weight_E));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, n_rows,
                            br_bundle_spec(s->bundle)->encoder[modality].out_dim, &out));
    BR_TRY(st, br_dev_open_lane(s->dev, br_model_scratch_bytes(s->model, n_rows, n), &lane));
    BR_TRY(st, br_model_encode(s->model, lane, modality, &seqs, out));
    BR_TRY(st, br_dev_sync(lane));
    BR_TRY(st, write_mat(s, lane, out));
    if (br_dev_mark(lane) != 0)
        BR_FAIL(st, BR_E_SELFCHECK, "encode left %zu bytes of scratch taken", br_dev_mark(lane));
done:
    br_dev_close(&lane);
    br_dev_free(&out);
    br_dev_free(&seqs.offset_B1);
    br_dev_free(&seqs.item_E);
    br_dev_free(&seqs.time_E);
    br_dev_free(&seqs.type_E);
    br_dev_free(&seqs.weight_E);
    br_free(&own);
    return st;
}

static br_status encode(session *s, const char *modality)
{
    br_status            st   = BR_OK;
    const br_model_spec *spec = br_bundle_spec(s->bundle);
    sequences            q    = {0};
    int32_t              m    = 0;

    while (m < spec->n_encoders && strcmp(spec->encoder[m].name, modality) != 0)
        m++;
    if (m == spec->n_encoders)
        BR_FAIL(st, BR_E_USAGE, "no modality '%s'", modality);
    if (fread(q.head, sizeof *q.head, 4, s->in) != 4)
        BR_FAIL(st, BR_E_IO, "input file is too short");
    BR_TRY(st, read_array(s, 4, q.head[0] + 1, (void **)&q.offset_B1));
    BR_TRY(st, read_array(s, 4, q.head[1], (void **)&q.item_E));
    BR_TRY(st, read_array(s, 8, q.head[1], (void **)&q.time_E));
    BR_TRY(st, read_array(s, 1, q.head[2] ? q.head[1] : 0, (void **)&q.type_E));
    BR_TRY(st, read_array(s, 4, q.head[3] ? q.head[1] : 0, (void **)&q.weight_E));
    for (int64_t row = 0; row < q.head[0]; row += s->chunk_rows) {
        int64_t left = q.head[0] - row;
        BR_TRY(st, encode_chunk(s, &q, m, row, left < s->chunk_rows ? left : s->chunk_rows));
    }
done:
    br_free(&q.offset_B1);
    br_free(&q.item_E);
    br_free(&q.time_E);
    br_free(&q.type_E);
    br_free(&q.weight_E);
    return st;
}

static br_status read_place(session *s, br_dtype dtype, int64_t n_rows, int64_t n_cols, br_mat *out)
{
    br_status st   = BR_OK;
    void     *host = NULL;

    BR_TRY(st, read_array(s, br_dtype_bytes(dtype), n_rows * n_cols, &host));
    BR_TRY(st, place(s, dtype, n_rows, n_cols, host, out));
done:
    br_free(&host);
    return st;
}

static br_mat rows_of(br_mat mat, int64_t row, int64_t n_rows)
{
    return mat.buf == NULL ? mat : br_mat_rows(mat, row, n_rows);
}

static br_status fuse_chunks(session *s, const br_fusion_args *all, int64_t n_rows)
{
    br_status st   = BR_OK;
    br_dev   *lane = NULL;

    for (int64_t row = 0; row < n_rows; row += s->chunk_rows) {
        int64_t        n    = n_rows - row < s->chunk_rows ? n_rows - row : s->chunk_rows;
        br_fusion_args args = {.state_BS      = rows_of(all->state_BS, row, n),
                               .present_BM    = rows_of(all->present_BM, row, n),
                               .confidence_BM = rows_of(all->confidence_BM, row, n),
                               .static_BC     = rows_of(all->static_BC, row, n),
                               .aggregate_BA  = rows_of(all->aggregate_BA, row, n),
                               .out_BD        = rows_of(all->out_BD, row, n),
                               .alpha_BM      = rows_of(all->alpha_BM, row, n),
                               .gate_BM       = rows_of(all->gate_BM, row, n)};

        BR_TRY(st, br_dev_open_lane(s->dev, br_model_scratch_bytes(s->model, n, 0), &lane));
        BR_TRY(st, br_model_fuse(s->model, lane, &args));
        BR_TRY(st, br_dev_sync(lane));
        br_dev_close(&lane);
    }
done:
    br_dev_close(&lane);
    return st;
}

static br_status run_survival(session *s, int32_t head, br_mat x_BD)
{
    br_status st     = BR_OK;
    int32_t   P      = br_bundle_spec(s->bundle)->head[head].n_periods;
    br_mat    hazard = {0};
    float    *host   = NULL;

    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, x_BD.n_rows, P, &hazard));
    BR_ALLOC(st, host, x_BD.n_rows * P, "survival");
    BR_TRY(st, br_model_head_hazards(s->model, s->dev, head, x_BD, hazard));
    BR_TRY(st, br_download(s->dev, hazard, host));
    br_survival_of_hazards(x_BD.n_rows, P, host);
    BR_TRY(st, write_array(s, host, x_BD.n_rows * P));
done:
    br_free(&host);
    br_dev_free(&hazard);
    return st;
}

static br_status run_pair(session *s, int32_t head, br_mat x_BD, int64_t n_items)
{
    br_status           st    = BR_OK;
    int32_t            *row   = NULL;
    br_score_pairs_args pairs = {.query_BD = x_BD, .item_ND = br_model_item_table(s->model)};

    BR_ALLOC(st, row, x_BD.n_rows * n_items, "rows of the item table");
    for (int64_t i = 0; i < x_BD.n_rows * n_items; i++)
        row[i] = (int32_t)(i % n_items);
    BR_TRY(st, place(s, BR_I32, x_BD.n_rows, n_items, row, &pairs.item_BK));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, x_BD.n_rows, n_items, &pairs.out_BK));
    BR_TRY(st, br_model_head_pairs(s->model, s->dev, head, &pairs));
    BR_TRY(st, br_model_head_calibrate(s->model, s->dev, head, pairs.out_BK));
    BR_TRY(st, write_mat(s, s->dev, pairs.out_BK));
done:
    br_free(&row);
    br_dev_free(&pairs.item_BK);
    br_dev_free(&pairs.out_BK);
    return st;
}

static br_status run_heads(session *s, br_mat x_BD, int64_t n_logits)
{
    br_status st    = BR_OK;
    br_mat    query = {0};
    br_mat    logit = {0};

    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, x_BD.n_rows, x_BD.n_cols, &query));
    for (int32_t h = 0; h < br_bundle_spec(s->bundle)->n_heads; h++) {
        if (br_bundle_spec(s->bundle)->head[h].kind == BR_HEAD_SURVIVAL) {
            BR_TRY(st, run_survival(s, h, x_BD));
            continue;
        }
        if (br_bundle_spec(s->bundle)->head[h].kind == BR_HEAD_PAIR) {
            BR_TRY(st, run_pair(s, h, x_BD, n_logits));
            continue;
        }
        BR_TRY(st, br_model_head_query(s->model, s->dev, h, x_BD, query));
        BR_TRY(st, write_mat(s, s->dev, query));
        BR_TRY(st, read_place(s, BR_F32, x_BD.n_rows, n_logits, &logit));
        BR_TRY(st, br_model_head_calibrate(s->model, s->dev, h, logit));
        BR_TRY(st, write_mat(s, s->dev, logit));
        br_dev_free(&logit);
    }
done:
    br_dev_free(&logit);
    br_dev_free(&query);
    return st;
}

static br_status fuse(session *s)
{
    br_status            st    = BR_OK;
    const br_model_spec *spec  = br_bundle_spec(s->bundle);
    int64_t              width = 0;
    int64_t              head[2];
    br_fusion_args       a = {0};

    for (int32_t m = 0; m < spec->n_encoders; m++)
        width += spec->encoder[m].out_dim;
    if (fread(head, sizeof *head, 2, s->in) != 2)
        BR_FAIL(st, BR_E_IO, "input file is too short");
    BR_TRY(st, read_place(s, BR_F32, head[0], width, &a.state_BS));
    BR_TRY(st, read_place(s, BR_U8, head[0], spec->n_encoders, &a.present_BM));
    BR_TRY(st, read_place(s, BR_F32, head[0], spec->n_encoders, &a.confidence_BM));
    BR_TRY(st, read_place(s, BR_I32, head[0], spec->n_statics, &a.static_BC));
    BR_TRY(st, read_place(s, BR_F32, head[0], spec->n_aggregates, &a.aggregate_BA));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, head[0], spec->dim, &a.out_BD));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, head[0], spec->n_encoders, &a.alpha_BM));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, head[0], spec->n_encoders, &a.gate_BM));
    BR_TRY(st, fuse_chunks(s, &a, head[0]));
    BR_TRY(st, write_mat(s, s->dev, a.out_BD));
    BR_TRY(st, write_mat(s, s->dev, a.alpha_BM));
    BR_TRY(st, write_mat(s, s->dev, a.gate_BM));
    BR_TRY(st, run_heads(s, a.out_BD, head[1]));
done:
    br_dev_free(&a.state_BS);
    br_dev_free(&a.present_BM);
    br_dev_free(&a.confidence_BM);
    br_dev_free(&a.static_BC);
    br_dev_free(&a.aggregate_BA);
    br_dev_free(&a.out_BD);
    br_dev_free(&a.alpha_BM);
    br_dev_free(&a.gate_BM);
    return st;
}

static br_status run(session *s, char **word)
{
    br_status        st = BR_OK;
    int32_t          n_tensors;
    const br_tensor *tensors;
    br_backend       backend = strncmp(word[3], "ref", 3) == 0    ? BR_BACKEND_REF
                               : strncmp(word[3], "cuda", 4) == 0 ? BR_BACKEND_CUDA
                                                                  : BR_BACKEND_CPU;

    s->chunk_rows = strtol(word[4], NULL, 10);
    s->in         = fopen(word[6], "rb");
    s->out        = fopen(word[7], "wb");
    if (s->in == NULL || s->out == NULL || s->chunk_rows < 1)
        BR_FAIL(st, BR_E_USAGE, "cannot open %s or %s, or no rows", word[6], word[7]);
    BR_TRY(st, br_bundle_open(word[2], &s->bundle));
    BR_TRY(st, br_dev_open(backend, 0, &s->dev));
    tensors = br_bundle_tensors(s->bundle, &n_tensors);
    BR_TRY(st,
           br_model_create(s->dev, br_bundle_spec(s->bundle), tensors, n_tensors,
                           strstr(word[3], "bf16") != NULL ? BR_PRECISION_BF16 : BR_PRECISION_FP32,
                           &s->model));
    BR_TRY(st, strcmp(word[1], "fuse") == 0 ? fuse(s) : encode(s, word[5]));
done:
    return st;
}

int main(int argc, char **argv)
{
    session   s  = {0};
    br_status st = argc == 8 ? run(&s, argv) : br_fail(BR_E_USAGE, "expected 7 arguments");

    if (st != BR_OK)
        (void)fprintf(stderr, "%s\n", br_error_last()->text);
    br_model_destroy(&s.model);
    br_dev_close(&s.dev);
    br_bundle_close(&s.bundle);
    if (s.in != NULL)
        (void)fclose(s.in);
    if (s.out != NULL && fclose(s.out) != 0 && st == BR_OK)
        st = br_fail(BR_E_IO, "cannot write the output");
    return br_status_exit_code(st);
}
