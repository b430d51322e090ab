# SPDX-License-Identifier: BSD-3-Clause
"""Ridge regressions from moments: for every penalty, and held out fold by fold."""

from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import combinations

import torch

from sktransform.alignment._degenerate import ROUNDING, constant_views
from sktransform.runtime._linalg import gram_matrix, quick_eigh, ridge_solve
from sktransform.runtime._moments import PairMoments, RowMoments

# Penalties that are tried, in units of the mean variance of the first view.
PENALTIES = torch.logspace(-6, 1, 29, dtype=torch.float64)

# Held-out rows that are enough to estimate a calibration's error.
_ENOUGH_ROWS = 500

# Keeps a Cholesky factor defined, in units of the trace.
_DAMPING = 1e-13

# Where no pivot is less, in units of the trace, no direction is rounding.
_LEAST_PIVOT = 1e-9


def scaled(moments, scale):
    """Return the moments of pairs whose first view is multiplied column by column.

    Shapes: scale (n_inputs,).
    """
    return PairMoments(
        moments.weight,
        moments.mean_x * scale,
        moments.mean_y,
        moments.xx * torch.outer(scale, scale),
        moments.xy * scale[:, None],
        moments.yy,
    )


@dataclass(frozen=True)
class RidgePath:
    """Ridge regressions of the second view on the first, for every penalty.

    - `moments`: moments of the rows of the regression.
    - `values` (n_kept,): eigenvalues of the first view's covariance; those of rounding
      are dropped.
    - `vectors` (n_inputs, n_kept): eigenvectors in columns.
    - `cross` (n_kept, n_outputs): covariance between the views, the first one in the
      eigenbasis.
    """

    moments: PairMoments
    values: torch.Tensor
    vectors: torch.Tensor
    cross: torch.Tensor

    @classmethod
    def from_moments(cls, moments):
        """Return the path of the rows of these moments."""
        values, vectors = quick_eigh(moments.covariance_x)
        floor = (ROUNDING * moments.mean_x).square().sum()
        relative = len(values) * torch.finfo(values.dtype).eps * values[-1]
        kept = values > torch.maximum(floor, relative)
        values, vectors = values[kept], vectors[:, kept]
        return cls(moments, values, vectors, vectors.T @ moments.covariance_xy)

    def matrix(self, penalty):
        """Return the regression's matrix, shape (n_inputs, n_outputs).

        Multiplies centred rows from the right.

        `penalty`: added to the eigenvalues, at least 0.
        """
        return self.vectors @ self.shrunk_cross(penalty)

    def shrunk_cross(self, penalty):
        """Return the regression's matrix in the eigenbasis, see :meth:`matrix`."""
        return self.cross / (self.values + penalty)[:, None]


@dataclass(frozen=True)
class HeldOutPath:
    """Ridge regressions for every penalty, and rows that they have not seen.

    - `fold`: moments of the other rows.
    """

    path: RidgePath
    fold: PairMoments

    @cached_property
    def _scatter(self):
        """Scatter of the other rows in the path's eigenbasis, (n_kept, n_kept)."""
        return self.fold.image_scatter(self.path.vectors)

    @cached_property
    def _cross(self):
        """The same between the views, shape (n_kept, n_outputs)."""
        return self.fold.image_cross(self.path.vectors)

    def errors(self, penalties):
        """Return the mean squared errors of all penalties.

        A penalty takes products with vectors only: those of matrices are
        shared by all.

        Shapes: penalties (n_penalties,) -> (n_penalties,).
        """
        path, fold = self.path, self.fold
        shrunk = 1 / (path.values + penalties[:, None])
        products = self._scatter * gram_matrix(path.cross.T)
        quadratic = ((shrunk @ products) * shrunk).sum(1)
        linear = shrunk @ (self._cross * path.cross).sum(1)
        shift = path.vectors.T @ (fold.mean_x - path.moments.mean_x)
        offset = (shift * shrunk) @ path.cross - (fold.mean_y - path.moments.mean_y)
        squares = quadratic - 2 * linear + fold.yy.trace()
        return squares / fold.weight + offset.square().sum(1)

    def predicted(self, penalty):
        """Return the scatter of predictions for the other rows, (n_outputs, n_outputs).

        Sum of outer products of the centred predictions.
        """
        if isinstance(self.fold, RowMoments):
            return self.fold.image_scatter(self.path.matrix(penalty))
        shrunk = self.path.shrunk_cross(penalty)
        return shrunk.T @ self._scatter @ shrunk


def mean_variance(moments):
    """Return the mean variance of the first view's columns, the unit of penalties."""
    return moments.covariance_x.diagonal().mean()


def regression(moments, penalty):
    """Return the regression for one penalty, by a Cholesky factor where it is stable.

    Multiplies centred rows from the right; exactly 0 if a view is constant.

    `penalty`: added to the eigenvalues of the covariance.

    Shape: (n_inputs, n_outputs).
    """
    if constant_views(moments):
        return torch.zeros_like(moments.xy)
    covariance = moments.covariance_x
    rounding = (ROUNDING * moments.mean_x).square().sum()
    factor, n_failed = torch.linalg.cholesky_ex(covariance)
    pivots = factor.diagonal().square()
    if n_failed or pivots.min() <= _LEAST_PIVOT * covariance.trace() + rounding:
        # The eigenvalues of a path leave out directions of rounding.
        return RidgePath.from_moments(moments).matrix(penalty)
    return ridge_solve(covariance, moments.covariance_xy, penalty)


def _rows_share(held, total):
    """Return how many more rows there are in total than those of a regression."""
    return total.weight / held.path.moments.weight


@dataclass(frozen=True)
class FoldMap:
    """A regression without the rows of a fold, and its predictions for them.

    - `held_out`: the regressions for every penalty, and the fold.
    - `penalty` (): the penalty.
    """

    held_out: HeldOutPath
    penalty: torch.Tensor

    @property
    def others(self):
        """Moments of the rows of the regression."""
        return self.held_out.path.moments

    @property
    def fold(self):
        """Moments of the fold."""
        return self.held_out.fold

    @cached_property
    def matrix(self):
        """The regression, (n_inputs, n_outputs): multiplies centred rows."""
        return self.held_out.path.matrix(self.penalty)

    @cached_property
    def predicted(self):
        """Sum of outer products of the fold's centred predictions."""
        return self.held_out.predicted(self.penalty)

    @cached_property
    def cross(self):
        """The same between predictions and targets, (n_outputs, n_outputs)."""
        return self.fold.image_cross(self.matrix)

    def predict(self, X):
        """Return the regression's predictions for rows, shape (n_rows, n_outputs)."""
        return (X - self.others.mean_x) @ self.matrix + self.others.mean_y


@dataclass(frozen=True)
class RidgeFolds:
    """A ridge regression, and its held-out errors by folds.

    A regression that lacks the rows of a fold has the same penalty on the sum of
    squares, and therefore a larger one beside its covariance.

    - `total`: moments of all rows.
    - `penalty`: the penalty, in the first view's squared units.
    - `matrix` (n_inputs, n_outputs): the regression on all rows; multiplies centred
      rows from the right.
    - `fold_maps`: the regressions without a fold.
    - `error`: mean squared error of the folds' rows, each under the regression without
      its fold. NaN without folds.
    """

    total: PairMoments
    penalty: float
    matrix: torch.Tensor
    fold_maps: list
    error: float

    @classmethod
    def from_splits(cls, total, splits, penalties):
        """Return the regression of least held-out error.

        Shapes: penalties (n_penalties,).
        """
        paths = [
            HeldOutPath(RidgePath.from_moments(others), fold) for others, fold in splits
        ]
        penalty, error = penalties[len(penalties) // 2].item(), float("nan")
        if paths:
            errors = held_out_errors(total, paths, penalties)
            penalty, error = penalties[errors.argmin()].item(), errors.min().item()
        maps = [FoldMap(held, penalty * _rows_share(held, total)) for held in paths]
        return cls(total, penalty, regression(total, penalty), maps, error)

    @classmethod
    def from_folds(cls, moments, ridge):
        """Return the regression for moments of folds, see :meth:`from_splits`."""
        total = moments.total()
        penalties = penalties_of(ridge, mean_variance(total))
        return cls.from_splits(total, moments.splits(), penalties)

    def predicted_covariance(self):
        """Return the covariance of predictions for rows not seen, (n_out, n_out)."""
        parts = [fold_map.predicted for fold_map in self.fold_maps]
        return reduce(torch.add, parts) / self.total.weight

    @property
    def validation_folds(self):
        """The first folds, as many as have enough rows together."""
        weights = [fold_map.fold.weight.item() for fold_map in self.fold_maps]
        before = [sum(weights[:i]) for i in range(len(weights))]
        return self.fold_maps[: sum(weight < _ENOUGH_ROWS for weight in before)]

    def validation_scatter(self, n_folds=None):
        """Return the sum of outer products of validation targets less their mean.

        Of the first `n_folds` of them alone, if that is given.
        """
        scatter = 0
        for fold_map in self.validation_folds[:n_folds]:
            fold = fold_map.fold
            shift = fold.mean_y - self.total.mean_y
            scatter = scatter + fold.yy + fold.weight * torch.outer(shift, shift)
        return scatter

    def nested_covariances(self):
        """Return nested out-of-fold covariances of predictions, per validation fold.

        Neither the rows that are predicted nor those of the regressions are of the
        fold; there must be three folds or more.

        Returned: list of (n_outputs, n_outputs).
        """
        folds = [fold_map.fold for fold_map in self.fold_maps]
        sums = [0] * len(self.validation_folds)
        for left, right in combinations(range(len(folds)), 2):
            if left >= len(sums):
                break
            kept = [fold for i, fold in enumerate(folds) if i not in (left, right)]
            matrix = _pooled_regression(kept, self.penalty * self.total.weight)
            for held_out, other in ((left, right), (right, left)):
                if held_out < len(sums):
                    sums[held_out] = sums[held_out] + folds[other].image_scatter(matrix)
        weights = [self.total.weight - fold.weight for fold in folds[: len(sums)]]
        return [part / weight for part, weight in zip(sums, weights, strict=True)]


def _pooled_regression(folds, penalty):
    """Return the regression on the rows of some folds, quicker than by a path.

    Multiplies centred rows from the right.

    `penalty`: the penalty on the sum of squares. Where it is less than rounding,
      directions of rounding are damped and not dropped.

    Shapes: penalty () -> (n_inputs, n_outputs).
    """
    weights = torch.stack([fold.weight for fold in folds])
    means_x, means_y = (
        torch.stack([getattr(fold, name) for fold in folds])
        for name in ("mean_x", "mean_y")
    )
    shares = weights / weights.sum()
    mean_x = shares @ means_x
    # Like merging them, but without the moments that a regression does not need.
    shift_x, shift_y = means_x - mean_x, means_y - shares @ means_y
    weighted = (shift_x * weights[:, None]).T
    gram, cross = (
        torch.addmm(reduce(torch.add, parts), weighted, shift)
        for parts, shift in (
            ([fold.xx for fold in folds], shift_x),
            ([fold.xy for fold in folds], shift_y),
        )
    )
    rounding = (ROUNDING * mean_x).square().sum() * weights.sum()
    floor = _DAMPING * gram.trace() + rounding + torch.finfo(gram.dtype).tiny
    return ridge_solve(gram, cross, penalty + floor)


def penalties_of(ridge, unit):
    """Return the penalties to choose from, on the device and in units of the rows.

    `ridge`: the penalty in these units; "auto" stands for all that are tried.

    Shapes: unit () -> (n_penalties,).
    """
    if ridge == "auto":
        return PENALTIES.to(unit.device) * unit
    return ridge * unit.reshape(1)


def held_out_errors(total, paths, penalties):
    """Return mean squared errors of rows that their regression has not seen.

    The errors over these folds, each weighted as its rows are.

    Shapes: penalties (n_penalties,) -> (n_penalties,).
    """
    sums = sum(
        held.errors(penalties * _rows_share(held, total)) * held.fold.weight
        for held in paths
    )
    return sums / sum(held.fold.weight for held in paths)
