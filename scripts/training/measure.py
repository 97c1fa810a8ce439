# SPDX-License-Identifier: Apache-2.0
"""Figures of a trained model on its test days: HR, NDCG, and per head AUC and calibration error
before and after. Called once per run. The engine measures ranking again (docs/DEMO.md)."""
import numpy as np
import torch

from training import calibrate, figures, ranks
from training.model import is_survival


def probability_metrics(raw, p, label):
    """Of predictions before and after calibration."""
    log_p = np.where(label > 0, np.log(np.maximum(p, 1e-12)), np.log(np.maximum(1 - p, 1e-12)))
    return {"cases": len(label), "responses": int(label.sum()), "auc": figures.auc(p, label),
            "mean_predicted": float(p.mean()), "observed": float(label.mean()),
            "ece_before": figures.expected_error(raw, label),
            "ece_after": figures.expected_error(p, label), "log_loss": float(-log_p.mean()),
            "reliability_before": figures.reliability(raw, label),
            "reliability_after": figures.reliability(p, label)}


@torch.no_grad()
def survival_metrics(trainer, snapshots, head, table):
    """Of S(P), the probability that nothing happens until the last period's end, by customer."""
    raw, calibrated, label = [], [], []
    name = trainer.data.label_of(head)
    for snapshot in snapshots:
        rows = snapshot.customers.known()
        x_RD, _ = trainer.encode(snapshot.customers, rows)
        logit = trainer.model.hazard_logits(head["name"], x_RD).double().numpy()
        period = snapshot.labels.first_period(name, rows, head["periods"], head["period_s"])
        raw.append((1 - calibrate.sigmoid(logit)).prod(1))
        calibrated.append((1 - calibrate.apply(table, logit)).prod(1))
        label.append((period == head["periods"]).double().numpy())
    return probability_metrics(*(np.concatenate(part) for part in (raw, calibrated, label)))


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
        for head in trainer.spec["heads"]:
            logit, label = found[head["name"]]
            table = tables[head["name"]]
            out["heads"][head["name"]] = survival_metrics(trainer, days, head, table) \
                if is_survival(head) else probability_metrics(
                    calibrate.sigmoid(logit), calibrate.apply(table, logit), label)
    return out
