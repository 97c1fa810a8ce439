# SPDX-License-Identifier: Apache-2.0
"""scripts/prepare_log.py and open_bandit_log.py on tables made here, as `evaluate --log` reads
them, and refusals by file, line and column.
Run by ctest as `python3 -m pytest tests/scripts/test_prepare_log.py`."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

ROOT = Path(__file__).resolve().parents[2]
BATCHRANK = os.environ.get("BATCHRANK", str(ROOT / "build/cpu/batchrank"))

SHOWN = """run,list,customer,item,position,propensity,arm,stratum,target.b,model.b,value.b
7,L2,ann,x,2,0.25,1,north,0.5,0.1,0.4
7,L1,bob,x,1,0.5,0,,0.25,0.2,0.3
7,L2,ann,y,1,0.5,1,north,0.5,0.3,0.4
7,L1,bob,z,2,,0,,0,0.2,0.3
"""
CLICKS = "customer,item,reward\nann,x,1\nann,x,0.5\nbob,x,2\ncat,x,9\n"


def run(script, *arguments):
    return subprocess.run([sys.executable, "-B", str(ROOT / "scripts" / script),
                           *map(str, arguments)], capture_output=True, text=True, timeout=300)


def prepare(folder, shown=SHOWN, clicks=CLICKS, *more):
    (folder / "shown.csv").write_text(shown)
    words = ["--csv", folder / "shown.csv", "--out", folder / "log.h5", *more]
    if clicks is not None:
        (folder / "clicks.csv").write_text(clicks)
        words += ["--rewards", folder / "clicks.csv"]
    return run("prepare_log.py", *words)


def evaluate(path, *words):
    done = subprocess.run([BATCHRANK, "evaluate", "--log", str(path), "--json", *words],
                          capture_output=True, text=True)
    assert done.returncode in (0, 10), done.stderr
    return json.loads(done.stdout)


def test_lists_are_put_together(tmp_path):
    done = prepare(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 lists, 4 rows" in done.stdout
    assert "1 of 4 rewards belong to nothing shown" in done.stderr
    with h5py.File(tmp_path / "log.h5") as f:
        shown = f["/shown"]
        assert shown["list"][:].tolist() == [0, 0, 1, 1]
        assert shown["customer"][:].tolist() == [b"ann", b"ann", b"bob", b"bob"]
        assert shown["item"][:].tolist() == [b"y", b"x", b"x", b"z"]
        assert shown["position"][:].tolist() == [1, 2, 1, 2]
        assert shown["reward"][:].tolist() == [0, 1.5, 2, 0]
        assert shown["arm"][:].tolist() == [1, 1, 0, 0]
        assert shown["stratum"][:].tolist() == [0, 0, -1, -1]
        assert f["/stratum/key"][:].tolist() == [b"north"]
        np.testing.assert_allclose(np.exp(shown["log_propensity"][:3]), [.5, .25, .5])
        assert np.isnan(shown["log_propensity"][3])
        np.testing.assert_allclose(np.exp(f["/target/b/log_probability"][:]), [.5, .5, .25, 0])
        assert f["/target/b/reward"][:].tolist() == [.3, .1, .2, .2]
        assert f["/target/b/value"][:].tolist() == [.4, .3]


def test_the_engine_reads_it(tmp_path):
    """Many copies of the list of ann (weights 1 and 2, rewards 0 and 1.5), bob's are left out."""
    rows = SHOWN.splitlines()
    text = "\n".join(rows[:1] + [r.replace("ann", f"ann{i}").replace("bob", f"bob{i}")
                                 .replace("L", f"L{i}-") for i in range(200) for r in rows[1:]])
    clicks = "customer,item,reward\n" + "".join(f"ann{i},x,{1 + i % 2}\n" for i in range(200))
    assert prepare(tmp_path, text + "\n", clicks).returncode == 0
    found = evaluate(tmp_path / "log.h5", "--by-stratum")
    assert found["lists"] == 200 and found["left_out"]["unknown_propensity"] == 200
    value = {f["form"]: f["estimates"]["ips"]["value"] for f in found["findings"]
             if "position" not in f and "stratum" not in f}
    assert value == pytest.approx({"slot": 3, "cascade": 3, "list": 3})
    assert found["findings"][3]["stratum"] == "north"


def test_single_slots_and_other_headers(tmp_path):
    text = "user,item,place,log_propensity,reward,target.b\n" + "".join(
        f"u{i},a,{1 + i % 3},{np.log(.5)},{i % 2},0.25\n" for i in range(300))
    done = prepare(tmp_path, text, None, "--column", "customer=user", "--column", "position=place")
    assert done.returncode == 0, done.stderr
    found = evaluate(tmp_path / "log.h5")
    assert [f.get("position") for f in found["findings"]] == [None, 1, 2, 3]
    assert found["findings"][0]["estimates"]["ips"]["value"] == pytest.approx(0.25)
    assert found["findings"][0]["estimates"]["snips"]["value"] == pytest.approx(0.5)
    assert found["warned"] == 1  # every weight is one half
    other = text.replace("target.b", "p_b", 1)
    done = prepare(tmp_path, other, None, "--column", "customer=user", "--column", "position=place",
                   "--column", "target.b=p_b")
    assert done.returncode == 0, done.stderr
    assert evaluate(tmp_path / "log.h5")["findings"] == found["findings"]
    done = prepare(tmp_path, text, None, "--column", "customer=user", "--column", "arm=group")
    assert done.returncode == 3 and "arm=group: no table has a column 'group'" in done.stderr


@pytest.mark.parametrize("old,new,message", [
    ("ann,x,2,0.25", "ann,x,2,1.25", "shown.csv: line 2, column propensity: found '1.25'"),
    ("ann,x,2,0.25", "ann,x,2,0", "line 2, column propensity: found '0'"),
    ("ann,x,2,0.25", "ann,x,2,nan", "line 2, column propensity: found 'nan'"),
    ("ann,x,2,0.25", "ann,x,2,half", "line 2, column propensity: found 'half', expected a number"),
    ("ann,x,2", "ann,x,3", "line 2, column position: found '3', expected 2"),
    ("ann,x,2", "ann,x,1", "column position: found '1', expected 2"),
    ("ann,x,2", "ann,x,1.5", "line 2, column position: found '1.5', expected a number (int32)"),
    ("ann,x,2", ",x,2", "line 2, column customer: found '', expected a key"),
    ("0.25,1,north", "0.25,x,north", "line 2, column arm: found 'x'"),
    ("0.5,0.1,0.4", "0.5,0.1,0.5", "column value.b: found '0.5', expected 0.4"),
    ("0.5,0.1,0.4", "1.5,0.1,0.4", "line 2, column target.b: found '1.5'"),
    ("0.5,0.1,0.4", "0.5,0.1", "line 2: found 10 columns, expected 11"),
    ("customer,item", "customer,thing", "column item is not there"),
    (",propensity", ",p", "column propensity is not there"),
    ("model.b", "model.c", "column model.b is not there"),
    ("target.b", "target.a/b", "expected a name without '/'"),
    (SHOWN[SHOWN.index("7,L2"):], "", "shown.csv: no rows"),
])
def test_broken_tables_are_named(tmp_path, old, new, message):
    assert old in SHOWN
    done = prepare(tmp_path, SHOWN.replace(old, new, 1))
    assert done.returncode == 3 and message in done.stderr, done.stderr
    assert [p.name for p in tmp_path.iterdir() if ".h5" in p.name] == []


def test_broken_rewards_are_named(tmp_path):
    done = prepare(tmp_path, SHOWN, CLICKS.replace("ann,x,1", "ann,x,nan", 1))
    assert done.returncode == 3 and "clicks.csv: line 2, column reward: found 'nan'" in done.stderr
    twice = SHOWN.replace("7,L1,bob,x,1", "7,L1,ann,x,1").replace("7,L1,bob,z,2", "7,L1,ann,z,2")
    done = prepare(tmp_path, twice)
    assert done.returncode == 3 and "each customer, item once" in done.stderr, done.stderr
    lists = CLICKS.replace("reward\n", "reward,list\n").replace("ann,x,1", "ann,x,1,L1") \
        .replace("0.5", "0.5,L2").replace("bob,x,2", "bob,x,2,L9").replace("x,9", "x,9,L9")
    assert prepare(tmp_path, twice, lists).returncode == 0
    with h5py.File(tmp_path / "log.h5") as f:
        assert f["/shown/reward"][:].tolist() == [0, .5, 1, 0]
    done = prepare(tmp_path, SHOWN, None)
    assert done.returncode == 3 and "column reward is not there" in done.stderr
    assert prepare(tmp_path, SHOWN, CLICKS, "--column", "who=user").returncode == 2


# ---- open bandit ---------------------------------------------------------------------------------

BANDIT = """,timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,\
user_feature_2,user_feature_3,user-item_affinity_0,user-item_affinity_1
0,2019-11-24 10:00:00.5+00:00,1,1,0,0.5,a,b,c,d,0.0,2.0
1,2019-11-24 11:00:00.5+00:00,0,3,1,0.25,a,x,c,d,0.0,0.0
"""
POLICY = "item_id,p_place1,p_place2,p_place3\n1,0.25,0.5,0\n0,0.75,0.5,1\n"


def bandit(folder, policy=POLICY):
    (folder / "bts.csv").write_text(BANDIT)
    (folder / "policy.csv").write_text(policy)
    return run("open_bandit_log.py", "--raw", folder, "--log", "bts", "--policy",
               f"mine={folder / 'policy.csv'}", "--out", folder / "log.h5")


def test_open_bandit(tmp_path):
    done = bandit(tmp_path)
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "log.h5") as f:
        assert "list" not in f["/shown"] and f["/shown/position"][:].tolist() == [1, 3]
        assert f["/shown/item"][:].tolist() == [b"1", b"0"]
        np.testing.assert_allclose(np.exp(f["/shown/log_propensity"][:]), [.5, .25])
        np.testing.assert_allclose(np.exp(f["/target/mine/log_probability"][:]), [.25, 1])
        np.testing.assert_allclose(np.exp(f["/target/uniform/log_probability"][:]), [.5, .5])
        np.testing.assert_allclose(f["/target/mine/reward"][:], [1 / 201, 2 / 201])
        np.testing.assert_allclose(f["/target/mine/value"][:], [.75 / 200 + .25 / 201, 2 / 201])


@pytest.mark.parametrize("old,new,message", [
    ("p_place2", "p_2", "column p_place2 is not there"),
    ("1,0.25", "1,0.5", "the probabilities of a place add up to"),
    ("0,0.75", "2,0.75", "expected each item_id from 0 to 1 once"),
])
def test_broken_policies_are_named(tmp_path, old, new, message):
    done = bandit(tmp_path, POLICY.replace(old, new))
    assert done.returncode == 3 and message in done.stderr, done.stderr
    assert not (tmp_path / "log.h5").exists()
