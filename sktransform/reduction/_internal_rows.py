# SPDX-License-Identifier: BSD-3-Clause
"""The rows that the solver sees, in units that make its constants unit free."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch

from sktransform.exceptions import DegenerateDataWarning
from sktransform.runtime._linalg import principal_axes

# The solver is quadratic in its rows: above so many it takes landmarks.
_MOST_ROWS = 3000
AUTO_LANDMARKS = 2000

# Wider data are projected onto so many principal directions first.
_WIDEST = 100
_PROJECTED = 50


def select_rows(row_weights, n_landmarks, random_state):
    """Return the places of the rows that the solver sees.

    Parameters
    ----------
    row_weights : ndarray of shape (n_rows,)
        Weights of all rows, not negative and not all 0.

    n_landmarks : int or "auto"
        Most rows to keep, drawn at random.

    random_state : RandomState
        Source of the draw.

    Returns
    -------
    ndarray of int
        Places of rows of positive weight, in order.
    """
    indices = np.flatnonzero(row_weights)
    if n_landmarks == "auto":
        n_landmarks = AUTO_LANDMARKS if len(indices) > _MOST_ROWS else _MOST_ROWS
    if len(indices) > n_landmarks:
        indices = np.sort(random_state.choice(indices, n_landmarks, replace=False))
    return indices


@dataclass(frozen=True)
class InternalRows:
    """Centred rows whose features have mean variance 1, and the way back.

    Parameters
    ----------
    scaled : Tensor of shape (n_rows, n_features)
        Rows less the mean, over the unit.

    Z : Tensor of shape (n_rows, n_inputs)
        What the map sees: the scaled rows, or their projection if there is one.

    row_weights : Tensor of shape (n_rows,)
        Positive weights.

    mean : Tensor of shape (n_features,)
        Weighted mean of the rows.

    unit : Tensor of shape ()
        Root of the mean variance of the features.

    projection : Tensor of shape (n_features, n_inputs) or None
        Principal directions, for rows with many features.
    """

    scaled: torch.Tensor
    Z: torch.Tensor
    row_weights: torch.Tensor
    mean: torch.Tensor
    unit: torch.Tensor
    projection: torch.Tensor | None

    @classmethod
    def of(cls, rows, row_weights, n_components, widest=_WIDEST):
        """Return rows in internal units; equal rows get unit 1 and a warning.

        Rows of more than `widest` features are projected.
        """
        shares = row_weights / row_weights.sum()
        mean = shares @ rows
        scaled = rows - mean
        unit = (shares @ scaled.square()).mean().sqrt()
        if unit == 0:
            warnings.warn(
                "All rows are equal: every row is mapped to 0.",
                DegenerateDataWarning,
                stacklevel=4,
            )
            unit = torch.ones_like(unit)
        scaled /= unit
        projection = None
        if rows.shape[1] > widest:
            n_inputs = max(n_components, min(_PROJECTED, len(rows)))
            projection = principal_axes(scaled, n_inputs, row_weights)
        Z = scaled if projection is None else scaled @ projection
        return cls(scaled, Z, row_weights, mean, unit, projection)

    def to(self, dtype):
        """Return the same rows and units in another precision."""
        return InternalRows(
            *(
                None if value is None else value.to(dtype)
                for value in vars(self).values()
            )
        )

    def inputs(self, points):
        """Return points, given like the original rows, as the map sees them."""
        scaled = (points - self.mean) / self.unit
        return scaled if self.projection is None else scaled @ self.projection

    def deviations(self):
        """Return the features' standard deviations in the rows' own units."""
        shares = self.row_weights / self.row_weights.sum()
        return (shares @ self.scaled.square()).sqrt() * self.unit

    def distances(self):
        """Return Euclidean distances between the scaled rows, with zero diagonal."""
        return torch.cdist(self.scaled, self.scaled).fill_diagonal_(0)

    def in_original_units(self, state):
        """Return the state of a map between internal units, in the rows' own units."""
        return {
            **state,
            "centers": state["centers"] * self.unit,
            "widths": state["widths"] * self.unit**2,
            "offsets": state["offsets"] * self.unit,
        }
