# SPDX-License-Identifier: BSD-3-Clause
"""Transfer of linear operators and bilinear forms from one space to another."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted


def _conjugated(coef, operator):
    """Return an operator in the target's space.

    Multiplies rows of the target's space from the right.

    `coef`: linear part of the map between the spaces.
    `operator`: multiplies rows of the first space from the right.

    Shapes: coef (n_outputs, n_features), operator (n_features, n_features) ->
    (n_outputs, n_outputs).
    """
    return torch.linalg.pinv(coef.T) @ operator @ coef.T


def _congruent(coef, form):
    """Return a bilinear form in the target's space.

    `coef`: linear part of the map between the spaces.

    Shapes: coef (n_outputs, n_features), form (n_features, n_features) -> (n_outputs,
    n_outputs).
    """
    inverse = torch.linalg.pinv(coef.T)
    return inverse @ form @ inverse.T


def transfer_operator(aligner: Any, operator: ArrayLike) -> np.ndarray:
    """Transfer a linear operator from one space to an aligned space.

    An operator maps a row ``x`` to ``x @ operator``. Examples are a matrix that
    amplifies a steering direction, a projection that removes a concept, or a change of
    basis. With the aligner's map ``y = x @ M + b`` the corresponding operator on
    differences of rows of the target's space is ``pinv(M) @ operator @ M``.

    Parameters
    ----------
    aligner : estimator or array-like of shape (n_outputs, n_features)
        A fitted aligner with `coef_`, or such an array: the transpose of ``M``.

    operator : array-like of shape (n_features, n_features)
        The operator on the space of the aligner's X, applied from the right.

    Returns
    -------
    ndarray of shape (n_outputs, n_outputs)
        The operator on the target's space. If the map reduces the dimension, the result
        is a least-squares approximation.

    Raises
    ------
    ValueError
        If the operator is not a square matrix of the aligner's features.

    See Also
    --------
    transfer_bilinear : The same for bilinear forms.

    Notes
    -----
    For an orthogonal map the result is ``M.T @ operator @ M``. The operator applies to
    differences of rows: to apply it to rows, first subtract corresponding points in
    both spaces, such as `mean_` and its image.

    References
    ----------
    .. [1] C. Han et al., "Word embeddings are steers for language models", ACL 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import transfer_operator
    >>> coef = np.array([[0.0, 2.0], [1.0, 0.0]])  # y = (2 x_1, x_0)
    >>> transfer_operator(coef, np.diag([5.0, 1.0])).round(6) + 0.0
    array([[1., 0.],
           [0., 5.]])
    """
    return _conjugated(*_tensors(aligner, operator, "operator")).numpy()


def transfer_bilinear(aligner: Any, form: ArrayLike) -> np.ndarray:
    """Transfer a bilinear form from one space to an aligned space.

    A bilinear form assigns the number ``x1 @ form @ x2`` to a pair of rows. Examples
    are a metric, a weighted similarity or a learned score. With the aligner's map ``y =
    x @ M + b`` the corresponding form on differences of rows of the target's space is
    ``pinv(M) @ form @ pinv(M).T``.

    Parameters
    ----------
    aligner : estimator or array-like of shape (n_outputs, n_features)
        A fitted aligner with `coef_`, or such an array: the transpose of ``M``.

    form : array-like of shape (n_features, n_features)
        The form on the space of the aligner's X.

    Returns
    -------
    ndarray of shape (n_outputs, n_outputs)
        The form on the target's space. Its values agree with those of `form` if the map
        does not reduce the dimension.

    Raises
    ------
    ValueError
        If the form is not a square matrix of the aligner's features.

    See Also
    --------
    transfer_operator : The same for operators.

    References
    ----------
    .. [1] C. Han et al., "Word embeddings are steers for language models", ACL 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import transfer_bilinear
    >>> coef = np.array([[0.0, 2.0], [1.0, 0.0]])  # y = (2 x_1, x_0)
    >>> transfer_bilinear(coef, np.eye(2)).round(6) + 0.0
    array([[0.25, 0.  ],
           [0.  , 1.  ]])
    """
    return _congruent(*_tensors(aligner, form, "form")).numpy()


def _tensors(aligner, matrix, name):
    """Return the map's matrix and the one to carry over, checked."""
    if hasattr(aligner, "fit"):
        check_is_fitted(aligner)
        has_kernels = getattr(aligner, "kernel_coef_", None) is not None
        aligner = getattr(aligner, "coef_", None)
        if aligner is None or has_kernels:
            raise ValueError(
                "aligner must have an affine map, but it has kernels or no coef_, so "
                "its map is not affine; give an affine aligner or its matrix."
            )
    coef = check_array(aligner, dtype=np.float64, input_name="aligner")
    matrix = check_array(matrix, dtype=np.float64, input_name=name)
    n_features = coef.shape[1]
    if matrix.shape != (n_features, n_features):
        raise ValueError(
            f"{name} has shape {matrix.shape}, but the aligner's map of shape "
            f"(n_outputs, n_features) = {coef.shape}, takes one of shape "
            f"{(n_features, n_features)}."
        )
    return torch.from_numpy(coef.copy()), torch.from_numpy(matrix.copy())
