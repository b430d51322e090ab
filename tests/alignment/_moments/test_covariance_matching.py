# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.linalg import polar, sqrtm

from sktransform.alignment._moments import covariance_matching as _covariance_matching
from sktransform.alignment._moments.covariance_matching import (
    calibrations,
    flattening_map,
    matching_map,
)
from sktransform.alignment._moments.folds import FoldMoments
from sktransform.alignment._moments.ridge import (
    PENALTIES,
    RidgeFolds,
    mean_variance,
)


def covariance(n_columns, seed):
    rows = np.random.default_rng(seed).normal(size=(3 * n_columns, n_columns))
    return rows.T @ rows / len(rows)


def views(n_rows, seed=0, noise=2.0, n_inputs=30, n_outputs=20):
    """Return rows, and targets of which they tell a part; a mean far from 0."""
    generator = np.random.default_rng(seed)
    mix = np.random.default_rng(99)
    spread = np.linspace(2, 0.2, n_outputs)
    X = generator.normal(size=(n_rows, n_inputs))
    signal = X @ mix.normal(size=(n_inputs, n_outputs)) / np.sqrt(n_inputs)
    Y = (signal + noise * generator.normal(size=signal.shape)) * spread + 3
    return X, Y


def ridge_of(X, Y, n_folds=5):
    moments = FoldMoments.from_rows(torch.tensor(X), torch.tensor(Y), n_folds=n_folds)
    total = moments.total()
    penalties = PENALTIES * mean_variance(total)
    return RidgeFolds.from_splits(total, moments.splits(), penalties)


def mapped(calibration, ridge, X):
    matrix, intercept = calibration.affine(ridge.total, ridge.matrix)
    return X @ matrix.numpy() + intercept.numpy()


def test_map_is_the_optimal_transport_of_normal_distributions():
    P, S = covariance(6, 0), covariance(6, 1)
    root = sqrtm(S)
    expected = root @ np.linalg.inv(sqrtm(root @ P @ root)) @ root
    T = matching_map(torch.tensor(P), torch.tensor(S)).numpy()
    assert_allclose(T, expected, rtol=1e-4, atol=1e-5)
    assert_allclose(T @ P @ T, S, atol=1e-4)


def test_regression_with_the_map_is_the_best_of_given_covariance(monkeypatch):
    monkeypatch.setattr(_covariance_matching, "_FLOOR", 1e-13)
    generator = np.random.default_rng(0)
    X, Y = views(400, n_inputs=8, n_outputs=5, noise=0.5)
    X, Y = X - X.mean(0), Y - Y.mean(0)
    G, C, S = X.T @ X / 400, X.T @ Y / 400, Y.T @ Y / 400
    least_squares = np.linalg.solve(G, C)
    P = least_squares.T @ G @ least_squares
    matrix = least_squares @ matching_map(torch.tensor(P), torch.tensor(S)).numpy()
    # Procrustes whose images have covariance S instead of a map that is a rotation.
    inverse_root = np.linalg.inv(sqrtm(G))
    turn = polar(inverse_root @ C @ sqrtm(S))[0]
    assert_allclose(matrix, inverse_root @ turn @ sqrtm(S), rtol=1e-8, atol=1e-10)
    loss = ((X @ matrix - Y) ** 2).sum()
    for _ in range(20):
        other = polar(turn + 0.05 * generator.normal(size=turn.shape))[0]
        feasible = inverse_root @ other @ sqrtm(S)
        assert_allclose(feasible.T @ G @ feasible, S, atol=1e-10)
        assert ((X @ feasible - Y) ** 2).sum() > loss


def test_map_is_symmetric_and_positive():
    T = matching_map(
        torch.tensor(covariance(8, 2)), torch.tensor(covariance(8, 3)), 0.1
    )
    assert_allclose(T, T.T, atol=1e-12)
    assert np.linalg.eigvalsh(T).min() > 0


def test_full_shrinkage_matches_the_total_variance_alone():
    P, S = torch.tensor(covariance(5, 0)), torch.tensor(covariance(5, 1))
    T = matching_map(P, S, 1)
    assert_allclose(T, T[0, 0].item() * np.eye(5))
    assert_allclose((T @ P @ T).trace(), S.trace())
    nearly = matching_map(P, S, 1 - 1e-9)
    assert_allclose(nearly, T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shrinkage", [0, 0.1])
def test_directions_without_predictions_stay_finite(shrinkage):
    S = torch.tensor(covariance(4, 0))
    P = torch.zeros(4, 4, dtype=torch.float64)
    assert_allclose(matching_map(P, S, shrinkage), np.eye(4))
    P[0, 0] = 1.0
    assert torch.isfinite(matching_map(P, S, shrinkage)).all()
    assert_allclose(matching_map(S, torch.zeros_like(S), shrinkage), np.eye(4))


@pytest.mark.parametrize(("n_rows", "low", "high"), [(60, 0.6, 1.4), (2000, 0.9, 1.1)])
def test_predictions_for_new_rows_vary_as_the_target_does(n_rows, low, high):
    ridge = ridge_of(*views(n_rows))
    calibration, _ = calibrations(ridge, "cosine", 0.1)
    X, Y = views(4000, seed=1)
    variance = Y.var(axis=0).sum()
    plain = X @ ridge.matrix.numpy()
    assert plain.var(axis=0).sum() < 0.4 * variance
    assert low < mapped(calibration, ridge, X).var(axis=0).sum() / variance < high


def test_hub_constant_is_the_share_of_the_target_that_new_rows_explain():
    ridge = ridge_of(*views(1000))
    calibration, _ = calibrations(ridge, "cosine", 0.1)
    X, Y = views(20_000, seed=1)
    images = mapped(calibration, ridge, X)
    S = np.cov(Y.T)
    cross = (images - images.mean(0)).T @ (Y - Y.mean(0)) / len(Y)
    share = (cross * S).sum() / (S * S).sum()
    assert 0.2 < share < 0.7
    assert_allclose(calibration.hub, share, atol=0.05)


def test_hub_constant_is_about_1_where_the_target_is_known():
    ridge = ridge_of(*views(1000, noise=0.0))
    assert calibrations(ridge, "cosine", 0.1)[0].hub > 0.99


def test_hub_constant_has_a_floor_where_nothing_is_known():
    X, Y = views(200)
    ridge = ridge_of(X, np.random.default_rng(5).permutation(Y))
    assert calibrations(ridge, "euclidean", 0.1)[0].hub >= 0.1


def test_cosine_keeps_the_deviation_and_euclidean_the_mean():
    X, Y = views(300)
    ridge = ridge_of(X, Y)
    cosine, _ = calibrations(ridge, "cosine", 0.1)
    euclidean, _ = calibrations(ridge, "euclidean", 0.1)
    at_mean = [mapped(c, ridge, X.mean(0)) for c in (cosine, euclidean)]
    assert_allclose(at_mean[0], cosine.hub * Y.mean(0))
    assert_allclose(at_mean[1], Y.mean(0))
    deviations = [
        mapped(c, ridge, X) - mean
        for c, mean in zip((cosine, euclidean), at_mean, strict=True)
    ]
    assert_allclose(deviations[1] * cosine.hub, deviations[0])


@pytest.mark.parametrize("power", [0.0, 0.1, 0.5])
def test_flattening_is_a_power_of_the_covariance(power):
    S = covariance(6, 1)
    F = flattening_map(torch.tensor(S), power).numpy()
    values, axes = np.linalg.eigh(S)
    raised = values + 0.03 * values.mean()
    expected = (axes * raised**-power) @ axes.T
    assert_allclose(F / F[0, 0], expected / expected[0, 0], rtol=1e-10, atol=1e-12)
    assert_allclose(np.trace(F @ S @ F), np.trace(S))
    along_axes = flattening_map(torch.tensor(values), power).numpy()
    assert_allclose((axes * along_axes) @ axes.T, F, atol=1e-12)
    # Columns without variance change nothing but the mean variance.
    wider = np.zeros((9, 9))
    wider[:6, :6] = np.diag(values)
    wide = flattening_map(torch.tensor(wider), power).numpy()
    few = flattening_map(torch.tensor(values), power, 9).numpy()
    assert_allclose(wide.diagonal()[:6], few)


def test_certain_predictions_are_not_flattened():
    # The less is explained, the more is taken from the large variances.
    ratios = []
    for noise in (1e-6, 0.5, 4.0):
        ridge = ridge_of(*views(2000, noise=noise))
        calibration, _ = calibrations(ridge, "cosine", 0.1)
        M = calibration.matching
        queries = M.T @ ridge.predicted_covariance() @ M
        shares = queries.diagonal() / ridge.total.covariance_y.diagonal()
        ratios.append((shares[-1] / shares[0]).item())
    assert_allclose(ratios[0], 1, atol=0.15)
    assert ratios[0] < ratios[1] < ratios[2]


def test_fold_has_no_part_in_its_calibration():
    ridge = ridge_of(*views(3000))
    calibration, held_out = calibrations(ridge, "cosine", 0.1)
    wanted = ridge.total.covariance_y
    own = [calibration, *held_out]
    predicted = [ridge.predicted_covariance(), *ridge.nested_covariances()]
    unexplained = ridge.error / wanted.trace().item()
    flattening = flattening_map(wanted, min(0.25, unexplained / 3))
    scales = [
        fold.matching / (matching_map(covariance, wanted, 0.1) @ flattening)
        for fold, covariance in zip(own, predicted, strict=True)
    ]
    assert_allclose(torch.stack(scales), scales[0][0, 0].item())
    assert {fold.hub for fold in held_out} == {calibration.hub}


def test_few_rows_are_shrunk_more():
    ridge = ridge_of(*views(60))
    wanted, predicted = ridge.total.covariance_y, ridge.predicted_covariance()
    matching = calibrations(ridge, "cosine", 0.1)[0].matching
    # Least for the map that is drawn as far as this one.
    angles = [
        1 - torch.cosine_similarity(matching.ravel(), other.ravel(), dim=0).item()
        for other in (matching_map(predicted, wanted, s) for s in (0.1, 0.15, 0.9))
    ]
    assert np.argmin(angles) == 1


def test_fewer_than_three_folds_leave_predictions_as_they_are():
    ridge = ridge_of(*views(100), n_folds=2)
    calibration, held_out = calibrations(ridge, "cosine", 0.1)
    assert_allclose(calibration.matching, np.eye(20))
    assert calibration.hub == 1
    assert len(held_out) == 2
