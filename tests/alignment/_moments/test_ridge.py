# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from sktransform.alignment._moments import ridge as _ridge_folds
from sktransform.alignment._moments.folds import FoldMoments
from sktransform.alignment._moments.ridge import (
    HeldOutPath,
    RidgeFolds,
    RidgePath,
    scaled,
)
from sktransform.runtime._moments import PairMoments

PENALTIES = torch.logspace(-3, 2, 11, dtype=torch.float64)


@pytest.fixture
def views():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(120, 7)) * np.linspace(3, 0.3, 7) + 2
    Y = X @ generator.normal(size=(7, 4)) + 3 * generator.normal(size=(120, 4)) - 1
    return torch.from_numpy(X), torch.from_numpy(Y)


@pytest.fixture
def folds(views):
    # The last fold lies elsewhere and is smaller, as groups may be.
    indices = [range(0, 40), range(40, 75), range(75, 100), range(100, 120)]
    views[0][100:] += 1
    return [tuple(view[list(rows)] for view in views) for rows in indices]


def others(folds, *left_out):
    """Return the rows of all folds but some."""
    kept = [fold for i, fold in enumerate(folds) if i not in left_out]
    return tuple(torch.cat(parts) for parts in zip(*kept, strict=True))


def ridge(X, Y, penalty_on_sums):
    return Ridge(alpha=penalty_on_sums).fit(X.numpy(), Y.numpy())


def fitted(folds, penalties=PENALTIES):
    moments = FoldMoments(tuple(PairMoments.of(*fold) for fold in folds))
    return RidgeFolds.from_splits(moments.total(), moments.splits(), penalties)


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 50.0])
def test_path_is_ridge_regression(views, penalty):
    matrix = RidgePath.from_moments(PairMoments.of(*views)).matrix(penalty)
    assert_allclose(matrix.T, ridge(*views, 120 * penalty).coef_, rtol=1e-9)


def test_errors_are_those_of_the_rows(folds):
    path = RidgePath.from_moments(PairMoments.of(*others(folds, 3)))
    errors = HeldOutPath(path, PairMoments.of(*folds[3])).errors(PENALTIES)
    for penalty, error in zip(PENALTIES.tolist(), errors.tolist(), strict=True):
        predicted = ridge(*others(folds, 3), 100 * penalty).predict(folds[3][0])
        squared = ((predicted - folds[3][1].numpy()) ** 2).sum(axis=1)
        assert_allclose(error, squared.mean(), rtol=1e-10)


def held_out_error(folds, penalty):
    """Return the mean squared error of all rows, the penalty on sums the same."""
    squared = 0.0
    for i, (X, Y) in enumerate(folds):
        model = ridge(*others(folds, i), 120 * penalty)
        squared += ((model.predict(X) - Y.numpy()) ** 2).sum()
    return squared / 120


def test_penalty_is_that_of_least_held_out_error(folds):
    result = fitted(folds)
    errors = [held_out_error(folds, penalty) for penalty in PENALTIES.tolist()]
    assert 0 < np.argmin(errors) < len(errors) - 1
    assert result.penalty == PENALTIES[np.argmin(errors)]
    assert_allclose(result.error, min(errors), rtol=1e-10)
    expected = ridge(*others(folds), 120 * result.penalty)
    assert_allclose(result.matrix.T, expected.coef_, rtol=1e-9)


def test_predictions_of_a_fold_come_from_the_others(folds):
    result = fitted(folds)
    model = ridge(*others(folds, 2), 120 * result.penalty)
    expected = model.predict(folds[2][0])
    assert_allclose(result.fold_maps[2].predict(folds[2][0]), expected, rtol=1e-9)
    centred = expected - expected.mean(0)
    predicted, cross = centred.T @ centred, centred.T @ folds[2][1].numpy()
    assert_allclose(result.fold_maps[2].predicted, predicted, rtol=1e-8)
    assert_allclose(result.fold_maps[2].cross, cross, rtol=1e-8, atol=1e-8)


def test_predicted_covariance_is_that_of_rows_not_seen(folds):
    result = fitted(folds)
    sums = sum(fold_map.predicted for fold_map in result.fold_maps)
    assert_allclose(result.predicted_covariance(), sums / 120)


def test_fold_has_no_part_in_its_nested_covariance(folds):
    result = fitted(folds)
    sums = 0
    for i in (0, 2, 3):
        X, Y = others(folds, 1, i)
        images = ridge(X, Y, 120 * result.penalty).predict(folds[i][0])
        images -= images.mean(0)
        sums += images.T @ images
    nested = result.nested_covariances()
    assert len(nested) == 4
    assert_allclose(nested[1], sums / 85, rtol=1e-8)


def test_validation_folds_are_as_many_as_have_enough_rows(folds, monkeypatch):
    result = fitted(folds)
    assert len(result.validation_folds) == 4
    nested = result.nested_covariances()
    for enough, n_folds in ((40, 1), (41, 2), (75, 2), (100, 3), (101, 4)):
        monkeypatch.setattr(_ridge_folds, "_ENOUGH_ROWS", enough)
        assert result.validation_folds == result.fold_maps[:n_folds]
        fewer = result.nested_covariances()
        assert len(fewer) == n_folds
        for own, expected in zip(fewer, nested, strict=False):
            torch.testing.assert_close(own, expected)


def test_column_that_repeats_another_shares_its_coefficient(views):
    X, Y = views
    matrix = RidgePath.from_moments(
        PairMoments.of(torch.cat([X, X[:, :1]], 1), Y)
    ).matrix(1e-9)
    single = RidgePath.from_moments(PairMoments.of(X, Y)).matrix(1e-9)
    assert_allclose(matrix[0], matrix[7], rtol=1e-6)
    assert_allclose(matrix[0] + matrix[7], single[0], rtol=1e-6)


def test_rows_that_do_not_vary_but_for_rounding_predict_nothing():
    X = torch.full((50, 3), 0.1, dtype=torch.float64)
    X[::7] += 2e-17
    Y = torch.arange(100.0, dtype=torch.float64).reshape(50, 2)
    assert not RidgePath.from_moments(PairMoments.of(X, Y)).matrix(0.0).any()


def test_without_folds_the_penalty_in_the_middle_is_taken(views):
    total = PairMoments.of(*views)
    result = RidgeFolds.from_splits(total, [], PENALTIES)
    assert result.penalty == PENALTIES[5]
    assert np.isnan(result.error)


def test_scaled_moments_are_moments_of_scaled_columns(views):
    X, Y = views
    scale = torch.linspace(0.5, 2, 7, dtype=torch.float64)
    moments = scaled(PairMoments.of(X, Y), scale)
    for name, expected in PairMoments.of(X * scale, Y).tensors().items():
        torch.testing.assert_close(getattr(moments, name), expected)
