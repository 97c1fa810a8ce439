# SPDX-License-Identifier: Apache-2.0
"""golden.h5: what the model's own framework gives for 64 customers, for `batchrank verify --golden`
to replay (docs/FORMATS.md). Called once per import.

An oracle is whose forward pass it is, and what it gave."""
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

import reference
from importers import checkpoint
from importers.refusal import Refusal, UsageRefusal

N_CUSTOMERS, N_BEST, SEED, TOLERANCE = 64, 10, 20261125, 2e-5
BLOCK_ROWS = 65536  # of the item table, scored at a time
OWN = "batchrank's own forward pass in float64 NumPy (scripts/reference.py) of "


class Oracle(NamedTuple):
    vector_UD: np.ndarray
    item_UK: np.ndarray  # rows of the item table, best first
    score_UK: np.ndarray
    source: str


def random_histories(n_rows, max_length):
    """Row numbers of the item table, none of them padding: short, full and all lengths between."""
    rng = np.random.default_rng(SEED)
    lengths = [1, 2, max_length - 1, max_length]
    lengths = [n for n in lengths if 1 <= n <= max_length]
    lengths += list(rng.integers(1, max_length + 1, N_CUSTOMERS - len(lengths)))
    return [rng.integers(1, n_rows, n).astype(np.int64) for n in lengths]


def padded(histories, max_length, is_left):
    """[U, max_length] with zeros, as frameworks take them."""
    out = np.zeros((len(histories), max_length), np.int64)
    for row, items in zip(out, histories):
        row[slice(max_length - len(items), None) if is_left else slice(len(items))] = items
    return out


def best(score_UV, first_row):
    """Rows and scores of the best items: score descending, then row ascending."""
    k = min(N_BEST, score_UV.shape[1] - first_row)
    item_UK = np.argsort(-score_UV[:, first_row:], axis=1, kind="stable")[:, :k] + first_row
    return item_UK, np.take_along_axis(score_UV, item_UK, 1)


def best_products(vector_UD, table_VD, first_row, bias_V=None):
    """The same by products in float64, a block of the table at a time."""
    item_UK = np.empty((len(vector_UD), 0), np.int64)
    score_UK = np.empty((len(vector_UD), 0))
    for begin in range(first_row, len(table_VD), BLOCK_ROWS):
        rows = np.arange(begin, min(begin + BLOCK_ROWS, len(table_VD)))
        score = vector_UD.astype(np.float64) @ table_VD[rows].astype(np.float64).T
        score = score if bias_V is None else score + bias_V[rows]
        item = np.concatenate([item_UK, np.broadcast_to(rows, score.shape)], axis=1)
        score = np.concatenate([score_UK, score], axis=1)
        order = np.argsort(-score, axis=1, kind="stable")[:, :N_BEST]
        item_UK, score_UK = (np.take_along_axis(x, order, 1) for x in (item, score))
    return item_UK, score_UK


def own_vectors(modality, tensors, histories):
    """By scripts/reference.py; of a large table only the rows that occur become float64."""
    table = modality["item_table"]
    rows = np.unique(np.concatenate([[0], *histories]))
    t = {name: (values[rows] if name == table else values).astype(np.float64)
         for name, values in tensors.items()}
    return np.array([reference.encode(
        {"item": np.searchsorted(rows, items), "time": np.zeros(len(items), np.int64),
         "type": None, "weight": None}, modality, t) for items in histories])


def own_oracle(modality, tensors, histories):
    vector_UD = own_vectors(modality, tensors, histories)
    encoder = modality["encoder"]
    return Oracle(vector_UD, *best_products(vector_UD, tensors[modality["item_table"]], 1),
                  OWN + encoder.get("variant", encoder["type"]))


def read_recorded(path, modality, tensors):
    """Histories and an oracle from an .npz that the user made with their own framework: `item`
    [U, T], 0 where there is no event, and `vector` [U, D]."""
    try:
        with np.load(path, allow_pickle=False) as file:
            item_UT, vector_UD = file["item"], file["vector"].astype(np.float64)
    except checkpoint.UNREADABLE as error:
        raise Refusal(f"{path}: expected .npz with `item` [U, T] and `vector` [U, D]: {error}") \
            from error
    table_VD = tensors[modality["item_table"]]
    if item_UT.ndim != 2 or item_UT.dtype.kind not in "iu" or \
            vector_UD.shape != (len(item_UT), table_VD.shape[1]) or len(item_UT) == 0:
        raise Refusal(f"{path}: found item {item_UT.dtype} {list(item_UT.shape)}, vector "
                      f"{list(vector_UD.shape)}; expected integers [U, T] and "
                      f"[U, {table_VD.shape[1]}]")
    if item_UT.min() < 0 or item_UT.max() >= len(table_VD):
        raise Refusal(f"{path}: item: found {item_UT.min()} to {item_UT.max()}, expected 0 to "
                      f"{len(table_VD) - 1}: rows of {modality['item_table']}")
    histories = [row[row != 0][-modality["encoder"]["max_length"]:] for row in item_UT]
    if min(map(len, histories)) == 0:
        raise Refusal(f"{path}: item: row {[len(h) for h in histories].index(0)} has no event")
    return histories, Oracle(vector_UD, *best_products(vector_UD, table_VD, 1),
                             f"the framework, recorded in {Path(path).name}")


def distance(found_UD, wanted_UD):
    """Largest difference, in units of what is allowed to be 2e-5."""
    scale_U1 = np.maximum(1.0, np.abs(wanted_UD).max(axis=1, keepdims=True))
    return float((np.abs(found_UD - wanted_UD) / scale_U1).max())


def other_variants(modality, tensors):
    """The same tensors under every other variant that takes them."""
    variant = modality["encoder"].get("variant", "")
    alike = ("pmixer_b", "pmixer_c_post", "pmixer_c_pre")
    for other in alike if variant in alike else ():
        if other != variant:
            yield other, {**modality, "encoder": {**modality["encoder"], "variant": other}}


def check_oracle(modality, tensors, histories, oracle):
    """The framework computes what model.json says; where not, says which variant would fit."""
    off = distance(own_vectors(modality, tensors, histories), oracle.vector_UD)
    if off <= TOLERANCE:
        return
    fitting = [name for name, other in other_variants(modality, tensors)
               if distance(own_vectors(other, tensors, histories), oracle.vector_UD) <= TOLERANCE]
    encoder = modality["encoder"]
    stated = encoder.get("variant", encoder["type"])
    hint = f"; {fitting[0]} agrees: state that" if fitting else \
        "; check variant, heads, activation and window"
    raise UsageRefusal(f"{stated} is off by {off:.1e} from {oracle.source}, expected at most "
                       f"{TOLERANCE:.0e}{hint}")


def write(path, histories, oracle):
    """`histories` is None for ready-made vectors."""
    with h5py.File(path, "w") as file:
        file.attrs["format"] = np.bytes_("batchrank-golden")
        file.attrs["version"] = np.int64(1)
        file.attrs["source"] = np.bytes_(oracle.source.encode()[:255])
        file["/vector"] = oracle.vector_UD.astype(np.float32)
        file["/list/item"] = oracle.item_UK.astype(np.int32)
        file["/list/score"] = oracle.score_UK.astype(np.float32)
        if histories is not None:
            lengths = [len(items) for items in histories]
            file["/timeline/offset"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
            file["/timeline/item"] = np.concatenate(histories).astype(np.int32)
