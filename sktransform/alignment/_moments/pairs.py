# SPDX-License-Identifier: BSD-3-Clause
"""Rows of two views, with their weights and folds."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from sktransform.alignment._moments.folds import FoldMoments, row_folds
from sktransform.runtime._moments import PairMoments

# Sizes of rows whose products of four entries are far from the limits of float64: they
# are taken as they are. Powers of two.
_SAFE_EXPONENT = 100
_LARGEST_EXPONENT = 1000


class Units(NamedTuple):
    """Units of both views, powers of two, in which no product over- or underflows."""

    x: float
    y: float

    @classmethod
    def from_sizes(cls, size_x, size_y):
        """Return the units of views with such largest entries, 1 in all usual cases."""
        return cls(_unit(size_x), _unit(size_y))


def _unit(size):
    """Return the power of two above a size, 1 if the size is a usual one."""
    exponent = math.frexp(size)[1]
    if abs(exponent) <= _SAFE_EXPONENT or not math.isfinite(size):
        return 1.0
    return math.ldexp(1.0, max(-_LARGEST_EXPONENT, min(exponent, _LARGEST_EXPONENT)))


@dataclass(frozen=True)
class PairRows:
    """Rows of both views, with weights and folds.

    - `X` (n_rows, n_inputs): first view, in float64.
    - `Y` (n_rows, n_outputs): second view, in float64.
    - `weights` (n_rows,): positive weights.
    - `folds` (n_rows,): folds from 0 to ``n_folds - 1``.
    - `n_folds`: number of folds; some may be of no rows.
    """

    X: torch.Tensor
    Y: torch.Tensor
    weights: torch.Tensor
    folds: torch.Tensor
    n_folds: int

    @classmethod
    def from_rows(cls, X, Y, weights, n_folds, groups=None):
        """Return the rows of positive weight, with the folds of `row_folds`."""
        folds = row_folds(X, n_folds, groups)
        kept = weights > 0
        if kept.all():
            return cls(X, Y, weights, folds, n_folds)
        return cls(X[kept], Y[kept], weights[kept], folds[kept], n_folds)

    def units(self):
        """Return the units of both views."""
        return Units.from_sizes(*(part.abs().max().item() for part in (self.X, self.Y)))

    def in_units(self, units):
        """Return the rows in units; the same rows where these are 1."""
        if units == (1, 1):
            return self
        return replace(self, X=self.X / units.x, Y=self.Y / units.y)

    def mean_x(self):
        """Return the weighted mean of the first view."""
        return self.weights @ self.X / self.weights.sum()

    def take(self, indices):
        """Return the rows of these indices."""
        rows = (part[indices] for part in (self.X, self.Y, self.weights, self.folds))
        return PairRows(*rows, self.n_folds)

    def moments(self):
        """Return the rows' moments, fold by fold."""
        return FoldMoments.from_folds(
            self.X, self.Y, self.weights, self.folds, self.n_folds
        )


def _size(mean, scatter):
    """Return the size of a view's entries, by its moments."""
    return (mean.square().sum() + scatter.trace()).sqrt().item()


def moments_in_units(moments):
    """Return moments in units in which products of them are numbers, and the units."""
    total = moments.total()
    units = Units.from_sizes(
        _size(total.mean_x, total.covariance_x), _size(total.mean_y, total.covariance_y)
    )
    if units == (1, 1):
        return moments, units
    folds = (
        PairMoments(
            fold.weight,
            fold.mean_x / units.x,
            fold.mean_y / units.y,
            fold.xx / units.x / units.x,
            fold.xy / units.x / units.y,
            fold.yy / units.y / units.y,
        )
        for fold in moments.folds
    )
    return FoldMoments(tuple(folds)), units
