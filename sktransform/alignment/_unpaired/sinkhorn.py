# SPDX-License-Identifier: BSD-3-Clause
"""Soft pairs of rows by Sinkhorn scaling, and the map that fits them best."""

from dataclasses import dataclass

import torch

from sktransform.alignment._moments.covariance_matching import symmetric_power
from sktransform.runtime._linalg import polar_factor

_SCALINGS = 5


def soft_cross(keys_x, keys_y, X, Y, temperature):
    """Return the second moment of rows that are paired by their cosines.

    All rows of a side take the same share in the pairs, as in entropic optimal
    transport: without that, rows that are near to everything would take all. A few
    scalings reach that for X, and nearly so for Y.

    ``X' P Y`` with P the plan, whose entries sum to 1.

    `keys_x`: rows of the first space, mapped into the second, of length 1.
    `keys_y`: rows of the second space, of length 1.

    Shapes: keys_x (n_rows_X, n_keys), keys_y (n_rows_Y, n_keys), X (n_rows_X,
    n_inputs), Y (n_rows_Y, n_outputs) -> (n_inputs, n_outputs).
    """
    # Cosines are at most 1, which keeps the exponentials in single precision.
    plan = (keys_x @ keys_y.T).sub_(1).div_(temperature).exp_()
    n_rows_x, n_rows_y = plan.shape
    scale_x = plan.new_full((n_rows_x,), 1 / n_rows_x)
    for _ in range(_SCALINGS):
        scale_y = 1 / (n_rows_y * (scale_x @ plan).clamp_min(_tiny(plan)))
        scale_x = 1 / (n_rows_x * (plan @ scale_y).clamp_min(_tiny(plan)))
    targets = plan @ (Y * scale_y[:, None])
    return ((X * scale_x[:, None]).T @ targets).to(torch.float64)


def _tiny(values):
    """Return the smallest number whose inverse is finite, with room to spare."""
    return torch.finfo(values.dtype).tiny * 1e6


@dataclass(frozen=True)
class CovarianceConstraint:
    """Maps that give rows the covariance of the other space.

    Both covariances are drawn to a multiple of the identity. Drawn wholly, only
    rotations are left.

    - `inverse_root_x` (n_inputs, n_inputs): inverse square root of the first
      covariance.
    - `root_y` (n_outputs, n_outputs): square root of the second covariance.
    """

    inverse_root_x: torch.Tensor
    root_y: torch.Tensor

    @classmethod
    def from_rows(cls, X, Y, shrinkage):
        """Return the constraint of two sets of rows.

        `shrinkage`: from 0, the covariances as they are, to 1, rotations.

        Shapes: X (n_rows_X, n_inputs), Y (n_rows_Y, n_outputs).
        """
        return cls(
            symmetric_power(_shrunk(X, shrinkage), -0.5, floor=1e-6),
            symmetric_power(_shrunk(Y, shrinkage), 0.5),
        )

    def best(self, cross):
        """Return the map of least squared error among those allowed.

        The map, multiplied from the right.

        `cross`: second moment between the rows and their targets.

        Shapes: cross (n_inputs, n_outputs) -> (n_inputs, n_outputs).
        """
        middle = polar_factor(self.inverse_root_x @ cross @ self.root_y)
        return self.inverse_root_x @ middle @ self.root_y


def _shrunk(X, shrinkage):
    """Return the second moment of rows, drawn to a multiple of the identity."""
    X = X.to(torch.float64)
    moment = X.T @ X / len(X)
    mean = moment.diagonal().mean()
    if mean <= torch.finfo(torch.float64).tiny:  # rows that are all 0
        return torch.eye(len(moment)).to(moment)
    moment = (1 - shrinkage) * moment
    moment.diagonal().add_(shrinkage * mean)
    return moment
