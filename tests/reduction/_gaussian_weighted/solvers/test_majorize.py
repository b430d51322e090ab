# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform

from sktransform.nn._gaussian_weighted import gaussian_weights, mixture_values
from sktransform.reduction._gaussian_weighted.solvers import majorize as _majorize
from sktransform.reduction._gaussian_weighted.solvers.majorize import (
    guttman_transform,
    majorize,
)


def _problem(n_rows=40, n_inputs=3, n_charts=5, n_outputs=2, seed=0, weighted=True):
    generator = np.random.default_rng(seed)
    Z = generator.normal(size=(n_rows, n_inputs))
    row_weights = generator.uniform(0.2, 3, n_rows) if weighted else np.ones(n_rows)
    Z -= np.average(Z, axis=0, weights=row_weights)
    axes = np.linalg.qr(generator.normal(size=(n_inputs, n_outputs)))[0]
    centers = Z[:n_charts] + 0.01
    arrays = (Z, centers, row_weights, axes, squareform(pdist(Z)))
    Z, centers, row_weights, axes, targets = map(torch.from_numpy, arrays)
    weights = gaussian_weights(Z, centers, torch.full((n_charts,), 0.8).double())
    start = (centers @ axes, axes.T.expand(n_charts, -1, -1))
    return {
        "weights": weights,
        "Z": Z,
        "centers": centers,
        "start": start,
        "targets": targets,
        "row_weights": row_weights,
    }


def _objective(problem, offsets, components, ridge):
    """The penalised stress written out pair by pair."""
    names = ("weights", "Z", "centers")
    Y = mixture_values(*(problem[name] for name in names), offsets, components)
    w = problem["row_weights"]
    pair_weights = torch.outer(w, w)
    squared = torch.cdist(Y, Y, compute_mode="donot_use_mm_for_euclid_dist")
    squared_error = (problem["targets"] - squared).square()
    upper = torch.triu(pair_weights, diagonal=1)
    stress = (upper * squared_error).sum()
    norm = (offsets - problem["start"][0]).square().sum()
    norm = norm + (components - problem["start"][1]).square().sum()
    penalty = ridge * w.sum() ** 2 / len(problem["centers"]) * norm
    return (stress + penalty) / (upper * problem["targets"].square()).sum()


def test_guttman_transform_agrees_with_its_definition():
    generator = np.random.default_rng(0)
    targets = squareform(pdist(generator.normal(size=(30, 4))))
    Y = generator.normal(size=(30, 2))
    Y[7] = Y[3]  # coincide in the embedding, not in the targets
    w = generator.uniform(0.1, 2, 30)
    expected = np.zeros_like(Y)
    for j in range(30):
        for k in range(30):
            distance = np.linalg.norm(Y[j] - Y[k])
            if distance > 0:
                expected[j] += w[k] * targets[j, k] / distance * (Y[j] - Y[k])
    expected /= w.sum()
    found = guttman_transform(*map(torch.from_numpy, (targets, Y, w)))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_guttman_transform_does_not_depend_on_its_blocks(monkeypatch):
    problem = _problem(n_rows=50)
    Y = problem["Z"][:, :2].contiguous()
    arguments = (problem["targets"], Y, problem["row_weights"])
    whole = guttman_transform(*arguments)
    monkeypatch.setattr(_majorize, "_BLOCK_ENTRIES", 170)
    torch.testing.assert_close(guttman_transform(*arguments), whole)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 0.1])
@pytest.mark.parametrize(("n_rows", "n_charts"), [(40, 5), (20, 8)])
def test_objective_is_the_penalised_stress_and_never_rises(ridge, n_rows, n_charts):
    problem = _problem(n_rows=n_rows, n_charts=n_charts)
    options = {"ridge": ridge, "max_iter": 40, "tol": 0.0}
    result = majorize(**problem, **options)
    assert np.all(np.diff(result.loss_curve) <= 0)
    assert result.loss_curve[-1] < 0.9 * result.loss_curve[0]
    expected = _objective(problem, result.offsets, result.components, max(ridge, 1e-10))
    assert result.loss_curve[-1] == pytest.approx(expected.item(), rel=1e-8)
    assert result.stress**2 <= result.loss_curve[-1] + 1e-15


def test_start_is_the_objective_of_the_linear_map():
    problem = _problem()
    result = majorize(**problem, ridge=1e-3, max_iter=1, tol=0.0)
    expected = _objective(problem, *problem["start"], 1e-3)
    assert result.loss_curve[0] == pytest.approx(expected.item(), rel=1e-10)


def test_converged_parameters_are_stationary():
    problem = _problem()
    result = majorize(**problem, ridge=1e-2, max_iter=5000, tol=0.0)
    offsets = result.offsets.clone().requires_grad_()
    components = result.components.clone().requires_grad_()
    _objective(problem, offsets, components, 1e-2).backward()
    assert offsets.grad.abs().max() < 1e-6
    assert components.grad.abs().max() < 1e-6


@pytest.mark.parametrize("ridge", [1e-6, 1e-2])
def test_primal_and_dual_give_the_same_parameters(monkeypatch, ridge):
    # 5 charts of 4 parameters on 40 rows: the primal form is the one chosen.
    problem = _problem()
    options = {"ridge": ridge, "max_iter": 30, "tol": 0.0}
    primal = majorize(**problem, **options)
    monkeypatch.setattr(_majorize, "_Primal", _majorize._Dual)
    dual = majorize(**problem, **options)
    torch.testing.assert_close(primal.offsets, dual.offsets, rtol=0, atol=1e-6)
    torch.testing.assert_close(primal.components, dual.components, rtol=0, atol=1e-6)
    np.testing.assert_allclose(primal.loss_curve, dual.loss_curve, rtol=1e-9)


def test_embedding_is_that_of_the_parameters():
    problem = _problem(n_rows=15, n_charts=6)
    result = majorize(**problem, ridge=1e-3, max_iter=10, tol=0.0)
    names = ("weights", "Z", "centers")
    Y = mixture_values(
        *(problem[name] for name in names), result.offsets, result.components
    )
    w = problem["row_weights"]
    torch.testing.assert_close(Y - w @ Y / w.sum(), result.embedding)


def test_stop_request_ends_the_loop_with_a_plain_step():
    result = majorize(
        **_problem(), ridge=1e-3, max_iter=50, tol=0.0, stop_requested=lambda: True
    )
    assert len(result.loss_curve) == 3
