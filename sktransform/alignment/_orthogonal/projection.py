# SPDX-License-Identifier: BSD-3-Clause
"""Projection onto the matrices within a distance of the orthogonal ones."""

import torch

# Below this a bound is one to rounding: only orthonormal rows or columns keep it.
_ROUNDING = 1e-12

# Newton's method on a convex function from above: as many steps always suffice.
_MOST_STEPS = 60

# Steps of Newton's method from close to a bound onto it.
_MOST_MOVES = 4

# Relative distance from the bound within which a solution is taken for one on it.
_NEAR = 1e-6


def orthogonality_residual(matrix):
    """Return how far a matrix is from having orthonormal rows, or columns.

    ``sqrt(sum (s_i^2 - 1)^2)`` over the singular values.

    Shapes: matrix (n_inputs, n_outputs) -> ().
    """
    return gram_excess(matrix).norm()


def gram_excess(matrix):
    """Return the smaller Gram matrix less the identity."""
    wide = matrix.shape[0] <= matrix.shape[1]
    gram = matrix @ matrix.T if wide else matrix.T @ matrix
    gram.diagonal().sub_(1)
    return gram


def column_excess(matrix):
    """Return the Gram matrix of the columns less the identity, ``W'W - I``."""
    gram = matrix.T @ matrix
    gram.diagonal().sub_(1)
    return gram


def project_to_ball(matrix, radius):
    """Return the nearest matrix whose distance from orthogonality is bounded.

    The singular vectors stay, and the singular values are moved towards 1 until the
    bound holds. This is the nearest such matrix of all, though their set is not convex.

    The matrix itself if it keeps the bound.

    Shapes: matrix (n_inputs, n_outputs), radius () -> (n_inputs, n_outputs).
    """
    if orthogonality_residual(matrix) <= radius:
        return matrix
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    return (left * project_values(values, float(radius))) @ right


def moved_to_bound(matrix, radius):
    """Return a matrix within a bound, moved onto it if it is next to it.

    The step is along the gradient of the distance, ``EW`` with the excess E of the Gram
    matrix, which moves the singular values alone, as a projection does. A matrix well
    inside the bound stays: moving it outwards would raise the loss.

    A matrix whose distance is at most the bound, to rounding.

    Shapes: matrix (n_inputs, n_outputs) -> (n_inputs, n_outputs).
    """
    if gram_excess(matrix).norm().item() < (1 - _NEAR) * radius:
        return matrix
    for _ in range(_MOST_MOVES):
        excess = gram_excess(matrix)
        residual = excess.norm().item()
        if abs(residual - radius) <= 1e-12 * radius:
            return matrix
        is_wide = matrix.shape[0] <= matrix.shape[1]
        pull = excess @ matrix if is_wide else matrix @ excess
        length = (residual - radius) * residual / (2 * pull.square().sum().item())
        matrix = matrix - length * pull
    return project_to_ball(matrix, radius)


def project_values(values, radius):
    """Return the nearest values t with ``sqrt(sum (t_i^2 - 1)^2) <= radius``.

    Values between the given ones and 1.

    Shapes: values (n_values,) -> (n_values,).
    """
    if (values.square() - 1).norm() <= radius:
        return values
    if radius <= _ROUNDING:
        return torch.ones_like(values)
    return weighted_values(values, radius, torch.ones_like(values))[0]


def weighted_values(values, radius, weights):
    """Return values t of least ``sum w_i (t_i - s_i)^2`` that just keep a bound.

    `values`: numbers s that do not keep the bound, not negative.
    `moved`: values between the given ones and 1.
    `multiplier`: Lagrange's multiplier of the squared bound.

    Shapes: values (n_values,), weights (n_values,) -> moved (n_values,), multiplier.
    """
    low, high, multiplier = 0.0, torch.inf, weights.mean().item()
    for _ in range(_MOST_STEPS):
        moved = values_at(values, multiplier / weights)
        excess = moved.square() - 1
        residual = excess.norm().item()
        if abs(residual - radius) <= 1e-14 * radius:
            break
        if residual > radius:
            low = multiplier
        else:
            high = multiplier
        # One over the residual is nearly linear in the multiplier.
        slopes = weights + 2 * multiplier * (3 * moved.square() - 1)
        rate = -(2 * moved * excess).square().div(slopes).sum().item() / residual
        proposed = torch.inf
        if rate < 0:
            proposed = multiplier + (residual / radius - 1) * residual / -rate
        if not low < proposed < high:
            proposed = 2 * multiplier if high == torch.inf else (low + high) / 2
        if proposed in (low, high, multiplier):
            break
        multiplier = proposed
    return moved, multiplier


def values_at(values, multipliers):
    """Return the positive roots t of ``t - s + 2 m t (t^2 - 1) = 0``, one for each s.

    Each t is where ``(t - s)^2 + m (t^2 - 1)^2`` is least.
    """
    moved = values.clamp_min(1)
    for _ in range(_MOST_STEPS):
        excess = moved.square() - 1
        value = moved - values + 2 * multipliers * moved * excess
        slope = 1 + 2 * multipliers * (3 * excess + 2)
        step = value / slope.clamp_min(torch.finfo(values.dtype).tiny)
        moved = (moved - step).clamp_min(0)
        if (step.abs() <= 1e-16 * moved).all():
            break
    # At s = 0 Newton's quotient is 0/0 for the multiplier 1/2.
    at_zero = (1 - 1 / (2 * multipliers)).clamp_min(0).sqrt()
    return torch.where(values == 0, at_zero, moved)
