# SPDX-License-Identifier: Apache-2.0
"""Calibration of the heads on later days (eq. 9): Platt scaling of the logit, isotonic regression
of the probability, and their expected calibration error. Called once per run, after training.

The engine applies the table as it stands in model.json."""
import numpy as np
import torch

from training import ranks
from training.figures import expected_error
from training.model import is_survival

MAX_KNOTS = 256


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))


def fit_platt(logit, label):
    """a, b of sigmoid(a logit + b) by Newton's method (Platt 1999); a weak prior at (1, 0) keeps
    them finite where all labels are alike."""
    design = np.stack([logit, np.ones_like(logit)], axis=1)
    start = np.array([1.0, 0.0])
    w = start.copy()
    for _ in range(50):
        p = sigmoid(design @ w)
        gradient = design.T @ (p - label) + (w - start)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.eye(2)
        w = w - np.clip(np.linalg.solve(hessian, gradient), -1, 1)
    return {"type": "platt", "a": float(w[0]), "b": float(w[1])}


def fit_isotonic(logit, label):
    """Knots (p before, p after), ascending in both: pool adjacent violators (Ayer et al. 1955)."""
    p = sigmoid(logit)
    before, place = np.unique(p, return_inverse=True)
    weight = np.bincount(place).astype(np.float64)
    blocks = []  # [sum of labels, weight, first, last]
    for i, (total, w) in enumerate(zip(np.bincount(place, label), weight)):
        blocks.append([total, w, i, i])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            total, w, _, last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + w, blocks[-1][2], last]
    knots = []
    for total, w, first, last in blocks:
        ends = [first] if last == first else [first, last]
        knots += [[before[at], total / w] for at in ends]
    return {"type": "isotonic", "points": thin(knots)}


def thin(knots):
    """At most MAX_KNOTS knots, their inputs distinct as float32 (the engine's type)."""
    out = []
    for at in np.unique(np.linspace(0, len(knots) - 1, MAX_KNOTS).astype(int)):
        before, after = (float(np.float32(v)) for v in knots[at])
        if not out or before > out[-1][0]:
            out.append([before, after])
    if len(out) == 1:
        out.append([float(np.nextafter(np.float32(out[0][0]), np.float32(2))), out[0][1]])
    return out


def apply(table, logit):
    """Probabilities of logits, as the engine computes them."""
    if table["type"] == "platt":
        return sigmoid(table["a"] * logit + table["b"])
    if table["type"] == "isotonic":
        points = np.array(table["points"])
        return np.interp(sigmoid(logit), points[:, 0], points[:, 1])
    return sigmoid(logit)


@torch.no_grad()
def responses(trainer, snapshots, n_items):
    """{head: (logit, label)} of item heads on each customer's n_items best, of survival heads on
    the periods at risk; float64."""
    model, spec, config = trainer.model, trainer.spec, trainer.config
    out = {head["name"]: ([], []) for head in spec["heads"]}
    for snapshot in snapshots:
        rows = snapshot.customers.known()
        x_RD, z_VD = trainer.encode(snapshot.customers, rows)
        top_RK = ranks.best(model, x_RD, z_VD, min(n_items, len(z_VD) - 1))
        for head in spec["heads"]:
            label = trainer.data.label_of(head)
            if is_survival(head):
                period = snapshot.labels.first_period(label, rows, head["periods"],
                                                      head["period_s"])[:, None]
                step = torch.arange(head["periods"])
                at_risk = step <= period
                logit = model.hazard_logits(head["name"], x_RD)[at_risk]
                seen = (step == period)[at_risk]
            else:
                row, item = snapshot.labels.items(label, rows)
                did = torch.zeros(len(rows), len(z_VD), dtype=torch.bool)
                did[row, item] = True
                seen = did.gather(1, top_RK).flatten()
                logit = torch.cat([model.head_logits(head["name"], x, z_VD).gather(1, top)
                                   for x, top in zip(x_RD.split(256), top_RK.split(256))]).flatten()
            out[head["name"]][0].append(logit.double().numpy())
            out[head["name"]][1].append(seen.double().numpy())
    return {name: tuple(np.concatenate(part) if part else np.zeros(0) for part in pair)
            for name, pair in out.items()}


def fit(kind, logit, label):
    if kind == "none" or len(label) == 0:
        return {"type": "none"}
    if kind != "best":
        return fit_platt(logit, label) if kind == "platt" else fit_isotonic(logit, label)
    half = np.arange(len(label)) % 2 == 0
    tries = {k: expected_error(apply(fit(k, logit[half], label[half]), logit[~half]), label[~half])
             for k in ("platt", "isotonic")}
    return fit(min(tries, key=tries.get), logit, label)


def fit_all(trainer):
    """{head: table for model.json}, and what each was fitted on."""
    c = trainer.config
    days = trainer.data.days("calibrate") if trainer.data.snapshots else []
    found = responses(trainer, days, c["calibration.items"])
    tables, notes = {}, {}
    for name, (logit, label) in found.items():
        tables[name] = fit(c["calibration.type"], logit, label)
        notes[name] = {"pairs": len(label), "responses": int(label.sum()),
                       "type": tables[name]["type"]}
    return tables, notes
