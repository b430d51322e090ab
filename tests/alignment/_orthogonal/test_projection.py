# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from sktransform.alignment._orthogonal.projection import (
    moved_to_bound,
    orthogonality_residual,
    project_to_ball,
    project_values,
    weighted_values,
)


def _values(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


@pytest.mark.parametrize("radius", [1e-3, 0.5, 1.3])
def test_projection_is_the_nearest_of_many_local_ones(radius):
    values = _values(0.0, 0.4, 1.0, 1.0, 2.5)
    moved = project_values(values, radius)
    assert abs((moved**2 - 1).norm().item() - radius) <= 1e-12
    generator = np.random.default_rng(0)
    for _ in range(15):
        end = minimize(
            lambda t: np.sum((t - values.numpy()) ** 2),
            generator.uniform(0, 2, 5),
            method="SLSQP",
            constraints={
                "type": "ineq",
                "fun": lambda t: radius**2 - np.sum((t**2 - 1) ** 2),
            },
            options={"ftol": 1e-14, "maxiter": 300},
        )
        if end.success:
            assert (moved - values).square().sum().item() <= end.fun + 1e-7


def test_values_move_towards_one_and_keep_their_order():
    values = _values(0.2, 0.9, 1.0, 1.1, 3.0)
    moved = project_values(values, 0.7)
    assert (moved.diff() >= 0).all()
    assert ((moved - 1).abs() <= (values - 1).abs()).all()
    assert moved[2] == 1


def test_feasible_values_stay_and_zero_asks_for_ones():
    values = _values(0.9, 1.1)
    assert project_values(values, 1.0) is values
    assert torch.equal(
        project_values(_values(0.0, 2.0, 2.0), 0.0), torch.ones(3).double()
    )


@pytest.mark.parametrize("shape", [(4, 7), (5, 5), (7, 4)])
def test_projected_matrix_keeps_the_bound_and_its_singular_vectors(shape):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(shape, generator=generator, dtype=torch.float64)
    projected = project_to_ball(matrix, 0.8)
    assert abs(orthogonality_residual(projected).item() - 0.8) <= 1e-12
    assert torch.equal(project_to_ball(projected, 0.8 + 1e-12), projected)
    # The same singular vectors: the products are symmetric.
    for product in (matrix.T @ projected, matrix @ projected.T):
        torch.testing.assert_close(product, product.T)


def test_residual_is_that_of_the_smaller_side():
    matrix = torch.randn(3, 6, generator=torch.Generator().manual_seed(1)).double()
    expected = (matrix @ matrix.T - torch.eye(3)).norm()
    torch.testing.assert_close(orthogonality_residual(matrix), expected)
    torch.testing.assert_close(orthogonality_residual(matrix.T), expected)


@pytest.mark.parametrize("shape", [(4, 7), (5, 5), (7, 4)])
@pytest.mark.parametrize("factor", [1 - 1e-4, 1 + 1e-8, 1 / 3])
def test_matrix_moved_to_a_bound_is_on_it(shape, factor):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(shape, generator=generator, dtype=torch.float64)
    radius = factor * orthogonality_residual(matrix).item()
    moved = moved_to_bound(matrix, radius)
    assert abs(orthogonality_residual(moved).item() - radius) <= 1e-11 * radius


def test_short_move_to_a_bound_is_nearly_the_projection():
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    radius = (1 - 1e-4) * orthogonality_residual(matrix).item()
    nearest = (project_to_ball(matrix, radius) - matrix).norm()
    assert (moved_to_bound(matrix, radius) - matrix).norm() <= 1.001 * nearest


def test_weighted_values_are_stationary_and_keep_the_bound():
    values, weights = _values(0.0, 0.3, 1.0, 2.0, 9.0), _values(1, 1e-3, 5, 1e2, 1e-6)
    moved, multiplier = weighted_values(values, 0.6, weights)
    assert abs((moved**2 - 1).norm().item() - 0.6) <= 1e-10
    slopes = weights * (moved - values) + 2 * multiplier * moved * (moved**2 - 1)
    # Each is a difference of terms as large as the multiplier.
    assert (slopes.abs() <= 1e-12 * multiplier).all()
    assert multiplier > 0


def test_matrix_well_inside_a_bound_stays():
    matrix = torch.randn(4, 6, generator=torch.Generator().manual_seed(0)).double()
    for factor in (1 + 1e-4, 3.0):
        radius = factor * orthogonality_residual(matrix).item()
        assert moved_to_bound(matrix, radius) is matrix
