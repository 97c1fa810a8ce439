# SPDX-License-Identifier: Apache-2.0
"""scripts/prepare_open_bandit.py, prepare_coat.py and logged_values.py on files made here, refusals
by name, and the estimators against golden values where the local copies of the data are.
Run by ctest as `python3 -m pytest tests/scripts/test_logged.py`."""
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("BR_TEST_DATA", ROOT.parent / "shared/data"))
sys.path.insert(0, str(ROOT / "scripts"))
import logged_values  # noqa: E402
import prepare_coat  # noqa: E402
import prepare_open_bandit as bandit  # noqa: E402

HEADER = ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1," \
         "user_feature_2,user_feature_3,user-item_affinity_0,user-item_affinity_1," \
         "user-item_affinity_2\n"
ROWS = """0,2019-11-24 10:00:00.5+00:00,2,1,0,0.5,a,b,c,d,0.0,2.0,1.0
1,2019-11-24 09:00:00.5+00:00,0,3,1,0.25,a,x,c,d,0.0,0.0,0.0
2,2019-11-30 09:00:00.5+00:00,1,2,1,0.25,e,b,c,d,3.0,0.0,0.0
"""


def run(script, *arguments):
    return subprocess.run([sys.executable, str(ROOT / "scripts" / script), *map(str, arguments)],
                          capture_output=True, text=True, timeout=300)


def make_bandit(folder, rows=ROWS, header=HEADER):
    folder.mkdir(exist_ok=True)
    for name in bandit.LOGS:
        (folder / f"{name}.csv").write_text(header + rows)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bandit")
    done = run("prepare_open_bandit.py", "--raw", make_bandit(folder / "raw"), "--out",
               folder / "out")
    assert done.returncode == 0, done.stderr
    assert "bts: 3 impressions, 2 clicks" in done.stdout
    return folder / "out"


def test_impressions_are_customers_in_the_order_of_time(out):
    with h5py.File(out / "bts-all/customers.h5") as file, \
         h5py.File(out / "bts-all/labels.h5") as labels:
        assert file["/customer/key"][:].tolist() == [b"bts-0", b"bts-1", b"bts-2"]
        assert (file["/customer/key"][:] == labels["/customer/key"][:]).all()
        affinity = file["/timeline/affinity"]
        assert affinity["offset"][:].tolist() == [0, 0, 2, 3]
        assert affinity["item"][:].tolist() == [2, 1, 0]  # the strongest last
        assert affinity["time"][:].tolist() == [0, 1, 0]
        assert file["/static/place"][:].tolist() == [2, 0, 1]
        assert file["/static_key/user_feature_1"][:].tolist() == [b"b", b"x"]
        assert file["/static/user_feature_1"][:].tolist() == [1, 0, 0]
        log = labels["/extra/log"]
        assert log["offset"][:].tolist() == [0, 1, 2, 3] and log["item"][:].tolist() == [0, 2, 1]
        assert log["reward"][:].tolist() == [1, 0, 1]
        np.testing.assert_allclose(np.exp(log["log_propensity"][:]), [0.25, 0.5, 0.25], rtol=1e-6)
        assert labels["/timeline/click/offset"][:].tolist() == [0, 1, 1, 2]
        assert labels["/timeline/click/item"][:].tolist() == [0, 1]


def test_parts_are_days(out):
    for part, n in (("before", 2), ("after", 1), ("all", 3)):
        with h5py.File(out / f"random-{part}/labels.h5") as file:
            assert len(file["/customer/key"]) == n and file["/extra/log/offset"][-1] == n


@pytest.mark.parametrize("change,message", [
    ({"rows": ROWS.replace(",0.5,a", ",0,a")}, "row 2: expected propensity_score in (0, 1]"),
    ({"rows": ROWS.replace("0,2,1,0,", "0,7,1,0,").replace("00:00,2,1", "00:00,7,1")},
     "row 2: expected item_id below 3"),
    ({"rows": ROWS.replace(",3,1,0.25", ",3,2,0.25")}, "row 3: expected click 0 or 1"),
    ({"header": HEADER.replace("click", "clock")}, "column click is not there"),
    ({"rows": ROWS.replace(",0.5,a", ",half,a")}, "column propensity_score: found 'half'"),
])
def test_broken_logs_are_named(tmp_path, change, message):
    done = run("prepare_open_bandit.py", "--raw", make_bandit(tmp_path / "raw", **change), "--out",
               tmp_path / "out")
    assert done.returncode == 3 and message in done.stderr, done.stderr
    assert not (tmp_path / "out").exists()


# ---- coat ----------------------------------------------------------------------------------------

COAT = {"train.ascii": "5 0 2\n0 3 4\n", "test.ascii": "1 4 0\n2 0 3\n",
        "propensities.ascii": "0.5 0.1 0.2\n0.1 0.4 0.5\n",
        "user_features.ascii": "1 0 0 1\n0 1 0 0\n", "item_features.ascii": "1 0\n0 1\n1 0\n",
        "user_features_map.txt": "gender:men\ngender:women\nage:20-30\nage:over 60\n",
        "item_features_map.txt": "color:red\ncolor:blue\n"}


def make_coat(folder, **change):
    folder.mkdir(exist_ok=True)
    for name, text in {**COAT, **change}.items():
        (folder / name).write_text(text)
    return folder


def test_coat(tmp_path):
    done = run("prepare_coat.py", "--raw", make_coat(tmp_path / "raw"), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "2 shoppers, 3 coats, 4 self-selected ratings, 2 random ones" in done.stdout
    with h5py.File(tmp_path / "out/learn/labels.h5") as file:
        log = file["/extra/log"]
        assert log["offset"][:].tolist() == [0, 2, 4] and log["item"][:].tolist() == [0, 2, 1, 2]
        assert log["reward"][:].tolist() == [1, 0, 0, 1]
        np.testing.assert_allclose(np.exp(log["log_propensity"][:]), [.25, .1, .2, .25], rtol=1e-6)
        assert file["/timeline/like/item"][:].tolist() == [0, 2]
    found = []
    for part in ("choose", "random"):  # the random ratings of coats not chosen, one in each here
        with h5py.File(tmp_path / f"out/{part}/labels.h5") as file:
            log = file["/extra/log"]
            user = np.repeat([0, 1], np.diff(log["offset"][:].astype(int)))
            found += zip(user.tolist(), log["item"][:].tolist(), log["reward"][:].tolist())
            np.testing.assert_allclose(np.exp(log["log_propensity"][:]), 1 / 3, rtol=1e-6)
    assert sorted(found) == [(0, 1, 4), (1, 0, 2)]
    with h5py.File(tmp_path / "out/random/customers.h5") as file:
        assert file["/static/age"][:].tolist() == [1, -1]
        assert file["/timeline/rated/offset"][:].tolist() == [0, 0, 0]
    with h5py.File(tmp_path / "out/catalogue.h5") as file:
        assert file["/item/group/color"][:].tolist() == [0, 1, 0]


@pytest.mark.parametrize("change,message", [
    ({"train.ascii": "5 0 2\n0 3\n"}, "not all of one length"),
    ({"test.ascii": "1 4 0\n2 0 6\n"}, "a rating that is not 0 to 5"),
    ({"propensities.ascii": "0.5 0.1 0.2\n0.1 0 0.5\n"}, "expected numbers in (0, 1]"),
    ({"item_features.ascii": "1 0\n0 1\n"}, "item_features.ascii: found (2, 2)"),
    ({"item_features_map.txt": "color:red\n"}, "a name per column"),
    ({"test.ascii": "1 4 x\n2 0 3\n"}, "test.ascii"),
])
def test_broken_tables_are_named(tmp_path, change, message):
    done = run("prepare_coat.py", "--raw", make_coat(tmp_path / "raw", **change), "--out",
               tmp_path / "out")
    assert done.returncode == 3 and message in done.stderr, done.stderr


# ---- values --------------------------------------------------------------------------------------

def test_estimates_by_hand():
    weight, reward = np.array([2.0, 0.5, 1.0]), np.array([1.0, 0.0, 1.0])
    found = logged_values.estimates(weight, reward, np.array([.5, .25, .5]), np.full(3, .4), 1.5)
    assert {name: value for name, (value, _) in found.items()} == pytest.approx({
        "ips": 1, "clipped": 2.5 / 3, "snips": 3 / 3.5, "dm": 0.4,
        "dr": 0.4 + (2 * .5 - .5 * .25 + .5) / 3})
    assert logged_values.item_rewards(np.array([0, 2, 2]), reward, 3, 1).tolist() == [
        2 / 201, 1 / 200, 2 / 202]


def make_run(folder, labels, score_UN):
    folder.mkdir()
    with h5py.File(labels) as file, h5py.File(folder / "lists.h5", "w") as out:
        out["/customer/key"] = file["/customer/key"][:][::-1]
        out["/item/key"] = np.array([b"0", b"1", b"2"])
        order = np.argsort(-score_UN, axis=1, kind="stable")[::-1]
        out["/list/item"] = order.astype(np.int32)
        out["/list/score"] = np.take_along_axis(score_UN[::-1], order, axis=1)
        out["/list/source"] = np.ones(order.shape, np.uint8)
    return folder


def test_a_run_is_valued_and_compared(tmp_path, out):
    labels = out / "bts-all/labels.h5"
    score = np.log(np.array([[.5, .25, .25], [.2, .2, .6], [.1, .8, .1]], np.float32))
    runs = [make_run(tmp_path / "flat", labels, np.zeros((3, 3), np.float32)),
            make_run(tmp_path / "sharp", labels, score)]
    done = run("logged_values.py", "--labels", labels, "--run", runs[0], "--run", runs[1])
    assert done.returncode == 0, done.stderr
    value = [float(line.split()[1]) for line in done.stdout.splitlines() if "  ips " in line]
    assert value == pytest.approx([(4 / 3 + 4 / 3) / 3, (.5 * 4 + .8 * 4) / 3], abs=1e-6)
    done = run("logged_values.py", "--labels", labels)
    assert done.returncode == 0 and "uniform" in done.stdout
    with h5py.File(runs[1] / "lists.h5", "a") as file:
        file["/list/source"][0, 0] = 2
    done = run("logged_values.py", "--labels", labels, "--run", runs[1])
    assert done.returncode == 3 and "list.fallback none" in done.stderr


def test_preference():
    log = {"customer": np.array([0, 0, 0, 1, 1]), "item": np.array([0, 1, 2, 0, 1]),
           "reward": np.array([5, 1, 4, 1, 1])}
    found = logged_values.preference(np.array([[3.0, 2, 1], [1, 2, 3]]), log, 4)
    assert found[0] == 0.5 and np.isnan(found[1])


# ---- the local copies ----------------------------------------------------------------------------

@pytest.mark.skipif(not (DATA / "open-bandit-men").exists(), reason="no local open-bandit-men")
@pytest.mark.parametrize("source,target", [("random", "bts_prior"), ("bts", "random"),
                                           ("random", "random")])
def test_estimators_against_golden(source, target):
    golden = json.loads((DATA / "open-bandit-men/golden/golden.json").read_text())
    golden = golden[f"{target}_from_{source}_log"]
    log = bandit.read_log(DATA / "open-bandit-men", source)
    with open(DATA / "open-bandit-men/golden/bts_policy.csv", newline="") as file:
        table = np.array([[float(row[f"p_place{p}"]) for p in (1, 2, 3)]
                          for row in csv.DictReader(file)])
    pi_NP = np.full((34, 3), 1 / 34) if target == "random" else table
    place = log["place"] - 1
    q_NP = logged_values.item_rewards(log["item"] * 3 + place, log["click"], 102, 1).reshape(34, 3)
    weight = pi_NP[log["item"], place] / log["p"]
    found = logged_values.estimates(weight, log["click"], q_NP[log["item"], place],
                                    (pi_NP * q_NP).sum(axis=0)[place], 10)
    for name, key in (("ips", "ips"), ("snips", "snips"), ("clipped", "cips_10"), ("dm", "dm"),
                      ("dr", "dr")):
        value, row = found[name]
        assert value == pytest.approx(golden[key]["value"], rel=1e-9), name
        assert logged_values.error_of(row) == pytest.approx(golden[key]["se"], rel=1e-6), name
    assert weight.sum() ** 2 / (weight ** 2).sum() == pytest.approx(golden["ess"], rel=1e-9)


@pytest.mark.skipif(not (DATA / "coat").exists(), reason="no local coat")
def test_coat_estimates_against_golden():
    golden = json.loads((DATA / "coat/golden/estimates.json").read_text())["estimates"]["rating"]
    raw = prepare_coat.read_all(DATA / "coat")
    user, item = np.nonzero(raw["train"])
    p = raw["propensities"] / (raw["train"] > 0).sum(axis=1, keepdims=True)
    reward = raw["train"][user, item]
    found = logged_values.estimates(1 / 300 / p[user, item], reward, 0, 0 * reward, 10)
    assert found["ips"][0] == pytest.approx(golden["ips"], rel=1e-9)
    assert found["snips"][0] == pytest.approx(golden["snips"], rel=1e-9)
    assert reward.mean() == pytest.approx(golden["naive"])
    assert raw["test"][raw["test"] > 0].mean() == pytest.approx(golden["random_test_truth"])
