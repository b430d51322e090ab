# SPDX-License-Identifier: BSD-3-Clause
"""Linear operators and bilinear forms, carried from one space into another."""

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
    """Carry a linear operator on one space over to the space it is aligned with.

    An operator turns a row ``x`` into ``x @ operator``: a steering direction that is
    amplified, a concept that is projected out, a change of basis. With the aligner's
    map ``y = x @ M + b`` the same is done to differences of rows of the other space by
    ``pinv(M) @ operator @ M``.

    Parameters
    ----------
    aligner : estimator or array-like of shape (n_outputs, n_features)
        A fitted aligner with `coef_`, or such an array: the transpose of ``M``.

    operator : array-like of shape (n_features, n_features)
        The operator on the aligner's first view, applied from the right.

    Returns
    -------
    ndarray of shape (n_outputs, n_outputs)
        The operator on the target's space. What leads out of the image of the map is
        lost: into a narrower space, the operator is carried over in least squares.

    Raises
    ------
    ValueError
        If the operator is not a square matrix of the aligner's features.

    See Also
    --------
    transfer_bilinear : The same for bilinear forms.

    Notes
    -----
    For an orthogonal map both functions return ``M.T @ operator @ M``. Operators on
    rows themselves rather than on differences have to be taken about corresponding
    points, such as `mean_` and its image.

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
    """Carry a bilinear form on one space over to the space it is aligned with.

    A form gives a number to a pair of rows, ``x1 @ form @ x2``: a metric, a similarity
    with weights, a learnt score. With the aligner's map ``y = x @ M + b`` the same
    numbers are given to differences of rows of the other space by ``pinv(M) @ form @
    pinv(M).T``.

    Parameters
    ----------
    aligner : estimator or array-like of shape (n_outputs, n_features)
        A fitted aligner with `coef_`, or such an array: the transpose of ``M``.

    form : array-like of shape (n_features, n_features)
        The form on the aligner's first view.

    Returns
    -------
    ndarray of shape (n_outputs, n_outputs)
        The form on the target's space. The numbers are the same wherever the map loses
        no dimension.

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
                "aligner has kernels, or no coef_: its map is not affine, so that "
                "nothing can be carried over; give an affine aligner or its matrix."
            )
    coef = check_array(aligner, dtype=np.float64, input_name="aligner")
    matrix = check_array(matrix, dtype=np.float64, input_name=name)
    n_features = coef.shape[1]
    if matrix.shape != (n_features, n_features):
        raise ValueError(
            f"{name} has shape {matrix.shape}, but the aligner's map, of shape "
            f"(n_outputs, n_features) = {coef.shape}, takes one of shape "
            f"{(n_features, n_features)}."
        )
    return torch.from_numpy(coef.copy()), torch.from_numpy(matrix.copy())
