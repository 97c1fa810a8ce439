# SPDX-License-Identifier: Apache-2.0
"""What the lists must be, by docs/EXACTNESS.md and nothing of ours: NumPy's float64 product finds
the items that may be in a list, their canonical scores (eight chains, one rounding) and the item
rows order them. Lists are then compared slot by slot, items and score bits."""
import numpy as np

ROWS, ITEMS = 128, 16_384  # of one product: 16 MiB


def canonical(x, z, bias):
    """Scores of pairs of rows: x, z [n, D], bias [n] or None."""
    dim = x.shape[1]
    pad = [(0, 0), (0, -dim % 8)]
    product = np.pad(x, pad).astype(np.float64) * np.pad(z, pad).astype(np.float64)
    lane = np.zeros((len(x), 8))
    for d in range(0, product.shape[1], 8):
        lane += product[:, d:d + 8]
    lane = lane[:, :4] + lane[:, 4:]
    lane = lane[:, :2] + lane[:, 2:]
    total = lane[:, 0] + lane[:, 1]
    if bias is not None:
        total = total + bias.astype(np.float64)
    return (total + 0.0).astype(np.float32) + np.float32(0.0)


def reach(x, z):
    """[B] the largest |x| |z| of each row, and of what its float32 product may be off at most."""
    norm = np.linalg.norm(x.astype(np.float64), axis=1)
    largest = max(np.linalg.norm(z[at:at + ITEMS].astype(np.float64), axis=1).max()
                  for at in range(0, len(z), ITEMS))
    dim = x.shape[1]
    return norm * largest, 1e-7 * (dim + 8) * norm * largest + (2 * dim + 16) * 2.0 ** -149


def candidates(x, z, bias, least, never):
    """(row, item) of every pair that float64 puts at `least` of the row or above, less the
    never-lists (offset [B+1], item)."""
    rows, items = [], []
    for at in range(0, len(z), ITEMS):
        part = z[at:at + ITEMS].astype(np.float64).T
        for b in range(0, len(x), ROWS):
            score = x[b:b + ROWS].astype(np.float64) @ part
            if bias is not None:
                score += bias[at:at + ITEMS]
            row, item = np.nonzero(score >= least[b:b + ROWS, None])
            rows.append(row + b)
            items.append(item + at)
    row, item = np.concatenate(rows), np.concatenate(items)
    if never is not None:
        offset, excluded = never
        of_row = np.repeat(np.arange(len(x), dtype=np.int64), np.diff(offset))
        keep = ~np.isin(row * len(z) + item, of_row * len(z) + excluded)
        row, item = row[keep], item[keep]
    return row, item


def lists(x, z, k, least, bias=None, never=None):
    """(item [B, k], score [B, k]); `least` [B] must not be above a row's k-th best exact score: the
    roundings of float64 and of scores to float32 are allowed for here."""
    most = 0.0 if bias is None else np.abs(bias).max()
    least = least.astype(np.float64)
    slack = 1e-12 * reach(x, z)[0] + 2.0 ** -22 * (np.abs(least) + most) + 2.0 ** -147
    finite = np.where(np.isfinite(least), least - slack, -np.inf)
    row, item = candidates(x, z, bias, finite, never)
    score = np.empty(len(row), np.float32)
    for at in range(0, len(row), 100_000):
        r, i = row[at:at + 100_000], item[at:at + 100_000]
        score[at:at + 100_000] = canonical(x[r], z[i], None if bias is None else bias[i])
    order = np.lexsort((item, -score.astype(np.float64), row))
    row, item, score = row[order], item[order], score[order]
    first = np.searchsorted(row, np.arange(len(x)))
    place = np.arange(len(row)) - first[row]
    out = np.full((len(x), k), -1, np.int32), np.full((len(x), k), np.nan, np.float32)
    keep = place < k
    out[0][row[keep], place[keep]] = item[keep]
    out[1][row[keep], place[keep]] = score[keep]
    return out


def count_wrong(found, wanted):
    """Slots whose item or score bits differ."""
    k = found[0].shape[1]
    item, score = wanted[0][:, :k], wanted[1][:, :k]
    both_nan = np.isnan(found[1]) & np.isnan(score)
    same = (found[0] == item) & ((found[1].view("u4") == score.view("u4")) | both_nan)
    return int(np.count_nonzero(~same))
