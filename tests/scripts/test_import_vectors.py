# SPDX-License-Identifier: Apache-2.0
"""Importers of ready-made vectors: ALS and BPR models that `implicit` saved, against its own
recommend() (tests/scripts/imports); plain matrices from .npy, .npz and .safetensors, with and
without a bias, up to the lists of `run`. Run by ctest as
`python3 -m pytest tests/scripts/test_import_vectors.py`; needs neither PyTorch nor implicit."""
import json

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

import import_case as case  # noqa: E402
import bundle_writer  # noqa: E402
from importers import golden  # noqa: E402

N, U, D = 37, 90, 6


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(3)
    item, customer, bias = (rng.standard_normal(shape).astype(np.float32)
                            for shape in ((N, D), (U, D), N))
    for name, array in (("z", item), ("x", customer), ("b", bias)):
        np.save(tmp_path / f"{name}.npy", array)
    np.savez(tmp_path / "both.npz", z=item, x=customer.astype(np.float64), b=bias[:, None])
    bundle_writer.write_safetensors(tmp_path / "both.safetensors", {"z": item, "x": customer})
    return tmp_path, item, customer, bias


def run_lists(model):
    """Lists of a job on what the importer wrote."""
    job = {"input": {"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "."},
           "output": {"path": "../run"}, "list": {"k": 10, "fallback": "none"}}
    (model / "job.json").write_text(json.dumps(job))
    case.run("run", model / "job.json")
    with h5py.File(model.parent / "run" / "parts" / "part-00000.h5") as part, \
            h5py.File(model.parent / "run" / "lists.h5") as view:
        return view["/item/key"][:][part["/list/item"][:]], part["/customer/key"][:]


def best_rows(score_UN):
    return np.argsort(-score_UN, axis=1, kind="stable")[:, :10]


@pytest.mark.parametrize("name", ["als", "bpr"])
def test_implicit(tmp_path, name):
    out = tmp_path / "m"
    (tmp_path / "items").write_text("".join(f"sku-{i}\n" for i in range(24)))
    (tmp_path / "users").write_text("".join(f"u{i}\n" for i in range(30)))
    case.accept("implicit", case.FILES / f"implicit_{name}.npz", "--item-keys", tmp_path / "items",
                "--customer-keys", tmp_path / "users", "-o", out)
    case.replay(out)
    best = np.load(case.FILES / f"implicit_{name}_best.npz")
    listed, who = run_lists(out)
    wanted = np.array([[f"sku-{i}".encode() for i in row] for row in best["best"]])
    assert np.array_equal(listed, wanted) and who[7] == b"u7"
    with h5py.File(out / "golden.h5") as file:
        assert np.array_equal(file["/list/item"][:], best["best"])
        assert np.allclose(file["/list/score"][:], best["score"], atol=1e-5)


@pytest.mark.parametrize("kind", ["{}.npy", "both.npz:{}", "both.safetensors:{}"])
def test_matrices(files, kind):
    folder, item, customer, bias = files
    where = [folder / kind.format(name) for name in "zx"]
    case.accept("matrices", "--items", where[0], "--customers", where[1], "-o", folder / "m")
    case.replay(folder / "m")
    listed, who = run_lists(folder / "m")
    assert np.array_equal(listed.astype(int), best_rows(customer.astype(float) @ item.T))
    assert np.array_equal(who.astype(int), np.arange(U))


@pytest.mark.parametrize("kind", ["b.npy", "both.npz:b"])
def test_bias(files, kind):
    folder, item, customer, bias = files
    case.accept("matrices", "--items", folder / "z.npy", "--customers", folder / "x.npy", "--bias",
                folder / kind, "-o", folder / "m")
    case.replay(folder / "m")
    listed, _ = run_lists(folder / "m")
    assert np.array_equal(listed.astype(int), best_rows(customer.astype(float) @ item.T + bias))


def test_refusals(files):
    folder, item, _, _ = files
    shared = ("--customers", folder / "x.npy", "-o", folder / "m")

    def items(where, code, complaint, *more):
        text = case.refuse(code, "matrices", "--items", folder / where, *shared, *more)
        assert complaint in text, text

    np.save(folder / "turned.npy", item.T)
    np.save(folder / "whole.npy", item.astype(int))
    np.save(folder / "nan.npy", np.where(np.arange(N)[:, None] == 5, np.nan, item))
    np.save(folder / "pickled.npy", np.array([{}], object), allow_pickle=True)
    items("turned.npy", 3, "as in")
    items("whole.npy", 3, "floating point")
    items("nan.npy", 3, "row 5")
    items("pickled.npy", 3, "cannot be read")
    items("both.npz", 2, "say which")
    items("both.npz:y", 2, "no array 'y'")
    items("z.csv", 3, "no such file")
    items("z.npy", 3, "in 1 dimensions", "--bias", folder / "x.npy")


def test_more_refusals(files):
    folder, _, _, bias = files
    np.save(folder / "short.npy", bias[:-1])
    words = ("matrices", "--items", folder / "z.npy", "--customers", folder / "x.npy")
    out = ("-o", folder / "m")
    assert "found 36 values" in case.refuse(3, *words, "--bias", folder / "short.npy", *out)
    (folder / "keys").write_text("a\nb\n")
    assert "found 2 keys, expected 37" in case.refuse(3, *words, "--item-keys", folder / "keys",
                                                      *out)
    assert "expected auto or numpy" in case.refuse(2, *words, "--golden-by", "framework", *out)
    np.savez(folder / "other.npz", factors=bias)
    assert "'item_factors' is missing" in case.refuse(3, "implicit", folder / "other.npz", *out)


@pytest.mark.parametrize("first_row", [0, 1])
def test_best_products_in_blocks(monkeypatch, first_row):
    """Any cut of the table gives the same lists; equal scores stand in order of their row."""
    rng = np.random.default_rng(5)
    item = rng.integers(-2, 3, (29, 3)).astype(np.float32)
    customer, bias = rng.integers(-2, 3, (8, 3)), rng.integers(0, 2, 29)
    wanted = golden.best(customer @ item.T + bias, first_row)
    for n_rows in (1, 4, 28, 100):
        monkeypatch.setattr(golden, "BLOCK_ROWS", n_rows)
        found = golden.best_products(customer, item, first_row, bias)
        assert all(np.array_equal(a, b) for a, b in zip(found, wanted)), n_rows


def test_help_names_every_option():
    code, text, _ = case.call("--help")
    assert code == 0 and "matrices" in text and "Exit code 2" in text
    code, text, _ = case.call("pmixer-sasrec", "--help")
    assert code == 0 and "--variant" in text and "--golden-by" in text
