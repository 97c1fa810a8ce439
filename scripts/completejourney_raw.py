# SPDX-License-Identifier: Apache-2.0
"""Reads the raw tables of The Complete Journey (configs/demo/raw) into NumPy arrays.

Imported by prepare_completejourney.py, once per run. Every table is checked
(raw_tables.py); a breach is a RawError.

Times are UTC seconds. The receipts carry local time of America/New_York. A
mailing happens at the start of its campaign's first day, a redemption (known by its date only) at
the last second of its day.
"""
import zoneinfo
from pathlib import Path

import numpy as np

import completejourney_promotions as promotions
import raw_tables
from raw_tables import DAY_S, RawError, numbers, read_sums, read_table

ZONE = zoneinfo.ZoneInfo("America/New_York")
STATICS = ("age", "income", "home_ownership", "marital_status", "household_size",
           "household_comp", "kids_count")
COLUMNS = {
    "transactions.csv.zst": ("household_id", "store_id", "basket_id", "product_id", "quantity",
                             "sales_value", "retail_disc", "coupon_disc", "coupon_match_disc",
                             "week", "transaction_timestamp"),
    "products.csv.zst": ("product_id", "manufacturer_id", "department", "brand",
                         "product_category", "product_type", "package_size"),
    "campaigns.csv.zst": ("campaign_id", "household_id"),
    "campaign_descriptions.csv": ("campaign_id", "campaign_type", "start_date", "end_date"),
    "coupons.csv.zst": ("coupon_upc", "product_id", "campaign_id"),
    "coupon_redemptions.csv.zst": ("household_id", "coupon_upc", "campaign_id",
                                   "redemption_date"),
    "demographics.csv.zst": ("household_id",) + STATICS,
}


def utc_seconds(path, column, texts):
    return raw_tables.utc_seconds(path, column, texts, ZONE)


def day_start(text):
    return raw_tables.day_start(text, ZONE)


def read_all(folder):
    """The eight tables, numbers and times converted: {table: {column: array or list}}; of
    `promotions` the prominent ones."""
    folder = Path(folder)
    sums = read_sums(folder)
    raw = {name.split(".")[0]: read_table(folder, name, columns, sums)
           for name, columns in COLUMNS.items()}
    files = {name.split(".")[0]: folder / name for name in COLUMNS}
    for table, column, dtype in (
            ("transactions", "household_id", np.int64), ("transactions", "product_id", np.int64),
            ("transactions", "store_id", np.int64), ("transactions", "week", np.int64),
            ("transactions", "quantity", np.int64), ("transactions", "sales_value", np.float64),
            ("transactions", "basket_id", np.int64), ("products", "product_id", np.int64),
            ("campaigns", "household_id", np.int64), ("campaigns", "campaign_id", np.int64),
            ("campaign_descriptions", "campaign_id", np.int64), ("coupons", "product_id", np.int64),
            ("coupons", "coupon_upc", np.int64), ("coupons", "campaign_id", np.int64),
            ("coupon_redemptions", "household_id", np.int64),
            ("coupon_redemptions", "coupon_upc", np.int64),
            ("coupon_redemptions", "campaign_id", np.int64),
            ("demographics", "household_id", np.int64)):
        raw[table][column] = numbers(files[table], column, raw[table][column], dtype)
    for table, column in (("transactions", "transaction_timestamp"),
                          ("campaign_descriptions", "start_date"),
                          ("coupon_redemptions", "redemption_date")):
        raw[table][column] = utc_seconds(files[table], column, raw[table][column])
    raw["coupon_redemptions"]["redemption_date"] += DAY_S - 1
    raw["promotions"] = promotions.read_prominent(folder, sums)
    unknown = np.setdiff1d(raw["campaigns"]["campaign_id"],
                           raw["campaign_descriptions"]["campaign_id"])
    if unknown.size:
        raise RawError(f"{files['campaigns']}: campaign {unknown[0]} is not in "
                       f"{files['campaign_descriptions'].name}")
    return raw
