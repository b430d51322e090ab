# SPDX-License-Identifier: BSD-3-Clause
"""Augmented copies of rows, the predictions for them, and their losses."""

import numpy as np
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state

from sktransform.utils._sklearn import safe_indexing


class Views:
    """Augmented copies of the rows: for each magnitude, the draws.

    - `X` (n_samples, n_features): the rows.
    - `n_draws`: how many copies at each magnitude.
    - `magnitudes` (n_magnitudes,): the magnitudes.
    - `random_state`: seed of the draws, the same ones at every magnitude.
    """

    def __init__(self, transform, X, n_draws, magnitudes, random_state):
        self.is_augmenter = hasattr(transform, "augment")
        if not self.is_augmenter and not callable(transform):
            raise TypeError(
                "transform must be a function of rows, a magnitude and a generator, or "
                f"have a method augment; got {type(transform).__name__}."
            )
        if self.is_augmenter and magnitudes is not None:
            raise ValueError(
                "transform is an augmenter, which draws from its own ranges and has no "
                "magnitudes; use magnitudes=None, or give a function as transform."
            )
        self.magnitudes = _check_magnitudes(magnitudes)
        self.transform, self.X = transform, X
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        self.seeds = np.random.SeedSequence(int(seed)).generate_state(n_draws)

    def __iter__(self):
        for magnitude in self.magnitudes:
            yield (self._view(magnitude, seed) for seed in self.seeds)

    def _view(self, magnitude, seed):
        """Return one augmented copy of all rows."""
        if self.is_augmenter:
            view = self.transform.augment(self.X, random_state=int(seed >> 1))
        else:
            view = self.transform(self.X, magnitude, np.random.default_rng(seed))
        if len(view) != len(self.X):
            raise ValueError(
                f"transform returned {len(view)} rows for {len(self.X)} rows; it must "
                "return as many rows as it is given."
            )
        return view


def _check_magnitudes(magnitudes):
    """Return magnitudes as floats from 0 to 1, 1 alone for None."""
    if magnitudes is None:
        return [1.0]
    magnitudes = np.asarray(magnitudes, dtype=np.float64)
    if magnitudes.ndim != 1 or not len(magnitudes):
        raise ValueError(
            "magnitudes must be a list of at least one number, got shape "
            f"{magnitudes.shape}."
        )
    if not ((magnitudes >= 0) & (magnitudes <= 1)).all():
        raise ValueError(
            "magnitudes must be from 0, which changes nothing, to 1, the full range, "
            f"got {magnitudes}."
        )
    return magnitudes.tolist()


def predictions(estimator, X, metric):
    """Return one prediction, or class probabilities, for each row."""
    if metric == "squared" and not is_regressor(estimator):
        raise ValueError(
            "metric='squared' compares predictions of regressors, but "
            f"{type(estimator).__name__} is not a regressor; use metric='agreement'."
        )
    if metric != "squared" and is_regressor(estimator):
        raise ValueError(
            f"metric={metric!r} compares classes, but the estimator is a regressor; "
            "use metric='squared'."
        )
    if metric in {"agreement", "squared"}:
        return np.asarray(estimator.predict(X))
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"metric={metric!r} compares probabilities, but "
            f"{type(estimator).__name__} has no predict_proba; use metric='agreement'."
        )
    return np.asarray(estimator.predict_proba(X), dtype=np.float64)


def held_out_rows(estimator, X, y, cv, groups):
    """Yield fitted estimators and the rows that they have not seen; None for all."""
    if cv is None:
        yield estimator, None
        return
    splitter = check_cv(cv, y, classifier=is_classifier(estimator))
    for train, test in splitter.split(X, y, groups):
        fitted = clone(estimator).fit(safe_indexing(X, train), y[train])
        yield fitted, test


def row_loss(estimator, y):
    """Return a function of fitted estimator, rows and targets: one loss a row."""
    if is_classifier(estimator):
        return _brier
    if not is_regressor(estimator):
        raise ValueError(
            f"{type(estimator).__name__} is neither a classifier nor a regressor, and "
            "has no loss; give a classifier or a regressor."
        )
    variance = np.var(y, dtype=np.float64)
    if variance == 0:
        raise ValueError(
            f"All targets are equal to {y[0]}, so the loss relative to their variance "
            "is not defined; give targets that vary."
        )
    return lambda fitted, X, y: np.square(fitted.predict(X) - y) / variance


def _brier(fitted, X, y):
    """Return the Brier score of each row; a class never seen has probability 0."""
    if not hasattr(fitted, "predict_proba"):
        return 2.0 * (np.asarray(fitted.predict(X)) != y)
    probabilities = np.asarray(fitted.predict_proba(X), dtype=np.float64)
    is_class = y[:, None] == np.asarray(fitted.classes_)
    squares = np.square(probabilities - is_class).sum(axis=1)
    return squares + ~is_class.any(axis=1)
