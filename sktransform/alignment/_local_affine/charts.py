# SPDX-License-Identifier: BSD-3-Clause
"""Charts of a local map: their centres and widths, and the weights of rows."""

from dataclasses import dataclass

import numpy as np
import torch

from sktransform.runtime._linalg import symmetric_eigen
from sktransform.utils._charts import chart_widths, place_centers

# Rows for each chart, and most charts, where "auto" decides.
_CHART_ROWS = 10
_MOST_CHARTS = 32

# Local changes are learnt in so many principal directions at most.
_WIDEST = 128

# A standard deviation below this share of the mean is rounding.
_ROUNDING = 1e-14


@dataclass(frozen=True)
class ChartedRows:
    """Pairs, their weights in the charts, and the charts' centres.

    - `Z` (n_rows, n_inputs): centred, possibly projected rows.
    - `weights` (n_rows, n_charts): weights of the charts, which sum to the rows' own
      weights.
    - `centers` (n_charts, n_inputs): centres of the charts.
    - `unit` (): mean variance of the features, the unit of penalties.
    """

    Z: torch.Tensor
    weights: torch.Tensor
    centers: torch.Tensor
    unit: torch.Tensor

    def __getitem__(self, indices):
        return ChartedRows(
            self.Z[indices], self.weights[indices], self.centers, self.unit
        )

    def mass(self):
        """Return the sum of each chart's weights, above 0."""
        mass = self.weights.sum(0)
        return mass.clamp_min(torch.finfo(mass.dtype).tiny)


def chart_inputs(rows, moments):
    """Return rows as the charts see them, and what leads there.

    `Z`: centred rows, in the leading principal directions if there are many features.
    `unit`: mean variance of the features; 1 if they have none.

    Shapes: rows (n_rows, n_features) -> Z (n_rows, n_inputs), unit (), projection
    (n_features, n_inputs).
    """
    covariance, mean = moments.covariance_x, moments.mean_x
    variance = covariance.trace()
    if variance <= (_ROUNDING * mean).square().sum():
        return torch.zeros_like(rows), torch.ones_like(variance), None
    projection = None
    if len(mean) > _WIDEST:
        projection = symmetric_eigen(covariance)[1][:, :_WIDEST]
    Z = rows - mean if projection is None else (rows - mean) @ projection
    return Z, variance / len(mean), projection


def chart_centers(Z, row_weights, n_gaussians, width, random_state):
    """Return the centres and widths of charts among rows.

    `row_weights`: positive weights; those of equal rows are added.
    `width`: factor on the mean squared distance to the nearest other centres.

    Shapes: Z (n_rows, n_inputs), row_weights (n_rows,) -> centers (n_charts, n_inputs),
    widths (n_charts,).
    """
    distinct, indices = np.unique(Z, axis=0, return_inverse=True)
    weights = np.bincount(indices.ravel(), row_weights)
    if n_gaussians == "auto":
        n_gaussians = min(max(1, len(distinct) // _CHART_ROWS), _MOST_CHARTS)
    found = place_centers(distinct, n_gaussians, weights, random_state)
    return found, chart_widths(found, width)
