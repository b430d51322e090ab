# SPDX-License-Identifier: BSD-3-Clause
"""The map of Bergh (2025) as its author's code evaluates it."""

from torch import nn

from sktransform.nn._gaussian_weighted import gaussian_log_weights
from sktransform.nn._products import row_stable_product

# What the published code adds to the sum of the Gaussians before it divides.
EPSILON = 1e-7


def published_weights(gaussians):
    """Return the published weights, which sum to a little less than 1.

    Parameters
    ----------
    gaussians : Tensor of shape (n_rows, n_charts)
        Gaussians of each row, not normalised.

    Returns
    -------
    Tensor of shape (n_rows, n_charts)
        The weights; they sum to nothing far from every centre.
    """
    return gaussians / (gaussians.sum(1, keepdim=True) + EPSILON)


class PublishedMap(nn.Module):
    """Map rows by a Gaussian-weighted mixture of linear maps without offsets.

    The map is ``f(x) = sum_i w_i(x) components_i x`` with ``w_i = g_i / (sum_j g_j +
    1e-7)`` and ``g_i = exp(-||x - centers_i||^2 / widths_i)``. Far from every centre
    it is 0, and it is not equivariant to translations.

    Parameters
    ----------
    centers : Tensor of shape (n_charts, n_features)
        Centres of the charts.

    widths : Tensor of shape (n_charts,)
        Positive widths of the charts, in squared units of the rows.

    components : Tensor of shape (n_charts, n_outputs, n_features)
        Linear map of each chart.
    """

    def __init__(self, centers, widths, components):
        super().__init__()
        self.centers = nn.Parameter(centers)
        self.widths = nn.Parameter(widths)
        self.components = nn.Parameter(components)

    def gaussians(self, X):
        """Return the Gaussians of the charts, shape (n_rows, n_charts)."""
        # Distances come from products, which are exact near the origin alone.
        origin = self.centers.mean(0)
        centers = self.centers - origin
        return gaussian_log_weights(X - origin, centers, self.widths).exp()

    def weights(self, X):
        """Return the weights of the charts, shape (n_rows, n_charts)."""
        return published_weights(self.gaussians(X))

    def blended(self, X):
        """Return the weighted mean of the linear maps at each row.

        Its shape is (n_rows, n_outputs, n_features). This is the matrix that the
        published influences read; it is not the derivative.
        """
        blended = row_stable_product(self.weights(X), self.components.flatten(1))
        return blended.view(len(X), *self.components.shape[1:])

    def _local_values(self, X):
        """Return what each chart alone says, shape (n_rows, n_outputs, n_charts)."""
        n_outputs, n_features = self.components.shape[1:]
        # Charts last: they are what is summed over.
        slopes = self.components.transpose(0, 1).reshape(-1, n_features)
        return row_stable_product(X, slopes.T).reshape(len(X), n_outputs, -1)

    def forward(self, X):
        """Return the mapped rows, shape (n_rows, n_outputs)."""
        return (self._local_values(X) * self.weights(X).unsqueeze(1)).sum(2)

    def jacobian(self, X):
        """Return the exact Jacobian, shape (n_rows, n_outputs, n_features).

        To the blended linear maps it adds what the weights' own change does between
        charts that disagree.
        """
        weights = self.weights(X).unsqueeze(1)
        local = self._local_values(X)
        disagreement = local - (local * weights).sum(2, keepdim=True)
        # Shape (n_rows, n_outputs, n_charts).
        pull = disagreement * (-2 * weights / self.widths)
        origin = self.centers.mean(0)
        pulled = row_stable_product(pull.flatten(0, 1), self.centers - origin)
        return (
            self.blended(X)
            + pull.sum(2, keepdim=True) * (X - origin).unsqueeze(1)
            - pulled.view(len(X), pull.shape[1], -1)
        )
