# SPDX-License-Identifier: BSD-3-Clause
"""Targets other than the rows' own distances, and starts other than PCA."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from scipy.stats import special_ortho_group
from sklearn.manifold import Isomap
from sklearn.metrics import r2_score

from sktransform.datasets import make_swiss_roll
from sktransform.metrics import stress, trustworthiness
from sktransform.nn._gaussian_weighted import (
    GaussianWeightedMap,
    gaussian_weights,
    mixture_values,
)
from sktransform.reduction._gaussian_weighted.rows import InternalRows
from sktransform.reduction._gaussian_weighted.solvers import majorize as _majorize
from sktransform.reduction._gaussian_weighted.solvers.majorize import (
    fit_distances,
    majorize,
    regress,
)
from sktransform.utils._charts import chart_widths, place_centers
from sktransform.utils._graphs import classical_scaling, geodesic_distances

OPTIONS = {"ridge": 1e-4, "max_iter": 60, "tol": 1e-5}


def _prepared(X, n_charts, width=1.0, row_weights=None):
    """Return rows, centres and widths as an estimator makes them."""
    weights = np.ones(len(X)) if row_weights is None else row_weights
    rows = InternalRows.from_rows(torch.from_numpy(X), torch.from_numpy(weights), 2)
    centers = place_centers(rows.Z.numpy(), n_charts, weights, 0)
    widths = chart_widths(centers, width)
    return rows, torch.from_numpy(centers), torch.from_numpy(widths)


def _apply(state, X):
    with torch.no_grad():
        return GaussianWeightedMap(**state)(torch.from_numpy(X)).numpy()


def _steepest_correlation(Y, coordinate):
    return max(abs(np.corrcoef(column, coordinate)[0, 1]) for column in Y.T)


# Regression onto an embedding


def _regression(n_rows=40, n_charts=5):
    generator = np.random.default_rng(0)
    Z = generator.normal(size=(n_rows, 3))
    row_weights = generator.uniform(0.2, 3, n_rows)
    Z, row_weights = torch.from_numpy(Z), torch.from_numpy(row_weights)
    centers = Z[:n_charts] + 0.01
    weights = gaussian_weights(Z, centers, torch.full((n_charts,), 0.8).double())
    embedding = torch.from_numpy(generator.normal(size=(n_rows, 2))) + 5
    return weights, Z, centers, embedding, row_weights


@pytest.mark.parametrize(("n_rows", "n_charts"), [(40, 5), (15, 8)])
def test_regression_is_the_ridge_solution_on_the_centred_design(n_rows, n_charts):
    weights, Z, centers, embedding, w = _regression(n_rows, n_charts)
    offsets, components = regress(weights, Z, centers, embedding, w, ridge=1e-3)
    design = torch.cat([torch.ones(n_rows, n_charts, 1), Z[:, None] - centers], 2)
    design = (weights[:, :, None] * design).flatten(1)
    design = design - w @ design / w.sum()
    target = embedding - w @ embedding / w.sum()
    penalty = 1e-3 * w.sum() / n_charts * torch.eye(design.shape[1])
    gram = design.T @ (w[:, None] * design) + penalty
    expected = torch.linalg.solve(gram, design.T @ (w[:, None] * target))
    expected = expected.view(n_charts, 4, 2)
    torch.testing.assert_close(offsets, expected[:, 0])
    torch.testing.assert_close(components, expected[:, 1:].transpose(1, 2))


def test_regression_has_the_same_answer_in_parameters_and_in_rows(monkeypatch):
    problem = _regression()
    primal = regress(*problem, ridge=1e-3)
    monkeypatch.setattr(_majorize, "_Primal", _majorize._Dual)
    for first, second in zip(primal, regress(*problem, ridge=1e-3), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-9)


def test_regression_gives_a_mixture_back_up_to_a_constant():
    weights, Z, centers, _, row_weights = _regression()
    generator = torch.Generator().manual_seed(0)
    offsets = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    components = torch.randn(5, 2, 3, generator=generator, dtype=torch.float64)
    embedding = mixture_values(weights, Z, centers, offsets, components)
    found = regress(weights, Z, centers, embedding + 7, row_weights, ridge=0.0)
    constant = mixture_values(weights, Z, centers, *found) - embedding
    torch.testing.assert_close(constant, constant[:1].expand_as(constant))


# Targets and starts


def test_defaults_are_the_rows_own_distances_and_pca():
    X = np.random.default_rng(0).normal(size=(60, 4))
    rows, centers, widths = _prepared(X, 6)
    found = fit_distances(rows, centers, widths, 2, **OPTIONS)
    targets = rows.distances()
    given = fit_distances(rows, centers, widths, 2, targets=targets, **OPTIONS)
    assert given.loss_curve == found.loss_curve
    torch.testing.assert_close(given.map, found.map, rtol=0, atol=0)


def test_stress_is_that_of_the_given_targets():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(80, 3))
    targets = squareform(pdist(X + 0.3 * generator.normal(size=X.shape)))
    rows, centers, widths = _prepared(X, 6)
    internal = torch.from_numpy(targets) / rows.unit
    fitted = fit_distances(rows, centers, widths, 2, targets=internal, **OPTIONS)
    Y = _apply(fitted.map, X)
    expected = stress(targets, Y, metric="precomputed")
    assert fitted.stress == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 1.0])
def test_start_embedding_is_where_the_objective_starts(ridge):
    X = np.random.default_rng(0).normal(size=(80, 3))
    rows, centers, widths = _prepared(X, 6)
    start = torch.tanh(rows.Z[:, :2])
    options = {**OPTIONS, "ridge": ridge, "start_embedding": start}
    fitted = fit_distances(rows, centers, widths, 2, **options)
    weights = gaussian_weights(rows.Z, centers, widths)
    inputs = weights, rows.Z, centers
    theta = regress(*inputs, start, rows.row_weights, ridge=ridge)
    Y = mixture_values(*inputs, *theta)
    expected = stress(rows.scaled.numpy(), Y.numpy())
    # The penalty is 0 there: the start is also what the ridge pulls towards.
    assert fitted.loss_curve[0] ** 0.5 == pytest.approx(expected, rel=1e-8)
    assert np.all(np.diff(fitted.loss_curve) <= 0)
    assert fitted.stress <= expected


def test_large_ridge_returns_the_start():
    X = np.random.default_rng(0).normal(size=(80, 3))
    rows, centers, widths = _prepared(X, 6)
    inputs = gaussian_weights(rows.Z, centers, widths), rows.Z, centers
    start = torch.tanh(rows.Z[:, :2])
    theta = regress(*inputs, start, rows.row_weights, ridge=1e-3)
    options = {"ridge": 1e9, "max_iter": 20, "tol": 0.0}
    found = majorize(*inputs, theta, rows.distances(), rows.row_weights, **options)
    torch.testing.assert_close(found.offsets, theta[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(found.components, theta[1], rtol=0, atol=1e-6)


def test_row_weights_are_repetitions():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(50, 3))
    times = generator.integers(1, 4, 50)
    rows, centers, widths = _prepared(X, 5, row_weights=times.astype(float))
    repeated = InternalRows.from_rows(
        torch.from_numpy(X.repeat(times, axis=0)), torch.ones(times.sum()).double(), 2
    )
    maps = []
    for some in (rows, repeated):
        geodesics = torch.cdist(some.Z, some.Z).pow(1.2).fill_diagonal_(0)
        start = torch.tanh(some.Z[:, :2])
        fitted = fit_distances(
            some, centers, widths, 2, targets=geodesics, start_embedding=start,
            ridge=1e-2, max_iter=30, tol=0.0,
        )  # fmt: skip
        maps.append(_apply(fitted.map, X))
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-8)


# Geodesic targets


@pytest.fixture(scope="module")
def roll():
    X, sheet = make_swiss_roll(1000, random_state=0)
    prepared = _prepared(X, 100)
    geodesics = geodesic_distances(prepared[0].scaled.numpy(), 10)
    return X, sheet, prepared, geodesics


def _fit_to(roll, scaled_start=True, **options):
    _, _, prepared, geodesics = roll
    start = torch.from_numpy(classical_scaling(geodesics, 2)) if scaled_start else None
    return fit_distances(
        *prepared,
        2,
        targets=torch.from_numpy(geodesics),
        start_embedding=start,
        **{**OPTIONS, **options},
    )


def test_geodesic_targets_unroll_the_roll(roll):
    X, sheet, _, geodesics = roll
    fitted = _fit_to(roll)
    Y = _apply(fitted.map, X)
    assert fitted.stress <= 0.011
    assert _steepest_correlation(Y, sheet[:, 0]) > 0.999
    assert trustworthiness(X, Y, n_neighbors=10) > 0.999
    free = classical_scaling(geodesics, 2)
    assert fitted.stress < stress(geodesics, free, metric="precomputed")


def test_new_rows_are_mapped_onto_the_sheet(roll):
    X = roll[0]
    new, sheet = make_swiss_roll(1000, random_state=1)
    found = stress(sheet, _apply(_fit_to(roll).map, new))
    isomap = Isomap(n_neighbors=10).fit(X).transform(new)
    assert found <= 0.037
    assert found <= 1.02 * stress(sheet, isomap)


def test_unrolled_rows_lead_back_to_the_roll(roll):
    X, _, (rows, *_), _ = roll
    fitted = _fit_to(roll)
    for given in (X, make_swiss_roll(1000, random_state=1)[0]):
        back = _apply(fitted.decoder, _apply(fitted.map, given)) + rows.mean.numpy()
        assert r2_score(given, back, multioutput="variance_weighted") > 0.999


def test_euclidean_targets_keep_the_roll_rolled_up(roll):
    X, sheet, prepared, geodesics = roll
    Y = _apply(fit_distances(*prepared, 2, **OPTIONS).map, X)
    internal = geodesics * prepared[0].unit.item()
    assert stress(internal, Y, metric="precomputed") > 0.5
    assert _steepest_correlation(Y, sheet[:, 0]) < 0.5


@pytest.mark.parametrize("ridge", [1e-4, 1e-2])
def test_scaled_start_is_sooner_there_than_pca(roll, ridge):
    from_pca = _fit_to(roll, scaled_start=False, ridge=ridge)
    from_scaling = _fit_to(roll, ridge=ridge)
    assert from_pca.loss_curve[0] ** 0.5 > 0.5
    assert from_scaling.loss_curve[0] ** 0.5 < 0.05
    assert from_scaling.stress < from_pca.stress
    assert len(from_scaling.loss_curve) < 0.6 * len(from_pca.loss_curve)


def test_strong_ridge_towards_pca_keeps_the_roll_folded(roll):
    X, sheet, *_ = roll
    folded = _apply(_fit_to(roll, scaled_start=False, ridge=1.0).map, X)
    unrolled = _apply(_fit_to(roll, ridge=1.0).map, X)
    assert _steepest_correlation(folded, sheet[:, 0]) < 0.7
    assert _steepest_correlation(unrolled, sheet[:, 0]) > 0.9


def test_landmarks_unroll_all_rows():
    X, sheet = make_swiss_roll(3000, random_state=0)
    landmarks = np.random.default_rng(0).choice(3000, 500, replace=False)
    rows, centers, widths = _prepared(X[landmarks], 50)
    geodesics = geodesic_distances(X, 10, landmarks) / rows.unit.item()
    start = torch.from_numpy(classical_scaling(geodesics, 2))
    targets = torch.from_numpy(geodesics)
    fitted = fit_distances(
        rows, centers, widths, 2, targets=targets, start_embedding=start, **OPTIONS
    )
    Y = _apply(fitted.map, X)
    assert _steepest_correlation(Y, sheet[:, 0]) > 0.999
    assert stress(sheet, Y) < 0.04


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_the_map_moves_with_the_data(scale):
    """Charts that move with the rows give the same map after a motion and a scaling."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(6, 5)).repeat(30, axis=0) * 4
    X += generator.normal(size=X.shape)
    rotation = special_ortho_group.rvs(5, random_state=0)
    results = []
    for rows in (X, scale * X @ rotation + 3.0):
        rows = torch.from_numpy(rows)
        internal = InternalRows.from_rows(rows, torch.ones(180).double(), 2)
        centers = internal.Z[::15]
        widths = torch.from_numpy(chart_widths(centers.numpy(), 1.0))
        found = fit_distances(internal, centers, widths, 2, **OPTIONS)
        results.append((found.stress, _apply(found.map, rows.numpy())))
    (stress_before, before), (stress_after, after) = results
    assert stress_after == pytest.approx(stress_before, rel=1e-8)
    np.testing.assert_allclose(after / scale, before, atol=1e-8 * np.abs(X).max())
