# SPDX-License-Identifier: Apache-2.0
"""What the tests of the trainer share: PyTorch or the exit code 77, generated snapshots in the
layout of docs/FORMATS.md, models with random weights, calls of train.py in this process.

Each test is run by ctest as `python3 test_x.py` and hands itself to pytest: main(__file__)."""
import contextlib
import io
import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
try:
    import torch
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/job"), str(ROOT / "tests/models")]
import job_files  # noqa: E402
import model_case  # noqa: E402
import train  # noqa: E402
from training import assemble, config  # noqa: E402

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

TOLERANCE = 2e-5
DAY_S, PERIOD_S = 86400, 7 * 86400
DAYS = {"2020-01-06": 1_578_268_800, "2020-02-03": 1_580_688_000, "2020-03-02": 1_583_107_200}
FIRST, SECOND, THIRD = DAYS
N_ITEMS, N_CAMPAIGNS, N_TYPES = 40, 6, 3


def main(file):
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", file]))


def close(found, wanted, tolerance=TOLERANCE):
    """Within the tolerance of the largest value, or of 1."""
    found, wanted = (np.asarray(a, dtype=np.float64) for a in (found, wanted))
    assert found.shape == wanted.shape, (found.shape, wanted.shape)
    assert np.isfinite(wanted).all()
    error = np.abs(found - wanted).max(initial=0) / max(1, np.abs(wanted).max(initial=0))
    assert error <= tolerance, f"off by {error}"


# ---- generated data

def histories(rng, n_customers, n_tokens, before, longest=20, weighted=False, share=0.8):
    """Per customer (token, time) or (token, time, weight), oldest first, some without any."""
    out = []
    for u in range(n_customers):
        n = int(rng.integers(1, longest + 1)) if rng.random() < share else 0
        time = np.sort(before - 1 - rng.integers(0, 10 ** int(rng.integers(2, 8)), n))
        token = rng.integers(0, n_tokens, n)
        weight = rng.choice([0.0, 0.3, 0.9, 1.0], n)
        row = [(int(i), int(t), float(w)) for i, t, w in zip(token, time, weight)]
        out.append(row if weighted else [e[:2] for e in row])
    return out


def write_catalogue(path, rng, n_items=N_ITEMS):
    with job_files.open_file(path, "catalogue") as f:
        f["/item/key"] = np.array([f"sku-{i:03d}" for i in range(n_items)], "S8")
        f["/item/group/department"] = rng.integers(-1, 4, n_items).astype(np.int32)
        f["/item/value/price"] = rng.uniform(0.5, 20, n_items).astype(np.float32)
        f["/extra/text"] = rng.standard_normal((n_items, 3)).astype(np.float32)


def write_customers(path, rng, n_customers, as_of):
    """buy: plain items; web: items with weights and types; mail: weighted tokens of campaigns."""
    with job_files.open_file(path, "customers") as f:
        f["/customer/key"] = np.array([f"c{u:04d}" for u in range(n_customers)], "S6")
        job_files.write_timeline(f, "buy", histories(rng, n_customers, N_ITEMS, as_of))
        for name, n_tokens, vocabulary in (("web", N_ITEMS, "catalogue"),
                                           ("mail", N_CAMPAIGNS, "campaign")):
            events = histories(rng, n_customers, n_tokens, as_of, weighted=True)
            job_files.write_timeline(f, name, events, vocabulary)
        n_web = len(f["/timeline/web/item"])
        f["/timeline/web/type"] = rng.integers(0, N_TYPES, n_web).astype(np.uint8)
        f["/vocabulary/campaign/key"] = np.array([f"mail-{i}" for i in range(N_CAMPAIGNS)], "S8")
        for name, n in (("age", 3), ("region", 5)):
            f[f"/static/{name}"] = rng.integers(-1, n, n_customers).astype(np.int32)
            f[f"/static_key/{name}"] = np.array([f"{name} {i}" for i in range(n)], "S12")
        value = rng.normal([20, 3, 1e4], [8, 2, 10], (n_customers, 3)).astype(np.float32)
        value[rng.random(value.shape) < 0.25] = np.nan
        f["/aggregate"] = value
        f["/aggregate"].attrs["names"] = np.array([b"spend", b"visits", b"points"])
        f["/extra/as_of"] = np.int64(as_of)


def write_labels(path, rng, n_customers, as_of):
    with job_files.open_file(path, "customers") as f:
        f["/customer/key"] = np.array([f"c{u:04d}" for u in range(n_customers)], "S6")
        for name, share in (("purchase", 0.7), ("click", 0.4), ("lapse", 0.6)):
            events = histories(rng, n_customers, N_ITEMS, as_of + 28 * DAY_S, 4, share=share)
            later = [[e for e in row if e[1] >= as_of] for row in events]
            job_files.write_timeline(f, name, later)
        f["/extra/as_of"] = np.int64(as_of)


def write_data(folder, seed=1, n_customers=60, days=(FIRST, SECOND, THIRD)):
    """catalogue.h5 and snapshots of these days."""
    rng = np.random.default_rng(seed)
    write_catalogue(folder / "catalogue.h5", rng)
    for day in days:
        (folder / "snapshots" / day).mkdir(parents=True)
        write_customers(folder / "snapshots" / day / "customers.h5", rng, n_customers, DAYS[day])
        write_labels(folder / "snapshots" / day / "labels.h5", rng, n_customers, DAYS[day])
    return folder


# ---- models

def attention(variant="recbole", **more):
    plain = {"inner": 20, "activation": "gelu"} if variant == "recbole" else {}
    return {"type": "attention", "variant": variant, "max_length": 9, "dim": 12, "layers": 2,
            "heads": 2, **plain, **more}


def gru(**more):
    return {"type": "gru", "max_length": 9, "dim": 10, "hidden": 7, "layers": 1, "bias": True,
            "dense": False, **more}


def decay(*half_lives_s, **more):
    return {"type": "decay", "max_length": 9, "dim": 12,
            "half_lives_s": list(half_lives_s or [90000]), **more}


def modality(name, encoder, **more):
    vocabulary = "campaign" if name == "mail" else "catalogue"
    return {"name": name, "vocabulary": vocabulary, "encoder": encoder, **more}


NO_DAYS = ("data.train", "data.validate", "data.calibrate", "data.test")


def raw_config(folder, model, **keys):
    """A training configuration; keys: "a__b" stands for "a.b"."""
    flat = {"name": "case", "model_version": "1", "model": model,
            "data.catalogue": str(folder / "catalogue.h5"),
            "data.snapshots": str(folder / "snapshots"), "data.train": [FIRST],
            "data.validate": [SECOND]}
    flat |= {key.replace("__", "."): value for key, value in keys.items()}
    if flat.get("objective.type") == "next_event":
        flat = {k: v for k, v in flat.items() if k not in NO_DAYS}
    return flat


def assembly(folder, model, **keys):
    checked = config.check(raw_config(folder, model, **keys), "case.json")
    return assemble.Assembly(config.resolve(checked, folder))


@torch.no_grad()
def randomise(module, rng):
    """Every parameter anew: norms near 1, the rest such that values stay of order 1."""
    shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
    values = model_case.random_tensors(rng, shapes)
    for name, p in module.named_parameters():
        p.copy_(torch.from_numpy(values[name].reshape(shapes[name])))
    return module.eval()


def batch_of(sequences):
    """Padded on the right, as Timeline.batch does."""
    length = np.array([len(s["item"]) for s in sequences])
    step = np.arange(max(1, length.max()))
    out = {"length": torch.from_numpy(length)}
    for name, pad in (("item", 0), ("time", None), ("type", 0), ("weight", np.float32(1))):
        column = np.full((len(sequences), len(step)), 0 if pad is None else pad)
        for row, s in zip(column, sequences):
            if len(s["item"]) and s[name] is not None:
                row[:len(s["item"])] = s[name]
                row[len(s["item"]):] = s[name][-1] if pad is None else pad
        out[name] = torch.from_numpy(column)
    return out


# ---- calls

def call_train(*words):
    """(exit code, stdout, stderr) of train.py, in this process: PyTorch is loaded once."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["train.py", "--threads", "1", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = train.main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()
