# SPDX-License-Identifier: Apache-2.0
"""Ready-made vectors of customers and items: `implicit`'s factors, plain matrices of a two-tower
model or of any factorisation. Each function gives (item_ND, bias_N or None, customer_UD). Called
once per import."""
from pathlib import Path

import numpy as np

from importers import checkpoint
from importers.refusal import Refusal, UsageRefusal

MAX_DIM = 1024


def open_arrays(path):
    """{name: array} of .npz or .safetensors."""
    try:
        if path.suffix == ".safetensors":
            return checkpoint.read_safetensors(path)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except checkpoint.UNREADABLE as error:
        raise Refusal(f"{path}: cannot be read: {error}") from error


def load(where):
    """The array that "x.npy", "x.npz[:NAME]" or "x.safetensors[:NAME]" names."""
    path, _, name = str(where).partition(":")
    path = Path(path)
    if not path.is_file():
        raise Refusal(f"{path}: no such file")
    if path.suffix == ".npy":
        try:
            return np.load(path, allow_pickle=False)
        except checkpoint.UNREADABLE as error:
            raise Refusal(f"{path}: cannot be read: {error}") from error
    if path.suffix not in (".npz", ".safetensors"):
        raise UsageRefusal(f"{path}: found a file of another kind, expected .npy, .npz or "
                           ".safetensors")
    arrays = open_arrays(path)
    if not name and len(arrays) != 1:
        raise UsageRefusal(f"{path}: found {len(arrays)} arrays ({', '.join(sorted(arrays)[:6])}); "
                           f"say which: {path}:NAME")
    if name and name not in arrays:
        raise UsageRefusal(f"{path}: found no array '{name}'; it has "
                           f"{', '.join(sorted(arrays)[:6])}")
    return arrays[name] if name else next(iter(arrays.values()))


def check_floats(name, array, n_dims):
    if array.ndim != n_dims or array.dtype.kind != "f" or 0 in array.shape:
        raise Refusal(f"{name}: found {array.dtype} {list(array.shape)}, expected floating point "
                      f"numbers in {n_dims} dimensions")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        raise Refusal(f"{name}: row {bad[0][0]}: found {array[tuple(bad[0])]}, expected finite "
                      "values")


def check_pair(item, customer):
    (item_name, item_ND), (customer_name, customer_UD) = item, customer
    check_floats(item_name, item_ND, 2)
    check_floats(customer_name, customer_UD, 2)
    if item_ND.shape[1] != customer_UD.shape[1]:
        raise Refusal(f"{customer_name}: found {customer_UD.shape[1]} columns, expected "
                      f"{item_ND.shape[1]} as in {item_name}: one row per customer and item")
    if item_ND.shape[1] > MAX_DIM:
        raise Refusal(f"{item_name}: found {item_ND.shape[1]} columns, expected at most {MAX_DIM}")


def implicit(o):
    """A model that `implicit` saved: every factor model of it scores by a plain dot product (BPR
    and LMF keep the items' bias in a column of their own)."""
    path = Path(o.checkpoint)
    if not path.is_file():
        raise Refusal(f"{path}: no such file")
    arrays = open_arrays(path)
    missing = [name for name in ("item_factors", "user_factors") if name not in arrays]
    if missing:
        raise Refusal(f"{path}: '{missing[0]}' is missing, expected a model of implicit saved with "
                      f"model.save; found {', '.join(sorted(arrays)[:6])}")
    item, customer = arrays["item_factors"], arrays["user_factors"]
    check_pair((f"{path}: item_factors", item), (f"{path}: user_factors", customer))
    return item, None, customer


def matrices(o):
    item, customer = load(o.items), load(o.customers)
    check_pair((o.items, item), (o.customers, customer))
    bias = None
    if o.bias is not None:
        bias = load(o.bias)
        bias = bias[:, 0] if bias.ndim == 2 and bias.shape[1] == 1 else bias
        check_floats(o.bias, bias, 1)
        if len(bias) != len(item):
            raise Refusal(f"{o.bias}: found {len(bias)} values, expected {len(item)}, one per row "
                          f"of {o.items}")
    return item, bias, customer
