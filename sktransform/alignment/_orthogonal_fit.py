# SPDX-License-Identifier: BSD-3-Clause
"""From moments of pairs to a map at a setting of the dial, in the rows' own units."""

import math
from dataclasses import dataclass, replace

import torch

from sktransform.alignment._orthogonal_solver import DialProblem, DialSolution

# Multipliers that folds choose from, in mean variances of an input, from a rotation to
# least squares.
_MULTIPLIERS = (torch.inf, 30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0)

# Rounds in which a common factor and the map are fitted in turn.
_MOST_ROUNDS = 30


@dataclass(frozen=True)
class DialOptions:
    """What is fitted, apart from the setting of the dial.

    Parameters
    ----------
    ridge : float
        Penalty in units of the inputs' mean variance.

    to_rotation : bool
        Whether the penalty pulls to the best rotation instead of to 0.

    scale : bool
        Whether a common factor is fitted beside the bounded map.

    unit_scale : bool
        Whether both views are brought to total variance 1 first.

    fit_intercept : bool
        Whether the views are centred.

    complete_null : bool
        Whether directions without variance are mapped onto unused ones.
    """

    ridge: float = 0.0
    to_rotation: bool = False
    scale: bool = False
    unit_scale: bool = True
    fit_intercept: bool = True
    complete_null: bool = True


@dataclass(frozen=True)
class FittedDial:
    """A map at one setting of the dial, in the rows' own units.

    Parameters
    ----------
    matrix : Tensor of shape (n_inputs, n_outputs)
        The map, multiplied from the right.

    intercept : Tensor of shape (n_outputs,)
        Its constant part.

    singular_values : Tensor of shape (min(rank, n_outputs),)
        Of the bounded map, the largest first.

    factor : float
        The common factor, 1 if none was fitted.

    solution : DialSolution
        The bounded map in the problem's coordinates.
    """

    matrix: torch.Tensor
    intercept: torch.Tensor
    singular_values: torch.Tensor
    factor: float
    solution: DialSolution

    @property
    def residual(self):
        """Distance of the bounded map from orthogonality."""
        return (self.singular_values.square() - 1).norm().item()


class AlignmentProblem:
    """The dial's problem for the moments of pairs.

    Parameters
    ----------
    moments : PairMoments
        The moments.

    options : DialOptions
        What is fitted.
    """

    def __init__(self, moments, options):
        self.options = options
        self.moments = moments if options.fit_intercept else _uncentred(moments)
        gram = self.moments.covariance_x
        self.unit_x = self.unit_y = 1.0
        if options.unit_scale:
            self.unit_x = gram.trace().sqrt().item()
            self.unit_y = self.moments.covariance_y.trace().sqrt().item()
        self.is_degenerate = not (self.unit_x > 0 and self.unit_y > 0)
        if self.is_degenerate or gram.trace() == 0:
            self.is_degenerate, self.rank = True, 0
            return
        values, vectors = torch.linalg.eigh((gram + gram.T) / (2 * self.unit_x**2))
        resolution = len(values) * torch.finfo(values.dtype).eps * values[-1]
        self.rank = int((values > resolution).sum())
        self.null, self.basis = vectors.split([len(values) - self.rank, self.rank], 1)
        self._penalty = options.ridge * values.mean()
        self._variances = values[-self.rank :]
        unit = self.unit_x * self.unit_y
        self._cross = self.basis.T @ self.moments.covariance_xy / unit
        self.problem = self._with_factor(1.0)
        # A column of y that never varies leaves a choice too, but one without effect.
        n_live = int((self.moments.yy.diagonal() > 0).sum())
        self.is_unique = _rank(self._cross) >= min(self.rank, n_live)

    def _with_factor(self, factor):
        """Return the problem of the bounded map for a given common factor."""
        variances, cross = factor**2 * self._variances, factor * self._cross
        if self._penalty > 0:
            if self.options.to_rotation:
                rotation = DialProblem(variances, cross).rotation
                size = (variances[:, None] * rotation.square()).sum()
                length = ((rotation * cross).sum() / size).clamp_min(1e-6)
                cross = cross + self._penalty * length * rotation
            variances = variances + self._penalty
        return DialProblem(variances, cross)

    @property
    def largest_residual(self):
        """Distance of least squares from orthogonality, on the inputs' range."""
        return self.problem.largest_residual

    def bounded(self, lam, start=None):
        """Return the fitted map for a bound, see :meth:`DialProblem.solve`."""
        return self._fitted(lambda problem, begin: problem.solve(lam, begin), start)

    def certified(self, lam, start=None):
        """Return the fitted map for a bound, with its certificate.

        Parameters
        ----------
        lam : float
            The bound.

        start : FittedDial, default=None
            A map at a bound nearby.

        Returns
        -------
        fitted : FittedDial
            The map.

        is_certified : bool
            Whether no other map within the bound has a lower loss.

        gap : float
            Bound on how much lower it could be, as a share of the target's variance.
        """
        certificates = []

        def solve(problem, begin):
            solution, is_certified = problem.solve_certified(lam, begin)
            certificates.append((is_certified, problem.duality_gap(solution, lam)))
            return solution

        fitted = self._fitted(solve, start)
        return fitted, *certificates[-1]

    def penalised(self, multiplier, start=None):
        """Return the fitted map for a multiplier in mean variances of an input.

        A step from a start nearby suffices, and no bound has to be met: this is what
        folds compare.
        """
        nu = multiplier * self.problem.mean_variance

        def solve(problem, begin):
            if begin is None or nu in (0, torch.inf):
                matrix = problem.rotation
            else:
                matrix = begin.matrix
            return problem.minimise(matrix, nu)

        return self._fitted(solve, start)

    def _fitted(self, solve, start=None):
        """Return the map that a solver finds, with a common factor if there is one."""
        solution = solve(self.problem, start and start.solution)
        factor = 1.0
        if self.options.scale:
            for _ in range(_MOST_ROUNDS):
                previous, factor = factor, self._best_factor(solution.matrix)
                problem = self._with_factor(factor)
                begin = solution if math.isfinite(solution.multiplier) else None
                solution = solve(problem, begin)
                if abs(factor - previous) <= 1e-9 * factor:
                    break
        matrix = factor * solution.matrix
        full = self.basis @ matrix
        if self.options.complete_null:
            full = full + self.null @ _unused_rows(matrix, self.null.shape[1], factor)
        full = full * (self.unit_y / self.unit_x)
        intercept = self.moments.mean_y - self.moments.mean_x @ full
        values = torch.linalg.svdvals(solution.matrix)
        return FittedDial(full, intercept, values, factor, solution)

    def _best_factor(self, matrix):
        """Return the factor of least squared error for a bounded map."""
        size = (self._variances[:, None] * matrix.square()).sum()
        return ((matrix * self._cross).sum() / size).clamp_min(1e-6).item()

    def constant(self):
        """Return the map onto the target's mean."""
        matrix = torch.zeros_like(self.moments.xy)
        solution = DialSolution(matrix, 0.0, 0)
        values = matrix.new_zeros(min(matrix.shape))
        return FittedDial(matrix, self.moments.mean_y, values, 1.0, solution)


def multiplier_errors(folds, options):
    """Return the held-out error of each multiplier on the grid.

    Parameters
    ----------
    folds : FoldMoments
        Moments of folds.

    options : DialOptions
        What is fitted.

    Returns
    -------
    multipliers : list of float
        In mean variances of an input, from a rotation to least squares.

    errors : Tensor of shape (n_multipliers,) or None
        Mean squared error on rows held out, as a share of the target's variance; None
        if there are too few rows to hold some out.
    """
    multipliers = list(_MULTIPLIERS)
    splits = [
        (AlignmentProblem(others, options), fold) for others, fold in folds.splits()
    ]
    splits = [split for split in splits if not split[0].is_degenerate]
    if not splits:
        return multipliers, None
    errors = torch.zeros(len(multipliers), dtype=torch.float64)
    for problem, fold in splits:
        fold = fold if options.fit_intercept else _uncentred(fold)
        start = None
        for place, multiplier in enumerate(multipliers):
            start = problem.penalised(multiplier, start)
            error = fold.mean_squared_error(start.matrix, start.intercept)
            errors[place] += (fold.weight * error).cpu()
    weight = sum(fold.weight for _, fold in splits)
    variance = folds.total().covariance_y.trace()
    return multipliers, errors / (weight * variance).cpu()


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


def _rank(matrix):
    """Return the number of singular values of a matrix that are not rounding."""
    values = torch.linalg.svdvals(matrix)
    resolution = max(matrix.shape) * torch.finfo(matrix.dtype).eps * values[0]
    return int((values > resolution).sum())


def _unused_rows(matrix, n_rows, length):
    """Return rows of a given length, orthogonal to those of a matrix and each other.

    Parameters
    ----------
    matrix : Tensor of shape (n_inputs, n_outputs)
        The matrix.

    n_rows : int
        How many rows.

    length : float
        Their length.

    Returns
    -------
    Tensor of shape (n_rows, n_outputs)
        Rows, those of 0 last if there is no room for all.
    """
    n_outputs = matrix.shape[1]
    n_free = max(0, min(n_rows, n_outputs - len(matrix)))
    rows = matrix.new_zeros((n_rows, n_outputs))
    if n_free:
        _, _, right = torch.linalg.svd(matrix)
        rows[:n_free] = length * right[len(matrix) : len(matrix) + n_free]
    return rows
