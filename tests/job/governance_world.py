# SPDX-License-Identifier: Apache-2.0
"""A small world whose files have columns that nobody may read: what they hold would be an error if
somebody did."""
import sys

import h5py
import numpy as np

from job_files import ROOT, write_job

sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "tests" / "models"))
import make_files  # noqa: E402
import model_case  # noqa: E402

NOON = 1_700_000_000 // 86400 * 86400 + 43200
U, N, C = 60, 24, 4
AGGREGATES = ["visits", "income", "spend"]
# what the world's garbage is in, by the names of docs/GOVERNANCE.md
GARBAGE = ["static.gender", "aggregate.income", "timeline.service", "consent.sms", "group.brand",
           "value.cost", "item.name"]
OBJECTS = {"customers": ["/aggregate[income]", "/consent/sms", "/state/service", "/static/gender",
                         "/static_key/gender", "/timeline/service"],
           "catalogue": ["/item/group/brand", "/item/group_key/brand", "/item/name",
                         "/item/value/cost"]}
READ = {"customers": ["/aggregate", "/aggregate[spend]", "/aggregate[visits]", "/consent/mail",
                      "/contact/item", "/contact/offset", "/contact/time", "/customer/key",
                      "/segment", "/static/region", "/static/tier", "/static_key/region",
                      "/static_key/tier", "/timeline/buy/item", "/timeline/buy/offset",
                      "/timeline/buy/time", "/vector"],
        "catalogue": ["/item/bias", "/item/capacity", "/item/group/kind", "/item/group_key/kind",
                      "/item/key", "/item/value/price", "/item/vector"],
        "vocabulary.h5": ["/catalogue/key", "/static.region/key"]}


def encoder(name):
    return {"name": name, "vocabulary": "catalogue", "prefix": name + ".",
            "item_table": "item_embedding.weight",
            "encoder": {"type": "gru", "max_length": 8, "dim": 8, "hidden": 8, "layers": 1,
                        "bias": True, "dense": False}}


def model(statics=("region",), aggregates=("visits",), modalities=("buy",), denied=None):
    """A gated model of the columns named."""
    out = {"format": "batchrank-model", "version": 1, "name": "governed", "model_version": "1",
           "dim": 8, "item": {"vocabulary": "catalogue", "table": "item_embedding.weight"},
           "modalities": [encoder(m) for m in modalities],
           "static": [{"name": s, "dim": 4, "rows": C} for s in statics],
           "aggregate": [{"name": a, "mean": 3.0, "std": 2.0} for a in aggregates],
           "fusion": {"type": "gated", "mlp_layers": 1, "mlp_activation": "gelu"},
           "heads": [{"name": "click", "link": "logistic"}]}
    if denied is not None:
        out["training"] = {"denied": denied}
    return out


def write_model(folder, description, seed=3):
    model_case.write(folder, description, {"catalogue": N + 1}, np.random.default_rng(seed))


def write_inputs(folder):
    """Good files: every value as the format wants it."""
    rng = np.random.default_rng(5)
    events = [[(int(i), NOON - 900 + 9 * t) for t, i in enumerate(rng.integers(0, N, u % 6))]
              for u in range(U)]
    region, gender, tier = (rng.integers(-1, C - 1, U).tolist() for _ in range(3))
    names = [f"c{i}" for i in range(1, C)]
    folder.mkdir(exist_ok=True)
    make_files.write_customers(
        folder / "customers.h5", [f"u{u:02d}" for u in range(U)],
        timelines={"buy": {"events": events}, "service": {"events": events[::-1]}},
        statics={"region": (region, names), "gender": (gender, names), "tier": (tier, names)},
        aggregate=(AGGREGATES, rng.integers(0, 9, (U, 3)).tolist()),
        segment=[7] * U, consent={"mail": [1] * U, "sms": [1] * U},
        contact=[[(u % N, NOON - 5)] for u in range(U)], vector=rng.standard_normal((U, 8)))
    make_files.write_catalogue(
        folder / "catalogue.h5", [f"catalogue-{i + 1}" for i in range(N)],
        name=[f"item {i}" for i in range(N)],
        groups={"kind": ([i % 3 - 1 for i in range(N)], ["c1", "c2"]),
                "brand": ([i % 2 for i in range(N)], ["Acme", "Bolt"])},
        values={"price": np.arange(N), "cost": np.arange(N)},
        capacity=[-1] * N, vector=rng.standard_normal((N, 8)), bias=rng.standard_normal(N))


def put(file, path, values):
    attributes = dict(file[path].attrs)
    del file[path]
    file[path] = values
    for name, value in attributes.items():
        file[path].attrs[name] = value


def spoil(folder, columns=GARBAGE):
    """Puts something that the format forbids into each of these columns."""
    with h5py.File(folder / "customers.h5", "r+") as f, \
            h5py.File(folder / "catalogue.h5", "r+") as g:
        if "static.gender" in columns:
            put(f, "static/gender", np.full(U, np.nan, "<f8"))
            put(f, "static_key/gender", np.zeros((3, 2), "<i2"))
        if "aggregate.income" in columns:
            f["aggregate"][:, AGGREGATES.index("income")] = np.inf
        if "timeline.service" in columns:
            f["timeline/service/time"][:] = -np.arange(len(f["timeline/service/time"]))
        if "consent.sms" in columns:
            put(f, "consent/sms", np.arange(U, dtype="<i4"))
        if "group.brand" in columns:
            g["item/group/brand"][3] = 77
        if "value.cost" in columns:
            g["item/value/cost"][5] = np.nan
        if "item.name" in columns:
            put(g, "item/name", np.arange(N, dtype="<u8"))


def empty(folder, statics=(), aggregates=(), timelines=()):
    """Makes these columns missing for every customer."""
    with h5py.File(folder / "customers.h5", "r+") as f:
        for s in statics:
            f["static/" + s][:] = -1
        for a in aggregates:
            f["aggregate"][:, AGGREGATES.index(a)] = np.nan
        for t in timelines:
            group = f["timeline/" + t]
            put(group, "offset", np.zeros(U + 1, "<u8"))
            put(group, "item", np.zeros(0, "<i4"))
            put(group, "time", np.zeros(0, "<i8"))


def job(path, inputs, model_folder, **sections):
    """A job that uses nothing but what the model takes."""
    given = {"customers": str(inputs / "customers.h5"), "catalogue": str(inputs / "catalogue.h5")}
    if model_folder is not None:
        given["model"] = str(model_folder)
    write_job(path, input=given,
              **{"output": {"path": "run"}, "list": {"k": 5},
                 "run": {"as_of": NOON, "unit_customers": 16, "threads": 1}, **sections})
