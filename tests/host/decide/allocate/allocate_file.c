/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs br_allocate over raw little-endian files, for tests written in Python:
 *   allocate_file IN OUT LANES
 * IN: i64 B, N, M, K, L, n_columns, has_bound, has_length, has_capacity, has_start;
 * f64 floor, short_price, tolerance, max_passes; i32 item_BM; f32 utility_BM; f32 bound_B?;
 * i32 length_B?; i64 capacity_N?; f64 start_C?; i32 group_N of each column; per limit i64 kind,
 * i64 column, i64 group, f64 bound and, for budgets, f32 cost_N.
 * OUT: i32 list_BK; u8 touched_B; f64 dual_C; f32 price_N; f64 activity_L; f64 n_slots, utility,
 * value, dual_value, gap, short_cost, short_price, n_over, n_touched, n_uncertain, outside_value,
 * n_steps, passes, seconds. Exit code as the command's; the sentence on stderr. */
#include <stdio.h>
#include <stdlib.h>

#include "host/base/clock.h"
#include "host/base/memory.h"
#include "host/decide/allocate/allocate.h"

enum { ROWS, ITEMS, WIDTH, KEPT, LIMITS, COLUMNS, BOUND, LENGTH, CAPACITY, START, N_HEAD };
enum { FLOOR, SHORT_PRICE, TOLERANCE, MAX_PASSES, N_NUMBERS };

typedef struct session {
    FILE              *in;
    FILE              *out;
    br_allocate_args   args;
    br_allocate_report report;
    int32_t           *group_CN;
    br_limit          *limit_L;
    char (*name_L)[16];
} session;

static br_status read_array(session *s, size_t unit, int64_t n, const void *to)
{
    br_status st   = BR_OK;
    void    **into = (void **)(uintptr_t)to;

    BR_TRY(st, br_alloc(n, unit, "input array", into));
    if (n > 0 && fread(*into, unit, (size_t)n, s->in) != (size_t)n)
        BR_FAIL(st, BR_E_IO, "input file is too short");
done:
    return st;
}

static br_status read_limit(session *s, int32_t l)
{
    br_status st = BR_OK;
    int64_t   head[3];
    double    bound;
    br_limit *limit = &s->limit_L[l];

    if (fread(head, sizeof *head, 3, s->in) != 3 || fread(&bound, sizeof bound, 1, s->in) != 1)
        BR_FAIL(st, BR_E_IO, "input file is too short");
    (void)snprintf(s->name_L[l], sizeof s->name_L[l], "limit %d", l);
    *limit = (br_limit){.kind  = (br_limit_kind)head[0],
                        .name  = s->name_L[l],
                        .group = (int32_t)head[2],
                        .bound = bound};
    if (limit->kind == BR_LIMIT_BUDGET)
        BR_TRY(st, read_array(s, 4, s->args.n_items, &limit->cost_N));
    else
        limit->group_N = s->group_CN + head[1] * s->args.n_items;
done:
    return st;
}

static br_status read_input(session *s)
{
    br_status         st = BR_OK;
    br_allocate_args *a  = &s->args;
    int64_t           head[N_HEAD];
    double            number[N_NUMBERS];

    if (fread(head, sizeof *head, N_HEAD, s->in) != N_HEAD ||
        fread(number, sizeof *number, N_NUMBERS, s->in) != N_NUMBERS)
        BR_FAIL(st, BR_E_IO, "input file is too short");
    a->n_rows      = head[ROWS];
    a->n_items     = (int32_t)head[ITEMS];
    a->width       = (int32_t)head[WIDTH];
    a->n_kept      = (int32_t)head[KEPT];
    a->n_limits    = (int32_t)head[LIMITS];
    a->floor       = number[FLOOR];
    a->short_price = number[SHORT_PRICE];
    a->tolerance   = number[TOLERANCE];
    a->max_passes  = number[MAX_PASSES];
    BR_TRY(st, read_array(s, 4, a->n_rows * a->width, &a->item_BM));
    BR_TRY(st, read_array(s, 4, a->n_rows * a->width, &a->utility_BM));
    BR_TRY(st, read_array(s, 4, head[BOUND] ? a->n_rows : 0, &a->bound_B));
    BR_TRY(st, read_array(s, 4, head[LENGTH] ? a->n_rows : 0, &a->length_B));
    BR_TRY(st, read_array(s, 8, head[CAPACITY] ? a->n_items : 0, &a->capacity_N));
    BR_TRY(st, read_array(s, 8, head[START] ? a->n_items + a->n_limits : 0, &a->start_C));
    BR_TRY(st, read_array(s, 4, head[COLUMNS] * a->n_items, &s->group_CN));
    BR_ALLOC(st, s->limit_L, a->n_limits, "limits");
    BR_ALLOC(st, s->name_L, a->n_limits, "names");
    for (int32_t l = 0; l < a->n_limits; l++)
        BR_TRY(st, read_limit(s, l));
    a->limit_L = s->limit_L;
done:
    return st;
}

static br_status open_output(session *s)
{
    br_status         st = BR_OK;
    br_allocate_args *a  = &s->args;

    BR_ALLOC(st, a->list_BK, a->n_rows * a->n_kept, "lists");
    BR_ALLOC(st, a->touched_B, a->n_rows, "touched");
    BR_ALLOC(st, a->dual_C, a->n_items + a->n_limits, "duals");
    BR_ALLOC(st, a->price_N, a->n_items, "prices");
    BR_ALLOC(st, a->activity_L, a->n_limits, "left-hand sides");
    a->report = &s->report;
done:
    return st;
}

static br_status write_array(session *s, const void *from, size_t unit, int64_t n)
{
    if (n > 0 && fwrite(from, unit, (size_t)n, s->out) != (size_t)n)
        return br_fail(BR_E_IO, "cannot write the output");
    return BR_OK;
}

static br_status write_output(session *s, double seconds)
{
    br_status                 st       = BR_OK;
    const br_allocate_args   *a        = &s->args;
    const br_allocate_report *r        = &s->report;
    const double              number[] = {(double)r->n_slots,
                                          r->utility,
                                          r->value,
                                          r->dual_value,
                                          r->gap,
                                          r->short_cost,
                                          r->short_price,
                                          (double)r->n_over,
                                          (double)r->n_touched,
                                          (double)r->n_uncertain,
                                          r->outside_value,
                                          (double)r->n_steps,
                                          r->passes,
                                          seconds};

    BR_TRY(st, write_array(s, a->list_BK, sizeof *a->list_BK, a->n_rows * a->n_kept));
    BR_TRY(st, write_array(s, a->touched_B, sizeof *a->touched_B, a->n_rows));
    BR_TRY(st, write_array(s, a->dual_C, sizeof *a->dual_C, a->n_items + a->n_limits));
    BR_TRY(st, write_array(s, a->price_N, sizeof *a->price_N, a->n_items));
    BR_TRY(st, write_array(s, a->activity_L, sizeof *a->activity_L, a->n_limits));
    BR_TRY(st, write_array(s, number, sizeof *number, sizeof number / sizeof *number));
done:
    return st;
}

static br_status run(session *s, char **word)
{
    br_status st = BR_OK;
    double    start;

    s->in  = fopen(word[1], "rb");
    s->out = fopen(word[2], "wb");
    if (s->in == NULL || s->out == NULL)
        BR_FAIL(st, BR_E_USAGE, "cannot open %s or %s", word[1], word[2]);
    s->args.n_lanes = atoi(word[3]);
    BR_TRY(st, read_input(s));
    BR_TRY(st, open_output(s));
    start = br_clock_wall_s();
    BR_TRY(st, br_allocate(&s->args));
    BR_TRY(st, write_output(s, br_clock_wall_s() - start));
done:
    return st;
}

static void close_session(session *s)
{
    for (int32_t l = 0; s->limit_L != NULL && l < s->args.n_limits; l++)
        br_free(&s->limit_L[l].cost_N);
    br_free(&s->args.item_BM);
    br_free(&s->args.utility_BM);
    br_free(&s->args.bound_B);
    br_free(&s->args.length_B);
    br_free(&s->args.capacity_N);
    br_free(&s->args.start_C);
    br_free(&s->group_CN);
    br_free(&s->limit_L);
    br_free(&s->name_L);
    br_free(&s->args.list_BK);
    br_free(&s->args.touched_B);
    br_free(&s->args.dual_C);
    br_free(&s->args.price_N);
    br_free(&s->args.activity_L);
    if (s->in != NULL)
        (void)fclose(s->in);
}

int main(int argc, char **argv)
{
    session   s  = {0};
    br_status st = argc == 4 ? run(&s, argv) : br_fail(BR_E_USAGE, "expected IN OUT LANES");

    if (st != BR_OK)
        (void)fprintf(stderr, "%s\n", br_error_last()->text);
    close_session(&s);
    if (s.out != NULL && fclose(s.out) != 0 && st == BR_OK)
        st = br_fail(BR_E_IO, "cannot write the output");
    return br_status_exit_code(st);
}
