# SPDX-License-Identifier: BSD-3-Clause
"""Coordinates of few rows of wide views along axes of their span."""

from dataclasses import dataclass, replace

import torch

from sktransform.runtime._linalg import symmetric_eigen
from sktransform.runtime._moments import PairMoments

# A view is turned into the span of its rows if they are fewer than this share of its
# columns: otherwise the turn costs more than it saves.
_LARGEST_SHARE = 0.75


@dataclass(frozen=True)
class RowSpan:
    """Orthonormal axes of the space that the rows of each view span.

    No product of rows changes, nor does a ridge regression, which takes no direction in
    which its rows do not vary; but the target's covariance becomes diagonal.

    - `axes_x` (n_inputs, n_axes_x): axes of the first view in columns. None: the view
      is left as it is.
    - `axes_y` (n_outputs, n_axes_y): axes of the second view, along which its rows are
      not correlated.
    """

    axes_x: torch.Tensor | None
    axes_y: torch.Tensor

    @classmethod
    def from_rows(cls, rows):
        """Return the span of `PairRows`."""
        axes_x, axes_y = _spanning_axes(rows.X), _spanning_axes(rows.Y)
        Y = rows.Y if axes_y is None else rows.Y @ axes_y
        total = PairMoments.of(Y[:, :0], Y, rows.weights)
        principal = symmetric_eigen(total.covariance_y)[1]
        return cls(axes_x, principal if axes_y is None else axes_y @ principal)

    def rows(self, rows):
        """Return pairs of rows along the axes, as `PairRows`."""
        X = rows.X if self.axes_x is None else rows.X @ self.axes_x
        return replace(rows, X=X, Y=rows.Y @ self.axes_y)

    def unfolded(self, matrix):
        """Return a matrix between axes as one between the views themselves."""
        matrix = matrix @ self.axes_y.T
        return matrix if self.axes_x is None else self.axes_x @ matrix

    def swapped(self, matrix):
        """Return a matrix from axes of the second view to the first, unfolded."""
        matrix = self.axes_y @ matrix
        return matrix if self.axes_x is None else matrix @ self.axes_x.T


def _spanning_axes(X):
    """Return orthonormal axes of the rows' span, (n_columns, n_rows), None if many."""
    n_rows, n_columns = X.shape
    if n_rows >= _LARGEST_SHARE * n_columns:
        return None
    return torch.linalg.qr(X.T).Q
