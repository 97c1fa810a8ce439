# SPDX-License-Identifier: Apache-2.0
"""Figures of a trained model on its test days: HR, NDCG, and per head AUC and calibration error
before and after. Called once per run. The engine measures ranking again (docs/DEMO.md)."""
import numpy as np
import torch

from training import calibrate, ranks


def auc(score, label):
    """Area under the ROC curve, ties counted half (Mann-Whitney)."""
    values, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2
    n_on = label.sum()
    n_off = len(label) - n_on
    if n_on == 0 or n_off == 0:
        return None
    return float((rank[place][label > 0].sum() - n_on * (n_on + 1) / 2) / (n_on * n_off))


def head_metrics(logit, label, table):
    p = calibrate.apply(table, logit)
    raw = calibrate.sigmoid(logit)
    return {"pairs": len(label), "responses": int(label.sum()), "auc": auc(logit, label),
            "mean_predicted": float(p.mean()), "observed": float(label.mean()),
            "ece_before": calibrate.expected_error(raw, label),
            "ece_after": calibrate.expected_error(p, label),
            "log_loss": float(-np.mean(np.where(label > 0, np.log(np.maximum(p, 1e-12)),
                                                np.log(np.maximum(1 - p, 1e-12)))))}


@torch.no_grad()
def ranking_metrics(trainer, snapshot):
    c = trainer.config
    timeline = snapshot.labels.events(c["data.label"])
    rows = np.flatnonzero(np.diff(timeline.offset) > 0)
    x_RD, z_VD = trainer.encode(snapshot.customers, rows)
    top = ranks.best(trainer.model, x_RD, z_VD, c["fit.at"])
    place = ranks.places(top, *snapshot.labels.items(c["data.label"], rows))
    return {"cases": len(place), **ranks.measures(place, c["fit.at"])}


def all_metrics(trainer, tables):
    """{"validation", "test": {day: ranking}, "heads": {head: ...}}"""
    out = {"validation": max(trainer.history, key=lambda h: h[trainer.config["fit.metric"]]),
           "test": {}, "heads": {}}
    days = trainer.data.days("test") if trainer.data.snapshots else []
    for snapshot in days:
        out["test"][snapshot.name] = ranking_metrics(trainer, snapshot)
    if days:
        found = calibrate.responses(trainer, days, trainer.config["calibration.items"])
        out["heads"] = {name: head_metrics(*pair, tables[name]) for name, pair in found.items()}
    return out
