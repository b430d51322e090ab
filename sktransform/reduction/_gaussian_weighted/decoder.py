# SPDX-License-Identifier: BSD-3-Clause
"""Decoder: a mixture of affine maps from the embedding to the rows, in closed form."""

import torch

from sktransform.nn._gaussian_weighted import gaussian_weights
from sktransform.runtime._linalg import ridge_solve

# Ridges of which held-out rows choose one. A chart of few rows with a small ridge
# explodes where new points fall beside it; a smooth sheet wants nearly none.
_RIDGES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
_HELD_OUT = 5  # every fifth row
_FEWEST_ROWS = 20

# The largest ridge within this factor of the least error is taken: training rows tell
# little about new rows that fall far beside them.
_GOOD_ENOUGH = 1.01

# Ridge of a chart's constant towards the mean of its rows, as a share of that of its
# slopes, which is for a step of the chart's own width.
_CONSTANT_SHARE = 0.1

# Share of the squared Jacobian that keeps a Gauss-Newton step finite.
_DAMPING = 1e-6

# Charts with less than this share of the rows' weight are left out of the decoder.
_SMALLEST_MASS = 1e-9


def fit_decoder(weights, embedding, Z, row_weights):
    """Return the state of the decoder, a mixture from the embedding to the rows.

    Each chart of the map gets a counterpart in the embedding: its centre and width are
    the mean and twice the variance of the embedded rows under the chart's weights. The
    affine maps are then one ridge regression of the rows, its ridge chosen by held-out
    rows.

    Shapes: `weights` (n_rows, n_charts), `embedding` (n_rows, n_outputs), `Z` (n_rows,
    n_inputs) of weighted mean 0, `row_weights` (n_rows,).
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
    lengths = widths.sqrt()[:, None]
    design = torch.cat([decoder_weights, decoder_weights * offsets / lengths], dim=2)
    n_charts, n_columns = design.shape[1:]
    penalty = torch.ones_like(design[0])
    penalty[:, 0] = _CONSTANT_SHARE
    means = shares.T @ Z
    residual = Z - decoder_weights.squeeze(2) @ means
    solution = _held_out_ridge(
        design.flatten(1), residual, row_weights, penalty.flatten() / n_charts
    )
    by_chart = solution.view(n_charts, n_columns, -1)
    slopes = by_chart[:, 1:] / lengths.unsqueeze(2)
    return {
        "mean": torch.zeros_like(centers[0]),
        "centers": centers,
        "widths": widths,
        "components": slopes.transpose(1, 2),
        "offsets": means + by_chart[:, 0],
    }


def _held_out_ridge(design, target, row_weights, penalty):
    """Return the solution of the ridge that serves held-out rows best, for all rows."""
    weighted = design * row_weights[:, None]
    gram, cross = weighted.T @ design, weighted.T @ target
    total = row_weights.sum()
    ridge = 1e-3
    if len(design) >= _FEWEST_ROWS:
        left = slice(None, None, _HELD_OUT)
        held = design[left], target[left], weighted[left], row_weights[left]
        kept = gram - held[2].T @ held[0], cross - held[2].T @ held[1]
        kept_total = total - held[3].sum()
        errors = []
        for candidate in _RIDGES:
            solution = ridge_solve(*kept, candidate * kept_total * penalty)
            errors.append(held[3] @ (held[1] - held[0] @ solution).square().sum(1))
        errors = torch.stack(errors)
        good = errors <= _GOOD_ENOUGH * errors.min()
        ridge = _RIDGES[int(good.nonzero().max())]
    return ridge_solve(gram, cross, ridge * total * penalty)


def refine(Z, points, inner_map, n_steps):
    """Move rows `Z` (n_rows, n_inputs) so that a map takes them closer to points.

    Gauss-Newton steps of least change towards `points` (n_rows, n_outputs). A step that
    does not bring a row closer is halved, and at last left out, for this row alone.
    """
    for _ in range(n_steps):
        residual = points - inner_map(Z)
        jacobian = inner_map.jacobian(Z)
        gram = jacobian @ jacobian.transpose(1, 2)
        # Directions in which the map hardly moves are left alone.
        size = gram.diagonal(dim1=1, dim2=2).sum(1)
        gram.diagonal(dim1=1, dim2=2).add_(_DAMPING * size.clamp_min(1e-30)[:, None])
        solved = torch.linalg.solve(gram, residual.unsqueeze(2))
        step = (jacobian.transpose(1, 2) @ solved).squeeze(2)
        before = residual.square().sum(1)
        for factor in (1.0, 0.5, 0.25):
            candidate = Z + factor * step
            closer = (points - inner_map(candidate)).square().sum(1) < before
            Z = torch.where(closer[:, None], candidate, Z)
            step = torch.where(closer[:, None], torch.zeros_like(step), step)
    return Z
