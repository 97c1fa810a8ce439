#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""evaluate --log on the Open Bandit logs (men) against golden values computed elsewhere: both logs,
both targets, every estimator that the engine has, by place too. Skips where the local copy of the
data is not there (BR_TEST_DATA, or shared/data beside the checkout)."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from job_files import ROOT, run

DATA = Path(os.environ.get("BR_TEST_DATA", ROOT.parent / "shared/data")) / "open-bandit-men"
# the golden name of each estimator of the table; sndr has no standard error there
NAMES = {"ips": "ips", "snips": "snips", "clipped": "cips_10", "dm": "dm", "dr": "dr",
         "sndr": "sndr"}
PAIRS = (("random", "bts", "bts_prior_from_random_log"), ("bts", "uniform", "random_from_bts_log"),
         ("random", "uniform", "random_from_random_log"), ("bts", "bts", "bts_prior_from_bts_log"))
TOLERANCE = 1e-9  # absolute; the values are about 0.005


def near(what, found, expected, tolerance=TOLERANCE):
    assert abs(found - expected) <= tolerance, f"{what}: found {found!r}, expected {expected!r}"
    return 1


def check(found, golden, what):
    """The findings of one target; how many values were compared."""
    whole, *places = found
    support = whole["support"]
    n = near(f"{what} ess", support["ess"], golden["ess"], 1e-6)
    n += near(f"{what} mean weight", support["mean_weight"], golden["mean_weight"])
    n += near(f"{what} max weight", support["max_weight"], golden["max_weight"], 1e-7)
    for name, key in NAMES.items():
        for field in ("value", "se"):
            if field in golden[key]:
                n += near(f"{what} {name} {field}", whole["estimates"][name][field],
                          golden[key][field])
    assert len(places) == len(golden["by_place"]) == 3
    for place, expected in zip(places, golden["by_place"]):
        assert place["position"] == expected["place"]
        assert place["support"]["lists"] == expected["n"]
        n += near(f"{what} clicks", place["logged"]["value"] * expected["n"], expected["clicks"])
        for name in ("ips", "snips"):
            n += near(f"{what} place {place['position']} {name}",
                      place["estimates"][name]["value"], expected[name])
    return n


def main():
    if not DATA.is_dir():
        print(f"SKIP: {DATA} is not there")
        return 77
    if shutil.which("zstd") is None:
        print("SKIP: needs the zstd command to unpack the logs")
        return 77
    golden = json.loads((DATA / "golden/golden.json").read_text())
    found = {}
    with tempfile.TemporaryDirectory(prefix="batchrank-open-bandit-") as folder:
        for name in ("random", "bts"):
            path = Path(folder, f"{name}.h5")
            subprocess.run([sys.executable, "-B", str(ROOT / "scripts/open_bandit_log.py"), "--raw",
                            str(DATA), "--log", name, "--policy",
                            f"bts={DATA / 'golden/bts_policy.csv'}", "--out", str(path)],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            report = json.loads(run("evaluate", "--log", path, "--json"))
            on_policy, logged = golden["on_policy"][name], report["findings"][0]["logged"]
            assert report["lists"] == on_policy["n"]
            near(f"{name} on policy", logged["value"], on_policy["ctr"])
            near(f"{name} on policy se", logged["se"], on_policy["se"])
            for f in report["findings"]:
                found.setdefault((name, f["target"]), []).append(f)
    n = sum(check(found[log, target], golden[key], key) for log, target, key in PAIRS)
    ips, snips = (found["random", "bts"][0]["estimates"][e] for e in ("ips", "snips"))
    assert abs(ips["value"] - 0.0045401) < 1e-7 and abs(snips["value"] - 0.0046102) < 1e-7
    print(f"{n} golden values within their tolerance; IPS {ips['value']:.7f} (se {ips['se']:.7f}), "
          f"SNIPS {snips['value']:.7f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
