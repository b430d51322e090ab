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

    Parameters
    ----------
    matrix : Tensor of shape (n, n)
        A symmetric matrix.

    Returns
    -------
    values : Tensor of shape (n,)
        Eigenvalues, the largest first.

    vectors : Tensor of shape (n, n)
        Eigenvectors in columns; the entry of largest magnitude is positive in each.
    """
    values, vectors = torch.linalg.eigh(matrix)
    return values.flip(0), with_positive_peaks(vectors.flip(1))


def quick_eigh(matrix):
    """Return eigenvalues in rising order, and eigenvectors whose signs are arbitrary.

    Parameters
    ----------
    matrix : Tensor of shape (n, n)
        A symmetric matrix.

    Returns
    -------
    values : Tensor of shape (n,)
        Eigenvalues, the smallest first.

    vectors : Tensor of shape (n, n)
        Eigenvectors in columns.
    """
    if matrix.device.type != "cpu":
        return torch.linalg.eigh(matrix)
    # NumPy's takes a sixth less time than torch's on one thread.
    return tuple(map(torch.from_numpy, np.linalg.eigh(matrix.numpy())))


def with_positive_peaks(columns):
    """Return columns with signs such that the entry of largest magnitude is positive.

    Parameters
    ----------
    columns : Tensor of shape (..., n_rows, n_columns)
        Columns whose signs are arbitrary.

    Returns
    -------
    Tensor of shape (..., n_rows, n_columns)
        The columns, some of them negated.
    """
    peaks = columns.gather(-2, columns.abs().argmax(-2, keepdim=True))
    return torch.where(peaks < 0, -columns, columns)


def principal_axes(X, n_axes, row_weights):
    """Return the directions of largest variance.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_features)
        Rows of weighted mean 0.

    n_axes : int
        How many directions.

    row_weights : Tensor of shape (n_rows,)
        Positive weights.

    Returns
    -------
    Tensor of shape (n_features, n_axes)
        Orthonormal columns in order of falling variance. Columns beyond the number of
        rows are 0, if there are fewer rows than axes and features.
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

    Parameters
    ----------
    table : csr_array of shape (n_rows, n_features)
        The rows in float64.

    mean : ndarray of shape (n_features,)
        Their weighted mean; the rows less their mean are never formed.

    n_axes : int
        How many directions, at most the number of features.

    row_weights : ndarray of shape (n_rows,)
        Positive weights.

    Returns
    -------
    Tensor of shape (n_features, n_axes)
        The same as :func:`principal_axes` of the rows less their mean.
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

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_features)
        Rows.

    Returns
    -------
    Tensor of shape (n_rows, n_features)
        The rows divided by their Euclidean length; a row of zeros stays.
    """
    return torch.nn.functional.normalize(X, dim=1)


def gram_matrix(matrix):
    """Return the inner products of the columns.

    Parameters
    ----------
    matrix : Tensor of shape (n_rows, n_columns)
        The matrix.

    Returns
    -------
    Tensor of shape (n_columns, n_columns)
        ``matrix.T @ matrix``.
    """
    if matrix.device.type != "cpu":
        return matrix.T @ matrix
    # NumPy sees that both factors are one, and computes one triangle alone.
    array = matrix.numpy()
    return torch.from_numpy(array.T @ array)


def polar_factor(matrix):
    """Return the nearest matrix with orthonormal rows or columns.

    Parameters
    ----------
    matrix : Tensor of shape (n_rows, n_columns)
        A matrix of full rank, for which the answer is unique.

    Returns
    -------
    Tensor of shape (n_rows, n_columns)
        The orthogonal factor of the polar decomposition: the maximiser of the inner
        product with the matrix.
    """
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    return left @ right


def ridge_solve(gram, target, penalty):
    """Solve ``(gram + diag(penalty)) solution = target``.

    Parameters
    ----------
    gram : Tensor of shape (n, n)
        A symmetric positive semidefinite matrix; not written to.

    target : Tensor of shape (n, n_targets)
        Right-hand sides.

    penalty : float or Tensor of shape (n,)
        Positive, large enough to make the sum definite.

    Returns
    -------
    Tensor of shape (n, n_targets)
        The solution.
    """
    regularised = gram.clone()
    regularised.diagonal().add_(penalty)
    return torch.cholesky_solve(target, torch.linalg.cholesky(regularised))


def inner(left, right):
    """Return the inner product of two tensors of equal shape, each taken as a vector.

    Parameters
    ----------
    left : Tensor
        A tensor of any shape.

    right : Tensor
        Another one of that shape.

    Returns
    -------
    float
        The sum of the products of their entries.
    """
    return torch.dot(left.reshape(-1), right.reshape(-1)).item()


def conjugate_gradients(operator, precondition, right, tolerance, most_steps):
    """Solve a symmetric linear system, or follow it to where it is not convex.

    Parameters
    ----------
    operator : callable
        Takes a tensor of the shape of `right` to its image.

    precondition : callable
        Does nearly the opposite, and is positive definite.

    right : Tensor
        Right-hand side, of any shape; a tensor is one vector here.

    tolerance : float
        Share of the preconditioned norm of `right` at which to end.

    most_steps : int
        Most products with the operator.

    Returns
    -------
    Tensor
        The solution; if a direction of no positive curvature is met, what was found
        until then, or the first direction itself.
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
