# SPDX-License-Identifier: Apache-2.0
"""scripts/prepare_lastfm.py and scripts/ranking_intervals.py on files made here, refusals by name,
and popularity against the golden and published figures where the local copy of the data is.
Run by ctest as `python3 -m pytest tests/scripts/test_prepare_lastfm.py`."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

ROOT = Path(__file__).resolve().parents[2]
LASTFM = Path(os.environ.get("BR_TEST_DATA", ROOT.parent / "shared/data")) / "lastfm"
sys.path.insert(0, str(ROOT / "scripts"))
import bundle_writer  # noqa: E402
import ranking_intervals  # noqa: E402

SEQUENCES = "1 5 2 3\n3 1 2\n4 4 5 1 2 6\n"
NEGATIVES = "1 1 4\n3 3 6\n4 3 3\n"
TAGS = {"1": [7, 7, 9], "2": [9], "3": [7], "4": [7, 2], "6": [2, 2, 2], "8": [5]}


def run(script, *arguments):
    return subprocess.run([sys.executable, str(ROOT / "scripts" / script), *map(str, arguments)],
                          capture_output=True, text=True, timeout=300)


def make_raw(folder, sequences=SEQUENCES, negatives=NEGATIVES, tags=json.dumps(TAGS)):
    folder.mkdir(exist_ok=True)
    (folder / "LastFM.txt").write_text(sequences)
    (folder / "LastFM_sample.txt").write_text(negatives)
    (folder / "LastFM_item2attributes.json").write_text(tags)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lastfm")
    done = run("prepare_lastfm.py", "--raw", make_raw(folder / "raw"), "--dims", 4, "--out",
               folder / "out")
    assert done.returncode == 0, done.stderr
    assert "3 users, 6 items, 10 events, 3 tags" in done.stdout
    return folder / "out"


def test_last_item_is_held_out(out):
    with h5py.File(out / "customers.h5") as before, h5py.File(out / "truth.h5") as after:
        for file in (before, after):
            assert file["/customer/key"][:].tolist() == [1, 3, 4]
            assert file["/timeline/listen"].attrs["vocabulary"] == b"catalogue"
        past, last = before["/timeline/listen"], after["/timeline/listen"]
        assert past["offset"][:].tolist() == [0, 2, 3, 7]
        assert past["item"][:].tolist() == [4, 1, 0, 3, 4, 0, 1]
        assert past["time"][:].tolist() == [0, 1, 0, 0, 1, 2, 3]
        assert last["offset"][:].tolist() == [0, 1, 2, 3]
        assert last["item"][:].tolist() == [2, 1, 5]
        assert last["time"][:].tolist() == [2, 1, 4]
    negatives = np.load(out / "negatives.npy")
    assert negatives.dtype == np.float32 and negatives.tolist() == [[0, 3], [2, 5], [2, 2]]


def test_tags(out):
    with h5py.File(out / "catalogue.h5") as file:
        assert file["/item/key"][:].tolist() == [b"1", b"2", b"3", b"4", b"5", b"6"]
        assert file["/item/group_key/tag"][:].tolist() == [b"2", b"7", b"9"]
        assert file["/item/group/tag"][:].tolist() == [1, 2, 1, 0, -1, 0]
        tags = file["/extra/tags"][:]
    assert tags.shape == (6, 4) and tags.dtype == np.float32
    near = tags @ tags.T  # three tags: the reduction to four columns loses nothing
    np.testing.assert_allclose(np.diag(near), [1, 1, 1, 1, 0, 1], atol=1e-6)
    one, two = np.log1p([2, 1]) * (np.log([7 / 4, 7 / 3]) + 1)
    assert near[0, 1] == pytest.approx(two / np.hypot(one, two), abs=1e-6)
    assert near[2, 5] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("change,message", [
    ({"sequences": "1 2 x\n"}, "LastFM.txt: line 1: found '1 2 x'"),
    ({"sequences": "1 2 3\n1 3 2\n"}, "line 2: user 1 after 1"),
    ({"sequences": ""}, "it is empty"),
    ({"negatives": "1 1 4\n3 3 6\n"}, "its users are not those"),
    ({"negatives": "1 1\n3 3 6\n4 3 3\n"}, "not all of one length"),
    ({"negatives": "1 1 9\n3 3 6\n4 3 3\n"}, "found item 9, expected 1 to 6"),
    ({"tags": "[1]"}, "LastFM_item2attributes.json"),
])
def test_broken_files_are_named(tmp_path, change, message):
    done = run("prepare_lastfm.py", "--raw", make_raw(tmp_path / "raw", **change), "--out",
               tmp_path / "out")
    assert done.returncode == 3 and message in done.stderr, done.stderr


def test_missing_folder(tmp_path):
    done = run("prepare_lastfm.py", "--raw", tmp_path / "none", "--out", tmp_path / "out")
    assert done.returncode == 3 and "LastFM.txt and LastFM.txt.zst are not there" in done.stderr


# ---- intervals -----------------------------------------------------------------------------------

def make_run(folder, out):
    """A run whose model scores by x . z with z = identity and x written here."""
    folder.mkdir()
    keys = [str(i).encode() for i in range(1, 7)]
    x = np.array([[6, 5, 4, 3, 2, 1], [1, 2, 3, 0, 0, 4], [0, 0, 1, 0, 0, 2]], np.float32)
    with h5py.File(folder / "lists.h5", "w") as file:
        file["/customer/key"] = np.array([1, 3, 4], np.uint64)
        file["/item/key"] = np.array(keys)
        file["/list/item"] = np.argsort(-x, axis=1, kind="stable")[:, :5].astype(np.int32)
        file["/vector"] = x
    item = {"vocabulary": "catalogue", "table": "t"}
    bundle_writer.write_bundle(folder / "model", {"item": item}, {
        "t": np.vstack([np.zeros(6), np.eye(6)[::-1]]).astype(np.float32)},
        {"catalogue": [b""] + keys[::-1]})
    (folder / "config.json").write_text(json.dumps({"input": {"model": str(folder / "model")}}))
    return folder


def test_intervals(tmp_path, out):
    folder = make_run(tmp_path / "run", out)
    mine = ranking_intervals.Run(folder, out / "truth.h5", "listen")
    assert mine.places().tolist() == [2, 2, 0]
    assert mine.places_among(np.load(out / "negatives.npy")).tolist() == [1, 2, 0]
    done = run("ranking_intervals.py", "--run", folder, "--run", folder, "--modality", "listen",
               "--truth", out / "truth.h5", "--at", "1,3", "--negatives", out / "negatives.npy")
    assert done.returncode == 0, done.stderr
    rows = {tuple(line.split()[:3]): list(map(float, line.split()[3:]))
            for line in done.stdout.splitlines()[1:]}
    assert rows["lists", "run", "HR@1"] == pytest.approx([1 / 3, 0, 1], abs=1e-6)
    assert rows["lists", "run", "NDCG@3"][0] == pytest.approx(2 / 3, abs=1e-6)
    assert rows["negatives", "difference", "NDCG@3"] == [0, 0, 0]


def test_lists_that_are_too_short(tmp_path, out):
    folder = make_run(tmp_path / "run", out)
    done = run("ranking_intervals.py", "--run", folder, "--modality", "listen",
               "--truth", out / "truth.h5", "--at", "6")
    assert done.returncode == 3 and "the lists are shorter" in done.stderr


# ---- the local copy ------------------------------------------------------------------------------

needs_data = pytest.mark.skipif(not LASTFM.exists(), reason="shared/data/lastfm is absent")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    done = run("prepare_lastfm.py", "--raw", LASTFM, "--out", folder)
    assert done.returncode == 0, done.stderr
    assert "1090 users, 3646 items, 52551 events, 388 tags" in done.stdout
    with h5py.File(folder / "customers.h5") as past, h5py.File(folder / "truth.h5") as truth:
        offset = past["/timeline/listen/offset"][:].astype(np.int64)
        return offset, past["/timeline/listen/item"][:], truth["/timeline/listen/item"][:], \
            np.load(folder / "negatives.npy").astype(np.int64)


@needs_data
def test_popularity_over_the_catalogue(real):
    offset, item, target, _ = real
    golden = json.loads((LASTFM / "golden/metrics.json").read_text())
    for name, counted in (("train_only", item), ("all_events", np.append(item, target))):
        order = np.argsort(-np.bincount(counted, minlength=3646), kind="stable")
        place = []
        for u, wanted in enumerate(target):
            seen = np.isin(order, item[offset[u]:offset[u + 1]])
            place.append(np.flatnonzero(order[~seen] == wanted)[0])
        found = ranking_intervals.measures(np.array(place), [5, 10, 20])
        expected = golden[f"popularity_{name}_ties_lower_id"]
        for measure, values in found.items():
            assert values.mean() == pytest.approx(expected[measure], abs=1e-12), (name, measure)


@needs_data
def test_popularity_among_the_negatives(real):
    _, item, target, negatives = real
    golden = json.loads((LASTFM / "golden/popularity_sampled99.json").read_text())
    count = np.bincount(np.append(item, target), minlength=3646)
    place = (count[negatives] > count[target][:, None]).sum(axis=1)
    found = {k: v.mean() for k, v in ranking_intervals.measures(place, [1, 5, 10]).items()}
    assert found == pytest.approx({k: golden["all_events_ties_better"][k] for k in found})
    assert [round(found[k], 4) for k in ("HR@1", "HR@5", "NDCG@5")] == [0.0725, 0.1982, 0.1350]
