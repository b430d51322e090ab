# SPDX-License-Identifier: BSD-3-Clause
"""The loss of a batch of pairs of neighbours, its derivatives written out."""

import torch

# The dial is off until the neighbourhoods stand, then turned up to its value.
_DIAL_START, _DIAL_FULL = 0.3, 0.5

# What keeps the derivative of a distance finite; lengths have units of about 1.
_SMALLEST_SQUARE = 1e-9

# Stress is estimated from the distances within so many pairs at a time.
_STRESS_PAIRS = 128


def pair_gradients(anchors, partners, inputs, state):
    """Return the loss of a batch of pairs and its derivatives.

    Parameters
    ----------
    anchors : Tensor of shape (n_pairs, n_outputs)
        Images of the anchors.

    partners : Tensor of shape (n_pairs, n_outputs)
        Images of their neighbours, in the same order.

    inputs : tuple of Tensor, each of shape (n_pairs, n_inputs)
        The rows behind both.

    state : PairState
        The dial, the scale that was frozen when it was switched on, and the weight of
        the pull between neighbours.

    Returns
    -------
    loss : Tensor of shape ()
        The loss.

    by_anchor, by_partner : Tensor of shape (n_pairs, n_outputs)
        Its derivatives.
    """
    n_pairs, dial = len(anchors), state.dial
    shape = n_pairs, n_pairs
    # Squared embedded distances plus 1, the reciprocal of the kernel.
    pulls = _shifted_squares(
        anchors, partners, 1.0, state.matrix("pulls", anchors, shape)
    )
    embedded = _embedded_distances(pulls, state) if dial > 0 else None
    loss = anchors.new_zeros(())
    if dial == 1:
        pulls.zero_()
    else:
        pulls.reciprocal_()
        sums = pulls.sum(1, keepdim=True)
        own = pulls.diagonal().clone()
        contrast = sums[:, 0].log() - state.attraction * own.log()
        loss += (1 - dial) * contrast.mean()
        weight = 2 * (1 - dial) / n_pairs
        pulls.square_().mul_(-weight / sums)
        pulls.diagonal().add_(own, alpha=weight * state.attraction)
    if dial > 0:
        loss += dial * _add_stress(pulls, embedded, inputs, state)
    return loss, _pulled(anchors, partners, pulls), _pulled(partners, anchors, pulls.T)


def stress_gradient(images, targets, row_weights):
    """Return the squared errors of all distances in a batch, and their derivative.

    Parameters
    ----------
    images : Tensor of shape (n_rows, n_outputs)
        Images of the rows.

    targets : Tensor of shape (n_rows, n_rows)
        Target distances between them, symmetric, with a zero diagonal.

    row_weights : Tensor of shape (n_rows,)
        Weights; a pair weighs their product.

    Returns
    -------
    loss : Tensor of shape ()
        Weighted sum over pairs of the squared differences of distances.

    gradient : Tensor of shape (n_rows, n_outputs)
        Its derivative. Pairs that coincide in the embedding pull nowhere.
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
    """Return distances of blocks of pairs, which stand for all of them."""
    blocks = _diagonal_blocks(shifted)
    embedded = state.matrix("embedded", shifted, blocks.shape)
    return torch.sub(blocks, 1 - 1e-6, out=embedded).sqrt_()


def _add_stress(pulls, embedded, inputs, state):
    """Add the derivative of the stress to the pulls; return the stress."""
    n_blocks, size, _ = embedded.shape
    rows = [part[: n_blocks * size].view(n_blocks, size, -1) for part in inputs]
    targets = state.matrix("targets", embedded, embedded.shape)
    _shifted_squares(*rows, 0.0, targets).sqrt_()
    targets.mul_(state.scale_for(targets, embedded))
    total = _sum_of_squares(targets)
    errors = targets.sub_(embedded)
    stress = _sum_of_squares(errors) / total
    divisors = embedded.mul_(total / (-2 * state.dial * state.radius))
    _diagonal_blocks(pulls).addcdiv_(errors, divisors)
    return stress


class PairState:
    """The dial's value, and what is frozen when it leaves 0.

    With a scale that follows every batch the map would shrink to lower its stress, and
    the neighbourhoods would give way.

    Parameters
    ----------
    stress_weight : float
        The dial's final value.

    scale : float, default=None
        What was frozen in an earlier training that is continued. None freezes anew.

    radius : float, default=None
        The same.

    attraction : float, default=1.0
        Weight of the pull between neighbours.
    """

    def __init__(self, stress_weight, scale=None, radius=None, attraction=1.0):
        self._stress_weight = stress_weight
        self._scale = scale
        self.radius = radius
        self.attraction = attraction
        self.dial = 0.0
        self._matrices = {}

    def advance(self, progress, images):
        """Set the dial for a share of the steps done."""
        ramp = (progress - _DIAL_START) / (_DIAL_FULL - _DIAL_START)
        ramp = 1.0 if self._stress_weight == 1 else min(1.0, max(0.0, ramp))
        self.dial = self._stress_weight * ramp
        if self.dial > 0 and self.radius is None:
            centred = images - images.mean(0)
            self.radius = centred.square().sum(1).mean().sqrt()

    def frozen(self):
        """Return what is frozen, or nothing if the dial was never on."""
        if self._scale is None:
            return {}
        return {"scale": float(self._scale), "radius": float(self.radius)}

    def matrix(self, name, like, shape):
        """Return memory for a matrix, which calls share."""
        matrix = self._matrices.get(name)
        if matrix is None or matrix.shape != shape:
            matrix = self._matrices[name] = like.new_empty(shape)
        return matrix

    def scale_for(self, targets, embedded):
        """Return the factor that brings targets to the embedding's scale."""
        if self._scale is None:
            self._scale = (targets * embedded).sum() / targets.square().sum()
        return self._scale
