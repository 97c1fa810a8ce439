# SPDX-License-Identifier: Apache-2.0
"""scripts/measure_lists.py on small files: figures by hand, joins by key, intervals that hold the
figure, and what it says about wrong files. Run by ctest with pytest."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/measure_lists.py"
sys.path.insert(0, str(ROOT / "scripts"))
import measure_lists  # noqa: E402

ITEMS = np.array([b"a", b"b", b"c", b"d"])
CUSTOMERS = np.array([b"u1", b"u2", b"u3"])


def write_customers(path, timeline, rows):
    with h5py.File(path, "w") as file:
        file["/customer/key"] = CUSTOMERS
        file[f"/timeline/{timeline}/offset"] = np.cumsum([0, *map(len, rows)]).astype(np.uint64)
        file[f"/timeline/{timeline}/item"] = np.array([i for r in rows for i in r], np.int32)


def write_lists(path, item_UK, customers=CUSTOMERS, items=ITEMS):
    with h5py.File(path, "w") as file:
        file["/customer/key"] = customers
        file["/item/key"] = items
        file["/list/item"] = np.array(item_UK, np.int32)


@pytest.fixture
def folder(tmp_path):
    """u1 bought a and b (a twice), u2 d, u3 nothing."""
    with h5py.File(tmp_path / "catalogue.h5", "w") as file:
        file["/item/key"] = ITEMS
    write_customers(tmp_path / "labels.h5", "purchase", [[0, 1, 0], [3], []])
    write_customers(tmp_path / "customers.h5", "purchase", [[1], [3, 3], [1, 1]])
    write_lists(tmp_path / "good.h5", [[0, 1], [3, -1], [2, 0]])
    write_lists(tmp_path / "bad.h5", [[2, 1], [0, 1], [0, 1]])
    return tmp_path


def run(folder, *more):
    words = [sys.executable, SCRIPT, "--truth", folder / "labels.h5", "--catalogue",
             folder / "catalogue.h5", "--at", 2, "--json", folder / "out.json", *more]
    return subprocess.run([str(w) for w in words], capture_output=True, text=True)


def test_figures_by_hand(folder):
    done = run(folder, "--lists", f"good={folder}/good.h5", f"bad={folder}/bad.h5",
               "--popularity", folder / "customers.h5")
    assert done.returncode == 0, done.stderr
    out = json.loads((folder / "out.json").read_text())
    assert out["cases"] == 3  # (u1, a), (u1, b), (u2, d): each pair once
    second = 1 / np.log2(3)
    good, bad = out["lists"]["good"], out["lists"]["bad"]
    assert good["hr"] == 1 and good["ndcg"] == pytest.approx((2 + second) / 3)
    assert bad["hr"] == pytest.approx(1 / 3) and bad["ndcg"] == pytest.approx(second / 3)
    assert bad["hr_lead"] == pytest.approx(2 / 3)
    assert bad["hr_lead_95"][0] <= bad["hr_lead"] <= bad["hr_lead_95"][1]
    # Most bought before: b (3), d (2); u2 itself only d.
    assert out["lists"]["popularity"]["ndcg"] == pytest.approx((1 + second) / 3)
    assert out["lists"]["own"]["ndcg"] == pytest.approx(2 / 3)


def test_other_orders_are_joined_by_key(folder):
    write_lists(folder / "turned.h5", [[1, 3], [0, -1], [3, 2]],
                customers=CUSTOMERS[[2, 1, 0]], items=ITEMS[::-1])
    read = measure_lists.read_lists(folder / "turned.h5", CUSTOMERS, ITEMS, 2)
    assert read.tolist() == [[0, 1], [3, -1], [2, 0]]


def test_intervals_are_of_customers(folder):
    """One customer holds all misses: its draws move the mean in steps of its cases."""
    value = np.array([0.0, 0.0, 1.0])
    draws = measure_lists.resampled(value, np.array([0, 0, 1]), 3)
    assert set(np.round(draws, 6)) == {0.0, round(1 / 3, 6), 1.0}


@pytest.mark.parametrize("words,message", [
    (["--lists", "x=missing.h5"], "missing.h5"),
    (["--label", "refund", "--lists", "x=good.h5"], "/timeline/refund is not there"),
    (["--at", "5", "--lists", "x=good.h5"], "lists of 2 items, expected at least 5"),
    (["--lists", "x=catalogue.h5"], "/customer/key is not there"),
    (["--lists", "x=few.h5"], "customer b'u2' is not there")])
def test_wrong_files_are_named(folder, words, message):
    write_lists(folder / "few.h5", [[0, 1]], customers=CUSTOMERS[:1])
    words = [w.replace("x=", f"x={folder}/") for w in words]
    done = run(folder, *words)
    assert done.returncode == 3 and message in done.stderr, done.stderr
