#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a policy would earn, from a log of what another one showed (docs/FORMATS.md, /extra/log).
The policy is the softmax of a run's scores over the whole catalogue, one item a time; the run
lists every item (list.k = N, list.fallback none).

  scripts/logged_values.py --labels LABELS.h5 [--run RUN]... [--temperature T] [--like 4]
IPS, SNIPS, IPS with weights of at most --clip, DM and DR (q = smoothed reward of an item in the
same log), each with a standard error; without --run the uniform policy. --like adds the chance
that a logged item with a reward of at least that scores above one of the same customer without.
With two or more runs each is also compared with the first. Exit code 0, 2 (usage) or 3 (input)."""
import argparse
import sys
from pathlib import Path

import h5py
import numpy as np

SEED, N_DRAWS = 1, 10000
PRIOR_N = 200  # q: as if each item had been shown so often more, for the mean reward


class InputError(Exception):
    pass


def read_log(path):
    """customer_L (row), item_L, reward_L, p_L and the customer keys."""
    with h5py.File(path) as file:
        if "/extra/log" not in file:
            raise InputError(f"{path}: /extra/log is not there")
        log = {n: file[f"/extra/log/{n}"][:] for n in ("offset", "item", "reward",
                                                       "log_propensity")}
        keys = file["/customer/key"][:]
    customer = np.repeat(np.arange(keys.size), np.diff(log["offset"].astype(np.int64)))
    return {"customer": customer, "item": log["item"].astype(np.int64), "key": keys,
            "reward": log["reward"].astype(np.float64),
            "p": np.exp(log["log_propensity"].astype(np.float64))}


def scores_of(folder, keys):
    """Scores of every catalogue item for these customers, f64 [U, N]."""
    with h5py.File(Path(folder) / "lists.h5") as file:
        item, score = file["/list/item"][:], file["/list/score"][:].astype(np.float64)
        n_items, found = len(file["/item/key"]), file["/customer/key"][:].tolist()
        by_popularity = (file["/list/source"][:] == 2).any()
    if item.shape[1] != n_items or (item < 0).any() or by_popularity:
        raise InputError(f"{folder}: its lists are not all {n_items} items by the model; run it "
                         f"with list.k {n_items} and list.fallback none")
    row = {key: i for i, key in enumerate(found)}
    missing = [key for key in keys.tolist() if key not in row]
    if missing:
        raise InputError(f"{folder}: customer {missing[0]} is not in it")
    out = np.empty_like(score)
    np.put_along_axis(out, item, score, axis=1)
    return out[[row[key] for key in keys.tolist()]]


def softmax(score_UN, temperature):
    e = np.exp((score_UN - score_UN.max(axis=1, keepdims=True)) / temperature)
    return e / e.sum(axis=1, keepdims=True)


def item_rewards(item, reward, n_items, prior_sum=None):
    """q: smoothed mean reward of each item in the log, [N]."""
    n, total = (np.bincount(item, w, minlength=n_items) for w in (None, reward))
    prior_sum = PRIOR_N * reward.mean() if prior_sum is None else prior_sum
    return (total + prior_sum) / (n + PRIOR_N)


def estimates(weight, reward, q_shown, q_policy, clip):
    """{name: (value, what each row adds)}; the value's standard error is sd / sqrt(n) of those."""
    snips = (weight * reward).sum() / weight.sum()
    rows = {"ips": weight * reward, "clipped": np.minimum(weight, clip) * reward,
            "dm": q_policy, "dr": q_policy + weight * (reward - q_shown)}
    out = {name: (row.mean(), row) for name, row in rows.items()}
    out["snips"] = (snips, snips + weight * (reward - snips) / weight.mean())  # linearised
    return out


def error_of(row):
    return row.std(ddof=1) / np.sqrt(row.size)


def policy_rows(log, policy_UN, clip):
    """estimates() of a policy [U, N], and the effective sample size."""
    n_items = policy_UN.shape[1]
    pi = policy_UN[log["customer"], log["item"]]
    weight = pi / log["p"]
    q_N = item_rewards(log["item"], log["reward"], n_items)
    out = estimates(weight, log["reward"], q_N[log["item"]], (policy_UN @ q_N)[log["customer"]],
                    clip)
    return out, weight.sum() ** 2 / (weight ** 2).sum()


def preference(score_UN, log, like):
    """Per customer with both: share of (liked, other) logged pairs in the right order, ties half;
    NaN for the others, [U]."""
    score = score_UN[log["customer"], log["item"]]
    liked = log["reward"] >= like
    out = np.full(len(score_UN), np.nan)
    for u in np.unique(log["customer"]):
        mine = log["customer"] == u
        on, off = score[mine & liked], score[mine & ~liked]
        if on.size and off.size:
            gap = on[:, None] - off[None]
            out[u] = (gap > 0).mean() + 0.5 * (gap == 0).mean()
    return out


def interval(value):
    """Mean and 95 % interval over resampled customers."""
    value = value[~np.isnan(value)]
    rng = np.random.default_rng(SEED)
    mean = [value[rng.integers(0, value.size, value.size)].mean() for _ in range(N_DRAWS)]
    return value.mean(), *np.percentile(mean, [2.5, 97.5])


def report(name, log, score_UN, args, first):
    """Prints one policy; returns what the next ones are compared with."""
    found, n_effective = policy_rows(log, softmax(score_UN, args.temperature), args.clip)
    print(f"{name}: effective sample size {n_effective:.1f} of {log['item'].size}")
    for estimator, (value, row) in found.items():
        text = f"  {estimator:<8} {value:10.6f} (se {error_of(row):.6f})"
        if first and estimator in first[0]:
            gap = row - first[0][estimator][1]
            text += f"   less the first {gap.mean():+.6f} (se {error_of(gap):.6f})"
        print(text)
    liked = None
    if args.like is not None:
        liked = preference(score_UN, log, args.like)
        text = "  AUC      {:10.6f} [{:.4f}, {:.4f}]".format(*interval(liked))
        if first:
            text += "   less the first {:+.6f} [{:+.4f}, {:+.4f}]".format(
                *interval(liked - first[1]))
        print(text)
    return found, liked


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--run", type=Path, action="append", default=[])
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--clip", type=float, default=10.0)
    parser.add_argument("--like", type=float)
    args = parser.parse_args()
    try:
        log, first = read_log(args.labels), None
        print(f"{args.labels.parent.name}: {log['item'].size} shown, mean reward "
              f"{log['reward'].mean():.6f} (se {error_of(log['reward']):.6f})")
        if not args.run:
            n_items = int(log["item"].max()) + 1
            report("uniform", log, np.zeros((log["key"].size, n_items)), args, None)
        for folder in args.run:
            made = report(folder.name, log, scores_of(folder, log["key"]), args, first)
            first = first or made
    except (InputError, OSError, KeyError) as error:
        print(f"logged_values: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
