# SPDX-License-Identifier: Apache-2.0
"""The shipped model (configs/demo/model) read back from its files alone: x_u by float64 NumPy
(scripts/reference.py) against golden.safetensors from PyTorch, and what the bundle says of itself.
Run by ctest as `python3 -m pytest tests/scripts/test_demo_model.py`."""
import json
import math
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "configs/demo/model"
sys.path.insert(0, str(ROOT / "scripts"))
import bundle_writer  # noqa: E402
import completejourney_raw as cj  # noqa: E402
import prepare_completejourney as prepare  # noqa: E402
import reference  # noqa: E402


class Bundle:
    """The model bundle and one customers.h5, nothing else."""

    def __init__(self, customers, catalogue_keys):
        self.spec = json.loads((MODEL / "model.json").read_text())
        self.w = {name: value.astype(np.float64) for name, value in
                  bundle_writer.read_safetensors(MODEL / "weights.safetensors").items()}
        with h5py.File(MODEL / "vocabulary.h5") as file:
            self.row = {}
            file.visititems(lambda name, d: self.row.update({name[:-4]: {
                k: i for i, k in enumerate(d[:]) if k != b""}}) if name.endswith("/key") else None)
        self.file = customers
        self.timelines = {m["name"]: self.tokens(m, catalogue_keys)
                          for m in self.spec["modalities"]}

    def tokens(self, modality, catalogue_keys):
        group, name = self.file[f"/timeline/{modality['name']}"], modality["vocabulary"]
        keys = catalogue_keys if name == "catalogue" else self.file[f"/vocabulary/{name}/key"][:]
        row = np.array([self.row[name][k] for k in keys])
        return group["offset"][:].astype(int), row[group["item"][:]], group["time"][:]

    def sequence(self, u, modality):
        offset, token, time = self.timelines[modality["name"]]
        last = modality["encoder"]["max_length"]
        use = slice(max(offset[u], offset[u + 1] - last), offset[u + 1])
        return {"item": token[use], "time": time[use], "type": None, "weight": None}

    def encode(self, u):
        sequences = [self.sequence(u, m) for m in self.spec["modalities"]]
        state = [reference.encode(s, m, self.w)
                 for s, m in zip(sequences, self.spec["modalities"])]
        present = np.array([len(s["item"]) > 0 for s in sequences])
        return reference.fuse(self.spec, self.w, state, present, np.ones(len(state)),
                              self.statics(u), self.aggregates(u))[0]

    def statics(self, u):
        rows = []
        for s in self.spec["static"]:
            number = self.file[f"/static/{s['name']}"][u]
            key = self.file[f"/static_key/{s['name']}"][number] if number >= 0 else None
            rows.append(self.row[f"static.{s['name']}"].get(key, 0))
        return rows

    def aggregates(self, u):
        names = [n.decode() for n in self.file["/aggregate"].attrs["names"]]
        return self.file["/aggregate"][u][[names.index(a["name"]) for a in
                                           self.spec["aggregate"]]]


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """The split's folder and the bundle over its customers."""
    folder = tmp_path_factory.mktemp("split")
    built = prepare.build_dataset(cj.read_all(ROOT / "configs/demo/raw"))
    cut = cj.day_start(prepare.CUT)
    prepare.write_customers(folder / "customers.h5", built, cut)
    prepare.write_truth(folder / "truth.h5", built, cut)
    with h5py.File(folder / "customers.h5") as file:
        yield folder, Bundle(file, prepare.fixed(built["items"]["id"]))


def test_golden_vectors(split):
    golden = bundle_writer.read_safetensors(MODEL / "golden.safetensors")
    x = np.stack([split[1].encode(u) for u in golden["row"].astype(int)])
    assert len(x) >= 20
    np.testing.assert_allclose(x, golden["x"], rtol=0, atol=2e-5 * max(1, np.abs(x).max()))


def test_shapes_and_names(split):
    spec, w, n_rows = split[1].spec, split[1].w, 23849
    assert w["item_embedding.weight"].shape == (n_rows, spec["dim"])
    assert (w["item_embedding.weight"][1:, -1] == 1).all()
    assert w["item_bias"].shape == (n_rows,)
    heads = {head["name"]: head for head in spec["heads"]}
    assert set(heads) == {"purchase", "redemption", "lapse"}
    for name in ("purchase", "redemption"):
        assert w[f"head.{name}.weight"].shape == (spec["dim"], spec["dim"])
        assert w[f"head.{name}.item_bias"].shape == (n_rows,)
    assert w["head.lapse.weight"].shape == (heads["lapse"]["periods"], spec["dim"])
    assert all(np.isfinite(t).all() for t in w.values())


def test_says_how_it_was_made(split):
    training = split[1].spec["training"]
    assert training["window"][1] < prepare.CUT and training["features"]
    assert training["denied"] == [] and len(training["data_sha256"]) > 10
    assert {"lineage", "commit", "command", "seed", "metrics"} <= set(training)


def test_figures_again(split):
    """HR@10 of lists-purchase.json from the files alone: full catalogue, the next purchase."""
    folder, bundle = split
    figures = json.loads((MODEL / "lists-purchase.json").read_text())["lists"]
    with h5py.File(folder / "truth.h5") as truth:
        offset = truth["/timeline/purchase/offset"][:].astype(int)
        rows = np.flatnonzero(np.diff(offset))[::8]  # every eighth household: seconds, not minutes
        wanted = truth["/timeline/purchase/item"][:][offset[rows]] + 1
    x = np.stack([bundle.encode(u) for u in rows])
    score = x @ bundle.w["item_embedding.weight"].T + bundle.w["item_bias"]
    score[:, 0] = -np.inf
    own = score[np.arange(len(rows)), wanted][:, None]
    hit = ((score > own).sum(1) < 10).mean()
    spread = math.sqrt(figures["model"]["hr"] * (1 - figures["model"]["hr"]) / len(rows))
    assert abs(hit - figures["model"]["hr"]) < 4 * spread


def test_better_than_the_baselines():
    """Every purchase of the 28 days after: the lead's whole interval is above 0."""
    lists = json.loads((MODEL / "lists-purchase_window.json").read_text())["lists"]
    for name in ("als", "popularity"):
        for lead in ("hr_lead_95", "ndcg_lead_95"):
            assert lists[name][lead][0] > 0, (name, lead)
