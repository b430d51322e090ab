# SPDX-License-Identifier: BSD-3-Clause
"""Pair loss: attraction of neighbours and stress in a batch, and its derivatives."""

import torch

from sktransform.reduction._gaussian_weighted.gradients import Buffers

# Stress counts only once the neighbourhoods are found: its strength rises between these
# shares of the steps. Stress from the start would keep groups from parting.
_RAMP_START, _RAMP_FULL = 0.3, 0.5

# What keeps the derivative of a distance finite; lengths have units of about 1.
_SMALLEST_SQUARE = 1e-9

# Stress is estimated from the distances within so many pairs at a time.
_STRESS_PAIRS = 128


def pair_gradients(anchors, partners, inputs, state):
    """Return the loss of a batch of pairs, and its derivatives by both images.

    Shapes: `anchors` (n_pairs, n_outputs) and their `partners`, images of the two
    `inputs` (n_pairs, n_inputs); returned: (), twice (n_pairs, n_outputs).
    """
    n_pairs, strength = len(anchors), state.strength
    shape = n_pairs, n_pairs
    # Squared embedded distances plus 1, the reciprocal of the kernel.
    pulls = _shifted_squares(
        anchors, partners, 1.0, state.buffers.take("pulls", anchors, *shape)
    )
    embedded = _embedded_distances(pulls, state) if strength > 0 else None
    loss = anchors.new_zeros(())
    if strength == 1:
        pulls.zero_()
    else:
        pulls.reciprocal_()
        sums = pulls.sum(1, keepdim=True)
        own = pulls.diagonal().clone()
        contrast = sums[:, 0].log() - state.attraction * own.log()
        loss += (1 - strength) * contrast.mean()
        weight = 2 * (1 - strength) / n_pairs
        pulls.square_().mul_(-weight / sums)
        pulls.diagonal().add_(own, alpha=weight * state.attraction)
    if strength > 0:
        loss += strength * _add_stress(pulls, embedded, inputs, state)
    return loss, _pulled(anchors, partners, pulls), _pulled(partners, anchors, pulls.T)


def stress_gradient(images, targets, row_weights):
    """Return the squared errors of all distances in a batch, and their derivative.

    Shapes: `images` (n_rows, n_outputs), `targets` (n_rows, n_rows), `row_weights`
    (n_rows,), a pair weighing their product; returned: (), (n_rows, n_outputs). Pairs
    that coincide in the embedding pull nowhere.
    """
    # Distances do not see the mean, and their products are exact without it.
    centred = images - images.mean(0)
    embedded = _shifted_squares(
        centred, centred, _SMALLEST_SQUARE, torch.empty_like(targets)
    ).sqrt_()
    errors = (embedded - targets).fill_diagonal_(0)
    pulls = errors * (row_weights[:, None] * row_weights)
    loss = 0.5 * pulls.view(-1).dot(errors.view(-1))
    pulls.mul_(2).div_(embedded)
    return loss, _pulled(centred, centred, pulls)


def _sum_of_squares(matrix):
    """Return the sum of squared entries, without memory for the squares."""
    entries = matrix.view(-1)
    return entries.dot(entries)


def _pulled(rows, others, pulls):
    """Return the sums of differences to the others, times the pulls."""
    others = torch.cat([others.T, others.new_ones((1, len(others)))])
    # A product of few rows is several times faster than one of few columns.
    *sums, total = others @ pulls.T
    return total[:, None] * rows - torch.stack(sums, 1)


def _shifted_squares(X, Y, shift, out):
    """Write squared distances plus a shift, by one product."""
    ones = torch.ones_like(X[..., :1])
    left = torch.cat([-2 * X, X.square().sum(-1, keepdim=True), ones], -1)
    right = torch.cat([Y, ones, Y.square().sum(-1, keepdim=True) + shift], -1)
    return torch.matmul(left, right.mT, out=out).clamp_min_(shift)


def _diagonal_blocks(matrix):
    """Return the square blocks along the diagonal, one after the other."""
    n_pairs = len(matrix)
    n_blocks = max(1, n_pairs // _STRESS_PAIRS)
    size = n_pairs // n_blocks
    return matrix.as_strided((n_blocks, size, size), (size * (n_pairs + 1), n_pairs, 1))


def _embedded_distances(shifted, state):
    """Return distances within blocks of pairs, a sample of all distances."""
    blocks = _diagonal_blocks(shifted)
    embedded = state.buffers.take("embedded", shifted, *blocks.shape)
    return torch.sub(blocks, 1 - 1e-6, out=embedded).sqrt_()


def _add_stress(pulls, embedded, inputs, state):
    """Add the derivative of the stress to the pulls; return the stress."""
    n_blocks, size, _ = embedded.shape
    rows = [part[: n_blocks * size].view(n_blocks, size, -1) for part in inputs]
    targets = state.buffers.take("targets", embedded, *embedded.shape)
    _shifted_squares(*rows, 0.0, targets).sqrt_()
    targets.mul_(state.scale_for(targets, embedded))
    total = _sum_of_squares(targets)
    errors = targets.sub_(embedded)
    stress = _sum_of_squares(errors) / total
    divisors = embedded.mul_(total / (-2 * state.strength * state.radius))
    _diagonal_blocks(pulls).addcdiv_(errors, divisors)
    return stress


class PairState:
    """Strength of the stress, and the constants fixed when it leaves 0.

    With a scale that follows every batch the map would shrink to lower its stress, and
    neighbourhoods would be lost. `stress_weight` is the final strength, `attraction`
    the weight of the pull between neighbours; `scale` and `radius` are what an earlier
    training has frozen.
    """

    def __init__(self, stress_weight, scale=None, radius=None, attraction=1.0):
        self._stress_weight = stress_weight
        self._scale = scale
        self.radius = radius
        self.attraction = attraction
        self.strength = 0.0
        self.buffers = Buffers()

    def advance(self, progress, images):
        """Set the strength for a share of the steps done."""
        ramp = (progress - _RAMP_START) / (_RAMP_FULL - _RAMP_START)
        ramp = 1.0 if self._stress_weight == 1 else min(1.0, max(0.0, ramp))
        self.strength = self._stress_weight * ramp
        if self.strength > 0 and self.radius is None:
            centred = images - images.mean(0)
            self.radius = centred.square().sum(1).mean().sqrt()

    def frozen(self):
        """Return the fixed constants; none if stress never counted."""
        if self._scale is None:
            return {}
        return {"scale": float(self._scale), "radius": float(self.radius)}

    def scale_for(self, targets, embedded):
        """Return the factor that brings targets to the embedding's scale."""
        if self._scale is None:
            self._scale = (targets * embedded).sum() / targets.square().sum()
        return self._scale
