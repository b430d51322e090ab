# SPDX-License-Identifier: BSD-3-Clause
"""Gaussian-weighted mixture of local affine maps: the definition, and as a module."""

import torch
from torch import nn

from sktransform.nn._affine import AffineMap
from sktransform.nn._products import row_stable_product


def gaussian_log_weights(Z, centers, widths, log_masses=None):
    """Return the unnormalised log weights (n_rows, n_charts) of the charts.

    They are the log mass, 0 by default, less the squared distance to the centre over
    the chart's width. Shapes: `Z` (n_rows, n_inputs) centred rows, `centers` (n_charts,
    n_inputs), `widths` (n_charts,) in squared units of the rows, `log_masses`
    (n_charts,).
    """
    products = row_stable_product(Z, centers.T)
    squared_norms = Z.square().sum(1, keepdim=True)
    squared_distances = squared_norms - 2 * products + centers.square().sum(1)
    log_weights = -squared_distances.clamp_min(0) / widths
    return log_weights if log_masses is None else log_weights + log_masses


def gaussian_weights(Z, centers, widths, log_masses=None):
    """Return the weights of the charts, which sum to 1 in each row.

    The softmax is computed stably, so the weights of a row far from every centre are
    those of its nearest charts and not 0 / 0.
    """
    return torch.softmax(gaussian_log_weights(Z, centers, widths, log_masses), dim=1)


def mixture_values(weights, Z, centers, offsets, components):
    """Return the values (n_rows, n_outputs) of a mixture at rows of known weights.

    Shapes: `weights` (n_rows, n_charts), `Z` (n_rows, n_inputs), `centers` (n_charts,
    n_inputs), `offsets` (n_charts, n_outputs), the charts' values at their centres, and
    `components` (n_charts, n_outputs, n_inputs), their linear parts.
    """
    constants = offsets - torch.einsum("mqr,mr->mq", components, centers)
    slopes = torch.einsum("mqr,nr->nmq", components, Z)
    return torch.einsum("nm,nmq->nq", weights, slopes + constants)


class GaussianWeightedMap(nn.Module):
    """Map rows by a Gaussian-weighted mixture of local affine maps.

    With ``z = (x - mean) @ projection`` the map is ``f(x) = sum_i w_i(z) (offsets_i +
    components_i (z - centers_i))`` and the weights ``w_i`` are the softmax of ``-||z -
    centers_i||^2 / widths_i``. An affine map ``coef x + intercept`` may be added to it.

    - `mean` (n_features,): subtracted from each row.
    - `centers` (n_charts, n_inputs): centres of the charts.
    - `widths` (n_charts,): widths of the charts, in squared units of the rows.
    - `components` (n_charts, n_outputs, n_inputs): linear part of each chart.
    - `offsets` (n_charts, n_outputs): value of each chart at its own centre.
    - `projection` (n_features, n_inputs): orthonormal columns. None takes the centred
      rows as they are.
    - `log_masses` (n_charts,): added to the charts' log weights. Charts that were split
      from one chart have the logarithms of their shares. None adds nothing.
    - `coef` (n_outputs, n_features): linear part of the affine map that is added. None
      adds no map.
    - `intercept` (n_outputs,): constant part of that map, given together with `coef`.
    """

    def __init__(
        self,
        mean,
        centers,
        widths,
        components,
        offsets,
        projection=None,
        log_masses=None,
        coef=None,
        intercept=None,
    ):
        super().__init__()
        self.register_buffer("log_masses", log_masses)
        self.register_buffer("mean", mean)
        self.register_buffer("projection", projection)
        self.centers = nn.Parameter(centers)
        self.widths = nn.Parameter(widths)
        self.components = nn.Parameter(components)
        self.offsets = nn.Parameter(offsets)
        self.affine = None if coef is None else AffineMap(coef, intercept)

    def inputs(self, X):
        """Return centred and projected rows, shape (n_rows, n_inputs)."""
        Z = X - self.mean
        return Z if self.projection is None else row_stable_product(Z, self.projection)

    def weights(self, X):
        """Return the weights of the charts, shape (n_rows, n_charts)."""
        return self._weights_of_inputs(self.inputs(X))

    def _weights_of_inputs(self, Z):
        """Return the weights of the charts at centred and projected rows."""
        return gaussian_weights(Z, self.centers, self.widths, self.log_masses)

    def _local_values(self, Z):
        """Return the values of the charts, shape (n_rows, n_outputs, n_charts)."""
        n_charts, n_outputs, n_inputs = self.components.shape
        constants = self.offsets - torch.einsum(
            "mqr,mr->mq", self.components, self.centers
        )
        # Charts last: the sum is over them.
        slopes = self.components.transpose(0, 1).reshape(-1, n_inputs)
        values = row_stable_product(Z, slopes.T) + constants.T.reshape(-1)
        return values.view(len(Z), n_outputs, n_charts)

    def forward(self, X):
        """Return the mapped rows, shape (n_rows, n_outputs)."""
        Z = self.inputs(X)
        weights = self._weights_of_inputs(Z)
        values = (self._local_values(Z) * weights.unsqueeze(1)).sum(2)
        return values if self.affine is None else self.affine(X) + values

    def jacobian(self, X):
        """Return the exact Jacobian, shape (n_rows, n_outputs, n_features).

        The first term is the weighted mean of the charts' linear maps; the second is
        the derivative of the weights.
        """
        Z = self.inputs(X)
        weights = self._weights_of_inputs(Z)
        local = self._local_values(Z)
        disagreement = local - (local * weights.unsqueeze(1)).sum(2, keepdim=True)
        pull = disagreement * (-2 * weights / self.widths).unsqueeze(1)
        n_outputs = pull.shape[1]
        blended = row_stable_product(weights, self.components.flatten(1))
        pulled = row_stable_product(pull.flatten(0, 1), self.centers)
        jacobian = (
            blended.view(len(Z), n_outputs, -1)
            + pull.sum(2, keepdim=True) * Z.unsqueeze(1)
            - pulled.view(len(Z), n_outputs, -1)
        )
        if self.projection is not None:
            jacobian = row_stable_product(jacobian.flatten(0, 1), self.projection.T)
            jacobian = jacobian.view(len(Z), n_outputs, -1)
        return jacobian if self.affine is None else self.affine.coef + jacobian
