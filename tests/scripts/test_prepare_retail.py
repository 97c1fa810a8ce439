# SPDX-License-Identifier: Apache-2.0
"""scripts/prepare_online_retail.py: the shipped invoice lines against the golden figures of the raw
data, the files against counts made another way, both sides of each day, and broken tables.
Run by ctest as `python3 -m pytest tests/scripts/test_prepare_retail.py`. All golden customers are
compared where ../shared/data (or BR_TEST_DATA) is present, three of them everywhere."""
import csv
import datetime
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/prepare_online_retail.py"
RAW = ROOT / "configs/retail/raw"
GOLDEN = Path(os.environ.get("BR_TEST_DATA", ROOT.parent / "shared/data")
              ) / "online-retail-ii/golden"
sys.path.insert(0, str(ROOT / "scripts"))
import item_text  # noqa: E402
import online_retail_raw as retail  # noqa: E402
import prepare_online_retail as prepare  # noqa: E402
import raw_tables  # noqa: E402

DAY_S = raw_tables.DAY_S
# golden/summary.json and three lines of golden/customers50.csv.
SUMMARY = {"rows": 525461, "rows_with_customer": 417534, "customers": 4383, "descriptions": 4681,
           "first": "2009-12-01 07:45:00", "last": "2010-12-09 20:01:00",
           "rows_negative_quantity": 12326, "countries": 40, "sum_quantity": 5432041,
           "sum_amount": 9539484.63, "distinct_Invoice": 28816, "distinct_StockCode": 4632,
           "cancelled_invoices": 4592, "customers_with_positive_lines": 4314}
CUSTOMERS = "CustomerID,lines,active_days,items,quantity,amount,recency_days,decayed_lines," \
            """decayed_amount
12373,37,2,31,319,763.05,259.424305556,0.0567529738501,1.16226758144
12553,47,2,42,360,916.47,20.4875,20.1841791345,375.209913774
12872,370,11,205,1536,3085.52,0.386111111111,80.7853199866,665.861060079
"""


def run(*arguments):
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)],
                          capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def lines():
    """The table as csv reads it."""
    return list(csv.DictReader(io.StringIO(raw_tables.unpack(RAW / retail.TABLE).decode())))


@pytest.fixture(scope="module")
def raw():
    return retail.read_all(RAW)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder and what was said: snapshots every ten weeks, across the change to summer time."""
    folder = tmp_path_factory.mktemp("retail")
    done = run("--out", folder, "--snapshots", "2010-01-21:2010-11-11:70")
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def out(made):
    return made[0]


def timeline(file, name):
    group = file[f"/timeline/{name}"]
    assert group.attrs["vocabulary"] == b"catalogue"
    return group["offset"][:].astype(np.int64), group["item"][:], group["time"][:]


def naive(seconds):
    """Local time of each moment as seconds, without its zone."""
    unique, place = np.unique(seconds, return_inverse=True)
    offset = [datetime.datetime.fromtimestamp(int(s), retail.ZONE).utcoffset().total_seconds()
              for s in unique]
    return seconds + np.array(offset, dtype=np.int64)[place]


# ---- golden figures ------------------------------------------------------------------------------

def check_summary(golden, raw, lines):
    known = raw["customer"] >= 0
    stamp = np.array([naive(raw["time"][[0, -1]])]).astype("datetime64[s]")[0]
    assert [str(s).replace("T", " ") for s in stamp] == [golden["first"], golden["last"]]
    assert {
        "rows": len(raw["code"]), "rows_with_customer": known.sum(),
        "customers": np.unique(raw["customer"][known]).size,
        "rows_negative_quantity": (raw["quantity"] < 0).sum(),
        "countries": len(set(raw["country"])), "sum_quantity": raw["quantity"].sum(),
        "distinct_Invoice": len(set(raw["invoice"])),
        "cancelled_invoices": len({i for i in raw["invoice"] if i.startswith("C")}),
        "customers_with_positive_lines":
            np.unique(raw["customer"][known & (raw["quantity"] > 0)]).size,
        "distinct_StockCode": len({r["StockCode"] for r in lines}),
        "descriptions": len({r["Description"] for r in lines} - {""}),
    }.items() <= golden.items()
    assert (raw["quantity"] * raw["price"]).sum() == pytest.approx(golden["sum_amount"], abs=0.005)


def check_customers(golden, raw, lines):
    as_of = np.datetime64("2010-12-10", "s").astype(np.int64)
    local = naive(raw["time"])
    for row in csv.DictReader(io.StringIO(golden)):
        use = (raw["customer"] == int(row["CustomerID"])) & (raw["quantity"] > 0)
        age = (as_of - local[use]) / DAY_S
        amount, weight = raw["quantity"][use] * raw["price"][use], 2.0 ** (-age / 30)
        assert [use.sum(), np.unique(local[use] // DAY_S).size, raw["quantity"][use].sum()] == [
            int(row[c]) for c in ("lines", "active_days", "quantity")]
        assert len({lines[i]["Description"] for i in np.flatnonzero(use)}) == int(row["items"])
        assert [amount.sum(), age.min(), weight.sum(), (weight * amount).sum()] == pytest.approx(
            [float(row[c]) for c in ("amount", "recency_days", "decayed_lines",
                                     "decayed_amount")], rel=1e-9)


def test_shipped_lines_have_the_golden_figures(raw, lines):
    check_summary(SUMMARY, raw, lines)
    check_customers(CUSTOMERS, raw, lines)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the shared data is absent")
def test_all_golden_figures(raw, lines):
    check_summary(json.loads((GOLDEN / "summary.json").read_text()), raw, lines)
    check_customers((GOLDEN / "customers50.csv").read_text(), raw, lines)


# ---- the files -----------------------------------------------------------------------------------

def test_every_used_line_is_one_event(out, lines):
    expected, used = {"purchase": {}, "return": {}}, 0
    for row in lines:
        code = row["StockCode"].strip().upper()
        if row["Customer ID"] and re.fullmatch(r"\d{5}[A-Z]{0,2}", code):
            name = "purchase" if int(row["Quantity"]) > 0 else "return"
            expected[name].setdefault(row["Customer ID"], []).append((row["InvoiceDate"], code))
            used += 1
    with h5py.File(out / "data/customers.h5") as file, \
         h5py.File(out / "data/catalogue.h5") as catalogue:
        keys = [k.decode() for k in file["/customer/key"][:]]
        codes = [k.decode() for k in catalogue["/item/key"][:]]
        assert len(set(keys)) == len(keys) == 4314 and len(set(codes)) == len(codes) == 4020
        assert {k for one in expected.values() for k in one} == set(keys)
        for name, whose in expected.items():
            offset, item, time = timeline(file, name)
            stamp = naive(time).astype("datetime64[s]")
            for u in range(0, len(keys), 7):
                mine = range(offset[u], offset[u + 1])
                # The sort is stable, so that lines of one moment must be in file order.
                assert [(str(stamp[e]).replace("T", " "), codes[item[e]]) for e in mine] == sorted(
                    whose.get(keys[u], []), key=lambda event: event[0])
        assert file["/timeline/purchase/item"].size + file["/timeline/return/item"].size == used


def test_dropped_lines_are_counted(made):
    assert "107927 have no customer, 1817 are no product, 0 have quantity 0" in made[1]


def test_catalogue(out, lines):
    with h5py.File(out / "data/catalogue.h5") as file:
        assert "/item/vector" not in file
        keys, names = file["/item/key"][:], file["/item/name"][:]
        row = np.flatnonzero(keys == b"85123A")[0]
        assert names[row] == b"WHITE HANGING HEART T-LIGHT HOLDER"
        price = [float(r["Price"]) for r in lines if r["StockCode"] == "85123A" and float(
            r["Price"]) > 0 and r["Customer ID"] and int(r["Quantity"]) > 0]
        assert file["/item/value/price"][row] == pytest.approx(np.median(price), rel=1e-6)
        group = {g: file[f"/item/group/{g}"][row] for g in file["/item/group"]}
        assert {g: file[f"/item/group_key/{g}"][n] for g, n in group.items() if n >= 0} == {
            "series": b"851", "noun": b"HOLDER", "colour": b"WHITE"}
        text = file["/extra/text"][:]
        assert text.shape == (keys.size, 48) and text.dtype == np.float32
        length = np.linalg.norm(text, axis=1)
        assert np.isfinite(text).all() and length.max() <= 1 + 1e-5
        assert (length > 0).mean() > 0.99
        near = np.argsort(-(text @ text[row]) / np.maximum(length, 1e-9), kind="stable")[1:4]
        assert all(b"HEART" in names[n] and b"T-LIGHT HOLDER" in names[n] for n in near)


@pytest.mark.parametrize("day", ["2010-01-21", "2010-06-10", "2010-10-28"])
def test_aggregates_against_plain_loops(out, raw, day):
    as_of = retail.day_start(day)
    use, _ = prepare.sort_out(raw)
    with h5py.File(out / f"snapshots/{day}/customers.h5") as file:
        keys, names = file["/customer/key"][:], file["/aggregate"].attrs["names"]
        table, country = file["/aggregate"][:], file["/static/country"][:]
        countries = file["/static_key/country"][:]
    for u in range(0, keys.size, 211):
        mine = [i for i in np.flatnonzero(use & (raw["customer"] == int(keys[u])))
                if raw["time"][i] < as_of]
        sold = [i for i in mine if raw["quantity"][i] > 0]
        age = {i: (as_of - raw["time"][i]) / DAY_S for i in mine}
        recent = [i for i in sold if age[i] <= 90]
        invoices = len({raw["invoice"][i] for i in sold})

        def spend(some):
            return sum(raw["quantity"][i] * raw["price"][i] for i in some)

        assert dict(zip(names, table[u])) == pytest.approx({
            b"invoices_30d": len({raw["invoice"][i] for i in sold if age[i] <= 30}),
            b"invoices_90d": len({raw["invoice"][i] for i in recent}),
            b"items_90d": len({raw["code"][i] for i in recent}),
            b"log_spend_90d": np.log1p(spend(recent)),
            b"log_invoice_spend": np.log1p(spend(sold) / invoices) if sold else np.nan,
            b"lines_per_invoice": len(sold) / invoices if sold else np.nan,
            b"return_share": 1 - len(sold) / len(mine) if mine else np.nan,
            b"days_since_last": min((age[i] for i in sold), default=np.nan),
            b"days_since_first": max((age[i] for i in sold), default=np.nan),
        }, rel=1e-5, abs=1e-6, nan_ok=True)
        last = raw["country"][mine[-1]] if mine else "Unspecified"
        assert (countries[country[u]].decode() if country[u] >= 0 else "Unspecified") == last


# ---- both sides of a day -------------------------------------------------------------------------

def sides(out):
    yield (out / "split/customers.h5", out / "split/truth.h5", prepare.CUT,
           {"purchase": None, "purchase_window": "purchase"})
    for day in sorted((out / "snapshots").iterdir()):
        yield (day / "customers.h5", day / "labels.h5", day.name,
               {"next_purchase": None, "purchase": "purchase", "return": "return"})


def test_days_keep_the_two_sides_apart(out):
    with h5py.File(out / "data/customers.h5") as whole:
        complete = {m: timeline(whole, m) for m in whole["/timeline"]}
    assert len(list(sides(out))) == 6
    for before_path, after_path, day, labels in sides(out):
        as_of = int(datetime.datetime.fromisoformat(day).replace(tzinfo=retail.ZONE).timestamp())
        with h5py.File(before_path) as before, h5py.File(after_path) as after:
            assert before["/extra/as_of"][()] == after["/extra/as_of"][()] == as_of
            assert (before["/customer/key"][:] == after["/customer/key"][:]).all()
            for name, (_, item, time) in complete.items():
                assert (timeline(before, name)[1] == item[time < as_of]).all()
            assert set(after["/timeline"]) == set(labels)
            for label, of in labels.items():
                offset, item, time = timeline(after, label)
                if of:
                    _, every_item, every_time = complete[of]
                    inside = (every_time >= as_of) & (every_time < as_of + 28 * DAY_S)
                    assert inside.any() and (item == every_item[inside]).all()
                    continue
                whole_offset, every_item, every_time = complete["purchase"]
                for u in range(offset.size - 1):
                    mine = np.arange(whole_offset[u], whole_offset[u + 1])
                    first = mine[every_time[mine] >= as_of][:1]
                    assert (item[offset[u]:offset[u + 1]] == every_item[first]).all()
                    assert offset[u + 1] - offset[u] == first.size


def test_a_day_sees_nothing_after_it(raw):
    as_of = retail.day_start("2010-06-10")
    data = prepare.build_dataset(raw)
    expected = prepare.aggregates(data, as_of)
    later = data["lines"]["time"] >= as_of
    data["lines"]["spend"][later] = 1e9
    data["lines"]["invoice"][later] = 0
    data["lines"]["bought"][later] ^= True
    np.testing.assert_array_equal(prepare.aggregates(data, as_of), expected)


def test_same_bytes_twice(out, tmp_path):
    assert run("--out", tmp_path, "--snapshots", "2010-06-10").returncode == 0
    for path in ("data/customers.h5", "data/catalogue.h5", "split/customers.h5", "split/truth.h5",
                 "snapshots/2010-06-10/customers.h5", "snapshots/2010-06-10/labels.h5"):
        assert (tmp_path / path).read_bytes() == (out / path).read_bytes(), path
    assert not list(tmp_path.rglob("*.tmp"))


# ---- text ----------------------------------------------------------------------------------------

def test_svd_against_numpy():
    rng = np.random.default_rng(7)
    left, right = (np.linalg.qr(rng.standard_normal((n, 20)))[0] for n in (200, 90))
    table = left * 0.7 ** np.arange(20) @ right.T
    found = item_text.truncated_svd(table, 12)
    u, s, vt = np.linalg.svd(table, full_matrices=False)
    sign = np.sign(vt[np.arange(12), np.abs(vt[:12]).argmax(axis=1)])
    np.testing.assert_allclose(found, (u * s)[:, :12] * sign, atol=1e-8)


def test_text_of_few_items():
    assert item_text.terms("Red mug, 20cm") == ["RED", "MUG", "20CM", "RED MUG", "MUG 20CM"]
    table, vocabulary = item_text.tf_idf(["RED MUG", "BLUE MUG", "A MUG", "SIGN"])
    assert vocabulary == ["MUG"] and table[:, 0].tolist() == [1, 1, 1, 0]
    assert item_text.features(["RED MUG", "BLUE MUG", "A MUG", "SIGN"], 3).tolist() == [
        [1, 0, 0]] * 3 + [[0, 0, 0]]
    assert item_text.features(["SIGN"], 3).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("name,noun,colour", [
    ("PINK CHERRY LIGHTS", "LIGHT", "PINK"), ("RED/WHITE DOTS RUFFLED UMBRELLA", "UMBRELLA", "RED"),
    ("DOOR MAT RED SPOT", "MAT", ""), ("S/4 CACTI CANDLES", "CANDLE", ""), ("", "", ""),
    ("VINTAGE CHRISTMAS", "CHRISTMAS", "")])
def test_noun_and_colour(name, noun, colour):
    assert prepare.noun(name) == noun
    assert prepare.colour(name) == ("RED" if "RED" in name.split() else colour)


# ---- broken tables -------------------------------------------------------------------------------

SALE = "489434,85048,GLASS BALL,12,2009-12-01 07:45:00,6.95,13085,United Kingdom\n"
LATER = SALE.replace("2009-12-01", "2010-12-05")


def small_raw(folder, text=SALE + LATER, header=",".join(retail.COLUMNS)):
    content = subprocess.run(["zstd", "-qc"], input=(header + "\n" + text).encode(),
                             capture_output=True, check=True).stdout
    (folder / retail.TABLE).write_bytes(content)
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(content).hexdigest()}  {retail.TABLE}\n")
    return folder


def test_small_folder_is_accepted(tmp_path):
    rest = "".join(LATER.replace(*change) for change in (
        (",13085,", ",,"), ("85048", "POST"), (",12,", ",0,"), ("6.95", "-1"), ("85048", "85048b "),
        (",12,", ",-12,"), ("85048,GLASS BALL", "79323,")))
    done = run("--raw", small_raw(tmp_path, SALE + LATER + rest), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "1 customers, 3 products, 4 purchase events, 1 return events; lines left out: " \
           "1 have no customer, 1 are no product, 1 have quantity 0, 1 have a neg" in done.stdout
    with h5py.File(tmp_path / "out/data/catalogue.h5") as file:
        assert file["/item/key"][:].tolist() == [b"79323", b"85048", b"85048B"]
        assert file["/item/name"][:].tolist() == [b"79323", b"GLASS BALL", b"GLASS BALL"]


@pytest.mark.parametrize("text,message", [
    (SALE + SALE.replace("6.95", "6.95x"), "row 3, column Price: found '6.95x', expected a number"),
    (SALE.replace("6.95", "nan"), "row 2, column Price"),
    (SALE.replace(",12,", ",1.5,"), "row 2, column Quantity: found '1.5'"),
    (SALE.replace(",12,", ",,"), "row 2, column Quantity: found ''"),
    (SALE + LATER.replace("13085", "1308S"), "row 3, column Customer ID: found '1308S'"),
    (SALE + LATER.replace("489434", "B489434"), "row 3, column Invoice: found 'B489434', expected"),
    (SALE.replace("12-01", "02-30"), "row 2, column InvoiceDate"),
    (SALE[:-1] + ",7\n", "row 2 has 9 fields, expected 8"),
    (SALE.replace("13085", ""), "no line of a customer and a product"),
])
def test_broken_rows_are_named(tmp_path, text, message):
    done = run("--raw", small_raw(tmp_path, text), "--out", tmp_path / "out")
    assert done.returncode == 3
    assert retail.TABLE in done.stderr and message in done.stderr
    assert not (tmp_path / "out").exists()


def test_wrong_header_changed_and_missing_file(tmp_path):
    raw = small_raw(tmp_path, header="Invoice,StockCode")
    done = run("--raw", raw, "--out", tmp_path / "out")
    assert done.returncode == 3 and "expected Invoice,StockCode,Description" in done.stderr
    (raw / retail.TABLE).write_text("changed\n")
    done = run("--raw", raw, "--out", tmp_path / "out")
    assert done.returncode == 3 and "sha256" in done.stderr
    done = run("--raw", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert done.returncode == 3 and "SHA256SUMS: not found" in done.stderr


@pytest.mark.parametrize("option,day", [("--cut", "2009-01-01"), ("--cut", "yesterday"),
                                        ("--snapshots", "2011-01-01"), ("--snapshots", "a:b:7")])
def test_days_must_be_inside(tmp_path, option, day):
    done = run("--raw", small_raw(tmp_path), "--out", tmp_path / "out", option, day)
    assert done.returncode == 3 and day.split(":")[0] in done.stderr
    assert not (tmp_path / "out").exists()
