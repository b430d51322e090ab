# SPDX-License-Identifier: BSD-3-Clause
"""Least squares within a distance of the orthogonal maps, solved on second moments.

The constraint's multiplier nu is found by a root search whose every step minimises
``tr(W'GW) - 2 tr(W'C) + (nu / 2) ||WW' - I||^2`` by Newton's method with conjugate
gradients. G is diagonal: inputs come in its eigenbasis. Targets are turned such that
the map is nearly symmetric, for there the Hessian is nearly made of 2 x 2 blocks, which
precondition it.
"""

from dataclasses import dataclass

import torch

from sktransform.alignment._orthogonal_ball import (
    gram_excess,
    orthogonality_residual,
    project_to_ball,
)
from sktransform.alignment._procrustes import power_iteration, procrustes
from sktransform.runtime._linalg import polar_factor

_MOST_NEWTON_STEPS = 60
_MOST_CONJUGATE_STEPS = 80
_MOST_OUTER_STEPS = 40

# Relative gradient at which Newton's method ends: while the multiplier is sought, and
# at the end.
_COARSE, _FINE = 1e-5, 1e-9

# Penalties, in mean variances, that lead a tall map to orthonormal columns.
_STEEPNESS = (1e1, 1e3, 1e5)

# Below this the bound is that of a rotation.
_ROUNDING = 1e-12

# Relative distance from the bound at which the search for the multiplier ends.
_NEAR = 1e-7

# Share of a map's norm that may be skew before its coordinates are chosen anew.
_SKEW = 0.1

# Lowest eigenvalue of the certificate, relative to the mean variance of an input.
_CERTIFIED = -1e-10


@dataclass(frozen=True)
class DialSolution:
    """A map at one setting of the dial.

    Parameters
    ----------
    matrix : Tensor of shape (n_inputs, n_outputs)
        The map, multiplied from the right.

    multiplier : float
        Lagrange's multiplier nu; infinite for a rotation, 0 for least squares.

    n_iter : int
        Newton steps.
    """

    matrix: torch.Tensor
    multiplier: float
    n_iter: int


class DialProblem:
    """Least squares under a bound on ``||WW' - I||`` (``||W'W - I||`` if W is tall).

    Parameters
    ----------
    variances : Tensor of shape (n_inputs,)
        Positive variances of inputs that are uncorrelated: G is their diagonal matrix.

    cross : Tensor of shape (n_inputs, n_outputs)
        Covariance C of inputs and targets.
    """

    def __init__(self, variances, cross):
        self.variances, self.cross = variances[:, None], cross
        self.is_wide = cross.shape[0] <= cross.shape[1]
        self.cross_norm = self.cross.norm().item()
        self.mean_variance = self.variances.mean().item()
        self.least_squares = self.cross / self.variances
        self.largest_residual = orthogonality_residual(self.least_squares).item()
        self.rotation = self._best_rotation()

    def loss(self, matrix):
        """Return ``tr(W'GW) - 2 tr(W'C)``."""
        return ((self.variances * matrix - 2 * self.cross) * matrix).sum().item()

    def _best_rotation(self):
        """Return the best map with orthonormal rows or columns."""
        gram = self.variances[:, 0].diag()
        rotation = procrustes(gram, self.cross)
        if self.is_wide:
            return rotation
        # Power steps are slow in the end. A steep penalty leads on by Newton's.
        for steepness in _STEEPNESS:
            rotation = self.minimise(rotation, steepness * self.mean_variance).matrix
        return power_iteration(gram, self.cross, polar_factor(rotation))

    def solve(self, lam, start=None):
        """Return the best map whose distance from orthogonality is at most lam.

        Parameters
        ----------
        lam : float
            The bound; 0 asks for a rotation, infinity for least squares.

        start : DialSolution, default=None
            A solution at a bound nearby. None starts anew.

        Returns
        -------
        DialSolution
            The global optimum if the map is not tall; else the best of several local
            ones, where the certificate does not tell.
        """
        if lam >= self.largest_residual:
            return DialSolution(self.least_squares, 0.0, 0)
        if lam <= _ROUNDING:
            return DialSolution(self.rotation, torch.inf, 0)
        if start is not None and 0 < start.multiplier < torch.inf:
            return self._solve_from(start.matrix, lam, start.multiplier)
        return self._solve_from(self._best_start(lam), lam)

    def solve_certified(self, lam, start=None):
        """Return the best solution of up to four, and whether it is certified."""
        solution = self.solve(lam, start)
        if self.certificate(solution) >= _CERTIFIED * self.mean_variance:
            return solution, True
        multiplier = solution.multiplier
        if 0 < multiplier < torch.inf:
            starts = map(self.turned, [self.rotation, *self._arbitrary(lam)])
            found = [self._solve_from(begin, lam, multiplier) for begin in starts]
            solution = min([solution, *found], key=lambda end: self.loss(end.matrix))
        bound = _CERTIFIED * self.mean_variance
        return solution, self.certificate(solution) >= bound

    def _arbitrary(self, lam):
        """Return two maps within the bound that know nothing of the data."""
        generator = torch.Generator().manual_seed(0)
        for _ in range(2):
            values = torch.randn(
                self.cross.shape, generator=generator, dtype=self.cross.dtype
            )
            yield project_to_ball(values.to(self.cross), lam)

    def _best_start(self, lam):
        """Return the better one of two maps at the bound, turned."""
        share = min(1.0, lam / self.largest_residual)
        between = self.rotation + share * (self.least_squares - self.rotation)
        starts = (
            self.turned(project_to_ball(matrix, lam))
            for matrix in (self.least_squares, between)
        )
        return min(starts, key=self.loss)

    def turned(self, matrix):
        """Return a map followed by the rotation that lowers its loss most."""
        left, _, right = torch.linalg.svd(matrix.T @ self.cross)
        return matrix @ (left @ right)

    def minimise(self, matrix, multiplier, tolerance=_FINE):
        """Return the map of least penalised loss for a given multiplier.

        Parameters
        ----------
        matrix : Tensor of shape (n_inputs, n_outputs)
            Where to begin.

        multiplier : float
            The multiplier nu, at least 0.

        tolerance : float, default=1e-9
            Norm of the gradient, relative to that of the cross-covariance.

        Returns
        -------
        DialSolution
            The map.
        """
        if multiplier == 0:
            return DialSolution(self.least_squares, 0.0, 0)
        if multiplier == torch.inf:
            return DialSolution(self.rotation, torch.inf, 0)
        frame = self._frame(matrix)
        inner, n_steps = frame.newton(frame.enter(matrix), multiplier, tolerance)
        return DialSolution(frame.leave(inner), multiplier, n_steps)

    def _frame(self, matrix):
        """Return the coordinates in which a map is symmetric."""
        return (_WideFrame if self.is_wide else _TallFrame)(self, matrix)

    def _solve_from(self, matrix, lam, multiplier=None):
        """Find the multiplier for a bound."""
        if multiplier is None:
            pull = _excess_times(matrix)
            residual = self.cross - self.variances * matrix
            guess = (residual * pull).sum() / pull.square().sum()
            multiplier = max(guess.item(), 1e-3 * self.mean_variance)
        low, high, n_iter = 0.0, torch.inf, 0
        frame = self._frame(matrix)
        inner, tolerance = frame.enter(matrix), _COARSE
        for _ in range(_MOST_OUTER_STEPS):
            if frame.is_outworn(inner):
                matrix = frame.leave(inner)
                frame = self._frame(matrix)
                inner = frame.enter(matrix)
            inner, n_steps = frame.newton(inner, multiplier, tolerance)
            n_iter += n_steps
            residual = orthogonality_residual(inner).item()
            near = abs(residual - lam) <= _NEAR * lam
            if near and tolerance == _FINE:
                break
            tolerance = _FINE if abs(residual - lam) <= 1e-2 * lam else _COARSE
            if near:
                continue
            low, high = (multiplier, high) if residual > lam else (low, multiplier)
            tangent, rate = frame.tangent(inner, multiplier, residual)
            proposed = torch.inf
            if rate < 0:
                # One over the residual is nearly linear in the multiplier.
                proposed = multiplier + (residual / lam - 1) * residual / -rate
            if not low < proposed < high:
                proposed = _between(low, high, multiplier)
            if abs(proposed - multiplier) < multiplier / 2:
                inner = inner + (proposed - multiplier) * tangent
            multiplier = proposed
        solution = project_to_ball(frame.leave(inner), lam)
        return DialSolution(solution, multiplier, n_iter)

    def certificate(self, solution):
        """Return a number that is not negative if a solution is the best of all.

        Parameters
        ----------
        solution : DialSolution
            A stationary map.

        Returns
        -------
        float
            Lowest eigenvalue of ``G + nu (WW' - I)`` for a map that is not tall, where
            the test is sharp; of two sufficient tests the kinder one for a tall map.
        """
        matrix, multiplier = solution.matrix, solution.multiplier
        lowest = self.variances.min().item()
        if multiplier == 0:
            return lowest
        if multiplier == torch.inf:
            # A rotation of all inputs is optimal in closed form; others are not known.
            return 0.0 if self.is_wide else -torch.inf
        dual = multiplier * (matrix @ matrix.T)
        dual.diagonal().add_(self.variances[:, 0] - multiplier)
        sharp = torch.linalg.eigvalsh(dual)[0].item()
        if self.is_wide:
            return sharp
        excess = torch.linalg.eigvalsh(gram_excess(matrix))[0].item()
        return max(sharp, lowest + multiplier * excess)

    def duality_gap(self, solution, lam):
        """Return a bound on what a map that is not tall loses against the best one.

        Parameters
        ----------
        solution : DialSolution
            A map within the bound.

        lam : float
            The bound.

        Returns
        -------
        float
            Loss less the dual value; not a number where no bound is known.
        """
        matrix, multiplier = solution.matrix, solution.multiplier
        if multiplier in (0.0, torch.inf):
            return 0.0 if self.is_wide or multiplier == 0 else torch.nan
        if not self.is_wide:
            return torch.nan
        dual = multiplier * gram_excess(matrix)
        regularised = dual.clone()
        regularised.diagonal().add_(self.variances[:, 0])
        factor, failed = torch.linalg.cholesky_ex(regularised)
        if failed:
            return torch.nan
        explained = (self.cross * torch.cholesky_solve(self.cross, factor)).sum()
        value = -explained - dual.trace() - lam * dual.norm()
        return self.loss(matrix) - value.item()


def _between(low, high, multiplier):
    """Return a multiplier within a bracket where Newton's step left it."""
    if high == torch.inf:
        return 10 * multiplier
    return (low * high) ** 0.5 if low > 0 else multiplier / 10


def _excess_times(matrix):
    """Return half the gradient of half the squared distance from orthogonality."""
    excess = gram_excess(matrix)
    return excess @ matrix if len(matrix) <= matrix.shape[1] else matrix @ excess


class _Frame:
    """Newton's method in coordinates of the targets; subclasses know the Hessian."""

    def newton(self, matrix, multiplier, tolerance):
        """Return the map of least penalised loss, and the steps that it took."""
        excess = gram_excess(matrix)
        value = self._value(matrix, excess, multiplier)
        for step in range(_MOST_NEWTON_STEPS):
            gradient = self._gradient(matrix, excess, multiplier)
            size = gradient.norm().item() / self.cross_norm
            if size <= tolerance:
                return matrix, step
            self.prepare(matrix, multiplier)
            direction = self._solve_hessian(
                matrix, excess, multiplier, -gradient, min(0.1, size**0.5)
            )
            slope = (gradient * direction).sum().item()
            if slope > 0:
                direction, slope = -direction, -slope
            before = value
            matrix, excess, value = self._search(
                matrix, direction, slope, value, multiplier
            )
            # Under a steep penalty rounding ends the progress before the gradient.
            if size < _COARSE and before - value <= 1e-15 * abs(before):
                return matrix, step + 1
        return matrix, _MOST_NEWTON_STEPS

    def tangent(self, matrix, multiplier, residual):
        """Return the derivative of the map by the multiplier, and of its residual."""
        excess = gram_excess(matrix)
        pull = _excess_times(matrix)
        self.prepare(matrix, multiplier)
        tangent = self._solve_hessian(matrix, excess, multiplier, -pull, 1e-3)
        return tangent, 2 * (pull * tangent).sum().item() / residual

    def _value(self, matrix, excess, multiplier):
        """Return the penalised loss."""
        quadratic = ((self.variances * matrix - 2 * self.cross) * matrix).sum()
        return (quadratic + multiplier / 2 * excess.square().sum()).item()

    def _gradient(self, matrix, excess, multiplier):
        """Return half the gradient of the penalised loss."""
        pull = excess @ matrix if self.is_wide else matrix @ excess
        return self.variances * matrix - self.cross + multiplier * pull

    def _search(self, matrix, direction, slope, value, multiplier):
        """Shorten a step until the penalised loss falls enough."""
        length = 1.0
        while True:
            proposed = matrix + length * direction
            excess = gram_excess(proposed)
            reached = self._value(proposed, excess, multiplier)
            enough = value + 2e-4 * length * slope + 1e-14 * abs(value)
            if reached <= enough or length < 1e-8:
                return proposed, excess, reached
            length /= 2

    def _solve_hessian(self, matrix, excess, multiplier, right, tolerance):
        """Solve with half the Hessian by preconditioned conjugate gradients."""
        solution = torch.zeros_like(right)
        left_over = right.clone()
        scaled = self.precondition(left_over)
        direction = scaled
        product = (left_over * scaled).sum().item()
        enough = tolerance**2 * product
        for step in range(_MOST_CONJUGATE_STEPS):
            image = self.hessian(matrix, excess, multiplier, direction)
            curvature = (direction * image).sum().item()
            flat = 1e-14 * self.mean_variance * direction.square().sum().item()
            if curvature <= flat:
                return solution if step else direction
            length = product / curvature
            solution.add_(direction, alpha=length)
            left_over.sub_(image, alpha=length)
            scaled = self.precondition(left_over)
            previous, product = product, (left_over * scaled).sum().item()
            if product <= enough:
                break
            direction = scaled + product / previous * direction
        return solution


class _WideFrame(_Frame):
    """Targets turned such that a wide map is symmetric, then zero.

    Parameters
    ----------
    problem : DialProblem
        The problem.

    matrix : Tensor of shape (n_inputs, n_outputs)
        A map near those that are to be handled, of full rank.
    """

    is_wide = True

    def __init__(self, problem, matrix):
        left, _, self.turn = torch.linalg.svd(matrix)
        n_inputs = len(matrix)
        self.turn[:n_inputs] = left @ self.turn[:n_inputs]
        self.variances = problem.variances
        self.mean_variance, self.cross_norm = problem.mean_variance, problem.cross_norm
        self.cross = self.enter(problem.cross)

    def enter(self, matrix):
        """Return a map in the frame."""
        return matrix @ self.turn.T

    def leave(self, matrix):
        """Return a map of the frame in the problem's basis."""
        return matrix @ self.turn

    def is_outworn(self, matrix):
        """Tell whether a map of the frame is far from symmetric."""
        square = matrix[:, : len(matrix)]
        return (square - square.T).norm() > _SKEW * matrix.norm()

    def hessian(self, matrix, excess, multiplier, change):
        """Return half the Hessian times a change."""
        both = change @ matrix.T
        both = both + both.T
        return self.variances * change + multiplier * (excess @ change + both @ matrix)

    def prepare(self, matrix, multiplier):
        """Approximate the Hessian by that of a diagonal map: blocks of 2 x 2."""
        squares = matrix.square().sum(1)
        lengths = squares.sqrt()
        own = (self.variances[:, 0] + multiplier * (squares - 1))[:, None]
        # The exact diagonal is not negative at an optimum.
        own = torch.where(
            own > 0, own.clamp_min(1e-3 * self.variances.mean()), self.variances
        )
        diagonal = own + multiplier * squares
        coupling = multiplier * torch.outer(lengths, lengths)
        determinant = diagonal * diagonal.T - coupling.square()
        self._straight = diagonal.T / determinant
        self._crossed = coupling / determinant
        self._beside = 1 / own

    def precondition(self, gradient):
        """Return an approximate solution with the Hessian."""
        n_inputs = len(gradient)
        square = gradient[:, :n_inputs]
        solved = self._straight * square - self._crossed * square.T
        if gradient.shape[1] == n_inputs:
            return solved
        return torch.cat([solved, gradient[:, n_inputs:] * self._beside], 1)


class _TallFrame(_Frame):
    """The problem's own basis, with the Hessian of a tall orthonormal map nearby.

    Parameters
    ----------
    problem : DialProblem
        The problem.

    matrix : Tensor of shape (n_inputs, n_outputs)
        A map near those that are to be handled, of full rank.
    """

    is_wide = False

    def __init__(self, problem, matrix):
        self.variances, self.cross = problem.variances, problem.cross
        self.mean_variance, self.cross_norm = problem.mean_variance, problem.cross_norm
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        self._span = left @ right
        kept = self._span.T @ (self.variances * self._span)
        values, self._turn = torch.linalg.eigh((kept + kept.T) / 2)
        self._values = values.clamp_min(self.variances.min())[:, None]
        self._span_turned = self._span @ self._turn

    def enter(self, matrix):
        """Return a map in the frame: as it is."""
        return matrix

    leave = enter

    def is_outworn(self, matrix):
        """Tell whether a map has left the span for which the frame was made."""
        return (matrix - self._span @ (self._span.T @ matrix)).norm() > 0

    def hessian(self, matrix, excess, multiplier, change):
        """Return half the Hessian times a change."""
        both = change.T @ matrix
        both = both + both.T
        return self.variances * change + multiplier * (change @ excess + matrix @ both)

    def prepare(self, matrix, multiplier):
        """Take the Hessian of the orthonormal map: blocks of 2 x 2 on its span."""
        diagonal = (self._values + multiplier).expand(-1, len(self._values))
        determinant = diagonal * diagonal.T - multiplier**2
        self._straight = diagonal.T / determinant
        self._crossed = multiplier / determinant

    def precondition(self, gradient):
        """Return an approximate solution with the Hessian."""
        inside = self._span_turned.T @ gradient @ self._turn
        solved = self._straight * inside - self._crossed * inside.T
        solved = self._span_turned @ solved @ self._turn.T
        outside = (gradient - self._span @ (self._span.T @ gradient)) / self.variances
        return solved + outside - self._span @ (self._span.T @ outside)
