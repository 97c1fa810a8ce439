/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/host/decide/shown_world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t random_state;

void seed_draws(uint64_t seed)
{
    random_state = seed;
}

static double uniform(void)
{
    uint64_t x = (random_state += 0x9e3779b97f4a7c15u);

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

static const double logged_score[N] = {0.6, 0.3, 0.0, -0.1, -0.3, -0.6};
static const double target_score[N] = {-0.2, 0.4, 0.5, -0.4, 0.2, -0.3};

/* Probability of `item` in slot j after the items above it; in WORLD_SLOT they are no matter. */
static double probability(world w, const double *score, const int *list, int j, int item)
{
    double sum = 0.0, own = exp(score[item]);

    for (int i = 0; i < N; i++) {
        bool is_there = false;

        for (int s = 0; s < j && w != WORLD_SLOT; s++)
            is_there = is_there || list[s] == i;
        sum += is_there ? 0.0 : exp(score[i]);
        own = is_there && i == item ? 0.0 : own;
    }
    return own / sum;
}

/* Chance of a reward of 1 in slot j. */
static double chance(world w, const int *list, int j)
{
    double p = 0.1 + 0.1 * list[j] / (1 + j);

    if (w == WORLD_ABOVE && j > 0)
        p += 0.25 * (list[j - 1] < 3);
    if (w == WORLD_BELOW && j < K - 1)
        p += 0.25 * (list[j + 1] == 2);
    return p;
}

double truth_of(world w)
{
    double value = 0.0;

    for (int code = 0; code < N * N * N; code++) {
        const int list[K] = {code / (N * N), code / N % N, code % N};
        double    p = 1.0, reward = 0.0;

        for (int j = 0; j < K; j++) {
            p *= probability(w, target_score, list, j, list[j]);
            reward += chance(w, list, j);
        }
        value += p * reward;
    }
    return value;
}

sample *make_sample(void)
{
    sample *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->log = (br_shown_log){.n_rows           = ROWS,
                            .n_lists          = LISTS,
                            .n_positions      = K,
                            .longest          = K,
                            .n_strata         = 2,
                            .first_L1         = s->first_L1,
                            .is_kept_L        = s->is_kept_L,
                            .stratum_L        = s->stratum_L,
                            .position_R       = s->position_R,
                            .log_propensity_R = s->log_propensity_R,
                            .reward_R         = s->reward_R};
    for (int64_t l = 0; l <= LISTS; l++)
        s->first_L1[l] = l * K;
    return s;
}

static int draw(world w, const int *list, int j)
{
    double at = uniform();
    int    i  = -1;

    while (i < N - 1 && at >= 0.0)
        at -= probability(w, logged_score, list, j, ++i);
    return i;
}

/* A crude model: the reward of an item without its neighbours. */
static double model(const int *list, int j)
{
    return 0.12 + 0.09 * list[j] / (1 + j);
}

static double model_value(world w)
{
    double value = 0.0;

    for (int code = 0; code < N * N * N; code++) {
        const int list[K] = {code / (N * N), code / N % N, code % N};
        double    p       = 1.0;

        for (int j = 0; j < K; j++)
            p *= probability(w, target_score, list, j, list[j]);
        value += p * (model(list, 0) + model(list, 1) + model(list, 2));
    }
    return value;
}

void fill(sample *s, world w)
{
    double value = model_value(w);

    for (int64_t l = 0; l < LISTS; l++) {
        int list[K];

        for (int j = 0; j < K; j++)
            list[j] = draw(w, list, j);
        for (int j = 0; j < K; j++) {
            int64_t r = l * K + j;

            s->log_propensity_R[r] = log(probability(w, logged_score, list, j, list[j]));
            s->log_target_R[r]     = log(probability(w, target_score, list, j, list[j]));
            s->reward_R[r]         = uniform() < chance(w, list, j) ? 1.0 : 0.0;
            s->position_R[r]       = j + 1;
            s->model_R[r]          = model(list, j);
        }
        s->is_kept_L[l] = true;
        s->stratum_L[l] = (int32_t)(l % 2);
        s->value_L[l]   = value;
    }
}

br_estimate_args args_of(sample *s, br_form form)
{
    br_shown_weigh(&s->log, s->log_target_R, form, s->weight_R);
    return (br_estimate_args){.log       = &s->log,
                              .weight_R  = s->weight_R,
                              .form      = form,
                              .model_R   = s->model_R,
                              .value_L   = s->value_L,
                              .stratum   = -1,
                              .clip      = 1e9,
                              .floor     = 0.1,
                              .min_ess   = 50,
                              .max_share = 0.1};
}
