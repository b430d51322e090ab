# SPDX-License-Identifier: BSD-3-Clause
"""Two views of the same rows: read from a folder, or made so that all runs anywhere."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

N_GALLERY, N_ONE_SIDE = 2000, 2500

FILES = {
    "agnews_embeddings.npz": ["lsa", "layer3", "minilm"],
    "mnist_latents.npz": ["old", "new", "new_64"],
}
# A quick run takes the first ones.
GIVEN_PAIRS = [
    "layer3->minilm",
    "lsa->minilm",
    "new_64->new",
    "minilm->layer3",
    "new->new_64",
    "old->new",
]
MADE_PAIRS = ["net_64->net_96", "net_96->net_64", "net_64->other_64"]

# Made views of the digits: the width of a network of random weights, and its seed.
_NETWORKS = {"net_64": (64, 1), "net_96": (96, 2), "other_64": (64, 3)}


def pairs_of(folder):
    """Return the names of the pairs of views that there are."""
    return GIVEN_PAIRS if folder else MADE_PAIRS


def spaces_of(folder):
    """Return lists of the views of the same rows."""
    return [*FILES.values()] if folder else [[*_NETWORKS]]


@cache
def view(name, folder):
    """Return the rows of a view in float64, not normalised."""
    if not folder:
        return _random_network(*_NETWORKS[name])
    file = next(file for file, names in FILES.items() if name in names)
    with np.load(Path(folder, file)) as arrays:
        return arrays[name].astype(np.float64)


def _random_network(width, seed):
    """Return what two layers of random weights make of scikit-learn's digits."""
    from sklearn.datasets import load_digits

    generator = np.random.default_rng(seed)
    X = load_digits().data / 16
    for n_units in (128, width):
        weights = generator.normal(size=(X.shape[1], n_units)) / np.sqrt(X.shape[1])
        X = np.maximum((X - X.mean(axis=0)) @ weights, 0)
    return X


@dataclass(frozen=True)
class Split:
    """Pairs to learn from, and pairs to search with: X_new finds its row of Y_new."""

    X: np.ndarray
    Y: np.ndarray
    X_new: np.ndarray
    Y_new: np.ndarray


def split(pair, folder, n_pairs, seed):
    """Return the first rows of a shuffle to learn from and its last ones to test.

    The rows to test do not depend on the number of pairs. None if it is too large.
    """
    X, Y = (view(name, folder) for name in pair.split("->"))
    n_test = min(N_GALLERY, len(X) * 2 // 5)
    if n_pairs > len(X) - n_test:
        return None
    order = np.random.default_rng(1000 + seed).permutation(len(X))
    train, test = order[:-n_test][:n_pairs], order[-n_test:]
    return Split(X[train], Y[train], X[test], Y[test])


@dataclass(frozen=True)
class TwoSides:
    """Rows of two views that have no row in common, but for a few known pairs.

    The rows of Y are the unpaired ones, then the partners of X's rows `known`.
    """

    X: np.ndarray
    Y: np.ndarray
    known: np.ndarray
    partners: np.ndarray  # for each row of X its row of Y, or -1
    X_new: np.ndarray
    Y_new: np.ndarray


def unpaired_data(folder):
    """Return the names of the unpaired tasks."""
    if folder:
        return ["layer3->minilm", "lsa->minilm", "new_64 rotated"]
    return ["net_64->net_96", "net_64 rotated"]


def two_sides(name, folder, n_known, seed):
    """Return two sides; the queries are the rows of X whose partner is not known."""
    generator = np.random.default_rng(500 + seed)
    if name.endswith(" rotated"):
        X = view(name.split()[0], folder)
        turn = np.linalg.qr(generator.normal(size=(X.shape[1],) * 2))[0]
        Y = X @ turn + generator.normal(size=X.shape) * X.std() * 0.3
    else:
        X, Y = (view(one, folder) for one in name.split("->"))
    n_side = min(N_ONE_SIDE, len(X) // 2)
    order = generator.permutation(len(X))
    left, right = order[:n_side], order[n_side : 2 * n_side]
    known = generator.permutation(n_side)[:n_known]
    partners = np.full(n_side, -1)
    partners[known] = n_side + np.arange(n_known)
    return TwoSides(
        X[left],
        np.vstack([Y[right], Y[left[known]]]),
        known,
        partners,
        np.delete(X[left], known, axis=0),
        np.delete(Y[left], known, axis=0),
    )


def synthetic_pair(n_rows, n_inputs, n_outputs, seed=0):
    """Return rows of length 1 in float32, and their images under a linear map.

    Directions have unequal variance, as those of embeddings do, the map stretches
    some of them and forgets others, and noise is added.
    """
    generator = np.random.default_rng(seed)
    rank = max(n_inputs, n_outputs)
    spread = np.arange(1, rank + 1.0) ** -0.7
    rows = generator.normal(size=(n_rows, rank)).astype(np.float32) * spread
    turns = [np.linalg.qr(generator.normal(size=(rank, rank)))[0] for _ in range(3)]
    stretch = np.exp(generator.normal(size=rank))
    X = rows @ turns[0][:, :n_inputs]
    Y = rows @ ((turns[1] * stretch) @ turns[2])[:, :n_outputs]
    Y += generator.normal(size=Y.shape) * Y.std() * 0.4
    return tuple(
        (view / np.linalg.norm(view, axis=1, keepdims=True)).astype(np.float32)
        for view in (X, Y)
    )
