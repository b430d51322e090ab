# SPDX-License-Identifier: BSD-3-Clause
"""Least squares within a distance of the orthogonal maps, solved on second moments.

G is diagonal here: inputs come in its eigenbasis. Targets that outnumber the inputs are
first written in a basis of the rows of C, because the best map has its rows there.
Onto as many dimensions the problem is convex and starts from its dual; onto fewer
dimensions it is solved from several starts. The last digits come from Newton's method
on the map in both cases.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch

from sktransform.alignment._orthogonal.certificate import lower_bound
from sktransform.alignment._orthogonal.convex_dual import DualProblem, bounded_by_dual
from sktransform.alignment._orthogonal.newton import (
    COARSE,
    ROUGH,
    TallProblem,
    bounded_map,
    penalised_map,
    turned,
)
from sktransform.alignment._orthogonal.projection import (
    moved_to_bound,
    orthogonality_residual,
    project_to_ball,
    values_at,
)
from sktransform.alignment._orthogonal.rotation import (
    approximate_orthonormal,
    best_orthonormal,
)
from sktransform.runtime._linalg import polar_factor

# Bounds below this are 0, and those within this share of least squares' are inactive.
_ROUNDING, _AS_FREE = 1e-12, 1e-7

# Residual of least squares below which it is a rotation.
_AS_ROTATION = 1e-9

# Duality gap, in units of the loss's size, at which a solution is certified, and at
# which the dual's solution needs no further steps; the same for stationarity.
CERTIFIED, _ACCURATE = 1e-8, 1e-11
_STATIONARY = 1e-5

# Solutions of a path that the next one is foreseen from.
_FOLLOWED = 3

# Entries of a map up to which this many arbitrary starts are added where no certificate
# is found: local solutions are many in few dimensions, and cheap.
_MANY_STARTS = ((64, 24), (1024, 6), (math.inf, 2))

# Multipliers on the way from least squares to a solution, as shares of the last one.
_PATH_SHARES = tuple(10.0**power for power in range(-6, 1))

# Singular values of C below this share of the largest leave a choice of rotations.
_RANK_SHARE = 1e-13


@dataclass(frozen=True)
class BoundedSolution:
    """A map at one bound.

    - `matrix` (n_inputs, n_outputs): the map, multiplied from the right.
    - `multiplier`: Lagrange's multiplier nu; infinite for a rotation, 0 for least
      squares.
    - `core` (n_inputs, min(n_inputs, n_outputs)): the map in the basis in which it was
      solved for.
    - `inverse` (n_inputs, n_inputs): the inverse of G plus the bound's dual matrix, if
      the dual was solved.
    """

    matrix: torch.Tensor
    multiplier: float
    n_iter: int
    lam: float
    core: torch.Tensor
    inverse: torch.Tensor | None = None


class BoundedProblem:
    """Least squares under a bound on ``||WW' - I||`` (``||W'W - I||`` if W is tall).

    - `variances` (n_inputs,): positive variances of inputs that are uncorrelated: G is
      their diagonal matrix.
    - `cross` (n_inputs, n_outputs): covariance C of inputs and targets.
    - `reference` (n_inputs, n_outputs): a fixed matrix that rotations resemble where
      the data leave a choice. None takes pseudo-random numbers that are always the
      same.
    - `rotation_nearby`: returns the best rotation of nearly the same data, a start
      where there is no closed form.
    """

    def __init__(self, variances, cross, reference=None, rotation_nearby=None):
        self.variances, self.cross = variances[:, None], cross
        if reference is None:
            reference = fixed_matrix(cross)
        self._basis, core_cross = _row_basis(cross, reference)
        self._unit = variances.sum().item()
        self._core = TallProblem(self.variances / self._unit, core_cross / self._unit)
        self.is_convex = core_cross.shape[0] == core_cross.shape[1]
        self._reference = reference @ self._basis
        self._rotation_nearby = rotation_nearby
        self._least_squares = self._core.cross / self._core.variances
        self.largest_residual = orthogonality_residual(self._least_squares).item()

    @property
    def least_squares(self):
        """The map of least squared error."""
        return self._least_squares @ self._basis.T

    @property
    def is_rotation(self):
        """Whether least squares is a rotation, so that bounds make no difference."""
        return self.largest_residual <= _AS_ROTATION

    @property
    def is_unique(self):
        """Whether no other rotation is as good."""
        values = self._factors[1]
        return bool(values[-1] > _RANK_SHARE * values[0])

    @cached_property
    def _factors(self):
        """Singular value decomposition of C, rank-deficient parts paired by a rule.

        The product of the singular vectors is the rotation nearest to the reference
        where C leaves a choice.
        """
        left, values, right = torch.linalg.svd(self._core.cross, full_matrices=False)
        is_null = values <= _RANK_SHARE * values[0]
        if is_null.any():
            free = left[:, is_null].T @ self._reference @ right[is_null].T
            right[is_null] = polar_factor(free) @ right[is_null]
        return left, values, right

    @cached_property
    def _dual(self):
        return DualProblem.from_moments(
            self._core.variances[:, 0], self._core.cross, self._factors
        )

    @cached_property
    def _polar(self):
        """Orthogonal factor of C."""
        left, _, right = self._factors
        return left @ right

    @cached_property
    def _rotation(self):
        """The best map with orthonormal columns, in the core's basis."""
        if self.is_convex:
            return self._polar
        if self._rotation_nearby is not None:
            starts = [polar_factor(self._rotation_nearby() @ self._basis)]
        else:
            weights = (self._core.variances**power for power in (-0.5, -1))
            weighted = (polar_factor(self._core.cross * weight) for weight in weights)
            starts = [self._polar, *weighted]
        return best_orthonormal(self._core, starts).matrix

    @property
    def rotation(self):
        """The best map with orthonormal rows or columns."""
        return self._rotation @ self._basis.T

    def approximate_rotation(self, near=None):
        """Return a rotation nearly as good as the best one, near another if given."""
        if self.is_convex:
            return self.rotation
        if near is None:
            near = polar_factor(self._core.cross * self._core.variances**-0.5)
        else:
            near = near @ self._basis
        return approximate_orthonormal(self._core, near) @ self._basis.T

    def loss(self, matrix):
        """Return ``tr(W'GW) - 2 tr(W'C)``."""
        return ((self.variances * matrix - 2 * self.cross) * matrix).sum().item()

    def solve(self, lam, near=(), *, is_exact=True):
        """Return the best map whose distance from orthogonality is at most lam.

        The global optimum if the problem is convex; else a local one.

        `lam`: the bound; 0 asks for a rotation, infinity for least squares.
        `is_exact`: whether the last digits of the map matter, not those of the loss
          alone.
        """
        if lam >= (1 - _AS_FREE) * self.largest_residual:
            core = self._least_squares
            if lam < self.largest_residual:
                core = moved_to_bound(core, lam)
            return self._solution(core, 0.0, 0, lam)
        if lam <= _ROUNDING or self.is_rotation:
            return self._solution(self._rotation, math.inf, 0, lam)
        near = [other for other in near if 0 < other.multiplier < math.inf]
        if self.is_convex:
            return self._solve_convex(lam, near, is_exact)
        if near:
            start, multiplier = near[-1].core, near[-1].multiplier / self._unit
        else:
            start, multiplier = self._best_start(lam), None
        return self._from(start, lam, multiplier)

    def _solution(self, core, multiplier, n_steps, lam, inverse=None):
        """Return a solution in the problem's own coordinates and units."""
        core = self._settled(core)
        matrix = core @ self._basis.T
        multiplier = multiplier * self._unit
        return BoundedSolution(matrix, multiplier, n_steps, lam, core, inverse)

    def _settled(self, core):
        """Return a map, turned towards the reference where C leaves a choice.

        Target directions that C does not reach may be turned into each other.
        """
        if self.is_unique:
            return core
        _, values, right = self._factors
        free = right[values <= _RANK_SHARE * values[0]].T
        part = core @ free
        turn = polar_factor(part.T @ self._reference @ free)
        return core + part @ (turn @ free.T - free.T)

    def _solve_convex(self, lam, near, is_exact):
        """Return the solution by the dual, and by the map itself where that fails."""
        starts = _extrapolated(near, lam)
        tolerance, accepted = (1e-9, _ACCURATE) if is_exact else (1e-5, CERTIFIED)
        core, multiplier, inverse, n_steps = bounded_by_dual(
            self._dual, lam, starts, tolerance
        )
        # The only spurious solutions have a wrong orientation: they are turned.
        for _ in range(2):
            bound = lower_bound(self._core, core, multiplier, lam)
            if self._core.loss(core) - bound <= accepted * self._core.size:
                break
            core, multiplier, more = bounded_map(
                self._core, lam, self._turned(core), multiplier
            )
            n_steps += more
        return self._solution(core, multiplier, n_steps, lam, inverse)

    def _from(self, core, lam, multiplier=None):
        """Return the local solution that is found from a start."""
        return self._solution(*bounded_map(self._core, lam, core, multiplier), lam)

    def path(self, lams):
        """Yield solutions for falling bounds, each from those before.

        Their loss agrees with that of :meth:`solve` to about 1e-8 of the target's
        variance, the map itself to about 1e-3.
        """
        near = []
        for lam in lams:
            near = [*near[1 - _FOLLOWED :], self.solve(lam, near, is_exact=False)]
            yield near[-1]

    def penalised_path(self, multipliers):
        """Yield maps of least loss plus ``nu / 2`` times the squared distance.

        They are accurate to about 1e-5 of the target's variance.

        `multipliers`: the multipliers nu in rising order, from 0 (least squares) to
          infinity (a rotation).
        """
        core, is_first = self._least_squares, True
        for multiplier in multipliers:
            nu = multiplier / self._unit
            if nu == math.inf or self.is_rotation:
                core = self._rotation
            elif nu > 0:
                core = self._shrunk(nu) if is_first else core
                core = penalised_map(self._core, core, nu, ROUGH).matrix
                is_first = False
            lam = orthogonality_residual(core).item()
            yield self._solution(core, nu, 0, lam)

    def _shrunk(self, nu):
        """Return least squares, its singular values shrunk as along G's own axes."""
        left, values, right = torch.linalg.svd(self._least_squares, full_matrices=False)
        stiffness = 1 / (left.square() / self._core.variances).sum(0)
        return (left * values_at(values, nu / (2 * stiffness))) @ right

    def solve_penalised(self, multiplier, start):
        """Return the best map for a positive, finite multiplier, near another map.

        The solution for the bound that its own distance from orthogonality is.

        Shapes: start (n_inputs, n_outputs).
        """
        nu, n_steps = multiplier / self._unit, 0
        core = self._turned(start @ self._basis)
        for tolerance in (COARSE, None):
            end = penalised_map(self._core, core, nu, tolerance)
            core, n_steps = end.matrix, n_steps + end.n_steps
        lam = orthogonality_residual(core).item()
        return self._solution(core, nu, n_steps, lam)

    def solve_certified(self, lam, near=()):
        """Return the best solution of several for a bound, see :meth:`certified`."""
        return self.certified(self.solve(lam, near))

    def certified(self, solution):
        """Return a solution or a better one, and bounds on its distance from the best.

        `solution` (returned): the best of it and those from other starts, which are
          tried if it is not known to be the best.
        `gap`: how much lower the loss of another map within the bound could be;
          infinite if that is not known.

        Returned: solution, gap, is_certified.
        """
        lam = solution.lam
        gap = self.duality_gap(solution, lam)
        if not self.is_convex and gap > self.tolerance(solution):
            solution = min(
                [solution, *self._others(solution, lam)],
                key=lambda end: self._core.loss(end.core),
            )
            gap = self.duality_gap(solution, lam)
        is_certified = gap <= self.tolerance(solution) and self.is_stationary(solution)
        return solution, gap, is_certified

    def _others(self, solution, lam):
        """Yield solutions from other starts, where several local ones may exist."""
        if self._core.is_large:
            return
        n_entries = self._core.cross.numel()
        n_starts = next(n for most, n in _MANY_STARTS if n_entries <= most)
        arbitrary = self._arbitrary(n_starts)
        if solution.multiplier == math.inf:
            for start in arbitrary:
                end = best_orthonormal(self._core, [polar_factor(start)])
                yield self._solution(end.matrix, math.inf, end.n_steps, lam)
            return
        if solution.multiplier == 0:
            return
        nu = solution.multiplier / self._unit
        value = self._core.value(solution.core, nu)
        for start in (self._followed(nu), self._rotation, *arbitrary):
            end = penalised_map(self._core, self._turned(start), nu, COARSE)
            # A better map within the bound has a lower penalised loss.
            if end.value < value - _ACCURATE * self._core.size:
                yield self._from(end.matrix, lam, nu)

    def _followed(self, nu):
        """Return the end of a path from least squares, where solutions are certain."""
        core = self._least_squares
        for share in _PATH_SHARES:
            core = penalised_map(self._core, core, share * nu, COARSE).matrix
        return core

    def _arbitrary(self, n_starts):
        """Yield maps that know nothing of the data, the same at each call."""
        cross = self._core.cross
        generator = torch.Generator().manual_seed(0)
        for _ in range(n_starts):
            values = torch.randn(cross.shape, generator=generator, dtype=cross.dtype)
            yield values.to(cross)

    def _best_start(self, lam):
        """Return the better one of two maps at the bound, turned."""
        share = min(1.0, lam / self.largest_residual)
        between = self._rotation + share * (self._least_squares - self._rotation)
        starts = (
            self._turned(project_to_ball(matrix, lam))
            for matrix in (self._least_squares, between)
        )
        return min(starts, key=self._core.loss)

    def _turned(self, matrix):
        """Return a map followed by the rotation that lowers its loss most."""
        return turned(matrix, self._core.cross)

    def tolerance(self, solution):
        """Return the gap up to which a solution counts as the best."""
        size = max(abs(self._core.loss(solution.core)), self._core.size)
        return CERTIFIED * size * self._unit

    def is_stationary(self, solution):
        """Return whether the conditions of Karush, Kuhn and Tucker hold."""
        if solution.multiplier == 0:
            return True
        nu = solution.multiplier / self._unit
        excess = orthogonality_residual(solution.core).item() - solution.lam
        is_feasible = excess <= 1e-9 * solution.lam + _ROUNDING
        error = self._core.stationarity(solution.core, nu)
        # The loss is as accurate in stiff directions as in others, the gradient less.
        stiffness = math.sqrt(2 * nu) if nu < math.inf else 0.0
        return is_feasible and error <= _STATIONARY * (1 + stiffness)

    def duality_gap(self, solution, lam, *, with_factor=False):
        """Return how much a solution may lack of the best map within a bound.

        Its loss less a lower bound of all; infinite where none is known.

        `with_factor`: whether maps times any common factor are compared with.
        """
        nu = solution.multiplier / self._unit
        bound = lower_bound(self._core, solution.core, nu, lam, with_factor=with_factor)
        return max(0.0, self._core.loss(solution.core) - bound) * self._unit


def fixed_matrix(like):
    """Return pseudo-random numbers of the shape of a matrix, the same at each call."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like)


def _row_basis(cross, reference):
    """Return a basis of the targets in which a map needs no more columns than rows.

    `basis`: orthonormal columns: all directions, or those of the rows of C.

    Shapes: cross (n_inputs, n_outputs), reference (n_inputs, n_outputs) -> basis
    (n_outputs, min(n_inputs, n_outputs)), core (n_inputs, min(n_inputs, n_outputs)).
    """
    n_inputs, n_outputs = cross.shape
    if n_outputs <= n_inputs:
        return torch.eye(n_outputs).to(cross), cross
    left, values, right = torch.linalg.svd(cross, full_matrices=False)
    is_null = values <= _RANK_SHARE * values[0]
    if is_null.any():
        kept = right[~is_null]
        free = left[:, is_null].T @ reference
        free = free - (free @ kept.T) @ kept
        right = torch.cat([kept, polar_factor(free)])
        return right.T, cross @ right.T
    return right.T, (left * values)


def _extrapolated(near, lam):
    """Return inverses of the dual matrix to start from, the best first.

    They follow a polynomial in the bound through all solutions nearby.
    """
    near = [other for other in near if other.inverse is not None]
    if not near:
        return []
    lams = [other.lam for other in near]
    if len(set(lams)) < len(lams):
        return [near[-1].inverse]
    proposed = torch.zeros_like(near[-1].inverse)
    for index, other in enumerate(near):
        rest = lams[:index] + lams[index + 1 :]
        weight = math.prod((lam - bound) / (other.lam - bound) for bound in rest)
        proposed.add_(other.inverse, alpha=weight)
    return [proposed, near[-1].inverse]
