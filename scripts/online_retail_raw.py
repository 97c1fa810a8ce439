# SPDX-License-Identifier: Apache-2.0
"""Reads the invoice lines of Online Retail II (configs/retail/raw) into NumPy arrays.

Imported by prepare_online_retail.py, once per run. The table is checked (raw_tables.py); a breach
is a RawError. Times are UTC seconds; the invoices carry local time of Europe/London.
"""
import re
import zoneinfo
from pathlib import Path

import numpy as np

import raw_tables
from raw_tables import RawError, numbers, read_sums, read_table

ZONE = zoneinfo.ZoneInfo("Europe/London")
TABLE = "online_retail_2009_2010.csv.zst"
COLUMNS = ("Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price",
           "Customer ID", "Country")
INVOICE = re.compile(r"[AC]?\d{6}")  # A: bad debt adjusted, C: cancelled
NO_CUSTOMER = -1


def day_start(text):
    return raw_tables.day_start(text, ZONE)


def read_all(folder):
    """The lines in file order: {"invoice", "code", "description", "country": texts,
    "customer" i64 (NO_CUSTOMER where the field is empty), "quantity" i64, "price" f64, "time"}."""
    folder = Path(folder)
    path = folder / TABLE
    table = read_table(folder, TABLE, COLUMNS, read_sums(folder))
    for i, text in enumerate(table["Invoice"]):
        if not INVOICE.fullmatch(text):
            raise RawError(f"{path}: row {i + 2}, column Invoice: found '{text}', expected six "
                           "digits, after A or C or nothing")
    known = [text or str(NO_CUSTOMER) for text in table["Customer ID"]]
    return {
        "invoice": table["Invoice"],
        "code": [text.strip().upper() for text in table["StockCode"]],
        "description": [" ".join(text.split()) for text in table["Description"]],
        "country": table["Country"],
        "customer": numbers(path, "Customer ID", known, np.int64),
        "quantity": numbers(path, "Quantity", table["Quantity"], np.int64),
        "price": numbers(path, "Price", table["Price"], np.float64),
        "time": raw_tables.utc_seconds(path, "InvoiceDate", table["InvoiceDate"], ZONE),
    }
