#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Survival heads through the whole binary, on ready-made vectors: /survival in parts and lists.h5
against scripts/reference.py in float64, NaN without a list from the model, `list.heads`, what plan,
check, info and verify make of them, and weights that are too large."""
import re
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

from job_files import ROOT, call, open_file, read_parts, run, write_csr, write_job

sys.path.insert(0, str(ROOT / "tests" / "models"))
import model_case  # noqa: E402
import reference  # noqa: E402

SEED, U, N, DIM, K = 20260105, 1000, 60, 8, 5
NO_CONSENT, NOTHING = 2, 16
LAPSE = {"name": "lapse", "type": "survival", "periods": 4, "period_s": 604800, "calibration":
         {"type": "isotonic", "points": [[0.1, 0.0], [0.4, 0.1], [0.6, 0.4], [0.9, 1.0]]}}
CHURN = {"name": "churn", "type": "survival", "periods": 64, "period_s": 86400, "link": "logistic",
         "calibration": {"type": "platt", "a": 1.2, "b": -3.0}}
LAST = {"name": "last", "type": "survival", "periods": 1, "period_s": 2147483647}
MODEL = {"format": "batchrank-model", "version": 1, "name": "curves", "model_version": "1",
         "dim": DIM, "item": {"vocabulary": "catalogue", "table": "item.table"}, "modalities": [],
         "heads": [LAPSE, {"name": "click", "link": "logistic"}, CHURN, LAST]}
CURVES = (LAPSE, CHURN, LAST)


def make(folder):
    """Every seventh customer does not consent; one may be shown nothing."""
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    d = {"x": rng.standard_normal((U, DIM)).astype(np.float32),
         "consent": (np.arange(U) % 7 > 0).astype(np.uint8)}
    with open_file(folder / "customers.h5", "customers") as f:
        f["/customer/key"] = np.array([f"c{u:04d}" for u in range(U)], "S6")
        f["/vector"], f["/consent/mail"] = d["x"], d["consent"]
        write_csr(f.create_group("exclude"), [list(range(N)) if u == 5 else [] for u in range(U)])
    with open_file(folder / "catalogue.h5", "catalogue") as f:
        f["/item/key"] = np.array([f"catalogue-{i + 1}" for i in range(N)], "S16")
    d["tensors"] = model_case.write(folder / "model", MODEL, {"catalogue": N + 1}, rng)
    write_job(folder / "job.json",
              input={"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
              output={"path": "run"}, list={"k": K, "channel": "mail"},
              run={"unit_customers": 230})
    return d


def check_values(d, lists):
    has_list = d["consent"] > 0
    has_list[5] = False
    assert (lists["customer/flags"][~has_list] & (NO_CONSENT | NOTHING) > 0).all()
    for head in CURVES:
        found = lists["survival/" + head["name"]]
        wanted = reference.survival(head, d["tensors"], d["x"].astype(float))
        assert found.shape == (U, head["periods"]) and found.dtype == np.float32
        error = np.abs(found - wanted)[has_list].max()
        assert error <= 2e-6 and np.isnan(found[~has_list]).all(), (head["name"], error)
        assert (np.diff(found[has_list], axis=1, prepend=np.float32(1)) <= 0).all()
        print(f"ok  {head['name']}: largest error {error:.1e}, {np.nanmin(found):.3f} to "
              f"{np.nanmax(found):.3f}")
    assert [n for n in lists if n.startswith("probability")] == ["probability/click"]


def check_view(folder, lists):
    parts = sorted((folder / "run" / "parts").iterdir())
    assert len(parts) == 5
    for path in [folder / "run" / "lists.h5", *parts]:
        with h5py.File(path) as f:
            assert sorted(f["survival"]) == sorted(h["name"] for h in CURVES)
            for head in CURVES:
                period_s = f["survival"][head["name"]].attrs["period_s"]
                assert period_s == head["period_s"] and period_s.dtype == np.int64
                assert period_s.shape == ()
    with h5py.File(folder / "run" / "lists.h5") as f:
        for head in CURVES:
            name = "survival/" + head["name"]
            assert f[name].is_virtual and f[name][:].tobytes() == lists[name].tobytes(), name
    print("ok  lists.h5 shows the parts, with the length of a period")


def check_same_bits(folder, lists):
    for name, words in {"one unit": ["--set", "run.unit_customers=65536"],
                        "7 threads": ["--threads", "7"]}.items():
        run("run", folder / "job.json", "--set", f"output.path={folder / name}", *words)
        again = read_parts(folder / name)
        assert all(again[k].tobytes() == lists[k].tobytes() for k in lists), name
    print("ok  the same bits for any unit and thread count")


def columns(folder, name, *settings):
    words = [w for s in settings for w in ("--set", s)]
    run("run", folder / "job.json", "--set", f"output.path={folder / name}", *words)
    return {n for n in read_parts(folder / name) if n.startswith(("survival", "probability"))}


def check_choice(folder):
    assert columns(folder, "item", 'list.heads=["click"]') == {"probability/click"}
    assert columns(folder, "curve", 'list.heads=["churn"]') == {"survival/churn"}
    assert columns(folder, "both", 'list.heads=["last","click"]') == \
        {"survival/last", "probability/click"}
    assert columns(folder, "none", "list.probabilities=false") == set()
    code, _, log = call("run", folder / "job.json", "--set", 'list.heads=["laps"]')
    assert code == 2 and "the model has no head 'laps'" in log, log
    print("ok  list.heads chooses among all heads")


def check_words(folder):
    def output_mib(heads):
        text = run("plan", folder / "job.json", "--fast", "--set", f"list.heads={heads}")
        return float(re.search(r"output, at most\s+([0-9.]+) MiB", text).group(1))
    more = output_mib('["click","churn","lapse"]') - output_mib('["click"]')
    assert abs(more - U * 68 * 4 / 2 ** 20) < 0.11, more
    assert "survival   lapse: 4 x 604800 s\n" in run("check", folder / "job.json")
    told = run("info", folder / "run")
    assert "survival      lapse: 4 x 604800 s\nsurvival      churn: 64 x 86400 s\n" in told, told
    assert "probabilities click\n" in told
    assert "head          churn: survival, 64 x 86400 s\n" in run("info", folder / "model")
    print("ok  plan, check and info")


def change_head(folder, change):
    path = folder / "model" / "weights.safetensors"
    tensors = model_case.bundle_writer.read_safetensors(path)
    tensors["head.lapse.weight"] = change(tensors["head.lapse.weight"])
    model_case.bundle_writer.write_safetensors(path, tensors)


def check_verify(folder):
    told = run("verify", folder / "run", "--samples", 500)
    worst = float(re.search(r"survival within ([0-9.e+-]+)", told).group(1))
    assert worst <= 2e-6, told
    change_head(folder, lambda w: w + np.float32(0.01))
    code, _, log = call("verify", folder / "run", "--samples", 500)
    assert code == 6 and re.search(r"probabilities by \S+e-0[78] and survival by 4", log), log
    print("ok  verify scores survival again, and finds a head that has changed")


def check_huge(folder):
    """Sums that overflow: whether to infinity or to no number is the backend's way of adding."""
    change_head(folder, lambda w: np.where(w > 0, np.float32(3e38), np.float32(-3e38)))
    code, _, log = call("run", folder / "job.json", "--set", f"output.path={folder / 'huge'}",
                        "--set", "detect.samples=0")  # the reference adds in another way
    if code == 0:
        run("verify", folder / "huge", "--samples", 0)
        print("ok  weights that are too large: probabilities all the same")
        return
    assert code == 3 and "the survival 'lapse' of customer c00" in log, log
    assert not (folder / "huge" / "manifest.json").exists()
    print("ok  weights that are too large: exit 3, the customer named")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        d = make(folder)
        run("run", folder / "job.json")
        lists = read_parts(folder / "run")
        check_values(d, lists)
        check_view(folder, lists)
        check_same_bits(folder, lists)
        check_choice(folder)
        check_words(folder)
        check_verify(folder)
        check_huge(folder)


if __name__ == "__main__":
    sys.exit(main())
