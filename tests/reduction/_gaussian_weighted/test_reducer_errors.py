# SPDX-License-Identifier: BSD-3-Clause
"""What a new user gets wrong, and the one sentence that helps."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from sklearn.exceptions import NotFittedError

from sktransform.reduction import (
    GaussianWeightedLinearReducer,
    GaussianWeightedNeighborReducer,
)

X = np.random.default_rng(0).normal(size=(30, 4))
FITTED = GaussianWeightedLinearReducer(random_state=0).fit(X)
NEIGHBOR = GaussianWeightedNeighborReducer


def _with(value):
    wrong = X.copy()
    wrong[3, 2] = value
    return wrong


def _fit(X=X, sample_weight=None, **parameters):
    return GaussianWeightedLinearReducer(**parameters).fit(
        X, sample_weight=sample_weight
    )


def _fit_again(changes, again=X, cls=GaussianWeightedLinearReducer, **parameters):
    """Fit, change parameters, and fit again with a warm start."""
    reducer = cls(random_state=0, **parameters).fit(X)
    before = vars(reducer.set_params(warm_start=True, **changes)).copy()
    try:
        return reducer.fit(again)
    finally:
        assert vars(reducer) == before


MISTAKES = {
    "strings": (lambda: _fit([["a", "b"], ["c", "d"]]), "convert string to float"),
    "nan": (lambda: _fit(_with(np.nan)), "Input X contains NaN"),
    "infinity": (lambda: _fit(_with(np.inf)), "Input X contains infinity"),
    "nan in a tensor": (
        lambda: _fit(torch.from_numpy(_with(np.nan))),
        "Input X contains NaN",
    ),
    "one row": (lambda: _fit(X[:1]), r"1 sample.* minimum of 2 is required"),
    "one row in a tensor": (
        lambda: _fit(torch.from_numpy(X[:1])),
        r"1 sample.* minimum of 2 is required",
    ),
    "one-dimensional": (lambda: _fit(X[0]), "Expected 2D array, got 1D array"),
    "one-dimensional tensor": (
        lambda: _fit(torch.from_numpy(X[0])),
        "Expected 2D tensor, got 1D tensor",
    ),
    "geodesic distances of sparse rows": (
        lambda: _fit(scipy.sparse.csr_array(X), metric="geodesic"),
        "metric=.geodesic. does not take sparse rows",
    ),
    "complex tensor": (
        lambda: _fit(torch.ones((5, 3), dtype=torch.complex64)),
        "Complex data not supported",
    ),
    "n_components too large": (
        lambda: _fit(n_components=9),
        "n_components=9 is larger than n_features=4; use n_components=4 or less",
    ),
    "n_components zero": (
        lambda: _fit(n_components=0),
        "The 'n_components' parameter .* must be an int in the range",
    ),
    "unknown device": (
        lambda: _fit(device="gpu"),
        "device='gpu' is not a torch device; use 'auto', 'cpu' or 'cuda'",
    ),
    "device that torch has and we do not support": (
        lambda: _fit(device="meta"),
        "device='meta' is not supported; use 'auto', 'cpu' or 'cuda'",
    ),
    "minibatches along the data": (
        lambda: _fit(solver="minibatch", metric="geodesic"),
        "supports Euclidean distances only, but metric is 'geodesic'; use solver='majorize'",
    ),
    "minibatches with classes": (
        lambda: _fit(solver="minibatch", target_weight=0.5),
        "does not support class labels, but target_weight is 0.5; use solver='majorize'",
    ),
    "warm start with other components": (
        lambda: _fit_again({"n_components": 3}),
        "continues a map with n_components=2, but n_components=3 is set; set "
        "n_components=2, or set warm_start=False",
    ),
    "warm start with fewer charts": (
        lambda: _fit_again({"n_gaussians": 4}, n_gaussians=6),
        "continues a map of 6 charts, but n_gaussians=4 is less; set at least 6, or",
    ),
    "warm start with other components, neighbours kept": (
        lambda: _fit_again({"n_components": 3}, cls=NEIGHBOR, max_iter=5),
        "continues a map with n_components=2, but n_components=3 is set",
    ),
    "warm start with fewer charts, neighbours kept": (
        lambda: _fit_again({"n_gaussians": 4}, cls=NEIGHBOR, n_gaussians=6, max_iter=5),
        "continues a map of 6 charts, but n_gaussians=4 is less",
    ),
    "neighbours kept in more components than there are features": (
        lambda: NEIGHBOR(n_components=9).fit(X),
        "n_components=9 is larger than n_features=4; use n_components=4 or less",
    ),
    "classes asked for and not given, neighbours kept": (
        lambda: NEIGHBOR(target_weight=0.5).fit(X),
        "target_weight=0.5 needs class labels, but y is None; give y to fit",
    ),
    "minibatches of given distances": (
        lambda: GaussianWeightedLinearReducer(
            solver="minibatch", metric="precomputed"
        ).fit(X, distances=np.zeros((30, 30))),
        "supports Euclidean distances only, but metric is 'precomputed'",
    ),
    "warm start with other columns": (
        lambda: _fit_again({}, again=X[:, :3]),
        "X has 3 features, but GaussianWeightedLinearReducer is expecting 4",
    ),
    "a generator of blocks": (
        lambda: _fit(X[i : i + 10] for i in range(0, 30, 10)),
        "X is a generator, but .* one table of rows at a time; .* to partial_fit",
    ),
    "negative refinements": (
        lambda: FITTED.inverse_transform(X[:, :2], n_refinements=-1),
        "n_refinements == -1, must be >= 0",
    ),
    "refinements in words": (
        lambda: FITTED.inverse_transform(X[:, :2], n_refinements="two"),
        "n_refinements must be an instance of int",
    ),
    "squares beyond single precision": (
        lambda: _fit(np.float32(1e25) * X.astype(np.float32)),
        "overflow or underflow in float32; give X in float64, or rescale X",
    ),
    "squares below single precision": (
        lambda: _fit(np.float32(1e-30) * X.astype(np.float32)),
        "overflow or underflow in float32; give X in float64, or rescale X",
    ),
    "neighbours beyond single precision": (
        lambda: NEIGHBOR(max_iter=5).fit(1e25 * X),
        "overflow or underflow in float32; rescale X so that",
    ),
    "variance beyond all numbers": (
        lambda: _fit(X * 1e200),
        "too large: the variance of the features is not finite",
    ),
    "negative weights": (
        lambda: _fit(sample_weight=-np.ones(30)),
        "Negative values in data",
    ),
    "weights of another length": (
        lambda: _fit(sample_weight=np.ones(7)),
        "sample_weight.shape",
    ),
    "transform with other columns": (
        lambda: FITTED.transform(X[:, :3]),
        "X has 3 features, but GaussianWeightedLinearReducer is expecting 4",
    ),
    "transform of a tensor with other columns": (
        lambda: FITTED.transform(torch.from_numpy(X[:, :3])),
        "X has 3 features, but GaussianWeightedLinearReducer is expecting 4",
    ),
    "inverse with other columns": (
        lambda: FITTED.inverse_transform(X),
        "X has 4 columns, but inverse_transform .* takes the 2 columns",
    ),
    "score of equal rows": (
        lambda: FITTED.score(X[[0, 0]]),
        "target distances are zero",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_wrong_usage_gets_one_clear_sentence(mistake):
    call, sentence = MISTAKES[mistake]
    with pytest.raises((ValueError, TypeError), match=sentence):
        call()


@pytest.mark.parametrize("cls", [GaussianWeightedLinearReducer, NEIGHBOR])
@pytest.mark.parametrize(
    "method", ["transform", "inverse_transform", "score", "jacobian", "influence"]
)
def test_use_before_fit_is_named(cls, method):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(cls(), method)(X)


@pytest.mark.parametrize("cls", [GaussianWeightedLinearReducer, NEIGHBOR])
def test_a_constructor_has_at_most_fourteen_parameters(cls):
    assert len(cls().get_params()) <= 14


def test_columns_in_another_order_are_refused():
    frame = pd.DataFrame(X, columns=list("abcd"))
    reducer = GaussianWeightedLinearReducer(random_state=0).fit(frame)
    with pytest.raises(ValueError, match="feature names"):
        reducer.transform(frame[list("dcba")])


def test_failed_fit_leaves_a_fitted_estimator_as_it_was():
    reducer = GaussianWeightedLinearReducer(random_state=0).fit(X)
    before = reducer.transform(X)
    frame = pd.DataFrame(_with(np.nan)[:, :3], columns=list("abc"))
    with pytest.raises(ValueError, match="NaN"):
        reducer.fit(frame)
    assert not hasattr(reducer, "feature_names_in_")
    np.testing.assert_array_equal(reducer.transform(X), before)
