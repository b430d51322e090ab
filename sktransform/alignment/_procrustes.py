# SPDX-License-Identifier: BSD-3-Clause
"""The best map with orthonormal rows or columns, from second moments."""

import torch

from sktransform.runtime._linalg import polar_factor

_MOST_STEPS = 40

# Steps without progress beyond rounding, after which the iteration ends.
_PATIENCE = 5


def quadratic_loss(gram, cross, matrix):
    """Return ``tr(W'GW) - 2 tr(W'C)``: the squared error, less the target's variance.

    Parameters
    ----------
    gram : Tensor of shape (n_inputs, n_inputs)
        Covariance G of the inputs.

    cross : Tensor of shape (n_inputs, n_outputs)
        Covariance C of inputs and targets.

    matrix : Tensor of shape (n_inputs, n_outputs)
        The map W, multiplied from the right.

    Returns
    -------
    Tensor of shape ()
        The loss.
    """
    return ((gram @ matrix - 2 * cross) * matrix).sum()


def procrustes(gram, cross):
    """Return the map of least squared error with orthonormal rows or columns.

    Onto as many dimensions or more this is the polar factor of the cross-covariance.
    Onto fewer there is no closed form: which directions to give up depends on the
    inputs' covariance. A power iteration on the Stiefel manifold is started from
    several maps, and the best end is taken.

    Parameters
    ----------
    gram : Tensor of shape (n_inputs, n_inputs)
        Covariance of the inputs.

    cross : Tensor of shape (n_inputs, n_outputs)
        Covariance of inputs and targets.

    Returns
    -------
    Tensor of shape (n_inputs, n_outputs)
        The map, multiplied from the right.

    References
    ----------
    .. [1] F. Nie, R. Zhang and X. Li, "A generalized power method for solving
       quadratic problem on the Stiefel manifold", Science China, 2017.
    """
    polar = polar_factor(cross)
    if cross.shape[0] <= cross.shape[1]:
        return polar
    ends = [power_iteration(gram, cross, start) for start in _starts(gram, cross)]
    return min(ends, key=lambda matrix: quadratic_loss(gram, cross, matrix).item())


def _starts(gram, cross):
    """Return maps to begin at: two closed forms, and one that knows nothing."""
    ridge = gram.diagonal().mean() * 1e-6 * torch.eye(len(gram)).to(gram)
    generator = torch.Generator().manual_seed(0)
    arbitrary = torch.randn(cross.shape, generator=generator, dtype=cross.dtype)
    least_squares = torch.linalg.solve(gram + ridge, cross)
    return [polar_factor(map_) for map_ in (cross, least_squares, arbitrary.to(cross))]


def power_iteration(gram, cross, matrix):
    """Lower the loss by polar factors, with momentum that restarts when it rises.

    Parameters
    ----------
    gram : Tensor of shape (n_inputs, n_inputs)
        Covariance of the inputs.

    cross : Tensor of shape (n_inputs, n_outputs)
        Covariance of inputs and targets.

    matrix : Tensor of shape (n_inputs, n_outputs)
        Where to begin; its columns are orthonormal.

    Returns
    -------
    Tensor of shape (n_inputs, n_outputs)
        A map with orthonormal columns after at most 40 steps.
    """
    shift = torch.linalg.matrix_norm(gram, 2)
    loss = quadratic_loss(gram, cross, matrix)
    resolution = 1e-14 * (loss.abs() + gram.trace())
    previous, momentum, n_idle = matrix, 1.0, 0
    for _ in range(_MOST_STEPS):
        further = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = matrix + (momentum - 1) / further * (matrix - previous)
        proposed = polar_factor(shift * ahead - gram @ ahead + cross)
        proposed_loss = quadratic_loss(gram, cross, proposed)
        if proposed_loss > loss + resolution and momentum > 1:
            previous, momentum = matrix, 1.0
            continue
        n_idle = n_idle + 1 if loss - proposed_loss <= resolution else 0
        previous, matrix, loss = matrix, proposed, proposed_loss
        momentum = further
        if n_idle == _PATIENCE:
            break
    return matrix
