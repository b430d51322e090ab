# SPDX-License-Identifier: BSD-3-Clause
"""Unbalanced Procrustes problem: the best map with orthonormal columns.

``tr(W'GW) - 2 tr(W'C)`` over the p x q matrices with ``W'W = I``, q < p. Given the
column space, the best rotation within it is a polar factor in closed form. The column
space is found by a self-consistent eigenvalue problem, whose steps never raise the
loss, and then by Newton's method on the subspaces with the rotation eliminated.
"""

import math

import torch

from sktransform.alignment._orthogonal.newton import descended, symmetric_part
from sktransform.runtime._linalg import polar_factor, quick_eigh

# Steps of the self-consistent iteration from each start, and from the best of them.
# Newton's method takes over where it is slow.
_TRIAL_STEPS, _MOST_STEPS = 3, 25

# Relative decrease of the loss at which the iteration ends.
_SLOW = 1e-7

# Curvatures are kept above this share of the mean variance in the preconditioner.
_FLOOR = 1e-2


class RotationFrame:
    """Coordinates of the orthonormal maps near one with its best rotation.

    A change has the shape of the map: a skew-symmetric matrix, the turn within the
    column space, above the matrix by which the columns lean out of it. The rotation is
    not eliminated: where C nearly vanishes it would make the model a poor one.
    """

    def __init__(self, problem, matrix, dtype):
        q, variances = matrix.shape[1], problem.variances
        aligned, turn = quick_eigh(symmetric_part(matrix.T @ problem.cross))
        self._cross, self._n_outputs = problem.cross, q
        span = matrix @ turn
        beside = torch.linalg.qr(matrix, mode="complete")[0][:, q:]
        outer, outer_turn = quick_eigh(symmetric_part(beside.T @ (variances * beside)))
        self._basis = torch.cat([span, beside @ outer_turn], 1)
        beside = self._basis[:, q:]
        image = variances * span
        dual = -symmetric_part(span.T @ image)
        dual.diagonal().add_(aligned)
        floor = _FLOOR * variances.mean()
        dual_values, dual_turn = quick_eigh(dual)
        inverse = 1 / (outer[:, None] + dual_values).abs().clamp_min(floor)
        stiffness = (aligned[:, None] + aligned) / 2
        right_side = torch.zeros_like(matrix)
        right_side[q:] = beside.T @ (problem.cross @ turn - image)
        self.right_side = right_side.to(dtype)
        self._outer, self._dual = outer[:, None].to(dtype), dual.to(dtype)
        self._dual_turn, self._inverse = dual_turn.to(dtype), inverse.to(dtype)
        self._coupling = (beside.T @ image).to(dtype)
        self._stiffness = stiffness.to(dtype)
        self._softness = (1 / stiffness.abs().clamp_min(floor)).to(dtype)

    def hessian(self, change):
        """Return the product with half the Hessian on the orthonormal maps."""
        turn, lean = change[: self._n_outputs], change[self._n_outputs :]
        image = torch.empty_like(change)
        product = self._coupling.T @ lean
        image[: self._n_outputs] = self._stiffness * turn + (product - product.T) / 2
        outer = self._outer * lean
        outer.addmm_(lean, self._dual)
        image[self._n_outputs :] = outer.addmm_(self._coupling, turn)
        return image

    def precondition(self, gradient):
        """Return nearly the solution with half the Hessian."""
        turn, lean = gradient[: self._n_outputs], gradient[self._n_outputs :]
        solved = ((lean @ self._dual_turn) * self._inverse) @ self._dual_turn.T
        return torch.cat([self._softness * turn, solved])

    def moved(self, change):
        """Yield maps after a change, followed by their best rotation.

        Where C nearly vanishes the turn is large and would distort the lean: the second
        map is that without the turn.
        """
        change = change.to(self._basis.dtype)
        block = change[: self._n_outputs]
        for turn in (block, torch.zeros_like(block)):
            turn.diagonal().add_(1)
            change[: self._n_outputs] = turn
            basis = torch.linalg.qr(self._basis @ change)[0]
            yield basis @ polar_factor(basis.T @ self._cross)


def approximate_orthonormal(problem, start):
    """Return a map with orthonormal columns after a few self-consistent steps."""
    return _self_consistent(problem, start, _TRIAL_STEPS)


def best_orthonormal(problem, starts):
    """Return a map with orthonormal columns of locally least loss.

    `starts`: maps with orthonormal columns; the best after a few steps is followed.

    Shapes: starts list of (n_inputs, n_outputs).
    """
    ends = [_self_consistent(problem, start, _TRIAL_STEPS) for start in starts]
    matrix = min(ends, key=problem.loss)
    if len(ends) > 1:
        matrix = _self_consistent(problem, matrix, _MOST_STEPS)
    dtype = torch.float32 if problem.is_large else torch.float64
    return descended(
        lambda point: RotationFrame(problem, point, dtype),
        problem.loss,
        problem.size,
        matrix,
        problem.fine,
    )


def _self_consistent(problem, matrix, most_steps):
    """Return a better map: eigenvectors of a matrix that depends on the last map.

    The column space of ``W`` spans eigenvectors of ``G - CW' - WC'`` for its least
    eigenvalues. Steps are extrapolated as long as the loss falls.
    """
    loss, previous, weight = problem.loss(matrix), matrix, 1.0
    for _ in range(most_steps):
        following = (1 + math.sqrt(1 + 4 * weight**2)) / 2
        ahead = matrix + (weight - 1) / following * (matrix - previous)
        product = problem.cross @ ahead.T
        operator = -(product + product.T)
        operator.diagonal().add_(problem.variances[:, 0])
        basis = quick_eigh(operator)[1][:, : matrix.shape[1]]
        proposed = basis @ polar_factor(basis.T @ problem.cross)
        reached = problem.loss(proposed)
        if reached > loss:
            if weight == 1:
                break
            previous, weight = matrix, 1.0
            continue
        is_slow = loss - reached <= _SLOW * problem.size
        previous, matrix, loss, weight = matrix, proposed, reached, following
        if is_slow:
            break
    return matrix
