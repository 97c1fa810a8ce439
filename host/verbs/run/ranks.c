/* SPDX-License-Identifier: Apache-2.0
 *
 * Configuration, identity and run directory of several ranks. Called a few times per job. */
#include "host/verbs/run/ranks.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/io/digest/blocks.h"
#include "host/pipeline/setup/identity.h"

/* ---- configuration ---- */

static void apply(br_comm *comm, const br_config *c)
{
    br_deadlines deadlines = {.answer_s = (double)c->deadlines_answer};

    deadlines.phase_s[BR_PHASE_SETUP]    = (double)c->deadlines_setup;
    deadlines.phase_s[BR_PHASE_UNITS]    = (double)c->deadlines_unit;
    deadlines.phase_s[BR_PHASE_ALLOCATE] = (double)c->deadlines_allocate;
    deadlines.phase_s[BR_PHASE_FINISH]   = (double)c->deadlines_finish;
    br_log_set_level((br_log_level)c->log_level);
    br_comm_set_deadlines(comm, &deadlines);
}

static br_status make_config(const char *text, br_config **out)
{
    br_status st = BR_OK;

    BR_TRY(st, br_config_parse("the configuration of rank 0", text, "/", out));
    BR_TRY(st, br_config_check(*out));
done:
    return st;
}

static br_status lend_prices(br_comm *comm, int64_t n_items, br_config *config, br_lent *lent)
{
    br_status st    = BR_OK;
    bool      is_us = br_comm_rank(comm) == 0;
    int64_t   n     = is_us && config->price_N != NULL ? n_items : 0;
    float    *to    = is_us ? (float *)(uintptr_t)config->price_N : NULL; /* rank 0 only sends */

    BR_TRY(st, br_comm_broadcast(comm, "the number of prices", &n, sizeof n));
    if (!is_us && n > 0) {
        BR_ALLOC(st, lent->price_N, n, "prices of rank 0");
        to = lent->price_N;
    }
    BR_TRY(st, br_comm_agree(comm, st));
    BR_TRY(st, br_comm_broadcast(comm, "the prices", to, (size_t)n * sizeof *to));
    if (!is_us)
        config->price_N = lent->price_N;
done:
    return st;
}

static br_status lend_path(br_comm *comm, br_config *config, br_lent *lent)
{
    br_status st    = BR_OK;
    bool      is_us = br_comm_rank(comm) == 0;
    char     *path =
        is_us && config->vectors_from != NULL ? (char *)(uintptr_t)config->vectors_from : NULL;
    char none[] = "";

    if (is_us && path == NULL)
        path = none;
    BR_TRY(st, br_comm_broadcast_text(comm, "the path of the vectors", &path));
    if (is_us)
        return BR_OK;
    lent->vectors_from   = path;
    config->vectors_from = path[0] != '\0' ? path : NULL;
done:
    return st;
}

br_status br_ranks_config(br_comm *comm, int64_t n_items, br_config **config, br_lent *lent)
{
    br_status st   = BR_OK;
    char     *text = NULL;

    *lent = (br_lent){0};
    if (br_comm_size(comm) == 1) {
        apply(comm, *config);
        return BR_OK;
    }
    BR_TRY(st,
           br_comm_agree(comm, br_comm_rank(comm) == 0 ? br_config_dump(*config, &text) : BR_OK));
    BR_TRY(st, br_comm_broadcast_text(comm, "the configuration", &text));
    BR_TRY(st, br_comm_agree(comm, br_comm_rank(comm) == 0 ? BR_OK : make_config(text, config)));
    BR_TRY(st, lend_prices(comm, n_items, *config, lent));
    BR_TRY(st, lend_path(comm, *config, lent));
    apply(comm, *config);
done:
    br_free(&text);
    return st;
}

void br_ranks_return(br_lent *lent)
{
    br_free(&lent->price_N);
    br_free(&lent->vectors_from);
}

/* ---- identity ---- */

/* Bytes of a line without the comma at its end. */
static int line_bytes(const char *line)
{
    size_t n = strcspn(line, "\n");

    return (int)(n > 0 && line[n - 1] == ',' ? n - 1 : n);
}

/* The first line in which two identities differ. */
static br_status compare(const br_comm *comm, const char *found, const char *expected)
{
    size_t at = 0, line = 0;

    if (strcmp(found, expected) == 0)
        return BR_OK;
    for (; found[at] == expected[at] && found[at] != '\0'; at++)
        if (found[at] == '\n')
            line = at + 1;
    line += strspn(found + line, " ");
    return br_fail(BR_E_USAGE,
                   "on %s: found %.*s, expected, as rank 0 has, %.*s: inputs, program and kind of "
                   "device must be the same for all ranks",
                   br_comm_host(comm), line_bytes(found + line), found + line,
                   line_bytes(expected + line), expected + line);
}

/* A file by what the ranks' machines say of it: equal ones are one file of a shared file system. */
typedef struct seen_file {
    int64_t inode;
    int64_t n_bytes;
    int64_t time_ns;
} seen_file;

static seen_file look_at(const br_digest_blocks *blocks)
{
    seen_file   seen = {.n_bytes = blocks->n_bytes};
    struct stat about;

    if (stat(blocks->path, &about) == 0) {
        seen.inode   = (int64_t)about.st_ino;
        seen.time_ns = (int64_t)about.st_mtim.tv_sec * 1000000000 + about.st_mtim.tv_nsec;
    }
    return seen;
}

/* Those who hash the customers together: all ranks where they see one file, else those of each
 * machine by themselves. */
static br_status choose_readers(br_comm *comm, const br_digest_blocks *blocks, br_comm **out)
{
    br_status st   = BR_OK;
    seen_file mine = look_at(blocks), first = mine;
    int64_t   is_other;

    BR_TRY(st, br_comm_broadcast(comm, "the size of the customers", &first, sizeof first));
    is_other = memcmp(&mine, &first, sizeof first) != 0;
    br_comm_max_i64(comm, &is_other, 1);
    *out = is_other ? br_comm_node(comm) : comm;
done:
    return st;
}

/* A block is hashed by one of them; the others have zeros there. */
static br_status hash_customers(br_comm *comm, const char *path, char out[BR_INPUT_DIGEST_BYTES])
{
    br_status        st      = BR_OK;
    br_comm         *readers = NULL;
    br_digest_blocks blocks  = {0};

    BR_TRY(st, br_comm_agree(comm, br_digest_blocks_open(path, BR_INPUT_BLOCK_BYTES, &blocks)));
    BR_TRY(st, br_comm_agree(comm, choose_readers(comm, &blocks, &readers)));
    BR_TRY(st, br_comm_agree(comm, br_digest_blocks_hash(&blocks, br_comm_rank(readers),
                                                         br_comm_size(readers), br_n_cores())));
    br_comm_sum_i64(readers, blocks.hash_N4, blocks.n * BR_BLOCK_DIGEST_WORDS);
    BR_TRY(st, br_comm_agree(comm, br_digest_blocks_text(&blocks, out)));
done:
    br_digest_blocks_close(&blocks);
    return st;
}

/* Ranks of one machine see the same files: its first reads the smaller ones. */
static br_status share_digests(br_comm *comm, const br_setup *setup, char **digests)
{
    br_status st       = BR_OK;
    bool      is_first = br_comm_node_rank(comm) == 0;
    char      customers[BR_INPUT_DIGEST_BYTES];

    BR_TRY(st, hash_customers(comm, setup->config->input_customers, customers));
    BR_TRY(st,
           br_comm_agree(comm, is_first ? br_identity_digests(setup, customers, digests) : BR_OK));
    BR_TRY(st, br_comm_broadcast_text(br_comm_node(comm), "hashes of inputs", digests));
done:
    return st;
}

br_status br_ranks_identity(br_comm *comm, const br_setup *setup, char **out)
{
    br_status st       = BR_OK;
    char     *digests  = NULL;
    char     *expected = NULL;
    bool      is_us    = br_comm_rank(comm) == 0;

    BR_TRY(st, share_digests(comm, setup, &digests));
    BR_TRY(st, br_comm_agree(comm, br_identity_with(setup, digests, out)));
    if (br_comm_size(comm) == 1)
        goto done;
    expected = is_us ? *out : NULL;
    BR_TRY(st, br_comm_broadcast_text(comm, "the identity", &expected));
    BR_TRY(st, br_comm_agree(comm, compare(comm, *out, expected)));
done:
    if (!is_us)
        br_free(&expected);
    br_free(&digests);
    return st;
}

/* ---- run directory ---- */

typedef struct run_news {
    int64_t is_complete;
    char    mark[BR_RUN_MARK_BYTES];
} run_news;

static br_status open_first(const br_setup *setup, const char *identity, run_news *news,
                            br_run **out)
{
    br_status st       = BR_OK;
    char     *resolved = NULL;

    BR_TRY(st, br_config_dump_for_run(setup->config, &resolved));
    BR_TRY(st, (setup->config->is_step ? br_run_open_step : br_run_open)(
                   setup->config->output_path, identity, resolved, setup->n_units, out));
    news->is_complete = br_run_is_complete(*out);
    BR_TRY(st, br_run_mark(*out, news->mark));
done:
    br_free(&resolved);
    return st;
}

br_status br_ranks_open_run(br_comm *comm, const br_setup *setup, const char *identity,
                            br_run **out, bool *is_complete)
{
    br_status st    = BR_OK;
    bool      is_us = br_comm_rank(comm) == 0;
    run_news  news  = {0};

    *out = NULL;
    BR_TRY(st, br_comm_agree(comm, is_us ? open_first(setup, identity, &news, out) : BR_OK));
    BR_TRY(st, br_comm_broadcast(comm, "news of the run directory", &news, sizeof news));
    *is_complete = news.is_complete != 0;
    if (!is_us && !*is_complete)
        st = br_run_attach(setup->config->output_path, setup->n_units, news.mark, out);
    BR_TRY(st, br_comm_agree(comm, st));
done:
    return st;
}
