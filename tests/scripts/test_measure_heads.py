# SPDX-License-Identifier: Apache-2.0
"""scripts/measure_heads.py on small files, by hand. Run by ctest with pytest."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/measure_heads.py"
AS_OF, PERIOD_S = 1000, 10


@pytest.fixture
def folder(tmp_path):
    """u1 buys items 0 and 1 (at once), u2 item 2 (after two periods and more), u3 nothing; lists
    in another order, u3 without probabilities, u2 with an empty slot."""
    with h5py.File(tmp_path / "labels.h5", "w") as file:
        file["/customer/key"] = np.array([b"u1", b"u2", b"u3"])
        file["/timeline/buy/offset"] = np.array([0, 2, 3, 3], np.uint64)
        file["/timeline/buy/item"] = np.array([0, 1, 2], np.int32)
        file["/timeline/buy/time"] = np.array([1001, 1002, 1020], np.int64)
        file["/extra/as_of"] = np.int64(AS_OF)
    with h5py.File(tmp_path / "lists.h5", "w") as file:
        file["/customer/key"] = np.array([b"u2", b"u1", b"u3"])
        file["/list/item"] = np.array([[0, -1], [1, 2], [0, 1]], np.int32)
        file["/probability/buy"] = np.array([[0.2, np.nan], [0.8, 0.4], [np.nan, np.nan]], "f4")
        file["/survival/lapse"] = np.array([[0.9, 0.7], [0.5, 0.1], [np.nan, np.nan]], "f4")
        file["/survival/lapse"].attrs["period_s"] = np.int64(PERIOD_S)
    return tmp_path


def run(folder, *more):
    words = [sys.executable, SCRIPT, "--lists", folder / "lists.h5", "--labels",
             folder / "labels.h5", "--json", folder / "out.json", *more]
    return subprocess.run([str(w) for w in words], capture_output=True, text=True)


def test_figures_by_hand(folder):
    done = run(folder, "--head", "buy", "--survival", "lapse=buy")
    assert done.returncode == 0, done.stderr
    out = json.loads((folder / "out.json").read_text())
    buy, lapse = out["buy"], out["lapse"]
    # (u2, 0) no, (u1, 1) yes, (u1, 2) no.
    assert (buy["cases"], buy["responses"], buy["auc"]) == (3, 1, 1.0)
    assert buy["mean_predicted"] == pytest.approx((0.2 + 0.8 + 0.4) / 3)
    assert buy["ece"] == pytest.approx((0.2 + 0.2 + 0.4) / 3)
    # u2 came at the end of the second period: nothing until then; u1 came in the first.
    assert (lapse["cases"], lapse["responses"], lapse["auc"]) == (2, 1, 1.0)
    assert lapse["ece"] == pytest.approx((0.3 + 0.1) / 2)


@pytest.mark.parametrize("words,message", [
    (["--head", "open"], "/timeline/open is not there"),
    (["--head", "open=buy"], "/probability/open is not there"),
    (["--survival", "churn=buy"], "/survival/churn is not there")])
def test_what_is_missing_is_named(folder, words, message):
    done = run(folder, *words)
    assert done.returncode == 3 and message in done.stderr
