# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from sklearn import manifold

from sktransform.datasets import make_swiss_roll
from sktransform.metrics import continuity, trustworthiness


@pytest.fixture
def pair():
    X = np.random.default_rng(0).standard_normal((80, 4))
    return X, X[:, :2]


def test_values_equal_those_of_scikit_learn(pair):
    X, Y = pair
    expected = manifold.trustworthiness(X, Y, n_neighbors=7)
    assert trustworthiness(X, Y, n_neighbors=7) == pytest.approx(expected)
    expected = manifold.trustworthiness(Y, X, n_neighbors=7)
    assert continuity(X, Y, n_neighbors=7) == pytest.approx(expected)


def test_exchanging_the_arrays_exchanges_the_metrics(pair):
    X, Y = pair
    assert continuity(X, Y) == trustworthiness(Y, X)


def test_folding_costs_trust_and_tearing_costs_continuity():
    X, sheet = make_swiss_roll(400, random_state=0)
    shadow = X[:, :2]
    assert trustworthiness(sheet, shadow) < continuity(sheet, shadow)
    line = np.sort(np.random.default_rng(0).uniform(size=(300, 1)), axis=0)
    torn = np.where(line > 0.5, line + 5, line)
    assert continuity(line, torn) < trustworthiness(line, torn)


def test_similarity_is_perfect(pair):
    X = pair[0]
    assert trustworthiness(X, 2 * X + 1) == 1
    assert continuity(X, 2 * X + 1) == 1


@pytest.mark.parametrize("metric", [continuity, trustworthiness])
def test_far_from_the_origin(pair, metric):
    X, Y = pair
    assert metric(X + 1e8, Y + 1e8) == pytest.approx(metric(X, Y), abs=1e-3)


@pytest.mark.parametrize("metric", [continuity, trustworthiness])
def test_tensors(pair, metric):
    X, Y = pair
    assert metric(torch.from_numpy(X), torch.from_numpy(Y)) == metric(X, Y)
    assert isinstance(metric(X, Y), float)


@pytest.mark.parametrize("metric", [continuity, trustworthiness])
def test_bad_arguments_are_refused(pair, metric):
    X, Y = pair
    with pytest.raises(ValueError, match="n_neighbors"):
        metric(X, Y, n_neighbors=0)
    with pytest.raises(ValueError, match="n_neighbors"):
        metric(X, Y, n_neighbors=40)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        metric(X, Y[:-1])
