# SPDX-License-Identifier: Apache-2.0
"""Item descriptions as numbers: TF-IDF over words and pairs of words, reduced by a truncated SVD.
Imported by prepare_online_retail.py, once per catalogue.
"""
import re

import numpy as np

MIN_ITEMS = 3     # a term that fewer items have says nothing about others
N_EXTRA = 16      # columns iterated beside the wanted ones, for accuracy
N_ITERATIONS = 12
SEED = 20101210
WORD = re.compile(r"[A-Z0-9]+")


def terms(name):
    """The words of a name and each pair of neighbours."""
    words = WORD.findall(name.upper())
    return words + [" ".join(pair) for pair in zip(words, words[1:])]


def tf_idf(names):
    """f64 [N, V], rows of length 1 (0 without a term that MIN_ITEMS items have), terms sorted."""
    listed = [terms(name) for name in names]
    n_items = {}
    for term in (t for one in listed for t in set(one)):
        n_items[term] = n_items.get(term, 0) + 1
    vocabulary = sorted(t for t, n in n_items.items() if n >= MIN_ITEMS)
    column = {t: i for i, t in enumerate(vocabulary)}
    table = np.zeros((len(names), len(vocabulary)))
    for row, one in enumerate(listed):
        for term in one:
            if term in column:
                table[row, column[term]] += 1
    table *= np.log((1 + len(names)) / (1 + np.array([n_items[t] for t in vocabulary]))) + 1
    length = np.linalg.norm(table, axis=1, keepdims=True)
    return table / np.where(length > 0, length, 1), vocabulary


def truncated_svd(table, n_dims):
    """table @ V [N, n_dims] for its first right singular vectors, by subspace iteration from a
    fixed seed. The sign of each is such that the largest entry of the singular vector is positive;
    columns beyond the rank are 0."""
    width = min(n_dims + N_EXTRA, *table.shape)
    basis = np.random.default_rng(SEED).standard_normal((table.shape[1], width))
    for _ in range(N_ITERATIONS):
        basis = np.linalg.qr(table.T @ (table @ basis))[0]
    _, _, right = np.linalg.svd(table @ basis, full_matrices=False)
    vectors = (basis @ right.T)[:, :n_dims]
    largest = np.abs(vectors).argmax(axis=0)
    vectors *= np.sign(vectors[largest, np.arange(vectors.shape[1])])
    out = np.zeros((table.shape[0], n_dims))
    out[:, :vectors.shape[1]] = table @ vectors
    return out


def features(names, n_dims):
    """f32 [N, n_dims] of the names."""
    table, vocabulary = tf_idf(names)
    if not vocabulary:
        return np.zeros((len(names), n_dims), dtype=np.float32)
    return truncated_svd(table, n_dims).astype(np.float32)
