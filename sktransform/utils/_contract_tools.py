# SPDX-License-Identifier: BSD-3-Clause
"""Tables, fits and assertions that the checks of the contract share."""

import re
from unittest import SkipTest

import joblib
import numpy as np
from sklearn.utils import get_tags

SINGLE = 1e-4  # agreement to single precision, relative to the largest value
DOUBLE = 1e-6  # the same numbers, summed in another order


def table(n_samples=60, n_features=6, seed=0):
    """Return rows of three groups near a plane."""
    generator = np.random.default_rng(seed)
    plane = generator.normal(size=(n_samples, 2))
    plane += 4 * generator.normal(size=(3, 2))[np.arange(n_samples) % 3]
    rows = plane @ generator.normal(size=(2, n_features))
    return rows + 0.1 * generator.normal(size=rows.shape)


def target(estimator, X):
    """Return a target of the kind that the tags ask for, or None."""
    tags = get_tags(estimator)
    if not tags.target_tags.required:
        return None
    X = np.asarray(X)
    if tags.classifier_tags is not None:
        return (X[:, 0] > np.median(X[:, 0])).astype(int)
    return X[:, ::-1].copy() if tags.target_tags.multi_output else X.sum(axis=1)


def fit(estimator, X, **fit_params):
    """Fit on rows, with a target made of them where one is required."""
    y = fit_params.pop("y") if "y" in fit_params else target(estimator, X)
    return estimator.fit(X, y, **fit_params)


def starting_anew(estimator):
    """Return the estimator, set to forget earlier fits if it has the choice."""
    if "warm_start" in estimator.get_params(deep=False):
        estimator.set_params(warm_start=False)
    return estimator


def rowwise(fitted, X):
    """Return (method, rows that it takes) of the methods that map single rows."""
    if not hasattr(fitted, "transform"):
        for method in _predictions(fitted):
            yield method, X
        return
    yield fitted.transform, X
    if hasattr(fitted, "inverse_transform"):
        yield fitted.inverse_transform, fitted.transform(X)


def outcome(fitted, X):
    """Return transformed rows, or of a predictor its finest prediction of each row."""
    if hasattr(fitted, "transform"):
        return fitted.transform(X)
    for method in _predictions(fitted):
        return method(X)
    raise SkipTest(f"{type(fitted).__name__} has no method that maps rows")


def _predictions(fitted):
    """Return the methods of a predictor, the finest first."""
    names = "predict_proba", "decision_function", "predict"
    return [getattr(fitted, name) for name in names if hasattr(fitted, name)]


def state(estimator):
    """Return a digest of everything that the estimator holds."""
    return joblib.hash(vars(estimator))


def assert_same(actual, expected, what):
    """Assert the same shape, precision and bits."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: {actual.shape}, {expected.shape}"
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype}, {expected.dtype}"
    error = f"{what}: other bits, largest difference {distance(actual, expected)}"
    assert actual.tobytes() == expected.tobytes(), error


def assert_close(actual, expected, tolerance, what):
    """Assert the same shape, and values that agree relative to the largest one."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: {actual.shape}, {expected.shape}"
    bound = tolerance * np.abs(expected).max()
    assert distance(actual, expected) <= bound, f"{what}: values differ"


def distance(actual, expected):
    """Return the largest absolute difference, in double precision."""
    return np.abs(np.asarray(actual, np.float64) - expected).max()


def assert_finite(fitted, X):
    """Assert that the rows have finite images, one each."""
    Z = outcome(fitted, X)
    assert len(Z) == len(X), "rows were lost"
    assert np.isfinite(Z).all(), "NaN or infinity came out"


def assert_keeps_state(estimator, call, what, exception=ValueError, match=""):
    """Assert that a call raises, and that the estimator stays as it was."""
    before = state(estimator)
    try:
        call()
    except exception as error:
        if not re.search(match, str(error)):
            raise AssertionError(f"{what}: unclear message: {error}") from error
    else:
        raise AssertionError(f"{what}: no {exception.__name__}")
    assert state(estimator) == before, f"{what}: the estimator has changed"
