/* SPDX-License-Identifier: Apache-2.0
 *
 * Synthetic customers and catalogue, streamed in blocks. Called once per process. */
#include "host/pipeline/generate/generate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/io/h5_stream.h"
#include "host/pipeline/generate/generate_model.h"
#include "host/pipeline/generate/random.h"
#include "host/pipeline/job.h"

#define BLOCK_ROWS 8192
#define FIRST_TIME 1700000000 /* 2023-11-14 */
#define MAX_GAP_S  172800
#define MAX_LENGTH 4096
#define N_GROUPS   20

enum { STREAM_LENGTH = 1, STREAM_COLD, STREAM_ITEM, STREAM_TIME, STREAM_PRICE };

typedef struct timeline {
    const char *name;
    int64_t     mean;
    uint64_t    stream; /* added to the streams above, so timelines differ */
    int32_t     set_offset, set_item, set_time;
    int64_t     n_events; /* written so far */
} timeline;

static int64_t length_of(const br_generate_options *o, const timeline *t, int64_t customer)
{
    uint64_t seed = (uint64_t)o->seed;
    double   n    = (double)t->mean;

    if (br_random_unit(seed, STREAM_COLD, (uint64_t)customer) < o->cold_share)
        return 0;
    if (o->spread > 0.0) /* mean of exp(s g - s^2/2) is 1 */
        n *= exp(o->spread * br_random_normal(seed, STREAM_LENGTH + t->stream, (uint64_t)customer) -
                 0.5 * o->spread * o->spread);
    n = floor(n + 0.5);
    return n < 1.0 && t->mean > 0 ? 1 : n > MAX_LENGTH ? MAX_LENGTH : (int64_t)n;
}

/* Zipf with exponent 1, by its continuous form: the rank is log-uniform. */
static int32_t item_of(const br_generate_options *o, const timeline *t, uint64_t place)
{
    double  u    = br_random_unit((uint64_t)o->seed, STREAM_ITEM + t->stream, place);
    int64_t rank = (int64_t)(exp(u * log((double)o->n_items + 1.0))) - 1;

    return (int32_t)(rank < 0 ? 0 : rank >= o->n_items ? o->n_items - 1 : rank);
}

static br_status create_timeline(br_h5_stream *s, const br_generate_options *o, timeline *t)
{
    br_status st      = BR_OK;
    int64_t   n_total = 0;
    char      path[64];

    for (int64_t u = 0; u < o->n_customers; u++)
        n_total += length_of(o, t, o->first_customer + u);
    (void)snprintf(path, sizeof path, "/timeline/%s", t->name);
    BR_TRY(st, br_h5_stream_group(s, path));
    BR_TRY(st, br_h5_stream_attr(s, path, "vocabulary", "catalogue"));
    (void)snprintf(path, sizeof path, "/timeline/%s/offset", t->name);
    BR_TRY(st,
           br_h5_stream_dataset(s, &(br_h5_stream_set){path, BR_H5_U64, 0, o->n_customers + 1, 0},
                                &t->set_offset));
    (void)snprintf(path, sizeof path, "/timeline/%s/item", t->name);
    BR_TRY(st, br_h5_stream_dataset(s, &(br_h5_stream_set){path, BR_H5_I32, 0, n_total, 0},
                                    &t->set_item));
    (void)snprintf(path, sizeof path, "/timeline/%s/time", t->name);
    BR_TRY(st, br_h5_stream_dataset(s, &(br_h5_stream_set){path, BR_H5_I64, 0, n_total, 0},
                                    &t->set_time));
    BR_TRY(st, br_h5_stream_append(s, t->set_offset, 1, &(uint64_t){0}));
done:
    return st;
}

typedef struct block {
    uint64_t *offset;
    int32_t  *item;
    int64_t  *time;
    int64_t   n_events;
} block;

static void fill_customer(const br_generate_options *o, const timeline *t, int64_t customer,
                          block *b)
{
    int64_t n    = length_of(o, t, customer);
    int64_t time = FIRST_TIME;

    for (int64_t e = 0; e < n; e++) {
        uint64_t place = (uint64_t)customer * MAX_LENGTH + (uint64_t)e;

        time += (int64_t)(br_random_unit((uint64_t)o->seed, STREAM_TIME + t->stream, place) *
                          MAX_GAP_S);
        b->item[b->n_events] = item_of(o, t, place);
        b->time[b->n_events] = time;
        b->n_events++;
    }
}

static br_status write_timeline_block(br_h5_stream *s, const br_generate_options *o, timeline *t,
                                      int64_t first, int64_t n, block *b)
{
    br_status st = BR_OK;

    b->n_events = 0;
    for (int64_t i = 0; i < n; i++) {
        fill_customer(o, t, o->first_customer + first + i, b);
        b->offset[i] = (uint64_t)(t->n_events + b->n_events);
    }
    t->n_events += b->n_events;
    BR_TRY(st, br_h5_stream_append(s, t->set_offset, n, b->offset));
    BR_TRY(st, br_h5_stream_append(s, t->set_item, b->n_events, b->item));
    BR_TRY(st, br_h5_stream_append(s, t->set_time, b->n_events, b->time));
done:
    return st;
}

static int64_t largest_block(const br_generate_options *o, const timeline *t, int n_timelines)
{
    int64_t most = 1;

    for (int i = 0; i < n_timelines; i++)
        for (int64_t first = 0; first < o->n_customers; first += BLOCK_ROWS) {
            int64_t n = 0;

            for (int64_t u = first; u < first + BLOCK_ROWS && u < o->n_customers; u++)
                n += length_of(o, &t[i], o->first_customer + u);
            most = n > most ? n : most;
        }
    return most;
}

static br_status write_customers(const br_generate_options *o)
{
    br_status     st  = BR_OK;
    br_h5_stream *s   = NULL;
    block         b   = {0};
    uint64_t     *key = NULL;
    timeline      t[] = {{.name = "browse", .mean = o->n_browse, .stream = 16},
                         {.name = "purchase", .mean = o->n_purchase, .stream = 32}};
    int32_t       set_key;
    char          path[4096];

    (void)snprintf(path, sizeof path, "%s/customers.h5", o->out_dir);
    BR_TRY(st, br_h5_stream_create(path, "batchrank-customers",
                                   o->n_customers * (24 + 12 * (o->n_browse + o->n_purchase)), &s));
    BR_TRY(st,
           br_h5_stream_dataset(
               s, &(br_h5_stream_set){"/customer/key", BR_H5_U64, 0, o->n_customers, 0}, &set_key));
    for (int i = 0; i < 2; i++)
        BR_TRY(st, create_timeline(s, o, &t[i]));
    BR_ALLOC(st, b.offset, BLOCK_ROWS, "offsets");
    BR_ALLOC(st, key, BLOCK_ROWS, "keys");
    BR_ALLOC(st, b.item, largest_block(o, t, 2), "items");
    BR_ALLOC(st, b.time, largest_block(o, t, 2), "times");
    for (int64_t first = 0; first < o->n_customers; first += BLOCK_ROWS) {
        int64_t n = o->n_customers - first < BLOCK_ROWS ? o->n_customers - first : BLOCK_ROWS;

        BR_TRY(st, br_job_check_interrupt(path));
        for (int64_t i = 0; i < n; i++)
            key[i] = (uint64_t)(o->first_customer + first + i + 1);
        BR_TRY(st, br_h5_stream_append(s, set_key, n, key));
        for (int i = 0; i < 2; i++)
            BR_TRY(st, write_timeline_block(s, o, &t[i], first, n, &b));
    }
    BR_TRY(st, br_h5_stream_commit(&s));
    br_log(BR_LOG_INFO, "generate", "%s: %lld customers, %lld events", path,
           (long long)o->n_customers, (long long)(t[0].n_events + t[1].n_events));
done:
    br_h5_stream_abort(&s);
    br_free(&b.offset);
    br_free(&b.item);
    br_free(&b.time);
    br_free(&key);
    return st;
}

typedef struct item_columns {
    int32_t key, name, group, group_key, price;
} item_columns;

static br_status create_item_columns(br_h5_stream *s, int64_t N, item_columns *c)
{
    br_status st = BR_OK;

    const br_h5_stream_set sets[]    = {{"/item/key", BR_H5_TEXT, 12, N, 0},
                                        {"/item/name", BR_H5_TEXT, 24, N, 0},
                                        {"/item/group/category", BR_H5_I32, 0, N, 0},
                                        {"/item/group_key/category", BR_H5_TEXT, 16, N_GROUPS, 0},
                                        {"/item/value/price", BR_H5_F32, 0, N, 0}};
    int32_t               *handles[] = {&c->key, &c->name, &c->group, &c->group_key, &c->price};

    for (int i = 0; i < 5; i++)
        BR_TRY(st, br_h5_stream_dataset(s, &sets[i], handles[i]));
    for (int g = 0; g < N_GROUPS; g++) {
        char text[32] = {0};

        (void)snprintf(text, sizeof text, "category %d", g);
        BR_TRY(st, br_h5_stream_append(s, c->group_key, 1, text));
    }
done:
    return st;
}

static br_status write_item(br_h5_stream *s, const br_generate_options *o, const item_columns *c,
                            int64_t item)
{
    br_status st       = BR_OK;
    char      key[32]  = {0};
    char      name[32] = {0};
    int32_t   group    = (int32_t)(item % N_GROUPS);
    float     price = (float)(1.0 + floor(9900.0 * br_random_unit((uint64_t)o->seed, STREAM_PRICE,
                                                                  (uint64_t)item)) /
                                    100.0);

    br_generate_item_key(item, key);
    (void)snprintf(name, sizeof name, "item %lld", (long long)item);
    BR_TRY(st, br_h5_stream_append(s, c->key, 1, key));
    BR_TRY(st, br_h5_stream_append(s, c->name, 1, name));
    BR_TRY(st, br_h5_stream_append(s, c->group, 1, &group));
    BR_TRY(st, br_h5_stream_append(s, c->price, 1, &price));
done:
    return st;
}

static br_status write_catalogue(const br_generate_options *o)
{
    br_status     st = BR_OK;
    br_h5_stream *s  = NULL;
    item_columns  c;
    char          path[4096];

    (void)snprintf(path, sizeof path, "%s/catalogue.h5", o->out_dir);
    BR_TRY(st, br_h5_stream_create(path, "batchrank-catalogue", o->n_items * 48, &s));
    BR_TRY(st, create_item_columns(s, o->n_items, &c));
    for (int64_t i = 0; i < o->n_items; i++) {
        BR_TRY(st, br_job_check_interrupt(path));
        BR_TRY(st, write_item(s, o, &c, i));
    }
    BR_TRY(st, br_h5_stream_commit(&s));
    br_log(BR_LOG_INFO, "generate", "%s: %lld items", path, (long long)o->n_items);
done:
    br_h5_stream_abort(&s);
    return st;
}

static br_status make_folder(const char *path)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return BR_OK;
    return br_fail(BR_E_IO, "%s: cannot make the folder: %s", path, strerror(errno));
}

static br_status refuse_existing(const char *out_dir, const char *name)
{
    char        path[4096];
    struct stat info;

    (void)snprintf(path, sizeof path, "%s/%s", out_dir, name);
    if (stat(path, &info) == 0)
        return br_fail(BR_E_USAGE, "%s is there already: choose another folder or remove it", path);
    return BR_OK;
}

br_status br_job_generate(const br_generate_options *o)
{
    static const char *const files[] = {"customers.h5", "catalogue.h5", "model"};
    br_status                st      = BR_OK;

    BR_TRY(st, make_folder(o->out_dir));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        BR_TRY(st, refuse_existing(o->out_dir, files[i]));
    BR_TRY(st, write_customers(o));
    BR_TRY(st, write_catalogue(o));
    BR_TRY(st, br_generate_model(o));
done:
    return st;
}
