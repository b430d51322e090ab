# SPDX-License-Identifier: BSD-3-Clause
"""Trust-region Newton method for least squares near the orthonormal maps.

The map W has p rows (inputs) and q <= p columns. With a finite multiplier nu the
penalised loss

    ``tr(W'GW) - 2 tr(W'C) + nu / 2 ||W'W - I||^2``

is minimised over all maps; a bound on ``||W'W - I||`` is met by root-finding on nu.
Every step works in a frame in which W is a symmetric matrix above zeros, so that a
product with the Hessian takes two small matrix products and a good preconditioner is
known entry by entry.
"""

import math
from dataclasses import dataclass

import torch

from sktransform.alignment._orthogonal.projection import column_excess, moved_to_bound
from sktransform.runtime._linalg import inner, polar_factor, quick_eigh

# Most Newton steps for one multiplier, products with the Hessian in one step, and
# multipliers that are tried for one bound. They are caps on the work: a solution needs
# about 5, 30 and 5.
_MOST_NEWTON_STEPS = 40
_MOST_PRODUCTS = 100
_MOST_MULTIPLIERS = 40

# Multipliers next to the right one without progress, after which it is not sought on.
_MOST_STALLS = 4

# Expected decrease of the loss, in units of its size, at which a solution is accepted;
# the square root is the accuracy of predictions. For choosing a multiplier, for meeting
# a bound nearly, and for the end, of small and of large problems.
ROUGH, COARSE, _FINE, _FINE_OF_MANY = 3e-5, 1e-8, 1e-16, 1e-12

# Entries of a map from which a problem is large.
_MANY_ENTRIES = 10_000

# Curvatures are kept above this share of the mean variance in the preconditioner.
_FLOOR = 1e-8

# Changes of the loss below this share of its size are rounding.
_ROUNDING = 1e-13

# A bound is met if the loss changes by less, in units of its size.
_NEGLIGIBLE = 1e-13

# Share of the expected decrease with which a step is as good as foreseen.
_AS_FORESEEN = 0.7

# Keeps quotients of two zeros finite.
_TINY = 1e-300

# Above this multiplier, in units of the total variance, the penalty and the loss differ
# by more than single precision resolves.
_SINGLE_PRECISION = 1e4


@dataclass(frozen=True)
class TallProblem:
    """Second moments that a map onto as many dimensions or fewer is fitted to.

    - `variances` (n_inputs, 1): eigenvalues of G, positive, of sum 1.
    - `cross` (n_inputs, n_outputs): covariance C of inputs and targets, the inputs in
      the eigenbasis; ``n_outputs <= n_inputs``.
    """

    variances: torch.Tensor
    cross: torch.Tensor

    @property
    def size(self):
        """Size of the terms of the loss, against which rounding is measured."""
        return 1 + self.cross.norm().item()

    @property
    def is_large(self):
        """Whether the last digits of a solution would take long."""
        return self.cross.numel() > _MANY_ENTRIES

    @property
    def fine(self):
        """Expected decrease at which a solution is final, see `descended`."""
        return _FINE_OF_MANY if self.is_large else _FINE

    def loss(self, matrix):
        """Return ``tr(W'GW) - 2 tr(W'C)``."""
        return inner(self.variances * matrix - 2 * self.cross, matrix)

    def value(self, matrix, multiplier):
        """Return the loss with the penalty of a finite multiplier."""
        penalty = column_excess(matrix).square().sum().item()
        return self.loss(matrix) + multiplier / 2 * penalty

    def stationarity(self, matrix, multiplier):
        """Return the norm of ``GW - C + W Y``, relative to that of C.

        Y is ``nu (W'W - I)``; the best symmetric matrix for an infinite multiplier.
        """
        gradient = self.variances * matrix - self.cross
        if multiplier == math.inf:
            gradient = gradient - matrix @ symmetric_part(matrix.T @ gradient)
        else:
            gradient = gradient + multiplier * matrix @ column_excess(matrix)
        return (gradient.norm() / self.cross.norm()).item()


@dataclass(frozen=True)
class Descent:
    """The end of a minimisation: matrix, its value, steps, and whether it converged."""

    matrix: torch.Tensor
    value: float
    n_steps: int
    converged: bool


def symmetric_part(matrix):
    """Return the symmetric part of a square matrix."""
    return (matrix + matrix.T) / 2


def turned(matrix, cross):
    """Return a map followed by the rotation that lowers its loss most."""
    return matrix @ polar_factor(matrix.T @ cross)


class PenaltyFrame:
    """Coordinates at a map W in which it is ``[P; 0]`` with a symmetric P.

    The leading coordinates are the eigenvectors of ``A = G + nu (WW' - I)`` within the
    column space of W, the others those of G beside it. Coordinates have the shape
    (n_inputs, n_outputs).
    """

    def __init__(self, problem, matrix, multiplier, dtype):
        q, nu = matrix.shape[1], multiplier
        variances = problem.variances.to(dtype)
        left, values, right = torch.linalg.svd(matrix.to(dtype))
        span, beside = left[:, :q], left[:, q:]
        dual = symmetric_part(span.T @ (variances * span))
        dual.diagonal().add_(nu * (values.square() - 1))
        stiffness, turn = quick_eigh(dual)
        self._left = span @ turn
        self._right = right.T @ turn
        root, gram = (turn.T * values) @ turn, (turn.T * values.square()) @ turn
        if beside.shape[1]:
            outer = symmetric_part(beside.T @ (variances * beside))
            self._outer, outer_turn = quick_eigh(outer)
            self._left = torch.cat([self._left, beside @ outer_turn], 1)
            coupling = self._left[:, :q].T @ (variances * self._left[:, q:])
            excess = nu * gram
            excess.diagonal().sub_(nu)
            self._excess_turn = turn.T
            excess_values = nu * (values.square() - 1)
            self._set_outer(coupling, excess, excess_values, variances)
        self._n_inner, self._matrix, self._nu = q, matrix, nu
        self._cross, self._values, self._turn = problem.cross, values, turn
        self._set_inner(stiffness, root, gram, variances)
        gradient = problem.cross - problem.variances * matrix
        gradient = gradient - nu * matrix @ column_excess(matrix)
        # Rounding may be relative to the gradient, not to its terms.
        self.right_side = self.coordinates(gradient.to(dtype))

    def _set_inner(self, stiffness, root, gram, variances):
        """Prepare products within the column space, and inverses of 2 x 2 blocks."""
        floor = _FLOOR * variances.mean()
        straight = stiffness.abs().clamp_min(floor)[:, None]
        straight = straight + self._nu * gram.diagonal()
        crossed = self._nu * torch.outer(root.diagonal(), root.diagonal())
        determinant = straight * straight.T - crossed.square()
        determinant = determinant.clamp_min(floor * straight.minimum(straight.T))
        self._straight, self._crossed = straight.T / determinant, crossed / determinant
        self._stiffness, self._root = stiffness[:, None], root

    def _set_outer(self, coupling, excess, excess_values, variances):
        """Prepare products beside the column space."""
        floor = _FLOOR * variances.mean()
        sums = (self._outer[:, None] + excess_values).abs().clamp_min(floor)
        self._outer_inverse = 1 / sums
        self._outer, self._coupling = self._outer[:, None], coupling
        self._excess = excess

    def hessian(self, change):
        """Return the product with half the Hessian of the penalised loss."""
        inner_part, outer_part = change[: self._n_inner], change[self._n_inner :]
        product = inner_part @ self._root
        image = self._stiffness * inner_part
        image.addmm_(product + product.T, self._root, alpha=self._nu)
        if not len(outer_part):
            return image
        image.addmm_(self._coupling, outer_part)
        outer_image = self._outer * outer_part
        outer_image.addmm_(outer_part, self._excess)
        outer_image.addmm_(self._coupling.T, inner_part)
        return torch.cat([image, outer_image])

    def precondition(self, gradient):
        """Return nearly the solution with half the Hessian."""
        inner_part, outer_part = gradient[: self._n_inner], gradient[self._n_inner :]
        solved = self._straight * inner_part - self._crossed * inner_part.T
        if not len(outer_part):
            return solved
        outer_solved = (outer_part @ self._excess_turn) * self._outer_inverse
        return torch.cat([solved, outer_solved @ self._excess_turn.T])

    def moved(self, change):
        """Yield maps after a change in these coordinates, the cheapest first.

        The second is followed by its best turn, which has a closed form. Where C nearly
        vanishes it is large, and the part of the change that turns would then change
        lengths as well: the third map is that without this part.
        """
        yield self._matrix + self.direction(change)
        for part in (change, self._without_turn(change)):
            yield turned(self._matrix + self.direction(part), self._cross)

    def coordinates(self, matrix):
        """Return a matrix of the map's shape in the coordinates of the frame."""
        return self._left.T @ matrix @ self._right

    def direction(self, change):
        """Return a change in these coordinates as one of the map."""
        return (self._left @ change @ self._right.T).to(self._matrix.dtype)

    def _without_turn(self, change):
        """Return a change less the one that an infinitesimal turn of the outputs makes.

        In the eigenbasis of the symmetric matrix P each change of its block is, in one
        way, ``S + P T`` with a symmetric S and a skew-symmetric T.
        """
        block = change[: self._n_inner]
        skew = self._turn @ (block - block.T) @ self._turn.T
        values = self._values[:, None]
        skew = skew * (values / (values + values.T).clamp_min(_TINY))
        kept = change.clone()
        kept[: self._n_inner] -= self._turn.T @ skew @ self._turn
        return kept


def trust_region_step(frame, radius, accuracy):
    """Return nearly the best step of a quadratic model within a radius.

    Conjugate gradients by Steihaug (1983): they end on the radius, along a direction of
    no positive curvature, or where the residual is a given share of the first one.

    `radius`: bound on the preconditioned norm of the step; may be infinite.
    `accuracy`: share of the preconditioned norm of the residual at which to end.
    `decrease`: decrease of the loss by the model.
    `ends_on_radius`: whether the radius limited the step.

    Returned: step, decrease, length, ends_on_radius.
    """
    step, residual = torch.zeros_like(frame.right_side), frame.right_side.clone()
    direction = frame.precondition(residual)
    product = inner(residual, direction)
    enough, decrease = accuracy**2 * product, 0.0
    # Squares and product of the preconditioned norms of step and direction.
    step_square, mixed, direction_square = 0.0, 0.0, product
    for _ in range(_MOST_PRODUCTS):
        image = frame.hessian(direction)
        curvature = inner(direction, image)
        length = product / curvature if curvature > 0 else math.inf
        square = step_square + 2 * length * mixed + length**2 * direction_square
        if not square <= radius**2 or length == math.inf:
            if radius == math.inf:
                radius = math.sqrt(max(step_square, product))
                radius = math.sqrt(step_square) + radius
            room = radius**2 - step_square
            root = math.sqrt(mixed**2 + direction_square * room)
            length = (root - mixed) / direction_square
            step.add_(direction, alpha=length)
            decrease += 2 * length * product - length**2 * curvature
            return step, decrease, radius, True
        step.add_(direction, alpha=length)
        residual.sub_(image, alpha=length)
        decrease += length * product
        step_square = square
        scaled = frame.precondition(residual)
        previous, product = product, inner(residual, scaled)
        if product <= enough:
            break
        share = product / previous
        mixed = share * (mixed + length * direction_square)
        direction_square = product + share**2 * direction_square
        direction = scaled.add_(direction, alpha=share)
    return step, decrease, math.sqrt(step_square), False


def descended(frame_of, value_of, size, matrix, tolerance):
    """Return a local minimum near a start, by a trust-region Newton method.

    The end; not converged if progress ended or the cap was reached before.

    `frame_of`: takes a map to its frame.
    `value_of`: takes a map to the value that is to fall.
    `tolerance`: expected decrease at which to end, in units of the size.

    Shapes: matrix (n_inputs, n_outputs).
    """
    value, radius, previous = value_of(matrix), math.inf, math.inf
    for n_steps in range(_MOST_NEWTON_STEPS):
        frame = frame_of(matrix)
        expected = inner(frame.right_side, frame.precondition(frame.right_side))
        if expected <= tolerance * size:
            return Descent(matrix, value, n_steps, True)
        is_rounding = expected <= _ROUNDING * size
        if is_rounding and expected > previous / 4:
            return Descent(matrix, value, n_steps, True)
        previous = expected
        accuracy = min(0.1, (expected / size) ** 0.25)
        while True:
            step, decrease, length, is_cut = trust_region_step(frame, radius, accuracy)
            enough = value - _AS_FORESEEN * decrease
            proposed, reached = _best_of(frame.moved(step), value_of, enough)
            gain = value - reached
            if gain >= 0.1 * decrease or abs(decrease) <= _ROUNDING * size:
                break
            # The least value of a parabola along the step.
            slope = 2 * inner(frame.right_side, step)
            radius = min(max(slope / (2 * (slope - gain)), 0.05), 0.5) * length
            if radius**2 <= 1e-24 * previous:
                return Descent(matrix, value, n_steps, False)
        if gain > _AS_FORESEEN * decrease and is_cut:
            radius = 2 * length
        matrix, value = proposed, reached
    return Descent(matrix, value, _MOST_NEWTON_STEPS, False)


def _best_of(maps, value_of, enough):
    """Return the first map of a value low enough, or the best one, with its value."""
    best, least = None, math.inf
    for matrix in maps:
        value = value_of(matrix)
        if best is None or value < least:
            best, least = matrix, value
        if least <= enough:
            break
    return best, least


def penalised_map(problem, matrix, multiplier, tolerance=None):
    """Return the map of least penalised loss near a start.

    `tolerance`: expected decrease of the loss at which to end, in units of its size.
      None takes that of final solutions.

    Shapes: matrix (n_inputs, n_outputs).
    """
    tolerance = problem.fine if tolerance is None else tolerance
    is_coarse = tolerance >= _FINE_OF_MANY and multiplier <= _SINGLE_PRECISION
    dtype = torch.float32 if is_coarse else torch.float64
    return descended(
        lambda point: PenaltyFrame(problem, point, multiplier, dtype),
        lambda point: problem.value(point, multiplier),
        problem.size,
        matrix,
        tolerance,
    )


def bounded_map(problem, lam, matrix, multiplier=None):
    """Return a locally best map for a bound that least squares does not keep.

    `lam`: the bound on ``||W'W - I||``, positive and less than that of least squares.
    `multiplier`: a guess of the multiplier nu. None takes what suits the start best.

    Shapes: matrix (n_inputs, n_outputs) -> matrix (n_inputs, n_outputs), multiplier,
    n_steps.
    """
    if multiplier is None:
        multiplier = _suitable_multiplier(problem, matrix)
    low, high, n_steps, tolerance = 0.0, math.inf, 0, COARSE
    nearest, n_stalls = math.inf, 0
    for _ in range(_MOST_MULTIPLIERS):
        end = penalised_map(problem, matrix, multiplier, tolerance)
        matrix, n_steps = end.matrix, n_steps + end.n_steps
        residual = column_excess(matrix).norm().item()
        mismatch = residual / lam - 1
        cost = multiplier * lam**2 * abs(mismatch)
        if tolerance == problem.fine and (
            abs(mismatch) <= 1e-11
            or (abs(mismatch) <= 1e-6 and cost <= _NEGLIGIBLE * problem.size)
        ):
            break
        if tolerance > problem.fine and (abs(mismatch) <= 1e-2 or end.n_steps == 0):
            # On which side of the bound it is, a coarse solution does not tell.
            tolerance, low, high = problem.fine, 0.0, math.inf
            continue
        # Where curvature vanishes rounding ends the progress.
        n_stalls += abs(mismatch) <= 1e-5 and abs(mismatch) > nearest / 2
        nearest = min(nearest, abs(mismatch))
        if n_stalls >= _MOST_STALLS:
            break
        low, high = (multiplier, high) if residual > lam else (low, multiplier)
        if low > 0 and high / low - 1 <= 1e-15:
            break
        tangent, rate = _tangent(problem, matrix, multiplier, residual)
        proposed = math.nan
        if rate < 0:
            # One over the residual is nearly linear in the multiplier.
            proposed = multiplier + mismatch * residual / -rate
        if not low < proposed < high or not 0.02 < proposed / multiplier < 50:
            proposed = _between(low, high, multiplier)
        if abs(proposed - multiplier) < multiplier / 2:
            matrix = matrix + (proposed - multiplier) * tangent
        multiplier = proposed
    return moved_to_bound(matrix, lam), multiplier, n_steps


def _suitable_multiplier(problem, matrix):
    """Return the multiplier for which a map is nearest to being stationary."""
    pull = matrix @ column_excess(matrix)
    residual = problem.cross - problem.variances * matrix
    guess = inner(residual, pull) / max(inner(pull, pull), 1e-300)
    return max(guess, 1e-3 * problem.variances.mean().item())


def _between(low, high, multiplier):
    """Return a multiplier within a bracket where Newton's step left it."""
    if high == math.inf:
        return 10 * multiplier
    return math.sqrt(low * high) if low > 0 else multiplier / 10


def _tangent(problem, matrix, multiplier, residual):
    """Return the derivative of the map by the multiplier, and of its residual."""
    frame = PenaltyFrame(problem, matrix, multiplier, torch.float64)
    pull = matrix @ column_excess(matrix)
    frame.right_side = -frame.coordinates(pull)
    step = trust_region_step(frame, math.inf, 1e-3)[0]
    tangent = frame.direction(step)
    return tangent, 2 * inner(pull, tangent) / residual
