# SPDX-License-Identifier: BSD-3-Clause
"""Rows of two views, with their weights and folds."""

from dataclasses import dataclass

import torch

from sktransform.alignment._fold_moments import FoldMoments, row_folds


@dataclass(frozen=True)
class PairRows:
    """Rows of both views, with weights and folds.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_inputs)
        First view, in float64.

    Y : Tensor of shape (n_rows, n_outputs)
        Second view, in float64.

    weights : Tensor of shape (n_rows,)
        Positive weights.

    folds : Tensor of int64, shape (n_rows,)
        Folds from 0 to ``n_folds - 1``.

    n_folds : int
        Number of folds; some may be of no rows.
    """

    X: torch.Tensor
    Y: torch.Tensor
    weights: torch.Tensor
    folds: torch.Tensor
    n_folds: int

    @classmethod
    def of(cls, X, Y, weights, n_folds, groups=None):
        """Return the rows of positive weight, with the folds of `row_folds`."""
        folds = row_folds(X, n_folds, groups)
        kept = weights > 0
        if kept.all():
            return cls(X, Y, weights, folds, n_folds)
        return cls(X[kept], Y[kept], weights[kept], folds[kept], n_folds)

    def take(self, places):
        """Return the rows in these places."""
        rows = (part[places] for part in (self.X, self.Y, self.weights, self.folds))
        return PairRows(*rows, self.n_folds)

    def moments(self):
        """Return the rows' moments, fold by fold."""
        return FoldMoments.of_folds(
            self.X, self.Y, self.weights, self.folds, self.n_folds
        )
