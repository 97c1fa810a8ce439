# SPDX-License-Identifier: Apache-2.0
"""golden.h5: what the model's own framework gives for 64 customers, for `batchrank verify --golden`
to replay (docs/FORMATS.md). Called once per import.

An oracle is (vectors [U, D], scores [U, V] of all rows of the item table, whose they are)."""
from pathlib import Path

import h5py
import numpy as np

import reference
from importers.refusal import Refusal, UsageRefusal

N_CUSTOMERS, N_BEST, SEED, TOLERANCE = 64, 10, 20261125, 2e-5
OWN = "batchrank's own forward pass in float64 NumPy (scripts/reference.py) of "


def random_histories(n_rows, max_length):
    """Row numbers of the item table, none of them padding: short, full and all lengths between."""
    rng = np.random.default_rng(SEED)
    lengths = [1, 2, max_length - 1, max_length]
    lengths = [n for n in lengths if n >= 1]
    lengths += list(rng.integers(1, max_length + 1, N_CUSTOMERS - len(lengths)))
    return [rng.integers(1, n_rows, n).astype(np.int64) for n in lengths]


def padded(histories, max_length, is_left):
    """[U, max_length] with zeros, as frameworks take them."""
    out = np.zeros((len(histories), max_length), np.int64)
    for row, items in zip(out, histories):
        row[slice(max_length - len(items), None) if is_left else slice(len(items))] = items
    return out


def own_oracle(modality, tensors, histories):
    t = {name: values.astype(np.float64) for name, values in tensors.items()}
    vector_UD = np.array([reference.encode(
        {"item": items, "time": np.zeros(len(items), np.int64), "type": None, "weight": None},
        modality, t) for items in histories])
    encoder = modality["encoder"]
    return vector_UD, vector_UD @ t[modality["item_table"]].T, \
        OWN + encoder.get("variant", encoder["type"])


def read_recorded(path, modality, tensors):
    """Histories and an oracle from an .npz that the user made with their own framework: `item`
    [U, T], 0 where there is no event, and `vector` [U, D]."""
    try:
        with np.load(path, allow_pickle=False) as file:
            item_UT, vector_UD = file["item"], file["vector"].astype(np.float64)
    except (OSError, ValueError, KeyError) as error:
        raise Refusal(f"{path}: expected .npz with `item` [U, T] and `vector` [U, D]: {error}") \
            from error
    table_VD = tensors[modality["item_table"]].astype(np.float64)
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
    return histories, (vector_UD, vector_UD @ table_VD.T,
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
    off = distance(own_oracle(modality, tensors, histories)[0], oracle[0])
    if off <= TOLERANCE:
        return
    fitting = [name for name, other in other_variants(modality, tensors)
               if distance(own_oracle(other, tensors, histories)[0], oracle[0]) <= TOLERANCE]
    encoder = modality["encoder"]
    stated = encoder.get("variant", encoder["type"])
    hint = f"; {fitting[0]} agrees: state that" if fitting else \
        "; so does every other variant: check heads, activation and window"
    raise UsageRefusal(f"{stated} is off by {off:.1e} from {oracle[2]}, expected at most "
                       f"{TOLERANCE:.0e}{hint}")


def best(score_UV, has_key_V):
    """Rows and scores of the best items that have a key: score descending, then row ascending."""
    score_UV = np.where(has_key_V[None, :], score_UV, -np.inf)
    k = min(N_BEST, int(has_key_V.sum()))
    item_UK = np.argsort(-score_UV, axis=1, kind="stable")[:, :k]
    return item_UK.astype(np.int32), np.take_along_axis(score_UV, item_UK, 1).astype(np.float32)


def write(path, histories, oracle, has_key_V):
    """`histories` is None for ready-made vectors."""
    vector_UD, score_UV, source = oracle
    item_UK, score_UK = best(score_UV, np.asarray(has_key_V))
    with h5py.File(path, "w") as file:
        file.attrs["format"] = np.bytes_("batchrank-golden")
        file.attrs["version"] = np.int64(1)
        file.attrs["source"] = np.bytes_(source.encode()[:255])
        file["/vector"] = np.asarray(vector_UD, np.float32)
        file["/list/item"], file["/list/score"] = item_UK, score_UK
        if histories is not None:
            lengths = [len(items) for items in histories]
            file["/timeline/offset"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
            file["/timeline/item"] = np.concatenate(histories).astype(np.int32)
