# SPDX-License-Identifier: BSD-3-Clause
"""Few rows of wide views along their own principal axes, where all is smaller."""

from dataclasses import dataclass, replace

import torch

from sktransform.alignment._ridge_path import varies
from sktransform.runtime._linalg import symmetric_eigen


@dataclass(frozen=True)
class RowSpan:
    """Orthonormal axes of the space that the rows of each view span.

    No product of rows changes, nor does a ridge regression, which takes no direction in
    which its rows do not vary; but the target's covariance becomes diagonal.

    Parameters
    ----------
    axes_x : Tensor of shape (n_inputs, n_axes_x)
        Axes of the first view in columns.

    axes_y : Tensor of shape (n_outputs, n_axes_y)
        Axes of the second view: the principal ones, and what is left of the mean.
    """

    axes_x: torch.Tensor
    axes_y: torch.Tensor

    @classmethod
    def of(cls, total):
        """Return the span of rows with these moments, None where one does not vary."""
        views = (total.covariance_x, total.mean_x), (total.covariance_y, total.mean_y)
        if not all(varies(*view) for view in views):
            return None
        return cls(*(_spanning_axes(*view) for view in views))

    def rows(self, rows):
        """Return pairs of rows along the axes, as `PairRows`."""
        return replace(rows, X=rows.X @ self.axes_x, Y=rows.Y @ self.axes_y)

    def unfolded(self, matrix, intercept):
        """Return an affine map along the axes as one of the views themselves."""
        matrix = self.axes_x @ matrix @ self.axes_y.T
        return matrix, self.axes_y @ intercept


def _spanning_axes(covariance, mean):
    """Return the axes of a view, (n_columns, n_axes)."""
    values, axes = symmetric_eigen(covariance)
    rounding = len(values) * torch.finfo(values.dtype).eps
    axes = axes[:, values > rounding * values[0]]
    left_over = mean
    for _ in range(2):  # once more, as what is left may be little
        left_over = left_over - axes @ (axes.T @ left_over)
    length = left_over.norm()
    if axes.shape[1] == len(mean) or length <= rounding * mean.norm():
        return axes
    return torch.cat([axes, left_over[:, None] / length], dim=1)
