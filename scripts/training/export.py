# SPDX-License-Identifier: Apache-2.0
"""A trained model as a bundle: model.json with lineage and figures, weights, vocabularies, and x_u
of some customers for tests (golden.safetensors). Called once per run."""
import hashlib
import subprocess
from pathlib import Path

import numpy as np

import bundle_writer
from training.config import days
from training.model import is_survival

TRAINER_KEYS = {"item": ("groups", "values", "constant", "id_prior", "start"),
                "fusion": ("train_as",)}
N_GOLDEN = 64


def digest(paths):
    """{file name: sha256} of the inputs."""
    return {f"{p.parent.name}/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest()
            for p in map(Path, sorted(paths))}


def git_commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"],
                          cwd=Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def input_files(config):
    files = [config["data.catalogue"]]
    if config["data.customers"]:
        files.append(config["data.customers"])
    return files + [str(Path(config["data.snapshots"]) / d / f) for d in days(config)
                    for f in ("customers.h5", "labels.h5")]


def describe(assembly, calibration, training):
    """model.json."""
    spec, config = assembly.spec, assembly.config

    def engine_part(name):
        return {k: v for k, v in spec[name].items() if k not in TRAINER_KEYS.get(name, ())}

    heads = []
    for head in spec["heads"]:
        entry = dict(head)
        if not is_survival(head):
            entry.setdefault("link", "logistic")
        if calibration.get(head["name"], {}).get("type", "none") != "none":
            entry["calibration"] = calibration[head["name"]]
        heads.append(entry)
    return {"format": "batchrank-model", "version": 1, "name": config["name"],
            "model_version": config["model_version"], "dim": spec["dim"],
            "item": engine_part("item"), "modalities": spec["modalities"],
            "static": spec["static"], "aggregate": spec["aggregate"],
            "fusion": engine_part("fusion"), "heads": heads, "training": training}


def training_notes(assembly, trainer, metrics, command):
    """What model.json says of how it came about."""
    c, spec = assembly.config, assembly.spec
    learnt = sorted(c["data.train"])
    window = [learnt[0], learnt[-1]] if learnt else ["the first event", "the last but one"]
    features = ([f"timeline {m['name']}" for m in spec["modalities"]]
                + [f"static {s['name']}" for s in spec["static"]]
                + [f"aggregate {a['name']}" for a in spec["aggregate"]]
                + [f"item group {g}" for g in c["data.groups"]]
                + [f"item value {v}" for v in c["data.values"]]
                + ([f"item {c['data.features']}"] if c["data.features"] else []))
    return {"window": window, "features": features, "denied": c["denied"],
            "lineage": c["lineage"], "data_sha256": digest(input_files(c)),
            "commit": git_commit(), "command": command, "seed": c["seed"],
            "epochs": trainer.epoch, "best_epoch": trainer.best_epoch, "metrics": metrics}


def golden(trainer, customers):
    """x_u of up to N_GOLDEN customers, spread over the file: {"row", "x"}."""
    rows = np.unique(np.linspace(0, len(customers.key) - 1, N_GOLDEN).astype(np.int64))
    x_RD, _ = trainer.encode(customers, rows)
    return {"row": rows.astype(np.float32), "x": x_RD.numpy()}


def write(folder, assembly, trainer, description, customers=None):
    folder = Path(folder)
    tensors = trainer.model.tensors()
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise ValueError(f"tensor {name} is not finite: training diverged")
    bundle_writer.write_bundle(folder, description, tensors, assembly.vocabularies.for_bundle(),
                               assembly.config["fit.weights"])
    if customers is not None:
        bundle_writer.write_safetensors(folder / "golden.safetensors",
                                        golden(trainer, customers))
