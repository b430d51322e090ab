# SPDX-License-Identifier: BSD-3-Clause
"""The way back from an embedding: a mixture of affine maps in closed form."""

import torch

from sktransform.nn._gaussian_weighted import gaussian_weights
from sktransform.runtime._linalg import ridge_solve

# In units where the rows have unit variance, per row of unit weight and chart.
_RIDGE = 1e-6

# Charts with less than this share of the rows' weight have no say in the way back.
_SMALLEST_MASS = 1e-9


def fit_decoder(weights, embedding, Z, row_weights):
    """Fit charts in the embedding that give the rows back.

    Each chart of the map gets a counterpart in the embedding: its centre and width are
    the mean and twice the variance of the embedded rows under the chart's weights. The
    affine maps are then one ridge regression of the rows.

    Parameters
    ----------
    weights : Tensor of shape (n_rows, n_charts)
        Weights of the map's charts at the rows.

    embedding : Tensor of shape (n_rows, n_outputs)
        The embedded rows.

    Z : Tensor of shape (n_rows, n_inputs)
        The rows, in internal units and of weighted mean 0.

    row_weights : Tensor of shape (n_rows,)
        Positive weights of the rows.

    Returns
    -------
    dict of str to Tensor
        State of a GaussianWeightedMap from the embedding to the rows.
    """
    masses = row_weights @ weights
    kept = masses > _SMALLEST_MASS * masses.sum()
    shares = (weights[:, kept] * row_weights[:, None]) / masses[kept]
    centers = shares.T @ embedding
    offsets = embedding.unsqueeze(1) - centers
    widths = 2 * (shares * offsets.square().sum(2)).sum(0)
    # A chart that holds a single row has no extent of its own.
    floor = 1e-6 * widths.median() + torch.finfo(widths.dtype).tiny
    widths = widths.clamp_min(floor)

    decoder_weights = gaussian_weights(embedding, centers, widths).unsqueeze(2)
    design = torch.cat([decoder_weights, decoder_weights * offsets], dim=2)
    n_charts, n_columns = design.shape[1:]
    design = design.flatten(1)
    weighted = design * row_weights[:, None]
    penalty = _RIDGE * row_weights.sum() / n_charts
    solution = ridge_solve(weighted.T @ design, weighted.T @ Z, penalty)
    by_chart = solution.view(n_charts, n_columns, -1)
    return {
        "mean": torch.zeros_like(centers[0]),
        "centers": centers,
        "widths": widths,
        "components": by_chart[:, 1:].transpose(1, 2),
        "offsets": by_chart[:, 0],
    }
