# SPDX-License-Identifier: BSD-3-Clause
"""Least squares within a distance of the orthogonal maps, solved on second moments.

G is diagonal here: inputs come in its eigenbasis. The method depends on the shape of
the map; what both have in common, and what is known of a solution, is here.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch

from sktransform.alignment._orthogonal_ball import (
    gram_excess,
    moved_to_bound,
    orthogonality_residual,
    project_to_ball,
)
from sktransform.alignment._orthogonal_tall import TallProblem, tall_map, tall_rotation
from sktransform.alignment._orthogonal_wide import WideProblem, wide_map

# Below this the bound is that of a rotation.
_ROUNDING = 1e-12

# Relative distance of a bound from that of least squares below which both have the same
# loss to rounding: it is of second order.
_AS_FREE = 1e-7

# Distance from orthogonality below which least squares is a rotation, but for rounding.
_AS_ROTATION = 1e-9

# Relative gradient of a single solution, and of those of a path: of maps that are not
# tall, and of tall ones. The error of the loss is of second order, and the bound is met
# in any case.
_FINE, _ON_PATH = 1e-9, (1e-3, 1e-7)

# Solutions of a path from which the next one is foreseen.
_FOLLOWED = 3

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

    lam : float
        The bound.

    inverse : Tensor of shape (n_inputs, n_inputs) or None
        The inverse of G plus the bound's dual matrix, of a map that is not tall.
    """

    matrix: torch.Tensor
    multiplier: float
    n_iter: int
    lam: float = 0.0
    inverse: torch.Tensor | None = None


class DialProblem:
    """Least squares under a bound on ``||WW' - I||`` (``||W'W - I||`` if W is tall).

    Parameters
    ----------
    variances : Tensor of shape (n_inputs,)
        Positive variances of inputs that are uncorrelated: G is their diagonal matrix.

    cross : Tensor of shape (n_inputs, n_outputs)
        Covariance C of inputs and targets.

    rotation : Tensor of shape (n_inputs, n_outputs), default=None
        The best rotation of nearly the same data, a start where there is no closed
        form.
    """

    def __init__(self, variances, cross, rotation=None):
        self.variances, self.cross = variances[:, None], cross
        self.is_wide = cross.shape[0] <= cross.shape[1]
        self.mean_variance = variances.mean().item()
        self.least_squares = cross / self.variances
        self.largest_residual = orthogonality_residual(self.least_squares).item()
        self._near_rotation = rotation

    @property
    def is_rotation(self):
        """Whether least squares is a rotation, so that bounds make no difference."""
        return self.largest_residual <= _AS_ROTATION

    @cached_property
    def _factors(self):
        """Singular value decomposition of C."""
        return torch.linalg.svd(self.cross, full_matrices=False)

    @cached_property
    def _wide(self):
        return WideProblem.of(self.variances[:, 0], self.cross, self._factors)

    @cached_property
    def _tall(self):
        return TallProblem(self.variances, self.cross)

    @cached_property
    def rotation(self):
        """The best map with orthonormal rows or columns."""
        if self.is_wide:
            left, _, right = self._factors
            return left @ right
        return tall_rotation(self._tall, self._near_rotation)

    def loss(self, matrix):
        """Return ``tr(W'GW) - 2 tr(W'C)``."""
        return ((self.variances * matrix - 2 * self.cross) * matrix).sum().item()

    def solve(self, lam, near=(), tolerance=_FINE):
        """Return the best map whose distance from orthogonality is at most lam.

        Parameters
        ----------
        lam : float
            The bound; 0 asks for a rotation, infinity for least squares.

        near : sequence of DialSolution, default=()
            Solutions at other bounds, the nearest last.

        tolerance : float, default=1e-9
            Relative norm of the gradient at the end.

        Returns
        -------
        DialSolution
            The global optimum if the map is not tall; else the best of several local
            ones, where the certificate does not tell.
        """
        if lam >= self.largest_residual:
            return DialSolution(self.least_squares, 0.0, 0, lam)
        if lam >= (1 - _AS_FREE) * self.largest_residual:
            return DialSolution(moved_to_bound(self.least_squares, lam), 0.0, 0, lam)
        if lam <= _ROUNDING or self.is_rotation:
            return DialSolution(self.rotation, torch.inf, 0, lam)
        near = [other for other in near if 0 < other.multiplier < torch.inf]
        if self.is_wide:
            starts = _extrapolated(near, lam)
            matrix, nu, inverse, n = wide_map(self._wide, lam, starts, tolerance)
            return DialSolution(matrix, nu, n, lam, inverse)
        if near:
            return self._tall_from(near[-1].matrix, lam, tolerance, near[-1].multiplier)
        return self._tall_from(self._best_start(lam), lam, tolerance)

    def _tall_from(self, matrix, lam, tolerance, multiplier=None):
        """Return the solution of a tall map that is found from a start."""
        matrix, nu, n = tall_map(self._tall, lam, matrix, multiplier, tolerance)
        return DialSolution(moved_to_bound(matrix, lam), nu, n, lam)

    def path(self, lams):
        """Yield solutions for falling bounds, each from those before.

        Parameters
        ----------
        lams : iterable of float
            The bounds, the largest first.

        Yields
        ------
        DialSolution
            On its bound, and of the loss of :meth:`solve` to about 1e-8 of the target's
            variance; the map itself to about 1e-3.
        """
        near, tolerance = [], _ON_PATH[0 if self.is_wide else 1]
        for lam in lams:
            near = [*near[1 - _FOLLOWED :], self.solve(lam, near, tolerance)]
            yield near[-1]

    def solve_certified(self, lam, near=()):
        """Return the best solution of up to five, and whether it is certified."""
        solution = self.solve(lam, near)
        if self.certificate(solution) >= _CERTIFIED * self.mean_variance:
            return solution, True
        multiplier = solution.multiplier
        if not self.is_wide and 0 < multiplier < torch.inf:
            starts = map(self.turned, [self.rotation, *self._arbitrary(lam)])
            found = [self._tall_from(begin, lam, _FINE, multiplier) for begin in starts]
            found.append(self.solve(lam, [self._followed(lam)]))
            solution = min([solution, *found], key=lambda end: self.loss(end.matrix))
        bound = _CERTIFIED * self.mean_variance
        return solution, self.certificate(solution) >= bound

    def _followed(self, lam):
        """Return the end of a path from least squares, where solutions are certain."""
        n_steps = math.ceil(math.log2(self.largest_residual / lam))
        factor = (lam / self.largest_residual) ** (1 / n_steps)
        lams = (self.largest_residual * factor**step for step in range(1, n_steps))
        return [*self.path([*lams, lam])][-1]

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


def _extrapolated(near, lam):
    """Return inverses of the dual matrix to start from, the best first.

    They follow a polynomial in the bound through all solutions nearby.
    """
    if not near:
        return []
    lams = [other.lam for other in near]
    if len(set(lams)) < len(lams):
        return [near[-1].inverse]
    proposed = torch.zeros_like(near[-1].inverse)
    for place, other in enumerate(near):
        rest = lams[:place] + lams[place + 1 :]
        weight = math.prod((lam - bound) / (other.lam - bound) for bound in rest)
        proposed.add_(other.inverse, alpha=weight)
    return [proposed, near[-1].inverse]
