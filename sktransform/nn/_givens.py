# SPDX-License-Identifier: BSD-3-Clause
"""Rotations as products of plane rotations, in levels of disjoint planes."""

from torch import nn


def plane_levels(width):
    """Return the coordinate planes of one sweep, level by level.

    Level r pairs the coordinates ``2^r k`` and ``2^r k + 2^(r - 1)``; pairs beyond the
    last coordinate are left out. Each coordinate but the first is once the second of a
    pair, so that a sweep has ``width - 1`` planes.

    Parameters
    ----------
    width : int
        Number of coordinates.

    Returns
    -------
    list of tuple of slice
        First and second coordinates of each level's pairs.
    """
    levels, half = [], 1
    while half < width:
        second = slice(half, width, 2 * half)
        count = len(range(width)[second])
        levels.append((slice(0, 2 * half * count, 2 * half), second))
        half *= 2
    return levels


def rotated_columns(X, level, angles):
    """Return rows turned in the planes of one level.

    Parameters
    ----------
    X : Tensor of shape (n_rows, width)
        Rows.

    level : tuple of slice
        First and second coordinates of the planes.

    angles : Tensor of shape (n_planes,)
        An angle for each plane, in radians.

    Returns
    -------
    Tensor of shape (n_rows, width)
        The rows times the matrix that has ``cos`` at (i, i) and (j, j), ``sin`` at
        (i, j) and ``-sin`` at (j, i), for each plane (i, j).
    """
    cosines, sines = angles.cos(), angles.sin()
    first, second = X[:, level[0]], X[:, level[1]]
    rotated = X.clone()
    rotated[:, level[0]] = first * cosines - second * sines
    rotated[:, level[1]] = first * sines + second * cosines
    return rotated


class GivensRotation(nn.Module):
    """Turn rows by sweeps of plane rotations.

    Parameters
    ----------
    angles : Tensor of shape (n_sweeps, width - 1)
        Angles in radians, sweep by sweep, and level by level within.
    """

    def __init__(self, angles):
        super().__init__()
        self.register_buffer("angles", angles)

    def forward(self, X):
        """Return the turned rows, shape (n_rows, width)."""
        for level, angles in self._rotations():
            X = rotated_columns(X, level, angles)
        return X

    def inverse(self, X):
        """Return the rows turned back, shape (n_rows, width)."""
        for level, angles in reversed(self._rotations()):
            X = rotated_columns(X, level, -angles)
        return X

    def _rotations(self):
        """Return (level, angles) in the order of their application."""
        return split_angles(self.angles)


def split_angles(angles):
    """Return (level, angles of its planes) of all sweeps in turn.

    Parameters
    ----------
    angles : Tensor of shape (n_sweeps, width - 1)
        The angles.

    Returns
    -------
    list of tuple
        As many as there are sweeps times levels; the angles are views.
    """
    levels = plane_levels(angles.shape[1] + 1)
    counts = [len(range(angles.shape[1] + 1)[second]) for _, second in levels]
    return [
        pair
        for sweep in angles
        for pair in zip(levels, sweep.split(counts), strict=True)
    ]
