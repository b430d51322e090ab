# SPDX-License-Identifier: BSD-3-Clause
"""Data sets of the augmentation benchmark: few training rows, many to test on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_friedman1,
)
from sklearn.model_selection import train_test_split

from sktransform.augmentation import InvarianceAugmenter, transforms
from sktransform.augmentation.transforms import (
    ImageFlip,
    ImageNoise,
    ImageRotate,
    ImageShear,
    ImageTranslate,
    ImageZoom,
)
from sktransform.datasets import make_invariance_problem


@dataclass(frozen=True)
class Problem:
    """Where rows come from, what may be done to them, and how often it is measured."""

    load: object
    kind: str  # "knowledge", "images", "tilted" or "table"
    n_seeds: int
    settings: object = None  # of the augmenter: a function of nothing
    oracle: object = None  # transformations that are known to hold
    is_regression: bool = False
    needs_folder: bool = False


@dataclass(frozen=True)
class Split:
    """Training and test rows of one seed."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def declared_transformations(*, holding_only=False):
    """Return the transformations of the invariance problem."""
    declared = make_invariance_problem(1)[2]
    return [
        getattr(transforms, one["kind"])(**one["parameters"])
        for one in declared
        if one["holds"] or not holding_only
    ]


def image_transformations(width, *, mild):
    """Return what leaves a digit one, or the same kinds with gross ones beside."""
    pixels = 1.0 if width == 8 else 2.0
    kept = [
        ImageTranslate(axis="x", max_pixels=pixels),
        ImageTranslate(axis="y", max_pixels=pixels),
        ImageRotate(max_degrees=20.0),
        ImageZoom(max_log=0.2),
        ImageNoise(max_sd=0.4),
    ]
    gross = [
        ImageTranslate(axis="x", max_pixels=4.0),
        ImageRotate(max_degrees=180.0),
        ImageFlip(axis="x"),
        ImageFlip(axis="y"),
        ImageShear(max_slope=1.5),
    ]
    return kept if mild else kept + gross


def _invariance(n_samples):
    def load(seed, folder):
        X, y, _ = make_invariance_problem(n_samples, random_state=1000 + seed)
        X_test, y_test, _ = make_invariance_problem(3000, random_state=5000 + seed)
        return Split(X, y, X_test, y_test)

    return load


def _split(X, y, n_train, seed, *, is_regression=False, n_test=None):
    X, X_test, y, y_test = train_test_split(
        X,
        y,
        train_size=n_train,
        test_size=n_test,
        stratify=None if is_regression else y,
        random_state=seed,
    )
    return Split(X, y, X_test, y_test)


def _bundled(loader, n_train, **keywords):
    def load(seed, folder):
        return _split(*loader(return_X_y=True), n_train, seed, **keywords)

    return load


def _digits(n_train):
    def load(seed, folder):
        X, y = load_digits(return_X_y=True)
        return _split(X / 16, y, n_train, seed)

    return load


def _tilted(n_train):
    """Digits of which those to test on are all shifted both ways and turned."""

    def load(seed, folder):
        split = _digits(n_train)(seed, folder)
        X_test = split.X_test
        for number, change in enumerate(image_transformations(8, mild=True)[:3]):
            kept = InvarianceAugmenter([change], shape=(8, 8), learn=False)
            kept.fit(split.X)
            X_test = kept.augment(X_test, random_state=1000 * number + seed)
        return Split(split.X, split.y, X_test, split.y_test)

    return load


def _mnist(n_train):
    def load(seed, folder):
        with np.load(Path(folder) / "mnist.npz") as stored:
            X, y = stored["X"][:15_000], stored["y"][:15_000]
        X = X.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(len(X), -1) / 255
        return _split(X, y, n_train, seed, n_test=3000)

    return load


def _adult(n_train, *, mixed):
    def load(seed, folder):
        import pandas as pd

        table = pd.read_csv(
            Path(folder) / "adult.csv.gz", header=None, skipinitialspace=True
        )
        y = (table.pop(14).str.startswith(">50K")).to_numpy().astype(int)
        if mixed:
            X = pd.get_dummies(table, dtype=float).to_numpy()
        else:
            X = table.select_dtypes("number").to_numpy(float)
        return _split(X, y, n_train, seed, n_test=5000)

    return load


def _friedman(seed, folder):
    X, y = make_friedman1(3100, noise=1.0, random_state=seed)
    return Split(X[:100], y[:100], X[100:], y[100:])


def _known():
    return {"transformations": declared_transformations(), "bounds": "none"}


def _images(width):
    return lambda: {
        "transformations": image_transformations(width, mild=False),
        "shape": (width, width),
    }


def _requirement():
    mild = image_transformations(8, mild=True)
    return {"transformations": mild, "shape": (8, 8)}


def _oracle(width):
    return lambda: image_transformations(width, mild=True)


def _true_ones():
    return declared_transformations(holding_only=True)


PROBLEMS = {
    "T n=120": Problem(_invariance(120), "knowledge", 10, _known, _true_ones),
    "T n=300": Problem(_invariance(300), "knowledge", 10, _known, _true_ones),
    "digits n=100": Problem(_digits(100), "images", 5, _images(8), _oracle(8)),
    "digits tilted n=100": Problem(_tilted(100), "tilted", 5, _requirement),
    "mnist n=200": Problem(
        _mnist(200), "images", 5, _images(14), _oracle(14), needs_folder=True
    ),
    "breast cancer n=100": Problem(_bundled(load_breast_cancer, 100), "table", 5),
    "wine n=60": Problem(_bundled(load_wine, 60), "table", 5),
    "iris n=45": Problem(_bundled(load_iris, 45), "table", 5),
    "adult numeric n=200": Problem(
        _adult(200, mixed=False), "table", 5, needs_folder=True
    ),
    "adult mixed n=200": Problem(
        _adult(200, mixed=True), "table", 5, needs_folder=True
    ),
    "diabetes n=100": Problem(
        _bundled(load_diabetes, 100, is_regression=True),
        "table",
        5,
        is_regression=True,
    ),
    "friedman n=100": Problem(_friedman, "table", 5, is_regression=True),
}


def problems_of(folder):
    """Return the problems whose data are at hand."""
    return {
        name: problem
        for name, problem in PROBLEMS.items()
        if folder or not problem.needs_folder
    }
