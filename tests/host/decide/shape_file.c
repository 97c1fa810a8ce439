/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes the lists of many small worlds for test_shape.py: shape_file IN OUT.
 * Each customer comes with all eligible items in order; the list is asked for with the first M of
 * them, twice as many while it needs more. IN: i64 worlds; per world i64 k, N, quotas, pins,
 * window, D, customers, f64 lambda; per quota i64 groups, max, i32 group[N]; per pin i64 item,
 * slot; f32 vector[N, D]; per customer i64 n, M, ladders, i32 item[n], f32 score[n], u8 eligible of
 * pins, f32 score of pins, u8 eligible[N]; per ladder i64 source, n, i32 item[n], f32 score[n].
 * OUT: per customer i64 n, reason, passed over, pins dropped, calls; i32 item[k], f32 score[k], u8
 * source[k]. */
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/decide/shape.h"
#include "tests/host/decide/case_file.h"

#define MAX_LADDERS 8

typedef struct world {
    br_shape       shape;
    int64_t        n_customers;
    br_quota       quota[BR_SHAPE_MAX_QUOTAS];
    br_pin        *pin;
    const float   *vector_ND;
    const float  **vector_M;
    br_shaped      list;
    br_shape_work *work;
} world;

static bool is_eligible(const void *context, int32_t item)
{
    return ((const uint8_t *)context)[item] != 0;
}

static br_status open_world(case_file *f, world *w)
{
    br_status st = BR_OK;
    br_shape *s  = &w->shape;

    s->k           = (int32_t)case_number(f);
    s->n_items     = case_number(f);
    s->n_quotas    = (int32_t)case_number(f);
    s->n_pins      = (int32_t)case_number(f);
    s->window      = (int32_t)case_number(f);
    s->D           = (int32_t)case_number(f);
    w->n_customers = case_number(f);
    memcpy(&s->lambda, case_take(f, 1, sizeof s->lambda), sizeof s->lambda);
    for (int32_t q = 0; q < s->n_quotas; q++) {
        w->quota[q].name     = "group";
        w->quota[q].n_groups = (int32_t)case_number(f);
        w->quota[q].max      = (int32_t)case_number(f);
        w->quota[q].group_N  = case_take(f, s->n_items, sizeof(int32_t));
    }
    s->quota = w->quota;
    BR_ALLOC(st, w->pin, s->n_pins, "pins");
    for (int32_t p = 0; p < s->n_pins; p++) {
        w->pin[p].item = (int32_t)case_number(f);
        w->pin[p].slot = (int32_t)case_number(f);
    }
    s->pin       = w->pin;
    w->vector_ND = case_take(f, s->n_items * s->D, sizeof(float));
    for (int32_t p = 0; p < s->n_pins; p++)
        w->pin[p].vector_D = w->vector_ND + (int64_t)w->pin[p].item * s->D;
    BR_TRY(st, br_shape_check(s));
    BR_ALLOC(st, w->vector_M, s->n_items, "vectors of candidates");
    BR_ALLOC(st, w->list.item_K, s->k, "list");
    BR_ALLOC(st, w->list.score_K, s->k, "list");
    BR_ALLOC(st, w->list.source_K, s->k, "list");
    BR_TRY(st, br_shape_work_create(s, &w->work));
done:
    return st;
}

static void close_world(world *w)
{
    br_free(&w->pin);
    br_free(&w->vector_M);
    br_free(&w->list.item_K);
    br_free(&w->list.score_K);
    br_free(&w->list.source_K);
    br_shape_work_destroy(&w->work);
}

static void shape_customer(case_file *f, world *w)
{
    int64_t        n = case_number(f), M = case_number(f), n_calls = 0;
    br_ladder      ladder[MAX_LADDERS];
    br_shape_input in = {.n_ladders = (int32_t)case_number(f)};

    in.item_M            = case_take(f, n, sizeof(int32_t));
    in.score_M           = case_take(f, n, sizeof(float));
    in.pin_is_eligible_P = case_take(f, w->shape.n_pins, sizeof(bool));
    in.pin_score_P       = case_take(f, w->shape.n_pins, sizeof(float));
    in.context           = case_take(f, w->shape.n_items, 1);
    in.is_eligible       = is_eligible;
    in.vector_M          = w->vector_M;
    in.ladder            = ladder;
    for (int32_t l = 0; l < in.n_ladders && l < MAX_LADDERS; l++) {
        ladder[l].source = (br_list_source)case_number(f);
        ladder[l].n      = case_number(f);
        ladder[l].item   = case_take(f, ladder[l].n, sizeof(int32_t));
        ladder[l].score  = case_take(f, ladder[l].n, sizeof(float));
    }
    for (int64_t i = 0; i < n; i++)
        w->vector_M[i] = w->vector_ND + (int64_t)in.item_M[i] * w->shape.D;
    do {
        in.n      = M < n ? M : n;
        in.is_all = M >= n;
        br_shape_list(w->work, &in, &w->list);
        n_calls++;
        M *= 2;
    } while (w->list.needs_more);
    case_put(f,
             (int64_t[]){w->list.n, w->list.short_reason, w->list.n_passed_over,
                         w->list.n_pins_dropped, n_calls},
             5, sizeof(int64_t));
    case_put(f, w->list.item_K, w->shape.k, sizeof(int32_t));
    case_put(f, w->list.score_K, w->shape.k, sizeof(float));
    case_put(f, w->list.source_K, w->shape.k, 1);
}

static br_status run(const char *in, const char *out)
{
    br_status st = BR_OK;
    case_file f  = {0};
    world     w  = {0};

    BR_TRY(st, case_open(in, out, &f));
    for (int64_t n = case_number(&f); n > 0; n--) {
        BR_TRY(st, open_world(&f, &w));
        for (int64_t u = 0; u < w.n_customers; u++)
            shape_customer(&f, &w);
        close_world(&w);
        memset(&w, 0, sizeof w);
    }
done:
    close_world(&w);
    return case_close(&f, st);
}

int main(int argc, char **argv)
{
    br_status st = argc == 3 ? run(argv[1], argv[2]) : br_fail(BR_E_USAGE, "expected IN and OUT");

    if (st != BR_OK)
        (void)fprintf(stderr, "%s\n", br_error_last()->text);
    return br_status_exit_code(st);
}
