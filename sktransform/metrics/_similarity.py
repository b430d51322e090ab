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
            f"All rows of {name} are equal; give an embedding that varies."
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
    r"""Compute the similarity of two embeddings by linear centred kernel alignment.

    With X and Y centred the value is

    .. math::
        \frac{\lVert X^\top Y \rVert_F^2}
        {\lVert X^\top X \rVert_F \, \lVert Y^\top Y \rVert_F},

    the cosine between the Gram matrices of the two embeddings [1]_. It is invariant to
    rotation, reflection, translation and scale of either embedding, but not to general
    linear maps. The embeddings may have different numbers of columns.

    Parameters
    ----------
    X : array-like or Tensor of shape (n_samples, n_features)
        One embedding. With a tensor the computation runs on the tensor's device.

    Y : array-like or Tensor of shape (n_samples, n_components)
        Another embedding of the same rows.

    Returns
    -------
    float
        The alignment, from 0 (no linear relation) to 1 (equal up to rotation,
        translation and scale).

    Raises
    ------
    ValueError
        If X and Y have different numbers of rows or fewer than two rows, or if all rows
        of one of them are equal.

    See Also
    --------
    procrustes_distance : Distance after the optimal rotation and scaling.
    neighbor_overlap : Compares neighbourhoods only.

    Notes
    -----
    Directions of large variance dominate. With few rows and many columns, unrelated
    embeddings have values far above 0: compare with the value after shuffling the rows
    of Y.

    Everything is computed in float64. Embeddings with more columns than rows are first
    rotated into as many columns as rows, so the memory is that of the arrays.

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
    r"""Compute the distance of two embeddings after optimal rotation and scaling.

    Both embeddings are centred and divided by their Frobenius norm. Then one is rotated
    or reflected, and scaled, to fit the other, and the squared error is

    .. math::
        \min_{s, R} \lVert X - s Y R \rVert_F^2 = 1 - \nu^2,
        \qquad \nu = \lVert X^\top Y \rVert_*,

    with :math:`\nu` the sum of the singular values [1]_. It is the disparity of
    :func:`scipy.spatial.procrustes`. An embedding with fewer columns is padded with
    zeros.

    Parameters
    ----------
    X : array-like or Tensor of shape (n_samples, n_features)
        One embedding. With a tensor the computation runs on the tensor's device.

    Y : array-like or Tensor of shape (n_samples, n_components)
        Another embedding of the same rows.

    angular : bool, default=False
        Whether to return the angle :math:`\arccos \nu` between the shapes [2]_ instead.
        The disparity is the squared sine of this angle. Unlike the disparity, the angle
        satisfies the triangle inequality, which is needed to cluster embeddings by
        their distances.

    Returns
    -------
    float
        The disparity, from 0 (equal up to rotation, translation and scale) to 1; or the
        angle in radians, from 0 to :math:`\pi / 2`.

    Raises
    ------
    ValueError
        If X and Y have different numbers of rows or fewer than two rows, or if all rows
        of one of them are equal.

    See Also
    --------
    linear_cka : Similarity with more weight on directions of large variance.
    scipy.spatial.procrustes : The same disparity, and the transformed arrays.

    Notes
    -----
    With rotation but without scaling the squared error is :math:`2 - 2 \nu`. The
    disparity, this error and the angle are monotone functions of each other.

    Everything is computed in float64. The error is computed directly and not as
    :math:`1 - \nu^2`, so that small values are accurate.

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
