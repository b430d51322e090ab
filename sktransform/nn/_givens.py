# SPDX-License-Identifier: BSD-3-Clause
"""Rotations as products of plane rotations, in levels of disjoint planes."""

import torch
from torch import nn


def plane_levels(width):
    """Return the coordinate planes of one sweep, level by level.

    Level r pairs the coordinates ``2^r k`` and ``2^r k + 2^(r - 1)``; pairs beyond the
    last coordinate are left out. Each coordinate but the first is once the second of a
    pair, so that a sweep has ``width - 1`` planes.

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
    """Return rows rotated in the planes of one level.

    The rows times the matrix that has ``cos`` at (i, i) and (j, j), ``sin`` at (i, j)
    and ``-sin`` at (j, i), for each plane (i, j).

    `level`: first and second coordinates of the planes.

    Shapes: X (n_rows, width), angles (n_planes,) -> (n_rows, width).
    """
    cosines, sines = angles.cos(), angles.sin()
    first, second = X[:, level[0]], X[:, level[1]]
    rotated = X.clone()
    rotated[:, level[0]] = first * cosines - second * sines
    rotated[:, level[1]] = first * sines + second * cosines
    return rotated


class GivensRotation(nn.Module):
    """Rotate rows by sweeps of plane rotations.

    - `angles` (n_sweeps, width - 1): angles in radians, sweep by sweep, and level by
      level within.
    """

    def __init__(self, angles):
        super().__init__()
        width = angles.shape[1] + 1
        rotations = split_angles(angles)
        # For all coordinates at once, which is quicker than for the planes' own: a
        # coordinate without a partner is its own, and is turned by 0.
        partners = torch.arange(width).repeat(len(rotations), 1).to(angles.device)
        cosines = angles.new_ones((len(rotations), width))
        sines = angles.new_zeros((len(rotations), width))
        for index, ((first, second), turns) in enumerate(rotations):
            for own, other, sign in ((first, second, -1), (second, first, 1)):
                partners[index, own] = torch.arange(width, device=angles.device)[other]
                cosines[index, own] = turns.cos()
                sines[index, own] = sign * turns.sin()
        self.register_buffer("partners", partners)
        self.register_buffer("cosines", cosines)
        self.register_buffer("sines", sines)

    def forward(self, X):
        """Return the turned rows, shape (n_rows, width)."""
        for partners, cosines, sines in zip(*self.buffers(), strict=True):
            X = torch.addcmul(X * cosines, X.index_select(1, partners), sines)
        return X

    def inverse(self, X):
        """Return the rows turned back, shape (n_rows, width)."""
        levels = zip(*(buffer.flip(0) for buffer in self.buffers()), strict=True)
        for partners, cosines, sines in levels:
            X = torch.addcmul(X * cosines, X.index_select(1, partners), sines, value=-1)
        return X


def split_angles(angles):
    """Return (level, angles of its planes) of all sweeps in turn.

    There are as many as sweeps times levels; the angles are views.

    Shapes: angles (n_sweeps, width - 1).
    """
    levels = plane_levels(angles.shape[1] + 1)
    counts = [len(range(angles.shape[1] + 1)[second]) for _, second in levels]
    return [
        pair
        for sweep in angles
        for pair in zip(levels, sweep.split(counts), strict=True)
    ]
