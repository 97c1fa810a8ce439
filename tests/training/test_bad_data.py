#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Files that are not what they should be: the trainer ends with exit code 3 and one sentence that
names the file, the dataset and the row, before it has learnt or written anything."""
import json
import shutil

import train_case as case

import h5py
import numpy as np
import pytest

import job_files

WEB = case.gru(types=case.N_TYPES, dim=6, hidden=6)
MODEL = {"dim": 8, "fusion": {"type": "gated"}, "item": {"bias": True},
         "modalities": [case.modality("buy", case.decay(dim=8)), case.modality("web", WEB),
                        case.modality("mail", case.gru(dim=4, hidden=4))],
         "static": [{"name": "age", "dim": 2}], "aggregate": ["spend", "visits"],
         "heads": [{"name": "click"}, {"name": "lapse", "type": "survival", "periods": 4,
                                       "period_s": case.PERIOD_S}]}
KEYS = {"data__groups": ["department"], "data__values": ["price"], "data__features": "/extra/text",
        "fit__epochs": 1, "fit__batch": 20, "objective__negatives": 20, "tasks__negatives": 20}
CUSTOMERS, LABELS = (f"snapshots/{case.FIRST}/{name}.h5" for name in ("customers", "labels"))
VALIDATION, CATALOGUE = f"snapshots/{case.SECOND}/labels.h5", "catalogue.h5"
LAST = 1 << 40


def put(name, row, value):
    """One value of a dataset; a row LAST is the last."""
    def change(f):
        column = f[name][:]
        column[min(row, len(column) - 1)] = value
        f[name][...] = column
    return change


def cut(name):
    """The dataset without its last row."""
    def change(f):
        column, attributes = f[name][:-1], dict(f[name].attrs)
        del f[name]
        f[name] = column
        f[name].attrs.update(attributes)
    return change


def gone(name):
    def change(f):
        del f[name]
    return change


def filled(name, value):
    def change(f):
        f[name][...] = value
    return change


def no_vocabulary(f):
    del f["/timeline/mail"].attrs["vocabulary"]


def another_vocabulary(f):
    f["/timeline/buy"].attrs["vocabulary"] = np.bytes_("campaign")
    f["/timeline/buy/item"][...] = 0


def backwards(f):
    offset = f["/timeline/buy/offset"][:].astype(int)
    first = offset[np.flatnonzero(np.diff(offset) > 1)[0]]
    f["/timeline/buy/time"][first + 1] = f["/timeline/buy/time"][first] - 1


def nobody_buys(f):
    f["/timeline/purchase/offset"][...] = 0
    for name in ("item", "time"):
        del f[f"/timeline/purchase/{name}"]
        f[f"/timeline/purchase/{name}"] = np.zeros(0, np.int64)


def swapped(f):
    f["/customer/key"][...] = f["/customer/key"][:][::-1]


def renamed(f):
    f["/aggregate"].attrs["names"] = np.array([b"spend", b"visit", b"points"])


def unnamed(f):
    f.attrs["format"] = np.bytes_("something")


# name: (file, what is done to it, pieces of the message beside the file's name)
BAD = {
    "format": (CUSTOMERS, unnamed, ["format is 'something'", "batchrank-customers"]),
    "format of a catalogue": (CATALOGUE, unnamed, ["expected 'batchrank-catalogue'"]),
    "no keys": (CUSTOMERS, gone("/customer/key"), ["/customer/key is not there"]),
    "no item keys": (CATALOGUE, gone("/item/key"), ["/item/key is not there"]),
    "no timeline": (CUSTOMERS, gone("/timeline/web"), ["/timeline/web is not there"]),
    "no items": (CUSTOMERS, gone("/timeline/web/item"), ["/timeline/web/item is not there"]),
    "no times": (CUSTOMERS, gone("/timeline/web/time"), ["/timeline/web/time is not there"]),
    "no offsets": (CUSTOMERS, gone("/timeline/web/offset"), ["/timeline/web/offset is not there"]),
    "no vocabulary": (CUSTOMERS, no_vocabulary, ["/timeline/mail has no attribute vocabulary"]),
    "another vocabulary": (CUSTOMERS, another_vocabulary, ["/timeline/buy", "'campaign'",
                                                           "'catalogue'"]),
    "no tokens": (CUSTOMERS, gone("/vocabulary/campaign"), ["/vocabulary/campaign/key"]),
    "item below": (CUSTOMERS, put("/timeline/buy/item", 7, -1),
                   ["/timeline/buy/item, row 7: found -1, expected 0 to 39"]),
    "item beyond": (CUSTOMERS, put("/timeline/web/item", 5, 40),
                    ["/timeline/web/item, row 5: found 40, expected 0 to 39"]),
    "token beyond": (CUSTOMERS, put("/timeline/mail/item", 2, 6),
                     ["/timeline/mail/item, row 2: found 6, expected 0 to 5"]),
    "offset down": (CUSTOMERS, put("/timeline/buy/offset", 9, 0), ["/timeline/buy/offset, row 9"]),
    "offset's start": (CUSTOMERS, put("/timeline/buy/offset", 0, 1), ["/timeline/buy/offset"]),
    "offset's end": (CUSTOMERS, put("/timeline/buy/offset", LAST, 10**9), ["/timeline/buy/offset",
                                                                       "1000000000"]),
    "offset too short": (CUSTOMERS, cut("/timeline/buy/offset"),
                         ["/timeline/buy/offset: found 60 rows, expected 61"]),
    "times too few": (CUSTOMERS, cut("/timeline/buy/time"), ["/timeline/buy/time", "rows"]),
    "weights too few": (CUSTOMERS, cut("/timeline/web/weight"), ["/timeline/web/weight", "rows"]),
    "types too few": (CUSTOMERS, cut("/timeline/web/type"), ["/timeline/web/type", "rows"]),
    "backwards": (CUSTOMERS, backwards, ["/timeline/buy/time, row"]),
    "weight above": (CUSTOMERS, put("/timeline/web/weight", 3, 1.5),
                     ["/timeline/web/weight, row 3: found 1.5"]),
    "weight below": (CUSTOMERS, put("/timeline/web/weight", 3, -0.5),
                     ["/timeline/web/weight, row 3"]),
    "weight of nothing": (CUSTOMERS, put("/timeline/web/weight", 0, np.nan),
                          ["/timeline/web/weight, row 0: found nan"]),
    "type beyond": (CUSTOMERS, filled("/timeline/web/type", 9),
                    ["/timeline/web/type, customer in row", "found 9, expected 0 to 2"]),
    "no static": (CUSTOMERS, gone("/static/age"), ["/static/age is not there"]),
    "no categories": (CUSTOMERS, gone("/static_key/age"), ["/static_key/age is not there"]),
    "category beyond": (CUSTOMERS, put("/static/age", 4, 3), ["/static/age, row 4: found 3"]),
    "category below": (CUSTOMERS, put("/static/age", 4, -2), ["/static/age, row 4: found -2"]),
    "statics too few": (CUSTOMERS, cut("/static/age"), ["/static/age: found 59 rows"]),
    "no aggregates": (CUSTOMERS, gone("/aggregate"), ["/aggregate has no column 'spend'"]),
    "another aggregate": (CUSTOMERS, renamed, ["no column 'visits'", "visit"]),
    "endless aggregate": (CUSTOMERS, put("/aggregate", 3, np.inf), ["/aggregate, row 3", "inf"]),
    "aggregates too few": (CUSTOMERS, cut("/aggregate"), ["/aggregate: found 59 rows"]),
    "an aggregate of nobody": (CUSTOMERS, filled("/aggregate", np.nan),
                               ["aggregate 'spend'", "missing"]),
    "other customers": (LABELS, swapped, ["/customer/key differs", "customers.h5"]),
    "no label": (LABELS, gone("/timeline/purchase"), ["/timeline/purchase is not there", "click"]),
    "no label of a head": (LABELS, gone("/timeline/click"), ["/timeline/click is not there"]),
    "no moment": (LABELS, gone("/extra/as_of"), ["/extra/as_of is not there"]),
    "nothing to validate": (VALIDATION, nobody_buys, ["/timeline/purchase", "data.validate"]),
    "label beyond": (LABELS, put("/timeline/purchase/item", 3, 40),
                     ["/timeline/purchase/item, row 3: found 40"]),
    "no group": (CATALOGUE, gone("/item/group/department"), ["department is not there"]),
    "group below": (CATALOGUE, put("/item/group/department", 6, -2),
                    ["/item/group/department, row 6: found -2"]),
    "groups too few": (CATALOGUE, cut("/item/group/department"), ["department: found 39 rows"]),
    "no value": (CATALOGUE, gone("/item/value/price"), ["/item/value/price is not there"]),
    "a price of nothing": (CATALOGUE, put("/item/value/price", 8, np.nan),
                           ["/item/value/price, row 8: found nan"]),
    "no features": (CATALOGUE, gone("/extra/text"), ["/extra/text is not there"]),
    "endless feature": (CATALOGUE, put("/extra/text", 8, np.inf), ["/extra/text, row 8", "inf"]),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = case.write_data(tmp_path_factory.mktemp("data"), seed=41, n_customers=60)
    configure(folder)
    assert case.call_train(folder / "c.json", "-o", folder / "out")[0] == 0
    return folder


def configure(folder, model=MODEL, **keys):
    (folder / "c.json").write_text(json.dumps(case.raw_config(folder, model, **KEYS, **keys)))


def refused(folder, file, pieces):
    code, out, log = case.call_train(folder / "c.json", "-o", folder / "new")
    assert code == 3 and not out, (code, log)
    assert log.count("\n") == 1 and log.startswith("train: "), log
    assert all(piece in log for piece in [str(file), *pieces]), log
    left = list((folder / "new").iterdir()) if (folder / "new").exists() else []
    assert left == []


@pytest.mark.parametrize("name", BAD)
def test_damage(good, tmp_path, name):
    file, change, pieces = BAD[name]
    shutil.copytree(good / "snapshots", tmp_path / "snapshots")
    shutil.copy(good / CATALOGUE, tmp_path)
    configure(tmp_path)
    with h5py.File(tmp_path / file, "r+") as f:
        change(f)
    refused(tmp_path, "" if "aggregate '" in pieces[0] else file, pieces)


@pytest.mark.parametrize("file", [CUSTOMERS, LABELS, CATALOGUE])
def test_no_file_and_half_a_file(good, tmp_path, file):
    shutil.copytree(good / "snapshots", tmp_path / "snapshots")
    shutil.copy(good / CATALOGUE, tmp_path)
    configure(tmp_path)
    raw = (tmp_path / file).read_bytes()
    for content in (raw[:len(raw) // 2], b"", b"text, not HDF5"):
        (tmp_path / file).write_bytes(content)
        refused(tmp_path, file, [])
    (tmp_path / file).unlink()
    refused(tmp_path, file, [])


def test_a_day_that_is_not_there(good, tmp_path):
    shutil.copytree(good / "snapshots", tmp_path / "snapshots")
    shutil.copy(good / CATALOGUE, tmp_path)
    configure(tmp_path, data__test=["2031-01-01"])
    refused(tmp_path, "2031-01-01/customers.h5", [])


def test_a_margin_that_is_not_there(good, tmp_path):
    shutil.copytree(good / "snapshots", tmp_path / "snapshots")
    shutil.copy(good / CATALOGUE, tmp_path)
    configure(tmp_path, regularisers__margin=1.0, regularisers__margin_value="profit")
    refused(tmp_path, CATALOGUE, ["/item/value/profit is not there"])


LOG = {"no log": (None, ["/extra/log is not there"]),
       "no reward": (gone("/extra/log/reward"), ["/extra/log/reward is not there"]),
       "item beyond": (put("/extra/log/item", 3, 40), ["/extra/log/item, row 3: found 40"]),
       "item below": (put("/extra/log/item", 3, -1), ["/extra/log/item, row 3: found -1"]),
       "offset": (cut("/extra/log/offset"), ["/extra/log/offset: found 60 rows"]),
       "too few": (cut("/extra/log/reward"), ["/extra/log/reward: found 59 rows"]),
       "reward": (put("/extra/log/reward", 2, np.nan), ["/extra/log/reward, row 2: found nan"]),
       "propensity": (put("/extra/log/log_propensity", 2, 0.5),
                      ["/extra/log/log_propensity, row 2: found 0.5"])}


@pytest.mark.parametrize("name", LOG)
def test_log(good, tmp_path, name):
    """A log of one shown item per customer, and what may be wrong with it."""
    shutil.copytree(good / "snapshots", tmp_path / "snapshots")
    shutil.copy(good / CATALOGUE, tmp_path)
    configure(tmp_path, objective__type="logged")
    change, pieces = LOG[name]
    if change:
        with h5py.File(tmp_path / LABELS, "r+") as f:
            group = f.create_group("extra/log")
            job_files.write_csr(group, [[u % case.N_ITEMS] for u in range(60)])
            group["reward"] = np.ones(60, np.float32)
            group["log_propensity"] = np.full(60, -3, np.float32)
            change(f)
    refused(tmp_path, LABELS, pieces)


if __name__ == "__main__":
    case.main(__file__)
