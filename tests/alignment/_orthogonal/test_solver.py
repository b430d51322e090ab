# SPDX-License-Identifier: BSD-3-Clause
import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from sktransform.alignment._orthogonal.certificate import lower_bound
from sktransform.alignment._orthogonal.newton import TallProblem, penalised_map
from sktransform.alignment._orthogonal.projection import (
    gram_excess,
    orthogonality_residual,
    project_to_ball,
)
from sktransform.alignment._orthogonal.rotation import best_orthonormal
from sktransform.alignment._orthogonal.solver import BoundedProblem
from sktransform.runtime._linalg import polar_factor

WIDE, TALL = [(14, 21), (20, 20)], [(20, 15), (24, 8)]
SHARES = [1e-4, 0.02, 0.3, 0.7, 0.999]


def problem_of(shape, seed=0, spread=1.0, noise=0.5):
    """Return the bounded problem of a stretched, turned and noisy image of rows."""
    generator = np.random.default_rng(seed)
    n_inputs, n_outputs = shape
    largest = max(shape)
    rows = generator.normal(size=(500, largest))
    rows *= np.arange(1, largest + 1.0) ** -spread
    turns = [
        np.linalg.qr(generator.normal(size=(largest, largest)))[0] for _ in range(2)
    ]
    stretch = np.exp(generator.normal(size=largest))
    X, Y = (rows @ turns[0])[:, :n_inputs], (rows * stretch @ turns[1])[:, :n_outputs]
    Y = Y + noise * Y.std() * generator.normal(size=Y.shape)
    X, Y = (view / np.sqrt((view**2).sum(axis=1).mean()) for view in (X, Y))
    gram, cross = (torch.from_numpy(X.T @ view / len(X)) for view in (X, Y))
    variances, basis = torch.linalg.eigh(gram)
    return BoundedProblem(variances, basis.T @ cross)


def stationarity(problem, solution):
    """Return the relative size of ``GW - C + nu (WW' - I) W``."""
    W = solution.matrix
    excess = W @ (W.T @ W) - W
    gradient = problem.variances * W - problem.cross + solution.multiplier * excess
    return (gradient.norm() / problem.cross.norm()).item()


@pytest.mark.parametrize("shape", WIDE)
@pytest.mark.parametrize("share", SHARES)
def test_map_onto_as_many_dimensions_is_stationary_and_certified(shape, share):
    problem = problem_of(shape)
    lam = share * problem.largest_residual
    solution, gap, is_certified = problem.solve_certified(lam)
    assert abs(orthogonality_residual(solution.matrix).item() - lam) <= 1e-11 * lam
    assert stationarity(problem, solution) <= 1e-7
    assert is_certified
    assert solution.multiplier > 0
    assert 0 <= gap <= 1e-9


@pytest.mark.parametrize("shape", TALL)
@pytest.mark.parametrize("share", SHARES)
def test_map_onto_fewer_dimensions_is_stationary(shape, share):
    problem = problem_of(shape)
    lam = share * problem.largest_residual
    solution, _, _ = problem.solve_certified(lam)
    assert abs(orthogonality_residual(solution.matrix).item() - lam) <= 1e-11 * lam
    assert stationarity(problem, solution) <= 1e-5
    # The best turn of the outputs is none: what a bound allows is used up.
    product = solution.matrix.T @ problem.cross
    assert torch.linalg.eigvalsh((product + product.T) / 2)[0] >= -1e-8


def test_large_bounds_onto_fewer_dimensions_are_certified():
    problem = problem_of((24, 8))
    assert problem.solve_certified(0.9 * problem.largest_residual)[2]


@pytest.mark.parametrize("shape", [WIDE[1], TALL[0]])
def test_start_of_the_wrong_orientation_does_not_matter(shape):
    problem = problem_of(shape)
    signs = torch.ones(shape[1], dtype=torch.float64)
    signs[0] = -1
    mirrored = BoundedProblem(problem.variances[:, 0], problem.cross * signs)
    for share in (0, 0.05, 0.5):
        lam = share * problem.largest_residual
        plain, its = problem.solve_certified(lam), mirrored.solve_certified(lam)
        assert abs(problem.loss(plain[0].matrix) - mirrored.loss(its[0].matrix)) < 1e-9
        assert plain[2] == its[2]


@pytest.mark.parametrize("shape", [*WIDE, *TALL])
def test_path_has_the_losses_of_single_solutions(shape):
    problem = problem_of(shape)
    lams = np.linspace(1, 0, 9) * problem.largest_residual
    path = [*problem.path(lams)]
    losses = np.array([problem.loss(solution.matrix) for solution in path])
    assert np.all(np.diff(losses) >= 0)
    for lam, solution, loss in zip(lams, path, losses, strict=True):
        residual = orthogonality_residual(solution.matrix).item()
        assert abs(residual - lam) <= 1e-6 * lam + 1e-13
        single = problem.loss(problem.solve_certified(lam)[0].matrix)
        assert single <= loss + 1e-8
        if problem.is_convex:
            assert loss <= single + 1e-7


def test_path_needs_fewer_steps_than_single_solutions():
    problem = problem_of((40, 40))
    lams = np.linspace(0.95, 0.01, 20) * problem.largest_residual
    on_path = sum(solution.n_iter for solution in problem.path(lams))
    assert on_path < 0.6 * sum(problem.solve(lam).n_iter for lam in lams)


@pytest.mark.parametrize("shape", TALL)
def test_rotation_onto_fewer_dimensions_is_that_of_a_power_iteration(shape):
    problem = problem_of(shape)
    shift = problem.variances.max()
    generator = torch.Generator().manual_seed(3)
    ends = []
    for _ in range(3):
        W = torch.randn(shape, generator=generator, dtype=torch.float64)
        for _ in range(3000):
            W = polar_factor((shift - problem.variances) * W + problem.cross)
        ends.append(problem.loss(W))
    found = problem.rotation
    assert orthogonality_residual(found) <= 1e-12
    assert problem.loss(found) <= min(ends) + 1e-10
    assert problem.loss(polar_factor(problem.cross)) > problem.loss(found) + 1e-4


def test_newton_on_orthonormal_maps_ends_where_it_is_stationary():
    problem = problem_of((24, 8))
    tall = TallProblem(problem.variances, problem.cross)
    start = polar_factor(problem.least_squares)
    end = best_orthonormal(tall, [start])
    gradient = problem.cross - problem.variances * end.matrix
    inside = end.matrix.T @ gradient
    tangent = gradient - end.matrix @ ((inside + inside.T) / 2)
    assert tangent.norm() <= 1e-9 * problem.cross.norm()
    assert end.converged
    assert end.n_steps < 20


@pytest.mark.parametrize("shape", [(6, 6), (9, 4)])
@pytest.mark.parametrize("multiplier", [1e-4, 0.1, 100.0])
def test_penalised_map_has_no_gradient(shape, multiplier):
    problem = problem_of(shape)
    tall = TallProblem(problem.variances, problem.cross)
    W = penalised_map(tall, problem.rotation, multiplier).matrix.requires_grad_()
    excess = W.T @ W - torch.eye(shape[1], dtype=torch.float64)
    loss = ((problem.variances * W - 2 * problem.cross) * W).sum()
    (loss + multiplier / 2 * excess.square().sum()).backward()
    assert W.grad.norm() <= 1e-6 * (1 + multiplier) * problem.cross.norm()


@pytest.mark.parametrize("rank", [1, 2])
def test_cross_covariance_of_low_rank_leaves_a_defined_solution(rank):
    problem = problem_of((3, 3), noise=0)
    left, values, right = torch.linalg.svd(problem.cross)
    values[rank:] = 0
    cross = (left * values) @ right
    problem = BoundedProblem(problem.variances[:, 0], cross)
    lam = 0.5 * problem.largest_residual
    solution, _, is_certified = problem.solve_certified(lam)
    again = problem.solve(lam)
    assert torch.equal(solution.matrix, again.matrix)
    assert is_certified
    assert abs(orthogonality_residual(solution.matrix).item() - lam) <= 1e-9

    def loss(flat):
        return problem.loss(torch.from_numpy(flat).reshape(3, 3))

    def room(flat):
        matrix = torch.from_numpy(flat).reshape(3, 3)
        return lam**2 - gram_excess(matrix).square().sum().item()

    generator = np.random.default_rng(0)
    ends = [
        minimize(
            loss,
            generator.normal(size=9),
            method="SLSQP",
            constraints={"type": "ineq", "fun": room},
            options={"ftol": 1e-14, "maxiter": 500},
        )
        for _ in range(8)
    ]
    best = min(end.fun for end in ends if end.success)
    assert abs(problem.loss(solution.matrix) - best) <= 1e-7


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_units_of_the_covariances_do_not_matter(unit):
    problem = problem_of((12, 12))
    lam = 0.3 * problem.largest_residual
    scaled = BoundedProblem(unit * problem.variances[:, 0], unit * problem.cross)
    expected, found = problem.solve(lam), scaled.solve(lam)
    torch.testing.assert_close(found.matrix, expected.matrix, rtol=0, atol=1e-7)
    assert math.isclose(found.multiplier, unit * expected.multiplier, rel_tol=1e-6)


@pytest.mark.parametrize("shape", [(6, 9), (9, 6)])
def test_maps_nearby_within_the_bound_are_worse(shape):
    problem = problem_of(shape)
    lam = 0.4 * problem.largest_residual
    best = problem.solve(lam).matrix
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        change = torch.randn(shape, generator=generator, dtype=torch.float64)
        nearby = project_to_ball(best + 0.05 * change, lam)
        assert problem.loss(nearby) >= problem.loss(best)


@pytest.mark.parametrize("shape", [(5, 5), (5, 7), (7, 5)])
@pytest.mark.parametrize("distance", [1e-15, 1e-12, 1e-9, 1e-6, 1e-4])
def test_bounds_next_to_that_of_least_squares_are_solved(shape, distance):
    problem = problem_of(shape)
    lam = (1 - distance) * problem.largest_residual
    solution = problem.solve(lam)
    assert solution.n_iter < 30
    assert orthogonality_residual(solution.matrix).item() <= lam * (1 + 1e-11)
    excess = problem.loss(solution.matrix) - problem.loss(problem.least_squares)
    assert -1e-13 <= excess <= distance


@pytest.mark.parametrize("shape", [(6, 6), (9, 4)])
@pytest.mark.parametrize("lam", [0.3, 1.5])
def test_lower_bound_holds_for_any_map_and_multiplier(shape, lam):
    problem = problem_of(shape)
    tall = TallProblem(problem.variances, problem.cross)
    generator = torch.Generator().manual_seed(0)
    best = problem.loss(problem.solve_certified(lam)[0].matrix)
    for multiplier in (1e-3, 0.1, 10.0):
        matrix = torch.randn(shape, generator=generator, dtype=torch.float64)
        assert lower_bound(tall, matrix, multiplier, lam) <= best + 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_directions_without_relation_do_not_slow_newton_down(seed):
    # Turns of the outputs that C hardly sees are large; they are made in closed form.
    generator = np.random.default_rng(seed)
    n_inputs, n_outputs = 110, 108
    spread = np.arange(1, n_inputs + 1.0) ** -1
    spread[-1] = 1e-6
    X = generator.normal(size=(143, n_inputs)) * spread
    turn = np.linalg.qr(generator.normal(size=(n_inputs, n_outputs)))[0]
    noise = generator.normal(size=(143, n_outputs)) * spread[:n_outputs] ** 1.5
    Y = X @ turn + 0.03 * noise
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    variances, basis = np.linalg.eigh(X.T @ X / len(X))
    cross = basis.T @ (X.T @ Y / len(X))
    problem = BoundedProblem(torch.from_numpy(variances), torch.from_numpy(cross))
    start = torch.from_numpy(basis.T @ turn)
    solution = problem.solve_penalised(0.3 * variances.mean(), start)
    assert problem.is_stationary(solution)
    assert solution.n_iter <= 9
