# SPDX-License-Identifier: BSD-3-Clause
"""Angles of plane rotations whose product approximates a given rotation."""

from numbers import Integral, Real

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from sktransform.nn._givens import GivensRotation, rotated_columns, split_angles
from sktransform.utils._sklearn import Interval, validate_params


def _best_angles(cross, level):
    """Return the angles that turn rows best in the planes of one level.

    The angles of largest trace of the turned covariance.

    `cross`: covariance of the rows, rotated by all earlier levels, with the target,
      rotated back by all later ones.
    `level`: first and second coordinates of the planes.

    Shapes: cross (width, width) -> (n_planes,).
    """
    diagonal = cross.diagonal()
    above, below = cross[level[0], level[1]], cross[level[1], level[0]]
    sines = above.diagonal() - below.diagonal()
    return torch.atan2(sines, diagonal[level[0]] + diagonal[level[1]])


def angle_passes(cross, n_sweeps):
    """Yield angles whose rotation comes nearer with every pass.

    The best angles of one level, all others fixed, have a closed form. A pass goes
    through all levels of all sweeps; the first pass begins with angles of 0.

    `gain`: trace of the turned rows' covariance with the target. It never falls.

    Shapes: cross (width, width) -> angles (n_sweeps, width - 1), gain.
    """
    angles = cross.new_zeros((n_sweeps, len(cross) - 1))
    while True:
        angles = angles.clone()
        rotations = split_angles(angles)
        remaining = cross
        for level, turns in reversed(rotations):
            remaining = rotated_columns(remaining, level, -turns)
        for level, turns in rotations:
            # What comes after this level, without the level itself.
            remaining = rotated_columns(remaining, level, turns)
            turns.copy_(_best_angles(remaining, level))
            remaining = rotated_columns(remaining.T, level, turns).T
        yield angles, remaining.trace().item()


def has_settled(gains, tol):
    """Tell whether the last pass raised the gain by less than a fraction of it."""
    return len(gains) > 1 and gains[-1] - gains[-2] <= tol * abs(gains[-1])


@validate_params(
    {
        "rotation": ["array-like"],
        "n_sweeps": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def givens_angles(
    rotation: ArrayLike, n_sweeps: int = 1, *, max_iter: int = 100, tol: float = 1e-6
) -> np.ndarray:
    """Return the angles of plane rotations whose product approximates a rotation.

    Parameters
    ----------
    rotation : array-like of shape (width, width)
        A matrix that multiplies rows from the right, usually a rotation, such as
        ``aligner.coef_.T`` of an orthogonal aligner.

    n_sweeps : int, default=1
        Number of sweeps, of ``width - 1`` angles each.

    max_iter : int, default=100
        Largest number of passes over the angles.

    tol : float, default=1e-6
        The iteration stops when a pass raises the inner product with `rotation` by less
        than this fraction.

    Returns
    -------
    ndarray of shape (n_sweeps, width - 1)
        The angles in radians.

    Raises
    ------
    ValueError
        If the matrix is not square and finite.

    See Also
    --------
    givens_rotation : The inverse function.
    GivensAligner : Fits the angles to pairs.

    Notes
    -----
    A rotation has ``width * (width - 1) / 2`` degrees of freedom: fewer than ``width /
    2`` sweeps cannot represent every rotation, and no number of sweeps a reflection.
    Compare ``givens_rotation(angles)`` with `rotation` to see the error.

    References
    ----------
    .. [1] X. Ma et al., "Parameter efficient quasi-orthogonal fine-tuning via Givens
       rotation", arXiv:2404.04316, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import special_ortho_group
    >>> from sktransform.alignment import givens_angles, givens_rotation
    >>> rotation = special_ortho_group(4, seed=0).rvs()
    >>> angles = givens_angles(rotation, n_sweeps=3, max_iter=1000, tol=0)
    >>> angles.shape
    (3, 3)
    >>> bool(np.allclose(givens_rotation(angles), rotation))
    True
    """
    matrix = check_array(rotation, dtype=np.float64, input_name="rotation")
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"rotation must be a square matrix, got shape {matrix.shape}.")
    passes = angle_passes(torch.from_numpy(matrix.copy()), n_sweeps)
    angles, gain = next(passes)
    gains = [gain]
    while len(gains) < max_iter and not has_settled(gains, tol):
        angles, gain = next(passes)
        gains.append(gain)
    return angles.numpy()


def givens_rotation(angles: ArrayLike) -> np.ndarray:
    """Return the rotation matrix of the angles of plane rotations.

    Parameters
    ----------
    angles : array-like of shape (n_sweeps, width - 1)
        Angles in radians, as :func:`givens_angles` returns them.

    Returns
    -------
    ndarray of shape (width, width)
        The rotation, which multiplies rows from the right.

    See Also
    --------
    givens_angles : The inverse function.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import givens_rotation
    >>> givens_rotation([[np.pi / 2]]).round(3) + 0.0
    array([[ 0.,  1.],
           [-1.,  0.]])
    """
    turns = check_array(
        angles, dtype=np.float64, ensure_min_features=0, input_name="angles"
    )
    identity = torch.eye(turns.shape[1] + 1, dtype=torch.float64)
    return GivensRotation(torch.tensor(turns))(identity).numpy()
