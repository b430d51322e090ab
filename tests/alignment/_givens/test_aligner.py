# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from scipy.stats import special_ortho_group

from sktransform.alignment import GivensAligner, givens_angles, givens_rotation
from sktransform.alignment._givens.angles import angle_passes
from sktransform.exceptions import DegenerateDataWarning


def _views(width, angles=None, noise=0.1):
    """Rows, and the same turned by a rotation, with noise and an offset."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, width)) * np.linspace(1, 2, width) + 3
    rotation = special_ortho_group(width, seed=0).rvs()
    if angles is not None:
        rotation = givens_rotation(angles)
    return X, X @ rotation - 5 + noise * generator.normal(size=X.shape)


def test_one_plane_has_the_best_angle_of_all():
    cross = np.random.default_rng(0).normal(size=(2, 2))
    angle = givens_angles(cross)[0, 0]
    found = minimize_scalar(
        lambda t: -np.trace(givens_rotation([[t]]).T @ cross),
        bounds=(angle - 3, angle + 3),
        method="bounded",
    )
    assert_allclose(angle, found.x, atol=1e-5)


@pytest.mark.parametrize(("width", "n_sweeps"), [(5, 1), (8, 3), (13, 2)])
def test_gain_never_falls(width, n_sweeps):
    cross = torch.from_numpy(np.random.default_rng(0).normal(size=(width, width)))
    passes = angle_passes(cross, n_sweeps)
    gains = [next(passes)[1] for _ in range(30)]
    assert np.all(np.diff(gains) >= -1e-12)
    assert gains[-1] > gains[0] > np.trace(cross)


def test_gain_is_the_covariance_of_turned_rows_with_the_target():
    X, Y = _views(6)
    aligner = GivensAligner(2, unit_scale=False).fit(X, Y)
    turned, target = (V - V.mean(0) for V in (aligner.transform(X), Y))
    assert_allclose(aligner.gain_curve_[-1], np.mean(np.sum(turned * target, axis=1)))
    assert len(aligner.gain_curve_) == aligner.n_iter_


def test_angles_of_one_sweep_are_found_again():
    angles = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 10))
    X, Y = _views(11, angles, noise=0)
    aligner = GivensAligner(max_iter=500, tol=0).fit(X, Y)
    assert_allclose(aligner.angles_, angles, atol=1e-6)
    assert_allclose(aligner.transform(X), Y, atol=1e-5)


@pytest.mark.parametrize("width", [3, 6])
def test_enough_sweeps_give_any_rotation(width):
    rotation = special_ortho_group(width, seed=1).rvs()
    angles = givens_angles(rotation, width, max_iter=1000, tol=0)
    assert_allclose(givens_rotation(angles), rotation, atol=1e-6)


def test_one_sweep_does_not_give_any_rotation():
    rotation = special_ortho_group(8, seed=1).rvs()
    angles = givens_angles(rotation, max_iter=1000, tol=0)
    assert np.trace(givens_rotation(angles).T @ rotation) < 0.8 * 8


def test_more_sweeps_come_nearer():
    X, Y = _views(12)
    scores = [GivensAligner(n).fit(X, Y).score(X, Y) for n in (1, 3, 6)]
    assert scores[0] + 0.1 < scores[1] < scores[2] - 0.1


def test_a_reflection_is_never_given():
    angles = givens_angles(np.diag([1.0, 1.0, 1.0, -1.0]), 4)
    assert_allclose(np.linalg.det(givens_rotation(angles)), 1)


def test_what_is_kept_are_angles_and_means():
    X, Y = _views(9)
    aligner = GivensAligner(2).fit(X, Y)
    kept = {name for name in vars(aligner) if name.endswith("_")}
    assert kept - {"n_features_in_", "n_iter_"} == {
        *("angles_", "mean_", "target_mean_", "scale_", "gain_curve_")
    }
    assert aligner.angles_.shape == (2, 8)


@pytest.mark.parametrize(("n_features", "n_outputs"), [(6, 6), (4, 7), (7, 4)])
def test_coef_and_intercept_are_those_of_transform(n_features, n_outputs):
    X, Y = _views(7)
    X, Y = X[:, :n_features], Y[:, :n_outputs]
    aligner = GivensAligner(2).fit(X, Y)
    assert aligner.coef_.shape == (n_outputs, n_features)
    expected = X @ aligner.coef_.T + aligner.intercept_
    assert_allclose(aligner.transform(X), expected)
    assert_allclose(expected.mean(0), Y.mean(0))


@pytest.mark.parametrize("n_outputs", [6, 9])
def test_inverse_is_exact_where_no_column_is_dropped(n_outputs):
    X, Y = _views(9)
    X, Y = X[:, :6], Y[:, :n_outputs]
    aligner = GivensAligner(3).fit(X, Y)
    assert_allclose(aligner.inverse_transform(aligner.transform(X)), X)


def test_inverse_from_a_narrower_space_is_the_pseudo_inverse():
    X, Y = _views(9)
    aligner = GivensAligner(3).fit(X, Y[:, :4])
    back = aligner.inverse_transform(Y[:, :4])
    deviations = (Y[:, :4] - aligner.target_mean_) @ np.linalg.pinv(aligner.coef_).T
    assert_allclose(back, deviations + aligner.mean_, atol=1e-10)


def test_weights_are_repetitions():
    X, Y = _views(5)
    weights = np.random.default_rng(1).integers(0, 3, len(X))
    weighted = GivensAligner().fit(X, Y, sample_weight=weights)
    repeated = GivensAligner().fit(np.repeat(X, weights, 0), np.repeat(Y, weights, 0))
    assert_allclose(weighted.angles_, repeated.angles_)


def test_offsets_of_the_views_do_not_turn_them():
    X, Y = _views(5)
    first, second = (GivensAligner().fit(X + s, Y - 2 * s) for s in (0.0, 1e6))
    assert_allclose(first.angles_, second.angles_, atol=1e-6)


def test_one_row_and_one_column_are_not_turned():
    with pytest.warns(DegenerateDataWarning, match="X and y do not vary"):
        one_row = GivensAligner().fit([[1.0, 2.0]], [[5.0, 3.0]])
    assert_allclose(one_row.transform([[1.0, 3.0]]), [[5.0, 3.0]])
    one_column = GivensAligner().fit([[1.0], [2.0]], [[4.0], [7.0]])
    assert one_column.angles_.shape == (1, 0)
    assert_allclose(one_column.transform([[1.0], [2.0]]), [[4.0], [7.0]])


def test_angles_of_a_fitted_map_are_those_of_the_fit():
    X, Y = _views(6)
    aligner = GivensAligner(2).fit(X, Y)
    cross = (X - X.mean(0)).T @ (Y - Y.mean(0)) / len(X)
    assert_allclose(givens_angles(cross, 2), aligner.angles_)


def test_wrong_usage_raises():
    with pytest.raises(ValueError, match=r"a square matrix, got shape \(3, 2\)"):
        givens_angles(np.ones((3, 2)))
    with pytest.raises(ValueError, match="n_sweeps"):
        givens_angles(np.eye(3), 0)


def test_turned_rows_have_the_size_of_the_target():
    X, Y = _views(6)
    aligner = GivensAligner(2).fit(X, 20 * Y)
    assert_allclose(aligner.transform(X).var(0).sum(), 400 * Y.var(0).sum())
    plain = GivensAligner(2, unit_scale=False).fit(X, 20 * Y)
    assert_allclose(plain.transform(X).var(0).sum(), X.var(0).sum())
    assert_allclose(plain.angles_, aligner.angles_)


def test_no_turn_is_no_turn():
    assert_array_equal(givens_rotation(np.zeros((2, 4))), np.eye(5))
