# SPDX-License-Identifier: BSD-3-Clause
"""Convex dual of bounded least squares onto as many dimensions.

With ``A = G + Y`` for the symmetric multiplier Y of ``WW' = I`` the best map of a bound
is ``W = A^-1 C``, and A is where

    ``tr(C'A^-1 C) + tr A + lam ||A - G||``

is least: a convex problem in one symmetric matrix, of the size of the inputs. Its
gradient is 0 where ``WW' - I`` is ``lam Y / ||Y||``, so that the bound is met, and the
multiplier of the bound is ``||Y|| / lam``.

Newton's method runs in the eigenbasis of A. There ``A^-1`` is a diagonal matrix: a
product with the Hessian is one matrix product, and the Hessian's diagonal is a good
preconditioner. Where C is nearly singular A is too, and the last digits are left to
Newton's method on the map itself.
"""

from dataclasses import dataclass

import torch

from sktransform.alignment._orthogonal.projection import moved_to_bound, weighted_values
from sktransform.runtime._linalg import conjugate_gradients, gram_matrix, inner

_MOST_NEWTON_STEPS = 20
_MOST_CONJUGATE_STEPS = 60
_MOST_GUESSES = 20

# Relative gradient that is enough to leave a multiplier for a better one.
_LOOSE = 0.1

# A step along which less than this share of the expected decrease is found is halved.
_ARMIJO = 1e-4

# Steps are not shortened further: where the dual is that nonlinear Newton's method on
# the map is quicker.
_SHORTEST = 1e-2

# Singular values of the cross-covariance are kept above this share of the largest.
# Those that are 0 leave a choice of rotations, and one is chosen by this rule.
_FLOOR = 1e-8


@dataclass(frozen=True)
class DualProblem:
    """What the dual needs to know of the data, in the eigenbasis of G.

    - `variances` (n_inputs,): eigenvalues of G, positive.
    - `cross` (n_inputs, n_inputs): covariance C of inputs and targets, of full rank.
    - `root` (n_inputs, n_inputs): the positive root of CC': what A is for a rotation.
    - `stretches` (n_inputs,): singular values of least squares.
    - `axes` (n_inputs, n_inputs): its left singular vectors.
    - `free_residual`: distance of least squares from orthogonality.
    - `unit`: what variances and covariances are measured in: their range then fits into
      single precision.
    """

    variances: torch.Tensor
    cross: torch.Tensor
    root: torch.Tensor
    stretches: torch.Tensor
    axes: torch.Tensor
    free_residual: float
    unit: float

    @classmethod
    def from_moments(cls, variances, cross, factors):
        """Return the problem, from a singular value decomposition of C."""
        unit = variances.mean().item()
        left, values, right = factors
        variances, cross, values = variances / unit, cross / unit, values / unit
        kept = values.clamp_min(_FLOOR * values[0])
        if (kept > values).any():
            cross = cross + (left * (kept - values)) @ right
        free = cross / variances[:, None]
        squares, axes = torch.linalg.eigh(free @ free.T)
        squares = squares.clamp_min(_FLOOR**2 * squares[-1])
        residual = (squares - 1).norm().item()
        root = (left * kept) @ left.T
        return cls(variances, cross, root, squares.sqrt(), axes, residual, unit)

    def guess(self, lam):
        """Return a multiplier for a bound, and A, as if K and G had the same axes.

        What G is along the axes of K is its harmonic mean close to least squares, and
        its arithmetic mean close to a rotation.
        """
        share = lam / self.free_residual
        weights = self.axes.square().T
        harmonic = 1 / (weights @ (1 / self.variances))
        stiffness = harmonic**share * (weights @ self.variances) ** (1 - share)
        multiplier = 2 * weighted_values(self.stretches, lam, stiffness)[1]
        weight = multiplier / (multiplier + 1)
        return multiplier, self.variances.diag().lerp(self.root, weight)


@dataclass(frozen=True)
class _Point:
    """A dual point in the eigenbasis of A.

    - `values` (n_inputs,): eigenvalues of A, positive.
    - `basis` (n_inputs, n_inputs): its eigenvectors.
    - `matrix` (n_inputs, n_outputs): the map ``A^-1 C``, its inputs in the eigenbasis.
    - `gram` (n_inputs, n_inputs): the map times its transposed.
    - `dual` (n_inputs, n_inputs): Y, which is A less G.
    - `size`: norm of Y.
    - `value`: ``tr(C'A^-1 C) + tr A``.
    """

    values: torch.Tensor
    basis: torch.Tensor
    matrix: torch.Tensor
    gram: torch.Tensor
    dual: torch.Tensor
    size: float
    value: float


def _point(problem, dual_matrix):
    """Return the point of a matrix A, or None if that is not positive definite."""
    values, basis = torch.linalg.eigh(dual_matrix)
    if values[0] <= 0:
        return None
    cross = basis.T @ problem.cross
    matrix = cross / values[:, None]
    dual = -(basis.T * problem.variances) @ basis
    dual.diagonal().add_(values)
    value = inner(matrix, cross) + values.sum().item()
    size = dual.norm().item()
    return _Point(values, basis, matrix, matrix @ matrix.T, dual, size, value)


def _point_of_inverse(problem, inverse, basis=None):
    """Return the point of the inverse of A, given in a basis."""
    factor, failed = torch.linalg.cholesky_ex(inverse)
    if failed:
        return None
    back = torch.eye(len(inverse)).to(inverse) if basis is None else basis.T
    root = torch.linalg.solve_triangular(factor, back, upper=False)
    return _point(problem, gram_matrix(root))


@dataclass(frozen=True)
class _Penalty:
    """The convex term in ``||Y||``: the bound's own, or that of a given multiplier.

    - `multiplier`: if given, the term is ``||Y||^2 / (2 nu)`` instead of ``lam ||Y||``.
    """

    lam: float
    multiplier: float | None = None

    def value(self, size):
        """Return the term."""
        if self.multiplier is None:
            return self.lam * size
        return size**2 / (2 * self.multiplier)

    def rate(self, size):
        """Return its derivative by Y as a multiple of Y."""
        return self.lam / size if self.multiplier is None else 1 / self.multiplier


def bounded_by_dual(problem, lam, starts=(), tolerance=1e-9):
    """Return the best map for a bound that least squares does not keep.

    `lam`: the bound, positive and less than that of least squares.
    `starts`: inverses of A that bounds nearby suggest, the best first. They need not be
      positive definite.
    `tolerance`: norm of the gradient as a share of the bound. The loss is closer to the
      best by orders of magnitude: its error is of second order.
    `multiplier`: the multiplier nu of the bound.
    `inverse`: the inverse of A, to start from.

    Shapes: starts list of (n_inputs, n_inputs) -> matrix (n_inputs,
    n_inputs), multiplier, inverse (n_inputs, n_inputs), n_steps.
    """
    point, n_steps = _beyond_the_kink(problem, lam, starts)
    point, n_more = _newton(problem, point, _Penalty(lam), tolerance)
    matrix = moved_to_bound(point.basis @ point.matrix, lam)
    inverse = (point.basis / point.values) @ point.basis.T
    return matrix, problem.unit * point.size / lam, inverse, n_steps + n_more


def _beyond_the_kink(problem, lam, starts):
    """Return a point with a lower value than the kink of ``||A - G||`` at A = G.

    From there Newton's method on the bound's own problem goes down, and never meets the
    kink. It is found by a multiplier, for which the problem is smooth: one over the
    distance from orthogonality is nearly linear in the multiplier.
    """
    at_kink = (problem.cross.square() / problem.variances[:, None]).sum().item()
    at_kink += problem.variances.sum().item()

    def is_beyond(point):
        return point.value + lam * point.size < at_kink

    for start in starts:
        point = _point_of_inverse(problem, start)
        if point is not None and is_beyond(point):
            return point, 0
    multiplier, dual_matrix = problem.guess(lam)
    point, n_steps = _point(problem, dual_matrix), 0
    for _ in range(_MOST_GUESSES):
        # Within rounding of least squares no value is lower than that of the kink.
        if is_beyond(point):
            break
        penalty = _Penalty(lam, multiplier)
        point, n_more = _newton(problem, point, penalty, _LOOSE)
        n_steps += n_more
        reached = 1 / _residual(point.gram) - 1 / problem.free_residual
        wanted = 1 / lam - 1 / problem.free_residual
        multiplier *= min(max(wanted / reached, 0.1), 10) if reached > 0 else 0.1
    return point, n_steps


def _residual(gram):
    """Return the distance from orthogonality."""
    excess = gram.clone()
    excess.diagonal().sub_(1)
    return excess.norm().item()


def _newton(problem, point, penalty, tolerance):
    """Lower the dual problem's value until the gradient is small."""
    best = torch.inf
    for step in range(_MOST_NEWTON_STEPS):
        rate = penalty.rate(point.size)
        downhill = point.gram - rate * point.dual
        downhill.diagonal().sub_(1)
        # At Y = 0 there is nothing to be relative to.
        norm = downhill.norm().item()
        length = norm / max(rate * point.size, 0.01 * norm, 1e-300)
        # Rounding ends the progress where C is nearly of lower rank.
        if length <= tolerance or (best <= 1e-6 and length > best / 2):
            return point, step
        best = min(best, length)
        # As accurate as a quadratic convergence can use, and as the end asks for.
        accuracy = max(min(0.1, length), 0.1 * tolerance / length)
        change = _newton_direction(point, penalty, downhill, accuracy)
        moved = _step(problem, point, penalty, change, inner(downhill, change))
        if moved is point:
            return point, step + 1
        point = moved
    return point, _MOST_NEWTON_STEPS


def _step(problem, point, penalty, change, slope):
    """Return the next point along a direction.

    The step is a straight line for the map, as that is for the inverse of A. A straight
    line for A itself often leaves the definite matrices.
    """
    scaled = change / torch.outer(point.values, point.values)
    value = point.value + penalty.value(point.size)
    length = 1.0
    while length > _SHORTEST:
        inverse = -length * scaled
        inverse.diagonal().add_(1 / point.values)
        proposed = _point_of_inverse(problem, inverse, point.basis)
        if proposed is not None:
            reached = proposed.value + penalty.value(proposed.size)
            expected = _ARMIJO * length * slope
            if reached <= value - expected + 1e-14 * abs(value):
                return proposed
        length /= 2
    return point


def _newton_direction(point, penalty, right, tolerance):
    """Solve with the Hessian by preconditioned conjugate gradients.

    Single precision is enough for the few digits of a direction, and twice as fast,
    as long as it holds the range of the numbers.
    """
    rate = penalty.rate(point.size)
    is_moderate = max(rate, 1 / point.values[0].item()) < 1e12
    dtype = torch.float32 if is_moderate else torch.float64
    inverse, gram, right = (
        tensor.to(dtype) for tensor in (1 / point.values, point.gram, right)
    )
    inverse = inverse[:, None]
    radial = None
    if penalty.multiplier is None:
        radial = (point.dual / point.size).to(dtype)
    diagonal = inverse * gram.diagonal()
    scaling = 1 / (diagonal + diagonal.T + rate)

    def hessian(change):
        half = (change * inverse) @ gram
        image = half + half.T
        image.add_(change, alpha=rate)
        if radial is not None:
            image.add_(radial, alpha=-rate * inner(radial, change))
        return image

    return conjugate_gradients(
        hessian, scaling.mul, right, tolerance, _MOST_CONJUGATE_STEPS
    ).to(torch.float64)
