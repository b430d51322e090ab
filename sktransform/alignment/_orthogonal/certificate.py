# SPDX-License-Identifier: BSD-3-Clause
"""Lower bounds of the loss that no map near the orthonormal ones can reach.

For any positive definite A and any W whose q columns have singular values s with
``sum (s_i^2 - 1)^2 <= lam^2``,

    ``tr(W'GW) - 2 tr(W'C) >= tr((G - A) WW') - tr(C'A^-1 C)``

and the trace is at least ``sum mu_i - lam ||mu||`` over the q eigenvalues mu of
``G - A`` for which that is least (Ky Fan). At the best map of a convex problem there is
an A for which both are equal: the difference is the duality gap.
"""

import math

import torch

from sktransform.runtime._linalg import quick_eigh

# Additions to A, in units of its largest eigenvalue, tried to make it definite.
_SHIFTS = (0.0, *(10.0**power for power in range(-16, -4)))

# Smallest singular value of a map, in units of the largest, with which it is inverted.
_INVERTIBLE = 1e-3


def lower_bound(problem, matrix, multiplier, lam, *, with_factor=False):
    """Return a number below the loss of every map within a bound.

    Minus infinity if none was found.

    `matrix`: a solution; the closer to the best one, the closer the number is to its
      loss.
    `with_factor`: whether the maps may be multiplied by any common factor.

    Shapes: matrix (n_inputs, n_outputs).
    """
    bounds = (
        _bound_of(problem, candidate, lam, with_factor)
        for candidate in _candidates(problem, matrix, multiplier)
    )
    return max(bounds)


def _candidates(problem, matrix, multiplier):
    """Yield symmetric matrices A with ``AW = C`` if W is stationary."""
    variances = problem.variances[:, 0]
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    duals = []
    if multiplier < math.inf:
        duals.append((multiplier * (values.square() - 1)).diag())
    if values[-1] > _INVERTIBLE * values[0]:
        # More accurate than the multiplier's where that is large.
        inside = left.T @ (problem.cross @ right.T / values)
        inside -= left.T @ (problem.variances * left)
        duals.append((inside + inside.T) / 2)
    for dual in duals:
        # Beside the column space A is free; these make the bound sharp in some cases.
        levels = {torch.linalg.eigvalsh(dual)[0].item()}
        if matrix.shape[1] < matrix.shape[0] and multiplier < math.inf:
            levels |= {-multiplier, 0.0}
        for level in levels:
            shifted = dual.clone()
            shifted.diagonal().sub_(level)
            candidate = left @ shifted @ left.T
            candidate.diagonal().add_(variances + level)
            yield (candidate + candidate.T) / 2


def _bound_of(problem, candidate, lam, with_factor):
    """Return the lower bound by a symmetric matrix A, shifted to be definite."""
    values, basis = quick_eigh(candidate)
    squares = (basis.T @ problem.cross).square().sum(1)
    remainder = -candidate
    remainder.diagonal().add_(problem.variances[:, 0])
    slopes = torch.linalg.eigvalsh(remainder)
    n_outputs = problem.cross.shape[1]
    if with_factor:
        shift = _shift_to_cone(slopes, lam, n_outputs)
        return _value(values, squares, slopes, shift, math.nan, n_outputs)
    least = max(0.0, -values[0].item())
    shifts = [least + share * values[-1].abs().item() for share in _SHIFTS]
    return max(
        _value(values, squares, slopes, shift, lam, n_outputs) for shift in shifts
    )


def _value(values, squares, slopes, shift, lam, n_outputs):
    """Return the bound for A plus a multiple of I; without lam, for a cone."""
    shifted = values + shift
    is_needed = squares > 0
    if (shifted[is_needed] <= 0).any():
        return -math.inf
    explained = (squares[is_needed] / shifted[is_needed]).sum().item()
    least = 0.0 if math.isnan(lam) else _least_trace(slopes - shift, lam, n_outputs)
    return least - explained


def _least_trace(slopes, lam, n_outputs):
    """Return the least ``sum mu - lam ||mu||`` over q of the sorted numbers mu.

    Each term is concave in any one number, so that the q numbers are the smallest and
    the largest ones.
    """
    n_inputs = len(slopes)
    sums, squares = (
        torch.cat([part.new_zeros(1), part.cumsum(0)])
        for part in (slopes, slopes.square())
    )
    n_low = torch.arange(n_outputs + 1, device=slopes.device)
    n_high = n_inputs - (n_outputs - n_low)

    def of_both_ends(totals):
        return totals[n_low] + totals[-1] - totals[n_high]

    lengths = of_both_ends(squares).clamp_min(0).sqrt()
    return (of_both_ends(sums) - lam * lengths).min().item()


def _shift_to_cone(slopes, lam, n_outputs):
    """Return the largest multiple of I for A with ``sum mu - lam ||mu|| >= 0``.

    A common factor may make the trace arbitrarily large; only then it has a bound.
    """
    size = slopes.abs().max().item()
    low, high = -4 * size, 4 * size
    if _least_trace(slopes - low, lam, n_outputs) < 0:
        return -math.inf
    for _ in range(80):
        middle = (low + high) / 2
        if _least_trace(slopes - middle, lam, n_outputs) >= 0:
            low = middle
        else:
            high = middle
    return low
