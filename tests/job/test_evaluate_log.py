#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""evaluate --log: every number against a NumPy computation of its own on a random log, what is left
out, refusals and exit codes, ways to give a target, and the bad-input catalogue: file, dataset and
row are in each message."""
import json
import shutil
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

from job_files import call, open_file, run

USAGE, INPUT, SYSTEM, WARNED = 2, 3, 4, 10
SEED, LISTS, LONGEST = 20261128, 600, 4
ESTIMATORS = ("ips", "snips", "clipped", "dm", "dr", "sndr")


def make_world():
    """Columns of a log of lists of 1 to 4 rows and of a target, by row or list."""
    rng = np.random.default_rng(SEED)
    length = rng.integers(1, LONGEST + 1, LISTS)
    first = np.concatenate([[0], np.cumsum(length)])
    n = first[-1]
    number = np.repeat(rng.permutation(LISTS), length)  # not ascending
    position = np.arange(n) - np.repeat(first[:-1], length) + 1
    ratio = rng.lognormal(-0.045, 0.3, n) / 0.95  # of mean 1, with the zeros
    ratio[rng.random(n) < 0.05] = 0
    p = rng.uniform(0.02, 0.4, n)
    return {"first": first, "list": number, "position": position, "p": p, "pi": p * ratio,
            "reward": rng.gamma(1, 3, n) * (rng.random(n) < 0.3), "model": rng.gamma(1, 1, n),
            "value": rng.gamma(4, 1, LISTS),
            "stratum": np.repeat(rng.integers(-1, 2, LISTS), length),
            "arm": np.repeat(rng.integers(0, 2, LISTS), length)}


def write_world(path, w, dtype=np.float64):
    n = w["p"].size
    with open_file(path, "log") as f, np.errstate(divide="ignore"):
        f["/shown/customer"] = np.char.add("c", w["list"].astype(str)).astype("S")
        f["/shown/item"] = (np.arange(n) * 7).astype(np.uint64)
        f["/shown/list"] = w["list"].astype(np.uint64)
        f["/shown/position"] = w["position"].astype(np.int32)
        f["/shown/log_propensity"] = np.log(w["p"]).astype(dtype)
        f["/shown/reward"] = w["reward"].astype(dtype)
        f["/shown/stratum"] = w["stratum"].astype(np.int32)
        f["/stratum/key"] = np.array([b"new", b"old"])
        f["/shown/arm"] = w["arm"].astype(np.int32)
        f["/target/b/log_probability"] = np.log(w["pi"]).astype(dtype)
        f["/target/b/reward"] = w["model"].astype(dtype)
        f["/target/b/value"] = w["value"].astype(dtype)
        f["/extra/note"] = np.int64(1)


def weights(w, form):
    ratio = w["pi"] / w["p"]
    out = []
    for a, b in zip(w["first"], w["first"][1:]):
        up_to = np.cumprod(ratio[a:b])
        out.append({"slot": ratio[a:b], "cascade": up_to, "list": np.full(b - a, up_to[-1])}[form])
    return np.concatenate(out)


def expected(w, form, keep, rows, clip=10.0):
    """What the card of estimate.h says, by loops over lists; keep [lists], rows [rows]."""
    weight, part = weights(w, form), []
    for i in np.flatnonzero(keep):
        r = np.arange(w["first"][i], w["first"][i + 1])
        r = r[rows[r]]
        if r.size:
            one = form == "list"
            part.append((weight[r[0]] if one else weight[r].sum(), 1 if one else r.size,
                         w["reward"][r].sum(), (weight[r] * w["reward"][r]).sum(),
                         (np.minimum(weight[r], clip) * w["reward"][r]).sum(),
                         (weight[r] * w["model"][r]).sum(), w["value"][i]))
    b, slots, reward, earned, clipped, model, value = np.array(part).T
    n = b.size
    spread = slots.mean() / b.mean()

    def ratio_rows(top):
        theta = top.mean() / b.mean()
        return spread * (top - theta * b) + theta * slots

    added = {"ips": earned, "clipped": clipped, "dm": value, "dr": value + earned - model,
             "snips": ratio_rows(earned), "sndr": value + ratio_rows(earned - model)}
    point = {**{e: a.mean() for e, a in added.items()}, "snips": spread * earned.mean(),
             "sndr": value.mean() + spread * (earned - model).mean()}
    return {"estimates": {e: (point[e], added[e].std(ddof=1) / np.sqrt(n)) for e in ESTIMATORS},
            "logged": (reward.mean(), reward.std(ddof=1) / np.sqrt(n)), "lists": n,
            "ess": b.sum() ** 2 / (b ** 2).sum(), "mean_weight": b.sum() / slots.sum(),
            "max_share": b.max() / b.sum()}


def same(found, want, names, tolerance):
    for name in ("ess", "mean_weight", "max_share", "lists"):
        np.testing.assert_allclose(found["support"][name], want[name], rtol=tolerance)
    np.testing.assert_allclose([found["logged"]["value"], found["logged"]["se"]], want["logged"],
                               rtol=tolerance)
    assert set(found["estimates"]) == set(names), found["estimates"]
    for name in names:
        e, (value, se) = found["estimates"][name], want["estimates"][name]
        np.testing.assert_allclose([e["value"], e["se"]], [value, se], rtol=tolerance, err_msg=name)
        np.testing.assert_allclose([e["low"], e["high"]], [value - 1.959963984540054 * se,
                                                           value + 1.959963984540054 * se],
                                   rtol=1e-5, atol=1e-9)


def evaluate(*words, expect=0, **kw):
    return json.loads(run("evaluate", *words, "--json", expect=expect, **kw))


def test_against_numpy(folder):
    w = make_world()
    every = np.ones(w["p"].size, bool)
    for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 3e-6)):
        write_world(folder / "log.h5", w, dtype)
        found = evaluate("--log", folder / "log.h5", "--by-stratum", "--min-ess", 10)["findings"]
        assert len(found) == 3 * (1 + LONGEST + 2)
        for f in found:
            keep, rows = np.ones(LISTS, bool), every
            if "position" in f:
                rows = w["position"] == f["position"]
            if "stratum" in f:
                keep = w["stratum"][w["first"][:-1]] == ["new", "old"].index(f["stratum"])
            names = ESTIMATORS[:3] if "position" in f else ESTIMATORS
            same(f, expected(w, f["form"], keep, rows), names, tolerance)
    assert [f["form"] for f in found[::7]] == ["slot", "cascade", "list"]


def test_left_out(folder):
    w = make_world()
    write_world(folder / "log.h5", w)
    keep = w["arm"][w["first"][:-1]] == 1
    touched = np.flatnonzero(keep)[:30]
    with h5py.File(folder / "log.h5", "a") as f:
        f["/shown/log_propensity"][w["first"][touched[:10] + 1] - 1] = np.nan
        flagged = np.zeros(w["p"].size, np.uint8)
        flagged[w["first"][touched[10:]]] = 1
        f["/shown/flagged"] = flagged
    keep[touched] = False
    found = evaluate("--log", folder / "log.h5", "--arm", 1, "--form", "cascade", "--clip", 1.2)
    assert found["left_out"] == {"unknown_propensity": 10, "flagged": 20,
                                 "other_arm": int((w["arm"][w["first"][:-1]] == 0).sum())}
    assert found["lists"] == keep.sum()
    same(found["findings"][0], expected(w, "cascade", keep, np.ones(w["p"].size, bool), 1.2),
         ESTIMATORS, 1e-10)
    text = run("evaluate", "--log", folder / "log.h5", "--arm", 1)
    assert f"left out: {LISTS - keep.sum()} lists (10 with an unknown propensity, 20 fl" in text


def test_targets_from_files(folder):
    w = make_world()
    write_world(folder / "log.h5", w)
    with np.errstate(divide="ignore"):
        log_pi = np.log(w["pi"])
    np.save(folder / "pi.npy", log_pi)
    with open_file(folder / "pi.h5", "target") as f:
        f["log_probability"] = log_pi
        f["reward"], f["value"] = w["model"], w["value"]
    words = ("--log", "log.h5", "--target", "b", "--target", "pi.h5", "--target", "pi.npy",
             "--form", "slot")
    found = evaluate(*words, cwd=folder)["findings"]
    named, h5, npy = (found[i]["estimates"] for i in (0, 5, 10))
    assert named == h5 and list(npy) == ["ips", "snips", "clipped"]
    assert all(npy[e] == named[e] for e in npy)
    text = run("evaluate", *words, cwd=folder)
    assert "target pi.npy, slot: " in text and f"{named['snips']['value']:.7g}" in text


def test_refused(folder):
    w = make_world()
    write_world(folder / "log.h5", w)
    code, out, err = call("evaluate", "--log", folder / "log.h5", "--min-ess", 590)
    assert code == WARNED and "refused for thin support" in err, err
    assert "ips      refused: too few effective lists" in out, out
    assert f"{w['value'].mean():.7g}" in out
    found = evaluate("--log", folder / "log.h5", "--min-ess", 590, expect=WARNED)
    assert found["findings"][0]["estimates"]["ips"] == {"refused": "too few effective lists"}
    assert found["refused"] > 0 and found["warned"] == 0
    found = evaluate("--log", folder / "log.h5", "--max-share", 0.001, expect=WARNED)
    assert found["findings"][0]["estimates"]["dr"] == {"refused": "one list weighs too much"}
    with h5py.File(folder / "log.h5", "a") as f:  # the target shows what the log could not
        f["/target/b/log_probability"][:] = f["/target/b/log_probability"][:] - 0.3
    code, out, err = call("evaluate", "--log", folder / "log.h5")
    assert code == WARNED and "warned: the mean weight is far from 1" in out, out
    assert "0 numbers refused" in err and "3 mean weights far from 1" in err, err


def test_resampling_is_seeded(folder):
    write_world(folder / "log.h5", make_world())
    words = ("--log", folder / "log.h5", "--form", "slot", "--bootstrap", 500)
    one, two, three = (evaluate(*words, "--seed", s)["findings"] for s in (1, 1, 2))
    assert one == two and one != three
    ips = one[0]["estimates"]["ips"]
    assert abs(ips["boot_low"] - ips["low"]) < ips["se"] / 2
    assert "boot_low" not in one[1]["estimates"]["ips"]
    assert "over resampled lists" in run("evaluate", *words)


# ---- the bad-input catalogue ---------------------------------------------------------------------

def put(path, index, value):
    def change(f):
        column = f[path][:]
        column[index] = value
        del f[path]
        f[path] = column
    return change


def swap(path, change):
    def replace(f):
        column = f[path][:]
        del f[path]
        f[path] = change(column)
    return replace


def drop(path):
    def change(f):
        del f[path]
    return change


def swap_rows(f):
    """Two lists' rows into each other, positions still 1, 2 at the places they fall on."""
    number = f["/shown/list"][:]
    number[:4] = [900, 901, 900, 901]
    position = f["/shown/position"][:]
    position[:4] = 1
    del f["/shown/list"], f["/shown/position"]
    f["/shown/list"], f["/shown/position"] = number, position


BAD = [
    (drop("/shown/reward"), INPUT, "/shown/reward"),
    (drop("/shown/customer"), INPUT, "/shown/customer"),
    (drop("/shown/item"), INPUT, "/shown/item"),
    (drop("/shown/position"), INPUT, "/shown/position"),
    (drop("/shown/log_propensity"), INPUT, "/shown/log_propensity"),
    (drop("/shown"), INPUT, "/shown"),
    (drop("/target"), USAGE, "--target is required"),
    (drop("/target/b/log_probability"), INPUT, "/target/b/log_probability"),
    (drop("/target/b/value"), INPUT, "/target/b/reward is there without /target/b/value"),
    (drop("/stratum"), INPUT, "/stratum"),
    (swap("/shown/reward", lambda x: x[:-1]), INPUT, "/shown/reward: ", "one per row of "),
    (swap("/target/b/log_probability", lambda x: x[1:]), INPUT, "/target/b/log_probability: "),
    (swap("/target/b/value", lambda x: x[1:]), INPUT, "/target/b/value: 599 rows; expected 600"),
    (swap("/shown/item", lambda x: x[1:]), INPUT, "/shown/item: "),
    (swap("/shown/reward", lambda x: x.astype(np.int32)), INPUT, "i32; expected f32 or f64"),
    (swap("/shown/position", lambda x: x.astype(np.int64)), INPUT, "i64; expected i32"),
    (swap("/shown/list", lambda x: x.astype(np.int32)), INPUT, "/shown/list: type is i32"),
    (swap("/shown/position", lambda x: x[:0]), INPUT, "/shown/position"),
    (put("/shown/position", 9, 4), INPUT, "/shown/position: row 9: found 4, expected "),
    (put("/shown/position", 0, 2), INPUT, "/shown/position: row 0: found 2, expected 1"),
    (put("/shown/position", 7, 0), INPUT, "/shown/position: row 7: found 0, expected 1 to 1024"),
    (put("/shown/position", 7, 1025), INPUT, "row 7: found 1025"),
    (swap_rows, INPUT, "/shown/list: row 2: list 900 begins again, first at row 0"),
    (put("/shown/log_propensity", 11, 0.1), INPUT, "/shown/log_propensity: row 11: found 0.1"),
    (put("/shown/log_propensity", 11, -np.inf), INPUT, "/shown/log_propensity: row 11: found -inf"),
    (put("/shown/log_propensity", slice(None), np.nan), INPUT, "no list is left of 600"),
    (put("/shown/reward", 5, np.nan), INPUT, "/shown/reward: row 5: found", "nan"),
    (put("/shown/reward", 5, np.inf), INPUT, "/shown/reward: row 5: found inf"),
    (put("/target/b/log_probability", 3, np.nan), INPUT, "b/log_probability: row 3: found", "nan"),
    (put("/target/b/log_probability", 3, 0.5), INPUT, "b/log_probability: row 3: found 0.5"),
    (put("/target/b/reward", 4, np.inf), INPUT, "/target/b/reward: row 4: found inf"),
    (put("/target/b/value", 6, np.nan), INPUT, "/target/b/value: row 6: found", "nan"),
    (put("/shown/stratum", slice(None), 2), INPUT, "/shown/stratum: row 0: found 2"),
    (swap("/shown/flagged", None), INPUT, "/shown/flagged"),
]


def break_second_rows(f, path, value):
    """A row at position 2 that differs from the one above it; returns its number."""
    row = int(np.flatnonzero(f["/shown/position"][:] == 2)[0])
    put(path, row, value if value is not None else f[path][row - 1])(f)
    return row


def test_bad_inputs(folder):
    write_world(folder / "good.h5", make_world())
    for i, (change, code, *says) in enumerate(BAD):
        path = folder / f"bad-{i}.h5"
        shutil.copy(folder / "good.h5", path)
        with h5py.File(path, "a") as f:
            if says == ["/shown/flagged"]:
                f["/shown/flagged"] = np.zeros(3, np.uint8)
            else:
                change(f)
        found, out, err = call("evaluate", "--log", path)
        assert found == code and out == "", f"{says}: exit {found}\n{out}\n{err}"
        assert all(s in err for s in [path.name, *says]), f"expected {says} in: {err}"
    for path, value, says in (("/shown/customer", b"c-else", "'c-else', expected the customer"),
                              ("/shown/item", None, "is in the list already, at row"),
                              ("/shown/arm", 7, "found 7, expected"),
                              ("/shown/stratum", 5, "found 5, expected"),
                              ("/shown/customer", b"", "empty key")):
        bad = folder / "row.h5"
        shutil.copy(folder / "good.h5", bad)
        with h5py.File(bad, "a") as f:
            row = break_second_rows(f, path, value)
        found, out, err = call("evaluate", "--log", bad)
        assert found == INPUT and out == "" and says in err, err
        assert f"row.h5: {path}: row {row}: " in err, err


def test_bad_words(folder):
    w = make_world()
    write_world(folder / "log.h5", w)
    (folder / "text.npy").write_text("no array")
    np.save(folder / "short.npy", np.zeros(3))
    np.save(folder / "whole.npy", np.zeros(w["p"].size, np.int32))
    np.save(folder / "above.npy", np.full(w["p"].size, 0.2))
    with open_file(folder / "bare.h5", "target"):
        pass
    with open_file(folder / "other.h5", "catalogue"):
        pass
    with open_file(folder / "odd.h5", "log") as f:
        f["/shwon/reward"] = np.zeros(3)
    for words, code, says in (
            (("--log", "none.h5"), SYSTEM, "none.h5"),
            (("--log", "other.h5"), INPUT, "batchrank-log"),
            (("--log", "odd.h5"), INPUT, "odd.h5"),
            (("--log", "log.h5", "--target", "c"), INPUT, "/target/c is missing"),
            (("--log", "log.h5", "--target", "text.npy"), INPUT, "text.npy"),
            (("--log", "log.h5", "--target", "short.npy"), INPUT, "short.npy: found 3 rows"),
            (("--log", "log.h5", "--target", "whole.npy"), INPUT, "whole.npy: found dtype '<i4'"),
            (("--log", "log.h5", "--target", "above.npy"), INPUT, "above.npy: row 0: found 0.2"),
            (("--log", "log.h5", "--target", "bare.h5"), INPUT, "bare.h5: /log_probability"),
            (("--log", "log.h5", "--target", "other.h5"), INPUT, "batchrank-target"),
            (("--log", "log.h5", "--form", "slate"), USAGE, "--form: found 'slate'"),
            (("--log", "log.h5", "--clip", "0"), USAGE, "--clip"),
            (("--log", "log.h5", "--max-share", "2"), USAGE, "--max-share"),
            (("--log", "log.h5", "--arm", "9"), INPUT, "left of 600: 600 of another arm"),
            (("--log", "log.h5", "--truth", "t.h5"), USAGE, "unknown argument '--truth'"),
            (("--log",), USAGE, "--log needs a value")):
        found, out, err = call("evaluate", *words, cwd=folder)
        assert found == code and says in err and out == "", f"{words}: exit {found}\n{out}\n{err}"
    with h5py.File(folder / "log.h5", "a") as f:
        del f["/shown/stratum"], f["/stratum"], f["/shown/arm"]
    for words, says in ((("--by-stratum",), "/shown/stratum is missing"),
                        (("--arm", "1"), "/shown/arm is missing")):
        found, _, err = call("evaluate", "--log", "log.h5", *words, cwd=folder)
        assert found == INPUT and says in err, err


def test_help(folder):
    for words in (("evaluate", "--help"), ("evaluate", "--log", "--help"), ("help", "evaluate")):
        text = run(*words)
        assert "--bootstrap" in text and "--max-share" in text and "docs/EVALUATE.md" in text
    assert "--truth" in run("evaluate", "--help")


def main():
    print(f"seed {SEED}")
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            with tempfile.TemporaryDirectory(prefix="batchrank-evaluate-log-") as folder:
                test(Path(folder))
            print(f"ok {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
