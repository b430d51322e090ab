# SPDX-License-Identifier: BSD-3-Clause
"""Ways to more training rows, and the estimators that train on them."""

import math
import time

import numpy as np
from _augerino import learned_widths, versions
from sklearn.base import clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from sktransform.augmentation import (
    AugmentedClassifier,
    AugmentedRegressor,
    ConstrainedAugmenter,
    InvarianceAugmenter,
)

# The network takes so many steps whatever the number of rows.
_STEPS, _BATCH = 500, 32
METHODS = [
    "none",
    "repeated",
    "uniform",
    "SMOTE",
    "mixup",
    "Augerino",
    "ours",
    "oracle",
]
ESTIMATORS = ["LR", "RF", "HGB", "SVC", "MLP"]


class _FixedSteps:
    """Train a network for a number of steps rather than of passes."""

    def fit(self, X, y):
        passes = math.ceil(_STEPS * _BATCH / len(X))
        self.set_params(max_iter=passes, n_iter_no_change=passes)
        return super().fit(X, y)


class StepsMLPClassifier(_FixedSteps, MLPClassifier):
    """A network of classes."""


class StepsMLPRegressor(_FixedSteps, MLPRegressor):
    """A network of numbers."""


def estimators(problem, y, seed):
    """Return name -> estimator; tables are standardised first."""
    network = {
        "hidden_layer_sizes": 64,
        "batch_size": _BATCH,
        "learning_rate_init": 4e-3,
        "random_state": seed,
    }
    if problem.is_regression:
        found = {
            "LR": Ridge(),
            "RF": RandomForestRegressor(60, random_state=seed),
            "HGB": HistGradientBoostingRegressor(max_iter=40, random_state=seed),
            "SVC": SVR(C=3 * np.std(y), epsilon=0.1 * np.std(y)),
            "MLP": StepsMLPRegressor(**network),
        }
    else:
        n_rounds = 40 if len(np.unique(y)) < 5 else 15
        found = {
            "LR": LogisticRegression(max_iter=1000),
            "RF": RandomForestClassifier(60, random_state=seed),
            "HGB": HistGradientBoostingClassifier(max_iter=n_rounds, random_state=seed),
            "SVC": SVC(C=3),
            "MLP": StepsMLPClassifier(**network),
        }
    if problem.kind != "table":
        return found
    return {name: make_pipeline(StandardScaler(), own) for name, own in found.items()}


def n_copies(n_rows):
    """Return how many copies every method makes."""
    return int(np.clip(2400 // n_rows, 2, 8))


def _repeated(X, y):
    times = 1 + n_copies(len(X))
    return np.tile(X, (times, 1)), np.tile(y, times)


def _uniform(X, y, settings, seed, is_regression):
    """Return rows and versions by all transformations at full range."""
    copies = n_copies(len(X))
    augmenter = InvarianceAugmenter(
        **settings,
        learn=False,
        task="regression" if is_regression else "classification",
        random_state=seed,
    ).fit(X, y)
    labels = None if is_regression else y
    made = augmenter.augment(X, copies, random_state=seed, y=labels)
    return np.vstack([X, made]), np.tile(y, 1 + copies)


def _smote(X, y, seed):
    """Return rows and made ones, as many of each class as copies would give."""
    from imblearn.over_sampling import SMOTE

    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < 2:
        return X, y
    wanted = dict(zip(classes, counts * (1 + n_copies(len(X))), strict=True))
    neighbors = min(5, counts.min() - 1)
    sampler = SMOTE(sampling_strategy=wanted, k_neighbors=neighbors, random_state=seed)
    return sampler.fit_resample(X, y)


def _mixup(X, y, seed, is_regression):
    """Return rows and mixtures, of rows of one class or of targets as well."""
    generator = np.random.default_rng(seed)
    numbers = np.tile(np.arange(len(X)), n_copies(len(X)))
    if is_regression:
        partners = generator.integers(len(X), size=len(numbers))
    else:
        partners = np.empty_like(numbers)
        for label in np.unique(y):
            own = np.flatnonzero(y == label)
            here = y[numbers] == label
            partners[here] = generator.choice(own, here.sum())
    weight = generator.beta(0.4, 0.4, size=len(numbers))
    mixed = X[numbers] + weight[:, None] * (X[partners] - X[numbers])
    targets = y[numbers]
    if is_regression:
        targets = targets + weight * (y[partners] - targets)
    return np.vstack([X, mixed]), np.concatenate([y, targets])


def _augerino(X, y, shape, seed):
    widths = learned_widths(X, y, shape, seed)
    copies = n_copies(len(X))
    made = versions(X, widths, shape, copies, seed)
    return np.vstack([X, made]), np.tile(y, 1 + copies)


def grown(method, problem, split, seed):
    """Return training rows of a method that does not ask the estimator, or None."""
    X, y = split.X, split.y
    settings = problem.settings() if problem.settings else {}
    if method == "none":
        return X, y
    if method == "repeated":
        return _repeated(X, y)
    if method == "uniform":
        return _uniform(X, y, settings, seed, problem.is_regression)
    if method == "oracle" and problem.oracle:
        known = {**settings, "transformations": problem.oracle()}
        return _uniform(X, y, known, seed, problem.is_regression)
    if method == "SMOTE" and not problem.is_regression:
        return _smote(X, y, seed)
    if method == "mixup":
        return _mixup(X, y, seed, problem.is_regression)
    if method == "Augerino" and "shape" in settings:
        return _augerino(X, y, settings["shape"], seed)
    return None


def _ours(problem, split, estimator, seed):
    settings = problem.settings() if problem.settings else {}
    kind = AugmentedRegressor if problem.is_regression else AugmentedClassifier
    # Tilted images are a requirement, not a guess.
    learner = ConstrainedAugmenter if problem.kind == "tilted" else InvarianceAugmenter
    model = kind(clone(estimator), learner(**settings), random_state=seed)
    return model.fit(split.X, split.y)


def separation(problem, augmenter):
    """Return how well the first excess tells what holds, or None where unknown."""
    if problem.kind != "knowledge":
        return None
    holds = [False] * 5 + [True] * 5
    return float(roc_auc_score(holds, augmenter.excess_))


def records(problem, split, seed, methods, names):
    """Yield a record for each method and estimator."""
    found = estimators(problem, split.y, seed)
    for method in methods:
        if method == "ours":
            for name in names:
                yield _record_of_ours(problem, split, found[name], seed, name)
            continue
        started = time.process_time()
        rows = grown(method, problem, split, seed)
        made = time.process_time() - started
        if rows is None:
            continue
        for name in names:
            started = time.process_time()
            fitted = clone(found[name]).fit(*rows)
            seconds = made + time.process_time() - started
            score = 100 * fitted.score(split.X_test, split.y_test)
            yield {
                "method": method,
                "estimator": name,
                "score": score,
                "seconds": seconds,
            }


def _record_of_ours(problem, split, estimator, seed, name):
    started = time.process_time()
    fitted = _ours(problem, split, estimator, seed)
    seconds = time.process_time() - started
    augmenter = fitted.augmenter_
    return {
        "method": "ours",
        "estimator": name,
        "score": 100 * fitted.score(split.X_test, split.y_test),
        "seconds": seconds,
        "chosen": augmenter.chosen_,
        "separation": separation(problem, augmenter),
    }
