# SPDX-License-Identifier: Apache-2.0
"""What a household saw advertised: the prominent promotions of the store and week of its receipts.
Used by prepare_completejourney.py, once per run.

The table has 1,948,597 rows (product, store, week, where it was displayed, where in the mailer). A
promotion is prominent when the product stood at the front or rear of the store or at a front end
cap and was on an outer page of the mailer: what is seen without looking for it. That the household
saw it is an assumption: it bought something in that store in that week."""
import numpy as np

from customer_files import rows_of, sort_events
from raw_tables import numbers, table_rows

NAME = "promotions.csv.zst"
COLUMNS = ("product_id", "store_id", "display_location", "mailer_location", "week")
DISPLAYS = frozenset("123")    # store front, store rear, front end cap
PAGES = frozenset("DFHJL")     # front and back page, wrap front, interior and back
STORE_WEEKS = 64               # weeks are below it


def read_prominent(folder, sums):
    """{"product_id", "store_id", "week": i64 arrays} of the prominent rows."""
    rows = [(row[0], row[1], row[4]) for row in table_rows(folder, NAME, COLUMNS, sums)
            if row[2] in DISPLAYS and row[3] in PAGES]
    return {column: numbers(folder / NAME, column, [row[i] for row in rows], np.int64)
            for i, column in enumerate(("product_id", "store_id", "week"))}


def seen(households, item_ids, sold, promoted):
    """The timeline `promotion`: each prominent product once per household, store and week, at the
    household's first receipt there; products that are no catalogue items are left out."""
    place = sold["store_id"] * STORE_WEEKS + sold["week"]
    order = np.lexsort((sold["transaction_timestamp"], place, sold["household_id"]))
    household, place = sold["household_id"][order], place[order]
    is_first = np.ones(len(order), bool)
    is_first[1:] = (household[1:] != household[:-1]) | (place[1:] != place[:-1])
    household, place = household[is_first], place[is_first]
    time = sold["transaction_timestamp"][order][is_first]

    item = rows_of(item_ids, promoted["product_id"])
    where = promoted["store_id"] * STORE_WEEKS + promoted["week"]
    shelf = np.unique(np.stack([where, item])[:, item >= 0], axis=1)  # by place, then item
    first = np.searchsorted(shelf[0], place)
    count = np.searchsorted(shelf[0], place, side="right") - first
    visit = np.repeat(np.arange(len(place)), count)
    index = np.arange(len(visit)) - np.repeat(np.cumsum(count) - count, count) + first[visit]
    return sort_events(households, household[visit], time[visit], shelf[1][index])
