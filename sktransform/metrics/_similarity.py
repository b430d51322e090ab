# SPDX-License-Identifier: BSD-3-Clause
"""Metrics that compare the shapes of two embeddings of the same rows."""

import numpy as np
import torch
from numpy.typing import ArrayLike

from sktransform.metrics._views import check_same_rows, check_view, view_runtime
from sktransform.runtime._linalg import polar_factor
from sktransform.utils._sklearn import validate_params

_VIEW_CONSTRAINTS = {"X": ["array-like"], "Y": ["array-like"]}


def _shape(rows, name):
    """Return the shape of a view: centred, of length 1, in no more columns than rows.

    Rows of mean 0 whose squares sum to 1. Products between them are those of the view,
    whose columns beyond the number of rows are turned away.

    Shapes: rows (n_rows, n_columns) -> (n_rows, min(n_rows, n_columns)).
    """
    # In this order: equal rows become exactly 0, and squares of any numbers are finite.
    rows = rows - rows[0]
    peak = rows.abs().max()
    if peak == 0:
        raise ValueError(
            f"All rows of {name} are equal, so it has no shape to compare."
        )
    rows = rows / peak
    rows = rows - rows.mean(0)
    if rows.shape[1] > rows.shape[0]:
        rows = torch.linalg.qr(rows.T, mode="r").R.T
    return rows / torch.linalg.matrix_norm(rows)


def _shapes(X, Y):
    """Return the shapes of two views of the same rows, as tensors on one device."""
    views = [check_view(X, "X", min_samples=2), check_view(Y, "Y", min_samples=2)]
    check_same_rows(*views, names=("X", "Y"))
    runtime = view_runtime(X, views[0])
    return [
        _shape(rows, name)
        for rows, name in zip(runtime.tensors(*views), "XY", strict=True)
    ]


def _residual(X, Y):
    """Return the least squared error of turning one shape onto the other.

    Unlike the sum of singular values, from which it follows too, this keeps its digits
    where the shapes are nearly the same.
    """
    narrow, wide = sorted((X, Y), key=lambda rows: rows.shape[1])
    return (narrow @ polar_factor(narrow.T @ wide) - wide).square().sum().item()


@validate_params(_VIEW_CONSTRAINTS, prefer_skip_nested_validation=True)
def linear_cka(X: ArrayLike, Y: ArrayLike) -> float:
    r"""Measure how alike two embeddings are, by linear centred kernel alignment.

    With X and Y centred it is

    .. math::
        \frac{\lVert X^\top Y \rVert_F^2}
        {\lVert X^\top X \rVert_F \, \lVert Y^\top Y \rVert_F},

    the cosine between the two matrices of products of rows [1]_. Turning, mirroring,
    shifting and scaling either embedding as a whole do not change it; a general linear
    map does. The embeddings may have different numbers of columns.

    Parameters
    ----------
    X : array-like or Tensor of shape (n_samples, n_features)
        One embedding. A tensor's own device computes.

    Y : array-like or Tensor of shape (n_samples, n_components)
        Another embedding of the same rows.

    Returns
    -------
    float
        The alignment, from 0 (no linear relation) to 1 (the same shape). Without units.

    Raises
    ------
    ValueError
        If X and Y differ in length or have fewer than two rows, or if all rows of
        one of them are equal.

    See Also
    --------
    procrustes_distance : How far the same shapes are from each other.
    neighbor_overlap : Compares neighbourhoods alone.

    Notes
    -----
    Directions of large variance dominate. With few rows for their number of columns
    unrelated embeddings have a value far above 0: compare with that of shuffled rows.

    Everything is computed in float64. Embeddings with more columns than rows are
    turned into as many columns as rows first, so memory is that of the arrays.

    References
    ----------
    .. [1] Kornblith, S., Norouzi, M., Lee, H. and Hinton, G. (2019). Similarity of
       neural network representations revisited. ICML 2019, PMLR 97, 3519-3529.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sktransform.metrics import linear_cka
    >>> X = load_iris().data
    >>> round(linear_cka(X, PCA(2).fit_transform(X)), 3)
    1.0
    >>> round(linear_cka(X, PCA(2, whiten=True).fit_transform(X)), 3)
    0.746
    """
    X, Y = _shapes(X, Y)
    between, of_x, of_y = (
        torch.linalg.matrix_norm(a.T @ b) for a, b in ((X, Y), (X, X), (Y, Y))
    )
    return min(1.0, (between.square() / (of_x * of_y)).item())


@validate_params(
    {**_VIEW_CONSTRAINTS, "angular": ["boolean"]}, prefer_skip_nested_validation=True
)
def procrustes_distance(X: ArrayLike, Y: ArrayLike, *, angular: bool = False) -> float:
    r"""Measure what is left between two embeddings after the best turn and scale.

    Both are centred and divided by their Frobenius norm, one is turned (or mirrored)
    and scaled onto the other, and the squared error is

    .. math::
        \min_{s, R} \lVert X - s Y R \rVert_F^2 = 1 - \nu^2,
        \qquad \nu = \lVert X^\top Y \rVert_*,

    with :math:`\nu` the sum of the singular values [1]_. It is the disparity of
    :func:`scipy.spatial.procrustes`. If one embedding has fewer columns, it is as if
    columns of zeros were added to it.

    Parameters
    ----------
    X : array-like or Tensor of shape (n_samples, n_features)
        One embedding. A tensor's own device computes.

    Y : array-like or Tensor of shape (n_samples, n_components)
        Another embedding of the same rows.

    angular : bool, default=False
        Whether to return the angle :math:`\arccos \nu` between the shapes [2]_ instead.
        Unlike the disparity, which is the square of its sine, it obeys the triangle
        inequality, as clustering many embeddings by their distance needs.

    Returns
    -------
    float
        The disparity, from 0 (the same shape) to 1; or the angle in radians, from 0 to
        :math:`\pi / 2`.

    Raises
    ------
    ValueError
        If X and Y differ in length or have fewer than two rows, or if all rows of
        one of them are equal.

    See Also
    --------
    linear_cka : Compares the same shapes with more weight on large variance.
    scipy.spatial.procrustes : The same disparity, and the turned arrays.

    Notes
    -----
    Turning without scaling leaves :math:`2 - 2 \nu`, the square of the chord of the
    angle. All of them order pairs of embeddings alike.

    Everything is computed in float64, from the error itself: it keeps its digits
    near 0, where :math:`1 - \nu^2` loses them.

    References
    ----------
    .. [1] Gower, J. C. (1975). Generalized Procrustes analysis. Psychometrika 40,
       33-51.
    .. [2] Williams, A. H., Kunz, E., Kornblith, S. and Linderman, S. W. (2021).
       Generalized shape metrics on neural representations. NeurIPS 34, 4738-4750.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sktransform.metrics import procrustes_distance
    >>> X = load_iris().data
    >>> Y = PCA(2).fit_transform(X)
    >>> round(procrustes_distance(X, Y), 3)
    0.022
    >>> round(procrustes_distance(X, Y, angular=True), 3)
    0.15
    """
    chord_squared = min(2.0, _residual(*_shapes(X, Y)))
    if angular:
        return float(2 * np.arcsin(np.sqrt(chord_squared) / 2))
    return chord_squared * (1 - chord_squared / 4)
