# SPDX-License-Identifier: BSD-3-Clause
"""Anchored map: new rows take the position of one of their nearest training rows.

A mean of the nearest rows' positions would put a row between two clusters of the map,
where no training row is; a weighted vote among them puts it into one.

Distances are locally scaled: squared ones are divided by the training row's distance to
its own neighbours, as in Zelnik-Manor and Perona (2004). Without that a few rows are
among the nearest of very many.
"""

import torch

from sktransform.nn._products import padded_columns
from sktransform.runtime._nearest import smallest
from sktransform.runtime._runtime import CPU_ROWS
from sktransform.runtime._small_blocks import SmallBlocks

_N_NEIGHBORS = 10

# The neighbour whose distance is a row's scale, and the least scale in mean ones: rows
# that are repeated have neighbours at distance 0.
_SCALE_NEIGHBOR = 7
_LEAST_SCALE = 0.5

# Squared distance in the map at which agreement has halved, in the training's units.
_AGREEMENT = 3.0


def local_scales(Z, neighbors):
    """Return each row's distance to its seventh neighbour, or to its last before that.

    Shapes: `Z` (n_rows, n_inputs), `neighbors` (n_rows, n_neighbors), nearest first.
    """
    last = min(_SCALE_NEIGHBOR, neighbors.shape[1]) - 1
    return torch.linalg.vector_norm(Z - Z[neighbors[:, last]], dim=1)


class AnchoredMap:
    """Map rows onto the position of one of their nearest stored rows.

    Of `continuous_map` only the rows' inputs are used. `inputs` (n_anchors, n_inputs)
    are the stored rows, `embedding` (n_anchors, n_outputs) their positions, and
    `scales` (n_anchors,) their :func:`local_scales`; `unit` is the length in the
    embedding of 1 in the training's units.
    """

    def __init__(self, continuous_map, inputs, embedding, scales, unit):
        self._inputs_of = continuous_map.inputs
        n_anchors, limits = len(inputs), torch.finfo(inputs.dtype)
        relative = scales / scales.mean().clamp_min(limits.tiny)
        relative = relative.clamp_min(_LEAST_SCALE).unsqueeze(1)
        # Squared distances over scales, as one product with a row, 1 and its square.
        squares = inputs.square().sum(1, keepdim=True)
        parts = [-2 * inputs, squares, torch.ones_like(squares)]
        self._matrix = padded_columns((torch.cat(parts, 1) / relative).T)
        # Columns that fill the matrix up are the last row again, infinitely far away.
        self._matrix[-2, n_anchors:] = torch.inf
        columns = torch.arange(self._matrix.shape[1], device=inputs.device)
        self._embedding = embedding[columns.clamp_max_(n_anchors - 1)]
        # What rounding makes of 0.
        self._least = max(limits.eps * squares.mean().item(), limits.tiny)
        self._n_neighbors = min(_N_NEIGHBORS, n_anchors)
        # Shape (n_outputs, n_columns), in units of the agreement's reach.
        self._positions = (self._embedding / (_AGREEMENT**0.5 * unit)).T.contiguous()
        self._blocks = SmallBlocks(self._distances, CPU_ROWS, inputs.dtype)

    def __call__(self, X):
        """Return positions of rows, shape (n_rows, n_outputs)."""
        return self._embedding.index_select(0, self._winners(X))

    def block_rows(self, X):
        """Return the rows of a block on the CPU with which to map these rows."""
        is_on_cpu = self._matrix.device.type == "cpu"
        return self._blocks.rows_for(X) if is_on_cpu else CPU_ROWS

    def _distances(self, X):
        """Return squared distances to the stored rows over their scales."""
        Z = self._inputs_of(X)
        factors = torch.nn.functional.pad(Z, (0, 2), value=1.0)
        factors[:, -1] = Z.square().sum(1)
        return factors @ self._matrix

    @torch.inference_mode()
    def _winners(self, X):
        """Return the index of the neighbour with the largest vote, shape (n_rows,)."""
        squared, neighbors = smallest(self._distances(X), self._n_neighbors)
        squared.clamp_min_(self._least)
        weights = torch.softmax(-squared / squared[:, :1], 1)
        # Shape (n_outputs, n_rows, n_neighbors).
        positions = self._positions[:, neighbors]
        between = positions.unsqueeze(2) - positions.unsqueeze(3)
        agreement = weights.unsqueeze(1) / between.square_().sum(0).add_(1)
        winners = agreement.sum(2).argmax(1, keepdim=True)
        return neighbors.gather(1, winners).squeeze(1)
