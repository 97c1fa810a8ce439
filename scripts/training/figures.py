# SPDX-License-Identifier: Apache-2.0
"""Figures of probabilities: area under the ROC curve, reliability, calibration error. NumPy alone:
also for scripts that measure without PyTorch."""
import numpy as np

N_BINS = 10


def auc(score, label):
    """Area under the ROC curve, ties counted half (Mann-Whitney)."""
    values, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2
    n_on = label.sum()
    n_off = len(label) - n_on
    if n_on == 0 or n_off == 0:
        return None
    return float((rank[place][label > 0].sum() - n_on * (n_on + 1) / 2) / (n_on * n_off))


def reliability(p, label, n_bins=N_BINS):
    """[mean predicted, observed, cases] of bins of equally many predictions, ascending."""
    order = np.argsort(p, kind="stable")
    return [[float(p[part].mean()), float(label[part].mean()), len(part)]
            for part in np.array_split(order, n_bins) if len(part)]


def expected_error(p, label, n_bins=N_BINS):
    """ECE: mean |predicted - observed| over those bins."""
    gaps = [n * abs(predicted - observed)
            for predicted, observed, n in reliability(p, label, n_bins)]
    return float(sum(gaps) / max(len(p), 1))
