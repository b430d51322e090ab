# SPDX-License-Identifier: BSD-3-Clause
"""Bounded least squares from moments of pairs, in the rows' own units."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from scipy.optimize import brentq

from sktransform.alignment._degenerate import ROUNDING
from sktransform.alignment._orthogonal.projection import orthogonality_residual
from sktransform.alignment._orthogonal.solver import (
    BoundedProblem,
    BoundedSolution,
    fixed_matrix,
)
from sktransform.runtime._linalg import polar_factor

# Multipliers that folds choose from, in units of the inputs' mean variance, beside 0
# (least squares) and infinity (a rotation). If 0 or the least is the best, smaller ones
# follow: where the inputs' variances differ by orders of magnitude, so do useful ones.
_MULTIPLIER_STEP = 10 ** (4 / 9)
_MULTIPLIERS = tuple(0.003 * _MULTIPLIER_STEP**step for step in range(10))
_LEAST_MULTIPLIER = 1e-9

# Multipliers past the best one, or relative rise of the error, after which no better
# one is expected: errors have one minimum, and the next multipliers cost most.
_PATIENCE, _RISE = 2, 0.01

# Relative fall of the error for which the next smaller multiplier is tried.
_FALL = 0.001

# Held-out rows that are enough to choose by: further folds are not asked.
_ENOUGH_ROWS = 200

# Accuracy of the logarithm of a common factor, and how far from the first guess it is
# searched. The loss is flat there: its error is the square.
_FACTOR_ACCURACY, _FACTOR_RANGE = 1e-8, 60.0

# Rounds in which a factor and a rotation are improved in turn, to begin with, and the
# relative change of the factor at which they end.
_FACTOR_ROUNDS, _FACTOR_CHANGE = 40, 1e-4


@dataclass(frozen=True)
class AlignmentSettings:
    """What is fitted, apart from the bound.

    - `scale`: whether a common factor is fitted beside the bounded map.
    - `unit_scale`: whether both views are brought to total variance 1 first.
    - `fit_intercept`: whether the views are centred.
    """

    scale: bool = False
    unit_scale: bool = True
    fit_intercept: bool = True


@dataclass(frozen=True)
class FittedMap:
    """A map at one bound, in the rows' own units.

    - `matrix` (n_inputs, n_outputs): the map, multiplied from the right; directions in
      which the rows do not vary are mapped to 0.
    - `factor`: the common factor, 1 if none was fitted.
    - `solution`: the bounded map in the problem's coordinates.
    """

    matrix: torch.Tensor
    factor: float
    solution: BoundedSolution

    @property
    def residual(self):
        """Distance of the bounded map from orthogonality."""
        return orthogonality_residual(self.solution.matrix).item()

    @property
    def singular_values(self):
        """Singular values of the bounded map, the largest first."""
        return torch.linalg.svdvals(self.solution.matrix)


@dataclass(frozen=True)
class Certificate:
    """What is known of a fitted map: duality gap, certainty, and stationarity."""

    gap: float
    is_certified: bool
    is_stationary: bool


class AlignmentProblem:
    """Bounded least squares for the moments of pairs.

    Both views are reduced to the directions in which they vary, and the bound is
    applied there: constant targets stay constant.

    - `settings`: settings of the fit.
    - `near`: the same problem for nearly the same rows. Its rotation is a start where
      there is no closed form.
    """

    def __init__(self, moments, settings, near=None):
        self.settings = settings
        self.moments = moments if settings.fit_intercept else _uncentred(moments)
        values_x, self.basis, self.null = _varying(
            self.moments.covariance_x, moments.mean_x
        )
        values_y, self.basis_y, _ = _varying(self.moments.covariance_y, moments.mean_y)
        self.rank = len(values_x)
        ranks = {"X": len(values_x), "y": len(values_y)}
        self.constant_views = [name for name, rank in ranks.items() if not rank]
        self.is_degenerate = bool(self.constant_views)
        if self.is_degenerate:
            return
        self.variance_y = self.moments.covariance_y.trace().item()
        self.unit_x = self.unit_y = 1.0
        if settings.unit_scale:
            self.unit_x = values_x.sum().sqrt().item()
            self.unit_y = values_y.sum().sqrt().item()
        self._variances = values_x / self.unit_x**2
        self._reference = fixed_matrix(self.moments.xy)
        cross = self.basis.T @ self.moments.covariance_xy @ self.basis_y
        self._cross = cross / (self.unit_x * self.unit_y)
        self._near = near if self.rank > len(values_y) else None

    @cached_property
    def problem(self):
        """The bounded problem without a common factor."""
        return self._with_factor(1.0)

    def _with_factor(self, factor, rotation=None):
        """Return the problem of the bounded map for a given common factor.

        The rotation nearby is a function, because not every map needs it.
        """
        if rotation is None and self._near is not None:
            rotation = self._rotation_nearby
        reference = self.basis.T @ self._reference @ self.basis_y
        return BoundedProblem(
            factor**2 * self._variances, factor * self._cross, reference, rotation
        )

    def _rotation_nearby(self):
        """Return the best rotation of nearly the same rows."""
        near = self._near
        rotation = near.basis @ near.problem.rotation @ near.basis_y.T
        return self.basis.T @ rotation @ self.basis_y

    @property
    def is_unique(self):
        """Whether no other rotation is as good."""
        return self.problem.is_unique

    @property
    def largest_residual(self):
        """Distance of least squares from orthogonality, where both views vary."""
        return self.problem.largest_residual

    @property
    def loss_unit(self):
        """Variance of the target in the units of the bounded problem."""
        return self.variance_y / self.unit_y**2

    def bounded(self, lam):
        """Return the fitted map for a bound, see :meth:`BoundedProblem.solve`."""
        if not self.settings.scale:
            return self._in_units(self.problem.solve(lam))
        return self._with_best_factor(
            lam, lambda problem, near: problem.solve(lam, near)
        )

    def path(self, lams):
        """Yield fitted maps for falling bounds, see :meth:`BoundedProblem.path`."""
        if self.settings.scale:
            yield from map(self.bounded, lams)
        else:
            yield from map(self._in_units, self.problem.path(lams))

    def penalised_path(self, multipliers):
        """Yield fitted maps for rising multipliers of the bound.

        They are accurate to about 1e-5 of the target's variance. A common factor is the
        best one for the map of the multiplier before.

        `multipliers`: the multipliers in units of the inputs' mean variance, from 0 to
          infinity.
        """
        unit = self._variances.mean().item()
        if not self.settings.scale:
            nus = [unit * multiplier for multiplier in multipliers]
            yield from map(self._in_units, self.problem.penalised_path(nus))
            return
        factor = self._approximate_factor()[0]
        for multiplier in multipliers:
            for _ in range(2):
                problem = self._with_factor(factor)
                nu = factor**2 * unit * multiplier
                (solution,) = problem.penalised_path([nu])
                factor = self._best_factor(solution.matrix)
            yield self._in_units(solution, factor)

    def certified(self, lam):
        """Return the fitted map for a bound, with its certificate.

        `certificate`: its gap is a share of the target's variance, infinite where no
          bound of the loss is known.

        Returned: fitted, certificate.
        """
        if self.settings.scale:
            return self._certified_with_factor(lam)
        return self._with_certificate(*self.problem.solve_certified(lam))

    def certified_near(self, other, fitted):
        """Return the map of a multiplier, from that of nearly the same problem.

        Returned: fitted, certificate.
        """
        solution = fitted.solution
        start = self.basis.T @ other.basis @ solution.matrix
        start = start @ other.basis_y.T @ self.basis_y
        if self.settings.scale or self.problem.is_rotation:
            residual = min(solution.lam, self.largest_residual)
            return self.certified(residual)
        if solution.multiplier == 0:
            return self.certified(math.inf)
        if solution.multiplier == math.inf:
            return self.certified(0.0)
        unit = self._variances.mean() / other._variances.mean()
        nu = solution.multiplier * unit.item()
        found = self.problem.solve_penalised(nu, start)
        return self._with_certificate(*self.problem.certified(found))

    def _with_certificate(self, solution, gap, is_certified):
        """Return a solution in the rows' units, and its certificate."""
        is_stationary = self.problem.is_stationary(solution)
        certificate = Certificate(gap / self.loss_unit, is_certified, is_stationary)
        return self._in_units(solution), certificate

    def _certified_with_factor(self, lam):
        """Return map, factor and certificate of the best pair."""

        def solve(problem, near):
            return problem.solve_certified(lam, near)[0]

        fitted = self._with_best_factor(lam, solve)
        solution, problem = fitted.solution, self._with_factor(fitted.factor)
        if solution.multiplier == 0:
            return fitted, Certificate(0.0, True, True)
        gap = problem.duality_gap(solution, lam, with_factor=True)
        is_stationary = problem.is_stationary(solution)
        is_certified = is_stationary and gap <= problem.tolerance(solution)
        return fitted, Certificate(gap / self.loss_unit, is_certified, is_stationary)

    def _with_best_factor(self, lam, solve):
        """Return the pair of bounded map and common factor of least loss.

        In the square of the factor the loss of the best map is convex onto as many
        dimensions or more. Its derivative has the sign of the difference between the
        factor and the best one for that map.
        """
        free = self._free_pair(lam)
        if free is not None:
            return free
        near = []

        factor, rotation = self._approximate_factor()

        def solution_at(logarithm):
            start = near[-1].matrix if near else rotation
            problem = self._with_factor(math.exp(logarithm), lambda: start)
            solution = solve(problem, near[-1:])
            near.append(solution)
            return solution

        def slope(logarithm):
            best = self._best_factor(solution_at(logarithm).matrix)
            return logarithm - math.log(best)

        start = math.log(factor)
        first = slope(start)
        step = -2 * first
        low = high = start
        sign = first
        while sign * first > 0 and abs(high - start) < _FACTOR_RANGE:
            low, high = high, high + step
            sign, step = slope(high), 2 * step
        best = high
        if sign * first < 0:
            best = brentq(slope, low, high, xtol=_FACTOR_ACCURACY, rtol=1e-14)
        return self._in_units(solution_at(best), math.exp(best))

    def _approximate_factor(self):
        """Return nearly the best factor of a rotation, and that rotation.

        Both are improved in turn: far from the best factor the best rotation is hard to
        find.
        """
        rotation, factor = self.problem.approximate_rotation(), 0.0
        for _ in range(_FACTOR_ROUNDS):
            previous, factor = factor, self._best_factor(rotation)
            if abs(factor - previous) <= _FACTOR_CHANGE * factor:
                break
            rotation = self._with_factor(factor).approximate_rotation(rotation)
        return factor, rotation

    def _free_pair(self, lam):
        """Return least squares with a factor that brings it into the bound, or None.

        The factor is the one with which its distance from orthogonality is least.
        """
        free = self.problem.least_squares
        squares = torch.linalg.svdvals(free).square()
        if squares.sum() == 0:
            return None
        factor = (squares.square().sum() / squares.sum()).sqrt().item()
        if orthogonality_residual(free / factor) > lam:
            return None
        (solution,) = self._with_factor(factor).penalised_path([0.0])
        return self._in_units(solution, factor)

    def _in_units(self, solution, factor=1.0):
        """Return a bounded map in the rows' own units."""
        matrix = factor * self.unit_y / self.unit_x * solution.matrix
        return FittedMap(self.basis @ matrix @ self.basis_y.T, factor, solution)

    def intercept(self, matrix):
        """Return the constant part that takes mean to mean."""
        return self.moments.mean_y - self.moments.mean_x @ matrix

    def completed(self, fitted):
        """Return a map that also turns the directions in which the rows do not vary.

        They go onto the dimensions of the target that are not in use, as a rotation
        would take them. Which of these rotations is a fixed rule: the one nearest to
        numbers that are always the same.
        """
        n_free = self.basis_y.shape[1] - self.rank
        if not self.null.shape[1] or n_free <= 0:
            return fitted.matrix
        rows = torch.linalg.svd(fitted.solution.matrix)[2]
        unused = self.basis_y @ rows[self.rank :].T
        turn = polar_factor(self.null.T @ self._reference @ unused)
        length = fitted.factor * self.unit_y / self.unit_x
        return fitted.matrix + length * self.null @ turn @ unused.T

    def _best_factor(self, matrix):
        """Return the factor of least squared error for a bounded map."""
        size = (self._variances[:, None] * matrix.square()).sum()
        return ((matrix * self._cross).sum() / size).clamp_min(1e-12).item()

    def training_loss(self, fitted):
        """Return the mean squared error of a map as a share of the target's variance.

        In the eigenbasis of the inputs large entries of the map meet small variances:
        the rows' own columns would cost digits.
        """
        variances, cross = self._variances, self._cross
        matrix = fitted.factor * fitted.solution.matrix
        explained = ((2 * cross - variances[:, None] * matrix) * matrix).sum().item()
        return max(0.0, 1 - explained / self.loss_unit)

    def constant(self):
        """Return the map onto the target's mean."""
        matrix = torch.zeros_like(self.moments.xy)
        return FittedMap(matrix, 1.0, BoundedSolution(matrix, 0.0, 0, math.inf, matrix))


@dataclass(frozen=True)
class HeldOut:
    """Errors of held-out rows along the multipliers, and the choice by them.

    - `without`: the problem of the rows outside the first fold.
    - `fitted`: its maps, from least squares towards a rotation.
    - `residuals` (n_multipliers,): mean distances from orthogonality of the folds'
      maps.
    - `errors` (n_multipliers, 2): mean squared errors of held-out rows as shares of the
      target's variance, with directions in which the rows do not vary left out and
      completed.
    """

    without: AlignmentProblem
    fitted: tuple
    residuals: torch.Tensor
    errors: torch.Tensor

    @property
    def best(self):
        """Index of the chosen multiplier, and whether null directions are completed."""
        index, is_completed = divmod(int(self.errors.argmin()), 2)
        return index, bool(is_completed)


def held_out(folds, problem, complete_null):
    """Return the errors of held-out rows for rising multipliers of the bound.

    The same multiplier stands for nearly the same bound in each fold, without solving
    for one. Multipliers rise from least squares, where the problem is convex, until the
    error has not fallen for some of them. If 0 or the least of them is the best,
    smaller ones follow as long as the error falls.

    None if there are too few rows to hold some out.
    """
    settings = problem.settings
    splits, n_rows = [], 0.0
    for others, fold in folds.splits():
        if n_rows >= _ENOUGH_ROWS:
            break
        without = AlignmentProblem(others, settings, problem)
        if not without.is_degenerate:
            fold = fold if settings.fit_intercept else _uncentred(fold)
            splits.append((without, fold))
            n_rows += fold.weight.item()
    if not splits:
        return None
    multipliers = (0.0, *_MULTIPLIERS, math.inf)
    paths = [without.penalised_path(multipliers) for without, _ in splits]
    trials = []
    for _ in multipliers:
        trials.append(_trial(splits, [next(path) for path in paths], complete_null))
        errors = [error.min() for *_, error in trials]
        best = errors.index(min(errors))
        rise = errors[-1] / errors[best] - 1
        if len(errors) - 1 - best >= _PATIENCE or rise > _RISE:
            break
    lower, is_falling = _MULTIPLIERS[0], best <= 1
    while is_falling and lower > _LEAST_MULTIPLIER:
        lower /= _MULTIPLIER_STEP
        maps = [next(without.penalised_path([lower])) for without, _ in splits]
        trials.insert(1, _trial(splits, maps, complete_null))
        last, before = (error.min() for *_, error in trials[1:3])
        is_falling = last < (1 - _FALL) * before
    fitted, residuals, errors = zip(*trials, strict=True)
    errors = torch.stack(errors) / (n_rows * problem.variance_y)
    residuals = torch.tensor(residuals, dtype=torch.float64)
    return HeldOut(splits[0][0], fitted, residuals, errors)


def _trial(splits, maps, complete_null):
    """Return the first fold's map, the mean residual, and the summed errors of folds.

    Shapes: errors (2,), null directions left out and completed.
    """
    errors = torch.full((2,), math.inf, dtype=torch.float64)
    variants = [0, 1] if complete_null == "auto" else [int(complete_null)]
    for variant in variants:
        errors[variant] = 0
        for (without, fold), fitted in zip(splits, maps, strict=True):
            matrix = without.completed(fitted) if variant else fitted.matrix
            error = fold.mean_squared_error(matrix, without.intercept(matrix))
            errors[variant] += (fold.weight * error).cpu()
    residual = sum(fitted.residual for fitted in maps) / len(maps)
    return maps[0], residual, errors


def _varying(covariance, mean):
    """Return variances, directions in which rows vary, and those in which they do not.

    Variances below rounding are taken for 0: that of the eigenvalues, and that of
    deviations from a large mean.
    """
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    resolution = len(values) * torch.finfo(values.dtype).eps * values[-1].clamp_min(0)
    resolution = resolution + (ROUNDING * mean).square().sum()
    rank = int((values > resolution).sum())
    null, basis = vectors.split([len(values) - rank, rank], 1)
    return values[len(values) - rank :], basis, null


def _uncentred(moments):
    """Return moments around 0 instead of around the means."""

    def around_zero(scatter, left, right):
        return scatter + moments.weight * torch.outer(left, right)

    mean_x, mean_y = moments.mean_x, moments.mean_y
    return replace(
        moments,
        mean_x=torch.zeros_like(mean_x),
        mean_y=torch.zeros_like(mean_y),
        xx=around_zero(moments.xx, mean_x, mean_x),
        xy=around_zero(moments.xy, mean_x, mean_y),
        yy=around_zero(moments.yy, mean_y, mean_y),
    )
