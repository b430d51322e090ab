# SPDX-License-Identifier: BSD-3-Clause
"""Least squares near the rotations, onto fewer dimensions: Newton's method on the map.

A stationary map of multiplier nu satisfies ``G W - C + W Y = 0`` with the symmetric
``Y = nu (W'W - I)``; one with orthonormal columns the same with any symmetric Y. Both
are found by the same steps: along the tangent space of the orthonormal maps if nu is
infinite, with a penalty on leaving it if nu is finite.

Which directions of the inputs are given up makes the problem non-convex. There is no
certificate for small bounds, and several starts are compared.
"""

from dataclasses import dataclass

import torch

from sktransform.alignment._orthogonal_ball import gram_excess, orthogonality_residual
from sktransform.runtime._linalg import conjugate_gradients, polar_factor

_MOST_NEWTON_STEPS = 60
_MOST_CONJUGATE_STEPS = 80
_MOST_OUTER_STEPS = 40

# Relative gradient at which Newton's method ends while the multiplier is sought, and
# for maps with orthonormal columns.
_COARSE, _FINE = 1e-5, 1e-9


# Relative distance from the bound that is near enough for the last short move.
_NEAR = 1e-6


@dataclass(frozen=True)
class TallProblem:
    """What a tall map is fitted to.

    Parameters
    ----------
    variances : Tensor of shape (n_inputs, 1)
        Eigenvalues of G, positive.

    cross : Tensor of shape (n_inputs, n_outputs)
        Covariance C of inputs and targets, the inputs in the eigenbasis.
    """

    variances: torch.Tensor
    cross: torch.Tensor

    def loss(self, matrix):
        """Return ``tr(W'GW) - 2 tr(W'C)``."""
        return ((self.variances * matrix - 2 * self.cross) * matrix).sum().item()

    def value(self, matrix, multiplier):
        """Return the loss with the penalty of a finite multiplier."""
        if multiplier == torch.inf:
            return self.loss(matrix)
        squares = gram_excess(matrix).square().sum().item()
        return self.loss(matrix) + multiplier / 2 * squares

    def dual(self, matrix, multiplier):
        """Return the symmetric matrix Y that goes with a map."""
        if multiplier != torch.inf:
            return multiplier * gram_excess(matrix)
        return _symmetric(matrix.T @ (self.cross - self.variances * matrix))


def tall_rotation(problem, start=None):
    """Return the best map with orthonormal columns.

    Parameters
    ----------
    problem : TallProblem
        The problem.

    start : Tensor of shape (n_inputs, n_outputs), default=None
        The solution of a problem that is nearly the same, to begin there alone.

    Returns
    -------
    Tensor of shape (n_inputs, n_outputs)
        The best end of three starts: two closed forms, and one that knows nothing.
    """
    if start is not None:
        return minimised(problem, polar_factor(start), torch.inf, _FINE)[0]
    generator = torch.Generator().manual_seed(0)
    cross = problem.cross
    arbitrary = torch.randn(cross.shape, generator=generator, dtype=cross.dtype)
    starts = cross, cross / problem.variances, arbitrary.to(cross)
    ends = [
        minimised(problem, polar_factor(start), torch.inf, _FINE)[0] for start in starts
    ]
    return min(ends, key=problem.loss)


def tall_map(problem, lam, matrix, multiplier=None, tolerance=1e-9):
    """Return a locally best map for a bound that least squares does not keep.

    Parameters
    ----------
    problem : TallProblem
        The problem.

    lam : float
        The bound, positive and less than that of least squares.

    matrix : Tensor of shape (n_inputs, n_outputs)
        Where to begin.

    multiplier : float, default=None
        A guess of the multiplier nu. None takes what suits the start best.

    tolerance : float, default=1e-9
        Norm of the gradient, relative to that of the cross-covariance, and distance
        from the bound, relative to that.

    Returns
    -------
    matrix : Tensor of shape (n_inputs, n_outputs)
        The map.

    multiplier : float
        The multiplier.

    n_steps : int
        Newton steps.
    """
    if multiplier is None:
        pull = matrix @ gram_excess(matrix)
        residual = problem.cross - problem.variances * matrix
        guess = (residual * pull).sum() / pull.square().sum()
        multiplier = max(guess.item(), 1e-3 * problem.variances.mean().item())
    low, high, n_steps = 0.0, torch.inf, 0
    now = max(_COARSE, tolerance)
    for _ in range(_MOST_OUTER_STEPS):
        matrix, n_more = minimised(problem, matrix, multiplier, now)
        n_steps += n_more
        residual = orthogonality_residual(matrix).item()
        distance = abs(residual - lam) / lam
        if now == tolerance and distance <= max(_NEAR, tolerance):
            break
        if now > tolerance and distance <= 1e-2:
            # On which side of the bound this is, a rough solution cannot tell.
            now = tolerance
            continue
        low, high = (multiplier, high) if residual > lam else (low, multiplier)
        tangent, rate = _tangent(problem, matrix, multiplier, residual)
        proposed = torch.inf
        if rate < 0:
            # One over the residual is nearly linear in the multiplier.
            proposed = multiplier + (residual / lam - 1) * residual / -rate
        if not low < proposed < high:
            proposed = _between(low, high, multiplier)
        if abs(proposed - multiplier) < multiplier / 2:
            matrix = matrix + (proposed - multiplier) * tangent
        multiplier = proposed
    return matrix, multiplier, n_steps


def _between(low, high, multiplier):
    """Return a multiplier within a bracket where Newton's step left it."""
    if high == torch.inf:
        return 10 * multiplier
    return (low * high) ** 0.5 if low > 0 else multiplier / 10


def minimised(problem, matrix, multiplier, tolerance):
    """Return the map of least penalised loss near a start, and the steps to it.

    Parameters
    ----------
    problem : TallProblem
        The problem.

    matrix : Tensor of shape (n_inputs, n_outputs)
        Where to begin; its columns are orthonormal if the multiplier is infinite.

    multiplier : float
        The multiplier nu, positive; infinity keeps the columns orthonormal.

    tolerance : float
        Norm of the gradient, relative to that of the cross-covariance.

    Returns
    -------
    matrix : Tensor of shape (n_inputs, n_outputs)
        The map.

    n_steps : int
        Newton steps.
    """
    value = problem.value(matrix, multiplier)
    cross_norm = problem.cross.norm().item()
    for step in range(_MOST_NEWTON_STEPS):
        dual = problem.dual(matrix, multiplier)
        downhill = problem.cross - problem.variances * matrix - matrix @ dual
        size = downhill.norm().item() / cross_norm
        if size <= tolerance:
            return matrix, step
        direction = _solve_hessian(
            problem, matrix, dual, multiplier, downhill, min(0.1, size**0.5)
        )
        slope = 2 * (downhill * direction).sum().item()
        before = value
        matrix, value = _line_search(
            problem, matrix, direction, multiplier, value, slope
        )
        # Under a steep penalty rounding ends the progress before the gradient.
        if size < _COARSE and before - value <= 1e-15 * abs(before):
            return matrix, step + 1
    return matrix, _MOST_NEWTON_STEPS


def _line_search(problem, matrix, direction, multiplier, value, slope):
    """Shorten a step until the penalised loss falls enough."""
    length = 1.0
    while True:
        proposed = matrix + length * direction
        if multiplier == torch.inf:
            proposed = polar_factor(proposed)
        reached = problem.value(proposed, multiplier)
        enough = value - 1e-4 * length * slope + 1e-14 * abs(value)
        if reached <= enough or length < 1e-8:
            return proposed, reached
        length /= 2


def _tangent(problem, matrix, multiplier, residual):
    """Return the derivative of the map by the multiplier, and of its residual."""
    dual = problem.dual(matrix, multiplier)
    pull = matrix @ dual / multiplier
    tangent = _solve_hessian(problem, matrix, dual, multiplier, -pull, 1e-3)
    return tangent, 2 * (pull * tangent).sum().item() / residual


def _solve_hessian(problem, matrix, dual, multiplier, right, tolerance):
    """Solve with half the Hessian of the penalised loss."""

    def hessian(change):
        image = problem.variances * change + change @ dual
        if multiplier == torch.inf:
            return image - matrix @ _symmetric(matrix.T @ image)
        both = change.T @ matrix
        return image + matrix @ (multiplier * (both + both.T))

    return conjugate_gradients(
        hessian,
        _Preconditioner(problem, matrix, dual, multiplier),
        right,
        tolerance,
        _MOST_CONJUGATE_STEPS,
    )


class _Preconditioner:
    """The inverse Hessian of the nearest orthonormal map, but for a coupling.

    What is left out couples changes within the span of the columns to those out of it.

    Parameters
    ----------
    problem : TallProblem
        The problem.

    matrix : Tensor of shape (n_inputs, n_outputs)
        The map.

    dual : Tensor of shape (n_outputs, n_outputs)
        The matrix Y that goes with it.

    multiplier : float
        The multiplier nu, may be infinite.
    """

    def __init__(self, problem, matrix, dual, multiplier):
        n_outputs = matrix.shape[1]
        left, _, right = torch.linalg.svd(matrix)
        span, beside = left[:, :n_outputs] @ right, left[:, n_outputs:]
        floor = 1e-3 * problem.variances.mean()
        gram = span.T @ (problem.variances * span)
        sums, self._turn = torch.linalg.eigh(_symmetric(gram + dual))
        self._span = span @ self._turn
        self._set_blocks(sums, (self._turn * (dual @ self._turn)).sum(0), floor)
        self._set_stiffness(multiplier)
        outer = beside.T @ (problem.variances * beside)
        outer_values, outer_turn = torch.linalg.eigh(_symmetric(outer))
        dual_values, self._dual_turn = torch.linalg.eigh(_symmetric(dual))
        self._beside = beside @ outer_turn
        self._outer = (outer_values[:, None] + dual_values).abs().clamp_min(floor)

    def _set_blocks(self, sums, own, floor):
        """Set the Hessian within the span: half sums of an entry and its mirror."""
        self._half_sum = ((sums[:, None] + sums) / 2).abs().clamp_min(floor)
        # An entry i, j has the stiffness G_ii + Y_jj.
        self._half_difference = (sums[:, None] - sums) / 2 - (own[:, None] - own)

    def _set_stiffness(self, multiplier):
        """Invert the blocks of 2 x 2 that the penalty makes of mirrored entries."""
        half, difference = self._half_sum, self._half_difference
        if multiplier == torch.inf:
            self._straight = self._crossed = 1 / (2 * half)
            return
        determinant = half * (half + 2 * multiplier)
        bound = (0.9 * determinant).sqrt()
        difference = torch.minimum(difference, bound).maximum(-bound)
        determinant = determinant - difference.square()
        self._straight = (half + multiplier - difference) / determinant
        self._crossed = multiplier / determinant

    def __call__(self, gradient):
        """Return an approximate solution with the Hessian."""
        inside = self._span.T @ gradient @ self._turn
        solved = self._straight * inside - self._crossed * inside.T
        outside = self._beside.T @ gradient @ self._dual_turn / self._outer
        return (
            self._span @ solved @ self._turn.T
            + self._beside @ outside @ self._dual_turn.T
        )


def _symmetric(matrix):
    """Return the symmetric part."""
    return (matrix + matrix.T) / 2
