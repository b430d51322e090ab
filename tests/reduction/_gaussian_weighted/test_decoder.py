# SPDX-License-Identifier: BSD-3-Clause
import itertools

import numpy as np
import pytest
import torch

from sktransform.datasets import make_swiss_roll
from sktransform.nn._gaussian_weighted import GaussianWeightedMap, gaussian_weights
from sktransform.reduction import GaussianWeightedLinearReducer
from sktransform.reduction._gaussian_weighted import decoder
from sktransform.reduction._gaussian_weighted.decoder import fit_decoder, refine


def _normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def _apply(state, X):
    with torch.no_grad():
        return GaussianWeightedMap(**state)(X)


def _problem(n_rows=200, n_charts=6):
    """Return weights, an embedding, rows affine in it, and their weights."""
    Y = 3 * _normal(n_rows, 2) + 4
    Z = Y @ _normal(2, 5, seed=1)
    row_weights = _normal(n_rows, seed=2).square() + 0.1
    Z = Z - row_weights @ Z / row_weights.sum()
    centers = Z[:n_charts]
    widths = torch.full((n_charts,), 20.0, dtype=torch.float64)
    return gaussian_weights(Z, centers, widths), Y, Z, row_weights


# The fit


def test_an_affine_problem_is_given_back():
    weights, Y, Z, row_weights = _problem()
    state = fit_decoder(weights, Y, Z, row_weights)
    error = (_apply(state, Y) - Z).norm() / Z.norm()
    assert error < 1e-3
    new = 3 * _normal(50, 2, seed=3) + 4
    slope = torch.linalg.lstsq(torch.cat([Y, torch.ones(200, 1)], 1), Z).solution
    expected = torch.cat([new, torch.ones(50, 1)], 1) @ slope
    assert (_apply(state, new) - expected).norm() / expected.norm() < 1e-3


def test_without_a_ridge_an_affine_problem_is_given_back_exactly(monkeypatch):
    monkeypatch.setattr(decoder, "_RIDGES", (1e-13,))
    weights, Y, Z, row_weights = _problem()
    state = fit_decoder(weights, Y, Z, row_weights)
    torch.testing.assert_close(_apply(state, Y), Z, rtol=0, atol=1e-7)


def test_charts_are_means_and_twice_the_variance_of_the_embedded_rows():
    weights, Y, Z, row_weights = _problem()
    state = fit_decoder(weights, Y, Z, row_weights)
    shares = weights * row_weights[:, None]
    shares = shares / shares.sum(0)
    centers = shares.T @ Y
    torch.testing.assert_close(state["centers"], centers)
    squared = (Y[:, None] - centers).square().sum(2)
    torch.testing.assert_close(state["widths"], 2 * (shares * squared).sum(0))


def test_charts_without_mass_are_dropped():
    weights, Y, Z, row_weights = _problem()
    expected = fit_decoder(weights, Y, Z, row_weights)
    empty = torch.zeros(200, 1, dtype=torch.float64)
    wider = torch.cat([weights[:, :2], empty, weights[:, 2:], empty + 1e-14], 1)
    state = fit_decoder(wider, Y, Z, row_weights)
    assert len(state["centers"]) == 6
    torch.testing.assert_close(state, expected)


def test_charts_of_a_single_row_stay_finite():
    _, Y, Z, row_weights = _problem()
    weights = torch.zeros(200, 4, dtype=torch.float64)
    weights[0, 0] = weights[1, 1] = 1
    weights[2:, 2] = weights[2:, 3] = 0.5
    state = fit_decoder(weights, Y, Z, row_weights)
    for values in state.values():
        assert values.isfinite().all()
    far = torch.tensor([[1e6, -1e6], [0, 1e9]], dtype=torch.float64)
    assert _apply(state, far).isfinite().all()


def test_row_weights_have_no_unit():
    weights, Y, Z, row_weights = _problem()
    noisy = Z + _normal(200, 5, seed=4)
    first = fit_decoder(weights, Y, noisy, row_weights)
    second = fit_decoder(weights, Y, noisy, 1024 * row_weights)
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_held_out_rows_choose_the_ridge(monkeypatch, noise):
    weights, Y, Z, row_weights = _problem(n_charts=25)
    target = Z + noise * _normal(200, 5, seed=4)
    chosen = _apply(fit_decoder(weights, Y, target, row_weights), Y)
    found = []
    for ridge in decoder._RIDGES:
        monkeypatch.setattr(decoder, "_RIDGES", (ridge,))
        found.append(_apply(fit_decoder(weights, Y, target, row_weights), Y))
    gaps = [(chosen - other).norm().item() for other in found]
    assert min(gaps) == 0
    # An affine sheet wants nearly none, noise a larger one.
    assert (gaps.index(0) <= 1) == (noise == 0)


# Refinement


def test_refined_rows_are_mapped_to_their_points(reducer, blobs):
    points = reducer.embedding_
    scale = np.abs(points).max()
    gaps = [
        np.linalg.norm(
            reducer.transform(reducer.inverse_transform(points, n_refinements=n))
            - points,
            axis=1,
        )
        for n in (0, 5)
    ]
    assert gaps[0].max() > 0.01 * scale
    assert gaps[1].max() < 1e-8


def test_refined_rows_of_a_rolled_up_sheet_are_mapped_to_their_points():
    X, _ = make_swiss_roll(600, random_state=0)
    reducer = GaussianWeightedLinearReducer(metric="geodesic", random_state=0).fit(X)
    points = reducer.embedding_
    back = reducer.inverse_transform(points, n_refinements=5)
    gaps = np.linalg.norm(reducer.transform(back) - points, axis=1)
    # But for a few at the rim, beyond which there is nothing.
    assert (gaps < 1e-8).mean() > 0.99
    # Rows of least change: most are still on the roll.
    assert np.median(np.linalg.norm(back - X, axis=1)) < 0.05 * X.std()


def test_refinement_of_projected_data_stays_in_their_features():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 4)) @ generator.normal(size=(4, 120)) + 5
    reducer = GaussianWeightedLinearReducer(random_state=0).fit(X)
    back = reducer.inverse_transform(reducer.embedding_, n_refinements=5)
    gaps = np.linalg.norm(reducer.transform(back) - reducer.embedding_, axis=1)
    assert (gaps < 1e-8).mean() > 0.97
    # What the map does not see is not invented.
    rank = np.linalg.matrix_rank(np.concatenate([X, back]) - X.mean(axis=0))
    assert rank == 4


def test_no_row_gets_farther_from_its_point():
    module = GaussianWeightedMap(
        mean=torch.zeros(4, dtype=torch.float64),
        centers=_normal(8, 4, seed=1),
        widths=0.2 + _normal(8, seed=2).square(),
        components=3 * _normal(8, 2, 4, seed=3),
        offsets=10 * _normal(8, 2, seed=4),
    )
    # Wild charts and points that nothing is mapped to: plain steps overshoot.
    Z, points = 2 * _normal(300, 4, seed=5), 20 * _normal(300, 2, seed=6)
    with torch.no_grad():
        residuals = [
            (points - module(refine(Z, points, module, n))).norm(dim=1)
            for n in range(6)
        ]
        jacobian = module.jacobian(Z)
        steps = torch.linalg.pinv(jacobian) @ (points - module(Z)).unsqueeze(2)
        plain = (points - module(Z + steps.squeeze(2))).norm(dim=1)
    assert (plain > residuals[0]).sum() >= 10
    for before, after in itertools.pairwise(residuals):
        assert (after <= before).all()
    assert (residuals[5] < 1e-8).sum() > 30


def test_rows_at_their_points_stay(reducer, blobs):
    state = {k: torch.tensor(v) for k, v in reducer.map_.items()}
    module = GaussianWeightedMap(**state)
    X = torch.from_numpy(blobs)
    with torch.no_grad():
        refined = refine(X, module(X), module, 3)
    assert torch.equal(refined, X)


@pytest.mark.parametrize("n_refinements", [0, 1, 5])
def test_far_points_stay_finite(reducer, n_refinements):
    far = np.array([[1e6, -1e6], [0, 1e9], [1e3, 0]])
    back = reducer.inverse_transform(far, n_refinements=n_refinements)
    assert np.isfinite(back).all()


def test_refined_rows_have_the_same_bits_alone_and_in_a_batch(reducer):
    points = reducer.embedding_
    together = reducer.inverse_transform(points, n_refinements=2)
    for row in (0, 100, 179):
        alone = reducer.inverse_transform(points[row : row + 1], n_refinements=2)
        np.testing.assert_array_equal(alone[0], together[row])


# The error


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_reconstruction_error_is_the_norm_of_the_difference(reducer, blobs, kind):
    new = blobs + 0.5
    back = reducer.inverse_transform(reducer.transform(new))
    error = reducer.reconstruction_error(kind(new))
    assert type(error) is type(kind(new))
    np.testing.assert_allclose(error, np.linalg.norm(new - back, axis=1), rtol=1e-10)


def test_reconstruction_error_of_planar_data_is_small_on_the_plane_alone():
    plane = np.random.default_rng(0).normal(size=(200, 2)) @ [[1, 2, 0], [0, 1, 3]]
    reducer = GaussianWeightedLinearReducer(random_state=0).fit(plane)
    normal = np.cross([1, 2, 0], [0, 1, 3]) / np.linalg.norm(
        np.cross([1, 2, 0], [0, 1, 3])
    )
    on = reducer.reconstruction_error(plane)
    off = reducer.reconstruction_error(plane + 2 * normal)
    assert on.max() < 0.1
    assert off.min() > 1.5
