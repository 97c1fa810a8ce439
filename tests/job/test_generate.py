# SPDX-License-Identifier: Apache-2.0
"""batchrank generate: the same seed gives the same bytes, a customer does not depend on how many
there are, the files keep their contract and feed a run, and memory does not grow with customers."""
import hashlib
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from job_files import BATCHRANK, call, run, write_job

SMALL = ["--items", 200, "--browse", 6, "--purchase", 3, "--dim", 8, "--spread", 0.7, "--cold", 0.1]


def digests(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def generate(folder, n_customers, seed=1, words=SMALL):
    run("generate", "-o", folder, "--customers", n_customers, "--seed", seed, *words)
    return digests(folder)


def check_bytes(top):
    first = generate(top / "a", 500)
    assert sorted(first) == ["catalogue.h5", "customers.h5", "model/model.json",
                             "model/vocabulary.h5", "model/weights.safetensors"], sorted(first)
    time.sleep(1.1)  # a file with the second of its making in it is another one now
    assert generate(top / "b", 500) == first, "the same seed gave other bytes"
    other = generate(top / "c", 500, seed=2)
    assert all(other[name] != first[name] for name in first if "vocabulary" not in name), other
    generate(top / "fewer", 300)
    with h5py.File(top / "a/customers.h5") as a, h5py.File(top / "fewer/customers.h5") as b:
        for name in ("browse", "purchase"):
            n = int(b[f"timeline/{name}/offset"][-1])
            assert (a[f"timeline/{name}/offset"][:301] == b[f"timeline/{name}/offset"][:]).all()
            for column in ("item", "time"):
                assert (a[f"timeline/{name}/{column}"][:n] ==
                        b[f"timeline/{name}/{column}"][:]).all(), (name, column)


def check_rerank(top):
    """A pair head beside what the same seed gives without one, and a run that ranks by it."""
    plain, more = digests(top / "a"), generate(top / "rerank", 500, words=[*SMALL, "--rerank", 12])
    assert {n for n in plain if plain[n] != more[n]} == {"model/model.json",
                                                          "model/weights.safetensors"}
    data = top / "rerank"
    write_job(top / "rerank.json", output={"path": "rerank-run"}, list={"k": 5},
              input={"customers": str(data / "customers.h5"), "model": str(data / "model"),
                     "catalogue": str(data / "catalogue.h5")},
              objective={"type": "expected_value", "top": 40,
                         "terms": [{"name": "again", "head": "rerank", "weight": 1}]})
    run("run", top / "rerank.json")
    run("verify", top / "rerank-run", "--samples", 50)


def check_customers(path, n_customers, n_items):
    with h5py.File(path) as f:
        assert f.attrs["format"] == b"batchrank-customers" and f.attrs["version"] == 1
        assert (f["customer/key"][:] == np.arange(1, n_customers + 1)).all()
        for name, mean in (("browse", 6), ("purchase", 3)):
            group = f["timeline/" + name]
            assert group.attrs["vocabulary"] == b"catalogue"
            offset = group["offset"][:].astype(np.int64)
            item, time = group["item"][:], group["time"][:]
            lengths = np.diff(offset)
            assert offset[0] == 0 and offset[-1] == len(item) == len(time)
            assert item.min() == 0 and item.max() == n_items - 1, (item.min(), item.max())
            starts = np.zeros(len(time), bool)
            starts[offset[:-1][lengths > 0]] = True
            assert (np.diff(time)[~starts[1:]] >= 0).all(), "times decrease within a customer"
            cold = (lengths == 0).mean()
            assert abs(cold - 0.1) < 0.02, f"{cold} of the customers are cold, expected 0.1"
            warm = lengths[lengths > 0]
            assert abs(warm.mean() - mean) < 0.1 * mean + 0.2 and warm.std() > 0.4 * mean, warm
            share = np.bincount(item, minlength=n_items) / len(item)
            expected = np.log((np.arange(n_items) + 2) / (np.arange(n_items) + 1))
            expected /= expected.sum()
            assert np.abs(share - expected).max() < 0.01, "items do not follow Zipf's law"


def check_catalogue(path, n_items):
    with h5py.File(path) as f:
        keys = f["item/key"][:]
        assert f.attrs["format"] == b"batchrank-catalogue"
        assert len(set(keys.tolist())) == n_items and len(f["item/name"]) == n_items
        assert f["item/group/category"][:].max() < len(f["item/group_key/category"])
        assert (f["item/value/price"][:] >= 1.0).all()
        return keys


def check_model(folder, keys, n_items):
    model = json.loads((folder / "model.json").read_text())
    assert [m["encoder"]["type"] for m in model["modalities"]] == ["attention", "decay"]
    with h5py.File(folder / "vocabulary.h5") as f:
        rows = f["catalogue/key"][:]
        assert rows[0] == b"" and (rows[1:] == keys).all()
    raw = (folder / "weights.safetensors").read_bytes()
    n_header = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + n_header])
    assert header["item_embedding.weight"]["shape"] == [n_items + 1, 8]
    values = np.frombuffer(raw[8 + n_header:], np.float32)
    assert np.isfinite(values).all() and values.std() > 0.1


def check_run(top, data, n_customers):
    write_job(top / "job.json", input={"customers": f"{data}/customers.h5",
                                       "catalogue": f"{data}/catalogue.h5",
                                       "model": f"{data}/model"},
              output={"path": str(top / "run")}, list={"k": 5})
    run("check", top / "job.json")
    run("run", top / "job.json")
    with h5py.File(top / "run/parts/part-00000.h5") as f:
        assert f["list/item"].shape == (n_customers, 5) and (f["customer/n"][:] == 5).all()


def refused(words, expected, message):
    code, _, err = call("generate", *words)
    assert code == expected and message in err, (words, code, err)


def check_refusals(top):
    refused(["-o", top / "a"], 2, "is there already")
    refused([], 2, "--out")
    refused(["-o", top / "d", "--dim", 7], 2, "even number")
    refused(["-o", top / "d", "--items", 0], 2, "--items")
    refused(["-o", top / "d", "--cold", 1.5], 2, "--cold")
    refused(["-o", top / "none/d"], 4, "cannot make the folder")
    refused(["-o", top / "d", "--customers", 1000000000, "--browse", 4096], 4, "bytes are needed")
    assert not list((top / "d").rglob("*")), "something was left behind"


def is_sanitized():
    return b"__asan_" in Path(BATCHRANK).read_bytes()


def check_memory(top):
    """180 MB of events through blocks."""
    words = ["--customers", 500000, "--browse", 20, "--purchase", 10, "--items", 1000]
    child = subprocess.Popen([BATCHRANK, "generate", "-o", str(top / "large"), *map(str, words)],
                             stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    peak_mib = used.ru_maxrss / 1024
    assert child.returncode == 0
    assert os.path.getsize(top / "large/customers.h5") > 170 << 20
    assert peak_mib < 64, f"{peak_mib:.0f} MiB for 180 MB of events"


def main():
    with tempfile.TemporaryDirectory(prefix="batchrank-generate-") as name:
        top = Path(name)
        check_bytes(top)
        check_rerank(top)
        generate(top / "many", 8000)
        check_customers(top / "many/customers.h5", 8000, 200)
        keys = check_catalogue(top / "a/catalogue.h5", 200)
        check_model(top / "a/model", keys, 200)
        check_run(top, top / "a", 500)
        check_refusals(top)
        if not is_sanitized():  # the sanitizer's own memory would be measured
            check_memory(top)


main()
