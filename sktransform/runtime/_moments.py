# SPDX-License-Identifier: BSD-3-Clause
"""First and second moments that blocks of rows add to, and that merge."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Moments:
    """Weighted mean and scatter of rows, in float64.

    Blocks are added around their own mean, so that a large offset of the data costs no
    digits. The answer is the same, to rounding, for any split and order of the rows.
    For two views of the same rows, give their columns side by side: the scatter then
    holds the cross-moments.

    Parameters
    ----------
    weight : Tensor of shape ()
        Sum of the rows' weights.

    mean : Tensor of shape (n_columns,)
        Weighted mean.

    scatter : Tensor of shape (n_columns, n_columns)
        Weighted sum of outer products of the centred rows.
    """

    weight: torch.Tensor
    mean: torch.Tensor
    scatter: torch.Tensor

    @classmethod
    def empty(cls, n_columns, device="cpu"):
        """Return the moments of no rows."""
        kind = {"dtype": torch.float64, "device": device}
        return cls(
            torch.zeros((), **kind),
            torch.zeros(n_columns, **kind),
            torch.zeros((n_columns, n_columns), **kind),
        )

    @classmethod
    def of(cls, rows, row_weights=None):
        """Return the moments of rows.

        Parameters
        ----------
        rows : Tensor of shape (n_rows, n_columns)
            Rows in any precision.

        row_weights : Tensor of shape (n_rows,), default=None
            Weights, not negative. None weighs every row 1.

        Returns
        -------
        Moments
            Their moments.
        """
        rows = rows.to(torch.float64)
        if row_weights is None:
            row_weights = rows.new_ones(len(rows))
        row_weights = row_weights.to(torch.float64)
        weight = row_weights.sum()
        if weight == 0:
            return cls.empty(rows.shape[1], rows.device)
        mean = row_weights @ rows / weight
        centred = rows - mean
        return cls(weight, mean, (centred * row_weights[:, None]).T @ centred)

    def merge(self, other):
        """Return the moments of both sets of rows together.

        Parameters
        ----------
        other : Moments
            Moments of other rows with the same columns.

        Returns
        -------
        Moments
            Neither input is changed.
        """
        weight = self.weight + other.weight
        if weight == 0:
            return self
        share = other.weight / weight
        shift = other.mean - self.mean
        between = torch.outer(shift, shift) * (self.weight * share)
        return Moments(
            weight, self.mean + share * shift, self.scatter + other.scatter + between
        )

    def update(self, rows, row_weights=None):
        """Return the moments with more rows added, see :meth:`of` and :meth:`merge`."""
        return self.merge(Moments.of(rows, row_weights))

    @property
    def covariance(self):
        """The population covariance, shape (n_columns, n_columns)."""
        return self.scatter / self.weight
