# SPDX-License-Identifier: BSD-3-Clause
"""Local ridge regressions of an affine map's residuals, a penalty for all charts."""

from dataclasses import dataclass

import torch

from sktransform.alignment._local_affine.charts import ChartedRows
from sktransform.nn._gaussian_weighted import mixture_values

# Rows whose values of all charts are held at once.
_BLOCK_ROWS = 1024

# Penalties without a better one after which the search ends.
_PATIENCE = 2


@dataclass(frozen=True)
class ChartPaths:
    """Ridge regressions of residuals on rows, one for each chart, for any penalty.

    - `mean_z` (n_charts, n_inputs): mean rows, weighted for each chart.
    - `mean_r` (n_charts, n_outputs): mean residuals.
    - `values` (n_charts, n_inputs): eigenvalues of the rows' covariance.
    - `vectors` (n_charts, n_inputs, n_inputs): its eigenvectors, in columns.
    - `cross` (n_charts, n_inputs, n_outputs): covariance of the rows in the eigenbasis
      with the residuals.
    """

    mean_z: torch.Tensor
    mean_r: torch.Tensor
    values: torch.Tensor
    vectors: torch.Tensor
    cross: torch.Tensor

    @classmethod
    def from_rows(cls, rows, residuals):
        """Return the regressions of all charts; without weight a chart has zeros.

        `residuals`: residuals of a map into the target.

        Shapes: residuals (n_rows, n_outputs).
        """
        moments = [_moments(rows.Z, residuals, weights) for weights in rows.weights.T]
        mean_z, mean_r, gram, cross = map(torch.stack, zip(*moments, strict=True))
        values, vectors = torch.linalg.eigh(gram)
        return cls(mean_z, mean_r, values.clamp_min(0), vectors, vectors.mT @ cross)

    def changes(self, rows, chart_ridge):
        """Return the charts' affine maps of the change, for one penalty.

        `chart_ridge`: penalty in units of the features' mean variance. The mean change
          of a chart is divided by 1 plus it; an infinite one leaves no change.

        Returned: offsets (n_charts, n_outputs), components (n_charts, n_outputs,
        n_inputs).
        """
        shrunk = self.values + chart_ridge * rows.unit
        matrices = self.vectors @ (self.cross / shrunk.unsqueeze(2))
        steps = (rows.centers - self.mean_z).unsqueeze(1) @ matrices
        return self.mean_r / (1 + chart_ridge) + steps.squeeze(1), matrices.mT


def _moments(Z, residuals, weights):
    """Return weighted means of rows and residuals, covariance and cross-covariance."""
    mass = weights.sum().clamp_min(torch.finfo(weights.dtype).tiny)
    shares = weights / mass
    mean_z, mean_r = shares @ Z, shares @ residuals
    roots = shares.sqrt()[:, None]
    Z, residuals = (Z - mean_z) * roots, (residuals - mean_r) * roots
    return mean_z, mean_r, Z.T @ Z, Z.T @ residuals


def mixed_changes(rows, offsets, components):
    """Yield blocks of rows and the change of the map at each of their rows.

    Shapes: offsets (n_charts, n_outputs), components (n_charts, n_outputs, n_inputs) ->
    indices, changes (n_block_rows, n_outputs).
    """
    for start in range(0, len(rows.Z), _BLOCK_ROWS):
        indices = slice(start, start + _BLOCK_ROWS)
        block = rows[indices]
        weights = block.weights / block.weights.sum(1, keepdim=True)
        yield (
            indices,
            mixture_values(weights, block.Z, rows.centers, offsets, components),
        )


def chart_errors(rows, residuals, offsets, components):
    """Return each chart's sum of squared residuals after the change.

    Weighted sums of squares; they add up to that of all rows.

    `residuals`: residuals of the map before the change.

    Shapes: residuals (n_rows, n_outputs), offsets (n_charts, n_outputs), components
    (n_charts, n_outputs, n_inputs) -> (n_charts,).
    """
    sums = torch.zeros_like(rows.weights[0])
    for indices, changes in mixed_changes(rows, offsets, components):
        squares = (residuals[indices] - changes).square().sum(1)
        sums += squares @ rows.weights[indices]
    return sums


@dataclass(frozen=True)
class HeldOutRows:
    """Rows of a fold, and the charts' regressions on the other folds.

    - `rows`: the rows of the fold.
    - `residuals` (n_rows, n_outputs): residuals of the map of the other
      folds there.
    - `paths`: regressions of its residuals on the other folds.
    """

    rows: ChartedRows
    residuals: torch.Tensor
    paths: ChartPaths

    def errors(self, chart_ridge):
        """Return the charts' sums of squares for a penalty, shape (n_charts,)."""
        changes = self.paths.changes(self.rows, chart_ridge)
        return chart_errors(self.rows, self.residuals, *changes)


def held_out_rows(rows, pairs, folds, ridge):
    """Return each fold with the charts' regressions on the others.

    There are as many as folds with rows.

    `pairs`: the rows of both views.
    `folds`: folds of the rows. If there is one alone, it is both seen and held out.

    Shapes: folds (n_rows,).
    """
    maps = [(fold_map.others, fold_map.matrix) for fold_map in ridge.fold_maps]
    maps = maps or [(ridge.total, ridge.matrix)]
    result = []
    for fold, (seen, matrix) in zip(folds.unique(), maps, strict=True):
        is_held_out = folds == fold
        is_seen = ~is_held_out if ridge.fold_maps else is_held_out
        residuals = residuals_of(pairs, seen, matrix)
        paths = ChartPaths.from_rows(rows[is_seen], residuals[is_seen])
        result.append(HeldOutRows(rows[is_held_out], residuals[is_held_out], paths))
    return result


def path_errors(held_out, grid):
    """Yield the charts' errors for one penalty after the other, while they may fall.

    The charts' sums of squares over all folds. Nothing more comes once the last two
    penalties were worse than one before.

    Shape: (n_charts,).
    """
    totals = []
    for chart_ridge in grid:
        errors = sum(part.errors(chart_ridge) for part in held_out)
        yield errors
        totals.append(errors.sum().item())
        if totals.index(min(totals)) < len(totals) - _PATIENCE:
            return


def residuals_of(pairs, moments, matrix):
    """Return the residuals of a regression, shape (n_rows, n_outputs).

    `pairs`: the rows of both views.

    Shapes: matrix (n_features, n_outputs) -> (n_rows, n_outputs).
    """
    rows, targets = pairs
    return targets - moments.mean_y - (rows - moments.mean_x) @ matrix


def change_summary(rows, offsets, components):
    """Return how the charts' rows are moved by the change.

    Returned: "weight_share" of shape (n_charts,), the charts' shares of the weights;
    "mean_change" of shape (n_charts, n_outputs), the weighted mean of the change of
    each chart's rows; "change_length" of shape (n_charts,), the root of the weighted
    mean of its squared length.

    Shapes: offsets (n_charts, n_outputs), components (n_charts, n_outputs, n_inputs).
    """
    sums, squares = torch.zeros_like(offsets), torch.zeros_like(offsets[:, 0])
    for indices, changes in mixed_changes(rows, offsets, components):
        weights = rows.weights[indices]
        sums += weights.T @ changes
        squares += changes.square().sum(1) @ weights
    mass = rows.mass()
    return {
        "weight_share": mass / mass.sum(),
        "mean_change": sums / mass[:, None],
        "change_length": (squares / mass).sqrt(),
    }
