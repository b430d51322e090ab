# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.decomposition import PCA

from sktransform.runtime._linalg import (
    conjugate_gradients,
    gram_matrix,
    inner,
    polar_factor,
    principal_axes,
    ridge_solve,
    symmetric_eigen,
    with_positive_peaks,
)


def _normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_symmetric_eigen_agrees_with_scipy_and_fixes_signs():
    matrix = _normal(7, 7)
    matrix = matrix + matrix.T
    values, vectors = symmetric_eigen(torch.from_numpy(matrix))
    expected = scipy.linalg.eigh(matrix, eigvals_only=True)[::-1]
    np.testing.assert_allclose(values.numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(
        matrix @ vectors.numpy(), vectors.numpy() * values.numpy(), atol=1e-12
    )
    peaks = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    assert (peaks > 0).all()


def test_positive_peaks_undo_any_choice_of_signs():
    columns = torch.from_numpy(_normal(5, 3))
    signs = torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)
    torch.testing.assert_close(
        with_positive_peaks(columns), with_positive_peaks(columns * signs)
    )


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
def test_principal_axes_are_those_of_pca(shape):
    X = _normal(*shape) * np.linspace(3, 1, shape[1])
    X -= X.mean(axis=0)
    axes = principal_axes(torch.from_numpy(X), 3, torch.ones(shape[0]).double())
    expected = PCA(3, svd_solver="full").fit(X).components_
    cosines = np.abs((expected * axes.numpy().T).sum(axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-10)


def test_principal_axes_take_weights_as_repetition():
    X = torch.from_numpy(_normal(10, 4))
    counts = torch.arange(1, 11)
    repeated = X.repeat_interleave(counts, dim=0)
    mean = repeated.mean(0)
    weighted = principal_axes(X - mean, 2, counts.double())
    expected = principal_axes(repeated - mean, 2, torch.ones(len(repeated)).double())
    torch.testing.assert_close(weighted, expected)


def test_principal_axes_without_enough_rows_are_zero():
    X = torch.from_numpy(_normal(2, 9))
    axes = principal_axes(X - X.mean(0), 4, torch.ones(2).double())
    assert axes.shape == (9, 4)
    norms = axes.norm(dim=0)
    torch.testing.assert_close(norms, torch.tensor([1.0, 0, 0, 0]).double())


@pytest.mark.parametrize("shape", [(5, 5), (7, 4), (4, 7)])
def test_polar_factor_agrees_with_scipy(shape):
    matrix = _normal(*shape)
    side = "right" if shape[0] >= shape[1] else "left"
    expected, _ = scipy.linalg.polar(matrix, side=side)
    found = polar_factor(torch.from_numpy(matrix)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_ridge_solve_agrees_with_scipy_and_leaves_its_input():
    root = _normal(9, 4)
    gram, target = root.T @ root, _normal(4, 2, seed=1)
    tensor = torch.from_numpy(gram)
    found = ridge_solve(tensor, torch.from_numpy(target), 0.3)
    expected = scipy.linalg.solve(gram + 0.3 * np.eye(4), target, assume_a="pos")
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    np.testing.assert_array_equal(tensor.numpy(), root.T @ root)


def test_conjugate_gradients_solve_a_definite_system():
    factor = torch.randn(
        12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    matrix = factor @ factor.T + torch.eye(12)
    right = factor[:, :3]
    diagonal = matrix.diagonal()[:, None]

    def solve(tolerance, most_steps):
        return conjugate_gradients(
            matrix.matmul, lambda left: left / diagonal, right, tolerance, most_steps
        )

    exact = torch.linalg.solve(matrix, right)
    torch.testing.assert_close(solve(1e-12, 100), exact)
    # Rough solutions are nearer in the norm that the method lowers.
    errors = [solve(0, most_steps) - exact for most_steps in (1, 5, 10)]
    sizes = [inner(error, matrix @ error) for error in errors]
    assert sizes[0] > sizes[1] > sizes[2]


def test_conjugate_gradients_stop_where_curvature_is_not_positive():
    matrix = torch.diag(torch.tensor([1.0, -1.0, 2.0]).double())
    right = torch.tensor([0.0, 1.0, 0.0]).double()
    found = conjugate_gradients(matrix.matmul, lambda left: left, right, 1e-6, 10)
    assert torch.equal(found, right)
    assert torch.isfinite(
        conjugate_gradients(matrix.matmul, torch.clone, torch.ones(3).double(), 0, 10)
    ).all()


def test_gram_matrix_is_the_product_with_the_transposed():
    matrix = torch.randn(50, 7, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(gram_matrix(matrix), matrix.T @ matrix)
    assert torch.equal(gram_matrix(matrix), gram_matrix(matrix).T)
