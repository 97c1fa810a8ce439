# SPDX-License-Identifier: Apache-2.0
"""scripts/show_ledger.py on small stats.json and manifest.json: the waterfall adds up, prices are
sorted and named, and what does not balance or is not there is told.
Run by ctest as `python3 -m pytest tests/scripts/test_show_ledger.py`."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/show_ledger.py"


def stratum(customers, consent, cap, ends):
    return {"customers": customers, "held_back": {"consent": consent, "weekly cap": cap},
            **dict(zip(("held_out", "nothing_allowed", "short", "full"), ends))}


LEDGER = {"rules": ["consent", "weekly cap"],
          "strata": {"north": stratum(100, 10, 5, (8, 7, 20, 50)),
                     "south": stratum(30, 0, 1, (2, 3, 4, 20)),
                     "": stratum(0, 0, 0, (0, 0, 0, 0))},
          "items": {"adults": {"items": 4, "customers": 9, "pairs": 36}},
          "items_forbidden_to_everyone": 0}
ALLOCATION = {"places": 200, "value": 50.5, "dual_value": 50.505, "gap": 1e-4,
              "limits": [{"name": "print", "kind": "budget", "bound": 80, "used": 79.5,
                          "one_more_unit_of_cost": 0.25},
                         {"name": "brand", "kind": "min_share", "bound": 0.1, "used": 20,
                          "one_more_place": 0.125}],
              "items": [{"item": "a", "capacity": 3, "one_more_unit": 0.5},
                        {"item": "b", "capacity": 7, "one_more_unit": 2},
                        {"item": "c", "capacity": 1, "one_more_unit": 1e-4}]}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, {"ledger": LEDGER, "allocation": ALLOCATION}, 130)
    with h5py.File(tmp_path / "catalogue.h5", "w") as file:
        file["/item/key"] = np.array([b"b", b"a", b"c"])
        file["/item/name"] = np.array([b"bread", "äpfel".encode(), b"cake"])
    return tmp_path


def write(folder, stats, rows):
    (folder / "stats.json").write_text(json.dumps(stats))
    (folder / "manifest.json").write_text(json.dumps({"rows": rows}))


def show(folder, *more):
    return subprocess.run([sys.executable, str(SCRIPT), str(folder), *map(str, more)],
                          capture_output=True, text=True)


def numbers(text, label):
    """The numbers of the line that begins with a label."""
    line = next(line for line in text.splitlines() if line.startswith(label))
    return [float(word) for word in line[len(label):].split()]


def test_the_waterfall_adds_up(folder):
    done = show(folder)
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert text.splitlines()[0].split() == ["ledger", "north", "south", "all"]
    taken = [numbers(text, label) for label in ("customers", "- consent", "- weekly cap")]
    assert taken == [[100, 30, 130], [-10, 0, -10], [-5, -1, -6]]
    assert numbers(text, "= may be contacted") == [sum(column) for column in zip(*taken)]
    rest = [numbers(text, label) for label in ("= may be contacted", "- held out",
                                               "- nothing to send")]
    assert numbers(text, "= listed") == [sum(column) for column in zip(*rest)] == [70, 24, 94]
    assert numbers(text, "  of them short") == [20, 4, 24]
    assert numbers(text, "  of them full") == [50, 20, 70]
    assert "all to the 130 of the run" in text
    assert numbers(text, "adults") == [4, 9, 36]


def test_prices_are_sorted_and_named(folder):
    text = show(folder, "--catalogue", folder / "catalogue.h5", "--items", 2).stdout
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("item at its capacity"))
    assert lines[at + 1].split() == ["b", "7", "2", "bread"]
    assert lines[at + 2].split() == ["a", "3", "0.5", "äpfel"]
    assert lines[at + 3] == "... and 1 more items at their capacity"
    budget = next(line for line in lines if line.startswith("print (at most)")).split()
    assert budget[-6:] == ["80", "79.5", "0.25", "unit", "of", "cost"]
    share = next(line for line in lines if line.startswith("brand (at least, share)")).split()
    assert share[-6:] == ["share)", "0.1", "0.1", "0.125", "place", "less"]
    assert "gap 0.0100 %" in text


def test_one_stratum_needs_no_sum(folder):
    write(folder, {"ledger": {**LEDGER, "strata": {"all": LEDGER["strata"]["north"]}}}, 100)
    text = show(folder).stdout
    assert text.splitlines()[0].split() == ["ledger", "all"]
    assert "one more is worth" not in text


@pytest.mark.parametrize("change, rows, wanted", [
    ({"customers": 101}, 131, "stratum 'north': the parts come to 100, expected 101"),
    ({"full": 49}, 130, "stratum 'north': the parts come to 99, expected 100"),
    ({}, 129, "the strata come to 130 customers, expected 129 (manifest.json)")])
def test_what_does_not_balance_is_told(folder, change, rows, wanted):
    strata = {**LEDGER["strata"], "north": {**LEDGER["strata"]["north"], **change}}
    write(folder, {"ledger": {**LEDGER, "strata": strata}}, rows)
    done = show(folder)
    assert done.returncode == 6 and wanted in done.stderr and not done.stdout


def test_what_is_not_there_is_told(folder, tmp_path):
    write(folder, {"customers": {}}, 130)
    done = show(folder)
    assert done.returncode == 3 and "has no ledger" in done.stderr
    strata = {"all": {**LEDGER["strata"]["north"], "held_back": {"consent": 15}}}
    write(folder, {"ledger": {**LEDGER, "strata": strata}}, 100)
    done = show(folder)
    assert done.returncode == 3 and "found rules ['consent']" in done.stderr
    (folder / "stats.json").write_text("{")
    done = show(folder)
    assert done.returncode == 3 and "stats.json: no JSON" in done.stderr
    done = show(tmp_path / "nothing")
    assert done.returncode == 3 and "expected a complete run" in done.stderr
    write(folder, {"ledger": LEDGER, "allocation": ALLOCATION}, 130)
    (folder / "catalogue.h5").write_bytes(b"no HDF5")
    done = show(folder, "--catalogue", folder / "catalogue.h5")
    assert done.returncode == 3 and "cannot be opened as HDF5" in done.stderr
