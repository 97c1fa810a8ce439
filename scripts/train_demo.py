#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the model that the demo ships (configs/demo/model) on the purchases before the time split.

  scripts/install_deps.sh --train && scripts/train_demo.py
About ten minutes on two CPU cores; seeded. Three steps, each on its own days, all before the cut:
  1. x_u, z_i and b_i, to rank: softmax over what a household bought in the 28 days after a day;
  2. the heads, on frozen x_u and z_i: does it buy the item, does it redeem a coupon that covers
     the item, in those 28 days;
  3. Platt calibration of each head, on the listed items of the last two times 28 days before it.
Then measures the 28 days after the cut, which no step has seen, and writes the bundle, metrics.json
and golden.safetensors (x_u of a few households, for the tests). What it learns is in docs/DEMO.md.
"""
import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import completejourney_raw as cj
import demo_bundle
import prepare_completejourney as prepare
from demo_data import HORIZON_DAYS, HORIZON_S, Examples
from demo_model import MAX_LENGTH, DemoModel

SEED = 20171201
FIRST_DAY, STEP_DAYS, N_HEAD_DAYS = "2017-03-01", 14, 12
DIM, SMALL, INNER, N_HEADS = 48, 16, 96, 2
BATCH, EPOCHS, LEARNING_RATE, OWN_DECAY = 256, 2, 3e-3, 0.1
HEAD_EPOCHS, HEAD_RATE = 3, 3e-3
N_NEGATIVE, N_LISTED, K = 2000, 50, 10
ITEM_COLUMNS = ("department", "product_category", "product_type", "manufacturer_id", "brand")


def training_days(cut):
    """Every second week, the last one 28 days before the cut. (The settings above were chosen with
    days up to 56 days before it, by what was bought in the 28 days between.)"""
    days = np.arange(cut - HORIZON_S, cj.day_start(FIRST_DAY) - 1, -STEP_DAYS * cj.DAY_S)
    return days[::-1]


def build_model(examples, days, cut):
    """The untrained model: item biases start at popularity, item vectors grow with it."""
    data = examples.data
    rows = examples.at(days)
    rates = {name: np.bincount(item.numpy(), minlength=examples.n_items)
             for name, (_, item) in examples.labels(rows).items()}
    popularity = torch.from_numpy(examples.popularity(cut))
    model = DemoModel({
        "popularity": popularity,
        "item_codes": [prepare.codes(data["items"][c])[0] for c in ITEM_COLUMNS],
        "n_campaigns": data["campaign"].size,
        "static_rows": {n: len(names) + 1 for n, (_, names) in prepare.statics(data).items()},
        "n_aggregates": len(prepare.AGGREGATES),
        "head_rates": {n: torch.from_numpy(np.log((r + 0.05) / len(rows))).float()
                       for n, r in rates.items()},
    }, dim=DIM, small=SMALL, heads=N_HEADS, inner=INNER)
    return model


def train_ranking(model, examples, rows, scale, rng):
    """Step 1: sampled softmax, negatives drawn by popularity^0.75 and corrected for."""
    share = (torch.exp(model.item_bias.detach()) + 0.4) ** 0.75
    share = share / share.sum()
    own = [model.own.weight]
    rest = [p for n, p in model.named_parameters() if n != "own.weight" and "head." not in n]
    optimiser = torch.optim.AdamW([{"params": own, "weight_decay": OWN_DECAY},
                                   {"params": rest, "weight_decay": 0.0}], lr=LEARNING_RATE)
    n_steps = EPOCHS * (len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, pct_start=0.1,
                                                   total_steps=n_steps + 1)
    started, total = time.time(), 0.0
    model.train()
    for step in range(n_steps):
        chosen = rows[rng.choice(len(rows), BATCH, replace=False)]
        row, item = examples.labels(chosen, ("purchase",))["purchase"]
        drawn = torch.multinomial(share, N_NEGATIVE, replacement=True)
        candidate, place = torch.unique(torch.cat([item, drawn]), return_inverse=True)
        odds = torch.log(1 - (1 - share[candidate]) ** (N_NEGATIVE + len(item)) + 1e-12)
        item_ND = model.item_table()
        x_BD = model(examples.batch(chosen, *scale), item_ND)
        score = x_BD @ item_ND[candidate].t() + model.item_bias[candidate] - odds
        loss = -F.log_softmax(score, dim=1)[row, place[:len(item)]].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        total += loss.item()
        if (step + 1) % 100 == 0:
            print(f"  step {step + 1}/{n_steps}  loss {total / 100:.4f}  "
                  f"{time.time() - started:.0f} s", file=sys.stderr)
            total = 0.0


@torch.no_grad()
def encode(model, examples, rows, scale):
    """x_u of every row, and the item table."""
    model.eval()
    item_ND = model.item_table()
    parts = [model(examples.batch(rows[i:i + 512], *scale), item_ND)
             for i in range(0, len(rows), 512)]
    return torch.cat(parts), item_ND


def train_heads(model, examples, rows, scale, rng):
    """Step 2: logistic loss over the full catalogue, x_u and z_i frozen."""
    x_UD, item_ND = encode(model, examples, rows, scale)
    optimiser = torch.optim.Adam(model.head.parameters(), lr=HEAD_RATE)
    for epoch in range(HEAD_EPOCHS):
        total = {name: 0.0 for name in model.head}
        for i in np.array_split(rng.permutation(len(rows)), len(rows) // BATCH):
            labels = examples.labels(rows[i])
            for name in model.head:
                logit = model.head_logits(name, x_UD[i], item_ND)
                loss = (F.softplus(logit).sum() - logit[labels[name]].sum()) / len(i)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                total[name] += loss.item() * len(i) / len(rows)
        print(f"  heads, epoch {epoch + 1}: {total}", file=sys.stderr)


@torch.no_grad()
def listed(model, examples, rows, scale, n_listed):
    """The n_listed best items of each row, and per head their logits and labels."""
    x_UD, item_ND = encode(model, examples, rows, scale)
    top = torch.topk(x_UD @ item_ND.t() + model.item_bias, n_listed, dim=1).indices
    truth = examples.labels(rows)
    out = {}
    for name in model.head:
        label = torch.zeros(len(rows), examples.n_items, dtype=torch.bool)
        label[truth[name]] = True
        logit = model.head_logits(name, x_UD, item_ND)
        out[name] = (logit.gather(1, top).double().flatten(), label.gather(1, top).flatten())
    return top, out


def fit_platt(logit, label):
    """a, b of sigmoid(a * logit + b), by Newton's method; a small prior holds them finite."""
    design = torch.stack([logit, torch.ones_like(logit)], dim=1)
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    w = start.clone()
    for _ in range(50):
        p = torch.sigmoid(design @ w)
        gradient = design.t() @ (p - label.double()) + (w - start)
        hessian = (design * (p * (1 - p))[:, None]).t() @ design + torch.eye(2).double()
        step = torch.linalg.solve(hessian, gradient)
        w = w - step.clamp(-1, 1)
    return float(w[0]), float(w[1])


def calibration_error(p, label, n_bins=10):
    """Mean |predicted - observed| over bins of equally many pairs (ECE)."""
    order = torch.argsort(p)
    gaps = [(len(i), abs(p[i].mean() - label[i].double().mean()))
            for i in torch.tensor_split(order, n_bins)]
    return float(sum(n * gap for n, gap in gaps) / len(p))


def hits(top_UK, row, item):
    """HR@K and NDCG@K: each (row, item) is one case, found among the K of its row or not."""
    hit = (torch.as_tensor(top_UK)[row] == torch.as_tensor(item)[:, None]).double()
    gain = 1 / torch.log2(torch.arange(K, dtype=torch.float64) + 2)
    return {"hr": round(float(hit.amax(1).mean()), 6), "ndcg": round(float((hit @ gain).mean()), 6)}


def popular_lists(examples, cut, own_share=0.0):
    """[U, K] of the most sold items before the cut; own_share > 0 mixes in how often the household
    itself bought each item: the plain rule that knows about repeats."""
    popularity = examples.popularity(cut).astype(np.float64)
    popularity /= popularity.sum()
    past = examples.data["timelines"]["purchase"]
    past = prepare.select(past, past["time"] < cut)
    n_customers = examples.data["household"].size
    first = np.searchsorted(past["customer"], np.arange(n_customers + 1))
    top_UK = np.empty((n_customers, K), dtype=np.int64)
    for u in range(n_customers):
        own = np.bincount(past["item"][first[u]:first[u + 1]], minlength=examples.n_items)
        score = (1 - own_share) * popularity + own_share * own / max(1, own.sum())
        top_UK[u] = np.argsort(-score, kind="stable")[:K]
    return top_UK


def measure_lists(examples, lists, cut):
    """HR@K and NDCG@K of {name: [U, K] items} for the next purchase and for the 28 days after."""
    everyone = np.arange(examples.data["household"].size)
    when = np.full(everyone.size, cut)
    future = examples.timeline["purchase"].future
    row, item = future(everyone, when, 2 * 365 * cj.DAY_S)
    _, first = np.unique(row, return_index=True)
    cases = {"next_purchase": (row[first], item[first]),
             "purchases_28d": future(everyone, when, HORIZON_S)}
    return {case: {"cases": len(pair[0]), **{name: hits(top_UK, *pair)
                                             for name, top_UK in lists.items()}}
            for case, pair in cases.items()}


def measure(model, examples, scale, platt, cut):
    """What the 28 days after the cut say; households without any event get popularity's list."""
    rows = examples.at([cut])
    top, heads = listed(model, examples, rows, scale, N_LISTED)
    lists = {"popularity": popular_lists(examples, cut),
             "popularity_and_own": popular_lists(examples, cut, own_share=0.1)}
    lists["model"] = lists["popularity"].copy()
    lists["model"][rows[:, 0]] = top[:, :K].numpy()
    report = measure_lists(examples, lists, cut)
    for name, (logit, label) in heads.items():
        p = torch.sigmoid(platt[name][0] * logit + platt[name][1])
        report[f"head_{name}"] = {
            "pairs": len(p), "responses": int(label.sum()),
            "mean_probability": round(float(p.mean()), 6),
            "observed_rate": round(float(label.double().mean()), 6),
            "calibration_error": round(calibration_error(p, label), 6)}
    return report


def write_bundle(folder, model, examples, description, scale, cut):
    """The bundle, and golden.safetensors: x_u of some rows of split/customers.h5, odd ones too."""
    data = examples.data
    vocabulary = {"catalogue": prepare.fixed(data["items"]["id"]),
                  "campaign": prepare.fixed(data["campaign"])}
    for name, (_, names) in prepare.statics(data).items():
        vocabulary[f"static.{name}"] = prepare.fixed(["", *names])
    tensors = {n: t.numpy().astype(np.float32) for n, t in model.tensors().items()}
    demo_bundle.write_bundle(folder, description, tensors, vocabulary)

    rows = examples.at([cut])
    lengths = np.stack([t.history(*rows.T, MAX_LENGTH[m])[2]
                        for m, t in examples.timeline.items()], axis=1)
    odd = [np.flatnonzero(lengths[:, m] == 0)[:2] for m in range(lengths.shape[1])]
    odd += [np.argsort(-lengths[:, m], kind="stable")[:2] for m in range(lengths.shape[1])]
    chosen = rows[np.unique(np.concatenate(odd + [np.linspace(0, len(rows) - 1, 12)]).astype(int))]
    x_UD, _ = encode(model, examples, chosen, scale)
    demo_bundle.write_safetensors(folder / "golden.safetensors", {
        "row": chosen[:, 0].astype(np.float32), "x": x_UD.numpy()})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = Path(__file__).resolve().parent.parent
    parser.add_argument("--raw", type=Path, default=here / "configs/demo/raw")
    parser.add_argument("--out", type=Path, default=here / "configs/demo/model")
    parser.add_argument("--cut", default=prepare.CUT)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)

    cut = cj.day_start(args.cut)
    examples = Examples(prepare.build_dataset(cj.read_all(args.raw)))
    days = training_days(cut)
    every = np.concatenate([examples.aggregate(day) for day in days])
    scale = np.nanmean(every, axis=0), np.nanstd(every, axis=0)
    model = build_model(examples, days, cut)
    train_ranking(model, examples, examples.at(days), scale, rng)
    calibration_days = [cut - 2 * HORIZON_S, cut - HORIZON_S]
    head_days = days[days + HORIZON_S <= calibration_days[0]][-N_HEAD_DAYS:]
    train_heads(model, examples, examples.at(head_days), scale, rng)
    _, fitted = listed(model, examples, examples.at(calibration_days), scale, N_LISTED)
    platt = {name: fit_platt(*pairs) for name, pairs in fitted.items()}
    report = measure(model, examples, scale, platt, cut)
    args.out.mkdir(parents=True, exist_ok=True)
    training = {"window": [FIRST_DAY, args.cut], "horizon_days": HORIZON_DAYS, "seed": SEED,
                "command": "scripts/train_demo.py"}
    write_bundle(args.out, model, examples,
                 demo_bundle.describe(model, scale, platt, args.cut, training), scale, cut)
    (args.out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
