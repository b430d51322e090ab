# SPDX-License-Identifier: BSD-3-Clause
"""Rotations of a few angles, beside the best rotation of all."""

import time
import warnings
from functools import lru_cache

import numpy as np
from _report import grouped, table
from scipy.linalg import expm, orthogonal_procrustes
from scipy.stats import special_ortho_group
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from sktransform.alignment import GivensAligner, OrthogonalAligner, givens_rotation

NOTE = (
    "Rotations: 32 columns, means over the seeds. `error` is the mean squared error "
    "on pairs that no map has seen, as a share of the target's variance. Made views "
    "are normal rows, turned, with noise of a tenth of the variance; `near the "
    "identity` is the matrix exponential of a small skew matrix. Digits are the "
    "hidden units of a network, and of the same network trained on, or of another "
    "one. `numbers` are those of the rotation alone; all methods also keep two "
    "means, ours a scale."
)
N_SEEDS = 5
WIDTH, N_TEST, NOISE = 32, 500, 0.1
N_PAIRS = (24, 200)
# Largest angles of made sweeps, in degrees.
_LARGEST = {"one sweep, to 45°": 45, "one sweep, any angle": 180}


def _made_rotation(kind, generator):
    """Return a rotation (32, 32) of a kind."""
    if kind in _LARGEST:
        angles = generator.uniform(-1, 1, (1, WIDTH - 1)) * np.radians(_LARGEST[kind])
        return givens_rotation(angles)
    if kind == "near the identity":
        skew = generator.normal(scale=0.05, size=(WIDTH, WIDTH))
        return expm(skew - skew.T)
    return special_ortho_group(WIDTH, seed=generator).rvs()


def _made(kind):
    def load(seed):
        generator = np.random.default_rng(seed)
        rotation = _made_rotation(kind, generator)
        X = generator.normal(size=(max(N_PAIRS) + N_TEST, WIDTH))
        return X, X @ rotation + generator.normal(scale=NOISE**0.5, size=X.shape)

    return load


@lru_cache(maxsize=2)
def _hidden_units(seed):
    """Return hidden units of digits: a network's, later, and another network's."""
    images, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(len(images))
    images, y = images[rows] / 16, y[rows]
    trained, rest = slice(0, 900), slice(900, None)

    def encode(network):
        # Before the rectifier: a rotation is to act on the whole space.
        return images[rest] @ network.coefs_[0] + network.intercepts_[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = MLPClassifier((WIDTH,), max_iter=60, random_state=seed)
        before = encode(network.fit(images[trained], y[trained]))
        other = MLPClassifier((WIDTH,), max_iter=60, random_state=1000 + seed)
        other = encode(other.fit(images[trained], y[trained]))
        for _ in range(30):
            network.partial_fit(images[trained], y[trained])
    return before, encode(network), other


def _digits(which):
    def load(seed):
        units = _hidden_units(seed)
        return units[0], units[which]

    return load


DATA = {
    **{f"made, {kind}": _made(kind) for kind in _LARGEST},
    "made, near the identity": _made("near the identity"),
    "made, any rotation": _made("any"),
    "digits, trained on": _digits(1),
    "digits, another network": _digits(2),
}


class _Procrustes:
    """SciPy's best orthogonal matrix between centred views."""

    def fit(self, X, y):
        self.means_ = X.mean(axis=0), y.mean(axis=0)
        self.matrix_, _ = orthogonal_procrustes(X - self.means_[0], y - self.means_[1])
        return self

    def transform(self, X):
        return (X - self.means_[0]) @ self.matrix_ + self.means_[1]


class _Means:
    """A shift of the mean, without a rotation."""

    def fit(self, X, y):
        self.shift_ = y.mean(axis=0) - X.mean(axis=0)
        return self

    def transform(self, X):
        return X + self.shift_


# Name -> unfitted aligner, and the numbers that its rotation takes.
METHODS = {
    "shift of the mean": (_Means, 0),
    "ours, GivensAligner, 1 sweep": (GivensAligner, WIDTH - 1),
    "ours, GivensAligner, 4 sweeps": (lambda: GivensAligner(4), 4 * (WIDTH - 1)),
    "ours, GivensAligner, 16 sweeps": (lambda: GivensAligner(16), 16 * (WIDTH - 1)),
    "ours, OrthogonalAligner(lam=0)": (lambda: OrthogonalAligner(lam=0), WIDTH**2),
    "scipy, orthogonal_procrustes": (_Procrustes, WIDTH**2),
}


def records(seed):
    """Yield a record for each data set, number of pairs and method."""
    for name, load in DATA.items():
        X, Y = load(seed)
        X_test, Y_test = X[-N_TEST:], Y[-N_TEST:]
        for n_pairs in N_PAIRS:
            for method, (build, n_numbers) in METHODS.items():
                aligner = build()
                start = time.process_time()
                aligner.fit(X[:n_pairs], Y[:n_pairs])
                seconds = time.process_time() - start
                squares = np.square(aligner.transform(X_test) - Y_test).sum()
                yield {
                    "data": name,
                    "pairs": n_pairs,
                    "method": method,
                    "seed": seed,
                    "numbers": n_numbers,
                    "error": squares / (Y_test.var(axis=0).sum() * len(Y_test)),
                    "fit_ms": 1000 * seconds,
                }


def tables(found):
    """Return the table of errors."""
    columns = [
        ("numbers", "numbers", "d"),
        *((f"error, {n} pairs", f"error {n}", ".3f") for n in N_PAIRS),
        (f"CPU ms, {N_PAIRS[-1]} pairs", "fit_ms", ".1f"),
    ]
    means = grouped(found, ("data", "method", "pairs"), average=np.mean)
    groups = {}
    for (data, method, n_pairs), record in means.items():
        row = groups.setdefault((data, method), {})
        row |= record | {f"error {n_pairs}": record["error"]}
    return {"Rotations": table(groups, ("data", "method"), columns)}
