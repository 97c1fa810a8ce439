# SPDX-License-Identifier: Apache-2.0
"""scripts/prepare_completejourney.py: the files it writes from the shipped data against counts made
another way, what happens on the other side of a time split, and what it says about broken tables.
Run by ctest as `python3 -m pytest tests/scripts/test_prepare.py`."""
import csv
import datetime
import hashlib
import io
import subprocess
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/prepare_completejourney.py"
RAW = ROOT / "configs/demo/raw"
sys.path.insert(0, str(ROOT / "scripts"))
import completejourney_promotions as promotions  # noqa: E402
import completejourney_raw as cj  # noqa: E402
import prepare_completejourney as prepare  # noqa: E402
import raw_tables  # noqa: E402


def run(*arguments):
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)],
                          capture_output=True, text=True, timeout=300)


def rows_of_table(name):
    return list(csv.DictReader(io.StringIO(raw_tables.unpack(RAW / name).decode())))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    done = run("--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def timeline(file, name):
    group = file[f"/timeline/{name}"]
    return group["offset"][:].astype(np.int64), group["item"][:], group["time"][:]


# ---- the files -----------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["data/customers.h5", "split/customers.h5", "split/truth.h5"])
def test_customer_files_are_well_formed(out, path):
    with h5py.File(out / path) as file:
        assert file.attrs["format"] == b"batchrank-customers" and file.attrs["version"] == 1
        keys = file["/customer/key"][:]
        assert len(set(keys)) == len(keys) == 2406
        with h5py.File(out / "data/catalogue.h5") as catalogue:
            n_items = len(catalogue["/item/key"])
        for name in file["/timeline"]:
            offset, item, time = timeline(file, name)
            assert offset[0] == 0 and offset[-1] == item.size == time.size
            assert (np.diff(offset) >= 0).all() and offset.size == keys.size + 1
            vocabulary = file[f"/timeline/{name}"].attrs["vocabulary"].decode()
            size = n_items if vocabulary == "catalogue" else len(
                file[f"/vocabulary/{vocabulary}/key"])
            assert item.size > 0 and item.min() >= 0 and item.max() < size
            inside = np.ones(item.size, dtype=bool)
            inside[offset[:-1][offset[:-1] < item.size]] = False
            assert (np.diff(time, prepend=time[0])[inside] >= 0).all()


def test_catalogue(out):
    with h5py.File(out / "data/catalogue.h5") as file:
        assert file.attrs["format"] == b"batchrank-catalogue"
        keys, names = file["/item/key"][:], file["/item/name"][:]
        assert len(set(keys)) == len(keys) == len(names)
        department = file["/item/group_key/department"][:]
        assert not {d.decode() for d in department} & set(prepare.NOT_MERCHANDISE)
        assert set(file["/item/group_key/brand"][:]) == {b"National", b"Private"}
        banana = np.flatnonzero(keys == b"1082185")[0]
        group = {g: file[f"/item/group_key/{g}"][file[f"/item/group/{g}"][banana]]
                 for g in file["/item/group"]}
        assert group.pop("manufacturer").isdigit()
        assert group == {"department": b"PRODUCE", "category": b"TROPICAL FRUIT",
                         "type": b"BANANAS", "brand": b"National"}
        assert names[banana] == b"PRODUCE / TROPICAL FRUIT / BANANAS / National 40 LB"
        prices = sorted(float(r["sales_value"]) / int(r["quantity"])
                        for r in rows_of_table("transactions.csv.zst")
                        if r["product_id"] == "1082185" and int(r["quantity"]) > 0
                        and float(r["sales_value"]) > 0)
        middle = (prices[(len(prices) - 1) // 2] + prices[len(prices) // 2]) / 2
        assert file["/item/value/price"][banana] == pytest.approx(middle, rel=1e-6)


def local(text):
    return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=cj.ZONE)


def test_aggregates_against_plain_loops(out):
    cut = cj.day_start(prepare.CUT)
    lines = {}
    for row in rows_of_table("transactions.csv.zst"):
        lines.setdefault(row["household_id"], []).append(
            (cut - local(row["transaction_timestamp"]).timestamp(), row))
    with h5py.File(out / "split/customers.h5") as file:
        keys, names = file["/customer/key"][:], list(file["/aggregate"].attrs["names"])
        table = file["/aggregate"][:]
    for u in range(0, len(keys), 97):
        mine = [(age, row) for age, row in lines.get(keys[u].decode(), []) if age > 0]
        recent = [row for age, row in mine if age <= 90 * cj.DAY_S]
        found = dict(zip(names, table[u]))
        assert found[b"baskets_90d"] == len({r["basket_id"] for r in recent})
        assert found[b"spend_90d"] == pytest.approx(sum(float(r["sales_value"]) for r in recent),
                                                    rel=1e-5, abs=1e-5)
        if mine:
            assert found[b"days_since_last"] == pytest.approx(
                min(age for age, _ in mine) / cj.DAY_S, rel=1e-6)
        else:
            assert np.isnan(found[b"days_since_last"])
        assert np.isnan(found[b"private_share_90d"]) == (not recent)


def test_statics_are_the_demographics(out):
    known = {r["household_id"]: r for r in rows_of_table("demographics.csv.zst")}
    with h5py.File(out / "data/customers.h5") as file:
        keys = [k.decode() for k in file["/customer/key"][:]]
        for column in cj.STATICS:
            number, names = file[f"/static/{column}"][:], file[f"/static_key/{column}"][:]
            for u in range(0, len(keys), 53):
                text = known.get(keys[u], {}).get(column, "")
                assert (names[number[u]].decode() if number[u] >= 0 else "") == text


# ---- the time split ------------------------------------------------------------------------------

def test_split_keeps_the_two_sides_apart(out):
    cut = cj.day_start(prepare.CUT)
    with h5py.File(out / "split/customers.h5") as before, \
         h5py.File(out / "split/truth.h5") as after, \
         h5py.File(out / "data/customers.h5") as whole:
        assert (before["/customer/key"][:] == after["/customer/key"][:]).all()
        for name in before["/timeline"]:
            assert timeline(before, name)[2].max() < cut
        offset, item, time = timeline(whole, "purchase")
        one_offset, one_item, one_time = timeline(after, "purchase")
        assert (np.diff(one_offset) <= 1).all() and one_offset[-1] == 1670
        for u in range(offset.size - 1):
            mine = np.arange(offset[u], offset[u + 1])
            later = mine[time[mine] >= cut]
            assert len(later) == 0 if one_offset[u] == one_offset[u + 1] else (
                one_item[one_offset[u]] == item[later[0]]
                and one_time[one_offset[u]] == time[later[0]])
        assert timeline(after, "purchase_window")[2].min() >= cut
        assert timeline(after, "purchase_window")[2].max() < cut + 28 * cj.DAY_S


def test_aggregates_see_nothing_after_the_cut():
    cut = cj.day_start(prepare.CUT)
    raw = cj.read_all(RAW)
    data = prepare.build_dataset(raw)
    expected = prepare.aggregates(data, cut)
    later = raw["transactions"]["transaction_timestamp"] >= cut
    raw["transactions"]["sales_value"][later] = 1e6
    raw["transactions"]["basket_id"][later] = 1
    for events in data["timelines"].values():
        events["item"][events["time"] >= cut] = 0
    np.testing.assert_array_equal(prepare.aggregates(data, cut), expected)


def test_same_bytes_twice(out, tmp_path):
    assert run("--out", tmp_path).returncode == 0
    for path in ("data/customers.h5", "data/catalogue.h5", "split/customers.h5", "split/truth.h5"):
        assert (tmp_path / path).read_bytes() == (out / path).read_bytes(), path
    assert not list(tmp_path.rglob("*.tmp"))


def test_local_times():
    seconds = cj.utc_seconds("t", "c", ["2017-01-01 07:30:27", "2017-07-01 12:00:00",
                                        "2017-11-05 01:30:00", "2017-11-05 02:00:00"])
    utc = [datetime.datetime.utcfromtimestamp(int(s)).isoformat() for s in seconds]
    assert utc == ["2017-01-01T12:30:27", "2017-07-01T16:00:00",  # winter -5 h, summer -4 h
                   "2017-11-05T05:30:00", "2017-11-05T07:00:00"]  # first pass of the hour


# ---- snapshots -----------------------------------------------------------------------------------

def local_day(text):
    return local(text + " 00:00:00").timestamp()


@pytest.fixture(scope="module")
def shots(tmp_path_factory):
    """Every fifth week from March, across the change to summer time."""
    folder = tmp_path_factory.mktemp("shots")
    done = run("--out", folder, "--snapshots", "2017-03-02:2017-05-11:35")
    assert done.returncode == 0, done.stderr
    days = sorted(p.name for p in (folder / "snapshots").iterdir())
    assert days == ["2017-03-02", "2017-04-06", "2017-05-11"]
    return folder / "snapshots"


def test_snapshots_keep_the_two_sides_apart(shots, out):
    with h5py.File(out / "data/customers.h5") as whole:
        complete = {m: timeline(whole, m) for m in whole["/timeline"]}
    for day in shots.iterdir():
        as_of = local_day(day.name)
        with h5py.File(day / "customers.h5") as before, h5py.File(day / "labels.h5") as after:
            assert before["/extra/as_of"][()] == after["/extra/as_of"][()] == as_of
            assert after.attrs["format"] == b"batchrank-customers"
            assert (before["/customer/key"][:] == after["/customer/key"][:]).all()
            for name, (_, _, time) in complete.items():
                assert timeline(before, name)[2].size == (time < as_of).sum()
                assert timeline(before, name)[2].max(initial=0) < as_of
            assert set(after["/timeline"]) == {"purchase", "redemption", "next_purchase"}
            for name in ("purchase", "redemption"):
                time = timeline(after, name)[2]
                assert as_of <= time.min() and time.max() < as_of + 28 * cj.DAY_S
            _, item, time = complete["purchase"]
            inside = (time >= as_of) & (time < as_of + 28 * cj.DAY_S)
            assert (timeline(after, "purchase")[1] == item[inside]).all()


def test_snapshot_is_the_split_of_its_day(shots, tmp_path):
    assert run("--out", tmp_path, "--cut", "2017-04-06").returncode == 0
    with h5py.File(shots / "2017-04-06/customers.h5") as shot, \
         h5py.File(tmp_path / "split/customers.h5") as split, \
         h5py.File(shots / "2017-04-06/labels.h5") as labels, \
         h5py.File(tmp_path / "split/truth.h5") as truth:
        np.testing.assert_array_equal(shot["/aggregate"][:], split["/aggregate"][:])
        for one, other in (("purchase", "purchase_window"), ("next_purchase", "purchase")):
            for a, b in zip(timeline(labels, one), timeline(truth, other)):
                np.testing.assert_array_equal(a, b)


def test_redemption_labels_against_plain_loops(shots):
    covers = {}
    for row in rows_of_table("coupons.csv.zst"):
        covers.setdefault(row["coupon_upc"], set()).add(row["product_id"])
    with h5py.File(shots.parent / "data/catalogue.h5") as file:
        row_of = {k.decode(): i for i, k in enumerate(file["/item/key"][:])}
    first = local_day("2017-05-11")
    expected = []
    for row in rows_of_table("coupon_redemptions.csv.zst"):
        time = local(row["redemption_date"] + " 23:59:59").timestamp()
        if first <= time < first + 28 * cj.DAY_S:
            expected += [(row["household_id"], row_of[p], time)
                         for p in covers[row["coupon_upc"]] if p in row_of]
    with h5py.File(shots / "2017-05-11/labels.h5") as file:
        offset, item, time = timeline(file, "redemption")
        who = np.repeat(file["/customer/key"][:], np.diff(offset))
        assert file["/timeline/redemption"].attrs["vocabulary"] == b"catalogue"
    assert len(expected) > 1000
    assert sorted(zip((w.decode() for w in who), item, time)) == sorted(expected)


@pytest.mark.parametrize("days", ["2016-01-01", "2017-02-30", "2017-06-01:2017-05-01:7", "a:b:c",
                                  "2017-05-01:2017-06-01:0", "2017-05-01:2017-06-01", "2017-05,"])
def test_wrong_days_are_refused(tmp_path, days):
    done = run("--raw", small_raw(tmp_path), "--out", tmp_path / "out", "--snapshots", days)
    assert done.returncode == 3 and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_labels_cut_short_are_warned_of(tmp_path):
    done = run("--raw", small_raw(tmp_path), "--out", tmp_path / "out",
               "--snapshots", "2017-05-01,2017-12-01")
    assert done.returncode == 0
    assert "labels of 2017-12-01: the data ends" in done.stderr
    assert "labels of 2017-05-01" not in done.stderr


# ---- broken tables -------------------------------------------------------------------------------

SMALL = {
    "transactions.csv.zst": "1,1,9,100,1,2.5,0,0,0,1,2017-02-01 10:00:00\n"
                            "1,1,9,101,1,2.5,0,0,0,1,2017-12-05 10:00:00\n",
    "products.csv.zst": "100,1,GROCERY,National,A,B,1 OZ\n101,1,GROCERY,Private,A,B,\n",
    "campaigns.csv.zst": "1,1\n",
    "campaign_descriptions.csv": "1,Type A,2017-03-01,2017-04-01\n",
    "coupons.csv.zst": "500,100,1\n",
    "coupon_redemptions.csv.zst": "1,500,1,2017-03-05\n",
    "demographics.csv.zst": "1,65+,35-49K,Homeowner,Married,2,2 Adults No Kids,0\n",
    "promotions.csv.zst": "100,1,1,D,1\n101,1,1,0,1\n100,2,1,D,1\n101,1,3,H,1\n",
}
COLUMNS = {**cj.COLUMNS, promotions.NAME: promotions.COLUMNS}


def small_raw(folder, table=None, text=None, header=None):
    """A raw folder of two receipt lines, one of its tables replaced."""
    sums = []
    for name, body in SMALL.items():
        first = header if name == table and header else ",".join(COLUMNS[name])
        content = (first + "\n" + (text if name == table and text is not None else body)).encode()
        if name.endswith(".zst"):
            content = subprocess.run(["zstd", "-qc"], input=content, capture_output=True,
                                     check=True).stdout
        (folder / name).write_bytes(content)
        sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}")
    (folder / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    return folder


def test_small_folder_is_accepted(tmp_path):
    done = run("--raw", small_raw(tmp_path), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "1 households, 2 products" in done.stdout
    # Both products were prominent in store 1 in week 1; the first receipt there is in February.
    with h5py.File(tmp_path / "out/data/customers.h5") as file:
        offset, item, time = timeline(file, "promotion")
    assert item.tolist() == [0, 1] and len(set(time)) == 1


SALE = "1,1,9,100,1,2.5,0,0,0,1,2017-02-01 10:00:00\n"
BROKEN = [
    ("transactions.csv.zst", SALE + SALE.replace("2.5", "2.5x"), "row 3, column sales_value: "
                                                                 "found '2.5x'"),
    ("transactions.csv.zst", SALE + SALE.replace("2.5", "nan"), "row 3, column sales_value"),
    ("transactions.csv.zst", SALE + SALE.replace(",100,", ",1.5,"), "row 3, column product_id: "
                                                                    "found '1.5'"),
    ("transactions.csv.zst", SALE.replace(",100,", ",,"), "row 2, column product_id: found ''"),
    ("transactions.csv.zst", SALE.replace("02-01", "02-31"), "row 2, column "
                                                             "transaction_timestamp"),
    ("transactions.csv.zst", SALE.replace("2017-02-01 10:00:00", ""), "found ''"),
    ("transactions.csv.zst", SALE[:-1] + ",7\n", "row 2 has 12 fields, expected 11"),
    ("campaign_descriptions.csv", "2,Type A,2017-03-01,2017-04-01\n", "campaign 1 is not in"),
    ("campaign_descriptions.csv", "1,Type A,soon,2017-04-01\n", "column start_date: found 'soon'"),
    ("promotions.csv.zst", "100,1,1,D,1\n100,one,1,D,1\n", "row 3, column store_id: found 'one'"),
    ("promotions.csv.zst", "100,1,1,D\n", "row 2 has 4 fields, expected 5"),
    ("demographics.csv.zst", "x,65+,35-49K,Homeowner,Married,2,A,0\n", "column household_id"),
]


@pytest.mark.parametrize("table,text,message", BROKEN)
def test_broken_rows_are_named(tmp_path, table, text, message):
    done = run("--raw", small_raw(tmp_path, table, text), "--out", tmp_path / "out")
    assert done.returncode == 3
    assert table in done.stderr and message in done.stderr
    assert not (tmp_path / "out").exists()


def test_wrong_header(tmp_path):
    done = run("--raw", small_raw(tmp_path, "campaigns.csv.zst", header="household_id,campaign_id"),
               "--out", tmp_path / "out")
    assert done.returncode == 3
    assert "expected campaign_id,household_id" in done.stderr


def test_changed_file_and_missing_file(tmp_path):
    raw = small_raw(tmp_path)
    (raw / "campaign_descriptions.csv").write_text("changed\n")
    done = run("--raw", raw, "--out", tmp_path / "out")
    assert done.returncode == 3 and "sha256" in done.stderr
    (raw / "campaign_descriptions.csv").unlink()
    done = run("--raw", raw, "--out", tmp_path / "out")
    assert done.returncode == 3 and "campaign_descriptions.csv: not found" in done.stderr
    done = run("--raw", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert done.returncode == 3 and "SHA256SUMS: not found" in done.stderr


def test_not_zstd(tmp_path):
    raw = small_raw(tmp_path)
    (raw / "coupons.csv.zst").write_bytes(b"not compressed")
    sums = (raw / "SHA256SUMS").read_text().splitlines()
    sums = [f"{hashlib.sha256(b'not compressed').hexdigest()}  coupons.csv.zst"
            if line.endswith("coupons.csv.zst") else line for line in sums]
    (raw / "SHA256SUMS").write_text("\n".join(sums))
    done = run("--raw", raw, "--out", tmp_path / "out")
    assert done.returncode == 3 and "cannot unpack" in done.stderr


@pytest.mark.parametrize("cut", ["2016-01-01", "2019-01-01", "yesterday", "2017-13-01"])
def test_cut_must_split(tmp_path, cut):
    done = run("--raw", small_raw(tmp_path), "--out", tmp_path / "out", "--cut", cut)
    assert done.returncode == 3 and cut in done.stderr
