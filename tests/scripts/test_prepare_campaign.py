# SPDX-License-Identifier: Apache-2.0
"""scripts/prepare_campaign.py and campaign_offers.py on the shipped tables, without the encoder:
what is real is counted again from the raw rows, what is invented keeps to its stated rule, nothing
of the future is in the files. The whole script: tests/job/test_campaign.py.
Run by ctest as `python3 -m pytest tests/scripts/test_prepare_campaign.py`."""
import csv
import datetime
import hashlib
import io
import subprocess
import sys
import zoneinfo
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

ROOT = Path(__file__).resolve().parents[2]
RAW = ROOT / "configs/demo/raw"
sys.path.insert(0, str(ROOT / "scripts"))
import bundle_writer  # noqa: E402
import campaign_offers as offers_of  # noqa: E402
import completejourney_raw as cj  # noqa: E402
import prepare_campaign as campaign  # noqa: E402
import prepare_completejourney as demo  # noqa: E402
import raw_tables  # noqa: E402

ZONE = zoneinfo.ZoneInfo("America/New_York")
AS_OF = cj.day_start(campaign.SEND_DAY)


def rows_of_table(name):
    return list(csv.DictReader(io.StringIO(raw_tables.unpack(RAW / name).decode())))


@pytest.fixture(scope="module")
def data():
    return demo.build_dataset(cj.read_all(RAW))


@pytest.fixture(scope="module")
def offers(data):
    return offers_of.build(data["raw"], data["items"])


@pytest.fixture(scope="module")
def files(data, offers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaign")
    x_UD = np.zeros((data["household"].size, 2), dtype=np.float32)
    offers_of.write(folder / "catalogue.h5", offers)
    campaign.write_customers(folder / "customers.h5", data, offers, x_UD, AS_OF)
    return folder


def local_midnight(text):
    return int(datetime.datetime.combine(datetime.date.fromisoformat(text), datetime.time(),
                                         ZONE).timestamp())


# ---- what is real --------------------------------------------------------------------------------

def test_offers_are_the_coupons_that_cover_a_product_sold(data, offers):
    sold = set(data["items"]["id"].tolist())
    covers = {}
    for row in rows_of_table("coupons.csv.zst"):
        product = int(float(row["product_id"]))  # R wrote 900000 as 9e+05
        if product in sold:
            pair = int(row["campaign_id"]), int(row["coupon_upc"])
            covers.setdefault(pair, set()).add(product)
    assert offers["key"] == [f"{c}-{u}" for c, u in sorted(covers)]
    for rows, pair in zip(offers["products"], sorted(covers)):
        assert set(data["items"]["id"][rows].tolist()) == covers[pair]


def test_offers_are_open_from_the_first_day_to_the_end_of_the_last(files):
    about = {r["campaign_id"]: r for r in rows_of_table("campaign_descriptions.csv")}
    day = datetime.timedelta(days=1)
    with h5py.File(files / "catalogue.h5") as file:
        for key, (start, end) in zip(file["/item/key"], file["/item/valid"]):
            row = about[key.decode().split("-")[0]]
            after = (datetime.date.fromisoformat(row["end_date"]) + day).isoformat()
            assert (start, end) == (local_midnight(row["start_date"]), local_midnight(after))


def test_contacts_are_the_earlier_mailings(files):
    start = {r["campaign_id"]: local_midnight(r["start_date"])
             for r in rows_of_table("campaign_descriptions.csv")}
    with h5py.File(files / "catalogue.h5") as file:
        keys = [k.decode() for k in file["/item/key"]]
    of_campaign = {}
    for i, key in enumerate(keys):
        of_campaign.setdefault(key.split("-")[0], []).append(i)
    expected = {}
    for row in rows_of_table("campaigns.csv.zst"):
        if start[row["campaign_id"]] < AS_OF:
            expected.setdefault(row["household_id"], []).extend(
                (start[row["campaign_id"]], i) for i in of_campaign[row["campaign_id"]])
    with h5py.File(files / "customers.h5") as file:
        offset = file["/contact/offset"][:].astype(int)
        pairs = list(zip(file["/contact/time"][:].tolist(), file["/contact/item"][:].tolist()))
        for u, key in enumerate(file["/customer/key"]):
            found = pairs[offset[u]:offset[u + 1]]
            assert found == sorted(found, key=lambda p: p[0])
            assert sorted(found) == sorted(expected.get(key.decode(), []))
    assert sum(map(len, expected.values())) == len(pairs) > 200000


def test_redeemed_coupons_are_of_the_past(files):
    with h5py.File(files / "catalogue.h5") as file:
        keys = {k.decode() for k in file["/item/key"]}
    known = [r for r in rows_of_table("coupon_redemptions.csv.zst")
             if r["redemption_date"] < campaign.SEND_DAY
             and f"{r['campaign_id']}-{r['coupon_upc']}" in keys]
    with h5py.File(files / "customers.h5") as file:
        assert len(file["/timeline/redeemed/item"]) == len(known) > 100
        assert file["/timeline/redeemed/time"][:].max() < AS_OF
        assert file["/contact/time"][:].max() < AS_OF


def test_an_offers_vector_is_the_mean_of_its_products(data, offers):
    tensors = campaign.offer_tensors(data, offers)
    weights = bundle_writer.read_safetensors(ROOT / "configs/demo/model/weights.safetensors")
    with h5py.File(ROOT / "configs/demo/model/vocabulary.h5") as file:
        row = {k: i for i, k in enumerate(file["/catalogue/key"][:].tolist())}
    for i in range(0, len(offers["key"]), 97):
        of_model = [row[str(p).encode()] for p in data["items"]["id"][offers["products"][i]]]
        for name, table in (("item.table", "item_embedding.weight"),
                            ("head.redemption.item_bias",) * 2):
            wanted = np.mean([weights[table][r].astype(np.float64) for r in of_model], axis=0)
            np.testing.assert_allclose(tensors[name][i], wanted, rtol=0, atol=1e-6)


def test_activity_by_days_since_the_last_receipt():
    days = np.array([0.5, 13.9, 14, 59, 60, 300, np.nan])
    assert campaign.activity(days) == ["active", "active", "slow", "slow", "lapsed", "lapsed",
                                       "never seen"]


def test_platt_finds_the_line_that_made_the_responses():
    rng = np.random.default_rng(5)
    logit = rng.normal(-1, 2, (400, 200))
    response = rng.random(logit.shape) < 1 / (1 + np.exp(-(0.7 * logit - 1.5)))
    a, b = campaign.fit_platt(logit, response.astype(float))
    assert abs(a - 0.7) < 0.03 and abs(b + 1.5) < 0.03
    p = 1 / (1 + np.exp(-(a * logit + b)))  # at the optimum the residuals cancel
    assert abs((p - response).mean()) < 1e-4 and abs(((p - response) * logit).mean()) < 1e-3


# ---- what is invented ----------------------------------------------------------------------------

def test_shares_hang_on_the_key_alone():
    digits = hashlib.sha256(b"20170602/capacity/8-17").hexdigest()[:8]
    assert offers_of.share("capacity", ["8-17"])[0] == int(digits, 16) / 2 ** 32
    keys = [f"8-{n}" for n in range(4000)]
    share = offers_of.share("capacity", keys)
    assert (share == offers_of.share("capacity", keys[::-1])[::-1]).all()
    assert abs(share.mean() - 0.5) < 0.02 and 0 <= share.min() and share.max() < 1
    assert abs(np.corrcoef(share, offers_of.share("margin", keys))[0, 1]) < 0.05


def test_invented_numbers_keep_to_their_rule(files, offers):
    with h5py.File(files / "catalogue.h5") as file:
        value = {n: file["/item/value/" + n][:].astype(float) for n in file["/item/value"]}
        capacity = file["/item/capacity"][:]
    cents = 100 * offers["price"]
    assert (value["margin_cents"] >= 0.6 * cents - 0.51).all()
    assert (value["margin_cents"] <= 1.2 * cents + 0.51).all()
    assert (value["face_value_cents"] % 5 == 0).all() and value["face_value_cents"].min() == 5
    assert (value["face_value_cents"] <= np.maximum(5, 0.2 * cents + 2.51)).all()
    assert (value["net_cents"] == value["margin_cents"] - value["face_value_cents"]).all()
    run = np.array([offers_of.PRINT_RUN[kind] for kind in offers["type"]])
    assert (capacity % 5 == 0).all()
    assert (capacity >= run // 2 - 3).all() and (capacity <= run * 1.5 + 3).all()
    is_b = np.array([kind == "Type B" for kind in offers["type"]])
    np.testing.assert_allclose(value["print_cents"], np.where(is_b, 0.6, 0.4), rtol=1e-6)


def test_what_is_missing_is_told(tmp_path):
    script = ROOT / "scripts/prepare_campaign.py"
    done = subprocess.run([sys.executable, str(script), "--raw", str(tmp_path), "--out",
                           str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 3 and "SHA256SUMS: not found" in done.stderr
    done = subprocess.run([sys.executable, str(script), "--batchrank", str(tmp_path / "none"),
                           "--out", str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 3 and "none" in done.stderr and "Traceback" not in done.stderr
