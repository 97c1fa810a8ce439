# SPDX-License-Identifier: Apache-2.0
"""scripts/show_lists.py on a small lists.h5 laid out as docs/FORMATS.md says.
Run by ctest as `python3 -m pytest tests/scripts/test_show_lists.py`."""
import subprocess
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/show_lists.py"


@pytest.fixture
def files(tmp_path):
    """Two customers, three items; the catalogue keeps them in another order than the lists."""
    with h5py.File(tmp_path / "lists.h5", "w") as file:
        file["/customer/key"] = np.array([b"anna", b"bert", b"none"])
        file["/customer/n"] = np.array([2, 1, 0], dtype=np.int32)
        file["/item/key"] = np.array([b"i0", b"i1", b"i2"])
        file["/list/item"] = np.array([[2, 0], [1, -1], [-1, -1]], dtype=np.int32)
        file["/list/score"] = np.array([[1.5, -0.25], [3, np.nan], [np.nan] * 2], dtype=np.float32)
        file["/probability/buy"] = np.array([[0.5, 0.125], [0.75, np.nan], [np.nan] * 2],
                                            dtype=np.float32)
        file["/survival/lapse"] = np.array([[0.75, 0.5], [np.nan] * 2, [np.nan] * 2], np.float32)
        file["/survival/lapse"].attrs["period_s"] = np.int64(604800)
    with h5py.File(tmp_path / "catalogue.h5", "w") as file:
        file["/item/key"] = np.array([b"i2", b"i1", b"i0"])
        file["/item/name"] = np.array([b"pear", b"fig", "äpfel".encode()])
    with h5py.File(tmp_path / "customers.h5", "w") as file:
        file["/customer/key"] = np.array([b"bert", b"anna"])
        file["/timeline/purchase/offset"] = np.array([0, 0, 2], dtype=np.uint64)
        file["/timeline/purchase/item"] = np.array([1, 2], dtype=np.int32)
    return tmp_path


def show(folder, *more):
    return subprocess.run([sys.executable, str(SCRIPT), "--lists", folder / "lists.h5",
                           "--catalogue", folder / "catalogue.h5", *more],
                          capture_output=True, text=True, timeout=60)


def test_names_scores_probabilities(files):
    done = show(files)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line]
    assert lines == [
        ["customer", "anna:", "2", "items"],
        ["S(lapse),", "every", "604800", "s", "0.7500", "0.5000"],
        ["rank", "score", "p(buy)", "item"],
        ["1", "1.500", "0.5000", "pear"], ["2", "-0.250", "0.1250", "äpfel"],
        ["customer", "bert:", "1", "items"], ["rank", "score", "p(buy)", "item"],
        ["1", "3.000", "0.7500", "fig"]]


def test_history_and_chosen_customers(files):
    done = show(files, "--customers", files / "customers.h5", "--key", "anna", "--top", "1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[-1] for line in lines[1:3]] == ["äpfel", "fig"]  # the newest first
    assert "bert" not in done.stdout and "-0.250" not in done.stdout


def test_errors_name_the_file(files):
    assert show(files, "--key", "carl").returncode == 3
    assert "'carl' is not in the lists" in show(files, "--key", "carl").stderr
    with h5py.File(files / "lists.h5", "a") as file:
        del file["/list/score"]
    done = show(files)
    assert done.returncode == 3 and "lists.h5: /list/score is missing" in done.stderr
    (files / "lists.h5").write_bytes(b"no HDF5")
    done = show(files)
    assert done.returncode == 3 and "cannot be opened" in done.stderr
