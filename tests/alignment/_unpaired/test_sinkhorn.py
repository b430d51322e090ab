# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.linalg import orthogonal_procrustes

from sktransform.alignment._unpaired.sinkhorn import CovarianceConstraint, soft_cross
from sktransform.runtime._linalg import unit_rows


@pytest.fixture
def normal():
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_sharp_pairs_of_equal_rows_are_the_rows_themselves(normal):
    X = unit_rows(normal(30, 12))
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    cross = soft_cross(X, X[order], X, X[order], 0.005)
    assert_allclose(cross, X.T @ X / 30, atol=1e-3)


def test_every_row_takes_part_alike(normal):
    X, Y = unit_rows(normal(20, 3)), unit_rows(normal(35, 3))
    ones_x, ones_y = torch.ones(20, 1), torch.ones(35, 1)
    # The moment with a constant gives the mean of the rows, weighted by their shares.
    by_row = soft_cross(X, Y, torch.eye(20).double(), ones_y.double(), 1.0)
    by_column = soft_cross(X, Y, ones_x.double(), torch.eye(35).double(), 1.0)
    assert_allclose(by_row[:, 0], np.full(20, 1 / 20), rtol=1e-6)
    assert_allclose(by_column[0], np.full(35, 1 / 35), rtol=1e-3)


def test_opposite_rows_leave_single_precision_finite():
    X = torch.ones(4, 3) / 3**0.5
    assert torch.isfinite(soft_cross(X, -X, X, -X, 0.03)).all()


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(3, 5), (4, 4)])
def test_rows_get_the_covariance_of_the_other_space(normal, n_inputs, n_outputs):
    X, Y = normal(200, n_inputs) @ normal(n_inputs, n_inputs), normal(200, n_outputs)
    matrix = CovarianceConstraint.from_rows(X, Y, 0.0).best(normal(n_inputs, n_outputs))
    image, wanted = matrix.T @ X.T @ X @ matrix / 200, Y.T @ Y / 200
    if n_inputs == n_outputs:
        assert_allclose(image, wanted, atol=1e-4)
    # Along no direction do rows vary more than the other space.
    assert torch.linalg.eigvalsh(wanted - image).min() > -1e-4


def test_wholly_shrunk_it_is_procrustes(normal):
    X, Y = normal(50, 4), normal(50, 4)
    matrix = CovarianceConstraint.from_rows(X, Y, 1.0).best(X.T @ Y)
    rotation = orthogonal_procrustes(X.numpy(), Y.numpy())[0]
    assert_allclose(matrix / torch.linalg.matrix_norm(matrix, 2), rotation, atol=1e-5)


def test_no_map_that_is_allowed_has_less_error(normal):
    X, Y = normal(80, 4) @ normal(4, 4), normal(80, 4)
    Y += X
    constraint = CovarianceConstraint.from_rows(X, Y, 0.0)
    best = constraint.best(X.T @ Y)
    error = (X @ best - Y).square().sum()
    for _ in range(50):
        turn = torch.linalg.qr(normal(4, 4))[0]
        other = constraint.inverse_root_x @ turn @ constraint.root_y
        assert (X @ other - Y).square().sum() >= error - 1e-9


def test_rows_of_zeros_give_a_finite_map():
    zeros = torch.zeros(5, 3)
    constraint = CovarianceConstraint.from_rows(zeros, zeros, 0.5)
    assert torch.isfinite(constraint.best(torch.zeros(3, 3).double())).all()
