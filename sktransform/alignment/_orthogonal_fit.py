# SPDX-License-Identifier: BSD-3-Clause
"""From moments of pairs to a map at a setting of the dial, in the rows' own units."""

import math
from dataclasses import dataclass, replace

import torch

from sktransform.alignment._orthogonal_ball import orthogonality_residual
from sktransform.alignment._orthogonal_solver import DialProblem, DialSolution

# Bounds that folds choose from: the lowest but 0 as a share of what is large, and the
# factor that may lie between two.
_LOWEST_SHARE, _LARGEST_FACTOR = 0.01, 1.6

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

    factor : float
        The common factor, 1 if none was fitted.

    solution : DialSolution
        The bounded map in the problem's coordinates.
    """

    matrix: torch.Tensor
    intercept: torch.Tensor
    factor: float
    solution: DialSolution

    @property
    def residual(self):
        """Distance of the bounded map from orthogonality."""
        return orthogonality_residual(self.solution.matrix).item()

    @property
    def singular_values(self):
        """Singular values of the bounded map, the largest first."""
        return torch.linalg.svdvals(self.solution.matrix)


class AlignmentProblem:
    """The dial's problem for the moments of pairs.

    Parameters
    ----------
    moments : PairMoments
        The moments.

    options : DialOptions
        What is fitted.

    near : AlignmentProblem, default=None
        The same problem for nearly the same rows. Its rotation is a start where there
        is no closed form.
    """

    def __init__(self, moments, options, near=None):
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
        self._rotation = None
        if near is not None and self.rank > self._cross.shape[1]:
            self._rotation = self.basis.T @ near.basis @ near.problem.rotation
        self.problem = self._with_factor(1.0)

    def _with_factor(self, factor):
        """Return the problem of the bounded map for a given common factor."""
        variances, cross = factor**2 * self._variances, factor * self._cross
        if self._penalty > 0:
            if self.options.to_rotation:
                rotation = DialProblem(variances, cross, self._rotation).rotation
                size = (variances[:, None] * rotation.square()).sum()
                length = ((rotation * cross).sum() / size).clamp_min(1e-6)
                cross = cross + self._penalty * length * rotation
            variances = variances + self._penalty
        return DialProblem(variances, cross, self._rotation)

    @property
    def is_unique(self):
        """Whether no other rotation is as good."""
        # A column of y that never varies leaves a choice too, but one without effect.
        n_live = int((self.moments.yy.diagonal() > 0).sum())
        return _rank(self._cross) >= min(self.rank, n_live)

    @property
    def largest_residual(self):
        """Distance of least squares from orthogonality, on the inputs' range."""
        return self.problem.largest_residual

    def bounded(self, lam, start=None):
        """Return the fitted map for a bound, see :meth:`DialProblem.solve`."""
        return self._fitted(lambda problem, near: problem.solve(lam, near), start)

    def path(self, lams):
        """Yield fitted maps for falling bounds, see :meth:`DialProblem.path`."""
        if not self.options.scale:
            yield from map(self._in_units, self.problem.path(lams))
            return
        fitted = None
        for lam in lams:
            fitted = self.bounded(lam, fitted)
            yield fitted

    def certified(self, lam):
        """Return the fitted map for a bound, with its certificate.

        Parameters
        ----------
        lam : float
            The bound.

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

        def solve(problem, near):
            solution, is_certified = problem.solve_certified(lam, near)
            certificates.append((is_certified, problem.duality_gap(solution, lam)))
            return solution

        fitted = self._fitted(solve)
        return fitted, *certificates[-1]

    def _fitted(self, solve, start=None):
        """Return the map that a solver finds, with a common factor if there is one."""
        if not self.options.scale:
            return self._in_units(solve(self.problem, ()))
        factor = 1.0 if start is None else start.factor
        near = () if start is None else [start.solution]
        solution = solve(self._with_factor(factor), near)
        for _ in range(_MOST_ROUNDS):
            previous, factor = factor, self._best_factor(solution.matrix)
            solution = solve(self._with_factor(factor), [solution])
            if abs(factor - previous) <= 1e-9 * factor:
                break
        return self._in_units(solution, factor)

    def _in_units(self, solution, factor=1.0):
        """Return a bounded map in the rows' own units."""
        matrix = factor * solution.matrix
        full = self.basis @ matrix
        n_null = self.null.shape[1]
        if self.options.complete_null and n_null:
            full = full + self.null @ _unused_rows(matrix, n_null, factor)
        full = full * (self.unit_y / self.unit_x)
        intercept = self.moments.mean_y - self.moments.mean_x @ full
        return FittedDial(full, intercept, factor, solution)

    def _best_factor(self, matrix):
        """Return the factor of least squared error for a bounded map."""
        size = (self._variances[:, None] * matrix.square()).sum()
        return ((matrix * self._cross).sum() / size).clamp_min(1e-6).item()

    def constant(self):
        """Return the map onto the target's mean."""
        matrix = torch.zeros_like(self.moments.xy)
        solution = DialSolution(matrix, 0.0, 0)
        return FittedDial(matrix, self.moments.mean_y, 1.0, solution)


def bounds_to_compare(problem):
    """Return settings of the dial, from a rotation to least squares.

    Parameters
    ----------
    problem : AlignmentProblem
        The problem of all rows.

    Returns
    -------
    list of float
        In rising order: 0, and then by equal factors. Least squares may be far from a
        rotation by a few directions of tiny variance alone, so that the lowest is
        measured by the distance of no map at all, if that is less.
    """
    if problem.problem.is_rotation:
        return [0.0]
    largest = problem.largest_residual
    lowest = _LOWEST_SHARE * min(largest, math.sqrt(min(problem.problem.cross.shape)))
    n_steps = math.ceil(math.log(largest / lowest) / math.log(_LARGEST_FACTOR))
    factor = (largest / lowest) ** (1 / n_steps)
    return [0.0, *(lowest * factor**step for step in range(n_steps)), largest]


def held_out_errors(folds, problem, lams):
    """Return the held-out error of bounds.

    Parameters
    ----------
    folds : FoldMoments
        Moments of folds.

    problem : AlignmentProblem
        The problem of all rows.

    lams : sequence of float
        The bounds in rising order, the same in each fold.

    Returns
    -------
    Tensor of shape (n_lams,) or None
        Mean squared error on rows held out, as a share of the target's variance; None
        if there are too few rows to hold some out.
    """
    options = problem.options
    splits = [
        (AlignmentProblem(others, options, problem), fold)
        for others, fold in folds.splits()
    ]
    splits = [split for split in splits if not split[0].is_degenerate]
    if not splits:
        return None
    errors = torch.zeros(len(lams), dtype=torch.float64)
    for without, fold in splits:
        fold = fold if options.fit_intercept else _uncentred(fold)
        for place, fitted in enumerate(without.path(lams[::-1])):
            error = fold.mean_squared_error(fitted.matrix, fitted.intercept)
            errors[-1 - place] += (fold.weight * error).cpu()
    weight = sum(fold.weight for _, fold in splits)
    variance = folds.total().covariance_y.trace()
    return errors / (weight * variance).cpu()


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
