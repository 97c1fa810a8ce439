# SPDX-License-Identifier: Apache-2.0
"""From a training configuration to data and an untrained model: fills in what only the data tells
(rows of statics, means of aggregates, popularity). Called once per training run."""
from pathlib import Path

import numpy as np
import torch

from training import config, data
from training.model import Model
from training.spec import check_full, check_model, check_references

MODALITY_DEFAULTS = {"attention": {"activation": "gelu"}, "gru": {"bias": True, "dense": False},
                     "decay": {}}


class Assembly:
    """spec (model.json so far), catalogue, vocabularies, and by objective: `customers`
    (next_event) or `snapshots` {day: Snapshot}; count_V, events of each table row."""

    def __init__(self, c):
        self.config = c
        self.spec = begin_spec(c)
        self.catalogue = data.Catalogue(c["data.catalogue"], c["data.groups"], c["data.values"],
                                        c["data.features"])
        self.vocabularies = data.Vocabularies(self.catalogue.key)
        self.customers, self.snapshots = None, {}
        if c["objective.type"] == "next_event":
            self.customers = data.Customers(c["data.customers"], self.spec, self.vocabularies)
            timeline = self.customers.timeline[self.spec["modalities"][0]["name"]]
            is_last = np.zeros(len(timeline.item), bool)
            is_last[timeline.offset[1:][np.diff(timeline.offset) > 0] - 1] = True
            seen, known = timeline.item[~is_last], self.customers.aggregate
        else:
            self.read_snapshots()
            last = self.snapshots[c["data.train"][-1]]
            items = [last.customers.timeline[m["name"]].item for m in self.spec["modalities"]
                     if m["vocabulary"] == "catalogue"]
            seen = np.concatenate([*items[:1], last.labels.events(c["data.label"]).item])
            known = np.concatenate([self.snapshots[d].customers.aggregate
                                    for d in c["data.train"]])
        self.count_N = np.bincount(seen, minlength=len(self.catalogue.key) + 1)[1:]
        self.finish_spec(known)

    def read_snapshots(self):
        c = self.config
        learnt = [*c["data.train"], *c["data.heads"]]
        for day in sorted(config.days(c), key=lambda d: (d not in learnt, d)):
            self.vocabularies.is_open = day in learnt
            self.snapshots[day] = data.Snapshot(Path(c["data.snapshots"]) / day, self.spec,
                                                self.vocabularies)
        if c["objective.type"] == "logged":
            for snapshot in self.days("train"):
                snapshot.labels.logged(np.zeros(0, np.int64))
        for part in ("validate", "test") + (("train",) if c["objective.type"] == "window" else ()):
            for snapshot in self.days(part):
                if len(snapshot.labels.events(c["data.label"]).item) == 0:
                    raise data.DataError(f"{snapshot.labels.path}: /timeline/{c['data.label']} has "
                                         f"no events of the catalogue; data.{part} needs some")

    def days(self, part):
        names = self.config[f"data.{part}"]
        if part == "heads" and not names:
            names = self.config["data.train"]
        return [self.snapshots[d] for d in names]

    def label_of(self, head):
        """The timeline of labels.h5 that a head predicts."""
        return self.config["tasks.labels"].get(head["name"], head["name"])

    def finish_spec(self, aggregate_RA):
        for column in self.spec["static"]:
            column["rows"] = self.vocabularies.n_rows(f"static.{column['name']}")
        for i, column in enumerate(self.spec["aggregate"]):
            value = aggregate_RA[:, i][~np.isnan(aggregate_RA[:, i])].astype(np.float64)
            if len(value) == 0:
                raise data.DataError(f"aggregate '{column['name']}' is missing in every snapshot")
            column["mean"] = float(np.float32(value.mean()))
            column["std"] = float(np.float32(max(value.std(), 1e-6)))

    def model(self):
        c = self.config
        torch.manual_seed(c["seed"])
        n_rows = {name: self.vocabularies.n_rows(name) for name in self.vocabularies.key}
        return Model(self.spec, n_rows, self.catalogue.features(self.count_N), c["fit.dropout"],
                     c["fit.start"], c["fit.item_dropout"])


def begin_spec(c):
    """model.json from the configuration, defaults filled in."""
    given = c["model"]
    check_model(given)
    spec = {"dim": given["dim"],
            "item": {"vocabulary": "catalogue", "table": "item_embedding.weight",
                     **given.get("item", {})},
            "modalities": [], "static": [dict(s) for s in given.get("static", [])],
            "aggregate": [{"name": name, "mean": 0.0, "std": 1.0}
                          for name in given.get("aggregate", [])],
            "fusion": dict(given.get("fusion", {"type": "none"})),
            "heads": [dict(h) for h in given.get("heads", [])]}
    bias = spec["item"].pop("bias", False)
    if bias:
        spec["item"]["bias"] = "item_bias" if bias is True else bias
    for m in given["modalities"]:
        encoder = {**MODALITY_DEFAULTS[m["encoder"]["type"]], **m["encoder"]}
        if encoder.get("variant", "recbole") != "recbole":
            encoder.setdefault("inner", encoder["dim"])
            encoder["activation"] = "relu"
        full = {"prefix": f"{m['name']}.", **m, "encoder": encoder}
        if m["vocabulary"] == "catalogue" and encoder["dim"] == spec["dim"]:
            full.setdefault("item_table", spec["item"]["table"])
        spec["modalities"].append(full)
    check_full(spec)
    check_references(c, spec)
    return spec
