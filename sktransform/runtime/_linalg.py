# SPDX-License-Identifier: BSD-3-Clause
"""Linear algebra with a unique answer: pure functions of tensors."""

import numpy as np
import torch
from scipy.sparse import diags_array
from scipy.sparse.linalg import LinearOperator, eigsh

# Of a sparse matrix with fewer rows or columns than this all eigenvectors are computed.
_DIRECT_SIZE = 500


def symmetric_eigen(matrix):
    """Return eigenvalues in falling order and eigenvectors with a fixed sign.

    `vectors`: eigenvectors in columns; the entry of largest magnitude is positive in
      each.

    Shapes: matrix (n, n) -> values (n,), vectors (n, n).
    """
    values, vectors = torch.linalg.eigh(matrix)
    return values.flip(0), with_positive_peaks(vectors.flip(1))


def quick_eigh(matrix):
    """Return eigenvalues in rising order, and eigenvectors whose signs are arbitrary.

    Shapes: matrix (n, n) -> values (n,), vectors (n, n).
    """
    if matrix.device.type != "cpu":
        return torch.linalg.eigh(matrix)
    # NumPy's takes a sixth less time than torch's on one thread.
    return tuple(map(torch.from_numpy, np.linalg.eigh(matrix.numpy())))


def with_positive_peaks(columns):
    """Return columns with signs such that the entry of largest magnitude is positive.

    Shapes: columns (..., n_rows, n_columns) -> (..., n_rows, n_columns).
    """
    peaks = columns.gather(-2, columns.abs().argmax(-2, keepdim=True))
    return torch.where(peaks < 0, -columns, columns)


def principal_axes(X, n_axes, row_weights):
    """Return the directions of largest variance.

    Orthonormal columns in order of falling variance. Columns beyond the number of rows
    are 0, if there are fewer rows than axes and features.

    Shapes: X (n_rows, n_features), row_weights (n_rows,) -> (n_features, n_axes).
    """
    n_rows, n_features = X.shape
    weighted = X * row_weights.sqrt()[:, None]
    if n_features <= n_rows:
        return symmetric_eigen(weighted.T @ weighted)[1][:, :n_axes]
    values, vectors = symmetric_eigen(weighted @ weighted.T)
    lengths = values.clamp_min(0).sqrt()[:n_axes]
    axes = weighted.T @ vectors[:, :n_axes] / lengths.clamp_min(1e-150)
    axes[:, lengths <= 1e-8 * lengths.max()] = 0
    missing = axes.new_zeros((n_features, n_axes - axes.shape[1]))
    return torch.cat([with_positive_peaks(axes), missing], dim=1)


def sparse_principal_axes(table, mean, n_axes, row_weights):
    """Return the directions of largest variance of sparse rows.

    The same as :func:`principal_axes` of the rows less their mean.

    `mean`: their weighted mean; the rows less their mean are never formed.
    `n_axes`: how many directions, at most the number of features.

    Shapes: table (n_rows, n_features), mean (n_features,), row_weights (n_rows,) ->
    (n_features, n_axes).
    """
    n_rows, n_features = table.shape
    roots = np.sqrt(row_weights)
    weighted = diags_array(roots) @ table
    if n_features <= n_rows:
        return _leading_left_vectors(weighted.T.tocsr(), mean, roots, n_axes)[1]
    values, vectors = _leading_left_vectors(weighted, roots, mean, n_axes)
    lengths = values.clamp_min(0).sqrt()
    axes = torch.from_numpy(weighted.T @ vectors.numpy())
    axes -= torch.outer(torch.from_numpy(mean), torch.from_numpy(roots) @ vectors)
    axes /= lengths.clamp_min(1e-150)
    # Rounding is relative to the rows themselves, which may lie far from their mean.
    size = max(lengths.max().item(), np.linalg.norm(weighted.data))
    axes[:, lengths <= 1e-8 * size] = 0
    missing = axes.new_zeros((n_features, n_axes - axes.shape[1]))
    return torch.cat([with_positive_peaks(axes), missing], dim=1)


def _leading_left_vectors(table, left, right, n_vectors):
    """Return squared leading singular values and left vectors of a shifted matrix.

    The matrix is the sparse table less the outer product of left and right.
    """
    size = table.shape[0]
    n_vectors = min(n_vectors, size)
    if size < _DIRECT_SIZE or 10 * n_vectors > size:
        products = (table @ table.T).toarray()
        half = table @ right - (right @ right / 2) * left
        products -= np.outer(half, left)
        products -= np.outer(left, half)
        values, vectors = symmetric_eigen(torch.from_numpy(products))
        return values[:n_vectors], vectors[:, :n_vectors]

    def times_itself(vector):
        image = table.T @ vector - right * (left @ vector)
        return table @ image - left * (right @ image)

    operator = LinearOperator((size, size), matvec=times_itself, dtype=np.float64)
    start = np.random.default_rng(0).uniform(-1, 1, size)
    values, vectors = eigsh(operator, n_vectors, which="LA", v0=start)
    order = np.argsort(-values, kind="stable")
    vectors = with_positive_peaks(torch.from_numpy(vectors[:, order]))
    return torch.from_numpy(values[order]), vectors


def unit_rows(X):
    """Return rows of length 1.

    The rows divided by their Euclidean length; a row of zeros stays.

    Shapes: X (n_rows, n_features) -> (n_rows, n_features).
    """
    return torch.nn.functional.normalize(X, dim=1)


def gram_matrix(matrix):
    """Return the inner products of the columns.

    Shapes: matrix (n_rows, n_columns) -> (n_columns, n_columns).
    """
    if matrix.device.type != "cpu":
        return matrix.T @ matrix
    # NumPy sees that both factors are one, and computes one triangle alone.
    array = matrix.numpy()
    return torch.from_numpy(array.T @ array)


def polar_factor(matrix):
    """Return the nearest matrix with orthonormal rows or columns.

    The orthogonal factor of the polar decomposition: the maximiser of the inner product
    with the matrix.

    `matrix`: a matrix of full rank, for which the answer is unique.

    Shapes: matrix (n_rows, n_columns) -> (n_rows, n_columns).
    """
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    return left @ right


def ridge_solve(gram, target, penalty):
    """Solve ``(gram + diag(penalty)) solution = target``.

    `gram`: a symmetric positive semidefinite matrix; not written to.
    `penalty`: positive, large enough to make the sum definite.

    Shapes: gram (n, n), target (n, n_targets), penalty (n,) -> (n, n_targets).
    """
    regularised = gram.clone()
    regularised.diagonal().add_(penalty)
    return torch.cholesky_solve(target, torch.linalg.cholesky(regularised))


def inner(left, right):
    """Return the sum of products of the entries of two tensors of equal shape."""
    return torch.dot(left.reshape(-1), right.reshape(-1)).item()


def conjugate_gradients(operator, precondition, right, tolerance, most_steps):
    """Solve a symmetric linear system, or follow it to where it is not convex.

    The solution; if a direction of no positive curvature is met, what was found until
    then, or the first direction itself.

    `operator`: takes a tensor of the shape of `right` to its image.
    `precondition`: does nearly the opposite, and is positive definite.
    `right`: right-hand side, of any shape; a tensor is one vector here.
    `tolerance`: share of the preconditioned norm of `right` at which to end.
    """
    solution = torch.zeros_like(right)
    left_over = right.clone()
    direction = precondition(left_over)
    product = inner(left_over, direction)
    enough = tolerance**2 * product
    for step in range(most_steps):
        image = operator(direction)
        curvature = inner(direction, image)
        if curvature <= 0:
            return solution if step else direction
        length = product / curvature
        solution.add_(direction, alpha=length)
        left_over.sub_(image, alpha=length)
        scaled = precondition(left_over)
        previous, product = product, inner(left_over, scaled)
        if product <= enough:
            break
        direction = scaled.add_(direction, alpha=product / previous)
    return solution
