/* SPDX-License-Identifier: Apache-2.0
 *
 * A lane's graphs (kernels/cuda/graph.cuh): when a sequence is recorded and replayed, eviction,
 * what makes a lane give them up, lanes side by side. The sequences add to numbers on the device,
 * so that one that runs twice, or not at all, or with another's arguments, shows. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/graph.cuh"

#define N_KINDS (BR_GRAPHS + 6) /* more than a lane keeps */
#define N_LANES 3

static int n_wrong;

static void expect(bool is_right, const char *what, int line)
{
    if (is_right)
        return;
    __atomic_fetch_add(&n_wrong, 1, __ATOMIC_RELAXED);
    printf("line %d: not so: %s (%s)\n", line, what, br_error_last()->text);
}

#define EXPECT(what) expect(what, #what, __LINE__)

/* ---- sequences ------------------------------------------------------------------------------- */

typedef struct adding {
    long long       *to; /* [2], on the device */
    const long long *by; /* on the device */
    long long        times;
    long long        kind;
} adding;

static __global__ void add_kernel(long long *to, const long long *by, long long times)
{
    to[threadIdx.x] += *by * times;
}

static br_status add(br_dev *dev, const void *context)
{
    br_status     st = BR_OK;
    const adding *a  = static_cast<const adding *>(context);

    BR_TRY(st, BR_LAUNCH(dev, add_kernel, 1, 2, 0, a->to, a->by, a->times));
    BR_TRY(st, BR_LAUNCH(dev, add_kernel, 1, 1, 0, a->to, a->by, 1)); /* the first once more */
done:
    return st;
}

/* What a sequence must not do: its launches depend on what the device has computed. */
static br_status add_until_even(br_dev *dev, const void *context)
{
    br_status     st    = BR_OK;
    const adding *a     = static_cast<const adding *>(context);
    long long     found = 1;

    BR_TRY(st, br_cuda_fetch(dev, a->to, sizeof found, &found));
    if (found % 2 != 0)
        BR_TRY(st, BR_LAUNCH(dev, add_kernel, 1, 1, 0, a->to, a->by, 1));
done:
    return st;
}

static br_status refuse(br_dev *dev, const void *context)
{
    (void)dev;
    (void)context;
    return br_fail(BR_E_INPUT, "refused");
}

/* ---- a lane and its numbers ------------------------------------------------------------------ */

typedef struct site {
    br_dev   *dev;
    br_mat    numbers; /* the sums, then what is added */
    long long sum[2];
} site;

static long long *at(const site *s, int i)
{
    return static_cast<long long *>(br_mat_at(s->numbers)) + i;
}

static void open_site(site *s)
{
    *s = site{};
    EXPECT(br_dev_open(BR_BACKEND_CUDA, 0, &s->dev) == BR_OK);
    EXPECT(br_dev_alloc(s->dev, BR_I64, 3, 1, &s->numbers) == BR_OK);
}

static void close_site(site *s)
{
    br_dev_free(&s->numbers);
    br_dev_close(&s->dev);
}

static void run(site *s, long long kind, long long by)
{
    adding           a        = {at(s, 0), at(s, 2), kind + 1, kind};
    br_cuda_sequence sequence = {add, &a, sizeof a};

    EXPECT(br_cuda_place(s->dev, at(s, 2), by) == BR_OK);
    EXPECT(br_cuda_replay(s->dev, &sequence) == BR_OK);
    s->sum[0] += by * (kind + 2);
    s->sum[1] += by * (kind + 1);
}

static void expect_sums(site *s, int line)
{
    long long found[2];

    EXPECT(br_cuda_fetch(s->dev, at(s, 0), sizeof found, found) == BR_OK);
    expect(memcmp(found, s->sum, sizeof found) == 0, "the sums are as expected", line);
}

#define EXPECT_SUMS(s) expect_sums(s, __LINE__)

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_turns(void)
{
    site        s;
    br_launches l;

    open_site(&s);
    for (int i = 1; i <= 5; i++) {
        run(&s, 7, i); /* other data in the same place each time */
        l = br_dev_launches(s.dev);
        EXPECT(l.n_recorded == (i >= 2) && l.n_replays == (i >= 2 ? i - 1 : 0));
        EXPECT(l.n_replayed == 2 * l.n_replays && l.n_single == i + (i >= 2 ? 2 : 2 * i));
        EXPECT_SUMS(&s);
    }
    run(&s, 8, 1);
    run(&s, 8, 1);
    run(&s, 7, 1); /* still there */
    EXPECT_SUMS(&s);
    l = br_dev_launches(s.dev);
    EXPECT(l.n_recorded == 2 && l.n_replays == 6);
    close_site(&s);
}

static void test_eviction(void)
{
    site        s;
    br_launches l;
    size_t      before, after, total;

    EXPECT(cudaMemGetInfo(&before, &total) == cudaSuccess);
    open_site(&s);
    for (int turn = 0; turn < 3; turn++)
        for (int kind = 0; kind < N_KINDS; kind++) { /* each twice: recorded, then forgotten */
            run(&s, kind, turn + 1);
            run(&s, kind, turn + 1);
        }
    EXPECT_SUMS(&s);
    l = br_dev_launches(s.dev);
    EXPECT(l.n_recorded == 3 * N_KINDS && l.n_replays == 3 * N_KINDS);
    for (int kind = N_KINDS - 1; kind >= N_KINDS - BR_GRAPHS; kind--)
        run(&s, kind, 1); /* the last ones are kept */
    EXPECT(br_dev_launches(s.dev).n_replays == 3 * N_KINDS + BR_GRAPHS);
    run(&s, 0, 1);
    EXPECT(br_dev_launches(s.dev).n_replays == 3 * N_KINDS + BR_GRAPHS);
    EXPECT_SUMS(&s);
    close_site(&s);
    EXPECT(cudaMemGetInfo(&after, &total) == cudaSuccess && before == after);
}

/* Asks for `sequence` three times, expecting `want`; then graphs are given up, and all goes on. */
static void expect_given_up(site *s, const br_cuda_sequence *sequence, br_status want)
{
    int64_t n_replays;

    run(s, 1, 1);
    run(s, 1, 1);
    n_replays = br_dev_launches(s->dev).n_replays;
    EXPECT(n_replays > 0);
    for (int i = 0; i < 3; i++)
        EXPECT(br_cuda_replay(s->dev, sequence) == want);
    EXPECT(!br_cuda_has_graphs(s->dev));
    run(s, 1, 5);
    run(s, 1, 5);
    EXPECT(br_dev_launches(s->dev).n_replays == n_replays);
}

static void test_decision(void)
{
    site s;

    open_site(&s);
    adding           a        = {at(&s, 0), at(&s, 2), 1, -1};
    br_cuda_sequence sequence = {add_until_even, &a, sizeof a};

    run(&s, 1, 1);
    s.sum[0] += 1; /* 3 + 6 = 9 is odd: once */
    expect_given_up(&s, &sequence, BR_OK);
    EXPECT_SUMS(&s);
    close_site(&s);
}

static void test_failure(void)
{
    site s;

    open_site(&s);
    adding           a        = {at(&s, 0), at(&s, 2), 1, -1};
    br_cuda_sequence sequence = {refuse, &a, sizeof a};

    expect_given_up(&s, &sequence, BR_E_INPUT);
    EXPECT_SUMS(&s);
    close_site(&s);
}

static void test_no_memory(void)
{
    site s;

    open_site(&s);
    run(&s, 3, 1);
    EXPECT(setenv("BATCHRANK_CUDA_BYTES", "0", 1) == 0);
    run(&s, 3, 1);
    EXPECT(unsetenv("BATCHRANK_CUDA_BYTES") == 0);
    EXPECT(!br_cuda_has_graphs(s.dev) && br_dev_launches(s.dev).n_recorded == 0);
    run(&s, 3, 1);
    EXPECT_SUMS(&s);
    close_site(&s);
}

static void test_words(void)
{
    site    s;
    br_dev *dev = NULL;

    EXPECT(setenv("BATCHRANK_CUDA_GRAPHS", "off", 1) == 0);
    open_site(&s);
    for (int i = 0; i < 3; i++)
        run(&s, 2, i);
    EXPECT(!br_cuda_has_graphs(s.dev) && br_dev_launches(s.dev).n_replays == 0);
    EXPECT_SUMS(&s);
    close_site(&s);
    EXPECT(setenv("BATCHRANK_CUDA_GRAPHS", "maybe", 1) == 0);
    EXPECT(br_dev_open(BR_BACKEND_CUDA, 0, &dev) == BR_E_USAGE && dev == NULL);
    EXPECT(strstr(br_error_last()->text, "found 'maybe', expected on or off") != NULL);
    EXPECT(unsetenv("BATCHRANK_CUDA_GRAPHS") == 0);
}

static void *run_lane(void *context)
{
    site *s = static_cast<site *>(context);

    for (int i = 0; i < 60; i++) {
        br_mat other;

        run(s, i * i % 5, i);
        if (i % 9 == 0) { /* takes and frees memory while others record */
            EXPECT(br_dev_alloc(s->dev, BR_I64, 10, 1, &other) == BR_OK);
            br_dev_free(&other);
        }
    }
    return NULL;
}

static void test_lanes(void)
{
    site      s[N_LANES];
    pthread_t thread[N_LANES];

    for (int i = 0; i < N_LANES; i++)
        open_site(&s[i]);
    for (int i = 0; i < N_LANES; i++)
        EXPECT(pthread_create(&thread[i], NULL, run_lane, &s[i]) == 0);
    for (int i = 0; i < N_LANES; i++)
        EXPECT(pthread_join(thread[i], NULL) == 0);
    for (int i = 0; i < N_LANES; i++) {
        EXPECT_SUMS(&s[i]);
        EXPECT(br_cuda_has_graphs(s[i].dev) && br_dev_launches(s[i].dev).n_recorded == 3);
        close_site(&s[i]);
    }
}

int main(void)
{
    test_turns();
    test_eviction();
    test_decision();
    test_failure();
    test_no_memory();
    test_words();
    test_lanes();
    printf("%d not as expected\n", n_wrong);
    return n_wrong > 0;
}
